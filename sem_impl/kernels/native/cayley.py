"""Kerr phase and Cayley step in one operator, and its parts. Fields psi, psi', g [rows, P] complex, kappa [P] and
weights [3, P] real (`propagator`); kappa None leaves out the phase.

    semh::chebyshev    psi, kappa, weights, a, tolerance, max_iterations -> psi'. Equations (5), (6) of `solve`, by
                       products over the roots of the polynomial (chebyshev.h)
    semh::cocg         psi, kappa, weights, a, block_jacobi, tolerance, max_iterations -> psi', updates [rows] int64.
                       Equation (3); a row that is not finite comes out as NaN, for its inner products are
    semh::kerr, semh::edge_gradients   equations (1) and (3) of `propagator` alone

Kept for the backward pass: psi, psi' and the parameters; the adjoint forms q again, row by row, beside the solve at -a.
It runs over rows that are contiguous, and makes those that are not.
"""

import torch
from torch import Tensor

from sem_impl.chebyshev import coefficients
from sem_impl.hamiltonian import OFFSETS, check_width, spectral_bound
from sem_impl.kernels.native import call, dense

Gradients = tuple[Tensor, Tensor, Tensor]


@torch.library.custom_op("semh::chebyshev", mutates_args=(), device_types="cpu")
def chebyshev(
    psi: Tensor, kappa: Tensor | None, weights: Tensor, a: float, tolerance: float, max_iterations: int
) -> Tensor:
    _check("semh::chebyshev", psi, kappa, weights)
    psi, kappa, weights = dense(psi, kappa, weights)
    out = torch.empty_like(psi)
    _run("chebyshev", psi, psi, kappa, weights, out, *_series(weights, a, tolerance, max_iterations))
    return out


@chebyshev.register_fake
def _(psi: Tensor, *_: object) -> Tensor:
    return _alike(psi)


@torch.library.custom_op("semh::chebyshev_adjoint", mutates_args=(), device_types="cpu")
def chebyshev_adjoint(
    psi: Tensor,
    kappa: Tensor | None,
    weights: Tensor,
    evolved: Tensor,
    g: Tensor,
    a: float,
    tolerance: float,
    max_iterations: int,
) -> tuple[Tensor, Tensor, Tensor]:
    _check("semh::chebyshev_adjoint", psi, kappa, weights, evolved, g)
    psi, kappa, weights, evolved, g = dense(psi, kappa, weights, evolved, g)
    found = _gradients(psi, kappa, weights)
    series = _series(weights, a, tolerance, max_iterations)
    _run("chebyshev_adjoint", psi, psi, kappa, weights, evolved, g, *found, *series)
    return found


@torch.library.custom_op("semh::cocg", mutates_args=(), device_types="cpu")
def cocg(
    psi: Tensor,
    kappa: Tensor | None,
    weights: Tensor,
    a: float,
    block_jacobi: bool,
    tolerance: float,
    max_iterations: int,
) -> tuple[Tensor, Tensor]:
    _check("semh::cocg", psi, kappa, weights)
    psi, kappa, weights = dense(psi, kappa, weights)
    out, updates = torch.empty_like(psi), torch.empty(len(psi), dtype=torch.int64)
    settings = (a, int(block_jacobi), tolerance, max_iterations)
    _run("cocg", psi, psi, kappa, weights, out, updates, *settings)
    return out, updates


@cocg.register_fake
def _(psi: Tensor, *_: object) -> tuple[Tensor, Tensor]:
    return _alike(psi), psi.new_empty(psi.shape[0], dtype=torch.int64)


@torch.library.custom_op("semh::cocg_adjoint", mutates_args=(), device_types="cpu")
def cocg_adjoint(
    psi: Tensor,
    kappa: Tensor | None,
    weights: Tensor,
    evolved: Tensor,
    g: Tensor,
    a: float,
    block_jacobi: bool,
    tolerance: float,
    max_iterations: int,
) -> tuple[Tensor, Tensor, Tensor]:
    _check("semh::cocg_adjoint", psi, kappa, weights, evolved, g)
    psi, kappa, weights, evolved, g = dense(psi, kappa, weights, evolved, g)
    found = _gradients(psi, kappa, weights)
    settings = (a, int(block_jacobi), tolerance, max_iterations)
    _run("cocg_adjoint", psi, psi, kappa, weights, evolved, g, *found, *settings)
    return found


@chebyshev_adjoint.register_fake
@cocg_adjoint.register_fake
def _(psi: Tensor, kappa: Tensor | None, weights: Tensor, *_: object) -> tuple[Tensor, Tensor, Tensor]:
    return _gradients(psi, kappa, weights)


@torch.library.custom_op("semh::kerr", mutates_args=(), device_types="cpu")
def kerr(psi: Tensor, kappa: Tensor) -> Tensor:
    _check("semh::kerr", psi, kappa, None)
    psi, kappa = dense(psi, kappa)
    out = torch.empty_like(psi)
    _run("kerr", psi, psi, kappa, out)
    return out


@kerr.register_fake
def _(psi: Tensor, kappa: Tensor) -> Tensor:  # noqa: ARG001 - the operator's signature
    return _alike(psi)


@torch.library.custom_op("semh::kerr_adjoint", mutates_args=(), device_types="cpu")
def kerr_adjoint(psi: Tensor, kappa: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    _check("semh::kerr_adjoint", psi, kappa, None, g)
    psi, kappa, g = dense(psi, kappa, g)
    g_psi, g_kappa = torch.empty_like(psi), torch.empty_like(kappa)
    _run("kerr_adjoint", psi, psi, kappa, g, g_psi, g_kappa)
    return g_psi, g_kappa


@kerr_adjoint.register_fake
def _(psi: Tensor, kappa: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return _alike(psi), _alike(kappa)


@torch.library.custom_op("semh::edge_gradients", mutates_args=(), device_types="cpu")
def edge_gradients(q: Tensor, evolved: Tensor, g: Tensor, g_q: Tensor) -> Tensor:
    """sum over rows of Im(conj(z_i - z_j)(y_i - y_j)), z = (g + g_q)/2, y = (q + psi')/2: [3, P]."""
    _check("semh::edge_gradients", q, None, None, evolved, g, g_q)
    check_width(q.shape[1])
    q, *others = dense(q, evolved, g, g_q)
    out = torch.empty(len(OFFSETS), q.shape[1], dtype=q.dtype.to_real())
    _run("edge_gradients", q, q, *others, out)
    return out


@edge_gradients.register_fake
def _(q: Tensor, *_: object) -> Tensor:
    return q.new_empty(len(OFFSETS), q.shape[1], dtype=q.dtype.to_real())


def _keep(ctx, inputs: tuple, output: Tensor | tuple[Tensor, Tensor]) -> None:
    psi, kappa, weights, *ctx.settings = inputs
    evolved = output if isinstance(output, Tensor) else output[0]
    ctx.save_for_backward(psi, kappa, weights, evolved)


def _pulled(ctx, adjoint, g: Tensor) -> tuple[Tensor | None, ...]:
    psi, kappa, weights, evolved = ctx.saved_tensors
    g_psi, g_kappa, g_weights = adjoint(psi, kappa, weights, evolved, g, *ctx.settings)
    return g_psi, None if kappa is None else g_kappa, g_weights, *(None for _ in ctx.settings)


def _kerr_keep(ctx, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs)


chebyshev.register_autograd(lambda ctx, g: _pulled(ctx, chebyshev_adjoint, g), setup_context=_keep)
cocg.register_autograd(lambda ctx, g, _: _pulled(ctx, cocg_adjoint, g), setup_context=_keep)
kerr.register_autograd(lambda ctx, g: kerr_adjoint(*ctx.saved_tensors, g), setup_context=_kerr_keep)


def _series(weights: Tensor, a: float, tolerance: float, most: int) -> tuple[float, float, int]:
    """a, Lam, and how many coefficients."""
    bound = spectral_bound(weights)
    return a, bound, len(coefficients(a, bound, tolerance, most))


def _run(function: str, psi: Tensor, *arguments: Tensor | int | float | None) -> None:
    if call("cayley", function, psi, *arguments, *psi.shape):
        raise MemoryError(f"semh::{function}: no memory for a few rows of {psi.shape[1]} numbers")


def _gradients(psi: Tensor, kappa: Tensor | None, weights: Tensor) -> Gradients:
    """Memory for those of psi, kappa (empty without one) and the weights."""
    return _alike(psi), weights.new_empty(0 if kappa is None else kappa.shape[0]), _alike(weights)


def _alike(t: Tensor) -> Tensor:
    return torch.empty_like(t, memory_format=torch.contiguous_format)


def _check(where: str, psi: Tensor, kappa: Tensor | None, weights: Tensor | None, *fields: Tensor) -> None:
    """`fields` are like psi."""
    if psi.ndim != 2 or not psi.is_complex():
        raise ValueError(f"{where}: psi is {list(psi.shape)} {psi.dtype}; [rows, P] complex would do")
    P, real = psi.shape[1], psi.dtype.to_real()
    for name, given, shape in (("kappa", kappa, (P,)), ("weights", weights, (len(OFFSETS), P))):
        if given is not None and (tuple(given.shape) != shape or given.dtype != real):
            raise ValueError(
                f"{where}: {name} is {list(given.shape)} {given.dtype}; beside psi {list(psi.shape)} {psi.dtype} "
                f"{list(shape)} {real} would do"
            )
    for given in fields:
        if given.shape != psi.shape or given.dtype != psi.dtype:
            raise ValueError(
                f"{where}: a field is {list(given.shape)} {given.dtype}; beside psi {list(psi.shape)} {psi.dtype} the "
                f"same would do"
            )
    if weights is not None:
        check_width(P)
