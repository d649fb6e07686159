"""What must hold on a real device. `test_cuda.py` and `test_xpu.py` ask it of theirs; `test_device_runs.py` asks part
of it of the host, so that this code itself is run wherever the tests are.

Nothing here asserts how long something takes: times are compared with each other, with a tolerance for a clock that
changes by steps and for launches.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from clock_contract import RULES
from torch import nn

from harness.measure import device as devices
from harness.measure import guards
from harness.measure.allocator import allocator_of
from harness.measure.canary import DeviceCanary
from harness.measure.clock import Clock, clock_of, mark_cost
from harness.measure.device_facts import fix_settings
from harness.measure.environment import environment
from harness.measure.once import oracle_variant, tolerances
from harness.measure.resident import Resident, outcome_of, settle_in
from harness.measure.stage_memory import stage_memory
from harness.measure.stages import StageRecorder
from harness.records import Cell
from harness.system import System
from harness.systems import load_system
from tests.runner_helpers import environment as variables

PRODUCT_S = 2e-4
"""Well above what a launch costs the host."""
SLACK_S = 5e-5
"""Of each number read: the latency of a launch into an empty queue."""
RELATIVE = 0.25
"""Between two spells of the same work on an otherwise idle device."""


@dataclass(frozen=True)
class Rig:
    """A device and sizes that keep it busy for long enough."""

    device: str
    width: int = 4096
    """Of the products that fill a stage."""
    batch: str = "tiny"

    @cached_property
    def clock(self) -> Clock:
        return clock_of(self.device)


def skip_without(name: str) -> None:
    """Skips a whole module where there is no such device, saying what is missing."""
    why = devices.absent(name)
    if why:
        pytest.skip(f"{name}: {why}", allow_module_level=True)
    fix_settings(name)


@dataclass(frozen=True)
class Spinner:
    """Work of a known time: one matrix product again and again, in units of ten."""

    size: int
    work: Callable[[], Any]
    product_s: float

    @property
    def unit_s(self) -> float:
        return 10 * self.product_s

    def launch(self, seconds: float) -> None:
        """Put into the queue, a whole number of products."""
        for _ in range(round(seconds / self.product_s)):
            self.work()


def spinner(rig: Rig) -> Spinner:
    """Products large enough that the host is always ahead of them, and their time as the device's clock gives it."""
    size, found = 256, _products(rig, 256)
    while found.product_s < PRODUCT_S and size < 8192:
        size = size * 3 // 2
        found = _products(rig, size)
    return found


def _products(rig: Rig, size: int) -> Spinner:
    clock = rig.clock
    matrix = torch.randn(size, size, device=rig.device)
    product = torch.empty_like(matrix)

    def work() -> None:
        torch.mm(matrix, matrix, out=product)

    def seconds(count: int) -> float:
        clock.synchronise()
        start = clock.mark()
        for _ in range(count):
            work()
        return clock.resolve([start, clock.mark()])[1] / count

    seconds(50)  # libraries load, the clock rises
    return Spinner(size, work, min(seconds(50) for _ in range(5)))


def keeps_the_contract(rig: Rig) -> None:
    """Each rule, at its best of five, each held against products timed just before it: clocks rise and fall."""
    size = spinner(rig).size
    for name, rule in RULES.items():
        readings = []
        for _ in range(5):
            spin = _products(rig, size)
            readings.append(rule(rig.clock, spin.launch, spin.unit_s))
        assert any(one.holds(SLACK_S, RELATIVE) for one in readings), f"{name}: {readings}"


def host_time_fails_where_events_do_not(rig: Rig) -> None:
    """The queue is one: the host is back long before the work is done, and the events read the work."""
    spin, clock = spinner(rig), rig.clock
    clock.synchronise()
    start, began = clock.mark(), time.perf_counter()
    spin.launch(40 * spin.unit_s)
    end, issued_s = clock.mark(), time.perf_counter() - began
    device_s = clock.resolve([start, end])[1]
    wall_s = time.perf_counter() - began
    assert issued_s < device_s
    assert device_s == pytest.approx(wall_s, rel=RELATIVE, abs=SLACK_S)


def earlier_work_is_not_paid_for(rig: Rig) -> None:
    spin, clock = spinner(rig), rig.clock
    spin.launch(40 * spin.unit_s)
    clock.synchronise()
    start = clock.mark()
    spin.launch(spin.product_s)
    assert clock.resolve([start, clock.mark()])[1] < 20 * spin.unit_s


class Products(nn.Module):
    """So many products with a fixed matrix, each with one product of its own in the backward pass."""

    def __init__(self, matrix: torch.Tensor, count: int) -> None:
        super().__init__()
        self.matrix, self.count = matrix, count

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.count):
            x = x @ self.matrix
        return x


COUNTS = {"first": 4, "second": 12, "third": 6}


def stages_are_told_apart_in_both_directions(rig: Rig) -> None:
    """Shares of the stages are those of their products, and stages and whole close."""
    matrix = torch.randn(rig.width, rig.width, device=rig.device) / math.sqrt(rig.width)
    model = nn.Sequential()
    for name, count in COUNTS.items():
        model.add_module(name, Products(matrix, count))
    best: dict[str, float] = {}
    closures = []
    for _ in range(6):
        clock = rig.clock
        x = torch.randn(rig.width, rig.width, device=rig.device, requires_grad=True)
        clock.synchronise()
        start = clock.mark()
        with StageRecorder(clock, model, {name: name for name in COUNTS}) as recorder:
            loss = model(x).square().mean()
            recorder.start_backward()
            loss.backward()
            recorder.end_backward()
        whole = clock.resolve([start, clock.mark()])[1]
        times = recorder.times()
        closures.append(abs(1 - sum(times.values()) / whole))
        best = {name: min(seconds, best.get(name, seconds)) for name, seconds in times.items()}
    for suffix in ("", ".backward"):
        per_product = [best[name + suffix] / count for name, count in COUNTS.items()]
        assert max(per_product) / min(per_product) < 1.5, best
    assert min(closures) < 0.2, closures


def a_mark_has_a_cost_and_the_canary_a_time(rig: Rig) -> None:
    clock = rig.clock
    assert 0 < mark_cost(clock) < math.inf
    canary = DeviceCanary(rig.device)
    canary.sing()
    clock.synchronise()
    start = clock.mark()
    canary.sing()
    assert clock.resolve([start, clock.mark()])[1] > 0


def conditions_of(system: System, rig: Rig) -> dict[str, Any]:
    given: dict[str, Any] = {condition.name: condition.default for condition in system.conditions}
    return given | dict(system.sizes[rig.batch]) | {"device": rig.device, "dtype": "float32"}


def resident_of(system: System, rig: Rig, variant: Mapping[str, str], mode: str, **other: Any) -> Resident:
    conditions = conditions_of(system, rig) | other
    cell = Cell(id="c", part="p", name="c", variant=dict(variant), conditions=conditions, baseline="c")
    return settle_in(cell, system, mode, 0, None, {})


def parameters_are_the_hosts(rig: Rig) -> None:
    for name in ("sem", "sem_propagator"):
        system = load_system(name)
        variant = system.variants["all_on"]
        here, there = (resident_of(system, rig, variant, "forward", device=on) for on in ("cpu", rig.device))
        moved = guards.parameters(there.model)
        assert {tensor.device.type for tensor in (*moved.values(), *there.batch.inputs.values())} == {rig.device}
        assert guards.digest(moved.items()) == guards.digest(guards.parameters(here.model).items())
        assert guards.digest(there.batch.inputs.items()) == guards.digest(here.batch.inputs.items())


def flips() -> Iterator[Any]:
    """Every level of every switch, alone and where it applies, in every mode that is defined for it."""
    for name in ("sem", "sem_propagator"):
        system = load_system(name)
        base = system.variants["status_quo"]
        variants = {"status_quo": base, "all_on": system.variants["all_on"]}
        variants |= {
            f"{switch.name}-{level}": {**base, switch.name: level}
            for switch in system.switches
            for level in switch.levels
            if level != base[switch.name] and switch.applies(base)
        }
        for label, variant in variants.items():
            for mode in system.modes:
                if defined(system, variant, mode):
                    yield pytest.param(name, variant, mode, id=f"{name}-{label}-{mode}")


def defined(system: System, variant: Mapping[str, str], mode: str) -> bool:
    """Whether the mode has a meaning for the variant: one that needs all that follows cannot decode."""
    try:
        system.estimate(variant, conditions_of(system, Rig("cpu")), mode)
    except ValueError:
        return False
    return True


@contextmanager
def what_is_missing_is_said(rig: Rig) -> Iterator[None]:
    """An XPU may lack an operator: then the test is skipped, with the words of the outcome. CUDA lacks none."""
    try:
        yield
    except (NotImplementedError, RuntimeError) as error:
        if rig.device != "xpu":
            raise
        outcome = outcome_of(error, "c", "first call")
        assert outcome.outcome == "failed"
        assert outcome.detail
        pytest.skip(f"this torch lacks it on {rig.device}: {outcome.detail}")


def agrees_with_the_hosts_oracle(rig: Rig, name: str, variant: Mapping[str, str], mode: str) -> None:
    system = load_system(name)
    truth = _answers(resident_of(system, rig, oracle_variant(system, variant), mode, device="cpu", dtype="float64"))
    resident = resident_of(system, rig, variant, mode)
    with what_is_missing_is_said(rig):
        found = _answers(resident)
    on_the_host = _answers(resident_of(system, rig, variant, mode, device="cpu"))
    assert _within(system, resident, found, truth) == _within(system, resident, on_the_host, truth)


Answers = tuple[dict[str, Any], dict[str, Any]]


def _within(system: System, resident: Resident, found: Answers, truth: Answers) -> bool:
    """Within the tolerance its levels declare. A method that stalls is outside, on the host too."""
    variant, conditions = resident.cell.variant, resident.cell.conditions
    allowed = tolerances(system, variant, conditions, resident.mode)
    assert found[1].keys() == truth[1].keys()
    errors = [guards.relative_error(found[0], truth[0]) / allowed.outputs]
    if truth[1]:
        errors.append(guards.gradient_error(found[1], truth[1]) / allowed.gradients)
    return max(errors) <= 1


def _answers(resident: Resident) -> Answers:
    resident.prepare()
    output = resident.call()
    found = {name: guards.as_array(tensor).copy() for name, tensor in resident.tensors(output).items()}
    assert guards.finite(resident.tensors(output))
    return found, guards.gradients(resident.model)


def memory_of_stages_is_read(rig: Rig) -> None:
    """Of the method that needs no sparse product."""
    system = load_system("sem")
    variant = {**system.variants["status_quo"], "method": "direct"}
    resident = resident_of(system, rig, variant, "train_step")
    with what_is_missing_is_said(rig):
        resident.call()
    found = stage_memory(resident, allocator_of(rig.device), system.stages)
    assert found.unstaged == ""
    assert found.stages.keys() == {f"{name}{suffix}" for name in system.stages for suffix in ("", ".backward")}
    assert found.saved_bytes > 0
    assert 0 < max(stage.peak_bytes for stage in found.stages.values()) <= found.allocator_peak_bytes


def too_large_a_tensor_is_out_of_memory(rig: Rig) -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(1 << 50, dtype=torch.uint8, device=rig.device)
    assert outcome_of(raised.value, "c", "build").outcome == "out_of_memory"
    assert devices.works(rig.device)


def the_device_tells_what_it_is(rig: Rig) -> None:
    found = devices.facts(rig.device)
    assert found.absent == ""
    assert found.name and found.driver
    assert 0 < found.free_bytes <= found.memory_bytes
    here = environment(["sem"], (rig.device,))
    assert [device.kind for device in here.devices] == [rig.device]
    assert rig.device not in here.not_run


def smoke_runs_end_to_end(rig: Rig, folder: Path) -> SimpleNamespace:
    """`semh run suites/smoke.yaml` on the device, in a folder of its own: what it said, its exit code, its report."""
    suite = Path(__file__).resolve().parent.parent / "suites" / "smoke.yaml"
    command = ["-m", "cli", "run", str(suite), "--preset", "smoke", "--set", f"device={rig.device}"]
    done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, env=variables())
    reports = list(folder.glob("reports/*/report.md"))
    assert done.returncode in (0, 3), done.stderr
    assert len(reports) == 1, done.stderr
    text = reports[0].read_text()
    assert rig.device in text
    assert "crashed" not in text
    return SimpleNamespace(code=done.returncode, said=done.stdout + done.stderr, report=text)


CHECKS = (
    keeps_the_contract,
    host_time_fails_where_events_do_not,
    earlier_work_is_not_paid_for,
    stages_are_told_apart_in_both_directions,
    a_mark_has_a_cost_and_the_canary_a_time,
    parameters_are_the_hosts,
    memory_of_stages_is_read,
    too_large_a_tensor_is_out_of_memory,
    the_device_tells_what_it_is,
)
