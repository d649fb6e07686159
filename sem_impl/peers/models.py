"""The modules of the pieces with a peer in the place of a level of ours; parameters are the same in name and number."""

from typing import Any

import torch
from torch import Tensor

from sem_impl.initial import Initial
from sem_impl.kernels import kernels_of
from sem_impl.peers.losses import LOSSES
from sem_impl.peers.solves import SOLVES
from sem_impl.peers.transports import TRANSPORTS
from sem_impl.propagator import Propagator
from sem_impl.system.pieces_models import HeadLoss, Sinkhorn


class PeerSinkhorn(Sinkhorn):
    def __init__(self, initial: Initial, shape: tuple[int, int], level: str, updates: int, work: str) -> None:
        super().__init__(initial, shape, level, updates, work)
        self.plan = TRANSPORTS[level](updates)

    def forward(self, costs: Tensor) -> Tensor:
        return torch.stack([self.plan(row) for row in costs + self.prior])


class PeerPropagator(Propagator):
    """Kerr phase of ours, and the peer's solve, prepared in the first call: nobody trains these weights."""

    def __init__(self, initial: Initial, *, method: str, **settings: Any) -> None:
        super().__init__(initial, method="cocg", **settings)
        self.peer = method
        self.solves: list[Any] = []

    def forward(self, psi: Tensor) -> Tensor:
        kernels = kernels_of(self.settings.kernels, psi)
        if not self.solves:
            self.solves = [SOLVES[self.peer](one.weights(), self.settings.a, psi.dtype) for one in self.layers]
        for layer, solve in zip(self.layers, self.solves, strict=True):
            psi = solve(kernels.leave(kernels.kerr(kernels.enter(psi), layer.kappa)))
        return psi


class PeerLoss(HeadLoss):
    def __init__(self, initial: Initial, width: int, vocabulary: int, *, head: str, loss: str, work: str) -> None:
        super().__init__(initial, width, vocabulary, head=head, loss="materialised", work=work)
        self.entropy = LOSSES[loss]()

    def forward(self, psi: Tensor, targets: Tensor | None = None) -> Tensor:
        if targets is None:
            return self.head(psi)
        projection = self.head.projection
        rows = projection.rows(self.head.direction(psi))
        return self.entropy(rows, projection.weight.flatten(1), targets, linear_bias=projection.bias)
