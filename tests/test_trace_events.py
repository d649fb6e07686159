"""Traces drawn by hand: backward stages hold whole steps, self times add up, kernels find their operator."""

from __future__ import annotations

import random

import pytest

from harness.records import Cell
from harness.records.trace import Operators, OperatorTime, StageSpan
from harness.report.trace import markdown
from harness.trace.compare import BETWEEN, WHOLE, compare
from harness.trace.events import nested
from harness.trace.operators import summed
from harness.trace.ranges import with_backward_stages
from tests.trace_helpers import ENGINE, HOST, backward, event, forward, launch

STAGES = ("encoder", "head")
US = 1e-6


def drawn(events):
    return {
        one["name"]: (one["ts"], one["ts"] + one["dur"], one["tid"])
        for one in with_backward_stages(events, STAGES)
        if one["name"].endswith(".backward")
    }


@pytest.mark.parametrize("thread", [HOST, ENGINE])
def test_a_backward_stage_begins_with_the_step_that_learnt_of_its_gradient_on_the_thread_of_the_pass(thread):
    found = drawn([*forward(), *backward(thread)])
    assert found == {
        "semh:head.backward": (100, pytest.approx(140, abs=0.01), thread),
        "semh:encoder.backward": (140, pytest.approx(190, abs=0.01), thread),
    }


def test_what_is_drawn_nests_and_no_mark_is_left():
    events = with_backward_stages([*forward(), *backward()], STAGES)
    assert not [one for one in events if "gradient of" in one["name"]]
    parents = {(span.name, span.start): span.parent and span.parent.name for span in nested(events)}
    assert parents["semh:head.backward", 100_000] == "semh:backward"
    assert parents["evaluate: head", 105_000] == "semh:head.backward"
    assert parents["evaluate: encoder", 140_000] == "semh:encoder.backward"
    assert [one["ts"] for one in events] == sorted(one["ts"] for one in events)


def test_an_outer_range_stands_before_the_inner_one_that_begins_with_it():
    names = [one["name"] for one in with_backward_stages([*forward(), *backward()], STAGES)]
    assert names.index("semh:backward") < names.index("semh:head.backward")
    assert names.index("semh:encoder.backward") < names.index("evaluate: encoder")


def test_ranges_never_cross_for_a_viewer_that_cuts_times_to_whole_nanoseconds():
    """Seconds since boot as µs with three decimals, as torch writes them, are not exact as binary fractions."""
    chance = random.Random(2)
    for _ in range(200):
        since = 4_457_983_761_000 + round(chance.uniform(0, 1000), 3)
        events = [one | {"ts": round(one["ts"] + since, 3)} for one in (*forward(), *backward())]
        [step] = [one for one in events if one["name"] == "evaluate: encoder"]
        step["ts"] = round(step["ts"] - chance.uniform(0, 9), 3)
        first, second = (
            (int(one["ts"] * 1000), int(one["ts"] * 1000) + int(one["dur"] * 1000))
            for one in with_backward_stages(events, STAGES)
            if one["name"].endswith(".backward")
        )
        assert first[0] < first[1] <= second[0] < second[1] <= int((190 + since) * 1000)


def test_a_stage_without_a_gradient_leaves_its_time_to_the_later_one():
    events = [one for one in backward() if "gradient of" not in one["name"]]
    assert drawn([*forward(), *events]) == {"semh:head.backward": (100, pytest.approx(190, abs=0.01), HOST)}


def test_a_stage_that_did_not_run_has_no_backward():
    assert set(drawn([one for one in (*forward(), *backward()) if one["name"] != "semh:head"])) == {
        "semh:encoder.backward"
    }


def test_self_times_are_exact_and_add_up_to_the_calls():
    found = summed(with_backward_stages([*forward(), *backward()], STAGES))
    at = {(one.stage, one.name): one for one in found.operators}
    assert at["encoder", "aten::addmm"].self_cpu_s == pytest.approx(15 * US)
    assert at["encoder", "aten::linear"].self_cpu_s == pytest.approx(5 * US)
    assert at["encoder", "semh:encoder"].self_cpu_s == pytest.approx(10 * US)
    assert at["encoder.backward", "aten::mm"].self_cpu_s == pytest.approx(20 * US)
    assert (at["head", "aten::mm"].calls, found.calls) == (1, 1)
    assert sum(one.self_cpu_s for one in found.operators) == pytest.approx(found.call_s) == 200 * US
    assert [(one.name, one.cpu_s) for one in found.stages] == [
        ("encoder", pytest.approx(30 * US)),
        ("head", pytest.approx(20 * US)),
        ("head.backward", pytest.approx(40 * US, abs=1e-8)),
        ("encoder.backward", pytest.approx(50 * US, abs=1e-8)),
    ]


def test_what_lies_outside_a_call_is_not_counted():
    before = summed([*forward(), event("aten::zero_", -4, -1), event("aten::zero_", 201, 205)])
    assert before == summed(forward())


def test_a_kernel_belongs_to_the_operator_and_stage_that_launched_it_whenever_it_ran():
    events = [*forward(), *backward(ENGINE)]
    events += launch(15, 1, at=20, start=60, end=90)  # the encoder's, run while the host is in the head
    events += launch(150, 2, at=155, start=160, end=199, thread=ENGINE)
    events += launch(777, 3, at=55, start=95, end=99)  # by no operator, from within the head
    found = summed(with_backward_stages(events, STAGES))
    on_device = {(one.stage, one.name): one.self_device_s for one in found.operators if one.self_device_s}
    assert on_device == {
        ("encoder", "aten::addmm"): pytest.approx(30 * US),
        ("encoder.backward", "aten::mm"): pytest.approx(39 * US),
        ("head", "some_kernel"): pytest.approx(4 * US),
    }
    assert {one.name: one.device_s for one in found.stages} == {
        "encoder": pytest.approx(30 * US),
        "head": pytest.approx(4 * US),
        "head.backward": 0,
        "encoder.backward": pytest.approx(39 * US),
    }


def test_nesting_holds_for_any_tree_in_any_order():
    chance = random.Random(1)
    events = []

    def grow(name: str, start: int, end: int) -> None:
        events.append(event(name, start, end))
        cuts = sorted(chance.sample(range(start, end + 1), min(4, end - start + 1)))
        for number, (left, right) in enumerate(zip(cuts[::2], cuts[1::2], strict=False)):
            if right - left < end - start:
                grow(f"{name}.{number}", left, right)

    grow("0", 0, 5000)
    whole = {one["name"]: one for one in events}
    chance.shuffle(events)
    spans = nested(events)
    assert len(spans) == len(whole) > 20
    for span in spans:
        assert (span.parent.name if span.parent else "") == span.name.rpartition(".")[0]
    assert sum(span.self_ns for span in spans) == 5_000_000


def operators(name: str, calls: int, device: str = "cpu", **rows: tuple[int, float]) -> Operators:
    cell = Cell(id=name * 3, part="p", name=name, variant={}, conditions={"dt": 0.1}, baseline=name * 3)
    return Operators(
        suite="s",
        suite_sha256="",
        system="tiny",
        mode="forward",
        device=device,
        cell=cell,
        calls=calls,
        call_s=1.0 * calls,
        stages=(StageSpan(name="encoder", cpu_s=0.75 * calls, device_s=0.1),),
        operators=tuple(
            OperatorTime(stage="encoder", name=row, calls=count, self_cpu_s=time, self_device_s=time / 10)
            for row, (count, time) in rows.items()
        ),
        trace="",
        made="",
        machine_id="",
        code_sha256="",
        versions={},
    )


def test_a_difference_is_per_call_and_sorted_by_size():
    first = operators("a", 2, mm=(4, 1.0), add=(2, 0.6), only=(2, 0.4))
    second = operators("b", 1, mm=(1, 0.9), add=(1, 0.0), sort=(3, 0.1))
    compared = compare(first, second)
    assert [row.name for row in compared.operators] == ["mm", "add", "only", "sort"]
    mm, add, only, sort = compared.operators
    assert (mm.first.calls, mm.first.time_s, mm.first.share) == (2, 0.5, 0.5)
    assert (mm.difference_s, mm.ratio) == (pytest.approx(-0.4), pytest.approx(5 / 9))
    assert [row.difference_s for row in (add, only, sort)] == pytest.approx([0.3, 0.2, -0.1])
    assert [row.ratio for row in (add, only, sort)] == [None, None, None]
    assert sum(row.first.share for row in compared.operators) == pytest.approx(1.0)


def test_stages_with_what_lies_between_add_up_to_the_whole_call():
    compared = compare(operators("a", 2), operators("b", 1))
    rows = {row.name: row for row in compared.stages}
    assert list(rows) == ["encoder", BETWEEN, WHOLE]
    assert rows["encoder"].first.time_s + rows[BETWEEN].first.time_s == pytest.approx(rows[WHOLE].first.time_s) == 1.0


def test_on_a_device_its_time_is_what_counts():
    [row] = compare(operators("a", 1, device="cuda", mm=(1, 1.0))).operators
    assert row.first.time_s == pytest.approx(0.1)
    assert "time of the kernels on the device" in markdown(compare(operators("a", 1, device="cuda", mm=(1, 1.0))))


def test_the_record_alone_makes_the_tables_and_what_is_hostile_stays_text():
    first = operators("a|b`<script>", 1, **{"x|y `z` <b>": (1, 0.5)})
    read = Operators.model_validate_json(first.model_dump_json())
    assert markdown(compare(read, operators("b", 1))) == markdown(compare(first, operators("b", 1)))
    page = markdown(compare(read))
    assert "<script>" not in page and "x\\|y \\`z\\` &lt;b&gt;" in page
    widths = {line.replace("\\|", "").count("|") for line in page.splitlines() if line.startswith("|")}
    assert widths == {4, 5}


def test_a_compiled_graph_is_one_operator_with_a_short_name():
    page = markdown(compare(operators("a", 1, **{"## Call CompiledFxGraph fwzju6y5ekxhc66f5nac ##": (6, 0.5)})))
    assert "| compiled graph fwzju6y5 | 6 |" in page and "Mean of 1 traced call, " in page


def test_the_tables_say_that_only_a_run_measures():
    page = markdown(compare(operators("a", 1, mm=(1, 0.5)), operators("b", 1)))
    assert "inflated by the profiler" in page and "only \\`semh run\\` measures" in page
    assert "one after the other" in page
