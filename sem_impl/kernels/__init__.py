"""switch `kernels`: who does the arithmetic of the propagator that is neither a sparse nor a dense matrix product; at
`fused` also that of the norms, the mixer's gates and convolutions and the head's rows (`native`, see there), and the
sums beside the mixer's products (`products`).

A level is a class. Complex fields [rows, P] flow between the layers in the level's own layout (`enter`, `leave`); a
solve works on real blocks [P, 2 rows] (`block`, `field`), so that one real sparse product serves both parts.

    level      field                       block
    eager      complex [rows, P]           Re, Im alternate: a complex [P, rows] viewed as real
    compiled   real [2 rows, P], Re | Im   Re | Im side by side
    fused      that of `eager`; where no native library can take it (no compiler, another device), that of `compiled`

An instance belongs to one solve: it holds scratch memory and the solve's pairing,

    pairing    total(r, m)    curvature(p, Hp, a)
    bilinear   r' m r         p' A p
    real       Re r^H m r     Re p^H A p
    normal     Re r^H m r     |A p|^2

A = I + i a H; m [P] is the diagonal preconditioner or None. Coefficients c are [rows], one per token: complex where the
pairing is bilinear, else real. The caller has computed H v (H p).

    operate(v, Hv, a)          Hv <- v + i a Hv
    sizes(r, m)                |r|^2 and total(r, m)
    curvature(p, Hp, a)        see above; Hp may become A p, and after this only `step` reads it
    step(x, r, p, Hp, c, a, m) x += c p, r -= c A p; then sizes(r, m)
    turn(p, r, m, c)           p <- m r + c p
    start(v, x, c)             x <- c v; here and below c is one number
    recur(after, now, f, x, c) after <- after - f now; x += c after
    rotate(field, U)           U times every row; U is symmetric

Outside of a solve, on fields: kerr, kerr_adjoint, edge_gradients (equations in `propagator`).
"""

import warnings
from functools import cache

import torch
from torch import Tensor

from sem_impl.kernels.compiled import Compiled
from sem_impl.kernels.eager import Eager
from sem_impl.kernels.fused import Fused
from sem_impl.kernels.native import usable

KERNELS = {"eager": Eager, "compiled": Compiled, "fused": Fused}


def kernels_of(level: str, like: Tensor) -> type:
    """The class of a level, for tensors of this device and dtype."""
    if level != "fused" or usable("cayley", like):
        return KERNELS[level]
    if like.device.type != "cpu":
        _tell(like.device.type)
    return Compiled


@cache
def _tell(device: str) -> None:
    if not torch.compiler.is_compiling():
        warnings.warn(f"kernels: fused is of the CPU alone; on {device} the level compiled runs instead", stacklevel=3)
