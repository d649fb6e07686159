"""Every native operator against torch's own in float64, values and gradients, on 1000 random shapes in all: lengths odd
and zero, any memory order, one thread to three, and numbers that are not finite wherever they fall."""

import math
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sem_impl.head import HEADS, Head
from sem_impl.initial import Initial
from sem_impl.kernels.native import available
from sem_impl.sinkhorn import coupling
from tests import native_cases as cases
from tests.native_helpers import EPS, drawn, numbers_of_threads, orders, results, seeds, threads

KERNELS = ("cayley", "loss", "rows", "scan", "sinkhorn", "taps", "unitary")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(available(name) for name in KERNELS), reason="no native libraries here"),
]

NOT_FINITE = (math.nan, math.inf, -math.inf)
some, width, nodes = st.integers(0, 4), st.integers(0, 40), st.integers(129, 200)
SIZES = {
    "scan": (120, (some, st.integers(1, 40), width, st.booleans())),
    "selective": (120, (some, st.integers(1, 40), width)),
    "unitary": (80, (st.integers(0, 20), some)),
    "taps": (100, (some, st.integers(0, 9), width)),
    "rms": (80, (st.integers(0, 20), st.integers(1, 40))),
    "gate": (80, (st.integers(0, 20), width)),
    "direction": (60, (st.integers(0, 20), st.integers(1, 40))),
    "kerr": (60, (some, nodes)),
    "chebyshev": (80, (st.integers(0, 6), nodes, st.sampled_from((-1.0, -0.1, 0.02, 0.1, 1.0)))),
    "cocg": (80, (some, nodes, st.sampled_from((-0.5, 0.1, 1.0)), st.sampled_from(("none", "block_jacobi")))),
}


def examples(count: int):
    return settings(max_examples=count, deadline=None, derandomize=False)


def close(found: Tensor, expected: Tensor, roundings: float) -> None:
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if found.numel():
        assert (found - expected).abs().max().item() <= roundings * EPS * (1 + expected.abs().max().item())


def hold(case: cases.Case, order: str, seed: int, count: int) -> None:
    with threads(count):
        found = results(case.native, case.inputs, order, seed)
    for one, other in zip(found, results(case.reference, case.inputs, order, seed), strict=True):
        close(one, other, case.tolerance)


@pytest.mark.parametrize("name", SIZES)
def test_any_shape_order_and_number_of_threads(name):
    count, sizes = SIZES[name]

    @examples(count)
    @given(seeds, st.tuples(*sizes), orders, numbers_of_threads)
    def check(seed, size, order, running):
        hold(getattr(cases, f"{name}_case")(seed, *size), order, seed, running)

    check()


@examples(120)
@given(seeds, st.integers(1, 3), st.integers(1, 70), st.integers(1, 40), st.integers(0, 12), st.floats(0, 6), orders)
def test_any_shape_of_a_plan(seed, batch, length, candidates, updates, spread, order):
    """The gradient is that of a linear solve."""
    case = cases.sinkhorn_case(seed, batch, length, candidates, updates, spread)
    found, expected = (results(level, case.inputs, order, seed) for level in (case.native, case.reference))
    close(found[0], expected[0], case.tolerance)
    t = expected[0].exp()
    condition = torch.linalg.cond(coupling(t.mT @ t, length)).max().item()
    close(found[1], expected[1], 50 * condition * case.tolerance)


@examples(60)
@given(
    seeds,
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(1, 70),
    st.sampled_from(sorted(HEADS)),
    numbers_of_threads,
    st.integers(1, 300),
)
def test_any_shape_of_a_loss(seed, batch, length, half, words, head, running, entries):
    """Blocks of few words, and the last one shorter."""
    psi, targets = drawn(seed, batch, length, half, dtype=torch.complex128), torch.arange(batch * length) * 7 % words
    found = []
    for level in ("chunked", "materialised"):
        model = Head(Initial(seed, torch.float64), half, words, head=head, loss=level)
        leaf = psi.clone().requires_grad_()
        with threads(running), mock.patch("sem_impl.loss.ENTRIES", entries):
            value = model(leaf, targets.view(batch, length))
            value.backward()
        found.append([value.detach(), leaf.grad, *(p.grad for p in model.parameters())])
    for one, other in zip(*found, strict=True):
        # (Born) an amplitude near 0 makes an error of it 1000 times larger
        close(one, other, 4e3 * (words + 2 * half + batch * length))


def spoilt(t: Tensor, seed: int, value: float) -> Tensor:
    """One number of it is not finite."""
    t = t.clone()
    parts = (torch.view_as_real(t) if t.is_complex() else t).view(-1)
    parts[seed % len(parts)] = value
    return t


SPOILT = {
    "scan": (st.integers(1, 3), st.integers(1, 9), st.integers(1, 20), st.booleans()),
    "selective": (st.integers(1, 3), st.integers(1, 9), st.integers(1, 20)),
    "unitary": (st.integers(1, 9), st.integers(1, 3)),
    "taps": (st.integers(1, 3), st.integers(1, 9), st.integers(1, 20)),
    "rms": (st.integers(1, 9), st.integers(1, 20)),
    "gate": (st.integers(1, 9), st.integers(1, 20)),
    "direction": (st.integers(1, 9), st.integers(1, 20)),
    "kerr": (st.integers(1, 4), nodes),
    "chebyshev": (st.integers(1, 4), nodes),
    "sinkhorn": (st.integers(1, 3), st.integers(1, 9), st.integers(2, 9)),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_not_finite_goes_where_it_goes_in_torch(name):
    @examples(20)
    @given(seeds, st.tuples(*SPOILT[name]), st.sampled_from(NOT_FINITE), numbers_of_threads)
    def check(seed, size, value, running):
        case = getattr(cases, f"{name}_case")(seed, *size)
        inputs = [spoilt(case.inputs[0], seed, value), *case.inputs[1:]]
        with threads(running), torch.no_grad():
            found, expected = case.native(*inputs), case.reference(*inputs)
        assert torch.equal(found.isfinite(), expected.isfinite())
        close(*(each[expected.isfinite()] for each in (found, expected)), case.tolerance)

    check()


@examples(20)
@given(seeds, st.integers(1, 4), nodes, st.sampled_from(NOT_FINITE), numbers_of_threads)
def test_a_row_that_is_not_finite_is_lost_in_cocg_alone(seed, rows, P, value, running):
    case = cases.cocg_case(seed, rows, P)
    with threads(running), torch.no_grad():
        whole = case.native(*case.inputs)
        found = case.native(spoilt(case.inputs[0], seed, value), *case.inputs[1:])
    lost = ~found.isfinite().any(1)
    assert lost.sum() == 1
    assert torch.equal(found[~lost], whole[~lost])
