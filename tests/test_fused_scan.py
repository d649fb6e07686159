"""The native scan: the recurrence by itself against `sequential`, the recurrence that forms its own transitions against
the same out of torch's operators. In float64 both sides round each of S products; |A| <= 1."""

import math

import pytest
import torch
from torch.nn.functional import softplus

from sem_impl.kernels.native import library, usable
from sem_impl.kernels.native.scan import scan, selective_scan
from sem_impl.layout import LAYOUTS
from sem_impl.scan import SCANS

EPS = torch.finfo(torch.float64).eps
FORMS = ("complex64", "planar", "interleaved")
SHAPES = [(1, 1, 1), (2, 5, 3), (3, 70, 17), (1, 129, 40), (2, 9, 1100)]
needs = pytest.mark.skipif(library("scan") is None, reason="no C++ compiler here")


def normal(*shape, seed=0, dtype=torch.complex128):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def problem(batch, length, width, dtype=torch.float64):
    """x, rate, theta, drive, state, and a weight for the loss."""
    turned = torch.complex64 if dtype == torch.float32 else torch.complex128
    return (
        normal(batch, length, width, seed=1, dtype=dtype),
        normal(width, seed=2, dtype=dtype).abs() / 10,
        3 * normal(width, seed=3, dtype=dtype),
        normal(batch, length, width, seed=4, dtype=turned),
        normal(batch, width, seed=5, dtype=turned),
        normal(batch, length, width, seed=6, dtype=turned),
    )


def formed(x, rate, theta, drive, state):
    """What `selective_scan` is, of torch's operators."""
    step = softplus(x)
    size, angle = torch.exp(-step * rate), step * theta
    return SCANS["sequential"](torch.complex(size * angle.cos(), size * angle.sin()), step * drive, state)


def answers(run, given, weight):
    leaves = [each.detach().clone().requires_grad_() for each in given]
    h = run(*leaves)
    (h * weight.conj()).real.sum().backward()
    return [h.detach(), *(leaf.grad for leaf in leaves)]


def distance(found, truth):
    return float((found - truth).norm() / truth.norm())


def in_form(form):
    """`selective_scan` on fields of a layout, from and to complex numbers."""
    layout = LAYOUTS[form]

    def run(x, rate, theta, drive, state):
        return layout.leave(selective_scan(x, rate, theta, layout.enter(drive), layout.small(state)))

    return run


@needs
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", SHAPES)
def test_transitions_formed_on_the_way_are_those_formed_before(form, shape):
    *given, weight = problem(*shape)
    pairs = zip(answers(in_form(form), given, weight), answers(formed, given, weight), strict=True)
    # |A| <= 1: S products a side, each rounded a few times, and so are the elementary functions before them
    assert all(distance(found, truth) <= (shape[1] + 8) * 8 * EPS for found, truth in pairs)


@needs
@pytest.mark.parametrize("form", FORMS)
def test_gradcheck(form):
    *given, _ = problem(2, 4, 2)
    assert torch.autograd.gradcheck(in_form(form), [each.requires_grad_() for each in given])


@needs
def test_operators_keep_the_contract_of_torch_library():
    *given, _ = problem(2, 3, 4)
    checks = ("test_schema", "test_faketensor", "test_autograd_registration")
    for form in FORMS:
        layout = LAYOUTS[form]
        field, state = layout.enter(given[3]), layout.small(given[4])
        leaves = [each.detach().requires_grad_() for each in (*given[:3], field, state)]
        torch.library.opcheck(selective_scan, leaves, test_utils=checks)
        torch.library.opcheck(scan, [leaves[3].detach().clone().requires_grad_(), *leaves[3:]], test_utils=checks)


@needs
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [1, 3, 4])
def test_threads_change_nothing(precision, batch):
    """No sum crosses threads but those over batch rows, which are added in their order."""
    *given, weight = problem(batch, 90, 130, precision)  # more than the kernel takes one thread for
    before, found = torch.get_num_threads(), {}
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found[threads] = answers(selective_scan, given, weight)
            found[threads] += answers(scan, (given[3] / 4, given[3], given[4]), weight)
    finally:
        torch.set_num_threads(before)
    for threads in (2, 3):
        for one, many in zip(found[1], found[threads], strict=True):
            assert distance(many, one) <= 4 * torch.finfo(precision).eps


@needs
def test_single_precision():
    *given, weight = problem(2, 200, 33, torch.float32)
    wide = [each.to(torch.complex128 if each.is_complex() else torch.float64) for each in given]
    truths = answers(formed, wide, weight.to(torch.complex128))
    # an angle of up to 30 is rounded to 30 eps / 2; h forgets within 1 / (rate step) of about 15 positions
    for found, truth in zip(answers(selective_scan, given, weight), truths, strict=True):
        assert distance(found.to(truth.dtype), truth) <= 15 * 15 * torch.finfo(torch.float32).eps


@needs
def test_fields_larger_than_a_cache_and_of_an_odd_width():
    *given, weight = problem(2, 400, 701, torch.float32)
    short = [each[:, :3] if each.ndim == 3 else each for each in given]
    h = selective_scan(*given)
    assert torch.equal(h[:, :3], selective_scan(*short))
    A = 0.9 * given[3] / given[3].abs()
    for found, truth in zip(
        answers(scan, (A, given[3], given[4]), weight),
        answers(SCANS["sequential"], (A, given[3], given[4]), weight),
        strict=True,
    ):
        # |A| = 0.9 remembers 10 positions, each rounded on both sides
        assert distance(found, truth) <= 20 * torch.finfo(torch.float32).eps


@needs
@pytest.mark.parametrize("theta", [1e5, 1e9])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_angles_beyond_the_kernels_own_reduction(theta, precision):
    x, rate, _, drive, state, weight = problem(1, 6, 5, precision)
    given = (x, rate, torch.full((5,), theta, dtype=precision), drive, state)
    eps = torch.finfo(precision).eps
    found = answers(selective_scan, given, weight)
    # the angle's own last digit, up to 4 theta eps; where that is more than a turn, a size is all that is determined
    if theta * eps < 1e-3:
        assert distance(found[0], formed(*given)) <= 6 * 4 * theta * eps
    step = softplus(x[:, :1])
    turned = found[0][:, :1] - step * drive[:, :1]
    assert torch.allclose(
        turned.abs(), torch.exp(-step * rate) * state.abs().unsqueeze(1), rtol=100 * eps, atol=100 * eps
    )
    assert all(torch.isfinite(each.abs()).all() for each in found)


@needs
def test_softplus_is_the_identity_beyond_twenty_and_vanishes_far_below():
    *given, weight = problem(1, 6, 5)
    given[0][:] = torch.tensor([-800.0, -40.0, 19.999, 20.001, 500.0], dtype=torch.float64)
    for found, truth in zip(answers(selective_scan, given, weight), answers(formed, given, weight), strict=True):
        assert distance(found, truth) <= 500 * 3 * 8 * EPS  # angles of 500 * 3
    assert answers(selective_scan, given, weight)[1][0, 0, 0] == 0


@needs
def test_transitions_that_underflow():
    *given, weight = problem(2, 30, 4)
    given[1][:] = torch.tensor([0.0, 700.0, 5e3, math.inf], dtype=torch.float64)
    forgotten = (softplus(given[0]) * given[3])[..., 3]
    assert distance(selective_scan(*given)[..., 3], forgotten) <= 8 * EPS
    given[1][3] = 1e6
    for found, truth in zip(answers(selective_scan, given, weight), answers(formed, given, weight), strict=True):
        assert distance(found, truth) <= 38 * 8 * EPS


@needs
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("which", [0, 3, 4])
def test_what_is_not_finite_goes_where_it_goes_in_sequence(which, value):
    *given, _ = problem(2, 12, 3)
    given[which].view(-1)[4 if which == 4 else 19] = value
    found, truth = selective_scan(*given), formed(*given)
    lost = [~torch.isfinite(torch.view_as_real(h)).all(-1) for h in (found, truth)]
    assert lost[1].any()
    assert torch.equal(*lost)
    plain = [scan(given[3] / 4, given[3], given[4]), SCANS["sequential"](given[3] / 4, given[3], given[4])]
    assert torch.equal(*(torch.isfinite(torch.view_as_real(h)) for h in plain))


@needs
def test_strided_conjugated_and_expanded_inputs_and_gradients():
    x, rate, theta, drive, state, _ = problem(2, 24, 6)
    pieces = (x[:, ::2, 1:4], rate[::2], theta[1:4], drive.conj()[:, ::2, 1:4], state[:, :3])
    # the gradient of a sum is one number at every position, of stride 0
    found, truth = ([h := run(*pieces), h.sum().real][0] for run in (selective_scan, formed))
    assert distance(found, truth) <= 20 * 8 * EPS

    def gradients(run):
        leaves = [each.clone().requires_grad_() for each in (x, rate, theta, drive, state)]
        taken = (
            leaves[0][:, ::2, 1:4],
            leaves[1][::2],
            leaves[2][1:4],
            leaves[3].conj()[:, ::2, 1:4],
            leaves[4][:, :3],
        )
        run(*taken).sum().real.backward()
        return [leaf.grad for leaf in leaves]

    for found, truth in zip(gradients(selective_scan), gradients(formed), strict=True):
        assert distance(found, truth) <= 20 * 8 * EPS


@needs
@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3), (2, 4, 0)])
@pytest.mark.parametrize("form", ["complex64", "planar"])
def test_nothing_to_do(shape, form):
    x, rate, theta, drive, state, _ = problem(*shape)
    layout = LAYOUTS[form]
    leaves = [each.requires_grad_() for each in (x, rate, theta, layout.small(drive), layout.small(state))]
    h = selective_scan(*leaves)
    h.sum().abs().backward()
    assert h.shape == leaves[3].shape
    assert [leaf.grad.shape for leaf in leaves] == [leaf.shape for leaf in leaves]
    assert all((leaf.grad == 0).all() for leaf in leaves)


@needs
def test_a_refusal_says_what_was_found():
    x, rate, theta, drive, state, _ = problem(2, 4, 3)
    with pytest.raises(
        ValueError, match=r"semh::selective_scan: x is \[2, 3, 3\] .* \[2, 4, 3\] torch.float64 would do"
    ):
        selective_scan(x[:, :3], rate, theta, drive, state)
    with pytest.raises(ValueError, match=r"state is \[2, 3\] torch.complex64"):
        scan(drive, drive, state.to(torch.complex64))
    with pytest.raises(ValueError, match=r"semh::scan: a field is \[B, S, H\] complex .* this is \[2, 4, 3\]"):
        scan(x, x, state)


def test_without_a_kernel_the_level_is_chunked(monkeypatch):
    A, u, state = (normal(*shape, seed=seed) / 2 for seed, shape in enumerate([(1, 9, 2), (1, 9, 2), (1, 2)]))
    monkeypatch.setattr("sem_impl.scan.usable", lambda *_: False)
    assert torch.equal(SCANS["fused"](A, u, state), SCANS["chunked"](A, u, state))
    assert not usable("scan", A, A.real.to(torch.bfloat16))
