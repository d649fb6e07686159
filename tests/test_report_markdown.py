"""report.md as a forge reads it: the same tables, no HTML, and nothing of a name becomes a link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from golden_run import stored as small
from markdown_it import MarkdownIt
from markdown_it.token import Token
from report_helpers import cayley
from report_hostile import hostile
from report_reading import written

from harness.report import markdown
from harness.report.shown import Figure, Report, Table
from harness.report.view import view

RUNS = {"cayley": cayley, "hostile": lambda: hostile(cayley()), "small": lambda: small()[:2]}
TEMPTING = (
    "see #12, GH-34 and o/r#56",
    "ask @someone or a@b.org",
    "at https://x.org/y or www.x.org",
    "a | b \\| c",
    "~~no~~ **no** __no__ <b>no</b> &amp; $x$",
    "[no](x) ![no](x) [no]: x",
)


def parsed(source: str) -> list[Token]:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(source)


def text(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def tables(source: str) -> list[list[list[str]]]:
    """Each as its rows, the head first; the words as a reader sees them."""
    found: list[list[list[str]]] = []
    tokens = parsed(source)
    for token, cell in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open") and cell is not None:
            found[-1][-1].append(text(cell).replace("\u2060", ""))
    return found


def said(report: Report) -> list[Table]:
    """The tables that are printed in full, in their order."""
    found = []
    for section in (*report.answers, *report.sections):
        for block in section.blocks:
            for item in block.items:
                table = item.table if isinstance(item, Figure) else item
                if not isinstance(table, Table):
                    continue
                beside = isinstance(item, Table) and (item.folded or bool(block.folded))
                if not (beside and len(table.rows) > markdown.FOLDED_ROWS):
                    found.append(table)
    return found


@pytest.mark.parametrize("run", RUNS)
def test_every_table_reads_as_it_was_said(run: str) -> None:
    report = view(*RUNS[run]())
    read = tables(markdown.document(report))
    wanted = said(report)
    before = len(read) - len(wanted)
    assert before == bool(report.headline) + bool(report.claims)
    for table, rows in zip(wanted, read[before:], strict=True):
        assert [len(row) for row in rows] == [len(table.columns)] * (len(table.rows) + 1)
        for row, entries in zip(rows[1:], table.rows, strict=True):
            for shown, entry in zip(row, entries, strict=True):
                assert entry.text.strip() in shown


@pytest.mark.parametrize("run", RUNS)
def test_there_is_no_html_and_no_link_but_to_the_files_beside_it(run: str, tmp_path: Path) -> None:
    stored = RUNS[run]()
    folder = written(tmp_path, stored)
    tokens = parsed((folder / "report.md").read_text(encoding="utf-8"))
    inner = [each for token in tokens for each in (token, *(token.children or ()))]
    assert not [each for each in inner if each.type.startswith("html")]
    images = [str(each.attrs["src"]) for each in inner if each.type == "image"]
    assert images and all((folder / image).is_file() for image in images)
    links = [str(each.attrs["href"]) for each in inner if each.type == "link_open"]
    assert links and all(re.match(r"\.\./\.\./results/|tables/", link) for link in links)


@pytest.mark.parametrize("words", TEMPTING)
def test_nothing_of_a_name_is_linked_or_styled(words: str) -> None:
    """Issues, mentions and addresses are found in the words as they read, so that those have a joiner in between."""
    (paragraph,) = [token for token in parsed(markdown.escape(words)) if token.type == "inline"]
    assert {child.type for child in paragraph.children or ()} <= {"text", "text_special"}
    read = text(paragraph)
    assert read.replace("\u2060", "") == words
    assert not re.search(r"#\d|GH-\d|@\w|://|www\.", read)


def test_order_and_facts_are_those_of_the_page() -> None:
    report = view(*small()[:2])
    source = markdown.document(report)
    sections = [
        "Headline",
        *(each.title for each in report.answers),
        "Claims",
        *(each.title for each in report.sections),
    ]
    assert [line[3:] for line in source.splitlines() if line.startswith("## ")] == sections
