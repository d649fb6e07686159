"""Planted truths and planted faults, all the way through: suite, plan, workers, analysis, report, exit code.

Time is virtual and its noise is seeded, so every figure here repeats exactly; what is asserted is that the interval
holds what was planted, and that a fault is called by its name in the analysis, in the report and by the exit code.
"""

from __future__ import annotations

import numpy as np
import pytest

import harness
from harness.measure.guards import relative_error
from harness.records import CellSummary, Contrast, PartAnalysis
from tests.fakes import LEAKY, NOISE
from tests.runner_helpers import fake_suite

TRIALS = 6
ONCE = "confirm: false\n"
"""Follow-ups have tests of their own."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """A suite of a fake, measured, analysed and reported."""

    def measure(
        system: str, factors: str, more: str = "", *, preset: str = "smoke", design: str = "one_at_a_time"
    ) -> harness.Result:
        folder = tmp_path_factory.mktemp(system.lower())
        file = fake_suite(folder, system, factors, more, design=design)
        return harness.run(file, preset=preset, results=folder / "results", reports=folder / "reports")

    return measure


@pytest.fixture(scope="module")
def plain(run) -> harness.Result:
    return run("PLAIN", "{pace: [usual, slow], label: [old, new]}", ONCE, preset="quick", design="full_factorial")


@pytest.fixture(scope="module")
def faulty(run) -> harness.Result:
    faults = "{fault: [none, raises, aborts, hangs, out_of_memory, nan]}"
    return run("FAULTY", faults, "timeout_s: 1.5\n")


def part(result: harness.Result) -> PartAnalysis:
    [only] = result.analysis.parts
    return only


def contrast(result: harness.Result, name: str) -> Contrast:
    cell = summary(result, name).cell
    return next(one for one in part(result).contrasts if one.cell == cell)


def summary(result: harness.Result, name: str) -> CellSummary:
    return next(cell for cell in part(result).cells if cell.name == name)


def pages(result: harness.Result) -> tuple[str, str]:
    return (result.report.with_name("report.md").read_text(), result.report.read_text())


def test_exactly_twice_as_slow_is_held_by_the_interval(plain: harness.Result) -> None:
    """The half width is that of a t interval on 6 trials of 4 paired blocks with 1 % of noise in each arm, to within
    what a standard deviation of 6 values scatters (a factor of 3 covers 99.9 %)."""
    found = contrast(plain, "pace=slow")
    assert found.verdict == "slower" and found.ratio is not None
    assert found.ratio.low <= 2.0 <= found.ratio.high
    assert found.ratio.n == TRIALS and len(found.trials) == TRIALS
    block = np.sqrt(2) * NOISE * np.sqrt(np.pi / 2) / np.sqrt(4)
    expected = 2.571 * block / np.sqrt(TRIALS)
    half = np.log(found.ratio.high / found.ratio.low) / 2
    assert expected / 3 < half < expected * 3


def test_twice_as_slow_holds_as_a_main_effect_and_is_the_whole_of_the_total(plain: harness.Result) -> None:
    found = part(plain)
    pace = next(effect for effect in found.effects if effect.factors == ("pace",))
    assert pace.ratio.low <= 2.0 <= pace.ratio.high
    shares = {share.factor: share for share in found.shapley}
    assert shares["pace"].fraction.low <= 1.0 <= shares["pace"].fraction.high
    assert sum(share.fraction.point for share in found.shapley) == pytest.approx(1.0, abs=1e-12)


def test_a_dead_switch_is_named_as_dead(plain: harness.Result) -> None:
    assert part(plain).dead_switches == ("label",)
    assert contrast(plain, "label=new").verdict in ("same", "inconclusive")
    markdown, html = pages(plain)
    assert "Dead switch: label" in markdown and "dead" in html.lower()


def test_the_control_is_one_and_the_floor_is_its_noise(plain: harness.Result) -> None:
    found = part(plain)
    assert found.stable and found.control is not None and found.floor is not None
    assert found.control.low <= 1.0 <= found.control.high
    assert 0 < found.floor < 5 * NOISE


def test_wrong_output_is_invalid_not_a_speed_up(run) -> None:
    result = run("LIAR", "{answer: [right, wrong]}")
    found = contrast(result, "answer=wrong")
    assert found.verdict == "invalid"
    cell = summary(result, "answer=wrong")
    assert cell.sameness == "broken" and cell.error == pytest.approx(0.01, rel=1e-3)
    assert summary(result, "status_quo").sameness == "holds"
    assert result.exit_code == 0
    markdown, html = pages(result)
    assert "invalid" in markdown and "invalid" in html
    assert "▼ faster" not in markdown


def test_stage_shares_are_those_planted_and_close(run) -> None:
    """Planted: 1 to 3, so 25 % and 75 %; with the first stage at half its time, 1 to 6."""
    result = run("STAGED", "{first: [usual, fast]}", ONCE, preset="quick")
    for name, share in (("status_quo", 1 / 4), ("first=fast", 1 / 7)):
        cell = summary(result, name)
        first, second = cell.stages
        assert first.share.point == pytest.approx(share, rel=NOISE)  # over 3 of its standard errors
        assert first.share.low < first.share.point < first.share.high
        assert first.share.point + second.share.point == pytest.approx(1.0, abs=1e-9)
        assert cell.closure is not None and abs(cell.closure.point) < 1e-9
    found = contrast(result, "first=fast")
    assert found.verdict == "faster" and found.ratio is not None
    assert found.ratio.point == pytest.approx(3.5 / 4, rel=NOISE)  # over 4 of its standard errors
    halved, untouched = part(result).stage_contrasts
    assert (halved.stage, halved.verdict, untouched.stage, untouched.verdict) == ("first", "faster", "second", "same")
    assert halved.ratio is not None and halved.ratio.point == pytest.approx(1 / 2, rel=NOISE)


@pytest.mark.parametrize(
    ("name", "outcome", "detail"),
    [
        ("fault=raises", "failed", "ValueError: planted"),
        ("fault=aborts", "crashed", "killed by signal 6"),
        ("fault=hangs", "timed_out", "timed out after 1.5 s"),
        ("fault=out_of_memory", "out_of_memory", "MemoryError: planted"),
        ("fault=nan", "not_finite", "NaN or infinity in y"),
    ],
)
def test_a_fault_is_an_outcome_in_analysis_and_report(
    faulty: harness.Result, name: str, outcome: str, detail: str
) -> None:
    cell = summary(faulty, name)
    assert cell.outcome == outcome and detail in cell.detail and cell.time_s is None
    found = contrast(faulty, name)
    assert found.verdict == ("invalid" if name == "fault=nan" else "not measured") and found.ratio is None
    markdown, html = pages(faulty)
    assert detail.split(":")[0] in markdown.replace("\\", "") and detail.split(":")[0] in html


def test_faults_leave_the_rest_measured_and_say_three(faulty: harness.Result) -> None:
    assert faulty.exit_code == 3
    assert summary(faulty, "status_quo").outcome == "measured"
    assert part(faulty).control is not None and part(faulty).trials == 2
    assert faulty.folder.manifest().state == "finished"


def test_an_expected_outcome_is_no_failure(run) -> None:
    expect = "expect: [{cell: fault=out_of_memory, outcome: out_of_memory}]\n"
    result = run("FAULTY", "{fault: [none, out_of_memory]}", expect)
    assert result.exit_code == 0
    assert summary(result, "fault=out_of_memory").outcome == "out_of_memory"


def test_the_leaky_fake_leaks_by_what_it_planted() -> None:
    """Change the last row of x: y[t] with t before it may not move, and does where the future is seen."""
    conditions = {"rows": 6, "width": 8, "dt": 0.1}
    for sight, leaks in (("past", False), ("future", True)):
        model = LEAKY.build({"sight": sight}, conditions, seed=0)
        batch = LEAKY.batch(conditions, seed=0)
        before = LEAKY.run(model, batch, "forward").tensors["y"]
        batch.inputs["x"][-1] += 1.0
        after = LEAKY.run(model, batch, "forward").tensors["y"]
        assert (relative_error({"y": after[:-1]}, {"y": before[:-1]}) > 0) == leaks
