"""Native kernels on the CPU (`native.cayley`), on the fields of `eager`: complex [rows, P].

The Kerr phase, its adjoint and the edge gradients are native. What a solve does on blocks is that of `eager`, but with
`matrix` stencil and `method` chebyshev or cocg there are no blocks: phase and solve are one operator, row by row.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from sem_impl.kernels.eager import Eager
from sem_impl.kernels.native import cayley

Result = tuple[Tensor, Tensor | None]


class Fused(Eager):
    @staticmethod
    def kerr(psi: Tensor, kappa: Tensor) -> Tensor:
        return cayley.kerr(psi, kappa)

    @staticmethod
    def kerr_adjoint(psi: Tensor, kappa: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        return cayley.kerr_adjoint(psi, kappa, g)

    @staticmethod
    def edge_gradients(q: Tensor, psi: Tensor, g: Tensor, g_q: Tensor) -> Tensor:
        return cayley.edge_gradients(q, psi, g, g_q)


def chebyshev(step: Any, psi: Tensor, kappa: Tensor | None, weights: Tensor) -> Result:
    return cayley.chebyshev(psi, kappa, weights, step.a, step.tolerance, step.max_iterations), None


def cocg(step: Any, psi: Tensor, kappa: Tensor | None, weights: Tensor) -> Result:
    jacobi = step.preconditioner == "block_jacobi"
    return cayley.cocg(psi, kappa, weights, step.a, jacobi, step.tolerance, step.max_iterations)


WHOLE: dict[str, Callable[..., Result]] = {"chebyshev": chebyshev, "cocg": cocg}
"""Methods whose solve is one operator: (step, psi, kappa or None, weights) -> psi' and, of cocg, updates per row."""
