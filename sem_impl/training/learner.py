"""A model that is trained, kept, and writes: bytes in, bytes out. What `semh train` and `semh generate` hold."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch

from sem_impl.generate import generate
from sem_impl.model import Model
from sem_impl.sampler import Sampling
from sem_impl.training import data, files
from sem_impl.training.loop import Training, Update, judge

PLACE = ("device", "threads")
"""Conditions that say where a model is, not what it is."""


class Judged(NamedTuple):
    """Nats per token, on text that is held out."""

    loss: float
    bar: float
    """No model that ignores what came before does better on the same tokens."""


class Learner:
    """variant, conditions, seed: what `model` was built from. Its batches are `batch_size` windows of `seq_len`. Where
    the conditions name `threads`, torch gets as many (sums, and so parameters, depend on their number); these and the
    device are not saved."""

    def __init__(
        self,
        model: Model,
        variant: Mapping[str, str],
        conditions: Mapping[str, Any],
        seed: int,
        *,
        steps: int,
        base_rate: float,
    ) -> None:
        own = {name: value for name, value in conditions.items() if name not in PLACE}
        self.made = {"variant": dict(variant), "conditions": own, "seed": seed, "base_rate": base_rate}
        self.rows, self.length = int(conditions["batch_size"]), int(conditions["seq_len"]) + 1
        self.device = next(model.parameters()).device
        if "threads" in conditions:
            torch.set_num_threads(int(conditions["threads"]))
        self.training = Training(model, variant["learning_rate"], steps=steps, base_rate=base_rate)

    @property
    def step(self) -> int:
        """Steps done."""
        return self.training.step

    @property
    def steps(self) -> int:
        return self.training.steps

    def advance(self) -> Update:
        tokens = data.batch(self.made["seed"], self.step, self.rows, self.length)
        return self.training.advance(tokens.to(self.device))

    def judge(self) -> Judged:
        windows = data.judged(self.rows, self.length)
        return Judged(judge(self.training.model, windows.to(self.device), self.rows), data.bar(windows))

    def save(self, file: Path) -> None:
        files.save(
            file,
            {
                **self.made,
                "step": self.step,
                "steps": self.steps,
                "model": self.training.model.state_dict(),
                "optimiser": self.training.optimiser.state_dict(),
            },
        )

    def restored(self, file: Path, content: Mapping[str, Any]) -> Self:
        """Where the training of that file stood. CheckpointError where the model is another."""
        files.restore(file, self.training.model, content["model"])
        try:
            self.training.optimiser.load_state_dict(content["optimiser"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise files.CheckpointError(
                f"{file}: its optimiser is that of another model; a file that `semh train` wrote would do"
            ) from None
        self.training.step = content["step"]
        return self

    def write(self, prompt: bytes, count: int, seed: int, sampling: Mapping[str, float]) -> Iterator[bytes]:
        """One byte after the other. ValueError for nonsense in `sampling`, an empty prompt, or a variant that cannot
        decode."""
        model = self.training.model.eval()
        tokens = torch.tensor([list(prompt)], dtype=torch.int64, device=self.device)
        for token in generate(model, tokens, count, Sampling(**sampling), seed):
            yield bytes(token.tolist())
