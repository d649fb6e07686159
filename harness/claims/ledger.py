"""The ledger: every claim of a document that can be tested, one YAML file per document.

The documents are not part of the repository. An entry says in our words what a line of a document states, points at
that line, and keeps the SHA-256 of its UTF-8 text (without the newline), so that a changed document can be noticed.
How a claim is judged stands in `judged_by`: addresses of numbers in suites. The first whose suite and part are in the
run's plan decides; the others, where the plan has them too, are told beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import SuiteError, offer, shown
from harness.records import Value
from harness.suite import Suite
from harness.yamlfile import KeyPath, YamlDocument, parse_yaml

LEDGER = Path(__file__).resolve().parents[2] / "suites" / "claims"

Metric = Literal["share", "reduction", "probe", "probe_change", "growth", "memory_growth"]
NEEDS: dict[str, str] = {"share": "stage", "probe": "probe", "probe_change": "probe"}
"""Metric -> the key of an address it cannot do without."""


class Spec(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Address(Spec):
    """Where a number stands: a cell of a part of a suite, and what to read there.

    The cell is named (`cell`) or described by its changes from the part's baseline; left out, it is the baseline.
    Where a part varies conditions, the address means the cell under each of them, unless `where` picks some; `each`
    repeats it over the levels of further switches. A claim that holds only in some of these is `qualified`.

    share         stage's share of the time of all stages, both directions, in %
    reduction     1 - time(cell) / time(start), in %; the start is the baseline, or the cell described by `start`
    probe         a probe's reading in the cell, times `scale`
    probe_change  1 - reading(cell) / reading(start), in %
    growth        exponent of the time in the one size that the part varies, of a stage (forward) or the whole call
    memory_growth the same of the peak memory
    """

    suite: str
    part: str
    metric: Metric
    cell: str | None = None
    changes: dict[str, str] = {}
    start: dict[str, str] = {}
    where: dict[str, list[Value]] = {}
    each: dict[str, list[str]] = {}
    stage: str | None = None
    probe: str | None = None
    scale: float = 1.0

    @model_validator(mode="after")
    def _complete(self) -> Address:
        needed = NEEDS.get(self.metric)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"metric {self.metric} needs the key {needed}")
        if self.cell is not None and (self.changes or self.each):
            raise ValueError("cell and changes both; one of them would do")
        return self


class Entry(Spec):
    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
    section: str
    line: Annotated[int, Field(ge=1)]
    line_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    statement: Annotated[str, Field(min_length=1)]
    kind: Literal["arithmetic", "numeric", "measured", "external"]
    relation: Literal["at_least", "at_most", "about"]
    stated: float
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    unit: str
    scope: str
    headline: bool = False
    judged_by: list[Address] = []
    elsewhere: str | None = None
    """The command that tests it where this run does not; left out, it is made from the first address."""
    untested_because: str | None = None
    """Why a run that holds none of its addresses cannot judge it."""

    @model_validator(mode="after")
    def _judgeable(self) -> Entry:
        if not self.judged_by and not self.untested_because:
            raise ValueError("neither judged_by nor untested_because; say how it is judged, or why it is not")
        return self


class Claim(Entry):
    document: str

    @property
    def command(self) -> str:
        """What tests this claim; empty where nothing does."""
        if self.elsewhere is not None:
            return self.elsewhere
        return f"semh run {self.judged_by[0].suite}" if self.judged_by else ""


class LedgerFile(Spec):
    document: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    claims: list[Entry]


MODELS: dict[str, type[Spec]] = {"": LedgerFile, "claims": Entry, "judged_by": Address}


def ledger_texts() -> dict[str, str]:
    """File name -> text, of the ledger that came with the harness."""
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(LEDGER.glob("*.yaml"))}


def read_ledger(texts: Mapping[str, str]) -> list[Claim]:
    claims: list[Claim] = []
    seen: dict[str, str] = {}
    for file, text in texts.items():
        document = parse_yaml(text, file)
        ledger = _validated(file, document)
        for index, entry in enumerate(ledger.claims):
            here = f"{file}:{document.lines['claims', index]}"
            if entry.id in seen:
                raise SuiteError(
                    file,
                    document.lines["claims", index, "id"],
                    f"claims.{index}.id: {shown(entry.id)} stands already at {seen[entry.id]}; ids are unique",
                )
            seen[entry.id] = here
            claims.append(Claim(document=ledger.document, **dict(entry)))
    return claims


def check_globs(suite: Suite, claims: Sequence[Claim]) -> None:
    """A suite's glob over claims that matches nothing is a mistake, and said before anything is measured."""
    ids = [claim.id for claim in claims]
    for index, glob in enumerate(suite.claims):
        if not matching(claims, [glob]):
            line = suite.lines.get(("claims", index), 1)
            message = f"claims.{index}: nothing matches {shown(glob)}; {offer(glob, 'the ledger', ids)}"
            raise SuiteError(suite.file, line, message)


def matching(claims: Sequence[Claim], globs: Sequence[str]) -> list[Claim]:
    return [claim for claim in claims if any(fnmatchcase(claim.id, glob) for glob in globs)]


def _validated(file: str, document: YamlDocument) -> LedgerFile:
    try:
        return LedgerFile.model_validate(document.data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        fault = next(
            (one for one in faults if one["type"] == "extra_forbidden"), faults[0]
        )  # a misspelt key misses one
        path: KeyPath = fault["loc"]
        raise SuiteError(file, _line(document, path), _message(path, fault)) from None


def _line(document: YamlDocument, path: KeyPath) -> int:
    while path and path not in document.lines:
        path = path[:-1]
    return document.lines.get(path, 1)


def _message(path: KeyPath, fault: Any) -> str:
    named = ".".join(str(key) for key in path)
    if fault["type"] == "extra_forbidden":
        owner = next((str(key) for key in reversed(path[:-1]) if isinstance(key, str)), "")
        where = ".".join(str(key) for key in path[:-1])
        unknown = f"unknown key {shown(path[-1])}; {offer(str(path[-1]), owner or 'a ledger', _keys(owner))}"
        return f"{where}: {unknown}" if where else unknown
    said = re.sub(r"^(Value error|Assertion failed), ", "", fault["msg"])
    found = "" if fault["type"] in ("missing", "value_error") else f"found {shown(fault['input'])}; "
    return f"{named}: {found}{said[:1].lower()}{said[1:]}" if named else f"{found}{said}"


def _keys(owner: str) -> list[str]:
    return list(MODELS[owner].model_fields) if owner in MODELS else []
