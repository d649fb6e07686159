"""Every scan is the sequential recurrence, on complex numbers and on planes: values, all gradients, any length, state
carried in and out, transitions that vanish. And every scan does the work its name promises."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import recurrence

from sem_impl.fields import arithmetic
from sem_impl.scan import SCANS

EPS = torch.finfo(torch.float64).eps


def whole(z):
    return z


def planar(z):
    """Real planes, the last axis contiguous."""
    return torch.stack([z.real, z.imag])


def turned(z):
    """Real planes, positions contiguous; what belongs to no position has no order to keep."""
    return planar(z).mT.contiguous().mT if z.ndim == 3 else planar(z)


FORMS = {"complex": whole, "planes": planar, "turned": turned}
pytestmark = [pytest.mark.parametrize("name", SCANS), pytest.mark.parametrize("form", FORMS)]


def problem(length: int, seed: int, batch: int = 2, width: int = 3, shrink: float = 0.2):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.complex128, generator=generator)

    rate = torch.rand(batch, length, width, dtype=torch.float64, generator=generator) * shrink
    turn = torch.rand(batch, length, width, dtype=torch.float64, generator=generator) * 6
    return torch.polar(torch.exp(-rate), turn), normal(batch, length, width), normal(batch, width)


def joined(field):
    return field if field.is_complex() else torch.complex(field[0], field[1])


def scanned(name, form, *problem):
    return joined(SCANS[name](*(FORMS[form](tensor) for tensor in problem)))


def answers(scan, A, u, state, weight):
    leaves = [tensor.clone().requires_grad_() for tensor in (A, u, state)]
    h = scan(*leaves)
    (h * weight.conj()).real.sum().backward()
    return [h.detach(), *(leaf.grad for leaf in leaves)]


def distance(found, truth):
    return float((found - truth).norm() / truth.norm())


def work(name, form, length, monkeypatch):
    """How many of `fields`' products a call takes, and of how many numbers each."""
    problems = [FORMS[form](tensor) for tensor in problem(length, 0, batch=1, width=2)]
    kind, sizes = type(arithmetic(problems[0])), []
    for operation in ("product", "add_product"):
        original = getattr(kind, operation)

        def counted(self, *parts, original=original):
            sizes.append(parts[-1][0].numel())
            original(self, *parts)

        monkeypatch.setattr(kind, operation, counted)
    SCANS[name](*problems)
    monkeypatch.undo()
    return sizes


@settings(max_examples=25)
@given(length=st.integers(1, 70), batch=st.integers(1, 3), width=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_equals_the_recurrence_with_all_gradients(name, form, length, batch, width, seed):
    A, u, state = problem(length, seed, batch, width)
    weight = problem(length, seed + 1, batch, width)[1]
    for found, truth in zip(
        answers(lambda *leaves: scanned(name, form, *leaves), A, u, state, weight),
        answers(recurrence, A, u, state, weight),
        strict=True,
    ):
        # both sides round each of at most 2 * 70 products once, |A| <= 1
        assert distance(found, truth) <= 140 * 4 * EPS


def test_gradcheck(name, form):
    A, u, state = (tensor.requires_grad_() for tensor in problem(5, 5, batch=1, width=1))
    assert torch.autograd.gradcheck(lambda *leaves: scanned(name, form, *leaves), (A, u, state))


def test_gradient_that_arrives_conjugated_and_in_another_order(name, form):
    A, u, state = problem(13, 2)
    weight = problem(13, 4)[1]

    def loss(scan):
        leaves = [tensor.clone().requires_grad_() for tensor in (A, u, state)]
        (scan(*leaves).mT.conj() * weight.mT).real.sum().backward()
        return [leaf.grad for leaf in leaves]

    pairs = zip(loss(lambda *leaves: scanned(name, form, *leaves)), loss(recurrence), strict=True)
    assert all(distance(found, truth) <= 26 * 4 * EPS for found, truth in pairs)


def test_gradient_of_the_state_carried_out_alone(name, form):
    A, u, state = problem(11, 8)
    leaves = [tensor.clone().requires_grad_() for tensor in (A, u, state)]
    scanned(name, form, *leaves)[:, -1].real.sum().backward()
    # d h_S / d h_0 is the product of all transitions
    assert distance(leaves[2].grad, A.prod(1).conj()) <= 11 * 4 * EPS
    assert distance(leaves[1].grad[:, -1], torch.ones_like(state)) == 0


@pytest.mark.parametrize("cut", [1, 16, 29])
def test_state_carried_from_one_piece_into_the_next(name, form, cut):
    A, u, state = problem(30, 3)
    first = scanned(name, form, A[:, :cut], u[:, :cut], state)
    second = scanned(name, form, A[:, cut:], u[:, cut:], first[:, -1])
    # as above, 2 * 30 products
    assert distance(torch.cat([first, second], 1), recurrence(A, u, state)) <= 60 * 4 * EPS


def test_transitions_that_vanish_or_underflow(name, form):
    """0 forgets everything; 1e-200 makes every product of two underflow. Nothing divides."""
    A, u, state = problem(37, 6)
    A[:, 5:8] *= 1e-200
    A[:, [0, 11, 12, 20, 36]] = 0
    weight = problem(37, 7)[1]
    truths = answers(recurrence, A, u, state, weight)
    founds = answers(lambda *leaves: scanned(name, form, *leaves), A, u, state, weight)
    for found, truth in zip(founds, truths, strict=True):
        assert torch.isfinite(torch.view_as_real(found)).all()
        assert (found - truth).norm() <= 74 * 4 * EPS * truth.norm()
    assert torch.equal(founds[0][:, 20], u[:, 20])


def test_single_precision_keeps_its_digits_even_where_products_underflow(name, form):
    A, u, state = problem(512, 9, shrink=30.0)
    exact = recurrence(A, u, state)
    found = scanned(name, form, *(tensor.to(torch.complex64) for tensor in (A, u, state)))
    assert torch.isfinite(torch.view_as_real(found)).all()
    # inputs are rounded once, h is a sum of few terms since |A| is small: some ten roundings
    assert distance(found.to(torch.complex128), exact) <= 10 * torch.finfo(torch.float32).eps


def test_later_inputs_do_not_reach_earlier_states(name, form):
    A, u, state = problem(40, 1)
    changed = u.clone()
    changed[:, 25:] += 1.0
    before, after = scanned(name, form, A, u, state), scanned(name, form, A, changed, state)
    assert torch.equal(before[:, :25], after[:, :25])
    assert not torch.equal(before[:, 25:], after[:, 25:])


def test_inputs_stay_as_they_are(name, form):
    inputs = [FORMS[form](tensor) for tensor in problem(23, 4)]
    kept = [tensor.clone() for tensor in inputs]
    leaves = [tensor.requires_grad_() for tensor in inputs]
    joined(SCANS[name](*leaves)).abs().sum().backward()
    assert all(torch.equal(tensor, before) for tensor, before in zip(inputs, kept, strict=True))


@pytest.mark.parametrize("length", [2, 33])
def test_states_and_gradients_lie_in_memory_as_the_inputs_do(name, form, length):
    A, u, state = (FORMS[form](tensor) for tensor in problem(length, 4))
    leaves = [tensor.requires_grad_() for tensor in (A, u, state)]
    h = SCANS[name](*leaves)
    gradients = torch.autograd.grad(joined(h).abs().sum(), leaves[:2])
    axis = -2 if form == "turned" else -1
    assert all(tensor.stride(axis) == 1 for tensor in (h, *gradients))


def test_one_position_is_one_multiply_add_in_every_level(name, form, monkeypatch):
    assert work(name, form, 1, monkeypatch) == [2]


@pytest.mark.parametrize("length", [2, 31, 64, 257])
def test_every_level_does_the_work_it_documents(name, form, length, monkeypatch):
    tree, size = length.bit_length() - 1, math.isqrt(length)
    pairs = sum(length >> level for level in range(1, tree + 1))
    filled = sum(-(-(length >> level) // 2) for level in range(tree + 1))
    chunks, rest = divmod(length, size)
    body = length - rest
    operators, products = {
        "sequential": (length, length),
        "blelloch": (3 * tree + 1, 2 * pairs + filled),
        "fused": (0, 0),
        "chunked": (2 * (size - 1) + chunks + rest, 2 * (body - chunks) + body + rest),
    }[name]
    sizes = work(name, form, length, monkeypatch)
    assert len(sizes) == operators
    assert sum(sizes) == 2 * products
    assert products <= 3 * length
