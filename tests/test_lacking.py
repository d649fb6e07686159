"""A level that cannot run here is never measured under its name: it is untested, with the reason, and so is a claim."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest
from claims_helpers import claim

import harness
from harness.claims.verdict import judge
from harness.plan import make_plan
from harness.process import WORKER
from harness.records import Block, Process
from harness.report.alerts import alerts
from harness.report.lookup import Run
from harness.store import run_folders
from harness.suite import read_suite
from harness.trace.one import TraceError, run_alone
from tests.needy_fakes import NO_WAND, Needy
from tests.runner_helpers import Recorder, fake_suite, here, keys, measured, outcomes, planned

NOT_HERE = f"not testable here: {NO_WAND}"
TWO = """suite: two
title: One part can be measured, one cannot
parts:
  can: {system: "tests.needy_fakes:NEEDY", design: one_at_a_time, factors: {pace: [usual, slow]}, blocks: 2}
  cannot: {system: "tests.needy_fakes:NEEDY", design: one_at_a_time, baseline: {tool: magic},
           factors: {pace: [usual, slow]}, blocks: 2}
"""


def needy(folder: Path, factors: str, more: str = "") -> Path:
    file = fake_suite(folder, "NEEDY", factors, more)
    file.write_text(file.read_text().replace("tests.fakes", "tests.needy_fakes"))
    return file


def run(file: Path, preset: str = "quick") -> harness.Result:
    return harness.run(file, preset=preset, results=file.parent / "results", reports=file.parent / "reports")


def summaries(result: harness.Result) -> dict[str, object]:
    return {cell.name: cell for part in result.analysis.parts for cell in part.cells}


@pytest.fixture(scope="module")
def one_cell(tmp_path_factory: pytest.TempPathFactory) -> harness.Result:
    return run(needy(tmp_path_factory.mktemp("one"), "{pace: [usual, slow], tool: [hand, magic]}", "confirm: false\n"))


@pytest.fixture(scope="module")
def two_parts(tmp_path_factory: pytest.TempPathFactory) -> harness.Result:
    file = tmp_path_factory.mktemp("two") / "two.yaml"
    file.write_text(TWO)
    return run(file)


def test_such_a_cell_is_untested_with_its_reason_and_all_else_is_measured(one_cell: harness.Result) -> None:
    found = summaries(one_cell)
    magic = found["tool=magic"]
    assert (magic.outcome, magic.detail, magic.time_s) == ("untested", NO_WAND, None)
    assert {found[name].outcome for name in ("status_quo", "pace=slow", "control")} == {"measured"}
    [part] = one_cell.analysis.parts
    words = {contrast.cell: (contrast.verdict, contrast.reason) for contrast in part.contrasts}
    assert words[magic.cell] == ("not measured", NOT_HERE)
    assert words[found["pace=slow"].cell][0] == "slower"
    assert part.stable and one_cell.analysis.trials_done == one_cell.analysis.trials_planned


def test_it_is_neither_built_nor_called(one_cell: harness.Result) -> None:
    """No process but the first holds it, and that one says nothing of it but this."""
    folder, magic = one_cell.folder, summaries(one_cell)["tool=magic"].cell
    first, *others = folder.manifest().processes
    assert magic in first.cells and not any(magic in process.cells for process in others)
    told = [line for line in folder.lines(first.number) if getattr(line, "cell", "") == magic]
    assert [line.kind for line in told] == ["outcome"]


def test_it_is_no_failure_of_the_suite(one_cell: harness.Result, two_parts: harness.Result) -> None:
    assert (one_cell.exit_code, two_parts.exit_code) == (0, 0)


def test_the_report_says_it_once_on_its_first_screen(one_cell: harness.Result, two_parts: harness.Result) -> None:
    one, *others = alerts(Run(one_cell.folder.manifest(), one_cell.analysis))
    cells = len(summaries(one_cell))
    assert (one.title, one.reasons) == (f"Not testable here: 1 of {cells} cells", (f"tool=magic: {NO_WAND}.",))
    assert one.remedy == "semh doctor" and not others
    two, *others = alerts(Run(two_parts.folder.manifest(), two_parts.analysis))
    assert two.reasons == (f"Part cannot is not judged: it is {NOT_HERE}.",) and not others
    for result, title in ((one_cell, one.title), (two_parts, two.title)):
        assert title in result.report.read_text()
        assert result.report.with_name("report.md").read_text().count(title) == 1


def test_a_claim_that_needs_it_says_why_and_one_that_does_not_is_judged(one_cell: harness.Result) -> None:
    plan, parts = one_cell.folder.manifest().plan, one_cell.analysis.parts
    about = {"suite": "fake", "part": "fake"}
    needs = judge(claim(stated=10.0, changes={"tool": "magic"}, **about), parts, plan)
    assert (needs.verdict, needs.reason) == ("untested", NOT_HERE)
    other = judge(claim("at_most", stated=-50.0, changes={"pace": "slow"}, **about), parts, plan)
    assert other.verdict == "supported"


def test_a_part_whose_baseline_cannot_run_says_so_and_is_not_judged(two_parts: harness.Result) -> None:
    can, cannot = two_parts.analysis.parts
    assert (can.trials, two_parts.analysis.trials_done) == (6, 6)
    assert {cell.outcome for cell in can.cells} == {"measured"} and can.contrasts[0].verdict == "slower"
    assert {cell.outcome for cell in cannot.cells} == {"untested"} and cannot.reasons == (NOT_HERE,)
    [slow] = cannot.contrasts
    assert slow.verdict == "not measured" and slow.ratio is None and NO_WAND in slow.reason
    assert not (cannot.stable or cannot.noise_known)
    markdown = two_parts.report.with_name("report.md").read_text()
    assert "unstable host" not in markdown and f"Part cannot is not judged: it is {NOT_HERE}" in markdown
    manifest = two_parts.folder.manifest()
    assert [process.process for process in manifest.processes if process.part == "cannot"] == ["prepare"]
    verdict = judge(
        claim("at_most", -50.0, changes={"pace": "slow"}, suite="two", part="cannot"), (can, cannot), manifest.plan
    )
    assert (verdict.verdict, verdict.reason) == ("untested", NOT_HERE)


def test_a_run_of_nothing_else_ends_without_a_complaint_about_the_host(tmp_path: Path) -> None:
    file = needy(tmp_path, "{tool: [magic, hand]}", "")
    file.write_text(file.read_text().replace("baseline: status_quo", "baseline: {tool: magic}"))
    result = run(file)
    cells = summaries(result)
    titles = [alert.title for alert in alerts(Run(result.folder.manifest(), result.analysis))]
    assert (titles, result.exit_code) == ([f"Not testable here: {len(cells)} of {len(cells)} cells"], 0)


def test_a_level_that_is_lost_before_it_is_confirmed_keeps_its_trials_and_is_not_confirmed(tmp_path: Path) -> None:
    result = run(needy(tmp_path, "{tool: [hand, rented]}"))
    [part] = result.analysis.parts
    [rented] = part.contrasts
    assert summaries(result)["tool=rented"].outcome == "measured" and rented.ratio is not None
    assert rented.confirmation is not None and rented.confirmation.word == "not done"
    [outcome] = [one for one in result.folder.manifest().outcomes if one.again]
    assert (outcome.outcome, outcome.detail, result.exit_code) == ("untested", NO_WAND, 0)


def test_a_run_that_is_taken_up_again_asks_no_second_time(tmp_path: Path) -> None:
    def interrupt(process: Process) -> None:
        if process.process == "trial":
            raise KeyboardInterrupt

    file = needy(tmp_path, "{pace: [usual, slow], tool: [hand, magic]}")
    with pytest.raises(KeyboardInterrupt):
        measured(file, tmp_path / "results", progress=Recorder(interrupt))
    [folder] = run_folders(tmp_path / "results")
    before = outcomes(folder)
    assert before["tool=magic"].outcome == "untested"
    assert measured(file, tmp_path / "results", resume=True) == folder
    assert folder.manifest().state == "finished" and outcomes(folder) == before
    assert keys(folder) == keys(measured(file, tmp_path / "other"))
    assert any(
        isinstance(line, Block) for process in folder.manifest().processes for line in folder.lines(process.number)
    )


def test_an_untested_outcome_may_be_expected(tmp_path: Path) -> None:
    expect = "expect: [{cell: tool=magic, outcome: untested}]\n"
    cells = planned(needy(tmp_path, "{tool: [hand, magic]}", expect)).parts[0].cells
    assert [cell.expect for cell in cells if cell.name == "tool=magic"] == ["untested"]


def test_a_plan_asks_nothing(tmp_path: Path) -> None:
    with patch.object(Needy, "unavailable", side_effect=AssertionError("asked")):
        assert make_plan(read_suite(needy(tmp_path, "{tool: [hand, magic]}"))).parts


def test_a_process_of_its_own_for_it_says_why_there_is_none(tmp_path: Path) -> None:
    plan = planned(needy(tmp_path, "{tool: [hand, magic]}"))
    [cell] = [cell for cell in plan.parts[0].cells if cell.name == "tool=magic"]
    with pytest.raises(TraceError, match=f"^fake/tool=magic is {NOT_HERE}$"):
        run_alone(plan, plan.parts[0], cell, 1, tmp_path, here(), WORKER, "memory")


def test_what_cannot_be_asked_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    """A system whose answer is an exception has a fault, which no machine is to blame for."""
    broken = tmp_path / "broken_needy.py"
    broken.write_text(
        "from tests.needy_fakes import Needy, PACE, TOOL, worked\n"
        "class Broken(Needy):\n    def unavailable(self, variant, conditions, mode):\n"
        "        if variant['tool'] == 'magic':\n            raise ValueError('planted')\n"
        "BROKEN = Broken('broken', (PACE, TOOL), worked)\n"
    )
    file = needy(tmp_path, "{tool: [hand, magic]}")
    file.write_text(file.read_text().replace("tests.needy_fakes:NEEDY", "broken_needy:BROKEN"))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        patched.syspath_prepend(tmp_path)
        result = run(file, "smoke")
    magic = summaries(result)["tool=magic"]
    assert magic.outcome == "failed" and "ValueError: planted" in magic.detail and result.exit_code == 3
