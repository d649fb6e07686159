"""The operators `semh::complex_rms`, `semh::magnitude_gate`, `semh::direction`, each with its adjoint.

Equations: rows.cpp. Fields z [.., D] are complex and made contiguous, gamma [D] and beta [] real of the same precision.
Nothing is kept for the backward pass but the inputs: what would be kept beside them (a root a row, an exponential an
entry) is formed again while the row is there.
"""

import torch
from torch import Tensor

from sem_impl.kernels.native import call, dense


def _checked(name: str, z: Tensor, *others: Tensor, parameter: Tensor, size: tuple[int, ...]) -> None:
    real = z.dtype.to_real()
    if not z.is_complex() or parameter.shape != size or parameter.dtype != real:
        raise ValueError(
            f"semh::{name}: z {list(z.shape)} {z.dtype}, parameter {list(parameter.shape)} {parameter.dtype}; "
            f"a complex field and {list(size)} of {real} would do"
        )
    for other in others:
        _alike(name, z, other)


def _alike(name: str, z: Tensor, g: Tensor) -> None:
    if g.shape != z.shape or g.dtype != z.dtype:
        raise ValueError(
            f"semh::{name}: a gradient {list(g.shape)} {g.dtype} for {list(z.shape)} {z.dtype}; two alike would do"
        )


@torch.library.custom_op("semh::complex_rms", mutates_args=(), device_types="cpu")
def complex_rms(z: Tensor, gamma: Tensor, small: float) -> Tensor:
    _checked("complex_rms", z, parameter=gamma, size=z.shape[-1:])
    (z, gamma), y = dense(z, gamma), _empty(z)
    call("rows", "rms", gamma, z, gamma, *_rows(z), small, y)
    return y


@complex_rms.register_fake
def _(z: Tensor, gamma: Tensor, small: float) -> Tensor:  # noqa: ARG001 - the operator's signature
    return _empty(z)


@torch.library.custom_op("semh::complex_rms_adjoint", mutates_args=(), device_types="cpu")
def complex_rms_adjoint(z: Tensor, gamma: Tensor, g: Tensor, small: float) -> tuple[Tensor, Tensor]:
    _checked("complex_rms_adjoint", z, g, parameter=gamma, size=z.shape[-1:])
    (z, gamma, g), dz = dense(z, gamma, g), _empty(z)
    dgamma = torch.empty_like(gamma)
    call("rows", "rms_adjoint", gamma, z, gamma, g, *_rows(z), small, dz, dgamma)
    return dz, dgamma


@complex_rms_adjoint.register_fake
def _(z: Tensor, gamma: Tensor, g: Tensor, small: float) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return _empty(z), torch.empty_like(gamma)


@torch.library.custom_op("semh::magnitude_gate", mutates_args=(), device_types="cpu")
def magnitude_gate(z: Tensor, beta: Tensor) -> Tensor:
    _checked("magnitude_gate", z, parameter=beta, size=())
    (z, beta), y = dense(z, beta), _empty(z)
    call("rows", "gate", beta, z, beta, z.numel(), y)
    return y


@magnitude_gate.register_fake
def _(z: Tensor, beta: Tensor) -> Tensor:  # noqa: ARG001 - the operator's signature
    return _empty(z)


@torch.library.custom_op("semh::magnitude_gate_adjoint", mutates_args=(), device_types="cpu")
def magnitude_gate_adjoint(z: Tensor, beta: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    _checked("magnitude_gate_adjoint", z, g, parameter=beta, size=())
    (z, beta, g), dz = dense(z, beta, g), _empty(z)
    dbeta = torch.empty_like(beta)
    call("rows", "gate_adjoint", beta, z, beta, g, z.numel(), dz, dbeta)
    return dz, dbeta


@magnitude_gate_adjoint.register_fake
def _(z: Tensor, beta: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001 - the operator's signature
    return _empty(z), torch.empty_like(beta)


@torch.library.custom_op("semh::direction", mutates_args=(), device_types="cpu")
def direction(x: Tensor, least: float) -> Tensor:
    """x [.., n] real, each row to a length of 1."""
    (x,), y = dense(x), _empty(x)
    call("rows", "direction", x, x, *_rows(x), least, y)
    return y


@direction.register_fake
def _(x: Tensor, least: float) -> Tensor:  # noqa: ARG001 - the operator's signature
    return _empty(x)


@torch.library.custom_op("semh::direction_adjoint", mutates_args=(), device_types="cpu")
def direction_adjoint(x: Tensor, g: Tensor, least: float) -> Tensor:
    _alike("direction_adjoint", x, g)
    (x, g), dx = dense(x, g), _empty(x)
    call("rows", "direction_adjoint", x, x, g, *_rows(x), least, dx)
    return dx


@direction_adjoint.register_fake
def _(x: Tensor, g: Tensor, least: float) -> Tensor:  # noqa: ARG001 - the operator's signature
    return _empty(x)


def _rows(z: Tensor) -> tuple[int, int]:
    return z.shape[:-1].numel(), z.shape[-1]


def _empty(z: Tensor) -> Tensor:
    return torch.empty_like(z, memory_format=torch.contiguous_format)


def _keep(ctx, inputs, output) -> None:  # noqa: ARG001 - the signature is torch's
    ctx.save_for_backward(*(each for each in inputs if isinstance(each, Tensor)))
    ctx.numbers = tuple(each for each in inputs if not isinstance(each, Tensor))


def _rms_backward(ctx, g: Tensor) -> tuple[Tensor, Tensor, None]:
    return *complex_rms_adjoint(*ctx.saved_tensors, g, *ctx.numbers), None


def _gate_backward(ctx, g: Tensor) -> tuple[Tensor, Tensor]:
    return magnitude_gate_adjoint(*ctx.saved_tensors, g)


def _direction_backward(ctx, g: Tensor) -> tuple[Tensor, None]:
    return direction_adjoint(*ctx.saved_tensors, g, *ctx.numbers), None


complex_rms.register_autograd(_rms_backward, setup_context=_keep)
magnitude_gate.register_autograd(_gate_backward, setup_context=_keep)
direction.register_autograd(_direction_backward, setup_context=_keep)
