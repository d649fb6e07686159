"""Entropic transport of tokens onto K candidates.

Shapes: costs c [B, S, K] in nats (the cost C divided by epsilon); potential v in nats too, that is v / epsilon of the
documents' v. B rows, S positions.

    (1) t[s, :] = softmax_k(v_k - c[s, k]),  plan T = t / S
    (2) marginal error e = sum_k |sum_s T[s, k] - 1/K|

Both levels form the same rows of t and differ only in v. Sources: topology report 1.1, P0 issue 3.

sequence  (documented) for every batch row a v of its own that evens out its columns, by `sinkhorn`.
          Column marginals couple the positions of a row: a token sees the tokens after it. Kept because documented.
causal    v is state of the model, zero at first, without gradient: a position depends on its own token alone. After a
          training step's backward pass `moved` takes v towards equal columns; forward never does:
          (3) v_k += 0.1 (-ln K - ln occ_k), then v -= mean v,  occ_k the mean of t[:, k] over batch and positions
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sem_impl.sinkhorn import Problem, Transported

BALANCE_RATE = 0.1

Solve = Callable[[Problem, int], Transported]


def sequence(problem: Problem, v: Tensor, most: int, solve: Solve) -> Transported:  # noqa: ARG001 - one signature
    return solve(problem, most)


def causal(problem: Problem, v: Tensor, most: int, solve: Solve) -> Transported:  # noqa: ARG001 - one signature
    log_t = problem.log_t(problem.point, problem.codes, v)
    flat = log_t.detach().flatten(0, -2)
    log_occupancy = torch.logsumexp(flat, 0) - math.log(len(flat))
    error = (log_occupancy.exp() - 1 / len(v)).abs().sum()
    potential = v.expand(len(log_t), 1, -1)
    return Transported(problem.then(log_t, *problem.used), potential, log_occupancy, 0, error)


def moved(v: Tensor, log_occupancy: Tensor) -> Tensor:
    """(3): crowded candidates become dearer."""
    v = v + BALANCE_RATE * (-math.log(len(v)) - log_occupancy)
    return v - v.mean()


TRANSPORTS = {"sequence": sequence, "causal": causal}
