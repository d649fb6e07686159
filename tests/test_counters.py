"""Counters: exact, the same every time, and silent where they would be wrong."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks.counters import differing, flat
from harness.analysis.evidence import Evidence
from harness.analysis.sizes import sizes
from harness.measure.counters import counters, operator_counts, parameter_count
from harness.measure.resident import Resident
from harness.records import CellSummary, Counters, StageBytes, StageMemory
from harness.report.markdown import table_lines
from harness.report.sizes_view import counters_sentences, counters_table
from harness.system import Batch, Cost, Estimate, Output, Probe

ROWS, WIDTH, WIDE = 4, 8, 16


class Multiply(nn.Module):
    """One product, one addition."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH, WIDE))

    def forward(self, x):
        return x @ self.weight + 1


class Sine(nn.Module):
    """One operator; it keeps its input, which autograd need not detach."""

    def forward(self, x):
        return x.sin()


class Turn(nn.Module):
    """A complex product and an absolute value."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDE, WIDE, dtype=torch.complex64))

    def forward(self, x):
        return (torch.complex(x, x) @ self.weight).abs()


class Model(nn.Module):
    def __init__(self, second):
        super().__init__()
        self.first, self.second = Multiply(), second

    def forward(self, x):
        return self.second(self.first(x))


STAGES = {"first": "first", "second": "second"}
ESTIMATE = Estimate(1.0, 1.0, 1.0, {"first": Cost(10.0, 2.5, 20.0, 3.0), "second": Cost(1.0, 2.0)})
PROBES = (Probe("steps", "steps", "counted", exact=True), Probe("error", "", "read", exact=False))


def resident(second, mode="train_step"):
    def run(model, batch, mode):
        if mode == "train_step":
            return Output({}, loss=model(batch.inputs["x"]).sum())
        with torch.no_grad():
            return Output({"y": model(batch.inputs["x"])})

    system = SimpleNamespace(run=run, probes=PROBES, estimate=lambda *_: ESTIMATE)
    cell = SimpleNamespace(id="cell", variant={}, conditions={})
    made = Resident(cell, system, mode, Model(second), Batch({"x": torch.ones(ROWS, WIDTH)}))
    made.call()
    return made


def test_operators_and_flops_are_those_of_the_stage_and_of_the_direction():
    """Forward: mm and add, sin, sum. Backward of mm: one product of the same size, since x wants no gradient; before
    all stages the sum's own, ones and their expansion."""
    found, uncounted = operator_counts(resident(Sine()), STAGES)
    product = 2 * ROWS * WIDTH * WIDE
    assert uncounted == ""
    assert found["first.operators"] == 2
    assert found["second.operators"] == 1
    assert found["first.torch_flops"] == found["first.backward_torch_flops"] == product
    assert "second.torch_flops" not in found
    assert found["operators"] == 2 + 1 + 1
    assert found["torch_flops"] == found["backward_torch_flops"] == product
    assert found["backward_operators"] == 2 + found["first.backward_operators"] + found["second.backward_operators"]


def test_torch_s_formulas_are_left_out_where_an_operand_was_complex():
    found, _ = operator_counts(resident(Turn(), "forward"), STAGES)
    assert found["first.torch_flops"] == 2 * ROWS * WIDTH * WIDE
    assert "second.torch_flops" not in found
    assert "torch_flops" not in found
    assert found["second.operators"] > 0
    assert "backward_operators" not in found


def test_a_composite_operator_counts_as_what_it_is_made_of():
    """matmul of three axes is a view, a product and a view; under inference mode too, where torch leaves it whole."""

    class Batched(nn.Module):
        def forward(self, x):
            return torch.matmul(x.unsqueeze(0), torch.ones(WIDE, WIDE))

    made = resident(Batched(), "forward")
    plain = operator_counts(made, STAGES)[0]
    with torch.inference_mode():
        assert operator_counts(made, STAGES)[0]["second.torch_flops"] == plain["second.torch_flops"] > 0


def test_a_cell_that_runs_compiled_has_no_operators_and_says_so():
    """`eager`: the compiler's front end alone, no C++ is built. A compiled cell elsewhere in the process does not
    silence one that runs eagerly."""
    compiled = resident(torch.compile(Sine(), backend="eager"))
    found = counters(compiled, STAGES, {"steps": 3, "error": 0.5})
    assert found.uncounted == "operators (part of it runs compiled)"
    assert not any("operators" in name or "torch_flops" in name for name in found.values)
    assert found.values["steps"] == 3
    assert operator_counts(resident(Sine()), STAGES)[0]["second.operators"] == 1


def test_formulas_parameters_and_exact_probes_are_counters_too():
    made = resident(Sine())
    found = counters(made, STAGES, {"steps": 3, "error": 0.5, "outcome": "converged"}).values
    assert found["parameters"] == parameter_count(made.model) == WIDTH * WIDE
    assert (found["flops"], found["backward_flops"], found["minimum_bytes"]) == (11, 20, 4.5)
    assert (found["first.flops"], found["first.backward_minimum_bytes"]) == (10, 3)
    assert "second.backward_flops" not in found
    assert isinstance(found["flops"], int)
    assert found["steps"] == 3
    assert not {"error", "outcome"} & set(found)


def test_counters_are_the_same_every_time():
    made = resident(Turn())
    assert len({counters(made, STAGES, {}).model_dump_json() for _ in range(3)}) == 1


def test_a_system_that_bears_no_dispatch_mode_loses_its_operators_alone():
    class Proud(nn.Module):
        def forward(self, x):
            if torch.utils._python_dispatch._get_current_dispatch_mode_stack():
                raise RuntimeError("watched")
            return x

    found = counters(resident(Proud()), STAGES, {})
    assert "watched" in found.uncounted
    assert found.values["parameters"] == WIDTH * WIDE


def memory(cell="cell", peak=5, **changes):
    stages = {"first": StageBytes(peak_bytes=peak, delta_bytes=1)}
    return StageMemory(cell=cell, allocator_peak_bytes=9, saved_bytes=None, stages=stages, **changes)


def evidence(counted=(), read=()):
    found = Evidence(None, 0.02, smoke=True)
    found.counters["cell"], found.stage_memory["cell"] = list(counted), list(read)
    return found


def test_a_counter_that_differed_is_noted_with_its_readings():
    readings = [Counters(cell="cell", values={"operators": number, "steps": 3}) for number in (7, 7, 8)]
    found = sizes(evidence(readings, [memory(), memory(peak=6)]), "cell")
    assert found.counters == {"operators": 8, "steps": 3}
    assert found.notes == (
        "counter first.peak_bytes differed between readings: 5, 6",
        "counter operators differed between readings: 7, 8",
    )
    assert sizes(evidence(readings[:2], [memory(), memory()]), "cell").notes == ()


def test_what_could_not_be_counted_is_said():
    found = sizes(
        evidence([Counters(cell="cell", values={}, uncounted="operators (why)")], [memory(unstaged="no gradient")]),
        "cell",
    )
    assert found.uncounted == ("memory of the stages (no gradient)", "operators (why)")
    assert sizes(evidence(), "cell").stages == ()


def test_the_report_shows_counters_by_cell_and_stage_and_names_what_is_missing():
    values = {"parameters": 12345, "flops": 4.2e7, "operators": 30, "head.flops": 2.5e6, "head.torch_flops": 1e6}
    cells = [
        CellSummary(cell="a", part="p", name="plain", outcome="measured", counters=values),
        CellSummary(
            cell="b",
            part="p",
            name="fused",
            outcome="measured",
            counters={"parameters": 5},
            uncounted=("operators (part of it runs compiled)",),
        ),
    ]
    assert list(table_lines(counters_table(cells)))[2:-1] == [
        "| Cell | Stage | Parameters | FLOPs, MFLOP | Torch counts, MFLOP | Operators |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
        "| plain | whole call | 12345 | 42.00 |  | 30 |",
        "| plain | head |  | 2.500 | 1.000 |  |",
        "| fused | whole call | 5 |  |  |  |",
    ]
    assert list(counters_sentences(cells))[1] == "Not known of fused: operators (part of it runs compiled)."


def test_the_benchmark_finds_a_counter_that_differs_or_is_missing():
    lines = [Counters(cell="cell", values={"operators": 7}), memory()]
    same = {("cell", name): value for line in lines for name, value in flat(line)}
    assert same["cell", "first.peak_bytes"] == 5
    other = dict(same) | {("cell", "operators"): 8}
    less = {key: value for key, value in same.items() if key[1] != "first.delta_bytes"}
    assert list(differing([same, dict(same)])) == []
    assert list(differing([same, other, less])) == [
        "cell: operators 7, 8, 7",
        "cell: first.delta_bytes 1, 1, missing",
    ]


@pytest.mark.parametrize("mode", ["forward", "train_step"])
def test_a_stage_s_operators_never_exceed_the_call_s(mode):
    found, _ = operator_counts(resident(Turn(), mode), STAGES)
    assert found["first.operators"] + found["second.operators"] <= found["operators"]
