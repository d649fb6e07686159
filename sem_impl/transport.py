"""Entropic transport of tokens onto K candidates.

Shapes: cost C [B, S, K] real, >= 0; potential v [K] or [B, K]; epsilon > 0 in units of cost. B rows, S positions.

    (1) t[s, :] = softmax_k((v_k - C[s, k]) / epsilon),  plan T = t / S: rows exactly 1/S, columns wanted 1/K
    (2) marginal error e = sum_k |sum_s T[s, k] - 1/K|

Both levels return log t, normalised over k, and differ only in v. Sources: topology report 1.1, P0 issue 3.

sequence  (documented) for every batch row v = 0, then v_k += epsilon (-ln K - ln sum_s T[s, k]) until e < 1e-3 in the
          worst row or 50 updates. The gradient is that of the converged plan (implicit differentiation), with
          Q = dL/d log T:
              (I/K - S T'T + 11'/K^2) mu = Q'1 - S T'(Q 1),  lambda = S (Q 1 - T mu),
              dL/dC = (T o (lambda_s + mu_k) - Q) / epsilon
          Column marginals couple the positions of a row: a token sees the tokens after it. Kept because documented.
causal    v is state of the model, zero at first, without gradient: a position depends on its own token alone. After a
          training step's backward pass `balanced` moves v towards equal columns; forward never does.

Precision: log t is formed directly (log_softmax), so entries that underflow in T still order and differentiate.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

CONVERGED = 1e-3
MOST_UPDATES = 50
BALANCE_RATE = 0.1


class Transported(NamedTuple):
    log_t: Tensor
    """[B, S, K]"""
    log_occupancy: Tensor
    """[K], ln of the mean of t over batch and positions, detached."""
    updates: int
    error: Tensor
    """(2), worst batch row for `sequence`, over the whole batch for `causal`."""


class Sinkhorn(torch.autograd.Function):
    @staticmethod
    def forward(ctx, cost: Tensor, epsilon: Tensor, converged: float, most: int) -> tuple[Tensor, Tensor, Tensor]:
        length, candidates = cost.shape[-2:]
        scaled = cost / epsilon
        v = torch.zeros_like(scaled[:, :1])  # in units of epsilon
        updates = 0
        while True:
            log_t = torch.log_softmax(v - scaled, -1)
            log_columns = torch.logsumexp(log_t, -2, keepdim=True) - math.log(length)
            error = (log_columns.exp() - 1 / candidates).abs().sum(-1).max()
            if updates == most or error < converged:
                break
            v = v - math.log(candidates) - log_columns
            updates += 1
        ctx.save_for_backward(log_t, epsilon)
        ctx.mark_non_differentiable(error)
        counted = torch.tensor(updates)
        ctx.mark_non_differentiable(counted)
        return log_t, error, counted

    @staticmethod
    def backward(ctx, Q: Tensor, *_: Tensor) -> tuple[Tensor, None, None, None]:
        log_t, epsilon = ctx.saved_tensors
        length, candidates = Q.shape[-2:]
        T = log_t.exp() / length
        rows = Q.sum(-1, keepdim=True)
        columns = Q.sum(-2).unsqueeze(-1)
        eye = torch.eye(candidates, dtype=Q.dtype, device=Q.device)
        matrix = eye / candidates - length * T.mT @ T + 1 / candidates**2
        mu = torch.linalg.solve(matrix, columns - length * T.mT @ rows)
        lam = length * (rows - T @ mu)
        return (T * (lam + mu.mT) - Q) / epsilon, None, None, None


def sequence(cost: Tensor, v: Tensor, epsilon: Tensor, most: int) -> Transported:  # noqa: ARG001 - one signature for all levels
    log_t, error, updates = Sinkhorn.apply(cost, epsilon, CONVERGED, most)
    return Transported(log_t, _log_occupancy(log_t), int(updates), error)


def causal(cost: Tensor, v: Tensor, epsilon: Tensor, most: int) -> Transported:
    log_t = torch.log_softmax((v - cost) / epsilon, -1)
    log_occupancy = _log_occupancy(log_t)
    return Transported(log_t, log_occupancy, 0, (log_occupancy.exp() - 1 / len(v)).abs().sum())


def balanced(v: Tensor, log_occupancy: Tensor, epsilon: Tensor) -> Tensor:
    """The potential after a training step: crowded candidates become dearer; mean zero."""
    v = v + BALANCE_RATE * epsilon * (-math.log(len(v)) - log_occupancy)
    return v - v.mean()


def _log_occupancy(log_t: Tensor) -> Tensor:
    flat = log_t.detach().flatten(0, -2)
    return torch.logsumexp(flat, 0) - math.log(len(flat))


TRANSPORTS = {"sequence": sequence, "causal": causal}
