"""Where the exported tables lie, as links of the report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.export.files import Written
from harness.report import words
from harness.report.shown import Link


def table_links(tables: Sequence[Written]) -> tuple[Link, ...]:
    return tuple(_links(tables)) if tables else ()


def _links(tables: Sequence[Written]) -> Iterator[Link]:
    """Of those that hold anything; the folder has the others too."""
    parquet = "the same as parquet beside it" if all(one.parquet for one in tables) else "parquet: install semh[tables]"
    raw = "every table as CSV, numbers as stored: seconds, bytes, plain fractions"
    yield Link("tables/", "tables/", f"{raw}; {parquet}")
    for one in tables:
        if one.rows:
            yield Link(
                f"tables/{one.name}.csv", f"tables/{one.name}.csv", f"{words.count(one.rows, 'row')}, each {one.holds}"
            )
