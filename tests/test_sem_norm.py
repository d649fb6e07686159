"""Both norms against their equations, gradients included; which phases move, and what the readings say of it."""

import math

import pytest
import torch
from torch import nn

from sem_impl.initial import Initial
from sem_impl.norm import NORMS
from sem_impl.probing.mixer import phase_error

EXACT = Initial(0, torch.float64)
ROUNDOFF = 2.0**-24


def rows(*shape, seed=0, dtype=torch.complex128):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed)).to(dtype)


def drawn(name, width, dtype=torch.float64, seed=1):
    """A norm with parameters like none that training starts from."""
    made = NORMS[name](Initial(0, dtype), width)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=torch.float64, generator=generator))
    return made


def layer_norm(z, weight, bias):
    """Equation (1), entry by entry."""
    out = []
    for row in z.reshape(-1, z.shape[-1]):
        numbers = torch.cat([row.real, row.imag])
        mean = sum(numbers) / len(numbers)
        deviation = torch.sqrt(sum((number - mean) ** 2 for number in numbers) / len(numbers) + 1e-5)
        for entry, w, b in zip(row, weight, bias, strict=True):
            real = w[0] * (entry.real - mean) / deviation + b[0]
            out.append(torch.complex(real, w[1] * (entry.imag - mean) / deviation + b[1]))
    return torch.stack(out).view(z.shape)


def complex_rms(z, gamma):
    """Equation (2)."""
    return z * gamma / torch.sqrt((z * z.conj()).real.mean(-1, keepdim=True) + 1e-6)


ORACLES = {"layer_norm": layer_norm, "complex_rms": complex_rms}


def test_layer_norm_by_hand():
    # 3 and 1 have mean 2 and variance 1
    found = NORMS["layer_norm"](EXACT, 1)(torch.tensor([[3 + 1j]], dtype=torch.complex128))
    assert found[0].tolist() == pytest.approx([(1 - 1j) / math.sqrt(2 * (1 + 1e-5))], rel=1e-7)


def test_complex_rms_by_hand():
    # |3 + 4i|^2 = 25 and 0 have mean 12.5
    found = NORMS["complex_rms"](EXACT, 2)(torch.tensor([[3 + 4j, 0]], dtype=torch.complex128))
    assert found[0].tolist() == pytest.approx([(3 + 4j) / math.sqrt(12.5 + 1e-6), 0], rel=1e-14)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])  # at 1e-3 the small numbers under the roots weigh most
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (7, 8)])
@pytest.mark.parametrize("name", NORMS)
def test_is_its_equation(name, shape, scale):
    made, z = drawn(name, shape[-1]), scale * rows(*shape)
    assert torch.allclose(made(z), ORACLES[name](z, *made.parameters()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NORMS)
def test_single_precision(name):
    """Sums of 2D numbers each add at most 2D roundings of the row's RMS, a root halves them; some 4 operations more."""
    width = 96
    z = rows(5, width)
    exact = drawn(name, width)(z.to(torch.complex64).to(torch.complex128)).detach()
    found = drawn(name, width, torch.float32)(z.to(torch.complex64))
    bound = (2 * width + 4) * ROUNDOFF * exact.abs().max()
    assert float((found.detach() - exact).abs().max()) <= float(bound)


@pytest.mark.parametrize("name", NORMS)
def test_gradients_are_those_of_finite_differences_and_of_the_oracle(name):
    made, z = drawn(name, 5), rows(2, 3, 5).requires_grad_()
    names = [key for key, _ in made.named_parameters()]
    parameters = tuple(p.detach().clone().requires_grad_() for p in made.parameters())

    def called(z, *given):
        return torch.func.functional_call(made, dict(zip(names, given, strict=True)), z)

    assert torch.autograd.gradcheck(called, (z, *parameters), fast_mode=True)
    weights = rows(2, 3, 5, seed=4)
    found, expected = (
        torch.autograd.grad((weights.conj() * out).real.sum(), (z, *parameters))
        for out in (called(z, *parameters), ORACLES[name](z, *parameters))
    )
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", NORMS)
def test_a_row_of_zeros_has_a_finite_gradient(name):
    z = torch.zeros(1, 4, dtype=torch.complex128, requires_grad=True)
    out = drawn(name, 4)(z)
    out.real.sum().backward()
    assert torch.isfinite(torch.view_as_real(out)).all()
    assert torch.isfinite(torch.view_as_real(z.grad)).all()


@pytest.mark.parametrize("name", NORMS)
def test_initial_rows_have_mean_square_one_in_both(name):
    out = NORMS[name](EXACT, 64)(37 * rows(3, 5, 64) + 2 - 5j)
    assert torch.allclose(out.abs().square().mean(-1), torch.ones(3, 5, dtype=torch.float64), rtol=1e-6)


def test_complex_rms_turns_no_phase_and_follows_every_turn():
    made, z = NORMS["complex_rms"](EXACT, 64), 3 * rows(4, 64) + 2
    out = made(z)
    assert torch.allclose(out.angle(), z.angle(), rtol=0, atol=1e-13)
    turned = z * torch.exp(1j * torch.linspace(0, 6, 4, dtype=torch.float64)).unsqueeze(-1)
    assert torch.allclose(made(turned).abs(), out.abs(), rtol=1e-12)


def test_layer_norm_keeps_phases_only_where_the_mean_and_the_affine_map_are_plain():
    made, half = NORMS["layer_norm"](EXACT, 64), rows(4, 32)
    balanced = torch.cat([half, -half], -1)  # mean 0

    def turned(z):
        return float((made(z).detach() * z.conj()).angle().abs().mean())

    assert turned(balanced) < 1e-12
    assert turned(balanced + 0.5) > 0.1
    with torch.no_grad():
        made.weight[:, 1] *= 2
    assert turned(balanced) > 0.1


class Turned(nn.Module):
    def __init__(self, degrees):
        super().__init__()
        self.angle = math.radians(degrees)

    def forward(self, z):
        return 3 * z * complex(math.cos(self.angle), math.sin(self.angle))


@pytest.mark.parametrize("degrees", [0, 30, -30, 170])
def test_phase_error_is_the_mean_angle_in_degrees(degrees):
    assert phase_error(Turned(degrees), rows(2, 3, 8)) == pytest.approx(abs(degrees), abs=1e-10)


def test_phase_error_of_layer_norm_falls_as_one_over_the_root_of_the_width():
    """The mean of 2D parts of CN(0, 1) has variance 1/(4D); by mu (1 + i) with |mu| small an entry turns by
    |Im((1 + i) conj z)| |mu| / |z|^2 = sqrt(2) |mu| |sin| / |z|: on average sqrt(2) sqrt(2/pi) / sqrt(4D) times 2/pi
    times E 1/|z| = sqrt(pi), that is 2/pi/sqrt(D). An entry smaller than mu turns by less than this linear formula
    says: a share of order |mu|. Means over 1024 rows deviate by 0.76/32 = 2.4 %."""
    for width in (64, 256):
        found = phase_error(NORMS["layer_norm"](EXACT, width), rows(1024, width))
        linear = math.degrees(2 / math.pi / math.sqrt(width))
        assert found == pytest.approx(linear, rel=0.12 + 1 / math.sqrt(width))


def test_phase_error_of_complex_rms_is_rounding():
    z = rows(64, 96, dtype=torch.complex64)
    assert phase_error(NORMS["complex_rms"](Initial(0), 96), z) <= math.degrees(4 * ROUNDOFF)


def test_aligned_rows_are_turned_far_by_layer_norm_alone():
    aligned = rows(64, 96).abs().to(torch.complex128)
    assert phase_error(NORMS["layer_norm"](EXACT, 96), aligned) > 45
    assert phase_error(NORMS["complex_rms"](EXACT, 96), aligned) == 0
