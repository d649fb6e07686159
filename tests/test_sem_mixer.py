"""The mixer's parts against their equations, in float64 where numbers are compared."""

import math

import pytest
import torch
from oracles import convolution, recurrence

from sem_impl.convolution import CausalConvolution
from sem_impl.gates import MagnitudeGate, UnitaryGate
from sem_impl.initial import Initial
from sem_impl.mixer import Mixer, MixerLayer
from sem_impl.norm import NORMS
from sem_impl.residual import RESIDUALS
from sem_impl.sizes import SIZES, Dimensions
from sem_impl.state_space import StateSpace

TINY = Dimensions.of({**SIZES["tiny"], "propagator_layers": 1})
LEVELS = {
    "norm": "complex_rms",
    "residual": "learned_horizon",
    "horizon": "third",
    "scan": "chunked",
    "layout": "complex64",
}
EXACT = Initial(0, torch.float64)


def states(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def test_unitary_gate_keeps_every_blocks_norm():
    gate = UnitaryGate(EXACT.scope("gate"), 64)
    z = states(2, 9, 64)
    with torch.no_grad():
        turned = gate(z)
    assert torch.allclose(turned.view(2, 9, 8, 8).norm(dim=-1), z.view(2, 9, 8, 8).norm(dim=-1), rtol=1e-13)
    assert float((turned - z).norm() / z.norm()) > 0.1
    U = gate.unitary()
    assert torch.allclose(U.mH @ U, torch.eye(8, dtype=U.dtype).expand_as(U), atol=1e-13)


def test_unitary_gate_is_its_equation():
    gate = UnitaryGate(EXACT.scope("gate"), 16)
    z = states(1, 1, 16)[0, 0]
    weight = gate.gate.detach()
    g = torch.sigmoid(weight[..., 0] @ z.real + weight[..., 1] @ z.imag)
    R = torch.view_as_complex(gate.generator.detach())
    A = (R - R.mH) / 2
    one = torch.eye(8, dtype=A.dtype)
    U = torch.linalg.inv(one - A) @ (one + A)
    blocks = [
        U[b] @ torch.diag(torch.exp(1j * g[b] * gate.phase[b])) @ U[b].mH @ z[8 * b : 8 * b + 8] for b in range(2)
    ]
    assert torch.allclose(gate(z.view(1, 1, 16)).view(16), torch.cat(blocks), rtol=1e-12)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 11])
def test_convolution_is_causal_and_equals_its_sum(length):
    layer = CausalConvolution(EXACT.scope("convolution"), 8)
    z = states(2, length, 8)
    assert torch.allclose(
        layer(z, torch.zeros(2, 3, 8, dtype=z.dtype))[0],
        convolution(z, torch.view_as_complex(layer.taps.detach())),
        atol=1e-13,
    )


def test_states_turn_by_angles_spread_evenly_over_the_circle():
    space = StateSpace(EXACT, TINY, horizon="third", scan="chunked", layout="complex64")
    N = TINY.states
    middles = [-math.pi + math.pi / N * (2 * n + 1) for n in range(N)]  # of N equal arcs
    assert space.theta.tolist() == pytest.approx(middles * TINY.groups, abs=math.pi * 2**-24)  # drawn in float32


def test_magnitude_gate_shrinks_small_entries_and_keeps_phases():
    gate = MagnitudeGate(EXACT)
    z = states(100)
    y = gate(z)
    assert torch.allclose(y, z * (1 - torch.exp(-z.abs().square())), atol=1e-14)


def test_complex_rms_keeps_phase_and_sets_the_scale():
    norm = NORMS["complex_rms"](EXACT, 64)
    z = 37 * states(3, 5, 64)
    out = norm(z)
    assert torch.allclose(out.angle(), z.angle(), atol=1e-12)
    assert torch.allclose(out.abs().square().mean(-1), torch.ones(3, 5, dtype=torch.float64), rtol=1e-6)
    assert torch.allclose(norm(1j * z), 1j * out)


def test_learned_horizon_follows_the_formula_and_grows_with_log_tau():
    layer = RESIDUALS["learned_horizon"](EXACT, 4, layer=2, layers=8, seq_len=512)
    branch = torch.ones(4, dtype=torch.float64)
    scale = layer(0 * branch, branch)
    assert torch.allclose(scale, torch.full((4,), math.sqrt(1 - math.exp(-6 * 6 / 512)), dtype=torch.float64))
    with torch.no_grad():
        layer.log_tau += 1.0
    assert (layer(0 * branch, branch) < scale).all()  # a longer horizon: 1 - |A|^2 is smaller


def state_space(sizes=TINY):
    return StateSpace(EXACT.scope("state_space"), sizes, horizon="third", scan="chunked", layout="complex64")


def test_state_space_is_its_equations():
    layer = state_space()
    with torch.no_grad():
        layer.step_weight.copy_(0.05 * torch.randn(64, 64, 2))
    y = states(2, 20, 64)
    weight = layer.step_weight.detach()
    step = torch.log1p(torch.exp(y.real @ weight[..., 0].T + y.imag @ weight[..., 1].T + layer.step_bias))
    A = torch.exp(step * torch.complex(-torch.log1p(layer.decay.exp()), layer.theta))
    B, C = (torch.view_as_complex(w.detach()) for w in (layer.inward, layer.outward))
    u = step * torch.einsum("gnm,bsgm->bsgn", B, y.view(2, 20, 4, 16)).reshape(2, 20, 64)
    h = recurrence(A, u, torch.zeros_like(u[:, 0]))
    o = torch.einsum("gnm,bsgm->bsgn", C, h.view(2, 20, 4, 16)).reshape(2, 20, 64) + layer.skip * y
    assert torch.allclose(layer(y, torch.zeros_like(y[:, 0]))[0], o, rtol=1e-11, atol=1e-11)


def test_initial_horizon_is_a_third_of_the_sequence_and_step_is_one():
    layer = state_space()
    decay = torch.nn.functional.softplus(layer.decay)
    assert torch.allclose(1 / decay, torch.full((64,), 32 / 3, dtype=torch.float64), rtol=1e-6)
    assert torch.allclose(torch.nn.functional.softplus(layer.step_bias), torch.ones(64, dtype=torch.float64), rtol=1e-6)


def test_state_energy_is_of_order_one_once_the_horizon_is_filled():
    layer = state_space()
    y = states(64, 200, 64)
    step = torch.ones(64, dtype=torch.float64)
    A = torch.exp(torch.complex(-step * torch.nn.functional.softplus(layer.decay), layer.theta)).expand(64, 200, 64)
    with torch.no_grad():
        h = layer.scan(
            A.contiguous(), layer.layout.grouped(y, layer.inward), torch.zeros(64, 64, dtype=torch.complex128)
        )
    # E|B y|^2 = 1 - e^(-2/tau) sums to 1 over the horizon; the 4 drawn matrices of 16 x 16 entries deviate by 1/32
    assert float(h[:, -50:].abs().square().mean()) == pytest.approx(1.0, abs=5 / 32)


def test_a_layer_is_causal_and_adds_to_what_it_gets():
    layer = MixerLayer(EXACT.scope("layer"), TINY, 0, **LEVELS)
    psi = states(1, 32, 64)
    changed = psi.clone()
    changed[:, 20:] += 1
    before, after = layer(psi)[0], layer(changed)[0]
    assert torch.allclose(before[:, :20], after[:, :20], rtol=0, atol=1e-13)
    assert float((before[:, 20:] - after[:, 20:]).abs().min()) > 1e-6


def test_mixer_has_as_many_layers_as_its_size_says():
    mixer = Mixer(EXACT.scope("mixer"), TINY, **LEVELS)
    assert len(mixer.layers) == TINY.layers
    out, _ = mixer(states(1, 32, 64))
    assert 0.5 < float(out.abs().square().mean()) < 4


def test_gradients_of_a_layer():
    sizes = Dimensions.of({**SIZES["tiny"], "width": 8, "groups": 2, "seq_len": 6, "propagator_layers": 1})
    layer = MixerLayer(EXACT.scope("layer"), sizes, 0, **LEVELS)
    names = [name for name, _ in layer.named_parameters()]
    psi = states(1, 6, 8)

    def energy(*parameters):
        out, _ = torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), psi)
        return torch.view_as_real(out).cos().sum()

    parameters = tuple(p.detach().clone().requires_grad_() for p in layer.parameters())
    assert torch.autograd.gradcheck(energy, parameters, fast_mode=True)
