"""Tables to files. CSV is UTF-8 with a header; nothing is written where nothing is known.

A spreadsheet takes a cell that begins with = + - @ or white space before one for a formula, and suites name their cells
as they like: in CSV, such text (text alone, never a number) is led by an apostrophe. Parquet has types and needs none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from harness.export.columns import Scalar, Table

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Written:
    """A table that lies there as `<name>.csv`."""

    name: str
    holds: str
    rows: int
    parquet: bool
    """Whether it lies beside it as `<name>.parquet` too."""


def write(tables: Iterable[Table], target: Path) -> tuple[Written, ...]:
    """What lay there of an earlier rendering goes."""
    target.mkdir(parents=True, exist_ok=True)
    for stale in (*target.glob("*.csv"), *target.glob("*.parquet")):
        stale.unlink()
    parquet = find_spec("pyarrow") is not None
    written = []
    for table in tables:
        _write_csv(table, target / f"{table.name}.csv")
        if parquet:
            _write_parquet(table, target / f"{table.name}.parquet")
        written.append(Written(table.name, table.holds, len(table.rows), parquet))
    return tuple(written)


def _write_csv(table: Table, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        usual = csv.writer(out, lineterminator="\n")
        # Left to itself Python 3.11 writes a carriage return bare, where a reader ends the row.
        quoted = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        usual.writerow(column.name for column in table.columns)
        for row in table.rows:
            cells = [_text(value) for value in row]
            (quoted if any("\r" in cell for cell in cells) else usual).writerow(cells)


def _text(value: Scalar) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    return repr(value)


def _write_parquet(table: Table, file: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    types = {"text": pyarrow.string(), "number": pyarrow.float64(), "whole": pyarrow.int64(), "truth": pyarrow.bool_()}
    schema = pyarrow.schema([(column.name, types[column.kind]) for column in table.columns])
    columns = [
        [_number(row[place]) if column.kind == "number" else row[place] for row in table.rows]
        for place, column in enumerate(table.columns)
    ]
    parquet.write_table(pyarrow.table(columns, schema=schema), file)


def _number(value: Scalar) -> float | None:
    """Counters are whole and may be larger than what fits a float exactly, which pyarrow refuses."""
    return None if value is None else float(value)
