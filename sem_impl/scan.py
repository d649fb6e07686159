"""The linear recurrence of the mixer, complex, with data-dependent diagonal transitions.

    (1) h_t = A_t h_(t-1) + u_t,  t = 1..S                      A, u, h: [B, S, H] complex;  h_0: [B, H]
    (2) gb_t = g_t + conj(A_(t+1)) gb_(t+1),  gb_(S+1) = 0      adjoint, g_t = dL/dh_t
    (3) dL/dA_t = gb_t conj(h_(t-1)),  dL/du_t = gb_t,  dL/dh_0 = conj(A_1) gb_1

The state carried out is h_S = h[:, -1]: a gradient on it is one on h. All levels are called as level(A, u, h_0) -> h,
on fields (`fields`): complex numbers, or real planes [2, B, S, H] in any memory order. Conjugated, (2) is (1) from the
other end, started with conj g_S, so every level is its own adjoint. One position is one multiply-add in every level.
None divides, so |A| may underflow or be 0. Sources: topology report 1.1, 2.2; P0 issue 6; cutting edge 4.

sequential   position after position: S multiply-adds of [B, H], one pass over the data. The reference.
blelloch     (documented) odd-even reduction, work-efficient: neighbours (A, u), (A', u') become (A' A, u' + A' u)
             until one pair is left, then the states in between are filled in, level by level, down to stride 1:
                 A_i' = A_(2i+1) A_(2i),  u_i' = u_(2i+1) + A_(2i+1) u_(2i);    h_(2i) = u_(2i) + A_(2i) h_(2i-1)
             Depth 2 log2 S, about 3 S products (S up for A, S up for u, S down) in 3 log2 S operators over ever fewer
             positions at ever larger strides. Trees are uneven where S is no power of two; nothing is padded. The
             report's O(S log S) is the work of the simpler form (Hillis and Steele), which this does not do.
chunked      c = about sqrt(S) positions a chunk. All chunks at once: the recurrence from a zero state and the running
             products of A, c steps each; then chunk after chunk the state carried in is added, weighted by those
             products. Three passes over the data, about 3 sqrt(S) operators.
fused        (`kernels.native.scan`) position after position in one native operator: states stay in the L1 cache, every
             number is read or written once. 24 bytes a complex64 number forward, 40 backward. Batch rows and strips of
             channels are shared among threads. The state space lets it form A and u where they are used: 20 bytes
             forward, 40 backward. Where it cannot run (no compiler, another device): `chunked`.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sem_impl.fields import Arithmetic, Parts, alike, arithmetic, at
from sem_impl.kernels.native import scan as native
from sem_impl.kernels.native import usable

Recur = Callable[[Arithmetic, Parts, Parts, Parts, bool], None]
"""(1) by an arithmetic, from A and u [.., S, H] into held [.., S + 1, H]. That holds h_0 beforehand: first; last where
the recurrence runs backward, from the last position to the first."""


def sequential(by: Arithmetic, A: Parts, u: Parts, held: Parts, backward: bool) -> None:
    before, *states = along(held, backward)
    for A_t, u_t, now in zip(along(A, backward), along(u, backward), states, strict=True):
        by.add_product(u_t, A_t, before, now)
        before = now


def blelloch(by: Arithmetic, A: Parts, u: Parts, held: Parts, backward: bool) -> None:
    """The states of level d of the tree lie in `held` at stride 2^d."""
    length = positions = u[0].shape[-2]
    tree = [(A, u)]
    while positions > 1:
        pairs = positions // 2
        left, right = (picked(positions, first, 2 * pairs, 2, backward) for first in (0, 1))
        (A_left, u_left), (A_right, u_right) = ([at(x, where) for x in tree[-1]] for where in (left, right))
        A_pair, u_pair = alike(A, pairs), alike(u, pairs)
        by.product(A_right, A_left, A_pair)
        by.add_product(u_right, A_right, u_left, u_pair)
        tree.append((A_pair, u_pair))
        positions = pairs
    for depth in reversed(range(len(tree))):
        stride = 2**depth
        positions = length // stride
        A_even, u_even = (at(x, picked(positions, 0, positions, 2, backward)) for x in tree.pop())
        before = picked(length + 1, 0, length + 1 - stride, 2 * stride, backward)
        now = picked(length + 1, stride, length + 1, 2 * stride, backward)
        by.add_product(u_even, A_even, at(held, before), at(held, now))


def chunked(by: Arithmetic, A: Parts, u: Parts, held: Parts, backward: bool) -> None:
    length = u[0].shape[-2]
    size = math.isqrt(length)
    whole = length - length % size
    chunks = (whole // size, size)
    body, states = picked(length, 0, whole, 1, backward), picked(length + 1, 1, whole + 1, 1, backward)
    A_body, u_body, h = (
        tuple(x.unflatten(-2, chunks) for x in at(*each)) for each in ((A, body), (u, body), (held, states))
    )
    products = tuple(x.unflatten(-2, chunks) for x in alike(A, whole))
    steps = list(zip(*(along(each, backward) for each in (A_body, u_body, h, products)), strict=True))
    (A_t, u_t, now, product), *later = steps
    for into, start in zip((*now, *product), (*u_t, *A_t), strict=True):
        into.copy_(start)
    for A_t, u_t, h_t, product_t in later:
        by.add_product(u_t, A_t, now, h_t)
        by.product(A_t, product, product_t)
        now, product = h_t, product_t
    before = at(held, picked(length + 1, 0, 1, 1, backward))
    for h_c, product_c in zip(along(h, backward, -3), along(products, backward, -3), strict=True):
        by.add_product(h_c, product_c, before, h_c)
        before = at(h_c, picked(size, size - 1, size, 1, backward))
    rest = picked(length, whole, length, 1, backward)
    sequential(by, at(A, rest), at(u, rest), at(held, picked(length + 1, whole, length + 1, 1, backward)), backward)


def along(parts: Parts, backward: bool, axis: int = -2) -> list[Parts]:
    """Position by position, in the order of the recurrence."""
    positions = list(zip(*(part.unbind(axis) for part in parts), strict=True))
    return positions[::-1] if backward else positions


def picked(positions: int, first: int, stop: int, step: int, backward: bool) -> slice:
    """range(first, stop, step) of so many positions, counted from the other end where `backward`."""
    if not backward:
        return slice(first, stop, step)
    count = len(range(first, stop, step))
    return slice(positions - 1 - first - (count - 1) * step, positions - first, step) if count else slice(0, 0)


class Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx, recur: Recur, A: Tensor, u: Tensor, state: Tensor) -> Tensor:
        by = arithmetic(u)
        (held,) = alike((u,), u.shape[-2] + 1)
        held[..., 0, :] = state
        recur(by, by.parts(A), by.parts(u), by.parts(held), False)
        ctx.recur = recur
        ctx.save_for_backward(A, held)
        return held[..., 1:, :]

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor) -> tuple[None, Tensor, Tensor, Tensor]:
        """(2) conjugated, so that A is read as it lies: its states are those of S - 1 positions after conj g_S."""
        A, held = ctx.saved_tensors
        by = arithmetic(g)
        conjugated, adjoint, dA = (alike((held,), g.shape[-2])[0] for _ in range(3))
        by.conjugate(by.parts(g), by.parts(conjugated))
        adjoint[..., -1, :] = conjugated[..., -1, :]
        g_bar, A_parts = by.parts(adjoint), by.parts(A)
        ctx.recur(by, at(A_parts, slice(1, None)), at(by.parts(conjugated), slice(0, -1)), g_bar, True)
        by.product(g_bar, at(by.parts(held), slice(0, -1)), by.parts(dA))
        (dstate,) = alike((adjoint,), 1)
        by.product(at(A_parts, slice(0, 1)), at(g_bar, slice(0, 1)), by.parts(dstate))
        for each in (dA, adjoint, dstate):
            by.conjugate(by.parts(each), by.parts(each))
        return None, dA, adjoint, dstate.squeeze(-2)


def scan(recur: Recur, A: Tensor, u: Tensor, state: Tensor) -> Tensor:
    return Recurrence.apply(sequential if u.shape[-2] == 1 else recur, A, u, state)


def fused(A: Tensor, u: Tensor, state: Tensor) -> Tensor:
    many = u.shape[-2] != 1
    return native.scan(A, u, state) if many and usable("scan", A, u, state) else scan(chunked, A, u, state)


SCANS = {recur.__name__: partial(scan, recur) for recur in (sequential, blelloch, chunked)} | {"fused": fused}
