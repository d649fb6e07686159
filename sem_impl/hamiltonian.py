"""The Hamiltonian: a weighted graph Laplacian on P nodes, and its sparse product.

Shapes: weights [3, P] real, one row per scale, the scale's strength already multiplied in; blocks [P, columns] real.
Edges (i, i + o mod P) for the offsets o in OFFSETS; P > 128, else offset 64 would be its own mirror. No units.

    (1) H = sum_s sum_i w_si (e_i - e_j)(e_i - e_j)',  j = i + o_s mod P,  w_si = strength_s softplus(eta_si)
    (2) H_ii = d_i = sum_s (w_si + w_s,i-o);  H_ij = -w_si
    (3) (H^2)_ii = d_i^2 + sum_s (w_si^2 + w_s,i-o^2)
    (4) 0 <= lambda(H) <= 2 max_i d_i   (Gershgorin; the row sums are zero)

Real symmetric, positive semidefinite, H 1 = 0, 7 P non-zeros. Sources: sem_topology_report 1.1, 3.2; sem_p0_issues 1.
A `Product` writes alpha H v + beta out into `out`; with beta = 0 the old content of `out` is never read.
"""

import warnings
from collections.abc import Callable
from functools import cache
from itertools import chain

import torch
from torch import Tensor

from sem_impl.sizes import OFFSETS

Product = Callable[..., None]
"""product(v, out, alpha=1.0, beta=0.0), equation (1)."""

warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)


def check_width(P: int) -> None:
    if 2 * OFFSETS[-1] >= P:
        raise ValueError(f"P = {P}: the graph needs more than {2 * OFFSETS[-1]} nodes")


def degrees(weights: Tensor) -> Tensor:
    """d = diag H, equation (2)."""
    return sum(w + w.roll(o) for w, o in zip(weights, OFFSETS, strict=True))


def squared_diagonal(weights: Tensor) -> Tensor:
    """diag H^2, equation (3)."""
    return degrees(weights).square() + degrees(weights.square())


def spectral_bound(weights: Tensor) -> float:
    """Lambda >= lambda_max, equation (4)."""
    return 2.0 * degrees(weights).max().item()


def dense(weights: Tensor) -> Tensor:
    """H as a [P, P] matrix."""
    P = weights.shape[1]
    i = torch.arange(P, device=weights.device)
    H = torch.diag(degrees(weights))
    for w, o in zip(weights, OFFSETS, strict=True):
        j = (i + o) % P
        H[i, j] -= w
        H[j, i] -= w
    return H


@cache
def _edges(P: int, device: torch.device) -> tuple[Tensor, ...]:
    """Per scale the places (i,i), (j,j), (i,j), (j,i) of each edge; the diagonal ones meet and are summed later."""
    i = torch.arange(P, device=device)
    ends = (torch.stack((i, (i + o) % P)) for o in OFFSETS)
    return tuple(torch.stack((torch.cat((i, j, i, j)), torch.cat((i, j, j, i)))) for i, j in ends)


@cache
def _pattern(P: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Row starts, columns, and for each non-zero of the merged matrix its place in [d, -w_1, -w_1, -w_2, ...]."""
    i = torch.arange(P)
    j = [(i + o) % P for o in OFFSETS]
    rows = torch.cat((i, *chain.from_iterable((i, k) for k in j)))
    columns = torch.cat((i, *chain.from_iterable((k, i) for k in j)))
    order = torch.argsort(rows * P + columns)
    starts = torch.arange(0, len(order) + 1, len(order) // P, dtype=torch.int32)
    return starts.to(device), columns[order].int().to(device), order.to(device)


def rebuild(weights: Tensor) -> Product:
    """Three COO matrices built, coalesced and multiplied in every product."""
    P = weights.shape[1]
    edges = _edges(P, weights.device)

    def product(v: Tensor, out: Tensor, alpha: float = 1.0, beta: float = 0.0) -> None:
        for places, w in zip(edges, weights, strict=True):
            values = torch.cat((w, w, -w, -w))
            laplacian = torch.sparse_coo_tensor(places, values, (P, P), check_invariants=False).coalesce()
            out.addmm_(laplacian, v, beta=beta, alpha=alpha)
            beta = 1.0

    return product


def cached(weights: Tensor) -> Product:
    """One merged CSR matrix, built here, multiplied in every product."""
    P = weights.shape[1]
    starts, columns, order = _pattern(P, weights.device)
    values = torch.cat((degrees(weights), *chain.from_iterable((-w, -w) for w in weights)))[order]
    H = torch.sparse_csr_tensor(starts, columns, values, (P, P), check_invariants=False)

    def product(v: Tensor, out: Tensor, alpha: float = 1.0, beta: float = 0.0) -> None:
        torch.addmm(out, H, v, beta=beta, alpha=alpha, out=out)

    return product


def stencil(weights: Tensor) -> Product:
    """No matrix: equation (2) on shifted rows of v, added up in place."""
    d, w = degrees(weights)[:, None], weights[:, :, None]

    def product(v: Tensor, out: Tensor, alpha: float = 1.0, beta: float = 0.0) -> None:
        if beta == 0:
            torch.mul(v, alpha * d, out=out)
        else:
            out.mul_(beta).addcmul_(v, d, value=alpha)
        for each, o in zip(w, OFFSETS, strict=True):
            inner, wrapped = each[:-o], each[-o:]
            for here, there in ((slice(None, -o), slice(o, None)), (slice(o, None), slice(None, -o))):
                out[here].addcmul_(v[there], inner, value=-alpha)
            for here, there in ((slice(-o, None), slice(None, o)), (slice(None, o), slice(-o, None))):
                out[here].addcmul_(v[there], wrapped, value=-alpha)

    return product


MATRICES: dict[str, Callable[[Tensor], Product]] = {"rebuild": rebuild, "cached": cached, "stencil": stencil}
