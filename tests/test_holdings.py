"""`semh memory`: figures as a document prints them, rows that hold and rows that do not, counted beside measured."""

import hashlib
import re

import pytest
from rich.console import Console

from harness.asked import Asked
from harness.errors import SuiteError, UsageError
from harness.holdings import tables
from harness.holdings.ask import answer
from harness.holdings.judged import activations, judged, kept_bytes, parameter_bytes, peak_bytes
from harness.holdings.measured import measure
from harness.holdings.stated import figure, files, stated_tables
from harness.system import Held, Holdings, Span
from harness.trace.one import TraceError
from tests.memory_fakes import BESIDE, COUNTING, Counting

FAKE = "tests.memory_fakes:COUNTING"
LINE = hashlib.sha256(b"| a row |").hexdigest()
TABLE = f"""
document: paper.md
system: {FAKE}
size: tiny
mode: forward
conditions: {{}}
rows:
  - {{id: a, section: "1", line: 3, line_sha256: "{LINE}", stage: first, statement: the vector,
     elements: 500, memory: 2 KB, of: [{{shape: [500], dtype: float32}}]}}
"""


def table(text=TABLE):
    return stated_tables({"paper.yaml": text})[0]


def row(**changes):
    fields = {"elements": "500", "memory": "2 KB", "of": "[{shape: [500], dtype: float32}]"} | changes
    given = ", ".join(f"{key}: {value}" for key, value in fields.items() if value is not None)
    return table(TABLE.split("elements: 500")[0] + given + "}\n")


def shown(parts):
    console = Console(width=200, record=True)
    for part in parts:
        console.print(part)
    return console.export_text()


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("16,384", (16_384, 16_500), (16_600, 16_100)),
        ("67M", (67.1e6, 66.4e6), (68e6, 201e6)),
        ("~14,000", (14_336, 13_400), (15_000, 13_000)),
        ("64 MB", (64 * 2**20, 64e6), (65.5 * 2**20, 62e6)),
        ("1.3 GB", (1.25 * 2**30, 1.342e9, 1.349 * 2**30), (1.36 * 2**30, 1.24e9)),
        ("3.05 GB", (3.07 * 2**30, 3.02e9), (3.09 * 2**30, 3.0e9)),
        ("~8.5 GB", (8.9 * 2**30, 8.1e9), (9.2 * 2**30, 7.9e9)),
        ("112 KB", (114_688, 112_000), (120_000, 110_000)),
    ],
)
def test_a_figure_holds_within_its_digits_in_either_kind_of_unit(text, yes, no):
    """1 %, or half of the last digit printed where that is more; 5 % where it says about."""
    assert all(figure(text).holds(value) for value in yes)
    assert not any(figure(text).holds(value) for value in no)


@pytest.mark.parametrize("text", ["", "8 TB", "many", "1..3 GB", "-3 GB"])
def test_what_is_no_figure_is_refused(text):
    with pytest.raises(ValueError, match=r"is no figure; 16,384 or ~14,000 or 67M or 3\.05 GB would do"):
        figure(text)


def test_a_row_is_multiplied_out_and_looked_for_in_its_stage():
    holdings = COUNTING.holdings({"habit": "untidy"}, {}, "forward")
    (one,) = judged(table(), holdings)
    assert (one.elements, one.bytes, one.elements_hold, one.bytes_hold) == (500, 2000, True, True)
    assert (one.made, one.kept) == (1, 1)
    (tidy,) = judged(table(), COUNTING.holdings({"habit": "tidy"}, {}, "forward"))
    assert (tidy.made, tidy.kept) == (1, 0)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "yes"),
        ({"elements": "600"}, "memory only"),
        ({"memory": "3 KB"}, "elements only"),
        ({"elements": "600", "memory": "3 KB"}, "no"),
        ({"elements": None, "memory": "3 KB"}, "no"),
    ],
)
def test_arithmetic_is_judged_for_elements_and_memory_apart(changes, word):
    (one,) = judged(row(**changes), COUNTING.holdings({"habit": "tidy"}, {}, "forward"))
    assert tables.holds(one) == word


def test_counts_multiply_and_an_index_has_bytes_but_no_elements():
    of = "[{shape: [5, 50], dtype: float32, count: 3}, {shape: [10], dtype: int32, index: true}]"
    (one,) = judged(row(of=of), COUNTING.holdings({"habit": "tidy"}, {}, "forward"))
    assert (one.elements, one.bytes) == (750, 3040)
    assert one.made == 1  # of 1000 bytes there is one; the parameter of that size is none of them
    (weight,) = judged(
        row(of="[{shape: [250], dtype: float32, parameter: true}]"),
        COUNTING.holdings({"habit": "tidy"}, {}, "forward"),
    )
    assert (weight.made, weight.kept) == (1, 1)


def test_an_input_is_not_looked_for():
    (one,) = judged(
        row(of="[{shape: [500], dtype: float32, input: true}]"), COUNTING.holdings({"habit": "tidy"}, {}, "forward")
    )
    assert (one.made, one.kept) == (None, None)


def test_a_total_is_set_against_the_stage_and_a_peak_against_the_call():
    holdings = COUNTING.holdings({"habit": "untidy"}, {}, "forward")
    (total,) = judged(row(memory="2 KB", total="true"), holdings)
    assert (total.stage_bytes, total.stage_holds, total.bytes_hold) == (3000, False, True)
    (peak,) = judged(row(elements=None, of=None, peak="true", memory="4 KB"), holdings)
    assert peak.bytes == peak_bytes(holdings) == 1064 + BESIDE + 3000
    assert (peak.bytes_hold, peak.elements_hold, peak.made) == (True, None, None)
    assert "the stage's activations are 2.93 KiB, not 2 KB" in tables.notes([total]).plain


def test_bytes_of_a_stage():
    holdings = COUNTING.holdings({"habit": "untidy"}, {}, "forward")
    assert (parameter_bytes("first", holdings), parameter_bytes("second", holdings)) == (1000, 0)
    assert (kept_bytes("first", holdings), kept_bytes("second", holdings)) == (2000, 0)
    assert (activations("first", holdings), activations("second", holdings)) == (3000, 500)
    more = Holdings((Held("s", "s", (1,), "int64", 8, made=2, kept=2),), {"s": Span(100, 104)}, 0, 0)
    assert activations("s", more) == 16  # what is kept counts, though it was there before the stage ended its peak


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": "9 apples"}, "paper.yaml:8: rows.0: '9 apples' is no figure"),
        ({"of": None}, "paper.yaml:8: rows.0: tensors (of) or peak: one of them would do"),
        ({"peak": "true"}, "paper.yaml:8: rows.0: tensors (of) or peak: one of them would do"),
        ({"of": "[{shape: [5], dtype: float99}]"}, "no dtype 'float99'; float32, float64"),
        ({"colour": "red"}, "rows.0.colour: extra inputs are not permitted"),
    ],
)
def test_a_table_that_cannot_be_used_is_an_error_at_its_line(changes, message):
    with pytest.raises(SuiteError, match=re.escape(message)):
        row(**changes)


def test_the_tables_that_come_with_the_program_can_be_read():
    (stated,) = stated_tables()
    assert files()[0].name == "sem_topology.yaml"
    assert [one.line for one in stated.rows] == [84, 85, 86, 91, 92, 93, 94, 99, 100, 101, 102, 107, 108, 109]
    assert len({one.line_sha256 for one in stated.rows}) == len(stated.rows)
    assert [one.id for one in stated.rows if one.peak] == ["peak"]
    figures = {one.id: (one.elements, one.memory) for one in stated.rows}
    assert figures["mixer.total"] == ("67M", "1.3 GB")
    assert figures["token_ids"] == ("16,384", "128 KB")


def test_measured_and_counted_agree_for_a_system_that_says_it_right():
    holdings = COUNTING.holdings({"habit": "untidy"}, {}, "forward")
    found = measure(
        FAKE, {"habit": "untidy"}, {"width": 8, "rows": 6, "device": "virtual"}, "forward", ["first"], holdings
    )
    assert found.stages.stages["first"].peak_bytes == 3000
    assert found.stages.stages["first"].delta_bytes == kept_bytes("first", holdings)
    assert found.stages.allocator_peak_bytes == peak_bytes(holdings) - 1064
    assert found.memory.peak_bytes >= found.memory.before_bytes > 1e6
    text = shown([tables.measured_table(["first", "second"], holdings, found, "a call")])
    assert re.search(r"first +2.93 KiB +2.93 KiB +1.95 KiB +1.95 KiB", text)
    assert re.search(r"call +2.97 KiB +2.97 KiB", text)


def test_a_measurement_that_fails_or_has_no_room_is_told_in_words():
    holdings = COUNTING.holdings({"habit": "untidy"}, {}, "forward")
    with pytest.raises(TraceError, match="memory/memory: failed during memory: KeyError: 'habit'"):
        measure(FAKE, {}, {"width": 8, "rows": 6, "device": "virtual"}, "forward", ["first"], holdings)
    huge = Holdings((), {"first": Span(0, 10**15)}, 0, 0)
    with pytest.raises(
        UsageError, match=r"--measure: 1000000\.0 GB counted and .* GB may be used here; smaller conditions"
    ):
        measure(FAKE, {}, {}, "forward", ["first"], huge)


def test_the_answer_shows_stages_tensors_and_what_was_assumed(monkeypatch):
    monkeypatch.setattr("harness.holdings.ask.stated_tables", lambda: [table()])
    text = shown(answer(FAKE, Asked(), None, None, print))
    assert re.search(r"3 +first +the vector +500 +500 +2 KB +1.95 KiB +yes +1 +1", text)
    assert re.search(r"first +1000 B +1.95 KiB +2.93 KiB +4.01 KiB", text)
    assert "first.weight (parameter)" in text
    assert "Counted with habit tidy." in text
    assert "Counted with" not in shown(answer(FAKE, Asked(levels=("habit=tidy",)), None, None, print))


@pytest.mark.parametrize(
    ("ref", "asked", "mode", "message"),
    [
        (FAKE, Asked(size="huge"), None, "no size 'huge'; counting offers tiny"),
        (FAKE, Asked(variant="best"), None, "no variant 'best'; counting offers status_quo, all_on"),
        (FAKE, Asked(levels=("habit=none",)), None, "--switch habit: no level 'none'; counting offers untidy, tidy"),
        (FAKE, Asked(levels=("hobby=tidy",)), None, "--switch hobby: no switch 'hobby'; counting offers habit"),
        (FAKE, Asked(levels=("habit",)), None, "--switch 'habit': no name and value; NAME=VALUE would do"),
        (FAKE, Asked(settings=("wide=3",)), None, "--set wide: no condition 'wide'"),
        (FAKE, Asked(settings=("width=0",)), None, "--set width=0: 0 is below the range"),
        (FAKE, Asked(), "train_step", "--mode: no mode 'train_step'; counting offers forward"),
        ("tests.memory_fakes:HOARDER", Asked(), None, "cannot say what it holds; this installation offers sem"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_line(ref, asked, mode, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        answer(ref, asked, mode, None, print)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (Asked(settings=("width=16",)), TABLE),
        (Asked(levels=("habit=tidy",)), TABLE),
        (Asked(variant="all_on"), TABLE),
        (Asked(settings=("dtype=float64",)), TABLE),
        (Asked(), TABLE.replace("mode: forward\n", "")),
        (Asked(), TABLE.replace("conditions: {}", "conditions: {rows: 7}")),
        (Asked(), TABLE.replace("conditions: {}", "variant: all_on")),
        (Asked(), TABLE.replace("conditions: {}", "dtype: float64")),
    ],
)
def test_a_table_is_judged_by_no_call_but_its_own(monkeypatch, asked, text):
    monkeypatch.setattr("harness.holdings.ask.stated_tables", lambda: [table(text)])
    found = shown(answer(FAKE, asked, None, None, print))
    assert "the vector" not in found
    assert re.search(
        r"paper.md: its table speaks of \w+ of \w+ in float\d\d at size tiny.*, and is not judged by this", found
    )


def test_what_a_table_speaks_of_is_said():
    stated = table(TABLE.replace("mode: forward\n", "").replace("conditions: {}", "conditions: {rows: 7}"))
    assert tables.another_call(stated).plain == (
        "paper.md: its table speaks of train_step of status_quo in float32 at size tiny, rows 7, "
        "and is not judged by this call"
    )


class Narrow(Counting):
    def holdings(self, variant, conditions, mode):
        raise ValueError(f"width {conditions['width']} cannot be counted; up to 4 can")


NARROW = Narrow("narrow", COUNTING.switches, COUNTING.work, stages=COUNTING.stages)


def test_a_condition_that_cannot_be_counted_is_not_put_down_to_the_mode():
    with pytest.raises(UsageError, match=r"^narrow, forward: width 8 cannot be counted; up to 4 can$"):
        answer("tests.test_holdings:NARROW", Asked(), None, None, print)
