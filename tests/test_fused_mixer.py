"""A mixer layer at `kernels: fused`: the same numbers and gradients as its eager operators, kept in less memory."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sem_impl.convolution import CausalConvolution
from sem_impl.gates import MagnitudeGate, UnitaryGate
from sem_impl.initial import Initial
from sem_impl.kernels import native
from sem_impl.kernels.native.taps import gated_taps, gated_taps_adjoint
from sem_impl.kernels.native.unitary import unitary_gate, unitary_gate_adjoint
from sem_impl.layout import LAYOUTS
from sem_impl.mixer import Carried, Mixer, MixerLayer
from sem_impl.products import Answered, Driven, Joined
from sem_impl.residual import RESIDUALS
from sem_impl.sizes import SIZES, Dimensions

EXACT = Initial(0, torch.float64)
EPS = torch.finfo(torch.float64).eps
TINY = Dimensions.of({**SIZES["tiny"], "propagator_layers": 1})
LEVELS = {"norm": "complex_rms", "residual": "learned_horizon", "horizon": "third", "scan": "chunked"}
WIDTH = 16

needs_library = pytest.mark.skipif(native.library("taps") is None, reason="no C++ compiler")


def normal(*shape, seed=0, dtype=torch.complex128):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def leaves(*tensors):
    return [each.requires_grad_() for each in tensors]


def gradients(made, given, seed=9):
    made = made if isinstance(made, tuple) else (made,)
    total = sum((each * normal(*each.shape, seed=seed, dtype=each.dtype)).real.sum() for each in made)
    return [*(each.detach() for each in made), *torch.autograd.grad(total, given)]


def assert_close(found, truth, roundings=200):
    for one, other in zip(found, truth, strict=True):
        assert one.shape == other.shape
        assert float((one - other).norm()) <= roundings * EPS * max(1.0, float(other.norm()))


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def turned(level, tokens):
    """The gate module's output and gradients, from the same parameters."""
    gate = UnitaryGate(EXACT, WIDTH, kernels=level)
    with torch.no_grad():
        gate.bias.copy_(normal(*gate.bias.shape, seed=3, dtype=torch.float64))
    (z,) = leaves(normal(*tokens, WIDTH))
    return gradients(gate(z), [z, *gate.parameters()])


@needs_library
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("tokens", [(0, 4), (1, 1), (2, 17)])
def test_unitary_gate_equals_its_operators(tokens):
    assert_close(turned("fused", tokens), turned("eager", tokens))


@needs_library
def test_unitary_gate_has_the_right_gradient():
    given = leaves(normal(3, 16), normal(3, 2, dtype=torch.float64), normal(2, 8, 8), normal(2, 8, dtype=torch.float64))
    assert torch.autograd.gradcheck(unitary_gate, given)


def convolved(fused, batch, length, width, size=1.0):
    convolution, gate = CausalConvolution(EXACT.scope("c"), width), MagnitudeGate(EXACT.scope("m"))
    with torch.no_grad():
        gate.beta.fill_(-0.7)
    z, tail = leaves(size * normal(batch, length, width), size * normal(batch, 3, width, seed=1))
    if fused:
        y, after = convolution.gated(z, tail, gate.beta)
    else:
        c, after = convolution(z, tail)
        y = gate(c)
    return gradients((y, after), [z, tail, convolution.taps, gate.beta])


@needs_library
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 2, 129), (1, 3, 16), (3, 70, 130), (0, 4, 8)])
def test_gated_convolution_equals_its_operators(shape):
    assert_close(convolved(True, *shape), convolved(False, *shape))


@needs_library
@pytest.mark.parametrize("size", [1e-9, 30.0])
def test_gate_neither_cancels_nor_overflows(size):
    """1 - exp(-x) loses all digits of a small x; of a large one nothing is left to gate."""
    found, truth = (convolved(fused, 1, 9, 20, size)[0] for fused in (True, False))
    assert float((found - truth).norm()) <= 20 * EPS * float(truth.norm())
    assert float(truth.norm()) > 0


@needs_library
def test_gated_convolution_has_the_right_gradient():
    given = leaves(normal(2, 5, 3), normal(2, 3, 3), normal(4, 3), torch.tensor(-0.3, dtype=torch.float64))
    assert torch.autograd.gradcheck(gated_taps, given)


@needs_library
def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"gated_taps: z \[1, 5, 4\]"):
        gated_taps(normal(1, 5, 4), normal(1, 2, 4), normal(4, 4), torch.tensor(0.0, dtype=torch.float64))
    with pytest.raises(ValueError, match="multiple of 8"):
        unitary_gate(
            normal(3, 12), normal(3, 1, dtype=torch.float64), normal(1, 8, 8), normal(1, 8, dtype=torch.float64)
        )
    z, beta = normal(1, 5, 4), torch.tensor(0.0, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"gated_taps_adjoint: g \[1, 4, 4\]"):
        gated_taps_adjoint(z[:, 1:], z, normal(1, 3, 4), normal(4, 4), beta)
    real = {"dtype": torch.float64}
    with pytest.raises(ValueError, match=r"unitary_gate_adjoint: g \[3, 7\]"):
        unitary_gate_adjoint(normal(3, 7), normal(3, 8), normal(3, 1, **real), normal(1, 8, 8), normal(1, 8, **real))


def test_products_have_the_right_gradients():
    y, h, B, C = normal(2, 3, 4), normal(2, 3, 4, seed=1), normal(2, 2, 2, seed=2), normal(2, 2, 2, seed=3)
    W_dt, bias = normal(4, 8, dtype=torch.float64), normal(4, dtype=torch.float64)
    skip, psi, W = normal(4, dtype=torch.float64), normal(2, 3, 4, seed=4), normal(4, 4, seed=5)
    assert torch.autograd.gradcheck(Driven.apply, leaves(y, W_dt, bias, B))
    assert torch.autograd.gradcheck(Answered.apply, leaves(h, C, y, skip))
    for scale in (skip, torch.tensor(0.7, dtype=torch.float64)):
        assert torch.autograd.gradcheck(Joined.apply, leaves(psi, h, W, scale))


def lively(layer):
    """Away from the initial steps, which are all 1."""
    with torch.no_grad():
        layer.state_space.step_weight.copy_(0.1 * normal(64, 64, 2, seed=1, dtype=torch.float64))
        layer.magnitude_gate.beta.fill_(-0.7)
    return layer


def layer_answers(length=TINY.seq_len, **levels):
    layer = lively(MixerLayer(EXACT.scope("layer"), TINY, 0, **{**LEVELS, "layout": "complex64", **levels}))
    psi, tail, state = leaves(normal(2, length, 64), normal(2, 3, 64, seed=1), normal(2, 64, seed=2))
    out, carried = layer(psi, Carried(tail, state))
    return gradients((out, *carried), [psi, tail, state, *layer.parameters()])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scan", ["chunked", "fused"])
def test_layer_equals_the_eager_one(layout, scan):
    assert_close(layer_answers(kernels="fused", layout=layout, scan=scan), layer_answers())


@pytest.mark.parametrize("residual", RESIDUALS)
@pytest.mark.parametrize("length", [1, 2, 9])
def test_layer_equals_the_eager_one_at_every_residual(residual, length):
    fused = layer_answers(length, kernels="fused", scan="fused", residual=residual)
    assert_close(fused, layer_answers(length, residual=residual))


@pytest.mark.usefixtures("threads")
def test_layer_without_a_library_is_the_same(monkeypatch):
    for name in ("mixer", "gates", "norm", "state_space", "scan"):
        monkeypatch.setattr(f"sem_impl.{name}.usable", lambda *_: False)
    assert_close(layer_answers(kernels="fused", scan="fused"), layer_answers())


def kept_bytes(layer: nn.Module, psi):
    """Of what the backward pass of one layer holds on to, the input and the parameters not counted."""
    seen, given = {}, {p.untyped_storage().data_ptr() for p in (psi, *layer.parameters())}

    def keep(tensor):
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        made = layer(psi)
    return sum(size for place, size in seen.items() if place not in given), made


@needs_library
def test_layer_keeps_six_and_a_half_arrays():
    """norm's and gates' results, the step before its softplus (real), B y, h, o; eager operators keep 20 and more."""
    sizes = replace(TINY, width=256)
    layer = MixerLayer(Initial(0), sizes, 0, **(LEVELS | {"scan": "fused"}), layout="complex64", kernels="fused")
    psi = normal(1, 64, 256, dtype=torch.complex64).requires_grad_()
    found, _ = kept_bytes(layer, psi)
    one, small = psi.numel() * psi.itemsize, 64 * 32 * 4 + 3 * 32 * 64 * 8 + 4 * 256 * 256
    assert 6.5 * one <= found <= 6.5 * one + small


def test_checkpoints_change_nothing():
    def answers(checkpointing):
        levels = LEVELS | {"scan": "fused", "layout": "complex64", "kernels": "fused"}
        mixer = Mixer(EXACT.scope("mixer"), TINY, checkpointing=checkpointing, **levels)
        (psi,) = leaves(normal(2, 32, 64))
        out, _ = mixer(psi)
        return gradients(out, [psi, *mixer.parameters()])

    for one, other in zip(answers("none"), answers("every_k"), strict=True):
        assert torch.equal(one, other)
