"""(I + i a H) x = (I - i a H) q by peers: rows q [rows, P] complex -> x, to a relative residual of 1e-6.

What depends on the weights alone (a factorisation, a sparse matrix) is made once for them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sem_impl.hamiltonian import OFFSETS, degrees, dense
from sem_impl.peers.arrays import to_jax, to_torch
from sem_impl.peers.installed import jax, peer

TOLERANCE = 1e-6
Solve = Callable[[Tensor], Tensor]


def _matrices(weights: Tensor, a: float, dtype: torch.dtype) -> tuple[Any, Any]:
    """I + i a H and I - i a H, sparse."""
    import numpy as np
    from scipy.sparse import csr_array, eye_array

    H = csr_array(dense(weights).numpy())
    one = eye_array(H.shape[0], format="csr")
    own = np.complex64 if dtype == torch.complex64 else np.complex128
    return tuple((one + sign * 1j * a * H).astype(own) for sign in (1, -1))


def scipy_splu(weights: Tensor, a: float, dtype: torch.dtype) -> Solve:
    from scipy.sparse.linalg import splu

    left, right = _matrices(weights, a, dtype)
    # Of a symmetric pattern; the default ordering fills in 1.8 times as much.
    factors = splu(left.tocsc(), permc_spec="MMD_AT_PLUS_A")
    return lambda q: torch.from_numpy(factors.solve(right @ q.numpy().T).T)


def scipy_gmres(weights: Tensor, a: float, dtype: torch.dtype) -> Solve:
    """All rows are one system: its operator is the matrix times each of them."""
    import numpy as np
    from scipy.sparse.linalg import LinearOperator, gmres

    left, right = _matrices(weights, a, dtype)
    P = left.shape[0]

    def solve(q: Tensor) -> Tensor:
        b = np.ascontiguousarray(right @ q.numpy().T).reshape(-1)
        operator = LinearOperator((b.size, b.size), lambda x: (left @ x.reshape(P, -1)).reshape(-1), dtype=b.dtype)
        x, ended = gmres(operator, b, rtol=TOLERANCE, atol=0.0)
        if ended:
            raise ArithmeticError(f"scipy's gmres did not converge: info {ended}")
        return torch.from_numpy(x.reshape(P, -1).T)

    return solve


def lineax_bicgstab(weights: Tensor, a: float, dtype: torch.dtype) -> Solve:  # noqa: ARG001 - one signature
    """H by its three edges a node, all rows one system. Of lineax's methods that know this matrix the fastest here: its
    GMRES takes 24 times as long, and its CG on the normal equations ends in NaN."""
    j, lx = jax(), peer("lineax")
    w = [to_jax(each) for each in weights]
    d = to_jax(degrees(weights))

    def times(x: Any) -> Any:
        H = d * x
        for each, o in zip(w, OFFSETS, strict=True):
            H = H - each * j.numpy.roll(x, -o, -1) - j.numpy.roll(each * x, o, -1)
        return H

    def size(x: Any) -> Any:
        return j.numpy.linalg.norm(x)

    @j.jit
    def function(q: Any) -> Any:
        operator = lx.FunctionLinearOperator(lambda x: x + 1j * a * times(x), j.eval_shape(lambda: q))
        solver = lx.BiCGStab(rtol=TOLERANCE, atol=0.0, norm=size)
        return lx.linear_solve(operator, q - 1j * a * times(q), solver).value

    return lambda q: to_torch(function(to_jax(q)))


SOLVES = {"scipy_splu": scipy_splu, "scipy_gmres": scipy_gmres, "lineax_bicgstab": lineax_bicgstab}
