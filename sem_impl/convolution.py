"""Depthwise causal convolution of complex z [B, S, D] to a field of the switch `layout`; taps w [4, D] complex.

(1) out_t = sum_(j=0..3) w_j z_(t-j),  w ~ CN(0, 1/4), no bias; before the first position stands the tail
(2) dL/dz_t = sum_j conj(w_j) g_(t+j),  dL/dw_j = sum_(B, t) g_t conj(z_(t-j)),  g_t = dL/dout_t
"""

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sem_impl.fields import Arithmetic, Parts, alike, arithmetic, at
from sem_impl.initial import Initial
from sem_impl.kernels.native.taps import gated_taps
from sem_impl.layout import LAYOUTS
from sem_impl.sizes import TAPS


class CausalConvolution(nn.Module):
    def __init__(self, initial: Initial, width: int, *, layout: str = "complex64") -> None:
        super().__init__()
        self.layout = LAYOUTS[layout]
        self.taps = initial.complex("taps", (TAPS, width), 1 / TAPS)

    def gated(self, z: Tensor, tail: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """The output with the magnitude gate applied, and the tail after z: one native operator, layout complex64."""
        after = z[:, 1 - TAPS :] if z.shape[1] >= TAPS - 1 else torch.cat((tail, z), 1)[:, 1 - TAPS :]
        return gated_taps(z, tail, torch.view_as_complex(self.taps), beta), after

    def forward(self, z: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """tail: the 3 inputs before z, [B, 3, D] complex. Returns the output, a field, and the tail after z."""
        length = z.shape[-2]
        padded = self.layout.enter(tail, z)
        out = Taps.apply(padded, self.layout.small(torch.view_as_complex(self.taps)))
        return out, self.layout.leave(padded[..., length:, :])


class Taps(torch.autograd.Function):
    @staticmethod
    def forward(ctx, padded: Tensor, taps: Tensor) -> Tensor:
        ctx.save_for_backward(padded, taps)
        by, length = arithmetic(padded), padded.shape[-2] - (TAPS - 1)
        (out,) = alike((padded,), length)
        z, w, total = by.parts(padded), weights(by, taps), by.parts(out)
        by.product(w[0], at(z, earlier(0, length)), total)
        for back in range(1, TAPS):
            by.add_product(total, w[back], at(z, earlier(back, length)), total)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor]:
        """(2) conjugated until the end."""
        padded, taps = ctx.saved_tensors
        by, length = arithmetic(padded), g.shape[-2]
        dz, (conjugated,), (term,) = torch.zeros_like(padded), alike((padded,), length), alike((padded,), length)
        g_bar, z, w, dz_parts = by.parts(conjugated), by.parts(padded), weights(by, taps), by.parts(dz)
        by.conjugate(by.parts(g), g_bar)
        sums = []
        for back in range(TAPS):
            where = earlier(back, length)
            into = at(dz_parts, where)
            by.add_product(into, w[back], g_bar, into)
            by.product(g_bar, at(z, where), by.parts(term))
            sums.append(term.sum((-3, -2)))
        dtaps = torch.stack(sums, -2)
        for each in (dz, dtaps):
            by.conjugate(by.parts(each), by.parts(each))
        return dz, dtaps


def weights(by: Arithmetic, taps: Tensor) -> list[Parts]:
    return [by.parts(each) for each in taps.unbind(-2)]


def earlier(back: int, length: int) -> slice:
    """Where the inputs of so many positions before lie, after the tail."""
    return slice(TAPS - 1 - back, TAPS - 1 - back + length)
