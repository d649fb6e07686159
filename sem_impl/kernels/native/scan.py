"""The recurrence (1) of `scan` and its adjoint (2), (3), as operators on fields: complex [B, S, H], or real planes
[2, B, S, H] in any memory order, which results keep. The kernel takes complex numbers and planes as they lie where
channels adjoin; other orders are copied on the way in and out.

    semh::scan             A, u, h_0 -> h
    semh::selective_scan   x, rate, theta, drive, h_0 -> h. What goes into the recurrence is formed where it is used
                           and never lies in memory:
        (1) step_t = softplus(x_t),   A_t = exp(step_t (-rate + i theta)),   u_t = step_t drive_t
            x [B, S, H], rate and theta [H] real, drive a field
        (2) with w_t = conj(A_t) gb_t, q_t = conj(w_t) h_(t-1):    d drive_t = step_t gb_t
            d step_t = Re(conj(gb_t) drive_t) - rate Re q_t - theta Im q_t,   d x_t = d step_t logistic(x_t)
            d rate = -sum step_t Re q_t,   d theta = -sum step_t Im q_t       over rows and positions
        Kept for the backward pass: x, drive, h. softplus is the identity beyond 20, as torch's is.

The gradient of an operator is an operator (`.._adjoint`), which has none itself.
"""

import torch
from torch import Tensor

from sem_impl.fields import alike
from sem_impl.kernels.native import call, dense, operator


def _scan_backward(ctx, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    A, state, h = ctx.saved_tensors
    return scan_adjoint(A, h, state, g)


def _selective_backward(ctx, g: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    *given, state, h = ctx.saved_tensors
    return selective_scan_adjoint(*given, h, state, g)


def _keep_scan(ctx, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    A, _, state = inputs
    ctx.save_for_backward(A, state, output)


def _keep_selective(ctx, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs, output)


@operator("scan", _scan_backward, _keep_scan)
def scan(A: Tensor, u: Tensor, state: Tensor) -> Tensor:
    _check("semh::scan", u, {"A": A}, state)
    h = _contiguous_like(u)
    call("scan", "scan", u, *dense(A, u, state), h, *_sizes(u))
    return _placed(h, u)


@torch.library.register_fake(scan)
def _(A: Tensor, u: Tensor, state: Tensor) -> Tensor:  # noqa: ARG001 - the operator's signature
    return _alike(u)


@operator("scan_adjoint")
def scan_adjoint(A: Tensor, h: Tensor, state: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    _check("semh::scan_adjoint", h, {"A": A, "g": g}, state)
    dA, du, dstate = _contiguous_like(h), _contiguous_like(h), _contiguous_like(state)
    call("scan", "scan_adjoint", h, *dense(A, h, state, g), dA, du, dstate, *_sizes(h))
    return _placed(dA, h), _placed(du, h), dstate


@torch.library.register_fake(scan_adjoint)
def _(A: Tensor, h: Tensor, state: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ARG001
    return _alike(h), _alike(h), _contiguous_like(state)


@operator("selective_scan", _selective_backward, _keep_selective)
def selective_scan(x: Tensor, rate: Tensor, theta: Tensor, drive: Tensor, state: Tensor) -> Tensor:
    _check("semh::selective_scan", drive, {}, state, x=x, rate=rate, theta=theta)
    h = _contiguous_like(drive)
    call("scan", "selective", drive, *dense(x, rate, theta, drive, state), h, *_sizes(drive))
    return _placed(h, drive)


@torch.library.register_fake(selective_scan)
def _(x: Tensor, rate: Tensor, theta: Tensor, drive: Tensor, state: Tensor) -> Tensor:  # noqa: ARG001
    return _alike(drive)


@operator("selective_scan_adjoint")
def selective_scan_adjoint(
    x: Tensor, rate: Tensor, theta: Tensor, drive: Tensor, h: Tensor, state: Tensor, g: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    _check("semh::selective_scan_adjoint", drive, {"h": h, "g": g}, state, x=x, rate=rate, theta=theta)
    given = dense(x, rate, theta, drive, h, state, g)
    dx, drate, dtheta, ddrive, dstate = (_contiguous_like(each) for each in (x, rate, theta, drive, state))
    call("scan", "selective_adjoint", drive, *given, dx, drate, dtheta, ddrive, dstate, *_sizes(drive))
    return _placed(dx, x), drate, dtheta, _placed(ddrive, drive), dstate


@torch.library.register_fake(selective_scan_adjoint)
def _(
    x: Tensor,
    rate: Tensor,
    theta: Tensor,
    drive: Tensor,
    h: Tensor,  # noqa: ARG001
    state: Tensor,
    g: Tensor,  # noqa: ARG001
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return _alike(x), _contiguous_like(rate), _contiguous_like(theta), _alike(drive), _contiguous_like(state)


def _check(where: str, field: Tensor, others: dict[str, Tensor], state: Tensor, **real: Tensor) -> None:
    """Every shape against the field's."""
    shape, kind = field.shape, field.dtype
    planes = () if kind.is_complex else (2,)
    if len(shape) != 3 + len(planes) or shape[:-3] != planes:
        raise ValueError(f"{where}: a field is [B, S, H] complex or [2, B, S, H] real, this is {list(shape)}")
    for name, given in others.items():
        _expect(where, field, name, given, shape, kind)
    _expect(where, field, "state", state, (*shape[:-2], shape[-1]), kind)
    for name, given in real.items():
        _expect(where, field, name, given, shape[-3:] if name == "x" else shape[-1:], kind.to_real())


def _expect(where: str, field: Tensor, name: str, given: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    if given.shape != shape or given.dtype != dtype:
        raise ValueError(
            f"{where}: {name} is {list(given.shape)} {given.dtype}; beside a field {list(field.shape)} {field.dtype} "
            f"{list(shape)} {dtype} would do"
        )


def _sizes(field: Tensor) -> tuple[int, int, int, int]:
    """B, S, H, and how far the planes lie apart (0: complex)."""
    rows, positions, channels = field.shape[-3:]
    return rows, positions, channels, 0 if field.is_complex() else rows * positions * channels


def _contiguous_like(field: Tensor) -> Tensor:
    return torch.empty_like(field, memory_format=torch.contiguous_format)


def _alike(field: Tensor) -> Tensor:
    """Memory in the field's own order."""
    return alike((field,), field.shape[-2])[0]


def _placed(result: Tensor, like: Tensor) -> Tensor:
    ordered = like.is_contiguous() or list(like.stride()) == sorted(like.stride(), reverse=True)
    return result if ordered else _alike(like).copy_(result)
