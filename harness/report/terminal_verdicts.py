"""The state of the ledger in the terminal: counts, the claims of each document, and the runs that were read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.report import numbers, words
from harness.report.terminal_contrasts import mark_text
from harness.report.text import UNIT, label, plain, safe, shorten
from harness.verdicts import Ledger, RunFacts, State

STATEMENT, REASON, INDENT = 160, 200, 4


def verdict_tables(state: Ledger, shown: Sequence[State]) -> Iterator[RenderableType]:
    """`shown`: those of its claims that were asked for."""
    for document in dict.fromkeys(claim.document for claim in shown):
        yield Text(label(document), "bold")
        yield from _claims([claim for claim in shown if claim.document == document])
        yield Text()
    named = {run for claim in shown for run in (claim.run, claim.earlier.run if claim.earlier else None)}
    runs = [run for run in state.runs if run.run in named]
    if runs:
        yield Text("runs", "bold")
        yield _runs(runs)
        yield Text()
    yield Text("claims", "bold")
    yield _counts(state.counts())
    yield from (Text(f"not read: {plain(why)}", "dim") for why in state.unread)


def _claims(claims: Sequence[State]) -> Iterator[RenderableType]:
    """The verdict with its figures, then what is claimed, then by what and why."""
    marks = [mark_text(words.CLAIM_MARKS[claim.word]) for claim in claims]
    room = max(mark.cell_len for mark in marks)
    for mark, claim in zip(marks, claims, strict=True):
        mark.pad_right(room - mark.cell_len)
        measured = f", measured {_measured(claim)}" if claim.measured else ""
        name = (label(claim.id), "bold" if claim.headline else "")
        yield Text.assemble(mark, "  ", name, f"  stated {_stated(claim)}{measured}")
        for line in (shorten(safe(claim.statement), STATEMENT), "; ".join(_notes(claim))):
            yield Padding(Text(line, "dim"), (0, 0, 0, INDENT))


def _stated(claim: State) -> str:
    ends = [claim.stated] if claim.stated_high is None else [claim.stated, claim.stated_high]
    relation = words.RELATIONS.get(claim.relation, claim.relation)
    return f"{relation} {words.with_unit(' to '.join(map(numbers.exact, ends)), claim.unit)}"


def _measured(claim: State) -> str:
    if claim.measured is None:
        return ""
    if claim.counted and claim.measured.low == claim.measured.high:
        return words.with_unit(numbers.reading(claim.measured.point, 4), claim.unit)
    return numbers.with_interval(claim.measured, unit=safe(claim.unit, UNIT))


def _notes(claim: State) -> Iterator[str]:
    if claim.run is not None:
        yield f"by {label(claim.run)}"
    elif claim.word != "untested":
        yield "by arithmetic"
    else:
        yield f"tested by: {plain(claim.command)}" if claim.command else "tested by nothing here"
    if claim.earlier is not None:
        yield f"earlier {claim.earlier.word}, by {label(claim.earlier.run)}"
    if claim.changed:
        yield plain(claim.changed) + (f"; the run said {claim.run_said}" if claim.run_said else "")
    reason = claim.why or claim.reason
    if reason and claim.word != "supported":
        yield shorten(safe(reason), REASON)


def _runs(runs: Sequence[RunFacts]) -> Table:
    table = _table()
    for column in ("run", "when", "preset", "under", "on"):
        table.add_column(column, overflow="fold")
    for run in runs:
        settings = ", ".join(words.condition(name, value) for name, value in run.settings.items())
        on = run.cpu if run.device == "cpu" else f"{run.device}; {run.cpu}"
        told = (label(run.run), label(run.started[:16].replace("T", " ")), label(run.preset), settings, label(on))
        table.add_row(*map(Text, told))
    return table


def _counts(counts: Mapping[str, Mapping[str, int]]) -> Table:
    table = _table()
    table.add_column("document")
    for mark in words.CLAIM_MARKS.values():
        table.add_column(mark_text(mark), justify="right")
    table.add_column("all", justify="right")
    for document, by_word in counts.items():
        each = [str(by_word.get(word, 0)) for word in words.CLAIM_MARKS]
        table.add_row(Text(label(document)), *each, str(sum(by_word.values())))
    return table


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
