"""SEM V5.5, read from top to bottom:

tokens [B, S] -> encoder -> psi [B, S, D] -> mixer x L -> psi [B, S, D] -> propagator -> psi [B, S, P]
             -> head -> logits [B, S, V]

psi is complex; parameters are real (see `initial`). Each of the four is a stage: a submodule whose forward runs once.
Nothing after the mixer mixes positions, so a prefill answers for the last position alone. A text may be read in pieces:
`State` is what one piece leaves to the next.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from sem_impl.encoder import RADIUS_SQUARED, Encoder
from sem_impl.head import Head
from sem_impl.initial import Initial
from sem_impl.linear import ComplexLinear
from sem_impl.mixer import Carried, Mixer
from sem_impl.norm import NORMS
from sem_impl.propagator import Propagator
from sem_impl.sizes import Dimensions

MIXER = ("norm", "residual", "horizon", "scan", "layout", "checkpointing", "kernels")
SOLVER = ("method", "matrix", "preconditioner", "tolerance", "kernels")
UNDEFINED = "transport sequence: decoding is undefined, a token's place depends on all that follow"


class PropagatorStage(nn.Module):
    """norm (it fixes the scale of the Kerr phase), expansion D -> P, then the propagator's layers."""

    def __init__(self, initial: Initial, sizes: Dimensions, norm: str, **solver: str | int | float) -> None:
        super().__init__()
        self.norm = NORMS[norm](initial.scope("norm"), sizes.width, kernels=solver["kernels"])
        self.expand = ComplexLinear(initial.scope("expand"), sizes.width, sizes.propagator_width)
        self.evolve = Propagator(
            initial.scope("evolve"), layers=sizes.propagator_layers, P=sizes.propagator_width, **solver
        )

    def forward(self, psi: Tensor) -> Tensor:
        return self.evolve(self.expanded(psi))

    def expanded(self, psi: Tensor) -> Tensor:
        return self.expand(self.norm(psi))


class State(NamedTuple):
    position: int
    """Of the next token."""
    layers: Sequence[Carried]
    """Of the mixer."""


class Predicted(NamedTuple):
    result: Tensor
    """Logits [B, S, V]; the loss where targets were given."""
    log_occupancy: Tensor
    """What `encoder.balance` needs after a training step."""
    state: State


class Model(nn.Module):
    """levels: switch -> level. updates, radius_squared: see `Encoder`. evolution: dt, training_step, max_iterations.
    Decoding under the transport `sequence` is undefined (a column's mass needs all positions): ValueError."""

    def __init__(
        self,
        initial: Initial,
        sizes: Dimensions,
        levels: Mapping[str, str],
        *,
        updates: int,
        radius_squared: float = RADIUS_SQUARED,
        **evolution: int | float,
    ) -> None:
        super().__init__()
        self.sequence = levels["transport"] == "sequence"
        self.encoder = Encoder(
            initial.scope("encoder"),
            sizes,
            transport=levels["transport"],
            epsilon=levels["epsilon"],
            sinkhorn=levels["sinkhorn"],
            updates=updates,
            radius_squared=radius_squared,
        )
        self.mixer = Mixer(initial.scope("mixer"), sizes, **{name: levels[name] for name in MIXER})
        solver = {name: levels[name] for name in SOLVER}
        self.propagator = PropagatorStage(initial.scope("propagator"), sizes, levels["norm"], **solver, **evolution)
        self.head = Head(
            initial.scope("head"),
            sizes.propagator_width,
            sizes.vocabulary,
            head=levels["head"],
            loss=levels["loss"],
            kernels=levels["kernels"],
        )

    def forward(
        self, tokens: Tensor, targets: Tensor | None = None, *, state: State | None = None, last: bool = False
    ) -> Predicted:
        """`last` keeps the last position alone, before the expansion."""
        if state is not None and self.sequence:
            raise ValueError(UNDEFINED)
        position = state.position if state else 0
        psi, log_occupancy, *_ = self.encoder(tokens, position)
        psi, carried = self.mixer(psi, state.layers if state else None)
        psi = self.propagator(psi[:, -1:] if last else psi)
        after = State(position + tokens.shape[1], carried)
        return Predicted(self.head(psi, targets), log_occupancy, after)
