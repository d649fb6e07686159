"""The matrix products of a mixer layer at `kernels: fused`, layout complex64, each with what stands beside it: results
are added up where they belong, by the product itself, instead of lying in memory for a pass of their own.

Rows y, h, o, psi [B, S, D] complex, B S = n of them; W_dt [D, 2D] real, B, C [G, N, N] and W_out [D, D] complex,
skip and scale [D] real, scale also a single number; D = G N. g_y = dL/dy and so on.

    Driven    x = [Re y; Im y] W_dt' + b,  drive = y B' in groups          (the state space's (1) and (2), see there)
              g_y = g_x W_dt + g_drive conj(B):  one result, added up in place
    Answered  o = skip y + h C' in groups                                 (its (3))
              g_y = skip g,  g_h = g conj(C),  g_skip = sum_n Re(conj(g) y)
    Joined    psi + scale (o W_out') = psi + o M',  M = diag(scale) W_out  (`residual`)
              g_psi = g,  g_o = g conj(M),  g_M = g' conj(o);  g_W = scale g_M,  g_scale = sum_j Re(conj(g_M) W_out)

A group's product goes to the group's columns of the whole rows, so that no copy puts the groups back in order. M is
formed again in the backward pass. Kept: y; h and y; o. For a single position the products are too small for that to
pay, and the layer takes its usual ones (`several`).
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sem_impl.linear import planes


def several(rows: Tensor) -> bool:
    """More than one position of a text."""
    return rows.shape[1] > 1


def columns(rows: Tensor, groups: int) -> tuple[Tensor, ...]:
    """[.., D] -> every group's own columns, [n, N]."""
    return rows.reshape(-1, groups, rows.shape[-1] // groups).unbind(1)


def conjugate(matrix: Tensor) -> Tensor:
    return matrix.conj().resolve_conj()


def weight_gradient(g: Tensor, z: Tensor) -> Tensor:
    """g' conj(z), of rows. The conjugate of the small result is cheaper than that of z."""
    return torch.mm(g.mH, z).conj_physical_()


def paired(real: Tensor) -> Tensor:
    """One number per complex column -> one per real column of `planes`."""
    return real.repeat_interleave(2)


class Driven(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, W_dt: Tensor, bias: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
        y = y.contiguous()
        ctx.save_for_backward(y, W_dt, B)
        x = torch.addmm(bias, planes(y).flatten(0, -2), W_dt.t()).view(y.shape)
        drive = torch.empty_like(y)
        for of_y, W, to in zip(columns(y, len(B)), B, columns(drive, len(B)), strict=True):
            torch.mm(of_y, W.mT, out=to)
        return x, drive

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_x: Tensor, g_drive: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        y, W_dt, B = ctx.saved_tensors
        g_x = g_x.flatten(0, -2)
        g_y = torch.view_as_complex(torch.mm(g_x, W_dt).view(*y.shape, 2))
        g_B = torch.empty_like(B)
        groups = (columns(each, len(B)) for each in (y, g_drive.contiguous(), g_y))
        for of_y, g, to, W, g_W in zip(*groups, conjugate(B), g_B, strict=True):
            to.addmm_(g, W)
            g_W.copy_(weight_gradient(g, of_y))
        return g_y, torch.mm(g_x.t(), planes(y).flatten(0, -2)), g_x.sum(0), g_B


class Answered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor, C: Tensor, y: Tensor, skip: Tensor) -> Tensor:
        h, y = h.contiguous(), y.contiguous()
        ctx.save_for_backward(h, C, y, skip)
        o = torch.view_as_complex((planes(y) * paired(skip)).view(*y.shape, 2))
        for of_h, W, to in zip(columns(h, len(C)), C, columns(o, len(C)), strict=True):
            to.addmm_(of_h, W.mT)
        return o

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        h, C, y, skip = ctx.saved_tensors
        g = g.contiguous()
        g_h, g_C = torch.empty_like(h), torch.empty_like(C)
        groups = (columns(each, len(C)) for each in (h, g, g_h))
        for of_h, of_g, to, W, g_W in zip(*groups, conjugate(C), g_C, strict=True):
            torch.mm(of_g, W, out=to)
            g_W.copy_(weight_gradient(of_g, of_h))
        g_skip = (planes(g) * planes(y)).flatten(0, -2).sum(0).view(-1, 2).sum(-1)
        g_y = torch.view_as_complex((planes(g) * paired(skip)).view(*y.shape, 2))
        return g_h, g_C, g_y, g_skip


class Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, psi: Tensor, o: Tensor, W: Tensor, scale: Tensor) -> Tensor:
        o = o.contiguous()
        ctx.save_for_backward(o, W, scale)
        M = W * scale.unsqueeze(-1)
        return torch.addmm(psi.reshape(-1, psi.shape[-1]), o.flatten(0, -2), M.mT).view(psi.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        o, W, scale = ctx.saved_tensors
        rows = g.reshape(-1, g.shape[-1])
        g_o = torch.mm(rows, conjugate(W * scale.unsqueeze(-1))).view(o.shape)
        g_M = weight_gradient(rows, o.flatten(0, -2))
        g_scale = None
        if ctx.needs_input_grad[3]:
            g_scale = (torch.view_as_real(g_M) * torch.view_as_real(W)).sum((1, 2)).sum_to_size(scale.shape)
        return g, g_o, g_M.mul_(scale.unsqueeze(-1)), g_scale
