"""torch's own operators on complex numbers. Temporaries of a solve go to one scratch block."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from sem_impl.hamiltonian import OFFSETS


def number(block: Tensor) -> Tensor:
    """A block [P, 2 rows] seen as complex [P, rows]."""
    return torch.view_as_complex(block.view(block.shape[0], -1, 2))


class Eager:
    products: ClassVar[dict[str, Callable[..., Any]]] = {}
    """Matrices that the level multiplies by itself; all others are those of `hamiltonian`."""

    def __init__(self, field: Tensor, pairing: str = "real") -> None:
        self.scratch = torch.view_as_real(torch.empty_like(field)).view(field.shape[1], -1)
        self.pairing = pairing

    @staticmethod
    def enter(psi: Tensor) -> Tensor:
        return psi.contiguous()

    leave = enter

    @staticmethod
    def block(field: Tensor) -> Tensor:
        # a copy even of one row, whose transpose is contiguous already: a solve overwrites its block
        own = field.t().clone(memory_format=torch.contiguous_format)
        return torch.view_as_real(own).view(field.shape[1], -1)

    @staticmethod
    def field(block: Tensor) -> Tensor:
        return number(block).t().contiguous()

    @staticmethod
    def rotate(field: Tensor, U: Tensor) -> Tensor:
        return field @ U

    def _bilinear(self, u: Tensor, v: Tensor, m: Tensor | None = None) -> Tensor:
        products = torch.mul(number(u), number(v), out=number(self.scratch))
        return products.sum(0) if m is None else m @ products

    def _real(self, u: Tensor, v: Tensor, m: Tensor | None = None) -> Tensor:
        products = torch.mul(u, v, out=self.scratch)
        return (products.sum(0) if m is None else m.real @ products).view(-1, 2).sum(1)

    @staticmethod
    def operate(v: Tensor, Hv: Tensor, a: float) -> None:
        torch.add(number(v), number(Hv), alpha=1j * a, out=number(Hv))

    def total(self, r: Tensor, m: Tensor | None) -> Tensor:
        return self._bilinear(r, r, m) if self.pairing == "bilinear" else self._real(r, r, m)

    def sizes(self, r: Tensor, m: Tensor | None) -> tuple[Tensor, Tensor]:
        size = self._real(r, r)
        return size, size if m is None and self.pairing != "bilinear" else self.total(r, m)

    def curvature(self, p: Tensor, Hp: Tensor, a: float) -> Tensor:
        self.operate(p, Hp, a)
        match self.pairing:
            case "bilinear":
                return self._bilinear(p, Hp)
            case "real":
                return self._real(p, Hp)
            case _:
                return self._real(Hp, Hp)

    def step(
        self, x: Tensor, r: Tensor, p: Tensor, Ap: Tensor, c: Tensor, _: float, m: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if c.is_complex():
            number(x).addcmul_(number(p), c)
            number(r).addcmul_(number(Ap), c, value=-1)
        else:
            c = c.repeat_interleave(2)
            x.addcmul_(p, c)
            r.addcmul_(Ap, c, value=-1)
        return self.sizes(r, m)

    @staticmethod
    def turn(p: Tensor, r: Tensor, m: Tensor | None, c: Tensor) -> None:
        if c.is_complex():
            number(p).mul_(c)
        else:
            p.mul_(c.repeat_interleave(2))
        if m is None:
            p.add_(r)
        elif m.is_complex():
            number(p).addcmul_(number(r), m[:, None])
        else:
            p.addcmul_(r, m[:, None])

    @staticmethod
    def start(v: Tensor, x: Tensor, c: complex) -> None:
        torch.mul(number(v), c, out=number(x))

    @staticmethod
    def recur(after: Tensor, now: Tensor, f: float, x: Tensor, c: complex) -> None:
        after.sub_(now, alpha=f)
        number(x).add_(number(after), alpha=c)

    @staticmethod
    def kerr(psi: Tensor, kappa: Tensor) -> Tensor:
        theta = _intensity(psi).mul_(kappa)
        return torch.complex(theta.cos(), theta.sin()).mul_(psi)

    @staticmethod
    def kerr_adjoint(psi: Tensor, kappa: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        size = _intensity(psi)
        theta = size * -kappa
        t = torch.complex(theta.cos(), theta.sin()).mul_(g)
        m = (t.imag * psi.real).sub_(t.real * psi.imag)
        g_kappa = size.mul_(m).sum(0)
        return t.addcmul_(psi, m.mul_(2 * kappa).to(psi.dtype)), g_kappa

    @staticmethod
    def edge_gradients(q: Tensor, psi: Tensor, g: Tensor, g_q: Tensor) -> Tensor:
        z, y = _wrapped((g + g_q).conj_physical_()), _wrapped(q + psi)
        P, dz, dy = q.shape[1], torch.empty_like(q), torch.empty_like(q)

        def along(o: int) -> Tensor:
            torch.sub(z[:, :P], z[:, o : o + P], out=dz)
            torch.sub(y[:, :P], y[:, o : o + P], out=dy)
            return dz.mul_(dy).sum(0).imag

        return torch.stack([along(o) for o in OFFSETS]) / 4


def _wrapped(v: Tensor) -> Tensor:
    """v, and its first columns once more behind the last: node i + o of a periodic graph is column i + o."""
    return torch.cat((v, v[:, : OFFSETS[-1]]), 1)


def _intensity(psi: Tensor) -> Tensor:
    parts = torch.view_as_real(psi)
    return parts[..., 0].square().addcmul_(parts[..., 1], parts[..., 1])
