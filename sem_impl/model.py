"""SEM V5.5, read from top to bottom:

tokens [B, S] -> encoder -> psi [B, S, D] -> mixer x L -> psi [B, S, D] -> propagator -> psi [B, S, P]
             -> head -> logits [B, S, V]

psi is complex; parameters are real (see `initial`). Each of the four is a stage: a submodule whose forward runs once.
"""

from typing import NamedTuple

from torch import Tensor, nn

from sem_impl.encoder import Encoder
from sem_impl.head import Head
from sem_impl.initial import Initial
from sem_impl.linear import ComplexLinear
from sem_impl.mixer import Mixer
from sem_impl.norm import NORMS
from sem_impl.propagator import Propagator
from sem_impl.sizes import Dimensions

AFTER = {
    "epsilon": "dimension",
    "horizon": "third",
    "norm": "complex_rms",
    "residual": "learned_horizon",
    "scan": "chunked",
    "head": "log_linear",
    "loss": "materialised",
}
"""Levels of the switches that offer one so far: the documented changes."""


class PropagatorStage(nn.Module):
    """norm (it fixes the scale of the Kerr phase), expansion D -> P, then the propagator's layers."""

    def __init__(self, initial: Initial, sizes: Dimensions, norm: str, **solver: str | int | float) -> None:
        super().__init__()
        self.norm = NORMS[norm](initial.scope("norm"), sizes.width)
        self.expand = ComplexLinear(initial.scope("expand"), sizes.width, sizes.propagator_width)
        self.evolve = Propagator(
            initial.scope("evolve"), layers=sizes.propagator_layers, P=sizes.propagator_width, **solver
        )

    def forward(self, psi: Tensor) -> Tensor:
        return self.evolve(self.expanded(psi))

    def expanded(self, psi: Tensor) -> Tensor:
        return self.expand(self.norm(psi))


class Predicted(NamedTuple):
    result: Tensor
    """Logits [B, S, V]; the loss where targets were given."""
    log_occupancy: Tensor
    """What `encoder.balance` needs after a training step."""


class Model(nn.Module):
    def __init__(self, initial: Initial, sizes: Dimensions, *, transport: str, **solver: str | int | float) -> None:
        super().__init__()
        mixing = {name: AFTER[name] for name in ("norm", "residual", "horizon", "scan")}
        self.encoder = Encoder(initial.scope("encoder"), sizes, transport=transport, epsilon=AFTER["epsilon"])
        self.mixer = Mixer(initial.scope("mixer"), sizes, **mixing)
        self.propagator = PropagatorStage(initial.scope("propagator"), sizes, AFTER["norm"], **solver)
        self.head = Head(
            initial.scope("head"), sizes.propagator_width, sizes.vocabulary, head=AFTER["head"], loss=AFTER["loss"]
        )

    def forward(self, tokens: Tensor, targets: Tensor | None = None) -> Predicted:
        psi, log_occupancy, *_ = self.encoder(tokens)
        psi = self.mixer(psi)
        psi = self.propagator(psi)
        return Predicted(self.head(psi, targets), log_occupancy)
