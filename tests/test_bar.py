"""A host noisier than the margin: what a change must clear is the floor, and nothing is the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from analysis_helpers import World, cell, world
from confirm_helpers import CELL, alone, analysed, found, process, rechecked
from confirm_helpers import world as trials
from predict_helpers import HERE, SEEN, planned
from report_helpers import cayley

from harness import predict
from harness.analysis import analyse_lines
from harness.analysis.family import judged
from harness.history import History
from harness.records import Block, Contrast, FollowUp, Line, Outcome, PartAnalysis
from harness.report import words
from harness.report.view import view
from harness.stats import margin as margins

FACTORS = {"pace": ("a", "none", "little", "much")}
TIMES = {"none": 1.0, "little": 1.04, "much": 1.10}
OFF = 1.05
"""What the control takes over the baseline it is a copy of: the floor is a little above 5 %."""


def noisy() -> World:
    cells = [cell("base", {"pace": "a"})]
    cells += [cell(name, {"pace": name}) for name in TIMES]
    cells += [cell("control", {"pace": "a"}, control=True)]
    return world(
        cells=cells,
        factors=FACTORS,
        times=lambda one: 0.01 * (OFF if one.control else TIMES.get(one.id, 1.0)),
        stages={"encoder": 0.4, "head": 0.6},
    )


@pytest.fixture(scope="module")
def part() -> PartAnalysis:
    made = noisy()
    return analyse_lines(made.manifest, made.lines).parts[0]


def of(part: PartAnalysis, name: str) -> list[Contrast]:
    return [one for one in (*part.contrasts, *part.stage_contrasts) if one.cell == name]


def test_the_floor_is_the_bar_of_whole_calls_and_of_stages(part: PartAnalysis) -> None:
    assert 0.05 < part.floor < 0.06
    assert not part.stable and part.noise_known
    for name in TIMES:
        assert [one.bar for one in of(part, name)] == [one.floor for one in of(part, name)]
    assert {one.floor for one in part.contrasts} == {part.floor}


def test_a_change_within_the_floor_is_not_called_and_says_what_it_would_be_without(part: PartAnalysis) -> None:
    for one in of(part, "little"):
        assert one.verdict == "inconclusive" and one.p_value == pytest.approx(1.0)
        assert one.reason == f"within the noise floor of {one.floor:.1%}: without it slower"
        assert one.n_to_settle is None and words.to_settle(one) == "a quieter host"


def test_a_change_beyond_the_floor_is_called(part: PartAnalysis) -> None:
    for one in of(part, "much"):
        assert (one.verdict, one.reason) == ("slower", "")
        logs = np.log(one.trials).tolist()
        assert one.p_value == pytest.approx(margins.p_value(logs, one.floor)) and one.p_value < 1e-3


def test_nothing_is_the_same(part: PartAnalysis) -> None:
    assert {one.verdict for one in of(part, "none")} == {"inconclusive"}


@pytest.mark.parametrize(("off", "dead"), [(1.0, ("pace",)), (OFF, ())])
def test_a_switch_is_not_called_dead_within_the_noise(off: float, dead: tuple[str, ...]) -> None:
    """Two levels of equal outputs and equal time."""
    cells = [cell("base", {"pace": "a"}), cell("none", {"pace": "none"}), cell("control", {"pace": "a"}, control=True)]
    made = world(
        cells=cells,
        factors={"pace": ("a", "none")},
        times=lambda one: 0.01 * (off if one.control else 1.0),
        digests={"base": "alike", "none": "alike"},
    )
    assert analyse_lines(made.manifest, made.lines).parts[0].dead_switches == dead


def test_what_could_have_been_seen_lies_beyond_the_floor(part: PartAnalysis) -> None:
    assert part.detectable > part.floor
    assert all(one.detectable > one.floor for name in TIMES for one in of(part, name))


def test_trials_that_would_clear_the_floor_are_told() -> None:
    logs = np.log(1.08) + 0.05 * np.array([-1, -0.5, 0, 0, 0.5, 1])
    one = of_logs(logs.tolist(), bar=0.05)
    [among] = judged([one], 0.02)
    assert among.verdict == "inconclusive" and among.n_to_settle == margins.n_to_settle(logs.tolist(), 0.05)
    assert among.n_to_settle > margins.n_to_settle(logs.tolist(), 0.02)


def of_logs(logs: list[float], bar: float) -> Contrast:
    found = noisy()
    first = analyse_lines(found.manifest, found.lines).parts[0].contrasts[0]
    update = {"trials": tuple(map(math.exp, logs)), "bar": bar, "floor": bar, "p_value": margins.p_value(logs, bar)}
    return first.model_copy(update=update | {"reason": "", "verdict": "inconclusive"})


def test_judging_again_repeats_no_reason(part: PartAnalysis) -> None:
    every = [*part.contrasts, *part.stage_contrasts]
    assert judged(every, 0.02) == every


def test_a_recheck_whose_own_floor_bars_it_is_too_noisy_to_say_that_nothing_recurred() -> None:
    """In the recheck the change is as large as before, and the control is off by more."""
    made, off = trials(1.3), trials(1.3)
    off.times = lambda one: 0.01 * (1.4 if one.control else 1.3 if one.id == CELL else 1.0)
    cells = tuple(cell.id for cell in made.cells)
    wrote = [
        (process("recheck", 6 + trial, *cells), [renumbered(line, 6 + trial) for line in off.lines[2 + trial]])
        for trial in range(1, 7)
    ]
    one = found(analysed(made, [FollowUp(process="recheck", part="p", cells=cells, trials=6)], wrote))
    assert one.verdict == "inconclusive" and one.confirmation is not None
    assert one.confirmation.word == "too noisy" and "within the noise floor" in one.reason


def renumbered(line: Line, trial: int) -> Line:
    return line.model_copy(update={"trial": trial}) if isinstance(line, Block) else line


def test_cross_talk_must_clear_the_bar_too() -> None:
    made = trials(0.5)
    assert found(alone(made, 0.54)).confirmation.word == "cross-talk"
    made.times = lambda one: 0.01 * (1.1 if one.control else 0.5 if one.id == CELL else 1.0)
    assert found(alone(made, 0.54)).confirmation.word == "confirmed"


@pytest.mark.parametrize("failed", ["matrix=cached", "base", "control"])
def test_a_cell_that_fails_when_measured_once_more_keeps_what_the_trials_said(failed: str) -> None:
    outcome = Outcome(cell=failed, outcome="crashed", detail="died", again=True)
    analysis = rechecked(trials(1.3), 1.3, done=0, outcomes=(outcome,))
    one = found(analysis)
    assert one.verdict == "slower" and one.ratio is not None
    assert {summary.outcome for summary in analysis.parts[0].cells} == {"measured"}
    if failed == "matrix=cached":
        assert "it failed when it was measured once more" in one.confirmation.reason


def test_a_run_after_one_whose_every_cell_failed_expects_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    plan = planned()
    every = frozenset(cell.id for part in plan.parts for cell in part.cells)
    history = History(past=SEEN.past[:1], failed=every)
    monkeypatch.setattr(predict, "read_history", lambda *_: history)
    assert predict.expected_walls(tmp_path, plan, HERE) == {}


def test_parts_that_are_noisy_and_parts_of_unknown_noise_are_told_apart() -> None:
    manifest, analysis = cayley()
    one, other = analysis.parts
    known = one.model_copy(update={"stable": False, "noise_known": True, "reasons": ("floor 4 %",)})
    unknown = other.model_copy(update={"stable": False, "noise_known": False, "reasons": ("the canary moved",)})
    alerts = view(manifest, analysis.model_copy(update={"parts": (known, unknown)})).alerts
    assert [alert.title for alert in alerts] == [
        f"Ratios are not called in {other.part}: unstable host",
        f"A noisy host in {one.part}",
    ]
    assert alerts[1].reasons[0] == f"Noisy host, {one.part}: floor 4 %."
    assert "none is called" in alerts[0].reasons[-1] and "clear the noise floor" in alerts[1].reasons[-1]


def test_noise_above_the_margin_is_one_sentence_for_all_parts() -> None:
    manifest, analysis = cayley()
    parts = [
        part.model_copy(update={"stable": False, "noise_known": True, "floor": floor, "reasons": ("noise floor",)})
        for part, floor in zip(analysis.parts, (0.07, 0.13), strict=True)
    ]
    (alert,) = view(manifest, analysis.model_copy(update={"parts": tuple(parts)})).alerts
    one, other = (part.part for part in parts)
    assert alert.title == "A noisy host"
    assert alert.reasons[0] == f"Noise above the margin of 2.0 %: {one} 7.0 % and {other} 13 %."
    assert len(alert.reasons) == 2
