"""Every method against a dense complex128 solve. |x - x*| <= |b - A x| for A is normal with singular values >= 1, and
|b| <= |A| |x*|: a residual of `tolerance` is an error of x of at most tolerance |A|, plus rounding."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from propagator_helpers import cayley, growth, relative, rounding, rows_of, uncompiled, weights_of

from sem_impl.chebyshev import coefficients
from sem_impl.hamiltonian import MATRICES, dense, spectral_bound
from sem_impl.kernels import KERNELS
from sem_impl.solve import METHODS, PRECONDITIONERS, Step, unitary
from sem_impl.solved import outcome, solve

STEPS = (0.02, 0.1, 0.5, 1.0)
TOLERANCES = (1e-4, 1e-5, 1e-6)
SOUND = ("cocg", "cgnr", "chebyshev", "direct")
REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}


@pytest.fixture(autouse=True)
def formulas_only(monkeypatch):
    uncompiled(monkeypatch)


def agrees(step, q, weights, truth=None):
    """solve(), after checking that it converged to what it promises."""
    truth = cayley(q, weights, step.a) if truth is None else truth
    solved = solve(step, q, weights)
    allowed = growth(weights, step.a) * (step.tolerance + rounding(weights.dtype, solved.iterations.max().item()))
    assert solved.outcome == "converged"
    assert relative(solved.x, truth) <= allowed
    assert solved.residual.max() <= allowed
    return solved


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("dt", STEPS)
@pytest.mark.parametrize("method", SOUND)
def test_sound_methods_agree_with_a_dense_solve(method, dt, kernels):
    for dtype in REAL:
        q, weights = rows_of(5, 256, dtype=dtype), weights_of(256, dtype=REAL[dtype])
        for tolerance in TOLERANCES:
            for preconditioner in PRECONDITIONERS:
                agrees(Step(dt / 2, method, "cached", preconditioner, kernels, tolerance), q, weights)


@settings(max_examples=30)
@given(
    method=st.sampled_from(SOUND),
    matrix=st.sampled_from(sorted(MATRICES)),
    preconditioner=st.sampled_from(sorted(PRECONDITIONERS)),
    kernels=st.sampled_from(sorted(KERNELS)),
    P=st.integers(129, 260),
    rows=st.integers(1, 6),
    dt=st.floats(0.01, 1.0) | st.floats(-1.0, -0.01),
    tolerance=st.sampled_from((1e-4, 1e-7, 1e-10)),
    spread=st.floats(0, 2),
    seed=st.integers(0, 9),
)
def test_any_graph_any_rows(method, matrix, preconditioner, kernels, P, rows, dt, tolerance, spread, seed):
    step = Step(dt / 2, method, matrix, preconditioner, kernels, tolerance, max_iterations=300)
    agrees(step, rows_of(rows, P, seed), weights_of(P, seed, spread=spread))


@pytest.mark.parametrize("preconditioner", PRECONDITIONERS)
def test_plain_cg_converges_at_a_small_step(preconditioner):
    q, weights = rows_of(16, 2048, dtype=torch.complex64), weights_of(2048, dtype=torch.float32)
    truth = cayley(q, weights, 0.01)
    steps = (Step(0.01, "cg", "cached", preconditioner, tolerance=tolerance) for tolerance in TOLERANCES)
    counts = [agrees(step, q, weights, truth).iterations.double().mean() for step in steps]
    documented = {"none": (5, 7, 9), "block_jacobi": (3, 4, 5)}[preconditioner]
    assert all(abs(count - about) < 0.5 for count, about in zip(counts, documented, strict=True))


@pytest.mark.parametrize("preconditioner", PRECONDITIONERS)
@pytest.mark.parametrize(("dt", "outcome"), [(0.1, "stalled"), (0.5, "diverged"), (1.0, "diverged")])
def test_plain_cg_fails_at_larger_steps_and_says_so(dt, outcome, preconditioner):
    q, weights = rows_of(16, 2048), weights_of(2048)
    solved = solve(Step(dt / 2, "cg", "cached", preconditioner), q, weights)
    assert solved.outcome == outcome
    assert solved.residual.min() > 1e-4
    assert solved.iterations.min() == 50
    assert relative(solved.x, cayley(q, weights, dt / 2)) > 1e-4


def test_plain_cg_reaches_a_floor_and_then_grows():
    q, weights = rows_of(8, 256), weights_of(256)

    def residual(updates):
        return solve(Step(0.05, "cg", "cached", max_iterations=updates), q, weights).residual.max().item()

    first, floor, last = residual(2), residual(8), residual(200)
    assert floor < first
    assert last > 5 * floor > 1e-6


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize("a", [0.01, 0.05, 0.25, 0.5, -0.5, 5.0])
def test_the_degree_of_chebyshev_is_a_bound_and_the_least_that_the_bound_allows(a, tolerance):
    bound = 9.0
    c = coefficients(a, bound, tolerance, 1000)
    spectrum = torch.linspace(0, bound, 4001, dtype=torch.float64)
    angle = torch.acos((2 * spectrum / bound - 1).clamp(-1, 1))
    found = sum(number * torch.cos(n * angle) for n, number in enumerate(c))
    exact = (1 - 1j * a * spectrum) / (1 + 1j * a * spectrum)
    rounded = 1e-15 * len(c)
    assert (found - exact).abs().max() <= tolerance + rounded
    assert (found.abs() - 1).abs().max() <= tolerance + rounded
    s = abs(a) * bound / 2
    size = abs(c[2] / c[1])
    weight = abs(c[1]) / size
    assert weight * size ** len(c) / (1 - size) <= tolerance < weight * size ** (len(c) - 1) / (1 - size)
    assert math.isclose(weight, 4 / abs(s * ((1j / s - 1) ** 2 - 1) ** 0.5))


@pytest.mark.parametrize("a", [1e-6, -1e-4, 1e-3])
def test_the_series_of_a_small_step_loses_no_digits(a):
    """z and w agree in all but the last ones there."""
    bound, tolerance = 9.0, 1e-13
    c = torch.tensor(coefficients(a, bound, tolerance, 50), dtype=torch.complex128)
    spectrum = torch.linspace(0, bound, 101, dtype=torch.float64)
    angle = torch.acos((2 * spectrum / bound - 1).clamp(-1, 1))
    found = c @ torch.cos(torch.arange(len(c)).unsqueeze(1) * angle).to(c.dtype)
    exact = (1 - 1j * a * spectrum) / (1 + 1j * a * spectrum)
    assert (found - exact).abs().max() <= tolerance + 1e-15 * len(c)


def test_chebyshev_stops_at_the_limit_and_says_so():
    solved = solve(Step(0.5, "chebyshev", tolerance=1e-6, max_iterations=5), rows_of(3, 256), weights_of(256))
    assert solved.outcome == "stalled"
    assert solved.iterations.tolist() == [5, 5, 5]
    assert solved.products == 5


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("preconditioner", PRECONDITIONERS)
@pytest.mark.parametrize("method", METHODS)
def test_tokens_are_frozen_one_by_one(method, preconditioner, kernels):
    """A zero token, an eigenvector (one update does it), a smooth one and a random one, in one batch."""
    P, weights = 192, weights_of(192)
    q = rows_of(4, P)
    q[0] = 0
    q[1] = torch.linalg.eigh(dense(weights))[1][:, 5]
    q[2] = torch.exp(2j * torch.pi * torch.arange(P) / P)
    step = Step(0.01 if method == "cg" else 0.25, method, "cached", preconditioner, kernels)
    solved = agrees(step, q, weights)
    assert torch.equal(solved.x[0], torch.zeros(P, dtype=q.dtype))
    assert solved.x.isfinite().all()
    if method in ("cg", "cocg", "cgnr"):
        assert solved.iterations[0] == 0
        assert preconditioner != "none" or solved.iterations[1] < solved.iterations[3]
        assert preconditioner != "none" or method == "cg" or solved.iterations[1] == 1
    alone = [solve(step, q[token : token + 1], weights) for token in range(4)]
    assert solved.iterations.tolist() == [s.iterations.item() for s in alone]
    assert relative(torch.cat([s.x for s in alone]), solved.x) <= 100 * rounding(torch.float64, 50)


@pytest.mark.parametrize("scale", [2.0**-30, 2.0**30])
@pytest.mark.parametrize("method", METHODS)
def test_a_solve_knows_no_units(method, scale):
    """Powers of two change no digit: the same field in other units takes the same updates to the same numbers."""
    q, weights = rows_of(3, 96), weights_of(96)
    step = Step(0.01 if method == "cg" else 0.25, method, "cached")
    one, other = solve(step, q, weights), solve(step, scale * q, weights)
    assert torch.equal(other.x, scale * one.x)
    assert other.iterations.tolist() == one.iterations.tolist()


@pytest.mark.parametrize("kernels", KERNELS)
def test_cocg_breaks_down_on_an_isotropic_right_hand_side(kernels):
    """b'b = 0 with b not 0: the first coefficient would be 0/0-like; the token is frozen where it is."""
    a, weights = 0.05, weights_of(160)
    b = torch.zeros(2, 160, dtype=torch.complex128)
    b[:, 3], b[0, 90], b[1, 90] = 1, 1j, 0.5
    q = cayley_inverse(b, weights, a)
    solved = solve(Step(a, "cocg", kernels=kernels), q, weights)
    assert solved.outcome == "breakdown"
    assert solved.iterations[0] == 0
    assert solved.residual[1] < 1e-6
    assert solved.x.isfinite().all()


def cayley_inverse(b, weights, a):
    """q with (I - i a H) q = b."""
    H = dense(weights).to(b.dtype)
    return torch.linalg.solve(torch.eye(len(H), dtype=b.dtype) - 1j * a * H, b.T).T


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_the_input_is_left_alone(method, rows, kernels):
    q, weights = rows_of(rows, 160), weights_of(160)
    before = q.clone()
    solve(Step(0.05, method, kernels=kernels), q, weights)
    assert torch.equal(q, before)


@pytest.mark.parametrize("method", METHODS)
def test_counts(method):
    """Products: one for b, then one per update (two for cgnr); chebyshev needs no b, direct no product."""
    solved = solve(Step(0.01, method), rows_of(6, 256), weights_of(256))
    most = solved.iterations.max().item()
    assert (
        solved.products
        == {"cg": 1 + most, "cocg": 1 + most, "cgnr": 1 + 2 * most, "chebyshev": most, "direct": 0}[method]
    )


@pytest.mark.parametrize("preconditioner", PRECONDITIONERS)
@pytest.mark.parametrize("method", METHODS)
def test_the_opposite_step_is_the_conjugate_and_the_inverse(method, preconditioner):
    q, weights, a = rows_of(4, 192), weights_of(192), 0.01
    forward = solve(Step(a, method, "cached", preconditioner, tolerance=1e-9), q, weights).x
    conjugate = solve(Step(-a, method, "cached", preconditioner, tolerance=1e-9), q.conj().resolve_conj(), weights).x
    assert relative(conjugate.conj(), forward) <= 100 * rounding(torch.float64, 50)
    back = solve(Step(-a, method, "cached", preconditioner, tolerance=1e-9), forward, weights).x
    assert relative(back, q) <= 2 * growth(weights, a) * 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_matrices_and_kernels_agree_to_rounding(method):
    """The same recurrence with additions in another order; 100 leaves room for what few updates amplify."""
    q, weights = rows_of(6, 256), weights_of(256)
    a = 0.01 if method == "cg" else 0.05
    first = solve(Step(a, method, "rebuild", kernels="eager"), q, weights).x
    for matrix in MATRICES:
        for kernels in KERNELS:
            x = solve(Step(a, method, matrix, kernels=kernels), q, weights).x
            assert relative(x, first) <= 100 * rounding(torch.float64, 50)


@pytest.mark.parametrize("a", [0.05, -0.3, 1.0])
def test_block_jacobi_inverts_the_diagonal(a):
    weights = weights_of(150, spread=1.0)
    H = dense(weights)
    A = torch.eye(150, dtype=torch.complex128) + 1j * a * H
    inverse, normal_inverse = PRECONDITIONERS["block_jacobi"]
    assert torch.allclose(inverse(weights, a) * A.diagonal(), torch.ones(150, dtype=torch.complex128), rtol=1e-13)
    normal = (A.mH @ A).diagonal().real
    assert torch.allclose(normal_inverse(weights, a) * normal, torch.ones(150, dtype=torch.float64), rtol=1e-12)


@pytest.mark.parametrize("method", SOUND)
@pytest.mark.parametrize("dt", STEPS)
def test_norm_is_kept(method, dt):
    q, weights = rows_of(32, 512, dtype=torch.complex64), weights_of(512, dtype=torch.float32)
    x = solve(Step(dt / 2, method), q, weights).x
    assert (x.norm(dim=1) / q.norm(dim=1) - 1).abs().max() <= 1e-5


def test_a_wide_spread_of_weights_is_where_the_preconditioner_helps():
    q, weights = rows_of(8, 512), weights_of(512, spread=2.0)
    counts = {
        name: solve(Step(1.0, "cocg", "cached", name, max_iterations=500), q, weights).iterations.double().mean()
        for name in PRECONDITIONERS
    }
    assert counts["block_jacobi"] < 0.95 * counts["none"]


def test_the_dense_step_holds_no_denormal_number_and_is_not_changed_by_that():
    weights = torch.nn.functional.softplus(torch.linspace(-0.2, 0.2, 3 * 512).view(3, 512))
    U = unitary(weights, 1e-4)
    parts = torch.view_as_real(U).abs()
    assert (parts == 0).any()
    assert parts[parts > 0].min() >= torch.finfo(torch.float32).tiny
    iaH = 1e-4j * dense(weights.double())
    one = torch.eye(512, dtype=torch.complex128)
    assert (U - torch.linalg.solve(one + iaH, one - iaH)).abs().max() <= 4 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("tolerance", [1e-4, 1e-30])
def test_converged_is_what_tolerance_and_rounding_allow_and_no_more(tolerance):
    """At 1e-30 nothing but rounding is left."""
    a, weights, updates = 0.5, weights_of(64), torch.tensor([7, 50])
    bound = math.sqrt(1 + (a * spectral_bound(weights)) ** 2) * (tolerance + rounding(weights.dtype, updates))
    step = Step(a, "cocg", tolerance=tolerance, max_iterations=50)
    assert outcome(step, 0.99 * bound, updates, weights) == "converged"
    assert outcome(step, bound * torch.tensor([0.99, 1.01]), updates, weights) == "stalled"
    assert outcome(step, bound * torch.tensor([1.01, 0.99]), updates, weights) == "breakdown"
