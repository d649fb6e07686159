"""The ledger that comes with the harness, whole: what its entries rest on is there, and told to whoever reads it.

That every address leads to planned cells stands in test_claims; here is what ties entries to one another, to the probes
and to the suites.
"""

import shlex
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from typer.main import get_command

from cli import app
from harness.claims import numeric
from harness.claims.arithmetic import judged
from harness.claims.check import check
from harness.claims.ledger import NumberAt, ledger_texts, matching, read_ledger
from harness.claims.number import ends
from harness.suite import read_suite
from harness.systems import load_system

SUITES = Path(__file__).resolve().parent.parent / "suites"


@cache
def ledger():
    return tuple(read_ledger(ledger_texts()))


def documents():
    return {name: list(claims) for name, claims in groupby(ledger(), key=lambda claim: claim.document)}


def ids(claims):
    return [claim.id for claim in claims]


def test_all_three_documents_and_our_own_goals_have_a_ledger():
    assert sorted(documents()) == ["goals.md", "sem_cutting_edge.md", "sem_p0_issues.md", "sem_topology_report.md"]


def test_our_goals_are_what_the_ledger_says_number_by_number():
    text = (SUITES.parent / "docs" / "goals.md").read_text(encoding="utf-8")
    checked = check("goals.md", text, ledger())
    assert list(checked.findings) == []
    assert checked.claims == len(documents()["goals.md"])


@pytest.mark.parametrize("document", sorted(documents()))
def test_entries_stand_in_the_order_of_their_document_and_one_line_has_one_hash(document):
    claims = documents()[document]
    assert [(a.id, b.id) for a, b in pairwise(claims) if a.line > b.line] == []
    assert len({(claim.line, claim.line_sha256) for claim in claims}) == len({claim.line for claim in claims})


ARITHMETIC = [claim for claim in ledger() if claim.kind == "arithmetic"]


@pytest.mark.parametrize("claim", ARITHMETIC, ids=ids(ARITHMETIC))
def test_arithmetic_comes_to_a_number_and_says_why_where_it_is_refuted(claim):
    verdict = judged(claim)
    assert verdict.verdict in ("supported", "refuted", "qualified"), verdict.reason
    assert claim.why or verdict.verdict == "supported"


@pytest.mark.parametrize("name", ["upper", "lower", "up", "low"])
def test_a_wrong_sign_in_the_printed_preconditioner_would_be_found(name):
    (claim,) = matching(ledger(), ["sem_p0_issues.issue_1.preconditioner_formula"])
    assert judged(claim).verdict == "supported"
    other = {"b": "-b", "-b": "b"}[claim.given[name]]
    assert judged(claim.model_copy(update={"given": claim.given | {name: other}})).verdict == "refuted"


@pytest.mark.parametrize("claim", ARITHMETIC, ids=ids(ARITHMETIC))
def test_numbers_of_the_document_that_a_formula_rests_on_are_registered_on_their_line(claim):
    registered = {(c.line, token) for c in ledger() if c.document == claim.document for token in c.numbers}
    rests_on = {(meant.line, meant.number) for meant in claim.given.values() if isinstance(meant, NumberAt)}
    assert rests_on <= registered


def test_a_range_is_stated_as_its_line_prints_it():
    for claim in ledger():
        if claim.kind == "arithmetic" and claim.relation == "within" and claim.numbers:
            assert (claim.stated, claim.stated_high) == ends(claim.numbers[0]), claim.id


COMPUTED = [claim for claim in ledger() if claim.computed_by]


@pytest.mark.parametrize("claim", COMPUTED, ids=ids(COMPUTED))
def test_every_reading_asked_for_names_a_system_a_variant_levels_conditions_and_a_probe_that_exist(claim):
    assert numeric.models([claim])


@pytest.mark.parametrize("suite", sorted(file.stem for file in SUITES.glob("*.yaml")))
def test_a_suite_asks_for_every_claim_that_it_can_judge(suite):
    asked = {claim.id for claim in matching(ledger(), read_suite(SUITES / f"{suite}.yaml").claims)}
    judged_here = {claim.id for claim in ledger() if any(address.suite == suite for address in claim.judged_by)}
    assert judged_here - asked == set()


COMMANDS = sorted({claim.command for claim in ledger() if claim.command})


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_one_that_semh_has_with_options_it_knows(command):
    program, name, *arguments = shlex.split(command)
    assert program == "semh"
    parsed = get_command(app).commands[name].make_context(name, list(arguments)).params
    if name == "run":
        assert (SUITES / f"{arguments[0]}.yaml").is_file()
    system = load_system(parsed.get("system") or "sem")
    for chosen in parsed.get("switch") or ():
        switch, level = chosen.split("=")
        assert level in next(one.levels for one in system.switches if one.name == switch)
