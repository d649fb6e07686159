"""torch.compile of leaf functions on real planes Re, Im; never a module, never a matrix product.

Inductor generates no complex code, and reads alternating parts slowly: hence planes. Each leaf is compiled for one set
of shapes (static), at its first use; inductor keeps the machine code on disk. Without a compiler (C++, on other devices
Triton) the same functions run uncompiled, after one warning. Scalars come as 0-dim tensors, else every new value would
be compiled anew.
"""

import functools
import math
import types
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from sem_impl.hamiltonian import OFFSETS

Planes = tuple[Tensor, Tensor]


def planes(block: Tensor) -> Planes:
    """Re, Im [P, rows] of a block [P, 2 rows]."""
    return block.view(block.shape[0], 2, -1).unbind(1)


def halves(field: Tensor) -> Planes:
    """Re, Im [rows, P] of a field [2 rows, P]."""
    return field.view(2, -1, field.shape[1]).unbind(0)


def parts(c: Tensor | complex | None, like: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Re, Im of a coefficient, each contiguous; Im is None where it is real."""
    if c is None:
        return None, None
    if not isinstance(c, Tensor):
        return like.new_tensor(c.real), like.new_tensor(c.imag)
    return torch.view_as_real(c).t().contiguous().unbind(0) if c.is_complex() else (c, None)


@functools.cache
def lacking(device: torch.device) -> str:
    """Why nothing can be compiled for it: no working C++ compiler, on other devices no Triton, tried on the smallest
    leaf; empty where something can."""
    two = [torch.zeros(2, 2, device=device) for _ in range(2)]
    try:
        torch.compile(_transpose, dynamic=False, fullgraph=True)(*two)
    except torch._dynamo.exc.TorchDynamoException as error:
        kind = "C++ compiler" if device.type == "cpu" else "Triton"
        told = [line for line in str(error).splitlines() if not line.endswith("raised:")]
        return f"no {kind} works here ({told[0]})"
    return ""


@functools.cache
def _compiles(device: torch.device) -> bool:
    """Else there is one warning."""
    why = lacking(device)
    if why:
        warnings.warn(f"kernels: compiled runs uncompiled, for {why}", stacklevel=2)
    return not why


@functools.cache
def _compiled(leaf: Callable[..., Any], *shapes: Any) -> Callable[..., Any]:
    if not _compiles(next(shape[-1] for shape in shapes if isinstance(shape, tuple))):
        return leaf
    # torch.compile gives up on a code object after a few shapes: every set of shapes gets a code object of its own
    own = types.FunctionType(leaf.__code__.replace(), leaf.__globals__, leaf.__name__, leaf.__defaults__)
    return torch.compile(own, dynamic=False, fullgraph=True)


def run(leaf: Callable[..., Any], *arguments: Any) -> Any:
    shapes = [(a.shape, a.stride(), a.dtype, a.device) if isinstance(a, Tensor) else a for a in arguments]
    return _compiled(leaf, *shapes)(*arguments)


def _sum(t: Tensor) -> Tensor:
    """Over axis 0, in two passes: inductor walks down one column strip at a time, which must not outgrow the cache."""
    k = math.gcd(16, t.shape[0])
    return t.reshape(-1, k, t.shape[1]).sum(1).sum(0)


def _times(cr: Tensor, ci: Tensor | None, ur: Tensor, ui: Tensor) -> Planes:
    return (cr * ur, cr * ui) if ci is None else (cr * ur - ci * ui, cr * ui + ci * ur)


def _weighted(mr: Tensor | None, mi: Tensor | None, ur: Tensor, ui: Tensor) -> Planes:
    if mr is None:
        return ur, ui
    return _times(mr[:, None], None if mi is None else mi[:, None], ur, ui)


def _bilinear(ur: Tensor, ui: Tensor, vr: Tensor, vi: Tensor) -> tuple[Tensor, ...]:
    return _sum(ur * vr - ui * vi), _sum(ur * vi + ui * vr)


def _real(ur: Tensor, ui: Tensor, vr: Tensor, vi: Tensor) -> tuple[Tensor, ...]:
    return (_sum(ur * vr + ui * vi),)


def _operate(vr, vi, hr, hi, a):
    ur, ui = vr - a * hi, vi + a * hr
    hr.copy_(ur)
    hi.copy_(ui)


def _total(pairing, rr, ri, mr, mi):
    pair = _bilinear if pairing == "bilinear" else _real
    return pair(rr, ri, *_weighted(mr, mi, rr, ri))


def _curvature(pairing, pr, pi, hr, hi, a):
    ur, ui = pr - a * hi, pi + a * hr
    match pairing:
        case "bilinear":
            return _bilinear(pr, pi, ur, ui)
        case "real":
            return _real(pr, pi, ur, ui)
        case _:
            return _real(ur, ui, ur, ui)


def _sizes(pairing, rr, ri, mr, mi):
    return *_real(rr, ri, rr, ri), *_total(pairing, rr, ri, mr, mi)


def _move(xr, xi, rr, ri, pr, pi, hr, hi, cr, ci, a):
    dr, di = _times(cr, ci, pr, pi)
    xr.add_(dr)
    xi.add_(di)
    dr, di = _times(cr, ci, pr - a * hi, pi + a * hr)
    rr.sub_(dr)
    ri.sub_(di)


def _turn(pr, pi, rr, ri, mr, mi, cr, ci):
    zr, zi = _weighted(mr, mi, rr, ri)
    tr, ti = _times(cr, ci, pr, pi)
    pr.copy_(zr + tr)
    pi.copy_(zi + ti)


def _start(vr, vi, xr, xi, cr, ci):
    tr, ti = _times(cr, ci, vr, vi)
    xr.copy_(tr)
    xi.copy_(ti)


def _recur(ar, ai, nr, ni, f, xr, xi, cr, ci):
    ur, ui = ar - f * nr, ai - f * ni
    ar.copy_(ur)
    ai.copy_(ui)
    tr, ti = _times(cr, ci, ur, ui)
    xr.add_(tr)
    xi.add_(ti)


def _transpose(source, target):
    target.copy_(source.t())


def _kerr(re, im, kappa, to_re, to_im):
    theta = kappa * (re * re + im * im)
    c, s = torch.cos(theta), torch.sin(theta)
    to_re.copy_(c * re - s * im)
    to_im.copy_(c * im + s * re)


def _kerr_adjoint(re, im, kappa, gr, gi, to_re, to_im):
    size = re * re + im * im
    c, s = torch.cos(kappa * size), torch.sin(kappa * size)
    tr, ti = c * gr + s * gi, c * gi - s * gr
    m = ti * re - tr * im
    to_re.copy_(tr + 2 * kappa * m * re)
    to_im.copy_(ti + 2 * kappa * m * im)
    return _sum(m * size)


def _edge_gradients(qr, qi, pr, pi, gr, gi, ur, ui):
    yr, yi, zr, zi = qr + pr, qi + pi, gr + ur, gi + ui

    def along(o):
        def d(t):
            return t - t.roll(-o, 1)

        return _sum(d(zr) * d(yi) - d(zi) * d(yr))

    return torch.stack([along(o) for o in OFFSETS]) / 4


def _stencil(v, d, w, back, out, alpha, beta, accumulates):
    Hv = d * v
    for s, o in enumerate(OFFSETS):
        Hv = Hv - w[s] * v.roll(-o, 0) - back[s] * v.roll(o, 0)
    out.copy_(alpha * Hv + beta * out if accumulates else alpha * Hv)


def stencil(weights: Tensor) -> Callable[..., None]:
    """A `Product` of `hamiltonian`: the neighbours of all nodes in one pass."""
    w = weights[:, :, None]
    back = torch.stack([each.roll(o, 0) for each, o in zip(w, OFFSETS, strict=True)])
    d = (w + back).sum(0)

    def product(v: Tensor, out: Tensor, alpha: float = 1.0, beta: float = 0.0) -> None:
        run(_stencil, v, d, w, back, out, v.new_tensor(alpha), v.new_tensor(beta), beta != 0)

    return product


class Compiled:
    products: ClassVar[dict[str, Callable[..., Any]]] = {"stencil": stencil}

    def __init__(self, _: Tensor, pairing: str = "real") -> None:
        self.pairing = pairing

    @staticmethod
    def enter(psi: Tensor) -> Tensor:
        return torch.cat((psi.real, psi.imag))

    @staticmethod
    def leave(field: Tensor) -> Tensor:
        return torch.complex(*halves(field))

    @staticmethod
    def block(field: Tensor) -> Tensor:
        block = field.new_empty(field.shape[1], field.shape[0])
        run(_transpose, field, block)
        return block

    field = block

    @classmethod
    def rotate(cls, field: Tensor, U: Tensor) -> Tensor:
        return cls.enter(cls.leave(field) @ U)

    def _number(self, sums: tuple[Tensor, ...]) -> Tensor:
        return torch.complex(*sums) if self.pairing == "bilinear" else sums[0]

    def operate(self, v: Tensor, Hv: Tensor, a: float) -> None:
        run(_operate, *planes(v), *planes(Hv), v.new_tensor(a))

    def total(self, r: Tensor, m: Tensor | None) -> Tensor:
        return self._number(run(_total, self.pairing, *planes(r), *parts(m, r)))

    def curvature(self, p: Tensor, Hp: Tensor, a: float) -> Tensor:
        return self._number(run(_curvature, self.pairing, *planes(p), *planes(Hp), p.new_tensor(a)))

    def sizes(self, r: Tensor, m: Tensor | None) -> tuple[Tensor, Tensor]:
        size, *sums = run(_sizes, self.pairing, *planes(r), *parts(m, r))
        return size, self._number(sums)

    def step(
        self, x: Tensor, r: Tensor, p: Tensor, Hp: Tensor, c: Tensor, a: float, m: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        # two leaves: in one, inductor forms the new r twice, once to store and once to sum
        run(_move, *planes(x), *planes(r), *planes(p), *planes(Hp), *parts(c, r), r.new_tensor(a))
        return self.sizes(r, m)

    @staticmethod
    def turn(p: Tensor, r: Tensor, m: Tensor | None, c: Tensor) -> None:
        run(_turn, *planes(p), *planes(r), *parts(m, r), *parts(c, r))

    @staticmethod
    def start(v: Tensor, x: Tensor, c: complex) -> None:
        run(_start, *planes(v), *planes(x), *parts(c, v))

    @staticmethod
    def recur(after: Tensor, now: Tensor, f: float, x: Tensor, c: complex) -> None:
        run(_recur, *planes(after), *planes(now), now.new_tensor(f), *planes(x), *parts(c, now))

    @staticmethod
    def kerr(field: Tensor, kappa: Tensor) -> Tensor:
        turned = torch.empty_like(field)
        run(_kerr, *halves(field), kappa, *halves(turned))
        return turned

    @staticmethod
    def kerr_adjoint(field: Tensor, kappa: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        g_field = torch.empty_like(field)
        g_kappa = run(_kerr_adjoint, *halves(field), kappa, *halves(g), *halves(g_field))
        return g_field, g_kappa

    @staticmethod
    def edge_gradients(q: Tensor, psi: Tensor, g: Tensor, g_q: Tensor) -> Tensor:
        return run(_edge_gradients, *halves(q), *halves(psi), *halves(g), *halves(g_q))
