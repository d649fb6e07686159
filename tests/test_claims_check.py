"""A document against its ledger: nothing unregistered goes unseen, and a changed number is blamed on its own claim."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cli
from harness.claims.check import Finding, check
from harness.claims.extract import lines_of, numbers
from harness.claims.ledger import Claim, ledger_texts, read_ledger
from harness.claims.told import skeletons, summary
from tests.claims_document import DOCUMENT, entry, ledger

PLACES = [(line, at) for line in numbers(DOCUMENT) for at in range(len(line.tokens))]


def findings(text: str, claims: list[Claim], name: str = "sorter.md") -> list[Finding]:
    return list(check(name, text, claims).findings)


def with_another(text: str, line: int, start: int, token: str) -> tuple[str, str]:
    """The document with one digit of one token changed, and the token that it has become."""
    spelled = token.partition("#")[0]
    digit = max(at for at, sign in enumerate(spelled) if sign.isdigit())
    new = spelled[:digit] + str((int(spelled[digit]) + 1) % 9 + 1) + spelled[digit + 1 :]
    lines = lines_of(text)
    before = lines[line - 1]
    lines[line - 1] = before[:start] + new + before[start + len(spelled) :]
    return "\n".join(lines), new


def test_a_document_whose_every_number_is_registered_is_as_its_ledger_says():
    checked = check("sorter.md", DOCUMENT, ledger())
    assert checked.findings == ()
    assert checked.numbers == len(PLACES) == 21
    assert summary(checked) == "sorter.md: 21 of 21 numbers registered on 11 lines, 21 claims"


@pytest.mark.parametrize(("line", "at"), PLACES, ids=lambda value: str(getattr(value, "number", value)))
def test_changing_one_number_flags_exactly_the_claim_that_owns_it(line, at):
    text, new = with_another(DOCUMENT, line.number, line.starts[at], line.tokens[at])
    (found,) = findings(text, ledger())
    assert (found.word, found.claim) == ("changed", f"sorter.line_{line.number}_{at}")
    assert (found.line, found.token, found.now.partition("#")[0]) == (line.number, line.tokens[at], new)


@given(st.sampled_from(PLACES), st.integers(1, 9999), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_whatever_a_number_becomes_and_wherever_its_line_goes_its_claim_is_told(place, value, above):
    line, at = place
    spelled = line.tokens[at].partition("#")[0]
    lines = lines_of(DOCUMENT)
    text = lines[line.number - 1]
    lines[line.number - 1] = text[: line.starts[at]] + str(value) + text[line.starts[at] + len(spelled) :]
    changed = lines[line.number - 1] != text
    # A heading of its own keeps what is put above from running into the document's first lines.
    found = findings("# Put above\n" * above + "\n".join(lines), ledger())
    owner = f"sorter.line_{line.number}_{at}"
    assert {one.claim for one in found if one.word == "changed"} == ({owner} if changed else set())
    assert not [one for one in found if one.word in ("lost", "unregistered", "unfounded", "reworded")]
    assert all(one.word == "moved" or not above for one in found if one.claim != owner)


def test_two_changed_numbers_of_a_line_are_each_blamed_on_their_own_claim():
    found = findings(DOCUMENT.replace("| 9 | 9% | 9 | 12% |", "| 9 | 8% | 7 | 12% |"), ledger())
    told = {(one.claim, one.token, one.now) for one in found}
    assert told == {("sorter.line_10_1", "9%", "8%"), ("sorter.line_10_2", "9#2", "7")}


def test_a_number_nobody_registered_is_told_with_its_line_and_section():
    claims = [claim for claim in ledger() if claim.line != 26]
    (found,) = findings(DOCUMENT, claims)[:1]
    assert (found.word, found.line, found.section, found.token) == ("unregistered", 26, "Outlook", "30%")
    assert len(findings(DOCUMENT, claims)) == 2


def test_a_moved_line_is_found_by_its_hash_and_its_numbers_stay_registered():
    lines = lines_of(DOCUMENT)
    lines[25], lines[26] = lines[26], lines[25]
    found = findings("\n".join(lines), ledger())
    assert {(one.word, one.claim) for one in found} == {
        ("moved", f"sorter.line_{line}_{at}") for line in (26, 27) for at in (0, 1)
    }


def test_a_line_that_is_gone_is_lost():
    found = findings(DOCUMENT.replace("- At most 50,262 keys fit, at D(2D+1) each", "- All keys fit"), ledger())
    assert [(one.word, one.claim) for one in found] == [("lost", "sorter.line_28_0")]


def test_other_words_around_the_same_numbers_are_told_as_such():
    found = findings(DOCUMENT.replace("saves >30% (now 12%)", "costs >30% (once 12%)"), ledger())
    assert {(one.word, one.claim) for one in found} == {("reworded", f"sorter.line_26_{at}") for at in (0, 1)}


def test_a_claim_of_a_sentence_without_numbers_is_lost_with_its_sentence():
    claims = [*ledger(), entry(1, name="sorter.title")]
    assert findings(DOCUMENT, claims) == []
    assert [one.word for one in findings(DOCUMENT.replace("sorter", "heap"), claims)] == ["lost"]


def test_a_number_that_the_line_never_held_is_the_ledgers_fault():
    claims = [*ledger(), entry(29, "11", name="sorter.wrong")]
    (found,) = findings(DOCUMENT, claims)
    assert (found.word, found.claim, found.token) == ("unfounded", "sorter.wrong", "11")


def test_a_copy_under_another_name_is_known_by_its_lines():
    checked = check("copy.md", DOCUMENT, [*ledger(), entry(5, "62%", name="other.one", document="other.md")])
    assert (checked.known_as, checked.findings) == ("sorter.md", ())
    assert "21 claims of sorter.md" in summary(checked)


def test_a_document_no_ledger_knows_is_unregistered_altogether_and_its_skeletons_read_as_a_ledger():
    checked = check("new one.md", DOCUMENT, [])
    assert {one.word for one in checked.findings} == {"unregistered"}
    filled = {
        "statement:": "statement: It is so.",
        "kind:": "kind: measured\n    untested_because: an example",
        "relation:": "relation: about",
        "stated:": "stated: 1",
        "unit:": 'unit: ""',
        "scope:": "scope: everywhere",
    }
    text = skeletons(checked).replace("document: new one.md", "document: sorter.md")
    for empty, full in filled.items():
        text = re.sub(rf"(?m)^    {empty}$", f"    {full}", text)
    assert findings(DOCUMENT, read_ledger({"new.yaml": text})) == []


@pytest.fixture
def semh(tmp_path, monkeypatch, capsys):
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["semh", "claims", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    (tmp_path / "sorter.md").write_text(DOCUMENT, encoding="utf-8")
    return call


def test_check_says_what_is_unregistered_and_exits_1(semh):
    code, out, _ = semh("check", "sorter.md")
    assert code == 1
    assert "sorter.md:5: unregistered 62% (section 1): The merge takes" in out
    assert out.endswith("sorter.md: 0 of 21 numbers registered on 11 lines, no ledger knows it\n")


def test_a_ledger_of_ones_own_is_checked_against(semh, tmp_path):
    _, proposed, said = semh("check", "sorter.md", "--propose")
    assert "0 of 21 numbers" in said
    for key, value in {"kind": "external", "relation": "about", "stated": "1", "unit": "ms"}.items():
        proposed = proposed.replace(f"    {key}:\n", f"    {key}: {value}\n")
    proposed = proposed.replace("statement:\n", "statement: So.\n").replace(
        "scope:\n", "scope: all\n    untested_because: an example\n"
    )
    (tmp_path / "own.yaml").write_text(proposed, encoding="utf-8")
    code, out, _ = semh("check", "sorter.md", "--ledger", "own.yaml")
    assert (code, out) == (0, "sorter.md: 21 of 21 numbers registered on 11 lines, 11 claims\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check", "none.md"), "a markdown document in UTF-8 would do"),
        (("check", "sorter.md", "--ledger", "none.yaml"), "a ledger's YAML file would do"),
        (("list", "--kind", "mesured"), "no such kind"),
        (("list", "--document", "nowhere"), "no such document"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(semh, words, said):
    code, _, err = semh(*words)
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1


def test_list_shows_the_claims_that_were_asked_for(semh):
    code, out, _ = semh("list", "--kind", "measured", "--document", "topology", "--text", "caching")
    assert code == 0
    assert "sem_topology.s3_2.caching" in out
    assert "sem_p0_issues" not in out


@pytest.mark.skipif("SEMH_DOCUMENTS" not in os.environ, reason="SEMH_DOCUMENTS names no folder with the documents")
def test_one_changed_number_in_the_documents_themselves_flags_exactly_its_claims():
    claims = read_ledger(ledger_texts())
    for name in sorted({claim.document for claim in claims}):
        text = (Path(os.environ["SEMH_DOCUMENTS"]) / name).read_text(encoding="utf-8")
        assert findings(text, claims, name) == []
        for line in numbers(text):
            for token, start in zip(line.tokens, line.starts, strict=True):
                owners = {
                    claim.id
                    for claim in claims
                    if claim.document == name and claim.line == line.number and token in claim.numbers
                }
                changed, _ = with_another(text, line.number, start, token)
                found = findings(changed, claims, name)
                assert {one.claim for one in found} == owners, (name, line.number, token)
                assert {one.word for one in found} == {"changed"}
