"""What is measured once more: what recurs, what does not, and what was fast only beside another cell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness
from harness.analysis import analyse
from harness.follow_up import PAIRS, announced, follow_ups
from harness.progress import describe
from harness.records import Contrast, FollowUp, Group, Interval, Outcome, PartAnalysis, Plan
from harness.schedule import follow_up_jobs, planned_jobs, remaining_jobs
from harness.store import RunFolder
from tests.fakes import FADES_AFTER
from tests.runner_helpers import Recorder, cell_named, fake_suite, measured, planned, stand_in

TRIALS = 3
SUITE = """suite: again
title: What holds when it is measured once more?
margin: 0.1
parts:
  fading: {system: "tests.fakes:FADING", design: one_at_a_time, factors: {lag: [never, early, always]}, memory: false}
  crosstalk: {system: "tests.fakes:CROSSTALK", design: one_at_a_time, factors: {heat: [own, borrowed]}, memory: false}
"""


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Recorder]:
    folder = tmp_path_factory.mktemp("again")
    file = folder / "again.yaml"
    file.write_text(SUITE)
    plan = planned(file, preset="quick").model_copy(update={"trials": TRIALS})
    assert len(planned_jobs(plan)) == FADES_AFTER
    progress = Recorder()
    return measured(file, folder / "results", plan=plan, progress=progress), progress


def contrast(folder: RunFolder, part: str, name: str) -> Contrast:
    cell = cell_named(folder.manifest().plan, name)
    found = next(one for one in analyse(folder).parts if one.part == part)
    return next(one for one in found.contrasts if one.cell == cell)


def test_a_regression_that_is_there_recurs_and_stays_called(again: tuple[RunFolder, Recorder]) -> None:
    found = contrast(again[0], "fading", "lag=always")
    assert found.verdict == "slower" and found.confirmation is not None
    assert (found.confirmation.way, found.confirmation.word, found.confirmation.agrees) == ("again", "recurred", True)
    assert found.confirmation.ratio is not None
    assert found.confirmation.ratio.n == TRIALS
    assert found.confirmation.ratio.low <= 1.3 <= found.confirmation.ratio.high


def test_a_regression_of_the_first_trials_alone_is_not_called(again: tuple[RunFolder, Recorder]) -> None:
    found = contrast(again[0], "fading", "lag=early")
    assert found.verdict == "inconclusive" and found.confirmation is not None
    assert (found.confirmation.word, found.confirmation.agrees) == ("did not recur", False)
    assert found.ratio is not None and found.ratio.low > 1.1
    assert found.confirmation.ratio is not None and found.confirmation.ratio.high < 1.1
    assert re.match(r"did not recur: 1\.(3|29)\d* \[[\d.]+, [\d.]+\] in the trials", found.reason)


def test_a_cell_that_lives_on_anothers_work_is_cross_talk(again: tuple[RunFolder, Recorder]) -> None:
    found = contrast(again[0], "crosstalk", "heat=borrowed")
    assert found.verdict == "inconclusive" and found.confirmation is not None
    assert (found.confirmation.way, found.confirmation.word) == ("fresh", "cross-talk")
    assert found.ratio is not None and found.ratio.high < 0.6
    assert found.confirmation.ratio is not None and found.confirmation.ratio.low <= 1 <= found.confirmation.ratio.high
    difference = found.confirmation.difference
    assert difference is not None and difference.low <= 2 <= difference.high and difference.n == PAIRS
    assert re.match(r"cross-talk: inside a trial 0\.(5|49)\d* \[[\d.]+, [\d.]+\], alone", found.reason)
    part = next(one for one in analyse(again[0]).parts if one.part == "crosstalk")
    assert any(note.startswith("cross-talk in heat=borrowed") for note in part.notes)


def test_the_decision_is_stored_announced_and_run_once(again: tuple[RunFolder, Recorder]) -> None:
    folder, progress = again
    manifest = folder.manifest()
    assert manifest.follow_ups is not None and manifest.stopped_early is None
    assert [(one.process, one.part, one.trials) for one in manifest.follow_ups] == [
        ("recheck", "fading", TRIALS),
        ("confirm", "crosstalk", PAIRS),
    ]
    followed = manifest.processes[FADES_AFTER:]
    assert [(p.process, p.trial) for p in followed] == [
        *(("recheck", TRIALS + number) for number in range(1, TRIALS + 1)),
        *(("confirm", pair) for pair in (1, 1, 2, 2, 3, 3)),
    ]
    cell, baseline = manifest.follow_ups[1].cells
    assert [p.cells for p in followed[TRIALS:]] == [(one,) for one in (baseline, cell, cell, baseline, baseline, cell)]
    assert progress.notes[-2:] == [
        "fading: lag=early, lag=always called slower, measured again (3 processes)",
        "crosstalk: heat=borrowed called faster, measured alone (6 processes)",
    ]
    assert describe(manifest.plan, followed[0]) == "recheck 1/3 · fading"
    assert describe(manifest.plan, followed[-1]) == "confirm, pair 3 · crosstalk · heat=borrowed"
    assert progress.standings[-1].done == progress.standings[-1].total == len(manifest.processes)


def test_the_trials_alone_make_the_estimates(again: tuple[RunFolder, Recorder]) -> None:
    for part in analyse(again[0]).parts:
        assert part.trials == TRIALS
        assert all(len(one.trials) == TRIALS for one in part.contrasts)


def test_the_report_shows_the_word_and_both_ratios(again: tuple[RunFolder, Recorder], tmp_path: Path) -> None:
    page = harness.conclude(again[0], tmp_path).report
    markdown = page.with_name("report.md").read_text()
    tables = [text.split("\n\n")[1] for text in markdown.split("**Measured once more, time ratios**")[1:]]
    fading, crosstalk = (table.splitlines()[2:] for table in tables)
    assert ["✕ did not recur" in fading[0], "✓ recurred" in fading[1]] == [True, True]
    assert len(fading) == 2 and len(crosstalk) == 1 and "! cross-talk" in crosstalk[0]
    confirmation = contrast(again[0], "crosstalk", "heat=borrowed").confirmation
    assert confirmation is not None and confirmation.ratio is not None
    assert f"{confirmation.ratio.point:.3f} [{confirmation.ratio.low:.3f}" in crosstalk[0]
    assert "(did not recur: 1." in markdown and "(cross-talk: inside a trial 0." in markdown
    assert all(word in page.read_text() for word in ("did not recur", "recurred", "cross-talk"))


# What is decided, from verdicts made of thin air.


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    factors = "{pace: [usual, slow], label: [old, new]}"
    return planned(fake_suite(tmp_path, "PLAIN", factors, "also: all_on\n"), preset="quick")


def part_of(plan: Plan, **verdicts: tuple[str, float]) -> PartAnalysis:
    """Cell name, `=` written `__`, and for a stage `stage_` before it -> verdict and ratio."""
    contrasts, stages = [], []
    for key, (verdict, ratio) in verdicts.items():
        stage, name = ("first", key.removeprefix("stage_")) if key.startswith("stage_") else ("", key)
        cell = next(cell for cell in plan.parts[0].cells if cell.name == name.replace("__", "="))
        made = Contrast(
            part="fake",
            cell=cell.id,
            baseline=cell.baseline,
            changes={},
            ratio=Interval(point=ratio, low=ratio, high=ratio, n=6),
            trials=(),
            verdict=verdict,
            stage=stage,
        )
        (stages if stage else contrasts).append(made)
    empty = dict.fromkeys(("control", "floor", "canary", "canary_spread", "detectable", "lost_share"))
    empty |= dict.fromkeys(("closure", "probe_cost", "order_effect"))
    lists = dict.fromkeys(("reasons", "exclusions", "cells", "effects", "shapley", "dead_switches", "notes"), ())
    counts = {"stable": True, "trials": 6, "blocks": 24, "kept": 24}
    return PartAnalysis(part="fake", contrasts=contrasts, stage_contrasts=stages, **empty, **lists, **counts)


def names(plan: Plan, one: FollowUp) -> list[str]:
    return [cell.name for cell in plan.parts[0].cells if cell.id in one.cells]


def test_every_regression_is_rechecked_with_its_baseline_and_the_control(plan: Plan) -> None:
    [one] = follow_ups(plan, [part_of(plan, pace__slow=("slower", 2.0), label__new=("same", 1.0))])
    assert (one.process, one.trials) == ("recheck", plan.trials)
    assert [name for name in names(plan, one) if not name.startswith("control")] == ["status_quo", "pace=slow"]
    assert any(name.startswith("control") for name in names(plan, one))


def test_a_stage_that_became_slower_is_a_regression_too(plan: Plan) -> None:
    [one] = follow_ups(plan, [part_of(plan, label__new=("same", 1.0), stage_label__new=("slower", 1.1))])
    assert one.process == "recheck" and "label=new" in names(plan, one)


def test_of_the_wins_the_strongest_is_confirmed_and_all_on_besides(plan: Plan) -> None:
    wins = {"pace__slow": ("faster", 0.5), "label__new": ("faster", 0.7), "all_on": ("faster", 0.6)}
    found = follow_ups(plan, [part_of(plan, **wins)])
    assert [(one.process, one.trials) for one in found] == [("confirm", PAIRS)] * 2
    assert [plan.parts[0].cells[0].id] * 2 == [one.cells[1] for one in found]
    assert [cell_named(plan, name) for name in ("pace=slow", "all_on")] == [one.cells[0] for one in found]
    [alone] = follow_ups(plan, [part_of(plan, **(wins | {"all_on": ("faster", 0.4)}))])
    assert alone.cells[0] == cell_named(plan, "all_on")


def test_the_strongest_win_of_either_kind_is_confirmed(tmp_path: Path) -> None:
    file = fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow], label: [old, new]}", "beyond: all_on\n")
    plan = planned(file, preset="quick")
    wins = part_of(plan, pace__slow=("faster", 0.6), label__new=("faster", 0.7), all_on=("faster", 0.1))
    beyond = {one.id for one in plan.parts[0].cells if one.beyond}
    marked = tuple(one.model_copy(update={"beyond": one.cell in beyond}) for one in wins.contrasts)
    found = follow_ups(plan, [wins.model_copy(update={"contrasts": marked})])
    assert [one.cells[0] for one in found] == [cell_named(plan, name) for name in ("pace=slow", "all_on")]


def test_a_faster_stage_and_withheld_verdicts_are_not_followed_up(plan: Plan) -> None:
    found = part_of(
        plan, pace__slow=("withheld", 2.0), label__new=("inconclusive", 0.5), stage_label__new=("faster", 0.5)
    )
    assert follow_ups(plan, [found]) == ()


def test_a_suite_may_ask_for_no_second_look(tmp_path: Path) -> None:
    plan = planned(fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", "confirm: false\n"), preset="quick")
    assert follow_ups(plan, [part_of(plan, pace__slow=("slower", 2.0))]) == ()


def test_pairs_change_their_order_and_are_numbered_through_the_part(plan: Plan) -> None:
    cells = [cell.id for cell in plan.parts[0].cells[:3]]
    baseline, first, second = cells
    wins = [FollowUp(process="confirm", part="fake", cells=(cell, baseline), trials=3) for cell in (first, second)]
    one, other = follow_up_jobs(plan, wins)
    assert [(job.trial, job.cells[0]) for job in one] == [
        (1, baseline), (1, first), (2, first), (2, baseline), (3, baseline), (3, first),
    ]  # fmt: skip
    assert [job.trial for job in other] == [4, 4, 5, 5, 6, 6]
    assert len({job.key for job in (*one, *other)}) == 12
    assert announced(plan, wins[0]).endswith("called faster, measured alone (6 processes)")


def test_what_has_failed_is_not_measured_again(plan: Plan) -> None:
    [again] = follow_ups(plan, [part_of(plan, pace__slow=("slower", 2.0), label__new=("slower", 2.0))])
    slow, new = (cell_named(plan, name) for name in ("pace=slow", "label=new"))
    failed = [Outcome(cell=slow, outcome="crashed", detail="")]
    left = [job for job in remaining_jobs(plan, (), failed, [again]) if job.process == "recheck"]
    assert len(left) == plan.trials and all(slow not in job.cells and new in job.cells for job in left)
    failed.append(Outcome(cell=new, outcome="crashed", detail=""))
    assert not [job for job in remaining_jobs(plan, (), failed, [again]) if job.process == "recheck"]


def test_a_smoke_run_decides_on_nothing(tmp_path: Path) -> None:
    file = fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}")
    assert measured(file, tmp_path / "results", worker=stand_in(tmp_path)).manifest().follow_ups == ()


def test_a_group_without_a_control_borrows_one(plan: Plan) -> None:
    """As where cells do not fit into memory together: the control is in the first group alone."""
    part = plan.parts[0]
    slow, new = (cell_named(plan, name) for name in ("pace=slow", "label=new"))
    controls = tuple(cell.id for cell in part.cells if cell.control)
    groups = [(0, (part.cells[0].id, new, *controls)), (1, (part.cells[0].id, slow))]
    split = part.model_copy(update={"groups": [Group(part=part.name, index=i, cells=cells) for i, cells in groups]})
    divided = plan.model_copy(update={"parts": (split,)})
    found = part_of(plan, pace__slow=("slower", 2.0), label__new=("slower", 2.0))
    first, second = follow_ups(divided, [found])
    assert slow not in first.cells and new not in second.cells
    assert all(set(controls) <= set(one.cells) for one in (first, second))
    assert [jobs[0].group for jobs in follow_up_jobs(divided, (first, second))] == [0, 1]
