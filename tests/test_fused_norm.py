"""Level `fused` of norm, magnitude gate and the head's direction: the numbers and gradients of `eager`."""

import math

import pytest
import torch

from sem_impl.gates import MagnitudeGate
from sem_impl.head import Head
from sem_impl.initial import Initial
from sem_impl.kernels.native import library
from sem_impl.kernels.native import rows as native
from sem_impl.norm import NORMS

pytestmark = pytest.mark.skipif(library("rows") is None, reason="no native library here")
PIECES = ("norm", "gate", "direction")
SHAPES = [(1, 1, 1), (2, 3, 5), (3, 17), (70, 300), (0, 4), (2, 0, 4)]
ROUNDOFF = 2.0**-24


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def field(*shape, seed=0, dtype=torch.complex128):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed)).to(dtype)


def made(piece, width, kernels, dtype=torch.float64):
    """A module or method of z [.., width], and its parameters: none that training starts from."""
    if piece == "direction":
        return Head(Initial(0, dtype), width, 3, head="log_linear", loss="chunked", kernels=kernels).direction, []
    initial = Initial(0, dtype)
    module = NORMS["complex_rms"](initial, width, kernels=kernels) if piece == "norm" else None
    module = module or MagnitudeGate(initial, kernels=kernels)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.linspace(-1.5, 0.7, parameter.numel(), dtype=dtype).view(parameter.shape))
    return module, list(module.parameters())


def with_gradients(piece, z, kernels, dtype=torch.float64):
    call, parameters = made(piece, z.shape[-1], kernels, dtype)
    z = z.detach().requires_grad_()
    out = call(z)
    weights = field(*out.shape, seed=1) if out.is_complex() else field(*out.shape, seed=1).real
    (out * weights.to(out.dtype)).sum().real.backward()
    return [out.detach(), z.grad, *(parameter.grad for parameter in parameters)]


def assert_close(found, expected, rtol, atol=0.0):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=rtol, atol=atol * float(other.abs().nan_to_num().sum() or 1))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 30.0])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("piece", PIECES)
def test_is_eager_in_value_and_gradients(piece, shape, scale):
    """float64, sums of up to 21 000 terms: 1e-12 of the sum of sizes, 1e-11 of a number where terms cancel."""
    z = scale * field(*shape)
    assert_close(with_gradients(piece, z, "fused"), with_gradients(piece, z, "eager"), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("piece", PIECES)
def test_gradcheck(piece):
    call, parameters = made(piece, 5, "fused")
    z = field(2, 3, 5).requires_grad_()
    if not parameters:
        assert torch.autograd.gradcheck(call, (z,))
        return
    (name,) = [name for name, _ in call.named_parameters()]

    def called(z, parameter):
        return torch.func.functional_call(call, {name: parameter}, z)

    assert torch.autograd.gradcheck(called, (z, parameters[0].detach().clone().requires_grad_()))


@pytest.mark.parametrize("size", [1e-12, 0.1, 0.349999, 0.350001, 1.0, 20.0, 200.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gate_keeps_its_digits_where_the_difference_would_cancel(dtype, size):
    """At x = |z|^2 around 0.35 the series ends. An entry is within 10 roundings: the exponential has 2.5, which
    1 - e^(-x) makes 2.4 times as many; then a difference and a product."""
    roundoff = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}[dtype]
    z = torch.full((1, 40), math.sqrt(size), dtype=dtype.to_complex()) * torch.linspace(0.9, 1.1, 40, dtype=dtype)
    found = native.magnitude_gate(z, torch.zeros((), dtype=dtype)).real.double()
    exact = z.real.double() * -torch.expm1(-(z.real.double() ** 2))
    assert float((found / exact - 1).abs().max()) < 10 * roundoff


@pytest.mark.parametrize("piece", PIECES)
def test_single_precision(piece):
    """Sums over rows of 300 and over 70 rows: within 40 roundings of the sum of sizes."""
    z = field(70, 300, dtype=torch.complex64)
    exact = with_gradients(piece, z.to(torch.complex128), "eager")
    found = with_gradients(piece, z, "fused", torch.float32)
    for one, other in zip(found, exact, strict=True):
        size = other.abs().max() if other.ndim > 1 else other.abs().max() * math.sqrt(z.numel())
        assert float((one - other).abs().max()) < 40 * ROUNDOFF * float(size)


@pytest.mark.parametrize("piece", PIECES)
def test_rows_of_zeros_have_finite_gradients_and_stay_zero(piece):
    z = field(3, 6)
    z[1] = 0
    out, dz, *rest = with_gradients(piece, z, "fused")
    assert out[1].abs().max() == 0
    assert all(torch.isfinite(torch.view_as_real(each) if each.is_complex() else each).all() for each in (dz, *rest))
    assert_close([out, dz, *rest], with_gradients(piece, z, "eager"), rtol=1e-12)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("piece", PIECES)
def test_what_is_no_number_is_told_in_the_same_rows(piece, bad):
    z = field(4, 6)
    z[2, 3] = complex(bad, 1)
    found, expected = (with_gradients(piece, z, kernels)[:2] for kernels in ("fused", "eager"))
    for one, other in zip(found, expected, strict=True):
        finite = [torch.isfinite(each).view(4, -1).all(1).tolist() for each in (one, other)]
        assert finite[0] == finite[1] == [True, True, False, True]


@pytest.mark.parametrize("piece", PIECES)
def test_any_stride_and_a_pending_conjugate(piece):
    wide = field(7, 12, 10)
    views = [wide[:, ::2, 1:6], wide.transpose(0, 1)[..., :5], wide[:1, :1, :5].expand(3, 4, 5)]
    views += [wide[..., :5].conj()] if piece != "direction" else []  # seen as real numbers, which a conjugate cannot be
    call, _ = made(piece, 5, "fused")
    for z in views:
        found = []
        for leaf in (z.detach(), z.resolve_conj().clone(memory_format=torch.contiguous_format)):
            out = call(leaf.requires_grad_())
            g = torch.ones((), dtype=out.dtype).expand_as(out)
            found.append((out, *torch.autograd.grad(out, leaf, g)))
        assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("piece", PIECES)
def test_threads_change_rounding_alone(piece):
    z = field(90, 600)
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(with_gradients(piece, z, "fused"))
    for other in found[1:]:
        assert torch.equal(other[0], found[0][0])
        assert torch.equal(other[1], found[0][1])
        assert_close(other[2:], found[0][2:], rtol=1e-11, atol=1e-14)


def test_the_other_layouts_keep_their_operators(monkeypatch):
    monkeypatch.setattr(native, "magnitude_gate", lambda *_: pytest.fail("complex fields alone"))
    gate = MagnitudeGate(Initial(0, torch.float64), layout="planar", kernels="fused")
    assert torch.isfinite(gate(field(2, 3, 4).real.new_ones(2, 2, 3, 4))).all()


def test_what_does_not_fit_is_refused_in_words():
    z = field(3, 4)
    with pytest.raises(ValueError, match=r"parameter \[5\].*\[4\] of torch.float64"):
        native.complex_rms(z, torch.ones(5, dtype=torch.float64), 1e-6)
    with pytest.raises(ValueError, match="a complex field"):
        native.magnitude_gate(z.real.contiguous(), torch.ones((), dtype=torch.float64))
    with pytest.raises(ValueError, match=r"a gradient \[3, 5\]"):
        native.direction_adjoint(z.real.contiguous(), field(3, 5).real.contiguous(), 1e-12)
