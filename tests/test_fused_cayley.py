"""Phase and solve in one native operator, against the dense step in complex128 and the level `eager`."""

import math
from dataclasses import replace

import pytest
import torch
from propagator_helpers import cayley, growth, relative, rounding, rows_of, weights_of
from torch.utils.checkpoint import checkpoint

from sem_impl.hamiltonian import dense, spectral_bound
from sem_impl.initial import Initial
from sem_impl.kernels import Compiled, Fused, _tell, kernels_of
from sem_impl.kernels.native import available
from sem_impl.kernels.native import cayley as native
from sem_impl.propagator import Cayley, Propagator
from sem_impl.solve import Step, advance, evolve, whole
from sem_impl.solved import solve

pytestmark = pytest.mark.skipif(not available("cayley"), reason="no native library here")

REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}
METHODS = (("chebyshev", "none"), ("cocg", "none"), ("cocg", "block_jacobi"))
every_method = pytest.mark.parametrize(("method", "preconditioner"), METHODS)


def fused(a, method="chebyshev", preconditioner="none", tolerance=1e-6, most=300):
    return Step(a, method, "stencil", preconditioner, "fused", tolerance, most)


def phased(psi, kappa):
    return psi * torch.exp(1j * kappa * (psi.real.square() + psi.imag.square()))


@every_method
@pytest.mark.parametrize("dt", [2e-6, 0.02, 0.1, -0.1, 1.0, -1.0, 10.0])
@pytest.mark.parametrize("P", [129, 130, 143, 256, 1001])
def test_every_width_and_step_agrees_with_a_dense_solve(P, dt, method, preconditioner):
    """From 50 updates on cocg's residual drifts from the true one by a rounding an update, times |A|."""
    for dtype, tolerance in ((torch.complex64, 1e-6), (torch.complex128, 1e-6), (torch.complex128, 1e-13)):
        q, weights = rows_of(3, P, dtype=dtype), weights_of(P, dtype=REAL[dtype])
        step = fused(dt / 2, method, preconditioner, tolerance)
        assert whole(step, q)
        solved = solve(step, q, weights)
        truth = cayley(q, weights, dt / 2)
        allowed = growth(weights, dt / 2) * (tolerance + 4 * rounding(REAL[dtype], solved.iterations.max().item()))
        assert relative(solved.x, truth) <= allowed
        assert (solved.x.norm(dim=1) / q.norm(dim=1) - 1).abs().max() <= allowed
        assert solved.outcome == "converged"


@every_method
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 5, 70])
def test_any_number_of_rows_and_of_threads(rows, method, preconditioner):
    psi, kappa = rows_of(rows, 150), torch.linspace(-1, 2, 150, dtype=torch.float64)
    weights, g = weights_of(150), rows_of(rows, 150, seed=4)
    step, before, found = fused(0.05, method, preconditioner), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            leaves = [t.clone().requires_grad_() for t in (psi, kappa, weights)]
            out, _ = evolve(step, *leaves)
            found.append((out.detach(), *torch.autograd.grad(out, leaves, g)))
    finally:
        torch.set_num_threads(before)
    for one, *others in zip(*found, strict=True):
        for other in others:
            assert (one - other).abs().sum() <= 100 * torch.finfo(torch.float64).eps * one.abs().sum()
    if rows:
        truth = cayley(phased(psi, kappa), weights, 0.05)
        assert relative(found[0][0], truth) <= 1e-6 * growth(weights, 0.05)
    else:
        assert [t.abs().sum().item() for t in found[0]] == [0.0] * 4


@every_method
@pytest.mark.parametrize("a", [0.05, -0.4])
def test_gradcheck(a, method, preconditioner):
    step = fused(a, method, preconditioner, 1e-13)
    psi, weights = rows_of(3, 131).requires_grad_(), weights_of(131, spread=1.0).requires_grad_()
    kappa = torch.linspace(-1, 2, 131, dtype=torch.float64).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda psi, kappa, w: evolve(step, psi, kappa, w)[0], (psi, kappa, weights), fast_mode=True)
    assert check(lambda psi, w: evolve(step, psi, None, w)[0], (psi, weights), fast_mode=True)
    assert check(lambda psi, w: Cayley.apply(psi, w, step, None), (psi, weights), fast_mode=True)


@every_method
def test_gradients_in_single_precision_are_those_of_double(method, preconditioner):
    step, P = fused(0.05, method, preconditioner), 256
    given = rows_of(64, P), torch.linspace(0, 2, P, dtype=torch.float64), weights_of(P)
    found = []
    for narrow in (True, False):
        kinds = (torch.complex64, torch.float32, torch.float32) if narrow else (None, None, None)
        leaves = [
            t.to(kind).requires_grad_() if kind else t.clone().requires_grad_()
            for t, kind in zip(given, kinds, strict=True)
        ]
        out, _ = evolve(step, *leaves)
        g = rows_of(64, P, seed=3)
        found.append(torch.autograd.grad(out, leaves, g.to(out.dtype)))
    for one, other in zip(*found, strict=True):
        # 30: `test_propagator_gradients`; a phase of up to 30 radians is rounded to 1e-6 of a radian
        assert (one - other).norm() <= 30 * (1e-6 + 30 * rounding(torch.float32, 8)) * other.norm()


@every_method
@pytest.mark.parametrize("order", ["transposed", "stepped", "conjugate"])
def test_any_order_in_memory(order, method, preconditioner):
    psi, g, weights = rows_of(4, 140), rows_of(4, 140, seed=2), weights_of(140)
    kappa = torch.linspace(0, 1, 140, dtype=torch.float64)

    def laid(t):
        match order:
            case "transposed":
                return t.mT.contiguous().mT if t.ndim > 1 else t
            case "stepped":
                return torch.stack((t, t), -1).flatten(-2)[..., ::2]
            case _:
                return t.conj().resolve_conj().conj()

    results = []
    for lay in (lambda t: t, laid):
        leaves = [lay(t).detach().requires_grad_() for t in (psi, kappa, weights)]
        out, _ = evolve(fused(0.05, method, preconditioner), *leaves)
        results.append((out.detach(), *torch.autograd.grad(out, leaves, lay(g))))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


@every_method
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stays_in_its_row_and_does_not_get_lost(value, method, preconditioner):
    psi, weights, kappa = rows_of(3, 200), weights_of(200), torch.ones(200, dtype=torch.float64)
    step = fused(0.05, method, preconditioner)
    clean, _ = evolve(step, psi, kappa, weights)
    psi[1, 77] = complex(value, 1)
    found, _ = evolve(step, psi, kappa, weights)
    assert torch.equal(found[[0, 2]], clean[[0, 2]])
    lost = ~found[1].isfinite()
    if method == "chebyshev":
        spread = advance(Step(0.05, "chebyshev"), phased(psi, kappa), weights)
        assert torch.equal(lost, ~spread[1].isfinite())
        assert lost.any()
        assert not lost.all()
    else:
        assert lost.all()


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("largest", [1.0, 3.0, 80.0, 3e4])
def test_the_phase_at_any_intensity(largest, dtype):
    """The angle is rounded four times before its sine is taken, by at most 3 units in all; two beyond that for sine and
    cosine, and three for the turn. Beyond the reducible angles the C library takes over."""
    psi, eps = (rows_of(6, 133) * torch.logspace(-6, 0, 133)).to(dtype), torch.finfo(dtype).eps
    psi *= largest / psi.abs().max()
    kappa = torch.linspace(-1, 2, 133).to(REAL[dtype])
    exact = phased(psi.to(torch.complex128), kappa.double())
    angle = (kappa.double() * psi.to(torch.complex128).abs().square()).abs()
    found = native.kerr(psi, kappa)
    if dtype == torch.complex128:
        assert ((found - exact).abs() <= (8 + 8 * angle) * eps * psi.abs() + 1e-300).all()
    else:
        assert ((found - exact).abs() <= (8 + 3 * angle) * eps * psi.abs() + 1e-30).all()


def test_tokens_end_one_by_one_and_alone_as_together():
    P, weights = 192, weights_of(192)
    q = rows_of(4, P)
    q[0] = 0
    q[1] = torch.linalg.eigh(dense(weights))[1][:, 5]
    q[2] = torch.exp(2j * torch.pi * torch.arange(P) / P)
    step = fused(0.25, "cocg")
    solved = solve(step, q, weights)
    assert torch.equal(solved.x[0], torch.zeros(P, dtype=q.dtype))
    assert solved.iterations.tolist()[:2] == [0, 1]
    assert solved.iterations[2] < solved.iterations[3]
    assert solved.products == 1 + solved.iterations.max()
    assert solved.iterations.tolist() == solve(Step(0.25), q, weights).iterations.tolist()
    assert torch.equal(torch.cat([solve(step, q[token : token + 1], weights).x for token in range(4)]), solved.x)


def test_cocg_breaks_down_as_the_reference_does():
    a, weights = 0.05, weights_of(160)
    b = torch.zeros(2, 160, dtype=torch.complex128)
    b[:, 3], b[0, 90], b[1, 90] = 1, 1j, 0.5
    H = dense(weights).to(b.dtype)
    q = torch.linalg.solve(torch.eye(160, dtype=b.dtype) - 1j * a * H, b.T).T
    solved = solve(fused(a, "cocg"), q, weights)
    assert solved.outcome == "breakdown"
    assert solved.iterations[0] == 0
    assert solved.residual[1] < 1e-6


@pytest.mark.parametrize("method", ["chebyshev", "cocg"])
def test_the_limit_of_iterations_holds_and_is_told(method):
    solved = solve(fused(0.5, method, most=5), rows_of(3, 256), weights_of(256))
    assert solved.outcome == "stalled"
    assert solved.iterations.tolist() == [5, 5, 5]
    assert solved.products == {"chebyshev": 5, "cocg": 6}[method]
    reference = solve(Step(0.5, method, max_iterations=5), rows_of(3, 256), weights_of(256))
    assert relative(solved.x, reference.x) <= 100 * rounding(torch.float64, 5)


@pytest.mark.parametrize("scale", [2.0**-30, 2.0**30])
@pytest.mark.parametrize("method", ["chebyshev", "cocg"])
def test_a_solve_knows_no_units(method, scale):
    q, weights = rows_of(3, 140, dtype=torch.complex64), weights_of(140, dtype=torch.float32)
    step = fused(0.25, method)
    assert torch.equal(advance(step, scale * q, weights), scale * advance(step, q, weights))


@pytest.mark.parametrize("spread", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-8, 1e-13])
def test_the_product_over_the_roots_is_the_series(tolerance, spread):
    """Degrees from 1 to some 200: the same polynomial, to a rounding a factor."""
    q, weights = rows_of(2, 150), weights_of(150, spread=spread)
    for a in (1e-4, 0.01, 0.1, 1.0):
        series = solve(Step(a, "chebyshev", tolerance=tolerance, max_iterations=400), q, weights)
        factors = solve(fused(a, tolerance=tolerance, most=400), q, weights)
        assert factors.products == series.products
        assert relative(factors.x, series.x) <= 8 * rounding(torch.float64, series.products)


@pytest.mark.parametrize("a", [0.05, 0.5, 5.0, 15.0])
def test_in_single_precision_the_product_is_off_by_a_few_times_as_much_as_the_series(a):
    """Each rounding grows on its way, at worst by about 2 a Lam."""
    q, weights = rows_of(8, 300), weights_of(300)
    truth = cayley(q, weights, a)
    series, factors = (
        relative(
            advance(replace(step, tolerance=1e-9, max_iterations=400), q.to(torch.complex64), weights.float()), truth
        )
        for step in (Step(a, "chebyshev"), fused(a))
    )
    assert factors <= 10 * series
    assert factors <= (2 + 2 * a * spectral_bound(weights)) * rounding(torch.float32, 8)


def levels(method, kernels, matrix):
    return {"method": method, "matrix": matrix, "preconditioner": "none", "tolerance": "fixed", "kernels": kernels}


def propagator(method="chebyshev", kernels="fused", matrix="stencil", layers=2):
    numbers = {"layers": layers, "P": 160, "dt": 0.1, "training_step": 0, "max_iterations": 50}
    return Propagator(Initial(0, torch.float64), **levels(method, kernels, matrix), **numbers)


@pytest.mark.parametrize("method", ["chebyshev", "cocg"])
def test_the_module_and_its_probe(method):
    psi = rows_of(5, 160)
    model, reference = propagator(method), propagator(method, "eager", "cached")
    growths = growth(model.layers[0].weights().detach(), 0.05)
    pulled = (torch.autograd.grad(m(psi).abs().pow(4).sum(), m.parameters()) for m in (model, reference))
    found, expected = pulled
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= 60e-6 * growths * other.norm()
    readings, evolved = model.probe(psi)
    assert relative(evolved, model(psi).detach()) <= rounding(torch.float64, 50)
    expected, _ = reference.probe(psi)
    assert readings["outcome"] == "converged"
    for name in ("iterations_mean", "iterations_max", "products"):
        assert readings[name] == expected[name]


@pytest.mark.parametrize("method", ["chebyshev", "cocg"])
def test_nothing_is_kept_but_psi_and_the_result(method):
    model, psi, kept = propagator(method, layers=3), rows_of(4, 160).requires_grad_(), []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        model(psi)
    assert len({t.data_ptr() for t in kept if t.shape == psi.shape}) == 3 + 1
    assert all(t.numel() <= 3 * 160 for t in kept if t.shape != psi.shape)


@pytest.mark.parametrize("method", ["chebyshev", "cocg"])
def test_checkpointing_changes_nothing(method):
    model = propagator(method)
    found = []
    for call in (model, lambda psi: checkpoint(model, psi, use_reentrant=False)):
        psi = rows_of(4, 160).requires_grad_()
        found.append(torch.autograd.grad(call(psi).abs().pow(4).sum(), (psi, *model.parameters())))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_operators_keep_torch_s_rules():
    """Schema, fake tensors, autograd registration and tracing, as torch itself checks them."""
    psi, weights, kappa = rows_of(2, 140).requires_grad_(), weights_of(140), torch.ones(140, dtype=torch.float64)
    g = rows_of(2, 140, seed=2)
    for operator, arguments in (
        (native.chebyshev, (psi, kappa, weights.requires_grad_(), 0.05, 1e-6, 50)),
        (native.chebyshev, (psi, None, weights, 0.05, 1e-6, 50)),
        (native.cocg, (psi, kappa, weights, 0.05, True, 1e-6, 50)),
        (native.kerr, (psi, kappa)),
        (native.edge_gradients, tuple(t.detach() for t in (psi, g, g, psi))),
    ):
        torch.library.opcheck(operator, arguments)


def test_on_another_device_the_level_compiled_runs_and_says_so():
    _tell.cache_clear()
    with pytest.warns(UserWarning, match="of the CPU alone; on meta the level compiled runs instead"):
        assert kernels_of("fused", torch.empty(1, device="meta")) is Compiled
    assert kernels_of("fused", torch.empty(1)) is Fused


def test_wrong_shapes_are_refused():
    psi, weights, kappa = rows_of(2, 140), weights_of(140), torch.ones(140, dtype=torch.float64)
    for arguments, said in (
        ((psi[0], kappa, weights), r"psi is \[140\]"),
        ((psi, kappa[1:], weights), r"kappa is \[139\]"),
        ((psi, kappa.float(), weights), "kappa is .* torch.float32"),
        ((psi, kappa, weights[:2]), r"weights is \[2, 140\]"),
        ((psi[:, :128], kappa[:128], weights[:, :128]), "more than 128 nodes"),
    ):
        with pytest.raises(ValueError, match=said):
            native.chebyshev(*arguments, 0.05, 1e-6, 50)
    short = psi[:, 1:]
    for refused in (
        lambda: native.chebyshev_adjoint(psi, kappa, weights, short, psi, 0.05, 1e-6, 50),
        lambda: native.cocg_adjoint(psi, kappa, weights, psi, short, 0.05, False, 1e-6, 50),
        lambda: native.kerr_adjoint(psi, kappa, psi[:1]),
        lambda: native.edge_gradients(psi, psi, psi, psi.to(torch.complex64)),
    ):
        with pytest.raises(ValueError, match="a field is"):
            refused()


def test_the_bound_of_the_spectrum_is_the_series_own():
    """The kernel takes Lam from `spectral_bound`; a row of the constant vector is an eigenvector of 0, and stays."""
    weights = weights_of(170)
    assert spectral_bound(weights) > 0
    ones = torch.ones(1, 170, dtype=torch.complex128)
    assert relative(advance(fused(0.3), ones, weights), ones) <= 1e-6
