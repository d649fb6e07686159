"""The same facts in the same order as markdown that pastes into an issue: tables, linked figures, commands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.report.shown import Block, Claim, Code, Column, Entry, Figure, Report, Section, Table

BREAK = "&#8288;"
"""A word joiner: no letter to a reader, and the end of what a forge would link."""
SPECIAL = re.compile(r"[\\`*#|~$]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:])|^[-=+\[]")
FOLDED_ROWS = 20
"""Longest table beside the point that is printed in full: the page folds it, an issue cannot."""
ISSUE = re.compile(r"#(?=\d)|\bGH-(?=\d)")
NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
CLAIM_COLUMNS = (
    "Verdict",
    "Claim",
    "Stated",
    "Measured [95 % interval]",
    "Defended",
    "n, trials",
    "Judged in",
    "Why",
)


def document(report: Report) -> str:
    return "\n".join(_document(report)) + "\n"


def escape(text: str) -> str:
    """Inert in markdown, inside table cells and out; no tag, link, mention or issue number comes of it, and no HTML.

    A bracket is escaped only where a link could begin, an underscore only outside words, so that intervals and names
    stay readable in the source.
    """
    entities = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = NUMBERED.sub(r"\1\\\2", SPECIAL.sub(lambda found: "\\" + found[0], entities))
    numbered = ISSUE.sub(rf"\g<0>{BREAK}", escaped)
    return numbered.replace("@", f"@{BREAK}").replace("://", f":{BREAK}//").replace("www.", f"www{BREAK}.")


def fenced(text: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _document(report: Report) -> Iterator[str]:
    yield from (f"# {escape(report.title)}", "", f"semh · {escape(report.suite)} · {escape(report.where)}", "")
    for alert in report.alerts:
        yield from (f"> **{escape(alert.title)}**", ">")
        yield from (f"> {escape(reason)}" for reason in alert.reasons)
        yield from (">", *(f"> {line}" for line in fenced(alert.remedy).splitlines()), "")
    yield from _headline(report)
    for section in report.answers:
        yield from _section(section)
    yield from _claims(report)
    for section in report.sections:
        yield from _section(section)
    yield f"Run {escape(report.run)}."


def _headline(report: Report) -> Iterator[str]:
    yield from ("## Headline", "")
    if report.headline:
        columns = ("Claim", "Stated", "Measured [95 % interval]", "Defended", "Verdict")
        yield from _rows(columns, (False, True, True, True, False), [_headline_row(claim) for claim in report.headline])
        said = [f"- {escape(line)}" for claim in report.headline for line in _said(claim)]
        yield from (*said, "") if said else ()
    if report.changes:
        yield from (*(f"- {escape(line)}" for line in report.changes), "")
    if report.beyond:
        yield from _block(report.beyond)
    counted = ", ".join(f"{number} {mark.shape} {mark.word}" for mark, number in report.counts)
    yield from (f"**{counted or 'no claims'}**; {escape(report.floor)}.", "")


def _headline_row(claim: Claim) -> Sequence[str]:
    measured = ", ".join(filter(None, (claim.measured, claim.trials)))
    cells = (f"“{claim.statement}”", claim.stated, measured or "–", claim.defended or "–")
    return (*(escape(cell) for cell in cells), f"**{claim.mark.shape} {claim.mark.word}**")


def _said(claim: Claim) -> Iterator[str]:
    if claim.where:
        yield f"{claim.id}, true where: {'; '.join(claim.where)}"
    if claim.looked:
        yield f"{claim.id}, true elsewhere? {claim.looked}"
    yield from (f"{claim.id}: {line}" for line in (claim.reason, claim.why) if line)
    yield from (f"{claim.id}, beside it: {line}" for line in claim.beside)


def _claims(report: Report) -> Iterator[str]:
    yield from ("## Claims", "", escape(report.claims_lead), "")
    if report.claims:
        numeric = (False, False, True, True, True, True, False, False)
        yield from _rows(CLAIM_COLUMNS, numeric, [_claim_row(claim) for claim in report.claims])
        untested = [claim for claim in report.claims if claim.mark.word == "untested" and claim.command]
        for command in dict.fromkeys(claim.command for claim in untested):
            names = ", ".join(claim.id for claim in untested if claim.command == command)
            yield from (f"To test {escape(names)}:", "", fenced(command), "")


def _claim_row(claim: Claim) -> Sequence[str]:
    elsewhere = claim.where if claim.mark.word != "supported" else claim.where[1:]
    where = "; ".join(filter(None, (claim.place, *(f"true where: {place}" for place in elsewhere))))
    cells = (
        f"{claim.statement} ({claim.source})",
        claim.stated,
        claim.measured or "–",
        claim.defended or "–",
        claim.trials.removeprefix("n = ").split(" ")[0] or "–",
        where or "–",
        "; ".join(filter(None, (claim.reason, claim.why))),
    )
    return (f"{claim.mark.shape} {claim.mark.word}", *(escape(cell) for cell in cells))


def _section(section: Section) -> Iterator[str]:
    yield from (f"## {section.title}", "")
    for line in section.lead:
        yield from (escape(line), "")
    for block in section.blocks:
        yield from _block(block)
    if section.links:
        yield from (f"- [{escape(link.text)}](<{link.href}>): {escape(link.note)}" for link in section.links)
        yield ""


def _block(block: Block) -> Iterator[str]:
    if block.title:
        yield from (f"### {escape(block.title)}", "")
    if block.under:
        yield from (escape(block.under), "")
    for line in block.warnings:
        yield from (f"**{escape(line)}**", "")
    for line in block.sentences:
        yield from (escape(line), "")
    for item in block.items:
        yield from _item(replace(item, folded=True) if block.folded and isinstance(item, Table) else item)


def _item(item: Table | Figure | Code) -> Iterator[str]:
    if isinstance(item, Figure):
        alternative = escape(item.title.replace("[", "(").replace("]", ")"))
        yield from (f"![{alternative}]({item.name}.svg)", "", escape(item.caption), "")
        if item.table:
            yield from table_lines(item.table)
    elif isinstance(item, Table) and item.folded and len(item.rows) > FOLDED_ROWS:
        yield from (f"**{escape(item.caption)}**: {len(item.rows)} rows, in report.html.", "")
    elif isinstance(item, Table):
        yield from table_lines(item)
    else:
        yield from (f"{escape(item.caption)}:", "", fenced(item.text), "")


def table_lines(table: Table) -> Iterator[str]:
    yield from (f"**{escape(table.caption)}**", "")
    titles = tuple(escape(column.title) for column in table.columns)
    yield from _rows(titles, _numeric(table.columns), [tuple(_entry(entry) for entry in row) for row in table.rows])


def _numeric(columns: Sequence[Column]) -> tuple[bool, ...]:
    return tuple(column.numeric for column in columns)


def _entry(entry: Entry) -> str:
    mark = f"{entry.mark.shape} {entry.mark.word}" if entry.mark else ""
    note = f"({entry.note})" if entry.note else ""
    return " ".join(filter(None, (mark, escape(entry.text), escape(note))))


def _rows(titles: Sequence[str], numeric: Sequence[bool], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"| {' | '.join('---:' if right else '---' for right in numeric)} |"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""
