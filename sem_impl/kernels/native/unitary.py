"""The operators `semh::unitary_gate` and `semh::unitary_gate_adjoint`: equations (1) and (2) of `unitary.cpp`.

z [tokens, D] complex, logits [tokens, D/8] real, U [D/8, 8, 8] complex, phi [D/8, 8] real -> [tokens, D] complex. Kept
for the backward pass: what comes in, so that both products and the turn are formed again while they are in cache.
"""

import torch
from torch import Tensor

from sem_impl.kernels.native import call, dense

BLOCK = 8


def _check(z: Tensor, logits: Tensor, U: Tensor, phi: Tensor) -> None:
    tokens, width = z.shape if z.ndim == 2 else (-1, -1)
    blocks = width // BLOCK
    wanted = [(tokens, blocks), (blocks, BLOCK, BLOCK), (blocks, BLOCK)]
    found = [tuple(each.shape) for each in (logits, U, phi)]
    real = z.dtype.to_real()
    alike = U.dtype == z.dtype and logits.dtype == phi.dtype == real
    if not z.is_complex() or width % BLOCK or found != wanted or not alike:
        raise ValueError(
            f"semh::unitary_gate: z {list(z.shape)} {z.dtype}, logits, U, phi {found}; "
            f"complex [tokens, D] with D a multiple of {BLOCK} and {wanted} of the same precision would do"
        )


@torch.library.custom_op("semh::unitary_gate", mutates_args=(), device_types="cpu")
def unitary_gate(z: Tensor, logits: Tensor, U: Tensor, phi: Tensor) -> Tensor:
    _check(z, logits, U, phi)
    given = dense(z, logits, U, phi)
    out = torch.empty_like(given[0])
    if call("unitary", "unitary", out, *given, out, len(z), len(U)):
        raise MemoryError("semh::unitary_gate: no memory for a few tokens")
    return out


@unitary_gate.register_fake
def _(z: Tensor, logits: Tensor, U: Tensor, phi: Tensor) -> Tensor:  # noqa: ARG001 - the operator's signature
    return torch.empty_like(z, memory_format=torch.contiguous_format)


@torch.library.custom_op("semh::unitary_gate_adjoint", mutates_args=(), device_types="cpu")
def unitary_gate_adjoint(
    g: Tensor, z: Tensor, logits: Tensor, U: Tensor, phi: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    _check(z, logits, U, phi)
    if g.shape != z.shape or g.dtype != z.dtype:
        raise ValueError(
            f"semh::unitary_gate_adjoint: g {list(g.shape)} {g.dtype}; {list(z.shape)} {z.dtype} as of z would do"
        )
    given = dense(g, z, logits, U, phi)
    found = tuple(torch.empty_like(each) for each in given[1:])
    if call("unitary", "unitary_adjoint", given[0], *given, *found, len(z), len(U)):
        raise MemoryError("semh::unitary_gate_adjoint: no memory for a few tokens")
    return found


@unitary_gate_adjoint.register_fake
def _(
    g: Tensor,  # noqa: ARG001 - the operator's signature
    z: Tensor,
    logits: Tensor,
    U: Tensor,
    phi: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return tuple(torch.empty_like(each, memory_format=torch.contiguous_format) for each in (z, logits, U, phi))


def _keep(ctx, inputs, output) -> None:  # noqa: ARG001 - the signature is torch's
    ctx.save_for_backward(*inputs)


def _backward(ctx, g: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return unitary_gate_adjoint(g, *ctx.saved_tensors)


unitary_gate.register_autograd(_backward, setup_context=_keep)
