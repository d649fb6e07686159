"""The adjoint against finite differences and against autograd through a dense complex128 solve."""

import pytest
import torch
from propagator_helpers import cayley, growth, relative, rows_of, uncompiled, weights_of

from sem_impl.initial import Initial
from sem_impl.kernels import KERNELS
from sem_impl.propagator import Cayley, Kerr, Propagator
from sem_impl.solve import Step

P = 130
# plain cg reaches 1e-13 only at steps where it converges that far: see test_solve
CONVERGING = [
    *((method, matrix, preconditioner, 0.1) for method in ("cocg", "cgnr") for matrix in ("rebuild", "cached")
      for preconditioner in ("none", "block_jacobi")),
    *(("chebyshev", matrix, "none", 0.1) for matrix in ("rebuild", "cached")),
    ("direct", "cached", "none", 0.1),
    *(("cg", matrix, "none", 0.005) for matrix in ("rebuild", "cached")),
    *(("cg", matrix, "block_jacobi", 0.02) for matrix in ("rebuild", "cached")),
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


@pytest.mark.parametrize("a", [0.05, -0.05])
def test_gradcheck_of_every_entry(a):
    step = Step(a, "chebyshev", tolerance=1e-13)
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
    """A solve to `tolerance` moves the output by at most growth * tolerance, and each gradient by that times a small
    constant: solved adjoint and solved state both enter (twice), over two layers (twice), through a quartic loss."""
    model = propagator(method=method, dt=dt, kernels=kernels)
    model.settings = model.step()
    psi = rows_of(4, P).requires_grad_()
    found = gradients(model, model(psi), psi)
    exact = gradients(model, dense_propagator(model, psi), psi)
    allowed = 30 * 1e-6 * growth(model.layers[0].weights().detach(), dt / 2)
    for one, other in zip(found, exact, strict=True):
        assert (one - other).norm() <= allowed * other.norm()


def test_a_tighter_solve_gives_a_closer_gradient():
    weights, q = weights_of(P), rows_of(4, P)
    g = rows_of(4, P, seed=3)

    def edges(step):
        w = weights.clone().requires_grad_()
        out = cayley(q, w, 0.25) if step is None else Cayley.apply(q, w, step, None)
        return torch.autograd.grad((out * g.conj()).real.sum(), w)[0]

    exact = edges(None)
    errors = [
        ((edges(Step(0.25, "cocg", tolerance=tolerance, max_iterations=300)) - exact).norm() / exact.norm()).item()
        for tolerance in (1e-4, 1e-8, 1e-12)
    ]
    for error, tolerance in zip(errors, (1e-4, 1e-8, 1e-12), strict=True):
        assert error <= 10 * tolerance * growth(weights, 0.25)
    assert errors[2] < errors[1] < errors[0]


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
