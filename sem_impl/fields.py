"""A field: complex numbers at positions, [B, S, H] complex, or their planes (Re, Im) as real [2, B, S, H] in any memory
order. Either way the positions are axis -2 and the channels axis -1; what belongs to no position lacks axis -2.

Its parts are the complex tensor alone, or Re and Im. On them work three operations into memory that is already there,
all of which broadcast; autograd does not see them.

    add_product(u, A, h, out)   out <- u + A h;  out may be u, not h
    product(A, h, out)          out <- A h;      out may be neither
    conjugate(z, out)           out <- conj z;   out may be z
"""

from typing import Protocol

import torch
from torch import Tensor

Parts = tuple[Tensor, ...]


class Arithmetic(Protocol):
    def parts(self, field: Tensor) -> Parts: ...
    def add_product(self, u: Parts, A: Parts, h: Parts, out: Parts) -> None: ...
    def product(self, A: Parts, h: Parts, out: Parts) -> None: ...
    def conjugate(self, z: Parts, out: Parts) -> None: ...


class Complex:
    def parts(self, field: Tensor) -> Parts:
        return (field,)

    def add_product(self, u: Parts, A: Parts, h: Parts, out: Parts) -> None:
        torch.addcmul(u[0], A[0], h[0], out=out[0])

    def product(self, A: Parts, h: Parts, out: Parts) -> None:
        torch.mul(A[0], h[0], out=out[0])

    def conjugate(self, z: Parts, out: Parts) -> None:
        torch.conj_physical(z[0], out=out[0])


class Planes:
    def parts(self, field: Tensor) -> Parts:
        return field.unbind(0)

    def add_product(self, u: Parts, A: Parts, h: Parts, out: Parts) -> None:
        (A_re, A_im), (h_re, h_im) = A, h
        torch.addcmul(u[0], A_re, h_re, out=out[0]).addcmul_(A_im, h_im, value=-1)
        torch.addcmul(u[1], A_re, h_im, out=out[1]).addcmul_(A_im, h_re)

    def product(self, A: Parts, h: Parts, out: Parts) -> None:
        (A_re, A_im), (h_re, h_im) = A, h
        torch.mul(A_re, h_re, out=out[0]).addcmul_(A_im, h_im, value=-1)
        torch.mul(A_re, h_im, out=out[1]).addcmul_(A_im, h_re)

    def conjugate(self, z: Parts, out: Parts) -> None:
        out[0].copy_(z[0])
        torch.neg(z[1], out=out[1])


COMPLEX, PLANES = Complex(), Planes()


def arithmetic(field: Tensor) -> Arithmetic:
    return COMPLEX if field.is_complex() else PLANES


def at(parts: Parts, where: slice) -> Parts:
    """Some of the positions."""
    return tuple(part[..., where, :] for part in parts)


def alike(parts: Parts, positions: int) -> Parts:
    """Memory for so many positions, in the same order as the parts'."""
    return tuple(_alike(part, positions) for part in parts)


def _alike(part: Tensor, positions: int) -> Tensor:
    order = sorted(range(part.ndim), key=part.stride, reverse=True)
    size = (*part.shape[:-2], positions, part.shape[-1])
    return torch.empty_permuted(size, order, dtype=part.dtype, device=part.device)
