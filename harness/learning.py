"""Training a system that learns from text, and text from what was trained: `semh train`, `semh generate`.

Nothing here is a measurement: no record, no claim. A system is `Learning`, or only measured.
"""

from __future__ import annotations

import codecs
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.asked import Asked, conditions_of, pairs, variant_of
from harness.conditions import PROCESS_CONDITIONS, RefusedError, check_condition
from harness.errors import StoreError, UsageError, offer, shown
from harness.grouping import budget_bytes
from harness.progress import duration
from harness.records import Value
from harness.system import OPTIMISER, Conditions, Learner, Learning, Variant, stages_in
from harness.systems import load_system, system_names

Say = Callable[[str], None]

SAVED_EVERY = 100
"""Training steps."""
LINES = 20
"""Of progress, about."""


@dataclass(frozen=True)
class Place:
    """Where the arithmetic is done."""

    threads: int = 1
    device: str | None = None
    """None: the system's first."""

    def conditions(self, system: Learning) -> Conditions:
        given: dict[str, Value] = {"threads": self.threads, "device": self.device or system.devices[0]}
        return {name: _checked(system, f"--{name}", name, value) for name, value in given.items()}


def train(
    system: str | None,
    asked: Asked,
    *,
    checkpoint: Path | None,
    out: Path | None,
    steps: int | None,
    seed: int | None,
    base_rate: float | None,
    say: Say,
    place: Place = Place(),
) -> Path:
    """Train and keep the model; the file it is in. Goes on from the checkpoint where there is one."""
    learning = _learning(system)
    if checkpoint is not None:
        if asked != Asked() or (steps, seed, base_rate) != (None, None, None):
            raise UsageError("--checkpoint says what is trained and how; it goes with --system and --out alone")
        file, learner = out or checkpoint, _restored(learning, checkpoint, place)
        if learner.step == learner.steps:
            raise UsageError(f"{checkpoint} is finished, all {learner.steps} steps are done; a new training would do")
    else:
        file = out or Path("model.pt")
        learner = _begun(learning, asked, place, 300 if steps is None else steps, seed or 0, base_rate)
    if file != checkpoint and file.exists():
        raise UsageError(f"{file} is there already; another --out, or --checkpoint {file} to go on, would do")
    _save(learner, file)
    _advance(learner, file, say)
    loss, bar = learner.judge()
    say(f"on text that was held out: {loss:.3f} nats per token; knowing only how often each token occurs: {bar:.3f}")
    return file


def generate(
    system: str | None,
    asked: Asked,
    *,
    checkpoint: Path | None,
    prompt: str,
    tokens: int,
    seed: int,
    sampling: Mapping[str, float],
    say: Say,
    place: Place = Place(),
) -> Iterator[str]:
    """The prompt and what follows, in pieces that are safe to print."""
    learning = _learning(system)
    if checkpoint is not None and asked != Asked():
        raise UsageError("--checkpoint says what the model is; it goes with --system, the prompt and the sampler alone")
    learner = (
        _restored(learning, checkpoint, place) if checkpoint is not None else _begun(learning, asked, place, 0, 0, None)
    )
    if learner.step:
        say(f"trained for {learner.step} of {learner.steps} steps")
    else:
        say("untrained: the text of a fresh model is noise; `semh train` makes a checkpoint to draw from")
    given = prompt.encode(errors="surrogateescape")
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    begun = printable(decode(given))
    with _usable():
        for piece in learner.write(given, tokens, seed, sampling):
            yield begun + printable(decode(piece))
            begun = ""
    yield begun + printable(decode(b"", True))


def printable(text: str) -> str:
    """What a terminal would act upon is replaced."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def learners() -> list[str]:
    """The registered systems that learn."""
    return [name for name in system_names() if isinstance(load_system(name), Learning)]


def _learning(ref: str | None) -> Learning:
    known = learners()
    if ref is None:
        if len(known) != 1:
            raise UsageError(f"--system is needed; {offer('', 'this installation', known)}")
        ref = known[0]
    found = load_system(ref)
    if not isinstance(found, Learning):
        raise UsageError(f"{shown(ref)} does not learn from text; {offer(ref, 'this installation', known)}")
    return found


def _begun(system: Learning, asked: Asked, place: Place, steps: int, seed: int, base_rate: float | None) -> Learner:
    variant = variant_of(system, asked, system.learns)
    conditions = {**_conditions(system, asked), **place.conditions(system)}
    with _usable():
        _refuse_too_large(system, variant, conditions, training=steps > 0)
        return system.begin(variant, conditions, seed, steps=steps, base_rate=base_rate)


def _refuse_too_large(system: Learning, variant: Variant, conditions: Conditions, *, training: bool) -> None:
    updating = [mode for mode in system.modes if OPTIMISER in stages_in(system, mode)]
    cost = system.estimate(variant, conditions, updating[0] if training and updating else system.modes[0])
    needed, free = cost.parameter_bytes + cost.activation_bytes, budget_bytes(None)
    if needed > free:
        raise UsageError(
            f"about {needed / 1e9:.1f} GB would be needed and {free / 1e9:.1f} GB may be used here; "
            "a smaller --size or batch_size would do"
        )


def _restored(system: Learning, file: Path, place: Place) -> Learner:
    with _usable():
        try:
            return system.restore(file, place.conditions(system))
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}; `semh train` writes a checkpoint") from None


def _conditions(system: Learning, asked: Asked) -> Conditions:
    own = [condition.name for condition in system.conditions]
    for name, _ in pairs("--set", asked.settings, "dt=0.5"):
        if name in PROCESS_CONDITIONS:
            raise UsageError(f"--set {name}: a condition of runs; {offer(name, system.name, own)}")
    return conditions_of(system, asked, next(iter(system.sizes), None))


def _checked(system: Learning, option: str, name: str, value: Value) -> Value:
    try:
        return check_condition(system, name, value)
    except RefusedError as refused:
        raise UsageError(f"{option}: {refused}") from None


def _advance(learner: Learner, file: Path, say: Say) -> None:
    first, began = learner.step, time.monotonic()
    every = max(1, math.ceil((learner.steps - first) / LINES))
    while learner.step < learner.steps:
        try:
            loss, norm = learner.advance()
        except FloatingPointError as error:
            raise UsageError(f"{error}; what {file} holds is older and whole") from None
        done, left = learner.step - first, learner.steps - learner.step
        if done == 1 or done % every == 0 or not left:
            seconds = time.monotonic() - began
            rest = f", about {duration(seconds / done * left)} left" if left and done > 1 else ""
            stands = f"{learner.step}/{learner.steps} · {loss:.3f} nats per token · gradient {norm:.2g}"
            say(f"{stands} · {duration(seconds)}{rest}")
        if learner.step % SAVED_EVERY == 0 or not left:
            _save(learner, file)


def _save(learner: Learner, file: Path) -> None:
    try:
        learner.save(file)
    except OSError as error:
        would_do = "a folder that exists and has room would do"
        raise StoreError(f"{file} could not be written: {error.strerror}; {would_do}") from None


@contextmanager
def _usable() -> Iterator[None]:
    """What a system refuses is one line."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from None
