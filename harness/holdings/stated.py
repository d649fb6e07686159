"""A document's memory table as data: one YAML file per table in `suites/claims/memory/`.

As in the ledger the document is not part of the repository: a row says in our words what a line states, points at that
line and keeps the SHA-256 of its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.claims.ledger import LEDGER
from harness.errors import SuiteError
from harness.records import Value
from harness.yamlfile import parse_yaml

FOLDER = LEDGER / "memory"
FIGURE = re.compile(r"(?P<about>~?)(?P<number>[0-9][0-9,]*(\.[0-9]+)?)(?P<millions>M?)( (?P<unit>KB|MB|GB))?")
UNITS = {"KB": 1, "MB": 2, "GB": 3}
SLACK, ABOUT = 0.01, 0.05
"""What a figure may be off, relative to itself: as printed, and with a `~` before it."""
BYTES = {"float32": 4, "float64": 8, "complex64": 8, "complex128": 16, "int32": 4, "int64": 8}


@dataclass(frozen=True)
class Figure:
    """A number as a document prints it. `values`: what it may mean, with either kind of KB, MB and GB."""

    text: str
    values: tuple[float, ...]
    slack: float
    """Absolute, in elements or in units: 1 %, 5 % where it says about, or half of its last digit."""

    def holds(self, counted: float) -> bool:
        scale = self.values[0]
        return any(abs(counted - value) <= self.slack * value / scale for value in self.values)


def figure(text: str) -> Figure:
    found = FIGURE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no figure; 16,384 or ~14,000 or 67M or 3.05 GB would do")
    number = float(found["number"].replace(",", ""))
    digits = len(found["number"].partition(".")[2])
    half = 0.0 if "," in found["number"] else 0.5 * 10.0**-digits
    slack = max(number * (ABOUT if found["about"] else SLACK), half)
    power = UNITS.get(found["unit"] or "", 0)
    millions = 1e6 if found["millions"] else 1.0
    scales = (1024.0**power, 1000.0**power) if power else (millions,)
    return Figure(text, tuple(number * scale for scale in scales), slack * scales[0])


class Spec(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Tensor(Spec):
    """`input` and `parameter` say where it lies; of an `index` the elements are not counted."""

    shape: list[Annotated[int, Field(ge=1)]]
    dtype: str
    count: Annotated[int, Field(ge=1)] = 1
    input: bool = False
    parameter: bool = False
    index: bool = False

    @model_validator(mode="after")
    def _known(self) -> Tensor:
        if self.dtype not in BYTES:
            raise ValueError(f"no dtype {self.dtype!r}; {', '.join(BYTES)} would do")
        return self

    @property
    def elements(self) -> int:
        return 0 if self.index else self.count * prod(self.shape)

    @property
    def bytes(self) -> int:
        """Of one of them."""
        return prod(self.shape) * BYTES[self.dtype]


class Row(Spec):
    id: str
    section: str
    line: Annotated[int, Field(ge=1)]
    line_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    stage: str
    statement: Annotated[str, Field(min_length=1)]
    elements: str | int | None = None
    memory: str
    of: list[Tensor] = []
    total: bool = False
    """Whether it claims to be all of a stage's activations."""
    peak: bool = False
    """Whether it claims to be all of a call."""
    note: str = ""

    @model_validator(mode="after")
    def _readable(self) -> Row:
        for text in (self.memory, *([] if self.elements is None else [str(self.elements)])):
            figure(text)
        if self.peak == bool(self.of):
            raise ValueError("tensors (of) or peak: one of them would do")
        return self


class Stated(Spec):
    """What the table speaks of: a call of this mode, of this variant at this size, and its rows."""

    document: str
    system: str
    size: str
    mode: str = "train_step"
    variant: str = "status_quo"
    dtype: str = "float32"
    conditions: dict[str, Value] = {}
    rows: list[Row]


def stated_tables(texts: Mapping[str, str] | None = None) -> list[Stated]:
    """Of the tables that came with the harness, or of these texts (file name -> text)."""
    given = texts if texts is not None else {f.name: f.read_text(encoding="utf-8") for f in files()}
    return [_read(file, text) for file, text in given.items()]


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.yaml"))


def _read(file: str, text: str) -> Stated:
    document = parse_yaml(text, file)
    try:
        return Stated.model_validate(document.data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        path = fault["loc"]
        while path and path not in document.lines:
            path = path[:-1]
        said = fault["msg"].removeprefix("Value error, ")
        named = ".".join(str(key) for key in fault["loc"])
        raise SuiteError(file, document.lines.get(path, 1), f"{named}: {said[:1].lower()}{said[1:]}") from None
