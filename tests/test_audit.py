"""Arithmetic claims are judged without torch, and one changed number flips exactly the claims that rest on it."""

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from claims_helpers import ENTRY
from rich.console import Console

from harness.audit import audit, audited, listing, summary, table
from harness.claims import ledger
from harness.claims.ledger import Claim, read_ledger
from harness.claims.number import ends
from harness.errors import SuiteError, UsageError

ROOT = Path(__file__).resolve().parent.parent

DOCUMENT = """# A paper

The mill takes 60% of 200 ms, the sieve 40% of them.
It runs 55-70% faster with a lighter stone, saving 30% of the mill's time.
That is 18% of all, and 15% for 15% of the flour.
"""

CLAIMS = """document: paper.md
claims:
  - {id: paper.whole, line: 3, numbers: ["40%"], stated: 40,
     formula: 100 - mill, given: {mill: {line: 3, number: "60%"}}}
  - {id: paper.mill, line: 3, numbers: ["60%", "200 ms"], stated: 60,
     formula: 100 * 120 / total, given: {total: {line: 3, number: "200 ms"}}}
  - {id: paper.range, line: 4, numbers: ["55-70%", "30%"], relation: within, stated: 55, stated_high: 70,
     formula: 100 * 3 / 5}
  - {id: paper.total, line: 5, numbers: ["18%"], stated: 18, formula: mill * saved / 100,
     given: {mill: {line: 3, number: "60%"}, saved: {line: 4, number: "30%"}}, why: a share of a share}
  - {id: paper.flour, line: 5, numbers: ["15%"], stated: 15, formula: "10"}
  - {id: paper.other, line: 5, numbers: ["15%#2"], stated: 15, formula: "15.0000000000001"}
"""


def claims(document: str = DOCUMENT, **changes: str) -> list[Claim]:
    """The entries with what is the same in all of them."""
    lines = document.split("\n")
    text = CLAIMS
    for number in (3, 4, 5):
        digest = hashlib.sha256(lines[number - 1].encode()).hexdigest()
        same = f'line_sha256: "{digest}", section: "1", statement: A sentence., kind: arithmetic, unit: "%", scope: all'
        relation = "" if number == 4 else ", relation: about"
        text = text.replace(f"line: {number}, numbers", f"line: {number}, {same}{relation}, numbers")
    for old, new in changes.items():
        text = text.replace(old, new)
    return read_ledger({"paper.yaml": text})


def words(document: str, folder: Path) -> dict[str, str]:
    copy = folder / "paper.md"
    copy.write_text(document)
    return {
        one.id.removeprefix("paper."): one.verdict for one in audit(claims(), numeric=False, documents=[copy]).verdicts
    }


AS_IT_IS = {
    "whole": "supported",
    "mill": "supported",
    "range": "supported",
    "total": "supported",
    "flour": "refuted",
    "other": "supported",
}


def test_every_formula_is_compared_with_what_is_stated():
    verdicts = {one.id.removeprefix("paper."): one for one in audited(claims(), numeric=False)}
    assert {name: one.verdict for name, one in verdicts.items()} == AS_IT_IS
    total = verdicts["total"]
    assert (total.measured.point, total.defended, total.counted, total.kind) == (18, 18, True, "arithmetic")
    assert total.reason == "mill * saved / 100 = 18 %"
    assert total.why == "a share of a share"
    assert total.scope == "claimed of all; judged by arithmetic, mill = 60, saved = 30"
    assert (verdicts["range"].stated, verdicts["range"].stated_high, verdicts["range"].defended) == (55, 70, 60)
    assert verdicts["total"].command == "semh audit"


@pytest.mark.parametrize(
    ("old", "new", "flipped"),
    [
        ("18%", "19%", {"total": "refuted"}),
        ("200 ms", "240 ms", {"mill": "refuted"}),
        ("60%", "61%", {"mill": "refuted", "whole": "refuted", "total": "refuted"}),
        ("saving 30%", "saving 31%", {"total": "refuted"}),
        ("55-70%", "61-70%", {"range": "refuted"}),
        ("55-70%", "55-59%", {"range": "refuted"}),
        ("15% for", "10% for", {"flour": "supported"}),
        ("15% of the flour", "10% of the flour", {"other": "refuted"}),
        ("40% of them", "30% of them", {"whole": "refuted"}),
        ("the sieve 40% of them", "and the sieve the rest", {"whole": "untested", "mill": "supported"}),
        ("# A paper", "# A paper\n\nwith a preface of 7 lines", {}),
        ("A paper", "Another paper", {}),
    ],
)
def test_a_changed_number_flips_the_claims_that_rest_on_it_and_no_other(tmp_path, old, new, flipped):
    assert DOCUMENT.count(old) == 1
    assert words(DOCUMENT, tmp_path) == AS_IT_IS
    assert words(DOCUMENT.replace(old, new), tmp_path) == AS_IT_IS | flipped


def test_two_numbers_that_change_at_once_are_told_apart(tmp_path):
    changed = DOCUMENT.replace("60%", "55%").replace("40%", "45%").replace("18%", "16.5%")
    assert words(changed, tmp_path) == AS_IT_IS | {"mill": "refuted"}


def test_what_a_copy_no_longer_says_is_untested_and_told(tmp_path):
    copy = tmp_path / "paper.md"
    copy.write_text(DOCUMENT.replace("\nThat is 18% of all, and 15% for 15% of the flour.", ""))
    found = {one.id: one for one in audit(claims(), numeric=False, documents=[copy]).verdicts}
    assert found["paper.total"].verdict == "untested"
    assert "this copy has no 18% on line 5" in found["paper.total"].reason
    assert found["paper.whole"].verdict == "supported"


def test_a_document_that_no_ledger_knows_is_an_error(tmp_path):
    other = tmp_path / "other.md"
    other.write_text("# Another\n")
    with pytest.raises(UsageError, match=r"no document of the ledger; the ledger offers paper\.md"):
        audit(claims(), numeric=False, documents=[other])
    with pytest.raises(UsageError, match="cannot be read"):
        audit(claims(), numeric=False, documents=[tmp_path / "none.md"])


def test_only_claims_of_the_documents_given_are_judged(tmp_path):
    copy = tmp_path / "paper.md"
    copy.write_text(DOCUMENT)
    more = claims() + [one.model_copy(update={"document": "second.md"}) for one in claims()]
    assert len(audit(more, numeric=False).verdicts) == 12
    assert len(audit(more, numeric=False, documents=[copy]).verdicts) == 6


def test_refuted_claims_come_first_and_the_counts_say_what_was_left_out():
    measured = read_ledger({"a.yaml": ENTRY})
    made = audit([*claims(), *measured], numeric=False)
    assert [one.verdict for one in made.verdicts] == ["refuted"] + ["supported"] * 5
    assert summary(made) == (
        "arithmetic: 6 claims, 1 refuted, 5 supported\nnot judged here: 1 measured; semh verdicts shows what runs found"
    )


def test_a_formula_without_a_number_is_invalid_and_says_why():
    (verdict,) = [
        one for one in audited(claims(**{"100 - mill": "1 / (mill - mill)"}), numeric=False) if one.id == "paper.whole"
    ]
    assert verdict.verdict == "invalid"
    assert verdict.reason.startswith("formula: 1 / (mill - mill) is no number")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: arithmetic", "kind: measured", "kind measured with a formula; arithmetic has one"),
        (', formula: "10"', ", untested_because: no", "kind arithmetic without a formula; arithmetic has one"),
        ("relation: within, ", "relation: about, ", "relation about with stated_high; within has both ends of a range"),
        (", stated_high: 70", "", "relation within without stated_high; within has both ends"),
        ("stated_high: 70", "stated_high: 50", "a range from 55 to 50; its lower end comes first"),
        ('["15%#2"]', '["15%", "15%"]', "a number stands twice in numbers; its second place on the line is told by #2"),
        ("formula: 100 - mill", "formula: 100 - mlil", "formula: no name 'mlil'; given offers mill, pi, e"),
        ('line: 3, number: "60%"}}}\n', 'line: 3, number: "61%"}}}\n', "no entry of line 3 has '61%' in its numbers"),
        ('{line: 4, number: "30%"}', "[30]", 'a number, a formula or {line: 12, number: "78%"} would do'),
    ],
)  # fmt: skip
def test_an_entry_that_contradicts_itself_is_refused_with_its_line(old, new, said):
    with pytest.raises(SuiteError) as raised:
        claims(**{old: new})
    assert str(raised.value).startswith("paper.yaml:")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("78%", (78, 78)),
        ("50,262", (50262, 50262)),
        ("-4.55", (-4.55, -4.55)),
        ("55-70%", (55, 70)),
        ("0-1K", (0, 1)),
        ("1K-10K", (1, 10)),
        ("3–18×", (3, 18)),
        ("3.05 GB", (3.05, 3.05)),
        ("1e-4", (1e-4, 1e-4)),
        ("15%#2", (15, 15)),
    ],
)
def test_a_token_has_the_value_it_prints(token, expected):
    assert ends(token) == expected


def test_what_is_no_token_has_no_value():
    with pytest.raises(ValueError, match="is no number"):
        ends("many")


NO_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, *_):
        if name.split(".")[0] == "torch":
            raise ImportError("torch")
sys.meta_path.insert(0, NoTorch())
import cli
cli.main()
"""


def semh(*words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", NO_TORCH, "audit", *words]
    where = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(call, env=where, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_needs_no_torch_and_refuted_claims_are_no_failure():
    done = semh("--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    known = [one for one in read_ledger(ledger.ledger_texts()) if one.formula]
    assert {one["id"] for one in made["verdicts"]} == {one.id for one in known}
    assert {"refuted", "supported"} <= {one["verdict"] for one in made["verdicts"]}


def test_every_arithmetic_claim_of_the_ledger_comes_to_a_number():
    verdicts = audited(read_ledger(ledger.ledger_texts()), numeric=False)
    assert verdicts
    assert {one.verdict for one in verdicts} <= {"supported", "refuted", "qualified"}


def test_the_table_names_claim_statement_numbers_and_reason():
    terminal = Console(width=160, file=io.StringIO())
    terminal.print(table(audit(claims(), numeric=False)))
    rows = [line.split("│")[1:6] for line in terminal.file.getvalue().splitlines() if line.count("│") == 6]
    shown = [[cell.strip() for cell in row] for row in rows]
    assert shown[0] == ["✕ refuted", "A sentence.", "about 15 %", "10 %", "10 = 10 %"]
    assert shown[1][1] == "paper.flour, line 5"
    total = next(at for at, row in enumerate(shown) if row[4] == "a share of a share")
    assert shown[total] == ["● supported", "A sentence.", "about 18 %", "18 %", "a share of a share"]
    assert shown[total + 1][4] == "mill * saved / 100 = 18 %"


def lines(made, words, width=120):
    terminal = Console(width=width, file=io.StringIO())
    terminal.print(listing(made, words))
    return [line.rstrip() for line in terminal.file.getvalue().splitlines()]


def test_the_listing_has_two_lines_a_claim_in_the_order_of_the_document_and_cuts_what_is_longer():
    made = audit(claims(**{'formula: "10"': 'formula: "10", why: it is ten'}), numeric=False)
    assert lines(made, ["refuted"]) == [
        "paper.md: 6 claims, 1 refuted, 5 supported",
        "  ✕   5 A sentence.  flour",
        "        about 15 % → 10 %  it is ten",
    ]
    every = lines(made, ["refuted", "supported"], width=30)
    assert [int(line[4:8]) for line in every[1::2]] == [3, 3, 4, 5, 5, 5]
    assert max(map(len, every)) <= 30
    assert every[10] == "        about 18 % → 18 %  a …"


READINGS = {
    'formula: "10"': "formula: five * 2, reading: of two, readings: {of three: five * 3}, given: {five: 5}, why: either"
}


def test_a_sentence_of_two_fair_readings_is_judged_in_both_and_shown_as_it_stands_best():
    verdicts = {one.id: one for one in audited(claims(**READINGS), numeric=False)}
    flour = verdicts["paper.flour"]
    assert (flour.verdict, flour.measured.point, flour.holds_where) == ("qualified", 15, ("of three",))
    assert flour.reason == "of two: five * 2 = 10 %; of three: five * 3 = 15 %"
    (held,) = lines(audit(claims(**READINGS), numeric=False), ["qualified"])[2:]
    assert held == "        about 15 % → 15 %  either  it holds where read as of three"


@pytest.mark.parametrize(
    ("three", "expected"), [("five * 2", ("refuted", 10)), ("five + 10", ("qualified", 15)), ("ten", None)]
)
def test_readings_agree_or_qualify_and_use_the_names_of_the_entry(three, expected):
    entries = {old: new.replace("five * 3", three) for old, new in READINGS.items()}
    if expected is None:
        with pytest.raises(SuiteError, match="no name 'ten'"):
            claims(**entries)
        return
    (flour,) = (one for one in audited(claims(**entries), numeric=False) if one.id == "paper.flour")
    assert (flour.verdict, flour.measured.point) == expected


@pytest.mark.parametrize("only", ["reading: of two", "readings: {of three: '15'}"])
def test_a_reading_without_others_is_refused(only):
    with pytest.raises(SuiteError, match="reading names how formula reads the sentence, readings the other ways"):
        claims(**{'formula: "10"': f'formula: "10", {only}'})


def test_the_command_shows_what_is_not_supported_on_a_screen_and_counts_below_it():
    done = semh()
    assert done.returncode == 0, done.stderr
    shown = done.stdout.splitlines()
    assert shown[-3].startswith("arithmetic: ")
    assert shown[-1] == "--all shows every claim whole, --id GLOB some of them"
    made = json.loads(semh("--json").stdout)["verdicts"]
    told = sum(one["verdict"] != "supported" for one in made)
    assert len(shown) == 3 + len({one["document"] for one in made}) + 2 * told
    assert max(map(len, shown[:-3])) <= 120


def test_the_command_shows_only_the_words_and_claims_asked_for():
    supported = semh("--word", "supported").stdout
    assert "  ● " in supported
    assert "  ✕ " not in supported
    one = semh("--id", "sem_topology.s3_1.sum").stdout
    assert "✕ refuted" in one
    assert "arithmetic: 1 claims, 1 refuted" in one
    assert "● supported" in semh("--all").stdout
    every = json.loads(semh("--json", "--word", "qualified").stdout)["verdicts"]
    assert {each["verdict"] for each in every} == {"qualified"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--word", "refute"), "--word 'refute': a verdict offers refuted, invalid"),
        (("--id", "no.such*"), "--id: nothing matches 'no.such*'; semh claims list names them all"),
    ],
)
def test_what_matches_nothing_is_an_error(words, said):
    done = semh(*words)
    assert done.returncode == 2
    assert said in done.stderr.replace("\n", " ")
