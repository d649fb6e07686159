"""Limits on stated ceilings and costs are exact; a floor that was beaten is named as the fault of its ceiling."""

import dataclasses

import pytest
from limits_helpers import BASE_S, GB, GFLOP, analysed, ceiling, limits, summary, world
from report_reading import Page, printed

from harness.plan import make_plan
from harness.records import Cell, Manifest, StageCost
from harness.report import html, markdown
from harness.report.limits_view import farthest
from harness.report.lookup import Run
from harness.report.terminal import summary as terminal
from harness.report.view import view
from harness.suite import read_suite
from harness.systems import load_system

COSTS = {"encoder": StageCost(flops=1e7, minimum_bytes=1e6), "head": StageCost(flops=1e6, minimum_bytes=2e7)}
"""At 100 GFLOP/s and 10 GB/s: 0.1 ms of arithmetic against 0.1 ms of traffic, and 0.01 against 2 ms."""


def exactly(value: float):
    return pytest.approx(value, rel=1e-12)


def test_a_floor_is_the_longer_of_arithmetic_and_traffic():
    found = limits(world(COSTS | {"encoder": StageCost(flops=2e7, minimum_bytes=1e6)}), ceiling())
    assert set(found) == {("encoder", "forward"), ("head", "forward"), ("", "forward")}
    encoder, head, whole = found["encoder", "forward"], found["head", "forward"], found["", "forward"]
    assert (encoder.floor_s, encoder.bound) == (exactly(2e7 / (100 * GFLOP)), "arithmetic")
    assert (head.floor_s, head.bound) == (exactly(2e7 / (10 * GB)), "bandwidth")
    assert encoder.over_floor.point == exactly(0.25 * BASE_S / 2e-4)
    assert head.over_floor.point == exactly(0.75 * BASE_S / 2e-3)
    assert (whole.floor_s, whole.bound) == (exactly(2e-4 + 2e-3), "bandwidth")
    assert whole.over_floor.point == exactly(BASE_S / 2.2e-3)
    assert not any(limit.fault for limit in found.values())


def test_the_interval_over_the_floor_is_that_of_the_time():
    made = dataclasses.replace(world(COSTS), noise=0.05)
    _, analysis = analysed(made, ceiling())
    base = summary(analysis, "base")
    for limit in base.limits:
        time = next((s.time_s for s in base.stages if s.stage == limit.stage), base.time_s)
        assert limit.time_s == time
        assert limit.over_floor.high == exactly(time.high / limit.floor_s)
        assert limit.over_floor.low == exactly(time.low / limit.floor_s)
        assert limit.over_floor.n == time.n == 6
        assert limit.over_floor.low < limit.over_floor.high


@pytest.mark.parametrize("faster", ["float32", "complex64"])
def test_of_the_real_and_the_complex_product_the_faster_counts(faster):
    slower = {"float32": "complex64", "complex64": "float32"}[faster]
    rates = (ceiling(faster, gemm=100 * GFLOP), ceiling(slower, gemm=10 * GFLOP))
    assert limits(world(COSTS), *rates)["encoder", "forward"].floor_s == exactly(1e-4)


def test_only_ceilings_under_the_cells_own_conditions_count():
    elsewhere = (
        ceiling(threads=2, gemm=1e15, copy=1e15),
        ceiling(allocator="keep", gemm=1e15, copy=1e15),
        ceiling(device="cuda", gemm=1e15, copy=1e15),
        ceiling("float64", gemm=1e15, copy=1e15),
    )
    assert limits(world(COSTS), *elsewhere, ceiling())["head", "forward"].floor_s == exactly(2e-3)
    assert limits(world(COSTS), *elsewhere) == {}
    there = {"threads": 2, "allocator": "keep", "dtype": "float64"}
    own = ceiling("complex128", threads=2, allocator="keep", gemm=50 * GFLOP)
    found = limits(world(COSTS, conditions=there), *elsewhere, ceiling(), own)
    assert found["encoder", "forward"].floor_s == exactly(2e-4)


def test_backward_has_a_floor_of_its_own_and_the_whole_call_the_sum_of_all():
    cost = StageCost(flops=1e7, minimum_bytes=1e5, backward_flops=3e7, backward_minimum_bytes=1e5)
    made = world({"encoder": cost}, stages={"encoder": 0.25, "encoder.backward": 0.75}, mode="train_step")
    found = limits(made, ceiling())
    assert found["encoder", "forward"].floor_s == exactly(1e-4)
    assert found["encoder", "backward"].floor_s == exactly(3e-4)
    assert found["encoder", "backward"].over_floor.point == exactly(0.75 * BASE_S / 3e-4)
    assert found["", "forward"].floor_s == exactly(4e-4)


def test_a_system_without_stages_has_the_limit_of_its_whole_call():
    made = world({"": StageCost(flops=1e8, minimum_bytes=1.0)}, stages={})
    found = limits(made, ceiling(), name="new")
    assert list(found) == [("", "forward")]
    assert found["", "forward"].over_floor.point == exactly(BASE_S / 2 / 1e-3)


def test_a_stage_that_costs_nothing_has_no_floor():
    found = limits(world({"encoder": StageCost(flops=0.0, minimum_bytes=0.0), "head": COSTS["head"]}), ceiling())
    assert set(found) == {("head", "forward"), ("", "forward")}


def test_a_beaten_floor_is_the_ceilings_fault_and_is_said_everywhere():
    costs = {"encoder": StageCost(flops=1e9, minimum_bytes=1.0), "head": COSTS["head"]}
    manifest, analysis = analysed(world(costs), ceiling())
    found = {limit.stage: limit for limit in summary(analysis, "base").limits}
    assert found["encoder"].over_floor.high < 1
    assert found["encoder"].fault == "faster than the floor: the ceiling was measured too low"
    assert "encoder forward: faster than the floor: the ceiling was measured too low" in summary(analysis, "base").notes
    assert not found["head"].fault
    said = "base, encoder forward: faster than the floor: the ceiling was measured too low (0.25 [0.25, 0.25] times"
    assert said in Page(html.page(view(manifest, analysis))).text
    assert said in markdown.document(view(manifest, analysis)).replace("\\", "")
    assert "faster than the floor" in printed(terminal(manifest, analysis, "r"), 200)


@pytest.mark.parametrize(("cache", "told"), [(2 * 10**8, True), (10**8, False), (None, False)])
def test_data_that_fit_into_a_cache_are_a_second_reason(cache, told):
    costs = {"encoder": StageCost(flops=1.0, minimum_bytes=1.5e8)}
    fault = limits(world(costs), ceiling(cache_bytes=cache))["encoder", "forward"].fault
    assert fault.startswith("faster than the floor: the ceiling was measured too low")
    assert ("or its 143 MiB stayed in the 191 MiB of the last-level caches" in fault) is told


def test_a_time_whose_interval_reaches_the_floor_is_no_fault():
    made = dataclasses.replace(world({"encoder": StageCost(flops=2.5e8, minimum_bytes=1.0)}), noise=0.05)
    found = limits(made, ceiling())["encoder", "forward"]
    assert found.over_floor.low < 1 < found.over_floor.high
    assert not found.fault


def test_wrong_outputs_get_no_limits():
    manifest, analysis = analysed(dataclasses.replace(world(COSTS), broken=("new",)), ceiling())
    assert summary(analysis, "new").limits == ()
    assert summary(analysis, "base").limits
    text = Page(html.page(view(manifest, analysis))).text
    assert "Without a floor, because the outputs are wrong and the arithmetic was not done: new." in text


def test_the_report_names_times_floors_and_ceilings():
    manifest, analysis = analysed(world(COSTS), ceiling(), ceiling("complex64", gemm=80 * GFLOP))
    report = view(manifest, analysis)
    section = next(one for one in report.sections if one.name == "limits")
    figure, table = section.blocks[0].items
    assert [row.label for row in figure.plot.rows] == [
        *("base", "encoder forward", "head forward", "whole call"),
        *("new", "encoder forward", "head forward", "whole call"),
    ]
    time, floor = figure.plot.rows[2].bars
    assert (time.end, floor.end) == (exactly(7.5), exactly(2.0))
    rows = [[entry.text for entry in row] for row in table.rows]
    shares = ("3.75 [3.75, 3.75]", "26.67 [26.67, 26.67]")
    assert rows[1] == ["base", "head forward", "7.5 [7.5, 7.5]", "2.00", "bandwidth", *shares, "6"]
    assert [row[0].text for row in section.blocks[-1].items[0].rows] == ["cpu", "cpu"]
    assert farthest(Run(manifest, analysis)) == (
        "Farthest from its floor: encoder forward of base, 25 [25, 25] times the floor, bound by arithmetic."
    )
    assert "Farthest from its floor" in printed(terminal(manifest, analysis, "r"), 200)


def test_baseline_and_fastest_stand_first_and_the_others_are_folded():
    made = world(COSTS)
    third = made.cells[1].model_copy(update={"id": "third", "name": "third", "variant": {"s": "third"}})
    made = dataclasses.replace(made, cells=[*made.cells, third])
    manifest, analysis = analysed(made, ceiling())
    section = next(one for one in view(manifest, analysis).sections if one.name == "limits")
    _, first, others = section.blocks[0].items
    assert {row[0].text for row in first.rows} == {"base", "new"}
    assert (others.folded, {row[0].text for row in others.rows}) == (True, {"third"})
    assert "<summary>Times over floor of 1 other cell</summary>" in html.page(view(manifest, analysis))


@pytest.mark.parametrize(
    ("costs", "reason"),
    [({}, "state no formulas for FLOPs and bytes"), (COSTS, "`semh ceilings` measures them")],
)
def test_without_limits_the_report_says_why(costs, reason):
    manifest, analysis = analysed(world(costs))
    assert reason in Page(html.page(view(manifest, analysis))).text
    assert farthest(Run(manifest, analysis)) == ""


def test_a_plan_stores_what_the_systems_formulas_say(tmp_path):
    """Control included; the record outlives the system that stated it."""
    file = tmp_path / "s.yaml"
    file.write_text(
        "suite: s\ntitle: t\nsystem: sem\nsize: tiny\nmode: train_step\ndesign: pair\nbaseline: status_quo\n"
        "against: {matrix: cached}\n"
    )
    (part,) = make_plan(read_suite(file)).parts
    system = load_system("sem")
    for one in part.cells:
        stated = system.estimate(one.variant, one.conditions, "train_step").stages
        assert one.costs == {name: StageCost(**dataclasses.asdict(cost)) for name, cost in stated.items()}
        assert set(one.costs) == set(system.stages)
        assert all(cost.flops > 0 and cost.backward_minimum_bytes > 0 for cost in one.costs.values())
        assert Cell.model_validate_json(one.model_dump_json()) == one


def test_a_run_of_before_there_were_limits_can_still_be_read():
    old = world({}).manifest.model_dump(mode="json")
    del old["ceilings"]
    for one in old["plan"]["parts"][0]["cells"]:
        del one["costs"]
    assert Manifest.model_validate(old).ceilings == ()
