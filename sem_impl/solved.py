"""A Cayley step looked at closely: what its method achieved, not what it believes.

Shapes: q, x [rows, P] complex, weights of H [3, P]. Costs one product more than the step, in double; the timed path
(`solve.advance`) knows none of this.
    (1) residual |b - A x| / |b| per token, b - A x = (q - x) - i a H (q + x), b = q - i a H q
    (2) |x - x*| <= |b - A x| <= residual |A| |x*|, for A is normal with singular values >= 1 and |x*| = |q|
"""

from dataclasses import dataclass
from math import hypot
from typing import Literal

import torch
from torch import Tensor

from sem_impl.chebyshev import coefficients
from sem_impl.hamiltonian import cached, spectral_bound
from sem_impl.kernels import Eager, kernels_of
from sem_impl.solve import Step, advance, evolve, multiplied, whole

Outcome = Literal["converged", "stalled", "breakdown", "diverged"]


@dataclass(frozen=True)
class Solved:
    x: Tensor
    """[rows, P] complex"""
    residual: Tensor
    """The true |b - A x| / |b| per token, 0 where b = 0."""
    iterations: Tensor
    """Updates of x per token."""
    products: int
    """Products H v per token."""
    outcome: Outcome


def solve(step: Step, q: Tensor, weights: Tensor) -> Solved:
    """The same step looked at closely, q [rows, P] complex: what came of it, for one product more, in double."""
    if whole(step, q):
        x, updates, products = _whole(step, q, weights)
        residual = true_residual(q, x, weights, step.a)
        return Solved(x, residual, updates, products, outcome(step, residual, updates, weights))
    kernels = kernels_of(step.kernels, q)
    multiply = multiplied(step, kernels, weights)
    updates = torch.zeros(len(q), dtype=torch.int64, device=q.device)
    products = 0

    def watch(active: Tensor | None) -> None:
        updates.add_(1 if active is None else active)

    def product(*blocks: Tensor, **scales: float) -> None:
        nonlocal products
        products += 1
        multiply(*blocks, **scales)

    x = kernels.leave(advance(step, kernels.enter(q), weights, product=product, watch=watch))
    residual = true_residual(q, x, weights, step.a)
    updates = updates.cpu()
    return Solved(x, residual, updates, products, outcome(step, residual, updates, weights))


def _whole(step: Step, q: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, int]:
    """x, updates per token and products of the slowest one. Every token of a series takes its degree; COCG has a
    product for b besides."""
    x, updates = evolve(step, q, None, weights)
    if updates is not None:
        return x, updates, 1 + int(updates.max())
    degree = len(coefficients(step.a, spectral_bound(weights), step.tolerance, step.max_iterations)) - 1
    return x, torch.full((len(q),), degree), degree


def true_residual(q: Tensor, x: Tensor, weights: Tensor, a: float) -> Tensor:
    """|b - A x| / |b| per row, in double: b - A x = (q - x) - i a H (q + x). On the host: not every device has double,
    or a sparse product."""
    H = cached(weights.cpu().double())
    q, x = q.cpu().to(torch.complex128), x.cpu().to(torch.complex128)

    def shifted(v: Tensor, of: Tensor) -> Tensor:
        """|v - i a H of| per row."""
        block = Eager.block(of)
        H(block.clone(), block)
        return (v - 1j * a * Eager.field(block)).norm(dim=1)

    error, size = shifted(q - x, q + x), shifted(q, q)
    return torch.where(size > 0, error / size, error)


def outcome(step: Step, residual: Tensor, updates: Tensor, weights: Tensor) -> Outcome:
    """Of the worst token. Allowed is |A| times (the tolerance and a rounding of x in every update): `chebyshev` bounds
    the error of x, the others that of A x. Before the limit a token stops only by converging or by breaking down."""
    growth = hypot(1, step.a * spectral_bound(weights))
    rounding = torch.finfo(weights.dtype).eps * (4 + updates)
    failed = ~(residual <= growth * (step.tolerance + rounding))
    if not failed.any():
        return "converged"
    if not residual.max() <= 1:
        return "diverged"
    return "stalled" if (updates[failed] == step.max_iterations).any() else "breakdown"
