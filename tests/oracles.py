"""Slow, obvious forms of what the model computes fast, in whatever precision their inputs have (float64 in tests)."""

import math

import torch
from torch import Tensor


def recurrence(A: Tensor, u: Tensor, state: Tensor) -> Tensor:
    """h_t = A_t h_(t-1) + u_t, one position after the other; autograd through the loop is the oracle's gradient."""
    states = []
    for position in range(A.shape[1]):
        state = A[:, position] * state + u[:, position]
        states.append(state)
    return torch.stack(states, 1)


def unrolled_sinkhorn(cost: Tensor, epsilon: float, updates: int) -> Tensor:
    """log t after so many updates, every one of them on autograd's tape."""
    length, candidates = cost.shape[-2:]
    v = torch.zeros_like(cost[:, :1])
    for _ in range(updates):
        log_t = torch.log_softmax((v - cost) / epsilon, -1)
        columns = torch.logsumexp(log_t, -2, keepdim=True) - math.log(length)
        v = v + epsilon * (-math.log(candidates) - columns)
    return torch.log_softmax((v - cost) / epsilon, -1)


def convolution(z: Tensor, taps: Tensor) -> Tensor:
    """sum_j taps_j o z_(t-j), zero before the first position."""
    out = torch.zeros_like(z)
    for position in range(z.shape[1]):
        for back in range(min(len(taps), position + 1)):
            out[:, position] += taps[back] * z[:, position - back]
    return out
