"""The training step. Source: topology report 4.3, 5.3; this room's `groups` for the rates.

AdamW (0.9, 0.95), fused; the rate of step k = 0..steps-1 is that of its group times

    (1) (k + 1)/20 for k < 20, then 0.1 + 0.9 (1 + cos(pi u))/2, u = (k - 20)/(steps - 21) from 0 to 1

One step: forward and loss of [B, S + 1] tokens; backward; (2) gradients clipped at a global 2-norm of 1; update;
(3) transport `causal`: the encoder's potential moves towards equal columns. The adaptive tolerance of the propagator
reads the number of the step. Losses are nats per token. The same seed gives the same parameters to the last bit on the
same machine with the same number of threads.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sem_impl.model import Model
from sem_impl.training.groups import groups

BASE_RATE = 3e-3
BETAS = (0.9, 0.95)
LARGEST_NORM = 1.0
WARM_UP = 20
LOWEST = 0.1


class Update(NamedTuple):
    loss: float
    """Before the update."""
    gradient_norm: float
    """Before it was clipped."""


def schedule(step: int, steps: int) -> float:
    """(1)"""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    done = (step - WARM_UP) / max(1, steps - 1 - WARM_UP)
    return LOWEST + (1 - LOWEST) * (1 + math.cos(math.pi * done)) / 2


class Training:
    """A model, its optimiser, and how far they are. `level` is that of the switch `learning_rate`."""

    def __init__(self, model: Model, level: str, *, steps: int, base_rate: float = BASE_RATE) -> None:
        self.model = model
        self.steps = steps
        self.step = 0
        self.optimiser = torch.optim.AdamW(groups(model, level, base_rate), betas=BETAS, fused=True)
        self.rates = [group["lr"] for group in self.optimiser.param_groups]

    def advance(self, tokens: Tensor) -> Update:
        """One step on [B, S + 1] tokens. FloatingPointError where the loss or a gradient is no number: nothing is
        updated then."""
        self.model.train()
        self.model.propagator.evolve.training_step = self.step
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * schedule(self.step, self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        predicted = self.model(tokens[:, :-1], tokens[:, 1:])
        predicted.result.backward()
        loss, norm = float(predicted.result.detach()), clip(list(self.model.parameters()))
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise FloatingPointError(
                f"training step {self.step}: loss {loss:g}, gradient norm {norm:g}; a smaller base rate might do"
            )
        self.optimiser.step()
        if not self.model.sequence:
            self.model.encoder.balance(predicted.log_occupancy)
        self.step += 1
        return Update(loss, norm)


def train(
    training: Training,
    batch: Callable[[int], Tensor],
    progress: Callable[[int, Update], None] = lambda *_: None,
) -> list[Update]:
    """All steps that are left; `batch(step)` gives a step its tokens, `progress` hears of each when it is done."""
    updates = []
    while training.step < training.steps:
        updates.append(training.advance(batch(training.step)))
        progress(training.step, updates[-1])
    return updates


def clip(parameters: Sequence[nn.Parameter]) -> float:
    """(2), and the norm before. A gradient may be a view that is conjugated or negated only when read; what works on
    its memory would not see that, so such a one is written out first."""
    for p in parameters:
        if p.grad is not None:
            p.grad = p.grad.resolve_conj().resolve_neg()
    return float(nn.utils.clip_grad_norm_(parameters, LARGEST_NORM))


@torch.no_grad()
def judge(model: Model, tokens: Tensor, rows: int) -> float:
    """Mean loss over windows [N, S + 1], `rows` at a time (N a multiple of them), with the tolerance of a finished
    training."""
    training = model.training
    model.eval()
    losses = [float(model(piece[:, :-1], piece[:, 1:]).result) for piece in tokens.split(rows)]
    model.train(training)
    return sum(losses) / len(losses)
