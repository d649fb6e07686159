"""The seam: what the harness asks of a system, and nothing more.

A system is an object that satisfies `System`. It joins through the entry-point group `semh.systems`, or a suite
names it as `my_package.module:OBJECT`. The harness never imports a model, a model never imports the harness; one
file of the system (`system.py`) knows both. Nothing here imports torch: tensors are duck-typed, so that plans can be
made, and fake systems measured, without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

Scalar = int | float | str | bool
Variant = Mapping[str, str]
"""Switch name -> level: which implementation of everything."""
Conditions = Mapping[str, Scalar]
"""Everything varied that is not a switch: the size's dimensions, dt, training_step, threads, dtype, device."""

SwitchKind = Literal["exact", "approximate", "different"]


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
    level adds nothing beyond the system's rounding. `oracle` is the level the oracle itself uses (None: the cell's
    own level; always so for `different`). Where `applies` is False, and in a mode not in `modes` (empty: all),
    the switch has no effect, and the design merges the variants that differ only in it.
    """

    name: str
    levels: tuple[str, ...]
    kind: SwitchKind
    source: str
    doc: str = ""
    tolerance: Mapping[str, float] = field(default_factory=dict)
    growth: Callable[[Conditions], float] = unchanged
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
    """What one call will cost, from formulas: FLOPs, bytes of parameters, bytes alive at the peak besides those.

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
    """What a call produced. In a training mode `loss` is set and the harness calls `loss.backward()`."""

    tensors: Mapping[str, Any]
    loss: Any | None = None


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

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate: ...

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
        """Probe name -> reading, in an untimed pass of its own. A solver's outcome is a word."""
        ...
