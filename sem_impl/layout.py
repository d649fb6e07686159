"""switch `layout`: how the numbers of a mixer layer's recurrence lie in memory, from the convolution's input through
magnitude gate, transitions, scan and the maps of every group to the read-out's output. Everything there is a field
(`fields`). Entering and leaving belong to a level's cost. What calls hand to one another is complex.

complex64     [B, S, D] complex. Nothing to leave, and to enter only what the convolution needs at any level: its input
              in one piece with the tail. The others enter by that same copy, and leave by one.
planar        [2, B, S, D] real: Re and Im in planes, channels contiguous. A complex matrix product is four real ones.
interleaved   [B, 2D, S] real: channel 2j holds Re, 2j + 1 Im of state j, positions contiguous (P0 issue 6; as printed
              there, `transpose` only renames axes: here it is carried out). A map over channels is one real product
              from the left, a complex weight w in it the block [[Re w, -Im w], [Im w, Re w]].

    mapped(y, weight, bias)    real [B, S, out]: weight [out, D, 2] on [Re y; Im y], bias [out]
    polar(magnitude, angle)    magnitude e^(i angle), both real [B, S, D] as `mapped` left them
    grouped(z, weight)         every group's own matrix: [.., g, n] <- sum_m weight[g, n, m] z[.., g, m],
                               weight [G, N, N, 2], D = G N
    energy(z)                  |z|^2, real [B, S, D]
    scaled(z, factor)          every number times a real one, [B, S, D]
    enter(*pieces)             complex [B, s, D] each, one after the other: one field [B, sum of s, D], by one copy
    leave(field)               complex, [B, S, D]
    small(z)                   a complex tensor of few positions (taps, state) as a field, where it lies
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from sem_impl.linear import planes


class Layout(Protocol):
    def enter(self, *pieces: Tensor) -> Tensor: ...
    def leave(self, field: Tensor) -> Tensor: ...
    def small(self, z: Tensor) -> Tensor: ...
    def mapped(self, y: Tensor, weight: Tensor, bias: Tensor) -> Tensor: ...
    def polar(self, magnitude: Tensor, angle: Tensor) -> Tensor: ...
    def grouped(self, z: Tensor, weight: Tensor) -> Tensor: ...
    def energy(self, z: Tensor) -> Tensor: ...
    def scaled(self, z: Tensor, factor: Tensor) -> Tensor: ...


class Complex64:
    def enter(self, *pieces: Tensor) -> Tensor:
        return torch.cat(pieces, 1)

    def leave(self, field: Tensor) -> Tensor:
        return field

    def small(self, z: Tensor) -> Tensor:
        return z

    def mapped(self, y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return linear(planes(y), weight.flatten(1), bias)

    def polar(self, magnitude: Tensor, angle: Tensor) -> Tensor:
        return torch.complex(magnitude * angle.cos(), magnitude * angle.sin())

    def grouped(self, z: Tensor, weight: Tensor) -> Tensor:
        product = torch.bmm(rows(z, len(weight)), torch.view_as_complex(weight).mT)
        return product.transpose(0, 1).reshape(z.shape)

    def energy(self, z: Tensor) -> Tensor:
        return (z * z.conj()).real

    def scaled(self, z: Tensor, factor: Tensor) -> Tensor:
        return factor * z


class InPlanes:
    """What both real layouts share."""

    def leave(self, field: Tensor) -> Tensor:
        return torch.view_as_complex(field.movedim(0, -1).contiguous())

    def small(self, z: Tensor) -> Tensor:
        return torch.view_as_real(z).movedim(-1, 0)

    def energy(self, z: Tensor) -> Tensor:
        return z[0].square() + z[1].square()

    def scaled(self, z: Tensor, factor: Tensor) -> Tensor:
        return Scaled.apply(z, factor)


class Scaled(torch.autograd.Function):
    """factor z on planes. Autograd's own sum over the planes takes three times as long where positions adjoin."""

    @staticmethod
    def forward(ctx, z: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(z, factor)
        return factor * z

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor]:
        z, factor = ctx.saved_tensors
        return factor * g, torch.addcmul(g[0] * z[0], g[1], z[1])


class Planar(InPlanes):
    def enter(self, *pieces: Tensor) -> Tensor:
        return torch.cat([self.small(z) for z in pieces], 2)

    def mapped(self, y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        (re, im), (W_re, W_im) = y.flatten(1, 2), weight.unbind(-1)
        return torch.addmm(linear(re, W_re, bias), im, W_im.t()).view(*y.shape[1:-1], len(weight))

    def polar(self, magnitude: Tensor, angle: Tensor) -> Tensor:
        return torch.stack([magnitude * angle.cos(), magnitude * angle.sin()])

    def grouped(self, z: Tensor, weight: Tensor) -> Tensor:
        re, im = (rows(part, len(weight)) for part in z)
        W_re, W_im = (part.mT for part in weight.unbind(-1))
        product = (
            torch.baddbmm(torch.bmm(re, W_re), im, W_im, alpha=-1),
            torch.baddbmm(torch.bmm(re, W_im), im, W_re),
        )
        return torch.stack([part.transpose(0, 1) for part in product]).view(z.shape)


class Interleaved(InPlanes):
    def enter(self, *pieces: Tensor) -> Tensor:
        channels = torch.cat([torch.view_as_real(z).flatten(2).mT for z in pieces], 2)
        return channels.unflatten(1, (-1, 2)).permute(2, 0, 3, 1)

    def mapped(self, y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        channels = self.channels(y)
        matrix = weight.flatten(1).expand(len(channels), -1, -1)
        return torch.baddbmm(bias.unsqueeze(-1), matrix, channels).mT

    def polar(self, magnitude: Tensor, angle: Tensor) -> Tensor:
        parts = (magnitude * angle.cos(), magnitude * angle.sin())
        return torch.stack([part.mT for part in parts], 2).permute(2, 0, 3, 1)

    def grouped(self, z: Tensor, weight: Tensor) -> Tensor:
        re, im = weight.unbind(-1)
        blocks = torch.stack([torch.stack([re, -im], -1), torch.stack([im, re], -1)], 2).flatten(3).flatten(1, 2)
        product = torch.matmul(blocks, self.channels(z).unflatten(1, (len(weight), -1)))
        return product.flatten(1, 2).unflatten(1, (-1, 2)).permute(2, 0, 3, 1)

    def channels(self, z: Tensor) -> Tensor:
        """[B, 2D, S], as it lies."""
        return z.permute(1, 3, 0, 2).flatten(1, 2)


def rows(z: Tensor, groups: int) -> Tensor:
    """[B, S, D] -> [G, B S, N]."""
    return z.reshape(-1, groups, z.shape[-1] // groups).transpose(0, 1)


LAYOUTS = {"complex64": Complex64(), "planar": Planar(), "interleaved": Interleaved()}
