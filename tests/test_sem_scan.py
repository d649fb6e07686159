"""Every scan is the sequential recurrence: values, all gradients, any length, state carried in and out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import recurrence

from sem_impl.scan import SCANS


def problem(length: int, seed: int, batch: int = 2, width: int = 3, shrink: float = 0.2):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.complex128, generator=generator)

    rate = torch.rand(batch, length, width, dtype=torch.float64, generator=generator) * shrink
    turn = torch.rand(batch, length, width, dtype=torch.float64, generator=generator) * 6
    return torch.polar(torch.exp(-rate), turn), normal(batch, length, width), normal(batch, width)


def answers(scan, A, u, state, weight):
    leaves = [tensor.clone().requires_grad_() for tensor in (A, u, state)]
    h = scan(*leaves)
    (h * weight.conj()).real.sum().backward()
    return [h.detach(), *(leaf.grad for leaf in leaves)]


def distance(found, truth):
    return float((found - truth).norm() / truth.norm())


@pytest.mark.parametrize("name", SCANS)
@settings(max_examples=40)
@given(length=st.integers(1, 70), seed=st.integers(0, 10**6))
def test_equals_the_recurrence_with_all_gradients(name, length, seed):
    A, u, state = problem(length, seed)
    weight = problem(length, seed + 1)[1]
    for found, truth in zip(
        answers(SCANS[name], A, u, state, weight), answers(recurrence, A, u, state, weight), strict=True
    ):
        # both sides round each of at most 2 * 70 products once, |A| <= 1
        assert distance(found, truth) <= 140 * 4 * torch.finfo(torch.float64).eps


@pytest.mark.parametrize("name", SCANS)
def test_gradcheck(name):
    A, u, state = (tensor.requires_grad_() for tensor in problem(7, 5, batch=1, width=2))
    assert torch.autograd.gradcheck(SCANS[name], (A, u, state))


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("cut", [1, 16, 29])
def test_state_carried_from_one_piece_into_the_next(name, cut):
    A, u, state = problem(30, 3)
    first = SCANS[name](A[:, :cut], u[:, :cut], state)
    second = SCANS[name](A[:, cut:], u[:, cut:], first[:, -1])
    assert distance(torch.cat([first, second], 1), recurrence(A, u, state)) <= 1e-14


@pytest.mark.parametrize("name", SCANS)
def test_single_precision_keeps_its_digits_even_where_products_underflow(name):
    A, u, state = problem(512, 9, shrink=30.0)
    exact = recurrence(A, u, state)
    found = SCANS[name](*(tensor.to(torch.complex64) for tensor in (A, u, state)))
    assert torch.isfinite(torch.view_as_real(found)).all()
    # inputs are rounded once, h is a sum of few terms since |A| is small: some ten roundings
    assert distance(found.to(torch.complex128), exact) <= 10 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("name", SCANS)
def test_later_inputs_do_not_reach_earlier_states(name):
    A, u, state = problem(40, 1)
    changed = u.clone()
    changed[:, 25:] += 1.0
    before, after = SCANS[name](A, u, state), SCANS[name](A, changed, state)
    assert torch.equal(before[:, :25], after[:, :25])
    assert not torch.equal(before[:, 25:], after[:, 25:])
