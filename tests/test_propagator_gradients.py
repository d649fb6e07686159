"""The adjoint against finite differences and against autograd through a dense complex128 solve."""

import pytest
import torch
from propagator_helpers import cayley, growth, relative, rows_of, uncompiled, weights_of

from sem_impl.hamiltonian import MATRICES
from sem_impl.initial import Initial
from sem_impl.kernels import KERNELS
from sem_impl.propagator import Cayley, Kerr, Propagator
from sem_impl.solve import Step

P = 130
# plain cg reaches 1e-13 only at steps where it converges that far: see test_solve
CONVERGING = [
    *((method, matrix, preconditioner, 0.1) for method in ("cocg", "cgnr") for matrix in MATRICES
      for preconditioner in ("none", "block_jacobi")),
    *(("chebyshev", matrix, "none", 0.1) for matrix in MATRICES),
    ("direct", "cached", "none", 0.1),
    *(("cg", matrix, "none", 0.005) for matrix in MATRICES),
    *(("cg", matrix, "block_jacobi", 0.02) for matrix in MATRICES),
]  # fmt: skip


@pytest.fixture(autouse=True)
def formulas_only(monkeypatch):
    uncompiled(monkeypatch)


def propagator(dtype=torch.float64, **changes):
    levels = {"method": "cocg", "matrix": "cached", "preconditioner": "none", "tolerance": "fixed", "kernels": "eager"}
    numbers = {"layers": 2, "P": P, "dt": 0.1, "training_step": 0, "max_iterations": 300}
    return Propagator(Initial(0, dtype), **(levels | numbers | changes))


def in_layout(q, kernels):
    return KERNELS[kernels].enter(q).clone().requires_grad_()


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(("method", "matrix", "preconditioner", "dt"), CONVERGING)
def test_gradcheck_of_the_cayley_step(method, matrix, preconditioner, dt, kernels):
    step = Step(dt / 2, method, matrix, preconditioner, kernels, tolerance=1e-13, max_iterations=300)
    q, weights = in_layout(rows_of(3, P), kernels), weights_of(P, spread=1.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda q, w: Cayley.apply(q, w, step, None), (q, weights), fast_mode=True)


def test_gradcheck_of_every_entry():
    step = Step(-0.05, "chebyshev", tolerance=1e-13)
    q, weights = rows_of(1, P).requires_grad_(), weights_of(P).requires_grad_()
    assert torch.autograd.gradcheck(lambda q, w: Cayley.apply(q, w, step, None), (q, weights))


@pytest.mark.parametrize("kernels", KERNELS)
def test_gradcheck_of_the_kerr_phase(kernels):
    psi, kappa = in_layout(rows_of(2, 9), kernels), torch.linspace(-1, 2, 9, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda psi, kappa: Kerr.apply(psi, kappa, kernels), (psi, kappa))


def dense_propagator(model, psi):
    """The same layers by exp, dense H and torch.linalg.solve, all on autograd's tape."""
    for layer in model.layers:
        q = psi * torch.exp(1j * layer.kappa * (psi.real**2 + psi.imag**2))
        psi = cayley(q, layer.weights(), model.settings.a)
    return psi


def gradients(model, out, psi):
    weight = rows_of(len(out), P, seed=7)
    loss = (out * weight.conj()).real.sum() + out.abs().pow(4).sum()
    return torch.autograd.grad(loss, (psi, *model.parameters()))


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("dt", [0.1, -0.7])
@pytest.mark.parametrize("method", ["cocg", "cgnr", "chebyshev", "direct"])
def test_every_gradient_is_that_of_the_dense_oracle(method, dt, kernels):
    """A solve moves its result by at most growth * tolerance; a Kerr phase amplifies that at most 1 + 2 kappa |psi|^2
    times, 15 for the largest entries here; state and adjoint are solved: 30. (docs/math.md 3.4)"""
    model = propagator(method=method, dt=dt, kernels=kernels)
    model.settings = model.step()
    psi = rows_of(4, P).requires_grad_()
    found = gradients(model, model(psi), psi)
    exact = gradients(model, dense_propagator(model, psi), psi)
    allowed = 30 * 1e-6 * growth(model.layers[0].weights().detach(), dt / 2)
    for one, other in zip(found, exact, strict=True):
        assert (one - other).norm() <= allowed * other.norm()


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("method", ["cocg", "cgnr", "chebyshev"])
def test_an_unfinished_solve_costs_the_gradient_no_more_than_derived(method, tolerance):
    """docs/math.md (3.23), per scale, and |U^H g| per token."""
    a, weights, q, g = 0.25, weights_of(P), rows_of(4, P), rows_of(4, P, seed=3)
    step = Step(a, method, tolerance=tolerance)

    def pulled(evolve):
        w, rows = weights.clone().requires_grad_(), q.clone().requires_grad_()
        return torch.autograd.grad((evolve(rows, w) * g.conj()).real.sum(), (rows, w))

    at_q, at_w = pulled(lambda rows, w: Cayley.apply(rows, w, step, None))
    exact_q, exact_w = pulled(lambda rows, w: cayley(rows, w, a))
    tau = tolerance * growth(weights, a)
    assert ((at_q - exact_q).norm(dim=1) <= tau * g.norm(dim=1)).all()
    allowed = 8 * a * tau * (g.norm(dim=1) * q.norm(dim=1)).sum()
    assert ((at_w - exact_w).abs().sum(1) <= allowed).all()
    assert (at_w - exact_w).abs().max() > 0


@pytest.mark.parametrize("method", ["cocg", "chebyshev"])
def test_nothing_is_kept_but_psi_q_and_the_result(method):
    model = propagator(method=method, layers=3)
    psi = rows_of(4, P).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        model(psi)
    fields = {t.data_ptr() for t in kept if t.shape == psi.shape}
    assert len(fields) == 2 * 3 + 1
    assert all(t.numel() <= 3 * P for t in kept if t.shape != psi.shape)


def test_no_edge_gradient_is_computed_where_none_is_wanted(monkeypatch):
    model, psi = propagator().requires_grad_(False), rows_of(2, P).requires_grad_()
    monkeypatch.setattr(KERNELS["eager"], "edge_gradients", None)
    model(psi).abs().sum().backward()
    assert relative(psi.grad, torch.zeros_like(psi)) > 0
