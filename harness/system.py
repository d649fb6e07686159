"""The seam: what the harness asks of a system, and nothing more.

A system is an object that satisfies `System`. It joins through the entry-point group `semh.systems`, or a suite
names it as `my_package.module:OBJECT`. The harness never imports a model, a model never imports the harness; one
file of the system (`system.py`) knows both. Nothing here imports torch: tensors are duck-typed, so that plans can be
made, and fake systems measured, without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

Scalar = int | float | str | bool
Variant = Mapping[str, str]
"""Switch name -> level: which implementation of everything."""
Conditions = Mapping[str, Scalar]
"""Everything varied that is not a switch: the size's dimensions, dt, training_step, threads, dtype, device."""

SwitchKind = Literal["exact", "approximate", "different"]
OPTIMISER = "optimiser"
"""The stage that `Output.update` is. It has no submodule, runs after the backward pass and counts as forward."""


def always(_: Variant) -> bool:
    return True


def never(_: Variant) -> bool:
    return False


def unchanged(_: Conditions) -> float:
    return 1.0


@dataclass(frozen=True)
class Switch:
    """A factor of the system: which implementation.

    kind: `exact` the same numbers to rounding, `approximate` the same function to a declared tolerance, `different`
    another function. `tolerance` maps a level to the largest relative error (2-norm over all outputs) that level
    may add against the float64 oracle, times `growth` under the cell's conditions (depth amplifies errors); a missing
    level adds nothing beyond the system's rounding. `gain` maps a level to how many times larger (2-norm over all
    outputs) it makes the relative error of what reaches it, rounding included; a missing one passes errors on as they
    are. `gradient_gain` is the same for gradients, under the cell's conditions; where it is missing `gain` stands for
    both. `oracle` is the level the oracle itself uses (None: the cell's
    own level; always so for `different`). Where `applies` is False, and in a mode not in `modes` (empty: all),
    the switch has no effect, and the design merges the variants that differ only in it; outside its modes a system runs
    as at the level of the oracle, and what that level adds is still allowed.
    """

    name: str
    levels: tuple[str, ...]
    kind: SwitchKind
    source: str
    doc: str = ""
    tolerance: Mapping[str, float] = field(default_factory=dict)
    growth: Callable[[Conditions], float] = unchanged
    gain: Mapping[str, float] = field(default_factory=dict)
    gradient_gain: Mapping[str, Callable[[Conditions], float]] = field(default_factory=dict)
    oracle: str | None = None
    applies: Callable[[Variant], bool] = always
    modes: tuple[str, ...] = ()

    def alive(self, variant: Variant, mode: str) -> bool:
        return self.applies(variant) and (not self.modes or mode in self.modes)


@dataclass(frozen=True)
class Condition:
    """A number a suite may set: default and the range that makes sense (both ends allowed)."""

    name: str
    default: int | float
    low: float
    high: float
    unit: str = ""
    doc: str = ""

    @property
    def integer(self) -> bool:
        return isinstance(self.default, int)


@dataclass(frozen=True)
class Probe:
    """A number other than time that only the system can read. `exact` ones (counters) repeat without noise."""

    name: str
    unit: str
    doc: str
    exact: bool = False


@dataclass(frozen=True)
class Cost:
    """Of one stage in one call, from formulas: the arithmetic its mathematics asks for, and the bytes that must cross
    memory at the least (inputs and parameters read once, outputs written once). No level of a switch can go below."""

    flops: float
    minimum_bytes: float
    backward_flops: float = 0.0
    backward_minimum_bytes: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """What one call will cost, from formulas: FLOPs, bytes of parameters (in a mode with an update also of what the
    optimiser keeps beside them), bytes alive at the peak besides those.

    `stages` gives the cost of each stage, where the system knows formulas; `whole` that of a call of a system without
    stages.
    """

    flops: float
    parameter_bytes: float
    activation_bytes: float
    stages: Mapping[str, Cost] = field(default_factory=dict)
    whole: Cost | None = None


@dataclass(frozen=True)
class Batch:
    """Inputs for one call. `facts` are recorded with the run (dataset id, distinct tokens seen)."""

    inputs: Mapping[str, Any]
    facts: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """What a call produced. In a training mode `loss` is set and the harness calls `loss.backward()`; then `update`,
    where there is one: the optimiser's step, inside the timed call. It must leave the parameters as they were (a rate
    of 0), since other models in the process may share them."""

    tensors: Mapping[str, Any]
    loss: Any | None = None
    update: Callable[[], object] | None = None


@dataclass(frozen=True)
class Order:
    """Along which axis of an input and of an output nothing may flow backwards: the entries after a position (later
    tokens; other rows where rows are independent) must not reach the output before it. `leaks` marks the variants
    that are documented to break this. The contract tests read it from a system's attribute `order`."""

    input: str
    input_axis: int
    output: str
    output_axis: int
    leaks: Callable[[Variant], bool] = never


@runtime_checkable
class System(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def switches(self) -> Sequence[Switch]: ...
    @property
    def conditions(self) -> Sequence[Condition]:
        """Every number `build`, `batch` and `run` read, the dimensions included."""
        ...

    @property
    def sizes(self) -> Mapping[str, Mapping[str, int | float]]:
        """Named sets of conditions, smallest first; may be empty. What a size leaves out takes its default."""
        ...

    @property
    def modes(self) -> Sequence[str]: ...
    @property
    def devices(self) -> Sequence[str]:
        """Devices this system can run on, the default first: `cpu`, `cuda`, `xpu`, `virtual` (tests)."""
        ...

    @property
    def variants(self) -> Mapping[str, Variant]:
        """Named, complete variants; `status_quo` and `all_on` at least."""
        ...

    @property
    def stages(self) -> Mapping[str, str]:
        """Stage name -> submodule path, in pipeline order; empty where there is only one."""
        ...

    @property
    def probes(self) -> Sequence[Probe]: ...
    @property
    def rounding(self) -> float:
        """Largest relative error of an output through float32 rounding alone."""
        ...

    @property
    def gradient_slack(self) -> float:
        """How many times the output's tolerance a gradient may be off (derived where the system is documented)."""
        ...

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        """Raises ValueError where the conditions do not go together, or the variant is undefined in that mode."""
        ...

    def build(
        self, variant: Variant, conditions: Conditions, seed: int, dtype: str = "float32", share: Any | None = None
    ) -> Any:
        """A model. Parameters equal in name, shape and initialiser are taken from `share` (an earlier model)."""
        ...

    def batch(self, conditions: Conditions, seed: int, dtype: str = "float32") -> Batch: ...

    def run(self, model: Any, batch: Batch, mode: str) -> Output:
        """One call, as it is timed. `forward` runs without autograd; `train_step` leaves `loss` to the harness."""
        ...

    def read_probes(self, model: Any, batch: Batch) -> Mapping[str, float | str]:
        """Probe name -> reading, in an untimed pass of its own, of model and batch: it hears of no mode. A solver's
        outcome is a word."""
        ...


def stages_in(system: System, mode: str) -> tuple[str, ...]:
    """Stages of a call in this mode, in the order they run: those of the pipeline, and `optimiser` where the system's
    attribute `updating`, which a system without updates need not have, names the mode."""
    return (*system.stages, *((OPTIMISER,) if mode in getattr(system, "updating", ()) else ()))


@runtime_checkable
class Needing(System, Protocol):
    """A system some of whose levels need what a machine may lack: a compiler, a package, a kernel for the device. Cells
    of any other are taken to run as they are named."""

    def unavailable(self, variant: Variant, conditions: Conditions, mode: str) -> str | None:
        """Why the variant would not run here as it is named, though something else might in its place, with what would
        do; None where it would. Asked by a worker, before it builds the cell."""
        ...

    def tools(self) -> Mapping[str, str]:
        """What levels need of a machine, by name, each with why it is not here; empty where it is."""
        ...


class Learner(Protocol):
    """A model of a system that learns from text and writes it: bytes in, bytes out. It raises ValueError for what
    cannot be done as asked; the text says what would do."""

    @property
    def step(self) -> int:
        """Training steps done."""
        ...

    @property
    def steps(self) -> int:
        """In all; the learning rate follows their number."""
        ...

    def advance(self) -> tuple[float, float]:
        """One training step: the loss before it in nats per token, the gradient's norm. FloatingPointError where
        either is not finite."""
        ...

    def judge(self) -> tuple[float, float]:
        """On text that is held out, in nats per token: the loss, and what is left to a model that knows how often each
        token occurs and nothing else."""
        ...

    def save(self, file: Path) -> None:
        """Whole or not at all; `restore` of its system reads it."""
        ...

    def write(self, prompt: bytes, count: int, seed: int, sampling: Mapping[str, float]) -> Iterator[bytes]:
        """`count` tokens that follow the prompt. sampling: what the system's sampler takes, by name."""
        ...


@runtime_checkable
class Learning(System, Protocol):
    """A system that also learns. The harness measures any; `semh train` and `semh generate` need one of these."""

    @property
    def learns(self) -> Variant:
        """The variant to learn with unless another is named."""
        ...

    def begin(
        self, variant: Variant, conditions: Conditions, seed: int, *, steps: int, base_rate: float | None = None
    ) -> Learner:
        """Untrained. base_rate: None for the system's own."""
        ...

    def restore(self, file: Path, place: Conditions) -> Learner:
        """As it was saved; where it goes on, device and threads, is not part of that. OSError for a file that cannot be
        read, ValueError for one that cannot be used."""
        ...


@dataclass(frozen=True)
class Held:
    """Tensors of a call that are alike, in one place; each with memory of its own."""

    stage: str
    place: str
    """A parameter's name, else the submodule that made them; `*` stands for every layer of a stack."""
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    """Of one of them."""
    made: int
    """How many the stage's forward makes."""
    kept: int
    """How many are still there when it ends."""
    parameter: bool = False


@dataclass(frozen=True)
class Span:
    """Bytes alive in a stretch of a call, parameters and inputs among them."""

    begin_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class Holdings:
    tensors: Sequence[Held]
    spans: Mapping[str, Span]
    """`head`, and where there is a backward pass `head.backward`; under the empty name what lies between stages."""
    parameter_bytes: int
    input_bytes: int
    assumed: str = ""
    """Levels that were counted in place of the variant's own."""


@runtime_checkable
class Counting(System, Protocol):
    """A system that can say what a call holds without holding it. `semh memory` needs one of these."""

    def holdings(self, variant: Variant, conditions: Conditions, mode: str) -> Holdings:
        """Raises ValueError for a mode that cannot be counted; the text names those that can."""
        ...
