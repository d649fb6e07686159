"""Two runs side by side: cells by content, times without a word, contrasts with one, and what differs around them."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from analysis_helpers import FACTORS, World, cost, factorial_cells, world
from claims_helpers import ENTRY
from rich.console import Console
from stored_runs import stored

import harness
from harness.compare import Comparison, compare
from harness.compare.contrasts import Moved
from harness.compare.differing import environments
from harness.errors import StoreError, UsageError
from harness.measure.environment import governor
from harness.records import Counters
from harness.report.terminal_compare import comparison
from harness.stats import sessions
from harness.stats.sessions import Change
from harness.stats.welch import difference
from harness.store import RunFolder, append_lines

FIRST, SECOND = "fake-20260101-000000-aaaa", "fake-20260102-000000-bbbb"


def runs(folder: Path, first: World, second: World, **changes: object) -> tuple[RunFolder, RunFolder]:
    """`changes` are of the second manifest."""
    return stored(first, folder, FIRST), stored(second, folder, SECOND, **changes)


def said(found: Comparison) -> str:
    out = StringIO()
    console = Console(file=out, width=200)
    for item in comparison(found):
        console.print(item)
    return out.getvalue()


def moved(found: Comparison, name: str) -> Moved:
    return next(one for one in found.moved if one.name == name)


def test_a_slower_machine_moves_every_time_and_no_contrast(tmp_path: Path) -> None:
    slow = world(speed=lambda trial: 1.5 * (1 + 0.3 * math.sin(trial)), noise=0.002)
    found = compare(*runs(tmp_path, world(), slow))
    [canary] = found.canaries
    assert canary.ratio.point == pytest.approx(1.5, rel=0.01)
    assert found.matched == len(found.times) == 4
    for one in found.times:
        assert one.ratio is not None
        assert one.ratio.point == pytest.approx(1.5, rel=0.01)
        assert one.ratio.low < 1.5 < one.ratio.high
    assert {one.word for one in found.moved} == {"same"}
    assert "moved" not in said(found).split("Time over the baseline")[1].split("Each ratio")[0]


def test_a_contrast_that_changed_is_called_and_the_others_are_not(tmp_path: Path) -> None:
    changed = world(times=lambda one: cost(one) * (1.3 if one.variant["kernels"] == "fused" else 1.0), noise=0.002)
    found = compare(*runs(tmp_path, world(), changed))
    fused = moved(found, "kernels=fused")
    assert fused.word == "moved"
    assert fused.change is not None
    assert fused.change.point == pytest.approx(1.3, rel=0.01)
    assert fused.first is not None
    assert fused.first.point == pytest.approx(0.8, rel=0.01)
    assert moved(found, "matrix=cached").word == "same"


def test_what_one_run_would_not_call_gets_no_word_and_the_reason_once(tmp_path: Path) -> None:
    found = compare(*runs(tmp_path, world(preset="smoke", trials=2), world()))
    assert {one.word for one in found.moved} == {None}
    assert all(one.change is not None for one in found.moved)
    assert said(found).count("withheld in the first run: smoke gives no verdicts") == 1


def test_a_wrong_output_has_no_ratio_and_no_change(tmp_path: Path) -> None:
    found = compare(*runs(tmp_path, world(), world(broken=["matrix=cached"])))
    broken = moved(found, "matrix=cached")
    assert (broken.second, broken.change, broken.word) == (None, None, None)
    assert "invalid in the second run" in broken.why_not


def test_ratios_to_two_baselines_are_never_compared(tmp_path: Path) -> None:
    turned = [one.model_copy(update={"baseline": "kernels=fused"}) for one in factorial_cells(FACTORS)]
    found = compare(*runs(tmp_path, world(), world(cells=turned, times=cost)))
    cached = moved(found, "matrix=cached")
    assert (cached.change, cached.word, cached.why_not) == (None, None, "another baseline in either run")
    assert None not in (cached.first, cached.second)


def test_a_noise_floor_of_either_run_raises_the_bar(tmp_path: Path) -> None:
    quiet = compare(*runs(tmp_path / "quiet", world(), world()))
    noisy = compare(*runs(tmp_path / "noisy", world(noise=0.08), world()))
    assert {one.bar for one in quiet.moved} == {0.02}
    assert all(one.bar is not None and one.bar > 0.02 for one in noisy.moved)
    assert "same" not in {one.word for one in noisy.moved}


def test_cells_are_matched_by_content_and_the_others_are_named(tmp_path: Path) -> None:
    fewer = {"matrix": ("rebuild", "cached")}
    second = world(cells=[*factorial_cells(fewer)], factors=fewer, times=cost)
    found = compare(*runs(tmp_path, world(), second))
    assert (found.matched, found.only_second) == (2, ())
    assert found.only_first == ("kernels=fused", "matrix=cached, kernels=fused")
    assert "Only in the first: kernels=fused, matrix=cached, kernels=fused." in said(found)


def test_counters_are_equal_or_named(tmp_path: Path) -> None:
    first, second = runs(tmp_path, world(), world())
    for folder, flops in ((first, 100), (second, 101)):
        with folder.trial_file(0).open("ab") as file:
            append_lines(file, [Counters(cell="base", values={"flops": flops, "parameters": 7})])
    found = compare(first, second)
    assert found.counted == 2
    assert [(one.name, one.first, one.second) for one in found.counters] == [("base: flops", "100", "101")]
    assert "Counters that differ, which are exact" in said(found)


def test_claims_whose_word_changed_stand_there_with_both(tmp_path: Path) -> None:
    entry = ENTRY.replace("suite: s", "suite: fake").replace("{a: b}", "{matrix: cached}")
    asked = {"claims": ("paper.*",), "claims_text": {"paper.yaml": entry}}
    slower = world(times=lambda one: 0.01 / cost(one), noise=0.002)
    found = compare(*runs(tmp_path, world(**asked), replace(slower, **asked)))
    assert [(first.verdict, second.verdict) for first, second in found.claims] == [("supported", "refuted")]
    assert "paper.gain  ● supported  ✕ refuted" in said(found)
    again = compare(*runs(tmp_path / "again", world(**asked), world(**asked)))
    assert "Claims: of 1 claim judged in both runs no verdict changed." in said(again)
    without = compare(*runs(tmp_path / "without", world(), world()))
    assert "Claims: none was judged in both runs." in said(without)


def test_what_differs_around_the_runs_is_listed_and_what_is_equal_is_not(tmp_path: Path) -> None:
    made = world()
    there = made.manifest.environment
    where = there.model_copy(
        update={"machine_id": "other", "versions": {**there.versions, "torch": "9.9"}, "governor": "powersave"}
    )
    found = compare(*runs(tmp_path, made, made, environment=where))
    names = {pair.name: (pair.first, pair.second) for pair in environments(found.first, found.second)}
    assert set(names) == {"machine", "torch", "frequency governor"}
    assert names["frequency governor"] == ("not recorded", "powersave")
    assert not found.same_machine
    assert "compare machines, not code" in said(found)


def test_the_governors_of_all_processors_are_recorded_once_each(tmp_path: Path) -> None:
    assert governor(tmp_path) == ""
    for number, word in enumerate(("powersave", "performance", "powersave")):
        file = tmp_path / f"cpu{number}" / "cpufreq" / "scaling_governor"
        file.parent.mkdir(parents=True)
        file.write_text(f"{word}\n")
    assert governor(tmp_path) == "performance, powersave"


def test_one_run_twice_is_refused(tmp_path: Path) -> None:
    made = stored(world(), tmp_path, FIRST)
    with pytest.raises(UsageError, match=f"{FIRST} twice; two runs would do"):
        compare(made, RunFolder(tmp_path / "." / FIRST))


def test_a_run_whose_ledger_is_no_longer_read_is_named(tmp_path: Path) -> None:
    first, second = runs(tmp_path, world(), world())
    old = {"claims_text": {"paper.yaml": "of a form: no longer read\n"}}
    second.write_manifest(second.manifest().model_copy(update=old))
    with pytest.raises(
        StoreError, match=f"{SECOND}/manifest.json: the ledger this run was given is of a form no"
    ) as seen:
        compare(first, second)
    with pytest.raises(StoreError) as reported:
        harness.conclude(second, tmp_path / "reports")
    assert str(reported.value) == str(seen.value)
    assert "the semh that measured it would do (version " in str(reported.value)
    assert "`semh verdicts` judges its numbers by the present ledger" in str(reported.value)
    assert not (tmp_path / "reports").exists()


def test_runs_of_two_suites_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"fake-.* is a run of fake, .* is a run of other; two runs of the same suite"):
        compare(*runs(tmp_path, world(), world(suite="other")))


def test_equal_contrasts_are_called_moved_in_at_most_one_family_of_twenty() -> None:
    """Nulls at no margin at all: the worst for a rule that corrects for how many are compared."""
    generator, alarms, families, size = np.random.default_rng(5), 0, 200, 15
    for _ in range(families):
        logs = [(list(generator.normal(0, 0.02, 6)), list(generator.normal(0, 0.03, 10))) for _ in range(size)]
        changes = [Change(difference(a, b), sessions.p_moved(a, b, 0.0), margin=0.0, bar=0.0) for a, b in logs]
        alarms += "moved" in sessions.words(changes)
    assert alarms / families < 0.05 + 3 * math.sqrt(0.05 * 0.95 / families)
    assert alarms > 0


def test_p_is_under_a_twentieth_exactly_where_welchs_interval_lies_beyond_the_bar() -> None:
    generator = np.random.default_rng(3)
    seen = set()
    for centre, bar in itertools.product((0.0, 0.02, 0.05, 0.2), (0.0, 0.02)):
        for _ in range(20):
            after, before = list(generator.normal(centre, 0.03, 6)), list(generator.normal(0, 0.02, 8))
            interval, bound = difference(after, before), math.log1p(bar)
            beyond = interval.low > bound or interval.high < -bound
            assert (sessions.p_moved(after, before, bar) < 0.05) == beyond
            seen.add(beyond)
    assert seen == {True, False}
