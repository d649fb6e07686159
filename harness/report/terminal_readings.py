"""Readings in the terminal, for parts that are about them: what moved each most, then cell by cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.records import Part, PartAnalysis
from harness.report import words
from harness.report.lookup import Run
from harness.report.readings_view import reading_sentences, readings_table
from harness.report.shown import Entry

CELLS, ABREAST, WIDEST = 40, 3, 24


def reading_tables(run: Run) -> Iterator[RenderableType]:
    for plan, part in run.pairs():
        if plan.reads:
            title = ", ".join(filter(None, (run.title(plan.name), "what was read")))
            yield Text(title, "bold")
            yield from (Text(f"  {line}") for line in reading_sentences(plan, part, run))
            yield Text()
            yield from _tables(plan, part, run)
            yield Text(_times(part), "dim")
            yield Text()


def _tables(plan: Part, part: PartAnalysis, run: Run) -> Iterator[RenderableType]:
    """As many readings abreast as a narrow terminal holds."""
    told = readings_table(plan, part, run)
    fixed = len(told.columns) - len(plan.reads)
    for first in range(fixed, len(told.columns), ABREAST):
        places = [*range(fixed), *range(first, min(first + ABREAST, len(told.columns)))]
        table = Table(box=None, padding=(0, 2, 0, 0))
        for place in places:
            column = told.columns[place]
            title = column.title.replace(".", ".\n").replace(" ", "\n")
            table.add_column(
                Text(title), justify="right" if column.numeric else "left", overflow="fold", max_width=WIDEST
            )
        for row in told.rows[:CELLS]:
            table.add_row(*(_entry(row[place]) for place in places))
        yield table
        if len(told.rows) > CELLS:
            yield Text(f"and {len(told.rows) - CELLS} more in the report", "dim")
        yield Text()


def _entry(entry: Entry) -> Text:
    mark = f"{entry.mark.shape} {entry.mark.word}" if entry.mark else ""
    return Text("\n".join(filter(None, (mark, entry.text, entry.note))))


def _times(part: PartAnalysis) -> str:
    counted = Counter[str](contrast.verdict for contrast in part.contrasts)
    told = ", ".join(f"{counted[word]} {word}" for word in words.CONTRAST_MARKS if counted[word])
    return f"Times are in the report: {told or 'nothing to compare'}."
