"""Both transports have exact rows; `sequence` balances columns with a true implicit gradient and leaks the future."""

import math

import pytest
import torch
from oracles import unrolled_sinkhorn

from sem_impl.transport import MOST_UPDATES, TRANSPORTS, Sinkhorn, balanced

EPSILON = torch.tensor(0.05, dtype=torch.float64)


def costs(rows=2, length=6, candidates=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.4 + 0.05 * torch.randn(rows, length, candidates, dtype=torch.float64, generator=generator)


def nothing(candidates=4):
    return torch.zeros(candidates, dtype=torch.float64)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_rows_have_mass_one_and_occupancy_is_their_mean(name):
    moved = TRANSPORTS[name](costs(), nothing(), EPSILON)
    t = moved.log_t.exp()
    assert torch.allclose(t.sum(-1), torch.ones(2, 6, dtype=torch.float64), atol=1e-14)
    assert torch.allclose(moved.log_occupancy.exp(), t.mean((0, 1)), atol=1e-14)


def test_sequence_balances_the_columns_of_every_row():
    moved = TRANSPORTS["sequence"](costs(3, 40, 16), nothing(16), EPSILON)
    columns = moved.log_t.exp().mean(1)
    error = (columns - 1 / 16).abs().sum(-1)
    assert 0 < moved.updates < MOST_UPDATES
    assert float(error.max()) < 1e-3
    assert float(moved.error) == pytest.approx(float(error.max()), rel=1e-9)


def test_sequence_says_so_when_it_did_not_converge():
    moved = TRANSPORTS["sequence"](costs(1, 8, 16), nothing(16), torch.tensor(0.0005, dtype=torch.float64))
    assert moved.updates == MOST_UPDATES
    assert float(moved.error) > 1e-3


def converged(cost):
    return Sinkhorn.apply(cost, EPSILON, 1e-14, 20_000)[0]


def test_implicit_gradient_passes_gradcheck_at_convergence():
    assert torch.autograd.gradcheck(converged, costs(2, 5, 4).requires_grad_(), eps=1e-6, atol=1e-6, rtol=1e-6)


def test_implicit_gradient_is_that_of_the_unrolled_iteration():
    weight = costs(2, 6, 4, seed=7)
    implicit, unrolled = (costs().requires_grad_() for _ in range(2))
    (converged(implicit) * weight).sum().backward()
    (unrolled_sinkhorn(unrolled, float(EPSILON), 2000) * weight).sum().backward()
    assert torch.allclose(implicit.grad, unrolled.grad, rtol=1e-9, atol=1e-9 * float(unrolled.grad.abs().max()))


@pytest.mark.parametrize(("name", "leaks"), [("sequence", True), ("causal", False)])
def test_only_the_documented_transport_lets_a_position_see_later_ones(name, leaks):
    cost = costs().requires_grad_()
    TRANSPORTS[name](cost, nothing(), EPSILON).log_t[:, 0, 0].sum().backward()
    assert bool(cost.grad[:, 1:].abs().max() > 1e-3) == leaks
    assert float(cost.grad[:, 0].abs().max()) > 1e-3


def test_balancing_after_training_steps_evens_out_the_candidates():
    cost, v = costs(1, 50, 8) + torch.linspace(0, 0.1, 8, dtype=torch.float64), nothing(8)
    errors = []
    for _ in range(80):
        moved = TRANSPORTS["causal"](cost, v, EPSILON)
        errors.append(float(moved.error))
        v = balanced(v, moved.log_occupancy, EPSILON)
        assert abs(float(v.mean())) < 1e-12
    assert errors[-1] < 0.05 * errors[0]
    assert float(moved.log_occupancy.exp().sum()) == pytest.approx(1.0)
    assert math.isclose(errors[0], float((TRANSPORTS["causal"](cost, nothing(8), EPSILON)).error))
