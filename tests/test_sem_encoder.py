"""The encoder tells tokens apart at every epsilon, keeps M candidates, and turns phases by position only."""

import math
from dataclasses import replace

import pytest
import torch

from sem_impl.encoder import Encoder, waves
from sem_impl.initial import Initial
from sem_impl.sizes import SIZES, Dimensions

TINY = Dimensions.of({**SIZES["tiny"], "propagator_layers": 1})


def encoder(transport="causal", sizes=TINY, epsilon=None, dtype=torch.float32):
    made = Encoder(Initial(0, dtype), sizes, transport=transport, epsilon="dimension", sinkhorn="dense", updates=50)
    if epsilon is not None:
        made.epsilon = lambda cost, *_: (cost, cost.new_tensor(epsilon))
    return made


def sequences(rows=256, length=32):
    """Every token once at every position."""
    shift = torch.arange(length) * 7
    return (torch.arange(rows).unsqueeze(1) + shift) % 256


@pytest.mark.parametrize("transport", ["sequence", "causal"])
@pytest.mark.parametrize("epsilon", [None, 0.5, 0.05, 0.0078, 0.001])
def test_tokens_stay_apart(transport, epsilon):
    with torch.no_grad():
        psi = encoder(transport, epsilon=epsilon)(sequences()).psi
    for position in (0, 13, 31):
        at = psi[:, position]
        spread = (at - at.mean(0)).abs().square().mean().sqrt()
        assert float(spread / at.abs().square().mean().sqrt()) >= 0.5


@pytest.mark.parametrize("transport", ["sequence", "causal"])
@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.001])
def test_unit_rms_at_every_epsilon(transport, epsilon):
    with torch.no_grad():
        psi = encoder(transport, epsilon=epsilon)(sequences()).psi
    # W_o has 64 x 32 entries: the mean of their squares deviates by sqrt(2 / 2048) = 3 %; five of those
    assert float(psi.abs().square().mean().sqrt()) == pytest.approx(1.0, abs=0.16)


def test_keeps_m_candidates_with_unit_norm():
    made = encoder()
    rows = made.sparse(torch.log_softmax(torch.randn(5, 9, 32), -1))
    assert ((rows > 0).sum(-1) == TINY.kept).all()
    assert torch.allclose(rows.norm(dim=-1), torch.ones(5, 9), atol=1e-6)


def test_all_kept_entries_have_gradients():
    made = encoder(dtype=torch.float64)
    log_t = torch.log_softmax(torch.randn(1, 1, 32, dtype=torch.float64), -1).requires_grad_()
    (made.sparse(log_t) * torch.randn(32, dtype=torch.float64)).sum().backward()
    assert int((log_t.grad != 0).sum()) == TINY.kept


def test_cost_is_the_squared_distance_at_the_scale_stated():
    made = encoder(dtype=torch.float64, sizes=replace(TINY, candidates=128, width=512, propagator_width=2048))
    with torch.no_grad():
        point = torch.nn.functional.linear(made.embedding, made.projection)
        cost = made.cost(point)
    assert torch.allclose(cost, torch.cdist(point, made.codes).square(), atol=1e-12)
    assert float(cost.mean()) == pytest.approx(0.4, rel=0.1)
    assert float(cost.std(-1).mean()) == pytest.approx(0.05, rel=0.1)


def test_documented_epsilon():
    made = encoder()
    _, epsilon = made.epsilon(torch.zeros(1), 512, 128)
    assert float(epsilon) == pytest.approx(math.sqrt(2 / (512 * 128)))


def test_phase_depends_on_position_only():
    made = encoder()
    with torch.no_grad():
        psi = made(torch.full((1, 32), 65)).psi[0]
    turned = torch.view_as_complex(waves(32, 64, torch.float32))
    assert torch.allclose(psi * turned.conj(), psi[:1].expand(32, -1) * turned[:1].conj(), atol=1e-5)
    assert torch.allclose(turned.abs(), torch.ones(32, 64), atol=1e-6)


def test_forward_leaves_the_potential_and_balance_moves_it():
    made = encoder()
    encoded = made(sequences(4))
    assert not made.potential.any()
    made.balance(encoded.log_occupancy)
    assert made.potential.any()
    assert float(made.potential.mean()) == pytest.approx(0.0, abs=1e-8)
