"""The state of the ledger in the terminal: counts, the claims of each document, and the runs that were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.report import numbers, words
from harness.report.terminal_contrasts import mark_text
from harness.report.text import UNIT, label, plain, safe, shorten
from harness.verdicts.state import Ledger, RunFacts, State

STATEMENT, REASON, INDENT = 160, 200, 4
COMMANDS = 4
"""So many of those that would test what is untested are named in one line."""


def verdict_tables(state: Ledger, shown: Sequence[State], *, fold: bool = False) -> Iterator[RenderableType]:
    """`shown`: those of its claims that were asked for. `fold`: the counts first, then what is decided, a line each; of
    what arithmetic supports and of what nothing ever tested, how many they are."""
    under = {run.run: _under(run) for run in state.runs}
    if fold:
        yield _counts(state.counts())
        yield Text()
    for document in dict.fromkeys(claim.document for claim in shown):
        yield Text(label(document), "bold")
        claims = [claim for claim in shown if claim.document == document]
        yield from _decided(claims, under) if fold else _claims(claims, under)
        yield Text()
    named = {run for claim in shown for run in (claim.run, claim.earlier.run if claim.earlier else None)}
    runs = [run for run in state.runs if run.run in named]
    if runs:
        yield Text("runs", "bold")
        yield _runs(runs)
        yield Text()
    if not fold:
        yield Text("claims", "bold")
        yield _counts(state.counts())
    yield from (Text(f"not read: {plain(why)}", "dim") for why in state.unread)


def _decided(claims: Sequence[State], under: Mapping[str, str]) -> Iterator[RenderableType]:
    """By word; an old word, and an entry that changed, are never folded away."""
    untested = [claim for claim in claims if claim.word == "untested" and claim.earlier is None]
    exact = [claim for claim in claims if claim.word == "supported" and _by_arithmetic(claim) and not claim.headline]
    decided = [claim for claim in claims if claim not in untested and claim not in exact]
    order = tuple(words.CLAIM_MARKS)
    yield from _claims(sorted(decided, key=lambda claim: order.index(claim.word)), under, briefly=True)
    if exact:
        counted = words.count(len(exact), "claim")
        yield Text.assemble(
            mark_text(words.CLAIM_MARKS["supported"]), f"  {counted} by arithmetic; semh verdicts --all lists them"
        )
    if untested:
        yield _folded(untested)


def _by_arithmetic(claim: State) -> bool:
    return claim.run is None and claim.earlier is None and not claim.changed


def _claims(claims: Sequence[State], under: Mapping[str, str], *, briefly: bool = False) -> Iterator[RenderableType]:
    """The verdict with its figures, then what is claimed, then by what and why; briefly, the rest where it changed."""
    marks = [mark_text(words.CLAIM_MARKS[claim.word]) for claim in claims]
    room = max((mark.cell_len for mark in marks), default=0)
    for mark, claim in zip(marks, claims, strict=True):
        mark.pad_right(room - mark.cell_len)
        found = "measured" if claim.run else "comes out as"
        measured = f", {found} {_measured(claim)}" if claim.measured else ""
        name = (label(claim.id), "bold" if claim.headline else "")
        yield Text.assemble(mark, "  ", name, f"  stated {_stated(claim)}{measured}")
        if briefly and claim.earlier is None and not claim.changed:
            continue
        for line in (shorten(safe(claim.statement), STATEMENT), "; ".join(_notes(claim, under))):
            yield Padding(Text(line, "dim"), (0, 0, 0, INDENT))


def _folded(claims: Sequence[State]) -> Text:
    by = Counter(claim.command for claim in claims)
    nothing = by.pop("", 0)
    named = by.most_common(COMMANDS)
    others = by.total() - sum(count for _, count in named)
    told = [f"{count} by {plain(command)}" for command, count in named]
    told += [f"{count} by {way}" for count, way in ((others, "other commands"), (nothing, "nothing here")) if count]
    mark = mark_text(words.CLAIM_MARKS["untested"])
    where = "semh verdicts --word untested lists them"
    return Text.assemble(mark, f"  {words.count(len(claims), 'claim')}, to be tested {', '.join(told)}; {where}")


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


def _notes(claim: State, under: Mapping[str, str]) -> Iterator[str]:
    if claim.run is not None:
        settings = under[claim.run]
        yield f"by {label(claim.run)}" + (f" under {settings}" if settings else "")
    elif claim.word != "untested":
        yield "by arithmetic"
    else:
        yield f"tested by: {plain(claim.command)}" if claim.command else "tested by nothing here"
    if claim.earlier is not None:
        yield f"earlier {claim.earlier.word}, by {label(claim.earlier.run)}"
    if claim.changed:
        yield plain(claim.changed) + (f"; the run said {claim.run_said}" if claim.run_said else "")
    reason = claim.reason or claim.why if claim.run or claim.word == "untested" else claim.why or claim.reason
    if reason and claim.word != "supported":
        yield shorten(safe(reason), REASON)


def _runs(runs: Sequence[RunFacts]) -> Table:
    table = _table()
    for column in ("run", "when", "preset", "under", "on"):
        table.add_column(column, overflow="fold")
    for run in runs:
        on = run.cpu if run.device == "cpu" else f"{run.device}; {run.cpu}"
        told = (label(run.run), label(run.started[:16].replace("T", " ")), label(run.preset), _under(run), label(on))
        table.add_row(*map(Text, told))
    return table


def _under(run: RunFacts) -> str:
    """The conditions given on its command line, which its claims may not speak of."""
    return ", ".join(words.condition(name, value) for name, value in run.settings.items())


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
