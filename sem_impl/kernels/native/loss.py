"""The operators `semh::softmax_sums`, `semh::softmax_gradient_` and `semh::scale_`: what the level `chunked` of the
switch `loss` does between its matrix products.

Shapes and equations: loss.cpp. A block of products T is [rows, n], or [rows, 2n] with n times Re and n times Im where
logits are ln(re^2 + im^2 + floor); `floor` is None where logits are T, and the bias b [rows] if there is one. Blocks
come in any order, the first of them to a state of (-inf or 0, 0, 0, NaN) a token. All three write into what the caller
holds and have no gradient: they are steps of one (`loss.Chunked`).
"""

import torch
from torch import Tensor

from sem_impl.kernels.native import call


def begin(like: Tensor, tokens: int, floor: float | None) -> Tensor:
    """[4, tokens]: top, sum, what was lost of sum, the target's logit."""
    top = -torch.inf if floor is None else 0.0
    return like.new_tensor([top, 0.0, 0.0, torch.nan]).unsqueeze(1).repeat(1, tokens)


@torch.library.custom_op("semh::softmax_sums", mutates_args=("state",), device_types="cpu")
def softmax_sums(T: Tensor, b: Tensor | None, targets: Tensor, first: int, floor: float | None, state: Tensor) -> None:
    rows, tokens = _checked("softmax_sums", T, targets, floor, state, b)
    call("loss", "softmax_sums", T, T, b, rows, tokens, *_kind(floor), targets, first, state)


@softmax_sums.register_fake
def _(T: Tensor, b: Tensor | None, targets: Tensor, first: int, floor: float | None, state: Tensor) -> None: ...


@torch.library.custom_op("semh::softmax_gradient_", mutates_args=("T", "of_b"), device_types="cpu")
def softmax_gradient_(
    T: Tensor,
    b: Tensor | None,
    targets: Tensor,
    first: int,
    floor: float | None,
    state: Tensor,
    scale: float,
    of_b: Tensor | None,
) -> None:
    """T becomes its gradient; of_b [rows] gains the sum of each row."""
    rows, tokens = _checked("softmax_gradient_", T, targets, floor, state, b, of_b)
    call("loss", "softmax_gradient", T, T, b, rows, tokens, *_kind(floor), targets, first, state, scale, of_b)


@softmax_gradient_.register_fake
def _(
    T: Tensor,
    b: Tensor | None,
    targets: Tensor,
    first: int,
    floor: float | None,
    state: Tensor,
    scale: float,
    of_b: Tensor | None,
) -> None: ...


@torch.library.custom_op("semh::scale_", mutates_args=("x",), device_types="cpu")
def scale_(x: Tensor, g: Tensor) -> None:
    """x <- g x, g of one number; nothing where it is 1."""
    if not x.is_contiguous() or g.numel() != 1:
        raise ValueError(
            f"semh::scale_: x of strides {x.stride()}, g {list(g.shape)}; contiguous, one number, would do"
        )
    call("loss", "scale", x, x, x.numel(), g)


@scale_.register_fake
def _(x: Tensor, g: Tensor) -> None: ...


def _kind(floor: float | None) -> tuple[int, float]:
    return int(floor is not None), floor or 0.0


def _checked(
    name: str, T: Tensor, targets: Tensor, floor: float | None, state: Tensor, *of_rows: Tensor | None
) -> tuple[int, int]:
    """Rows and tokens of a block."""
    tokens, parts = targets.numel(), 1 if floor is None else 2
    given = [each for each in of_rows if each is not None]
    contiguous = all(t.is_contiguous() for t in (T, targets, state, *given))
    if T.shape[1:] != (parts * tokens,) or state.shape != (4, tokens) or not contiguous:
        raise ValueError(
            f"semh::{name}: T {list(T.shape)}, state {list(state.shape)}, {tokens} targets; "
            f"[rows, {parts * tokens}] and [4, {tokens}], contiguous, would do"
        )
    if any(each.shape != (len(T),) or floor is not None for each in given):
        raise ValueError(
            f"semh::{name}: a bias or its gradient of {[list(each.shape) for each in given]}, floor {floor}; "
            f"[{len(T)}] without a floor would do"
        )
    if targets.dtype != torch.int64:
        raise TypeError(f"semh::{name}: targets of {targets.dtype}; torch.int64 would do")
    return len(T), tokens
