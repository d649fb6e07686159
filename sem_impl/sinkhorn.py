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

A plan that has not converged (`updates` = `most`, `error` says how far) gets the gradient of (4) all the same, though
its matrix may then be indefinite. Where T is so sharp that no position connects two groups of candidates, the matrix is
singular, and torch's linear solve says so.

dense     the costs are formed once and held: several tensors [B, S, K] live at a time.
tiled     no tensor has S K entries. Costs are computed from points and codes in every update, a block of whole rows at
          a time, and the columns' sums run over the blocks by log-sum-exp; what is made of the rows is made block by
          block too. Kept for the backward pass: points, codes, v. It computes the costs twice more, for the local part
          of (4) and the matrix, then for (5). Memory B (S (E + D) + K), one block, and in the backward pass a K x K
          matrix for each batch row, so it saves memory while K is well below S. Source: cutting edge, section 5 and
          its sketch of a tiled Sinkhorn.

fused     the costs are formed once; a native kernel does (3) in the scaling form, b = e^v (Cuturi 2013, arXiv
          1306.0895), which needs one exponential an entry and not one an entry and update. With G_sk = e^(m_s - c_sk),
          m_s the row's least cost:  r_s = sum_k G_sk b_k,  A_k = sum_s G_sk / r_s,  b_k <- S / (K A_k)
          Where b leaves what its format holds safely, v goes into G, and columns that underflow even so are summed in
          the log domain (Schmitzer 2019, arXiv 1610.06519): never another result, only more time. The gradient (4) is
          native but for t't and the solve; log t alone is kept for it. Not on the CPU, in another precision or without
          a compiler it is `dense`.

Precision: log t is formed directly (log_softmax), so entries that underflow in T still order and differentiate.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sem_impl.kernels.native import sinkhorn as native
from sem_impl.kernels.native import usable

CONVERGED = 1e-3
TILE = 1 << 16
"""Entries of a block: in float32 a quarter of a megabyte, what a core's own cache holds."""


class Problem(NamedTuple):
    """`price`: points [B, s, E] and codes -> costs in nats [B, s, K]. `then`: rows of log t [B, s, K] and `used`, the
    parameters it uses -> what is made of the rows, [B, s, ...]. Both row by row."""

    point: Tensor
    codes: Tensor
    price: Callable[[Tensor, Tensor], Tensor]
    then: Callable[..., Tensor]
    used: tuple[Tensor, ...] = ()

    def log_t(self, point: Tensor, codes: Tensor, v: Tensor) -> Tensor:
        return torch.log_softmax(v - self.price(point, codes), -1)


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
    """The matrix of (4), [B, K, K], in place of `gram`, the sum over s of t[s, :]' t[s, :]."""
    candidates = gram.shape[-1]
    matrix = gram.mul_(-1 / length).add_(1 / candidates**2)
    matrix.diagonal(dim1=-2, dim2=-1).add_(1 / candidates)
    return matrix


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
        mu = native.solved(coupling(t.mT @ t, length), g)
        return t * (rows - (t @ mu - mu.mT) / length) - Q, None, None


class Tiled(torch.autograd.Function):
    """points, codes, what `then` uses -> what it makes, and how (3) ended."""

    @staticmethod
    def forward(
        ctx, problem: Problem, converged: float, most: int, tile: int, point: Tensor, codes: Tensor, *used: Tensor
    ) -> tuple[Tensor, ...]:
        length, candidates = point.shape[-2], len(codes)
        blocks = blocks_of(point, candidates, tile)

        def columns(v: Tensor) -> Tensor:
            running = torch.full_like(v, -math.inf)
            for block in blocks:
                log_t = problem.log_t(block, codes, v)
                running = torch.logaddexp(running, torch.logsumexp(log_t, -2, keepdim=True))
            return running - math.log(length)

        ended = balanced(columns, point.new_zeros(len(point), 1, candidates), converged, most)
        made = [problem.then(problem.log_t(block, codes, ended.v), *used) for block in blocks]
        rest = (ended.v, ended.log_columns, ended.error, torch.tensor(ended.updates))
        ctx.save_for_backward(point, ended.v, codes, *used)
        ctx.problem, ctx.tile = problem._replace(point=None, codes=None, used=()), tile
        ctx.mark_non_differentiable(*rest)
        return torch.cat(made, 1), *rest

    @staticmethod
    @once_differentiable
    def backward(ctx, to_made: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        point, *rest = ctx.saved_tensors
        length, candidates = point.shape[-2], len(rest[1])
        blocks = blocks_of(point, candidates, ctx.tile)
        gram = point.new_zeros(len(point), candidates, candidates)
        to_points, to_rest = [], [torch.zeros_like(each) for each in rest]
        for block, to_block in zip(blocks, to_made.split(blocks[0].shape[1], 1), strict=True):
            with torch.enable_grad():
                inputs = [each.detach().requires_grad_() for each in (block, *rest)]
                log_t = ctx.problem.log_t(inputs[0], inputs[2], inputs[1])
                made = ctx.problem.then(log_t, *inputs[3:])
            to_point, *shares = torch.autograd.grad(made, inputs, to_block)
            to_points.append(to_point)
            for total, share in zip(to_rest, shares, strict=True):
                total += share
            t = log_t.detach().exp_()
            gram.baddbmm_(t.mT, t)
        v, codes = rest[:2]
        mu = native.solved(coupling(gram, length), to_rest[0].mT)
        for block, to_point in zip(blocks, to_points, strict=True):
            with torch.enable_grad():
                inputs = [each.detach().requires_grad_() for each in (block, codes)]
                cost = ctx.problem.price(*inputs)
            t = torch.softmax(v - cost.detach(), -1)
            shares = torch.autograd.grad(cost, inputs, t * (mu.mT - t @ mu) / length)
            to_point += shares[0]
            to_rest[1] += shares[1]
        return None, None, None, None, torch.cat(to_points, 1), *to_rest[1:]


def blocks_of(point: Tensor, candidates: int, tile: int = TILE) -> tuple[Tensor, ...]:
    """points [B, S, E] in runs of positions whose costs have at most `tile` entries (one position at the least)."""
    return point.split(max(1, tile // (len(point) * candidates)), -2)


def dense(problem: Problem, most: int, converged: float = CONVERGED) -> Transported:
    cost = problem.price(problem.point, problem.codes)
    log_t, v, log_columns, error, updates = Dense.apply(cost, converged, most)
    return Transported(problem.then(log_t, *problem.used), v, occupancy(log_columns), int(updates), error)


def tiled(problem: Problem, most: int, converged: float = CONVERGED, tile: int = TILE) -> Transported:
    made, v, log_columns, error, updates = Tiled.apply(
        problem, converged, most, tile, problem.point, problem.codes, *problem.used
    )
    return Transported(made, v, occupancy(log_columns), int(updates), error)


def fused(problem: Problem, most: int, converged: float = CONVERGED) -> Transported:
    cost = problem.price(problem.point, problem.codes)
    ended = native.sinkhorn(cost, converged, most) if usable("sinkhorn", cost) else Dense.apply(cost, converged, most)
    log_t, v, log_columns, error, updates = ended
    return Transported(problem.then(log_t, *problem.used), v, occupancy(log_columns), int(updates), error)


def occupancy(log_columns: Tensor) -> Tensor:
    """[B, 1, K] -> [K]: ln of the mean over batch rows."""
    if len(log_columns) == 1:
        return log_columns.flatten()
    return torch.logsumexp(log_columns.flatten(0, -2), 0) - math.log(len(log_columns))


SINKHORNS = {"dense": dense, "tiled": tiled, "fused": fused}
