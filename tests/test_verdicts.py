"""The state of the ledger: the newest word that says anything, with what changed since, and what no run can say."""

from __future__ import annotations

import json
import sys
from io import StringIO
from pathlib import Path

import pytest
from analysis_helpers import World, world
from claims_helpers import ENTRY
from rich.console import Console
from stored_runs import manifest_of, stored

import cli
from harness.claims.ledger import Claim, read_ledger
from harness.errors import UsageError
from harness.report.terminal_verdicts import verdict_tables
from harness.verdicts import ledger_state, picked
from harness.verdicts.state import State

GAIN = ENTRY.replace("suite: s", "suite: fake").replace("{a: b}", "{matrix: cached}")
ARITHMETIC = GAIN + GAIN.split("claims:\n")[1].replace("paper.gain", "paper.sum").replace(
    "kind: measured", 'kind: arithmetic\n    formula: "5 + 17 + 78 + 3"'
).replace("stated: 15", "stated: 104")
OLD, NEW, NEWEST = "fake-20260101-000000-aaaa", "fake-20260102-000000-bbbb", "fake-20260103-000000-cccc"


def claims(text: str = GAIN) -> list[Claim]:
    return read_ledger({"paper.yaml": text})


def given(text: str = GAIN, **changes: object) -> World:
    """Caching saves half of the time."""
    return world(claims=("paper.*",), claims_text={"paper.yaml": text}, **changes)


def state(results: Path, text: str = GAIN) -> State:
    return ledger_state(results, claims(text)).claims[0]


def said(results: Path, text: str = GAIN, *, fold: bool = False) -> str:
    found = ledger_state(results, claims(text))
    out = StringIO()
    for item in verdict_tables(found, found.claims, fold=fold):
        Console(file=out, width=300).print(item)
    return out.getvalue()


def test_without_a_run_a_claim_is_untested_and_the_command_that_would_test_it_stands_there(tmp_path: Path) -> None:
    found = state(tmp_path)
    assert (found.word, found.run, found.command) == ("untested", None, "semh run fake")
    assert "– untested  paper.gain" in said(tmp_path)
    assert "semh run fake" in said(tmp_path)


def test_what_nothing_tested_is_counted_with_what_would_and_an_old_word_is_never_folded_away(tmp_path: Path) -> None:
    external = GAIN.split("claims:\n")[1].split("    judged_by")[0].replace("paper.gain", "paper.world")
    text = ARITHMETIC + external.replace("kind: measured", "kind: external\n    untested_because: it is far away")
    told = said(tmp_path, text, fold=True)
    counted = "– untested  2 claims, to be tested 1 by semh run fake, 1 by nothing here; semh verdicts --word untested"
    assert counted in told
    assert "paper.gain" not in told
    assert "✕ refuted  paper.sum" in told
    assert "comes out as 103" in told
    stored(given(), tmp_path, OLD)
    elsewhere = said(tmp_path, GAIN.replace("{matrix: cached}", "{solver: none}"), fold=True)
    assert f"earlier supported, by {OLD}" in elsewhere


def test_decided_claims_come_first_a_line_each_and_what_arithmetic_supports_is_counted(tmp_path: Path) -> None:
    lost = GAIN.split("claims:\n")[1].replace("paper.gain", "paper.lost").replace("stated: 15", "stated: 60")
    text = ARITHMETIC.replace("stated: 104", "stated: 103") + lost
    stored(given(text), tmp_path, OLD)
    told = said(tmp_path, text, fold=True).splitlines()
    assert told[0].split()[0] == "document" and told[1].split() == ["paper.md", "1", "0", "2", "0", "0", "0", "3"]
    assert [line.split()[2] for line in told if "stated" in line] == ["paper.lost", "paper.gain"]
    assert "● supported  1 claim by arithmetic; semh verdicts --all lists them" in told
    assert not any("It is faster." in line for line in told)
    assert sum("It is faster." in line for line in said(tmp_path, text).splitlines()) == 3


def test_a_smoke_run_never_hides_an_earned_word(tmp_path: Path) -> None:
    stored(given(), tmp_path, OLD)
    stored(given(preset="smoke", trials=2), tmp_path, NEW)
    found = state(tmp_path)
    assert (found.word, found.run, found.earlier, found.changed) == ("supported", OLD, None, "")
    assert found.measured is not None
    assert found.measured.point == pytest.approx(50, abs=0.1)


def test_the_newest_earned_word_wins_and_the_other_word_before_it_stands_beside(tmp_path: Path) -> None:
    stored(given(), tmp_path, OLD)
    stored(given(broken=["matrix=cached"]), tmp_path, NEW)
    found = state(tmp_path)
    assert (found.word, found.run) == ("invalid", NEW)
    assert found.earlier is not None
    assert (found.earlier.word, found.earlier.run) == ("supported", OLD)
    assert f"earlier supported, by {OLD}" in said(tmp_path)
    stored(given(), tmp_path, NEWEST)
    again = state(tmp_path)
    assert (again.word, again.run, again.earlier) == ("supported", NEWEST, None)


def test_a_changed_bound_is_judged_again_on_the_stored_numbers_and_nothing_stored_changes(tmp_path: Path) -> None:
    folder = stored(given(), tmp_path, OLD)
    before = (folder.path / "analysis.json").read_bytes()
    raised = GAIN.replace("stated: 15", "stated: 60")
    found = state(tmp_path, raised)
    assert (found.word, found.run_said, found.stated) == ("refuted", "supported", 60)
    assert "the entry has changed since (stated): judged again" in found.changed
    assert "the run said supported" in said(tmp_path, raised)
    assert (folder.path / "analysis.json").read_bytes() == before


def test_a_claim_judged_elsewhere_now_is_untested_and_keeps_the_old_word_beside(tmp_path: Path) -> None:
    stored(given(), tmp_path, OLD)
    found = state(tmp_path, GAIN.replace("{matrix: cached}", "{solver: none}"))
    assert (found.word, found.run, found.reason) == ("untested", None, "the suite plans no such cell")
    assert found.earlier is not None
    assert (found.earlier.word, found.earlier.run) == ("supported", OLD)
    assert "the entry has changed since (where it is judged)" in found.changed


def test_another_suite_that_judges_it_too_changes_nothing_for_this_one(tmp_path: Path) -> None:
    stored(given(), tmp_path, OLD)
    found = state(tmp_path, GAIN + "      - {suite: other, part: p, metric: reduction}\n")
    assert (found.word, found.run, found.changed) == ("supported", OLD, "")


def test_other_words_for_the_same_claim_leave_its_verdict_and_are_told(tmp_path: Path) -> None:
    stored(given(), tmp_path, OLD)
    found = state(tmp_path, GAIN.replace("It is faster.", "It takes less time."))
    assert (found.word, found.run_said) == ("supported", None)
    assert found.changed == "the entry has changed since (statement), in nothing the word depends on"


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (world(), "not in the run's own ledger"),
        (world(claims_text={"paper.yaml": GAIN}), "the run was not asked for it"),
        (world(claims_text={"paper.yaml": "of a form: no longer read\n"}), "not in the run's own ledger"),
    ],
)
def test_a_run_that_knew_nothing_of_the_claim_still_has_its_numbers(tmp_path: Path, made: World, why: str) -> None:
    folder = stored(given(), tmp_path, OLD)
    folder.write_manifest(manifest_of(made, OLD))
    folder.write_analysis(folder.analysis().model_copy(update={"claims": ()}))
    found = state(tmp_path)
    assert (found.word, found.run) == ("supported", OLD)
    assert why in found.changed


def test_arithmetic_is_judged_on_the_spot_and_no_run_has_a_say(tmp_path: Path) -> None:
    stored(given(ARITHMETIC), tmp_path, OLD)
    found = ledger_state(tmp_path, claims(ARITHMETIC))
    assert found.counts() == {"paper.md": {"supported": 1, "refuted": 1}}
    sums = found.claims[1]
    assert (sums.word, sums.run, sums.kind) == ("refuted", None, "arithmetic")
    assert sums.measured is not None
    assert sums.measured.point == 103


def test_runs_of_other_suites_and_calibrations_are_passed_over(tmp_path: Path) -> None:
    stored(given(suite="other"), tmp_path, NEW.replace("fake", "other"))
    stored(given(purpose="calibrate"), tmp_path, NEWEST)
    assert state(tmp_path).word == "untested"


def test_runs_that_cannot_be_read_are_named_with_the_reason(tmp_path: Path) -> None:
    stored(given(), tmp_path, OLD)
    unfinished = stored(given(), tmp_path, NEW, state="running")
    (unfinished.path / "analysis.json").unlink()
    damaged = stored(given(), tmp_path, NEWEST)
    (damaged.path / "manifest.json").write_text("{")
    found = ledger_state(tmp_path, claims())
    assert found.claims[0].run == OLD
    assert len(found.unread) == 2
    assert "damaged" in found.unread[0]
    assert "unfinished, and not analysed" in found.unread[1]
    assert "not read:" in said(tmp_path)


def test_settings_of_the_command_line_stand_beside_the_run(tmp_path: Path) -> None:
    made = given()
    plan = made.plan.model_copy(update={"settings": {"threads": 2, "vocabulary": 256}})
    stored(made, tmp_path, OLD, plan=plan)
    assert f"by {OLD} under 2 threads, vocabulary 256" in said(tmp_path)


def test_what_a_run_says_comes_before_what_the_ledger_says_of_the_formula(tmp_path: Path) -> None:
    why = GAIN.replace("    kind: measured", "    why: half of it is copied\n    kind: measured")
    stored(given(why, broken=["matrix=cached"]), tmp_path, OLD)
    assert "other numbers than the oracle" in said(tmp_path, why)
    assert "half of it is copied" not in said(tmp_path, why)
    assert "half of it is copied" in said(
        tmp_path, ARITHMETIC.replace("    formula:", "    why: half of it is copied\n    formula:")
    )


def test_claims_are_picked_by_document_and_word(tmp_path: Path) -> None:
    found = ledger_state(tmp_path, claims(ARITHMETIC))
    assert [one.id for one in picked(found, ["paper"], ["refuted"])] == ["paper.sum"]
    assert len(picked(found, ["paper.md"], [])) == 2
    with pytest.raises(UsageError, match=r"--document 'paer': no such document; the ledger offers paper.md"):
        picked(found, ["paer"], [])
    with pytest.raises(UsageError, match="--word 'refused': no such verdict; there are supported, refuted"):
        picked(found, [], ["refused"])


def test_the_command_says_the_same_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    stored(given(), tmp_path / "results", OLD)
    monkeypatch.setattr("harness.claims.ledger.ledger_texts", lambda: {"paper.yaml": ARITHMETIC})
    monkeypatch.setattr(sys, "argv", ["semh", "verdicts", "--json", "--word", "supported"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    told = json.loads(capsys.readouterr().out)
    assert [claim["id"] for claim in told["claims"]] == ["paper.gain"]
    assert told["runs"][0]["run"] == OLD
    assert told["claims"][0]["measured"]["n"] == 6
