"""Systems with known time and known faults, on the virtual clock: what they plant, the harness must find.

A fake computes y = x W with numpy, so that sameness, causality and purity can be checked in earnest, and takes its
time by advancing the virtual clock: its base time, times the factor its variant plants, times log-normal noise of
1 %. The noise is seeded with the number of the worker's process: every call of every trial differs, every run repeats.

    PLAIN       `pace: slow` takes exactly twice as long; `label` changes neither time nor numbers
    GAINING     six switches, each a gain of its own, two of them with an interaction
    LIAR        `answer: wrong` is three times as fast and 1 % off
    LEAKY       `sight: future` lets y[t] see x[t + 1]
    STAGED      two stages of known times, 1 to 3; `first: fast` halves the first
    UPDATING    a stage, its backward pass and, in mode `train_update`, an update: 3 to 2 to 1 in time
    FAULTY      raises, aborts, hangs, runs out of memory, is killed, gives NaN
    CROSSTALK   `heat: borrowed` takes half the time, but only in a process in which `heat: own` has run
    FADING      `lag: early` takes 1.3 times as long up to process 10 of a run, `lag: always` in all of them
    SLEEPY      as PLAIN, and takes a little real time too, so that a kill can meet it at work
"""

from __future__ import annotations

import itertools
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.measure.virtual import CLOCK
from harness.system import Batch, Condition, Estimate, Output, Probe, Switch

BASE_S = 0.01
NOISE = 0.01


@dataclass
class FakeModule:
    """What the harness hangs hooks on: the part of torch's modules that it uses."""

    forward: Callable[[Any], Any]
    before: dict[int, Any] = field(default_factory=dict)
    after: dict[int, Any] = field(default_factory=dict)
    ids: Any = field(default_factory=itertools.count)

    def __call__(self, x: Any) -> Any:
        for hook in list(self.before.values()):
            hook(self, x)
        y = self.forward(x)
        for hook in list(self.after.values()):
            hook(self, x, y)
        return y

    def register_forward_pre_hook(self, hook: Any) -> Handle:
        return Handle(self.before, next(self.ids), hook)

    def register_forward_hook(self, hook: Any) -> Handle:
        return Handle(self.after, next(self.ids), hook)


class Handle:
    def __init__(self, hooks: dict[int, Any], key: int, hook: Any) -> None:
        self.hooks, self.key = hooks, key
        hooks[key] = hook

    def remove(self) -> None:
        del self.hooks[self.key]


@dataclass
class FakeParameter:
    data: np.ndarray
    grad: None = None

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.data, dtype=dtype)


class FakeModel:
    """y = x W. `share` hands W over, as equal parameters are."""

    def __init__(self, variant: Mapping[str, str], width: int, seed: int, dtype: str, share: FakeModel | None) -> None:
        drawn = np.random.default_rng([seed, width]).standard_normal((width, width))
        self.variant = dict(variant)
        self.weight = share.weight if share is not None else FakeParameter(drawn.astype(dtype))
        self.stages: dict[str, FakeModule] = {}

    def named_parameters(self) -> list[tuple[str, FakeParameter]]:
        return [("weight", self.weight)]

    def get_submodule(self, path: str) -> FakeModule:
        return self.stages[path]


def takes(seconds: float) -> None:
    """Advances the virtual clock, with noise of its own for every call of every process."""
    CLOCK.advance(seconds * float(np.exp(_noise.normal(0.0, NOISE))))


_process = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 0
"""Number of the worker's process in its run."""
_noise = np.random.default_rng(_process)


def unspoilt(variant: Mapping[str, str], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y


@dataclass
class Fake:
    """A System. `work(variant)` takes the time and may misbehave; `finish(variant, x, y)` may spoil the result."""

    name: str
    switches: Sequence[Switch]
    work: Callable[[Mapping[str, str]], None]
    finish: Callable[[Mapping[str, str], np.ndarray, np.ndarray], np.ndarray] = unspoilt
    title: str = "a system with known time and known faults"
    stages: Mapping[str, str] = field(default_factory=dict)
    probes: Sequence[Probe] = (Probe("products", "products", "matrix products of one call", exact=True),)
    sizes: Mapping[str, Mapping[str, int | float]] = field(default_factory=lambda: {"tiny": {"width": 8}})
    conditions: Sequence[Condition] = (
        Condition("width", 8, 1, 4096, "columns"),
        Condition("rows", 6, 1, 4096, "rows"),
        Condition("dt", 0.1, 0.001, 10.0),
    )
    modes: Sequence[str] = ("forward",)
    devices: Sequence[str] = ("virtual",)
    rounding: float = 1e-5
    gradient_slack: float = 10.0

    @property
    def variants(self) -> Mapping[str, Mapping[str, str]]:
        return {
            "status_quo": {switch.name: switch.levels[0] for switch in self.switches},
            "all_on": {switch.name: switch.levels[-1] for switch in self.switches},
        }

    def estimate(self, variant: Mapping[str, str], conditions: Mapping[str, Any], mode: str) -> Estimate:
        width, rows = int(conditions["width"]), int(conditions["rows"])
        return Estimate(
            flops=2.0 * rows * width**2, parameter_bytes=4.0 * width**2, activation_bytes=8.0 * rows * width
        )

    def build(
        self,
        variant: Mapping[str, str],
        conditions: Mapping[str, Any],
        seed: int,
        dtype: str = "float32",
        share: FakeModel | None = None,
    ) -> FakeModel:
        model = FakeModel(variant, int(conditions["width"]), seed, dtype, share)
        model.stages = {path: FakeModule(self._stage(stage, model)) for stage, path in self.stages.items()}
        return model

    def _stage(self, stage: str, model: FakeModel) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            takes(STAGE_S[stage] * (0.5 if (stage, model.variant.get("first")) == ("first", "fast") else 1.0))
            return x @ model.weight.data if stage == "second" else x

        return forward

    def batch(self, conditions: Mapping[str, Any], seed: int, dtype: str = "float32") -> Batch:
        rows, width = int(conditions["rows"]), int(conditions["width"])
        x = np.random.default_rng([seed, rows, width]).standard_normal((rows, width)).astype(dtype)
        return Batch({"x": x}, {"dataset": "made up", "rows": rows})

    def run(self, model: FakeModel, batch: Batch, mode: str) -> Output:
        x = batch.inputs["x"]
        if self.stages:
            y = x
            for path in self.stages.values():
                y = model.stages[path](y)
        else:
            y = x @ model.weight.data
        self.work(model.variant)
        return Output({"y": self.finish(model.variant, x, y)})

    def read_probes(self, model: FakeModel, batch: Batch) -> Mapping[str, float | str]:
        return {"products": 1.0}


STAGE_S = {"first": BASE_S, "second": 3 * BASE_S}


def paced(variant: Mapping[str, str]) -> None:
    takes(BASE_S * (2.0 if variant["pace"] == "slow" else 1.0))


PACE = Switch("pace", ("usual", "slow"), "exact", "fake 1")
LABEL = Switch("label", ("old", "new"), "exact", "fake 2", doc="named in the design, read by no code")

PLAIN = Fake("plain", (PACE, LABEL), paced)


GAINS = {"a": 0.5, "b": 0.8, "c": 1.0, "d": 0.9, "e": 1.1, "f": 0.95}
TOGETHER = {("a", "b"): 1.2}
"""What two changes do besides, where both are made."""


def gained(variant: Mapping[str, str]) -> None:
    """Each `new` level multiplies the time by its gain, whatever the others do, but for the pairs of TOGETHER."""
    new = [name for name, level in variant.items() if level == "new"]
    both = [gain for pair, gain in TOGETHER.items() if set(pair) <= set(new)]
    takes(BASE_S * math.prod([GAINS[name] for name in new] + both))


GAINING = Fake("gaining", tuple(Switch(name, ("old", "new"), "exact", "fake 7") for name in GAINS), gained)


def three_times_as_fast_if_wrong(variant: Mapping[str, str]) -> None:
    takes(BASE_S / (3.0 if variant["answer"] == "wrong" else 1.0))


def one_percent_off(variant: Mapping[str, str], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """In working precision alone: the oracle, in float64, tells the truth."""
    return y * np.float32(1.01) if variant["answer"] == "wrong" and y.dtype == np.float32 else y


LIAR = Fake(
    "liar",
    (Switch("answer", ("right", "wrong"), "exact", "fake 3"),),
    three_times_as_fast_if_wrong,
    one_percent_off,
)


def base_time(variant: Mapping[str, str]) -> None:
    takes(BASE_S)


def next_row_leaks_in(variant: Mapping[str, str], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y + np.roll(x, -1, axis=0) if variant["sight"] == "future" else y


LEAKY = Fake("leaky", (Switch("sight", ("past", "future"), "different", "fake 4"),), base_time, next_row_leaks_in)


def no_time_but_the_stages(variant: Mapping[str, str]) -> None:
    pass


STAGED = Fake(
    "staged",
    (Switch("first", ("usual", "fast"), "exact", "fake 5"),),
    no_time_but_the_stages,
    stages={"first": "first", "second": "second"},
)


@dataclass
class FakeLoss:
    data: np.ndarray

    def backward(self) -> None:
        takes(2 * BASE_S)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.data, dtype=dtype)


@dataclass
class Updating(Fake):
    updating: Sequence[str] = ("train_update",)

    def run(self, model: FakeModel, batch: Batch, mode: str) -> Output:
        output = super().run(model, batch, mode)
        if mode == "forward":
            return output
        loss = FakeLoss(output.tensors["y"].sum())
        return Output({}, loss, (lambda: takes(BASE_S)) if mode in self.updating else None)


UPDATING = Updating(
    "updating",
    (LABEL,),
    no_time_but_the_stages,
    stages={"second": "second"},
    modes=("forward", "train_step", "train_update"),
)

LATE = 8
"""Calls after which `aborts_late` aborts: after prepare and sameness are through, in the blocks of a trial."""
_calls = itertools.count(1)


def misbehave(variant: Mapping[str, str]) -> None:
    takes(BASE_S)
    fault = variant["fault"]
    if fault == "aborts_late" and next(_calls) > LATE:
        os.abort()
    if fault == "raises":
        raise ValueError("planted")
    if fault == "aborts":
        os.abort()
    if fault == "hangs":
        time.sleep(3600)
    if fault == "out_of_memory":
        raise MemoryError("planted")
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)


FAULTS = ("none", "raises", "aborts", "hangs", "out_of_memory", "killed", "nan", "aborts_late")


def nan_if_planted(variant: Mapping[str, str], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y * np.nan if variant["fault"] == "nan" else y


FAULTY = Fake("faulty", (Switch("fault", FAULTS, "exact", "fake 6"),), misbehave, nan_if_planted)


def paced_in_earnest(variant: Mapping[str, str]) -> None:
    paced(variant)
    time.sleep(0.002)


_heated: set[str] = set()


def warmed_by_another(variant: Mapping[str, str]) -> None:
    _heated.add(variant["heat"])
    takes(BASE_S * (0.5 if variant["heat"] == "borrowed" and "own" in _heated else 1.0))


CROSSTALK = Fake("crosstalk", (Switch("heat", ("own", "borrowed"), "exact", "fake 7"),), warmed_by_another)

FADES_AFTER = 10
"""Processes: `prepare`, `sameness` and three trials of two parts."""


def lagging(variant: Mapping[str, str]) -> None:
    lags = {"never": False, "early": _process <= FADES_AFTER, "always": True}
    takes(BASE_S * (1.3 if lags[variant["lag"]] else 1.0))


FADING = Fake("fading", (Switch("lag", ("never", "early", "always"), "exact", "fake 8"),), lagging)

SLEEPY = Fake("sleepy", (PACE, LABEL), paced_in_earnest)
