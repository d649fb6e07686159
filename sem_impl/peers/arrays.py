"""Tensors of torch as arrays of JAX and back, by DLPack: the same memory where both agree on its alignment.

Gradients: torch's of a complex input is the conjugate of what `jax.vjp` gives for a conjugated cotangent.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sem_impl.peers.installed import jax


def to_jax(tensor: Tensor) -> Any:
    return jax().dlpack.from_dlpack(tensor.detach().resolve_conj().contiguous())


def to_torch(array: Any) -> Tensor:
    return torch.from_dlpack(array.block_until_ready())


def compiled(function: Callable[..., Any], trained: Callable[..., Any] | None = None) -> Callable[..., Tensor]:
    """A function of arrays as one of tensors, with its gradient; `trained`: the same function in another form, where
    gradients are wanted."""
    j = jax()
    forward = j.jit(function)
    both = j.jit(lambda *given: j.vjp(trained or function, *given))
    backward = j.jit(lambda pull, g: [j.numpy.conj(each) for each in pull(j.numpy.conj(g))])

    class Called(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *given: Tensor) -> Tensor:
            made, ctx.pull = both(*map(to_jax, given))
            return to_torch(made)

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Tensor) -> tuple[Tensor, ...]:
            return tuple(to_torch(each) for each in backward(ctx.pull, to_jax(g)))

    def call(*given: Tensor) -> Tensor:
        # Not `needs_input_grad`: that is true of parameters under no_grad too, and the pull back would be for nobody.
        if torch.is_grad_enabled() and any(each.requires_grad for each in given):
            return Called.apply(*given)
        return to_torch(forward(*map(to_jax, given)))

    return call
