"""Both transports have exact rows; `sequence` balances within a batch row and leaks the future, `causal` does not."""

import math

import pytest
import torch
from sinkhorn_helpers import costs, given

from sem_impl.sinkhorn import SINKHORNS
from sem_impl.transport import TRANSPORTS, moved

MOST = 50


def nothing(candidates=4):
    return torch.zeros(candidates, dtype=torch.float64)


def transport(name, cost, v=None, sinkhorn="dense"):
    v = nothing(cost.shape[-1]) if v is None else v
    return TRANSPORTS[name](given(cost), v, MOST, SINKHORNS[sinkhorn])


@pytest.mark.parametrize("name", TRANSPORTS)
def test_rows_have_mass_one_and_occupancy_is_their_mean(name):
    found = transport(name, costs())
    t = found.made.exp()
    assert torch.allclose(t.sum(-1), torch.ones(2, 6, dtype=torch.float64), atol=1e-14)
    assert torch.allclose(found.log_occupancy.exp(), t.mean((0, 1)), atol=1e-14)
    assert torch.allclose(torch.log_softmax(found.potential - costs(), -1), found.made, atol=1e-14)
    assert found.potential.shape == (2, 1, 4)


@pytest.mark.parametrize("sinkhorn", SINKHORNS)
def test_sequence_balances_the_columns_of_every_batch_row_and_forgets_the_models_potential(sinkhorn):
    cost = costs(3, 40, 16)
    found = transport("sequence", cost, torch.randn(16, dtype=torch.float64), sinkhorn)
    error = (found.made.exp().mean(1) - 1 / 16).abs().sum(-1)
    assert 0 < found.updates < MOST
    assert float(error.max()) < 1e-3
    assert torch.equal(found.made, transport("sequence", cost, None, sinkhorn).made)


def test_sequence_says_so_when_it_did_not_converge():
    found = transport("sequence", 100 * costs(1, 8, 16))
    assert found.updates == MOST
    assert float(found.error) > 1e-3


def test_causal_has_the_potential_it_is_given_and_one_error_for_the_batch():
    cost, v = costs(), torch.tensor([0.3, -1.0, 0.2, 0.5], dtype=torch.float64)
    found = transport("causal", cost, v)
    t = torch.softmax(v - cost, -1)
    assert found.updates == 0
    assert torch.allclose(found.made.exp(), t, atol=1e-15)
    assert float(found.error) == pytest.approx(float((t.mean((0, 1)) - 0.25).abs().sum()), rel=1e-12)


@pytest.mark.parametrize(("name", "leaks"), [("sequence", True), ("causal", False)])
def test_only_the_documented_transport_lets_a_position_see_later_ones(name, leaks):
    cost = costs().requires_grad_()
    transport(name, cost).made[:, 0, 0].sum().backward()
    assert bool(cost.grad[:, 1:].abs().max() > 1e-3) == leaks
    assert float(cost.grad[:, 0].abs().max()) > 1e-3


@pytest.mark.parametrize("name", TRANSPORTS)
def test_batch_rows_know_nothing_of_each_other(name):
    cost = costs(2, 6, 4) * 0.5
    whole = transport(name, cost)
    other = transport(name, torch.cat([cost[:1], cost[1:].flip(-1)]))
    assert torch.equal(whole.made[0], other.made[0])


def test_moving_the_potential_by_hand():
    v = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)
    occupancy = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    step = 0.1 * torch.tensor([math.log(2 / 3), math.log(4 / 3), math.log(4 / 3)], dtype=torch.float64)
    truth = v + step - step.mean()
    assert torch.allclose(moved(v, occupancy.log()), truth, atol=1e-15)


def test_moving_after_training_steps_evens_out_the_candidates():
    cost, v = costs(1, 50, 8) + torch.linspace(0, 2, 8, dtype=torch.float64), nothing(8)
    errors = []
    for _ in range(80):
        found = transport("causal", cost, v)
        errors.append(float(found.error))
        v = moved(v, found.log_occupancy)
        assert abs(float(v.mean())) < 1e-12
    assert errors[-1] < 0.05 * errors[0]
