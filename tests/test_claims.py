"""The ledger: read strictly, selected without silence, and every address of it leads to a planned cell."""

from functools import cache
from pathlib import Path

import pytest
from claims_helpers import ENTRY

from harness.claims.address import places
from harness.claims.ledger import check_globs, ledger_texts, matching, read_ledger
from harness.errors import SuiteError
from harness.plan import make_plan
from harness.suite import read_suite
from harness.systems import load_system

SUITES = Path(__file__).resolve().parent.parent / "suites"


def read(text: str):
    return read_ledger({"paper.yaml": text})


def test_an_entry_becomes_a_claim_of_its_document():
    (claim,) = read(ENTRY)
    assert (claim.id, claim.document, claim.line, claim.stated, claim.tolerance) == (
        "paper.gain",
        "paper.md",
        12,
        15,
        0,
    )
    assert (claim.headline, claim.command) == (False, "semh run s")
    assert claim.judged_by[0].changes == {"a": "b"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    unit:", "    unti:", "paper.yaml:11: claims.0: unknown key 'unti'; nearest is 'unit'"),
        ("stated: 15", "stated: many", "paper.yaml:10: claims.0.stated: found 'many'; input should be a valid number"),
        ("line: 12", "line: 0", "paper.yaml:5: claims.0.line: found 0; input should be greater than or equal to 1"),
        (
            "relation: at_least",
            "relation: over",
            "paper.yaml:9: claims.0.relation: found 'over'; input should be 'at_least', 'at_most', 'about' or 'within'",
        ),
        (
            "metric: reduction",
            "metric: share",
            "paper.yaml:14: claims.0.judged_by.0: metric share needs the key stage",
        ),
        (
            "changes: {a: b}",
            "cell: x, changes: {a: b}",
            "paper.yaml:14: claims.0.judged_by.0: cell and changes both; one of them would do",
        ),
        (
            "suite: s, part: p",
            "suite: s, prat: p",
            "paper.yaml:14: claims.0.judged_by.0: unknown key 'prat'; nearest is 'part'",
        ),
        (
            "    judged_by:\n      - {suite: s, part: p, metric: reduction, changes: {a: b}}\n",
            "",
            "paper.yaml:3: claims.0: neither judged_by nor untested_because; say how it is judged, or why it is not",
        ),
        ("document: paper.md", "document: ../paper.md", "paper.yaml:1: document: found '../paper.md'; "),
        ("    statement: It is faster.\n", "", "paper.yaml:3: claims.0.statement: field required"),
    ],
)
def test_a_fault_in_the_ledger_is_one_line_with_its_place(old, new, message):
    assert old in ENTRY
    with pytest.raises(SuiteError) as raised:
        read(ENTRY.replace(old, new))
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_ledger_that_is_no_mapping_is_refused():
    with pytest.raises(SuiteError, match=r"paper.yaml:1: found a list; "):
        read("- 1\n")


def test_an_id_stands_once_in_all_files():
    with pytest.raises(SuiteError, match=r"^b.yaml:3: .* stands already at a.yaml:3"):
        read_ledger({"a.yaml": ENTRY, "b.yaml": ENTRY})


def test_globs_select_in_the_ledgers_order_and_one_that_matches_nothing_is_an_error():
    claims = [*read(ENTRY), *read(ENTRY.replace("paper.gain", "paper.loss"))]
    assert [c.id for c in matching(claims, ["paper.l*", "paper.gain"])] == ["paper.gain", "paper.loss"]
    assert matching(claims, []) == []


def test_a_suites_glob_that_matches_nothing_is_an_error_with_its_line(tmp_path):
    file = tmp_path / "suite.yaml"
    file.write_text(
        "suite: s\ntitle: t\nsystem: sem\ndesign: pair\nagainst: all_on\nclaims:\n  - paper.*\n  - papers.*\n"
    )
    with pytest.raises(SuiteError, match=r"suite\.yaml:8: claims\.1: nothing matches 'papers\.\*'; the ledger offers"):
        check_globs(read_suite(file), read(ENTRY))


@cache
def ledger():
    return tuple(read_ledger(ledger_texts()))


@cache
def planned(suite: str):
    plan = make_plan(read_suite(SUITES / f"{suite}.yaml"), available_bytes=1e15)
    return {part.name: part for part in plan.parts}


ADDRESSES = [(claim, address) for claim in ledger() for address in claim.judged_by]


@pytest.mark.parametrize(
    ("claim", "address"), ADDRESSES, ids=[f"{claim.id}-{a.suite}-{a.part}-{a.metric}" for claim, a in ADDRESSES]
)
def test_every_address_leads_to_planned_cells_and_to_something_measured_there(claim, address):
    part = planned(address.suite)[address.part]
    found = places(address, part)
    assert found
    assert all(place.cell is not None and place.start is not None for place in found)
    assert len({place.where for place in found}) == len(found)
    if address.metric == "share":
        assert address.stage in part.stages
    if address.probe:
        assert address.probe in {probe.name for probe in load_system(part.system).probes}


@pytest.mark.parametrize("suite", ["cayley", "document", "solvers", "wide"])
def test_the_claims_a_suite_names_are_in_the_ledger_and_some_are_judged_there(suite):
    claims = matching(ledger(), read_suite(SUITES / f"{suite}.yaml").claims)
    assert any(address.suite == suite for claim in claims for address in claim.judged_by)


def test_the_solvers_suite_judges_what_both_documents_say_of_iterations():
    claims = {claim.id for claim in matching(ledger(), read_suite(SUITES / "solvers.yaml").claims)}
    topology = {"iterations_typical", "preconditioned_iterations", "iterations_saved"}
    assert {f"sem_topology.s3_2.{name}" for name in topology} <= claims
    judged_here = {c.id for c in ledger() if any(address.suite == "solvers" for address in c.judged_by)}
    assert judged_here <= claims


def test_the_cayley_suite_holds_the_claims_it_exists_for():
    here = {c.id for c in ledger() if any(a.suite == "cayley" for a in c.judged_by)}
    elsewhere = {c.id: c.command for c in ledger() if c.judged_by and not any(a.suite == "cayley" for a in c.judged_by)}
    stated = {(c.stated, c.unit) for c in ledger() if c.id in here}
    assert {(s, "%") for s in (78, 15, 20, 10, 25, 55, 43, 46, 35, 40)} <= stated
    assert {(5, "iterations"), (2.5, "iterations"), (3, "iterations")} <= stated
    training = {"sem_topology.s3_1.share_of_training_step", "sem_p0_issues.issue_1.share_of_training"}
    assert {elsewhere[claim] for claim in training} == {"semh run wide"}
    assert {c.stated for c in ledger() if c.headline and c.id in here} == {78, 43}


def test_gains_are_at_least_shares_within_three_points_iterations_at_most():
    for claim in ledger():
        metrics = {address.metric for address in claim.judged_by}
        if "reduction" in metrics:
            assert claim.relation == "within" or (claim.relation, claim.tolerance) == ("at_least", 0), claim.id
        if "share" in metrics and claim.relation == "about":
            assert claim.tolerance == 3, claim.id
        if claim.unit == "iterations":
            assert claim.relation == "at_most", claim.id
