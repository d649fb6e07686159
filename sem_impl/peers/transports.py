"""Sinkhorn by peers: costs in nats [S, K] of one batch row -> log t, after as many updates as ours.

Ours makes the rows even and then the columns. Both peers treat the second side first, so they get the costs with
candidates as their first side: then every update does the same, and the last even rows are made from the potential of
the candidates, as in ours. Neither stops early; an error that a peer measures on its way stays part of its call.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from sem_impl.peers.arrays import to_jax, to_torch
from sem_impl.peers.installed import jax, peer


@cache
def pot(updates: int) -> Callable[[Tensor], Tensor]:
    """Scaling form, on numpy arrays of the tensor's memory."""
    sinkhorn_knopp = peer("ot.bregman").sinkhorn_knopp

    def plan(costs: Tensor) -> Tensor:
        S, K = costs.shape
        even = [costs.new_full((count,), 1 / count).numpy() for count in (K, S)]
        settings = {"numItermax": updates, "stopThr": 0.0, "warn": False, "log": True}
        _, log = sinkhorn_knopp(*even, costs.T.numpy(), 1.0, **settings)
        return torch.log_softmax(torch.from_numpy(log["u"]).log() - costs, -1)

    return plan


@cache
def ott(updates: int, *, log_domain: bool) -> Callable[[Tensor], Tensor]:
    j = jax()
    geometry, problem = peer("ott.geometry.geometry"), peer("ott.problems.linear.linear_problem")
    solver = peer("ott.solvers.linear.sinkhorn").Sinkhorn(
        lse_mode=log_domain,
        threshold=0.0,
        inner_iterations=max(1, updates),
        min_iterations=updates,
        max_iterations=updates,
    )

    @j.jit
    def function(costs: Any) -> Any:
        solved = solver(problem.LinearProblem(geometry.Geometry(cost_matrix=costs.T, epsilon=1.0)))
        return j.nn.log_softmax(solved.f - costs, axis=-1)

    return lambda costs: to_torch(function(to_jax(costs)))


TRANSPORTS = {
    "pot": pot,
    "ott": lambda updates: ott(updates, log_domain=True),
    "ott_kernel": lambda updates: ott(updates, log_domain=False),
}
