"""How a record becomes a row: its fields are the columns, under the names they have on disk.

    a number, a word, a flag   one column
    an interval                four: `time_s`, `time_s_low`, `time_s_high`, `time_s_n` (trials)
    a number or a word         two: `value`, `value_word`; one of them is empty
    anything else              one, as JSON

The columns come from the record's type, so that a table without rows has them too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic_core import to_json

from harness.records import Interval, Record

Kind = Literal["text", "number", "whole", "truth"]
Scalar = str | float | int | bool | None
Shape = Literal["interval", "either", "json"] | Kind

ENDS: dict[str, Kind] = {"": "number", "_low": "number", "_high": "number", "_n": "whole"}


class Column(NamedTuple):
    name: str
    kind: Kind


@dataclass(frozen=True)
class Table:
    name: str
    holds: str
    """One row is what."""
    columns: tuple[Column, ...]
    rows: tuple[tuple[Scalar, ...], ...]


def table(
    name: str,
    holds: str,
    keys: Mapping[str, Kind],
    of: type[Record],
    rows: Iterable[tuple[Sequence[Scalar], Record]],
    without: Collection[str] = (),
) -> Table:
    """`keys` come before the record's own fields and tell its row from the others; `without`: fields left out, which
    are tables of their own."""
    fields = {field: shape for field, shape in shapes(of).items() if field not in (*without, *keys)}
    columns = [Column(key, kind) for key, kind in keys.items()]
    columns += [column for field, shape in fields.items() for column in _columns(field, shape)]
    told = (
        (*key, *(value for field, shape in fields.items() for value in _values(getattr(record, field), shape)))
        for key, record in rows
    )
    return Table(name, holds, tuple(columns), tuple(told))


def as_json(value: Any) -> str:
    return to_json(value, inf_nan_mode="constants").decode()


@cache
def shapes(of: type[Record]) -> dict[str, Shape]:
    return {name: _shape(field.annotation) for name, field in of.model_fields.items()}


def _shape(annotation: Any) -> Shape:
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    known = {str if get_origin(option) is Literal else option for option in options} - {NoneType}
    single: dict[frozenset[Any], Shape] = {
        frozenset({Interval}): "interval",
        frozenset({str}): "text",
        frozenset({bool}): "truth",
        frozenset({int}): "whole",
        frozenset({float}): "number",
        frozenset({int, float}): "number",
        frozenset({float, str}): "either",
    }
    return single.get(frozenset(known), "json")


def _columns(field: str, shape: Shape) -> Iterator[Column]:
    if shape == "interval":
        yield from (Column(field + end, kind) for end, kind in ENDS.items())
    elif shape == "either":
        yield from (Column(field, "number"), Column(f"{field}_word", "text"))
    else:
        yield Column(field, "text" if shape == "json" else shape)


def _values(value: Any, shape: Shape) -> Iterator[Scalar]:
    if shape == "interval":
        yield from (None,) * len(ENDS) if value is None else (value.point, value.low, value.high, value.n)
    elif shape == "either":
        yield from (None, value) if isinstance(value, str) else (value, None)
    else:
        yield as_json(value) if shape == "json" and value is not None else value
