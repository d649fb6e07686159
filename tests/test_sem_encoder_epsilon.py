"""The levels of `epsilon`: their numbers, what they may look at, and the potential's scale under each."""

import math
from dataclasses import replace

import pytest
import torch
from encoder_helpers import TINY, WIDE, encoder, epsilons, sequences

from sem_impl.encoder import EPSILONS, cost


def spread(costs):
    """Deviation over candidates, one row after the other."""
    rows = costs.flatten(0, -2).tolist()
    found = [math.sqrt(sum((x - sum(row) / len(row)) ** 2 for x in row) / len(row)) for row in rows]
    return torch.tensor(found, dtype=costs.dtype).reshape(*costs.shape[:-1], 1)


def explicit(name, costs, v, width, kept):
    """The documents' form: v and C in the same units, divided by epsilon; `cost_scaled` first divides C."""
    if name == "cost_scaled":
        costs, epsilon = costs / spread(costs), 0.5
    else:
        epsilon = {"fixed": 0.05, "dimension": math.sqrt(2 / (width * kept))}[name]
    return torch.log_softmax((v - costs) / epsilon, -1), epsilon


@pytest.mark.parametrize(("width", "kept", "stated"), [(256, 32, 0.0156), (512, 64, 0.0078), (2048, 128, 0.0028)])
def test_dimension_is_the_table_of_the_documents(width, kept, stated):
    assert EPSILONS["dimension"](torch.zeros(1), width, kept) == pytest.approx(stated, abs=5e-5)


@epsilons
@pytest.mark.parametrize("sizes", [TINY, WIDE], ids=["tiny", "wide"])
def test_rows_and_potential_follow_the_documents_form(epsilon, sizes):
    """Five training steps with v in units of the cost: v_k += 0.1 eps (-ln K - ln occ_k), then v -= mean v."""
    made = encoder("causal", epsilon, sizes=sizes, dtype=torch.float64)
    tokens = sequences(3, 9)
    v = torch.zeros(sizes.candidates, dtype=torch.float64)
    with torch.no_grad():
        costs = cost(made.point(tokens), made.codes)
        for _ in range(5):
            log_t, scale = explicit(epsilon, costs, v, sizes.width, sizes.kept)
            encoded = made(tokens)
            assert torch.allclose(encoded.psi.abs(), made.sdr(log_t, made.output).abs(), atol=1e-12)
            assert torch.allclose(encoded.log_occupancy.exp(), log_t.exp().mean((0, 1)), atol=1e-13)
            made.balance(encoded.log_occupancy)
            v = v + 0.1 * scale * (-math.log(sizes.candidates) - encoded.log_occupancy)
            v = v - v.mean()
    assert torch.allclose(made.potential * scale, v, atol=1e-13)
    assert float(v.abs().max()) > 0.01 * scale


@epsilons
def test_gradient_takes_epsilon_for_a_number(epsilon):
    made = encoder("causal", epsilon, dtype=torch.float64)
    point = made.point(sequences(2, 5)).detach().requires_grad_()
    weight = torch.randn(2, 5, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (found,) = torch.autograd.grad((torch.log_softmax(-made.price(point, made.codes), -1) * weight).sum(), point)
    costs = cost(point, made.codes)
    scale = costs / made.price(point, made.codes)
    (truth,) = torch.autograd.grad((torch.log_softmax(-costs / scale.detach(), -1) * weight).sum(), point)
    assert torch.allclose(found, truth, rtol=1e-9, atol=1e-9)


@epsilons
def test_a_row_looks_at_no_other(epsilon):
    """So every level is causal under `causal`."""
    made = encoder("causal", epsilon)
    tokens = sequences(2, 9)
    other = tokens.clone()
    other[0, 4:], other[1] = 7, 9
    with torch.no_grad():
        assert torch.equal(made(tokens).psi[0, :4], made(other).psi[0, :4])


def test_only_cost_scaled_is_free_of_the_scale_of_the_cost():
    """Twice the radius is four times every cost (r^2 = 0.2 is ours, the documents have none)."""
    change = {}
    for name in EPSILONS:
        made = encoder("causal", name, dtype=torch.float64)
        with torch.no_grad():
            point = made.point(sequences(1, 9))
            change[name] = float((made.price(2 * point, 2 * made.codes) - made.price(point, made.codes)).abs().max())
    assert change["cost_scaled"] < 1e-10
    assert min(change["fixed"], change["dimension"]) > 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_costs_have_no_spread_and_still_a_row(dtype):
    made = encoder("causal", "cost_scaled", dtype=dtype)
    point = made.point(sequences(1, 3)).detach().requires_grad_()
    codes = made.codes[:1].detach().expand(32, -1)
    log_t = torch.log_softmax(-made.price(point, codes), -1)
    assert torch.allclose(log_t.exp(), torch.full_like(log_t, 1 / 32), rtol=0.5)
    log_t[..., 0].sum().backward()
    assert torch.isfinite(point.grad).all()


def test_dimension_is_sharper_than_fixed_only_beyond_800():
    for width, kept, sharper in [(40, 19, False), (40, 21, True)]:
        sizes = replace(TINY, width=width, kept=kept)
        assert (EPSILONS["dimension"](torch.zeros(1), sizes.width, sizes.kept) < 0.05) == sharper
