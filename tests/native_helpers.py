"""Tensors in every memory order, and one way to hold a native level against the reference level."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from hypothesis import strategies as st
from torch import Tensor

ORDERS = ("contiguous", "transposed", "stepped", "shifted", "flagged")
EPS = torch.finfo(torch.float64).eps

seeds = st.integers(0, 2**31)
orders = st.sampled_from(ORDERS)
numbers_of_threads = st.integers(1, 3)


def drawn(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def laid(t: Tensor, order: str) -> Tensor:
    """The same numbers in other memory: axes swapped, every second place, one place further on, or with the flag that
    says conjugate (of a real tensor: negative) instead of numbers that are so."""
    match order:
        case "transposed" if t.ndim > 1:
            return t.mT.contiguous().mT
        case "stepped" if t.ndim:
            wide = t.new_zeros(*t.shape[:-1], 2 * t.shape[-1])
            wide[..., ::2] = t
            return wide[..., ::2]
        case "shifted":
            longer = t.new_zeros(t.numel() + 1)
            longer[1:] = t.flatten()
            return longer[1:].view(t.shape)
        case "flagged":
            return t.conj().resolve_conj().conj() if t.is_complex() else torch.complex(t, -t).conj().imag
        case _:
            return t


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def results(level: Callable[..., Tensor], inputs: Sequence[Tensor], order: str, seed: int) -> list[Tensor]:
    """The output of a level, and its gradients at all inputs under one random cotangent, laid in the same order."""
    leaves = [laid(each, order).detach().requires_grad_() for each in inputs]
    out = level(*leaves)
    g = laid(drawn(seed, *out.shape, dtype=out.dtype), order)
    return [out.detach(), *torch.autograd.grad(out, leaves, g)]


def differs(found: Tensor, expected: Tensor) -> float:
    """The largest difference against the largest number of `expected`; what is not finite is so in both places."""
    lost = ~expected.isfinite()
    assert torch.equal(lost, ~found.isfinite())
    difference, size = (
        (t.masked_fill(lost, 0).abs().max().item() if t.numel() else 0.0) for t in (found - expected, expected)
    )
    return difference / size if size else difference
