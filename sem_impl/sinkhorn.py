"""Columns balanced within a batch row: the entropic transport plan between the S positions and K candidates.

Shapes: points [B, S, E], codes [K, E], costs c [B, S, K] in nats (already divided by epsilon), potential v [B, 1, K] in
nats. B batch rows, each with a plan of its own.

    (1) t[s, :] = softmax_k(v_k - c[s, k]),  plan T = t / S: rows exactly 1/S, columns wanted 1/K
    (2) marginal error e = sum_k |sum_s T[s, k] - 1/K|
    (3) v = 0; repeat v_k += -ln K - ln sum_s T[s, k] until e < 1e-3 in the worst batch row or `most` updates are done
    (4) the gradient is that of the converged plan (implicit differentiation), with Q = dL/d log T:
            (I/K - S T'T + 11'/K^2) mu = g,  g = dL/dv = Q'1 - S T'(Q 1)
            dL/dc = T o (lambda_s + mu_k) - Q,  lambda = S (Q 1 - T mu)
    (5) the part of (4) that flows through v alone:  T o (mu_k - S T mu)

A plan that has not converged (`updates` = `most`, `error` says how far) gets the gradient of (4) all the same, which is
then only near the true one. Where T is so sharp that candidates part into groups no position connects, the matrix of
(4) is singular to the working precision.

dense     the costs are formed once and held: several tensors [B, S, K] live at a time.
tiled     no tensor has S K entries: in every update the costs are computed again from points and codes, a block of whole
          rows at a time, and the columns' sums run over the blocks by log-sum-exp. What is made of the rows is made
          block by block too, and again in the backward pass. Memory B (S (E + D) + K), one block, and in the backward
          pass the K x K matrix of (4) for each batch row. Source: cutting edge, section 5 and its file 2.

Precision: log t is formed directly (log_softmax), so entries that underflow in T still order and differentiate.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

CONVERGED = 1e-3
TILE = 1 << 16
"""Entries of a block: in float32 a quarter of a megabyte, what a core's own cache holds."""

Price = Callable[[Tensor, Tensor], Tensor]


class Problem(NamedTuple):
    """`price`: points [B, s, E] and codes -> costs in nats [B, s, K]. `then`: rows of log t [B, s, K] -> what is made of
    them, [B, s, ...]. Both row by row."""

    point: Tensor
    codes: Tensor
    price: Price
    then: Callable[[Tensor], Tensor]

    def log_t(self, point: Tensor, v: Tensor) -> Tensor:
        return torch.log_softmax(v - self.price(point, self.codes), -1)


class Transported(NamedTuple):
    made: Tensor
    """What `then` made of all rows, [B, S, ...]."""
    potential: Tensor
    """v in nats, [B, 1, K], detached."""
    log_occupancy: Tensor
    """[K], ln of the mean of t over batch and positions, detached."""
    updates: int
    error: Tensor
    """(2), of the worst batch row; under a potential the model carries, of the batch as a whole."""


class Balanced(NamedTuple):
    v: Tensor
    log_columns: Tensor
    """[B, 1, K], ln of the columns of T."""
    updates: int
    error: Tensor


def balanced(columns: Callable[[Tensor], Tensor], v: Tensor, converged: float, most: int) -> Balanced:
    """(3) from v; `columns` gives the log of the columns of T under a potential."""
    candidates = v.shape[-1]
    updates = 0
    while True:
        log_columns = columns(v)
        error = (log_columns.exp() - 1 / candidates).abs().sum(-1).max()
        if updates == most or error < converged:
            return Balanced(v, log_columns, updates, error)
        v = v - math.log(candidates) - log_columns
        updates += 1


def coupling(gram: Tensor, length: int) -> Tensor:
    """The matrix of (4), [B, K, K], from the sum over s of t[s, :]' t[s, :]."""
    candidates = gram.shape[-1]
    eye = torch.eye(candidates, dtype=gram.dtype, device=gram.device)
    return eye / candidates - gram / length + 1 / candidates**2


class Dense(torch.autograd.Function):
    """costs [B, S, K] -> log t, and how (3) ended."""

    @staticmethod
    def forward(ctx, cost: Tensor, converged: float, most: int) -> tuple[Tensor, ...]:
        held = []

        def columns(v: Tensor) -> Tensor:
            held[:] = [torch.log_softmax(v - cost, -1)]
            return torch.logsumexp(held[0], -2, keepdim=True) - math.log(cost.shape[-2])

        ended = balanced(columns, torch.zeros_like(cost[:, :1]), converged, most)
        rest = (ended.v, ended.log_columns, ended.error, torch.tensor(ended.updates))
        ctx.save_for_backward(*held)
        ctx.mark_non_differentiable(*rest)
        return held[0], *rest

    @staticmethod
    @once_differentiable
    def backward(ctx, Q: Tensor, *_: Tensor) -> tuple[Tensor, None, None]:
        t = ctx.saved_tensors[0].exp()
        length = Q.shape[-2]
        rows = Q.sum(-1, keepdim=True)
        g = Q.sum(-2).unsqueeze(-1) - t.mT @ rows
        mu = torch.linalg.solve(coupling(t.mT @ t, length), g)
        return t * (rows - (t @ mu - mu.mT) / length) - Q, None, None


class Tiled(torch.autograd.Function):
    """points, codes -> v, and how (3) ended; the gradient is (5)."""

    @staticmethod
    def forward(ctx, point: Tensor, codes: Tensor, price: Price, converged: float, most: int, tile: int):
        length, candidates = point.shape[-2], len(codes)
        blocks = blocks_of(point, candidates, tile)

        def columns(v: Tensor) -> Tensor:
            running = torch.full_like(v, -math.inf)
            for block in blocks:
                log_t = torch.log_softmax(v - price(block, codes), -1)
                running = torch.logaddexp(running, torch.logsumexp(log_t, -2, keepdim=True))
            return running - math.log(length)

        ended = balanced(columns, point.new_zeros(len(point), 1, candidates), converged, most)
        ctx.save_for_backward(point, codes, ended.v)
        ctx.price, ctx.tile = price, tile
        rest = (ended.log_columns, ended.error, torch.tensor(ended.updates))
        ctx.mark_non_differentiable(*rest)
        return ended.v, *rest

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        point, codes, v = ctx.saved_tensors
        length, candidates = point.shape[-2], len(codes)
        blocks = blocks_of(point, candidates, ctx.tile)
        gram = point.new_zeros(len(point), candidates, candidates)
        for block in blocks:
            t = torch.softmax(v - ctx.price(block, codes), -1)
            gram.baddbmm_(t.mT, t)
        mu = torch.linalg.solve(coupling(gram, length), g.mT)
        to_points, to_codes = [], torch.zeros_like(codes)
        for block in blocks:
            with torch.enable_grad():
                inputs = block.detach().requires_grad_(), codes.detach().requires_grad_()
                cost = ctx.price(*inputs)
            t = torch.softmax(v - cost.detach(), -1)
            to_block, to_code = torch.autograd.grad(cost, inputs, t * (mu.mT - t @ mu) / length)
            to_points.append(to_block)
            to_codes += to_code
        return torch.cat(to_points, 1), to_codes, None, None, None, None


def blocks_of(point: Tensor, candidates: int, tile: int = TILE) -> tuple[Tensor, ...]:
    """points [B, S, E] in runs of positions whose costs have at most `tile` entries (one position at the least)."""
    return point.split(max(1, tile // (len(point) * candidates)), -2)


def dense(problem: Problem, most: int, converged: float = CONVERGED) -> Transported:
    cost = problem.price(problem.point, problem.codes)
    log_t, v, log_columns, error, updates = Dense.apply(cost, converged, most)
    return Transported(problem.then(log_t), v, occupancy(log_columns), int(updates), error)


def tiled(problem: Problem, most: int, converged: float = CONVERGED, tile: int = TILE) -> Transported:
    point, codes = problem.point, problem.codes
    v, log_columns, error, updates = Tiled.apply(point, codes, problem.price, converged, most, tile)

    def made(block: Tensor, v: Tensor) -> Tensor:
        return problem.then(problem.log_t(block, v))

    blocks = blocks_of(point, len(codes), tile)
    if torch.is_grad_enabled():
        rows = [checkpoint(made, block, v, use_reentrant=False, preserve_rng_state=False) for block in blocks]
    else:
        rows = [made(block, v) for block in blocks]
    return Transported(torch.cat(rows, 1), v.detach(), occupancy(log_columns), int(updates), error)


def occupancy(log_columns: Tensor) -> Tensor:
    """[B, 1, K] -> [K]: ln of the mean over batch rows."""
    return torch.logsumexp(log_columns.flatten(0, -2), 0) - math.log(len(log_columns))


SINKHORNS = {"dense": dense, "tiled": tiled}
