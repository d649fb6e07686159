"""`fused` is `dense` to rounding, however sharp the costs: plan, potential, count of updates, error and gradient."""

import math

import pytest
import torch
from sinkhorn_helpers import costs, distances, given, scattered

from sem_impl import sinkhorn
from sem_impl.kernels.native import usable
from sem_impl.sinkhorn import SINKHORNS, Problem

FIELDS = ("made", "potential", "log_occupancy", "error")
ROUNDING = 2**-52
SHAPES = [(1, 1, 2), (2, 1, 7), (2, 6, 4), (3, 40, 16), (2, 7, 11), (2, 65, 33), (1, 130, 128), (3, 64, 17)]

shapes = pytest.mark.parametrize("shape", SHAPES)
pytestmark = pytest.mark.skipif(not usable("sinkhorn", torch.zeros(1)), reason="no native kernel without a compiler")


@pytest.fixture
def threads():
    """Sets their number; afterwards it is what it was."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def spread(shape, nats, seed=0):
    """Costs about 8 nats, `nats` times their deviation apart."""
    return 8 + nats * (costs(*shape, seed=seed) - 8)


def off(cost, updates):
    """What a nat of costs may lose: each of its size's own roundings, of x = v - c, of the row's scale, of ln b and of
    their sum, once in every update at the most, since errors of v do not grow from update to update."""
    return 4 * (1 + updates) * ROUNDING * float(cost.abs().max())


@shapes
@pytest.mark.parametrize("nats", [0.1, 1, 8, 60, 300, 2000])
@pytest.mark.parametrize("most", [0, 1, 2, 50])
def test_is_dense_to_rounding(shape, nats, most):
    cost = spread(shape, nats)
    one, other = (SINKHORNS[level](given(cost), most) for level in ("dense", "fused"))
    assert other.updates == one.updates
    for field in FIELDS:
        assert torch.allclose(getattr(other, field), getattr(one, field), rtol=0, atol=off(cost, most)), field


@shapes
@pytest.mark.parametrize("nats", [1, 8, 60, 300])
def test_float32_keeps_what_its_costs_allow(shape, nats):
    """Against float64 on the same costs. 2^-24 is lost where 2^-53 was; of a sum of 64 terms, before it goes on in
    float64, 64 times as much relatively, which is absolute in its logarithm."""
    cost = spread(shape, nats).float()
    found = SINKHORNS["fused"](given(cost), 20, 0.0)
    truth = SINKHORNS["dense"](given(cost.double()), 20, 0.0)
    bound = off(cost, 20) * 2**29 / 4 + 64 * 2**-24
    for field in ("made", "potential", "log_occupancy"):
        assert torch.allclose(getattr(found, field).double(), getattr(truth, field), rtol=0, atol=bound), field
    assert found.made.dtype == torch.float32


def test_a_candidate_dearer_than_any_format_holds_is_found_by_logarithms():
    """e^-3000 is 0 in both formats: the scaling form alone would divide by 0."""
    for dtype in (torch.float32, torch.float64):
        cost = costs(2, 9, 5).to(dtype)
        cost[..., 2] += 3000
        cost[1, :, 4] -= 1500
        found, truth = (SINKHORNS[level](given(cost), 50) for level in ("fused", "dense"))
        assert found.updates == truth.updates < 50
        assert float(found.error) < 1e-3
        step = torch.finfo(dtype).eps * 3000
        assert torch.allclose(found.made, truth.made, rtol=0, atol=4 * (1 + found.updates) * step)


@shapes
@pytest.mark.parametrize("most", [0, 3, 2000])
def test_gradient_is_that_of_dense(shape, most):
    """Converged or not; some hundred operations of 1.1e-16 and a solve whose condition is below 1e3."""
    gradients = []
    for level in ("dense", "fused"):
        cost = spread(shape, 1).requires_grad_()
        weight = costs(*shape, seed=7) - 8
        gradients.append(torch.autograd.grad((SINKHORNS[level](given(cost), most).made * weight).sum(), cost)[0])
    assert torch.allclose(*gradients, rtol=0, atol=1e-10 * float(weight.abs().max()))


def test_gradient_under_an_expanded_one():
    """The gradient of a sum has stride 0."""
    gradients = []
    for level in ("dense", "fused"):
        cost = costs(2, 7, 5).requires_grad_()
        SINKHORNS[level](given(cost), 50).made.sum().backward()
        gradients.append(cost.grad)
    assert torch.allclose(*gradients, rtol=0, atol=1e-12)


@pytest.mark.parametrize("level", SINKHORNS)
def test_many_candidates_in_several_batch_rows_on_two_threads(level, threads):
    """Where torch's solve of several matrices at once never returns; on one thread it does."""
    cost = costs(2, 200, 180).requires_grad_()
    found = []
    for count in (1, 2):
        threads(count)
        found += torch.autograd.grad(SINKHORNS[level](given(cost), 50).made[..., 0].sum(), cost)
    assert torch.isfinite(found[0]).all()
    assert torch.allclose(*found, rtol=0, atol=1e-10)


def test_costs_of_any_stride_give_the_same():
    cost = costs(3, 12, 8)
    strided = cost.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert not strided.is_contiguous()
    one, other = (SINKHORNS["fused"](given(each), 50) for each in (cost, strided))
    assert torch.equal(one.made, other.made)


@pytest.mark.parametrize("shape", [(1, 700, 64), (3, 333, 48), (5, 64, 100)])
def test_threads_change_no_bit(shape, threads):
    cost, found = spread(shape, 4), []
    for count in (1, 2, 3):
        threads(count)
        leaf = cost.clone().requires_grad_()
        plan = SINKHORNS["fused"](given(leaf), 30, 0.0)
        found.append((plan.made.detach(), plan.potential, torch.ops.semh.sinkhorn_adjoint(plan.made.detach(), cost)))
    for one, other in ((found[0], found[1]), (found[0], found[2])):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
        # t't and the solve are torch's, whose blocks depend on the threads
        assert torch.allclose(one[2], other[2], rtol=0, atol=1e-10 * float(cost.abs().max()))


@pytest.mark.parametrize("most", [0, 1, 2, 5])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", [(0, 3, 2), (0, 3, slice(None)), (0, slice(None), 2)])
def test_what_is_not_finite_is_so_where_dense_has_it(where, value, most):
    cost = costs(2, 6, 4)
    cost[where] = value
    one, other = (SINKHORNS[level](given(cost), most) for level in ("dense", "fused"))
    assert one.updates == other.updates
    for field in FIELDS:
        a, b = getattr(one, field), getattr(other, field)
        assert torch.allclose(a, b, rtol=0, atol=1e-12, equal_nan=True), (field, a, b)


@pytest.mark.parametrize("updates", [1, 40])
def test_memory_of_the_backward_pass_is_one_plan_whatever_the_updates(updates):
    cost, kept = costs(2, 30, 12).requires_grad_(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        SINKHORNS["fused"](given(cost), updates, 0.0)
    assert sum(x.numel() for x in kept) == cost.numel()


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 3, 0), (3, 4)])
def test_an_empty_problem_is_refused_with_its_shape(shape):
    with pytest.raises(ValueError, match=r"costs \[.*\].*would do"):
        torch.ops.semh.sinkhorn(torch.zeros(shape), 1e-3, 50)


def test_operators_obey_torchs_rules():
    cost = costs(2, 7, 5).requires_grad_()
    torch.library.opcheck(torch.ops.semh.sinkhorn.default, (cost, 1e-3, 50))
    log_t = torch.log_softmax(-cost.detach(), -1)
    torch.library.opcheck(torch.ops.semh.sinkhorn_adjoint.default, (log_t, torch.randn_like(log_t)))


def test_without_a_compiler_it_is_dense(monkeypatch):
    monkeypatch.setattr(sinkhorn, "usable", lambda *_: False)
    found, gradients = [], []
    for level in ("dense", "fused"):
        inputs = scattered()
        plan = SINKHORNS[level](Problem(*inputs, distances, lambda log_t: log_t), 50)
        found.append(plan.made)
        gradients.append(torch.autograd.grad(plan.made.square().sum(), inputs))
    assert torch.equal(*found)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
