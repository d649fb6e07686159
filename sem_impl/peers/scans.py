"""h_t = A_t h_(t-1) + u_t by peers: A, u [B, S, H] complex, h_0 [B, H] -> h [B, S, H]."""

from collections.abc import Callable
from functools import cache
from typing import Any

from torch import Tensor

from sem_impl.peers.arrays import compiled
from sem_impl.peers.installed import jax, peer


@cache
def jax_scan() -> Callable[..., Tensor]:
    """`jax.lax.scan` over the numbers of the positions, each of which is read and written where it lies: as what is
    scanned over, A, u and h would have to be moved, positions first, and at batch 4 that takes as long again. For
    gradients they are moved, since the adjoint of an index is an array as large as what it was taken from. On complex
    numbers and not unrolled: 8 positions at a time take five times as long on a CPU, real planes nearly four times."""
    j = jax()
    read, write = j.lax.dynamic_index_in_dim, j.lax.dynamic_update_index_in_dim

    def in_place(A: Any, u: Any, state: Any) -> Any:
        def step(held: tuple[Any, Any], t: Any) -> tuple[tuple[Any, Any], None]:
            h, states = held
            h = read(A, t, 1, keepdims=False) * h + read(u, t, 1, keepdims=False)
            return (h, write(states, h, t, 1)), None

        (_, states), _ = j.lax.scan(step, (state, j.numpy.zeros_like(u)), j.numpy.arange(A.shape[1]))
        return states

    def moved(A: Any, u: Any, state: Any) -> Any:
        def step(h: Any, at: tuple[Any, Any]) -> tuple[Any, Any]:
            h = at[0] * h + at[1]
            return h, h

        first = (j.numpy.moveaxis(A, 1, 0), j.numpy.moveaxis(u, 1, 0))
        return j.numpy.moveaxis(j.lax.scan(step, state, first)[1], 0, 1)

    return compiled(in_place, moved)


@cache
def jax_associative_scan() -> Callable[..., Tensor]:
    j = jax()

    def pairs(left: tuple[Any, Any], right: tuple[Any, Any]) -> tuple[Any, Any]:
        return right[0] * left[0], right[0] * left[1] + right[1]

    def function(A: Any, u: Any, state: Any) -> Any:
        u = u.at[:, 0].add(A[:, 0] * state)
        return j.lax.associative_scan(pairs, (A, u), axis=1)[1]

    return compiled(function)


@cache
def mambapy() -> Callable[..., Tensor]:
    """Its channels are D x N; N = 1. The state carried in goes into the first input, since it knows none."""
    pscan = peer("mambapy.pscan").pscan

    def scan(A: Tensor, u: Tensor, state: Tensor) -> Tensor:
        u = u.clone()
        u[:, 0] += A[:, 0] * state
        return pscan(A.unsqueeze(-1), u.unsqueeze(-1)).squeeze(-1)

    return scan


SCANS = {"jax_scan": jax_scan, "jax_associative_scan": jax_associative_scan, "mambapy": mambapy}
