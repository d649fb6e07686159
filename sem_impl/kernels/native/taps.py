"""The operators `semh::gated_taps` and `semh::gated_taps_adjoint`: equations (1) and (2) of `taps.cpp`.

z [B, S, D], tail [B, 3, D], taps [4, D] complex, beta [] real -> y [B, S, D] complex. Kept for the backward pass: what
comes in; the convolution's own result is never in memory.
"""

import torch
from torch import Tensor

from sem_impl.kernels.native import call, dense
from sem_impl.sizes import TAPS

STRIP = 128
"""Channels that one thread takes together, as in `taps.cpp`."""


def _check(z: Tensor, tail: Tensor, taps: Tensor, beta: Tensor) -> None:
    batch, _, width = z.shape if z.ndim == 3 else (-1, -1, -1)
    wanted = [(batch, TAPS - 1, width), (TAPS, width), ()]
    found = [tuple(each.shape) for each in (tail, taps, beta)]
    alike = tail.dtype == taps.dtype == z.dtype and beta.dtype == z.dtype.to_real()
    if not z.is_complex() or found != wanted or not alike:
        raise ValueError(
            f"semh::gated_taps: z {list(z.shape)} {z.dtype}, tail, taps, beta {found}; "
            f"complex [B, S, D] and {wanted} of the same precision would do"
        )


@torch.library.custom_op("semh::gated_taps", mutates_args=(), device_types="cpu")
def gated_taps(z: Tensor, tail: Tensor, taps: Tensor, beta: Tensor) -> Tensor:
    _check(z, tail, taps, beta)
    given = dense(z, tail, taps, beta)
    y = torch.empty_like(given[0])
    call("taps", "taps", y, *given, y, *z.shape)
    return y


@gated_taps.register_fake
def _(z: Tensor, tail: Tensor, taps: Tensor, beta: Tensor) -> Tensor:  # noqa: ARG001 - the operator's signature
    return torch.empty_like(z, memory_format=torch.contiguous_format)


@torch.library.custom_op("semh::gated_taps_adjoint", mutates_args=(), device_types="cpu")
def gated_taps_adjoint(
    g: Tensor, z: Tensor, tail: Tensor, taps: Tensor, beta: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    _check(z, tail, taps, beta)
    if g.shape != z.shape or g.dtype != z.dtype:
        raise ValueError(
            f"semh::gated_taps_adjoint: g {list(g.shape)} {g.dtype}; {list(z.shape)} {z.dtype} as of z would do"
        )
    given = dense(g, z, tail, taps, beta)
    batch, length, width = z.shape
    dz, dtail = torch.empty_like(given[1]), torch.empty_like(given[2])
    dtaps, dbeta = z.new_empty(batch, TAPS, width), beta.new_empty(batch * -(-width // STRIP))
    call("taps", "taps_adjoint", given[0], *given, dz, dtail, dtaps, dbeta, batch, length, width)
    return dz, dtail, dtaps.sum(0), dbeta.sum()


@gated_taps_adjoint.register_fake
def _(
    g: Tensor,  # noqa: ARG001 - the operator's signature
    z: Tensor,
    tail: Tensor,
    taps: Tensor,
    beta: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return tuple(torch.empty_like(each, memory_format=torch.contiguous_format) for each in (z, tail, taps, beta))


def _keep(ctx, inputs, output) -> None:  # noqa: ARG001 - the signature is torch's
    ctx.save_for_backward(*inputs)


def _backward(ctx, g: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return gated_taps_adjoint(g, *ctx.saved_tensors)


gated_taps.register_autograd(_backward, setup_context=_keep)
