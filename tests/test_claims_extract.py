"""Which numbers of a document are statements, told by one sentence for each rule."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.claims.extract import RULES, lines_of, numbers, tokens_of


def tokens(text: str) -> list[str]:
    return [token for line in numbers(text) for token in line.tokens]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The stage takes 78% of a step.", ["78%"]),
        ("It saves 12 % and 1.5 GB.", ["12 %", "1.5 GB"]),
        ("A range of 55-70% is one, so is 3–18×.", ["55-70%", "3–18×"]),
        ("From 4→2.5 are two.", ["4", "2.5"]),
        ("There are 50,262 of them.", ["50,262"]),
        ("The tensor is [32,512,64] × 4.", ["32", "512", "64", "4"]),
        ("Between 0-1K and 1K-10K steps, then 10K+.", ["0-1K", "1K-10K", "10K"]),
        ("From tol=1e-4 on.", ["1e-4"]),
        ("It starts at -4.55, or −5.52.", ["-4.55", "−5.52"]),
        ("At D=512, M=128 it is ε=0.0039.", ["512", "128", "0.0039"]),
        ("A window of >128k, ~14,000 and <30.", ["128k", "14,000", "30"]),
        ("It is 2× as fast, 3 x as small and 4 x 5.", ["2×", "3 x", "4", "5"]),
        ("**15**% and *20%* and `30%` and [40%](http://x/50)", ["15", "20%", "40%"]),
        ("It moves 1.8 TB/s.", ["1.8 TB"]),
        ("5 of 5 and 5% of 5%", ["5", "5#2", "5%", "5%#2"]),
    ],
)
def test_a_token_is_spelled_as_the_document_spells_it(text, expected):
    assert tokens(text) == expected


EXCLUDED = {
    "arXiv id": "See arXiv:2501.00663 for it.",
    "date": "Written on 2026-02-08.",
    "year": "In Dec 2024, Q1 2026, (2025-2026) and (2027+).",
    "place in a document": "Phase 2, weeks 1-2, Section 2.2-2.3, **Version:** 1.0, lines 118-128 and Theorem 3.1.",
    "number of an issue": "Issues #1-4, see #7.",
    "reference": "As shown [12], and [3-5].",
    "subscript or power": "A^{2}, x_{3}, |A|^4, 2^10 and 10⁶.",
    "function of symbols": "O(1), √(2/(D·M)), D(2D+1), exp(-3/S), log(2).",
    "name": "V5.5, Mamba-3, H100, float32, complex64, P0, E4M3 and model_v8.",
    "coefficient": "1/√L, S/3, 2·(L - l), dt/2·H, 1 - |A|² and 1/τ.",
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_excludes_what_states_nothing(rule):
    assert tokens(EXCLUDED[rule]) == []


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_needed(rule, monkeypatch):
    monkeypatch.delitem(RULES, rule)
    assert tokens(EXCLUDED[rule]) != []


def test_every_rule_has_a_sentence():
    assert EXCLUDED.keys() == RULES.keys()


def test_a_number_behind_a_word_that_names_places_is_a_number_if_it_has_a_unit():
    assert tokens("Phase 15% and S/20%, (512 tokens), (2000 tokens)") == ["15%", "20%", "512", "2000"]


def test_numbering_of_lists_and_headings_is_no_statement():
    assert tokens("## 2.1 Sizes (B=32)\n\n1. first\n2. second, 7 of them\n") == ["32", "7"]


def test_letters_that_are_no_unit_make_a_word_of_a_number():
    assert tokens("2D, 3b and 1st; 2 D and 3 beds") == ["2", "3"]


def test_code_states_nothing_and_drawings_do():
    text = "```python\nlr = 1e-4\n```\n\n```\nstage ███ 17%\n```\n\n~~~ yaml\nsteps: 5000\n~~~\n\n    indented 9\n"
    assert [(line.number, line.tokens) for line in numbers(text)] == [(6, ("17%",)), (13, ("9",))]


def test_cells_of_a_row_are_read_apart_and_counted_together():
    text = "| a | b |\n|---|---|\n| 5 | 5% |\n| **5** | 5 - | 6\n| x_2 | a | b |\n"
    assert [(line.number, line.tokens) for line in numbers(text)] == [(3, ("5", "5%")), (4, ("5", "5#2"))]


def test_tags_hide_nothing():
    assert tokens("<b>78%</b>\n\n<div>\n\n43%\n") == ["78%", "43%"]


def test_a_pictures_words_are_text_and_its_source_is_none():
    assert tokens("![It takes 78%](shares-50.png) of the time") == ["78%"]


def test_a_line_knows_its_section():
    headings = ["# T", "## Intro", "### Small", "## 2. Sizes", "### 2.1 Inner", "#### More", "## Issue #3 [P0]: X"]
    text = "".join(f"{heading}\n{at}%\n" for at, heading in enumerate(headings))
    sections = ["T", "Intro", "Intro", "2", "2.1", "2.1", "Issue 3"]
    assert [line.section for line in numbers(text)] == sections


MARKDOWN = st.text(
    st.sampled_from("0123456789.,-–%×xKMB |`*_#[]()<>\\&;/^√{}=~>+:\n\r\tab2e3ψ²é\x00\ue000"), max_size=200
)


@settings(max_examples=400, deadline=None)
@given(MARKDOWN | st.text(max_size=200))
def test_any_text_is_read_and_every_token_stands_in_its_line_in_order(text):
    for line in numbers(text):
        assert line.text == lines_of(text)[line.number - 1]
        at = 0
        for token, start in zip(line.tokens, line.starts, strict=True):
            spelled = token.partition("#")[0]
            assert start >= at
            assert line.text[start:].startswith(spelled)
            at = start + len(spelled)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_numbers_between_words_are_all_found(values):
    text = "".join(f" there are {value} of" for value in values)
    assert [token for _, token in tokens_of(text)] == [str(value) for value in values]


HOSTILE = (
    *("(", "[", "_{", "1", "1 ", "1,", "1,111,", "1.1.", "1-", "S/", "a(", "√(a(b(", "exp(1", "max(1,", "a1.", "a-1."),
    *("Phase 1.", "Section ", "Jan ", "2024-", "#1-", "[1-", "1²", "1^", "² - 1", "1 x", "1 · ", "1%", "1e-"),
    *("*", "**1", "`", "~", "\\|", "&amp;", "[a](", "![", "</", "> ", "- ", "1. ", "\t", "\ue000"),
)


@pytest.mark.parametrize("before", ["", "x ", "| a |\n|---|\n| "])
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_line_of_ten_thousand_characters_is_read_in_under_a_second(piece, before):
    line = (piece * 10_000)[:10_000]
    began = process_time()
    numbers(before + line)
    assert process_time() - began < 1


@pytest.mark.parametrize("fence", ["```", "~~~", "> ```", "78%\n\n```"])
def test_a_drawing_that_is_never_drawn_ends_the_document(fence):
    assert tokens(fence) == (["78%"] if "78" in fence else [])
