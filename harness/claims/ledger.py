"""The ledger: every claim of a document that can be tested, one YAML file per document.

The documents are not part of the repository. An entry says in our words what a line of a document states, points at
that line, and keeps the SHA-256 of its UTF-8 text (without the newline), so that a changed document can be noticed.
How a claim is judged stands in one of three keys, by its kind:

    formula      arithmetic: an expression of the closed language (`formula`) over `given`; the value in `unit`. Where
                 the sentence can fairly be read in several ways, `reading` names this one and `readings` has the others
    computed_by  numeric: readings of a system's probes, taken without a suite run
    judged_by    measured, and numeric in a run: addresses of numbers in suites. The first whose suite and part are in
                 the run's plan decides; the others, where the plan has them too, are told beside it

A claim that nothing judges says why (`untested_because`). `numbers` are the number tokens of the line that an entry
accounts for, as the document spells them, the stated one first; a token that stands twice on its line is told apart by
`#2`. All entries of a line together account for every token on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.claims.faults import faulty
from harness.claims.formula import FormulaError, checked, names_in
from harness.errors import SuiteError, offer, shown
from harness.records import Value
from harness.suite import Suite
from harness.yamlfile import YamlDocument, parse_yaml

LEDGER = Path(__file__).resolve().parents[2] / "suites" / "claims"

Kind = Literal["arithmetic", "numeric", "measured", "external"]
Relation = Literal["at_least", "at_most", "about", "within"]
Metric = Literal[
    "share", "reduction", "ratio", "passes", "speedup", "probe", "probe_change", "memory", "growth", "memory_growth"
]
NEEDS: dict[str, str] = {"share": "stage", "probe": "probe", "probe_change": "probe"}
"""Metric -> the key of an address it cannot do without."""


Token = Annotated[str, Field(pattern=r"^\S.{0,38}$")]


class Spec(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Address(Spec):
    """Where a number stands: a cell of a part of a suite, and what to read there.

    The cell is named (`cell`) or described by its changes from the part's baseline; left out, it is the baseline.
    Where a part varies conditions, the address means the cell under each of them, unless `where` picks some; `each`
    repeats it over the levels of further switches. A claim that holds only in some of these is `qualified`.

    share         stage's share of the time of all stages, both directions, in %
    reduction     1 - time(cell) / time(start), in %; the start is the baseline, or the cell described by `start`
    ratio         time(cell) / time(start), the start as for a reduction
    passes        time of the backward over that of the forward pass within single calls, of a stage or of all
    speedup       time(cell) under the first over that under the last value of the one condition of the process that the
                  part varies (threads)
    memory        memory of a call above its gradients and above `beside`, in % of that of the start, or of `of`; both
                  are formulas over the cell's conditions, in bytes
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
    of: str = ""
    beside: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Address:
        needed = NEEDS.get(self.metric)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"metric {self.metric} needs the key {needed}")
        if self.cell is not None and (self.changes or self.each):
            raise ValueError("cell and changes both; one of them would do")
        if (self.of or self.beside) and self.metric != "memory":
            raise ValueError(f"of or beside with metric {self.metric}; only memory has them")
        try:
            names_in(*filter(None, (self.of, self.beside)))
        except FormulaError as error:
            raise ValueError(str(error)) from None
        return self


class Asking(Spec):
    """A reading of a system's probe that is taken without a suite run: a variant with changes, conditions, a probe.

    It is read in every combination of the levels in `each` and the values in `where`, which are its places; from
    `seeds` fresh models where one is a draw. With `start`, levels and conditions of another model, the number is
    100 (1 - reading / reading of the start), in %: it differs from the variant in the start instead of the changes.
    """

    system: str
    size: str | None = None
    variant: str = "status_quo"
    changes: dict[str, str] = {}
    conditions: dict[str, Value] = {}
    each: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    where: dict[str, Annotated[list[Value], Field(min_length=1)]] = {}
    start: dict[str, Value] | None = None
    seeds: Annotated[int, Field(ge=1, le=20)] = 1
    probe: str
    scale: float = 1.0

    @model_validator(mode="after")
    def _unambiguous(self) -> Asking:
        for one, other in ((self.changes, self.each), (self.conditions, self.where)):
            twice = sorted(one.keys() & other.keys())
            if twice:
                raise ValueError(f"{twice[0]} is set once and varied as well; one of them would do")
        if self.start is not None and self.scale != 1.0:
            raise ValueError("start and scale both; a change in % has no other unit")
        return self


class NumberAt(Spec):
    """A number that the same document prints elsewhere: 78 for `78%`. Of a range the end that is named."""

    line: Annotated[int, Field(ge=1)]
    number: Token
    end: Literal["low", "high"] = "low"


class Entry(Spec):
    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
    section: str
    line: Annotated[int, Field(ge=1)]
    line_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    statement: Annotated[str, Field(min_length=1)]
    numbers: list[Token] = []
    """Left out by the ledgers that earlier runs have kept."""
    kind: Kind
    relation: Relation
    stated: float
    stated_high: float | None = None
    """The other end of a range, for `within`."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    unit: str
    scope: str
    headline: bool = False
    formula: str | None = None
    given: dict[str, float | str | NumberAt] = {}
    """Names of the formula: numbers, formulas over earlier names, or numbers of the same document."""
    reading: str = ""
    """How `formula` reads the sentence, where it can fairly be read otherwise too."""
    readings: dict[str, str] = {}
    """The other fair readings -> their formulas. A claim that holds in some is `qualified`."""
    why: str = ""
    """For the reader of a verdict: what the number is, or why it comes out otherwise."""
    computed_by: list[Asking] = []
    judged_by: list[Address] = []
    elsewhere: str | None = None
    """The command that tests it where this run does not; left out, it is made from the first address."""
    untested_because: str | None = None
    """Why a run that holds none of its addresses cannot judge it."""

    @model_validator(mode="after")
    def _judgeable(self) -> Entry:
        if (self.kind == "arithmetic") != (self.formula is not None):
            found = f"kind {self.kind} {'with' if self.formula is not None else 'without'} a formula"
            raise ValueError(f"{found}; arithmetic has one, and nothing else has")
        if self.kind == "external" and not self.untested_because:
            raise ValueError("kind external without untested_because; say why nothing here can judge it")
        if self.computed_by and self.kind != "numeric":
            raise ValueError(f"kind {self.kind} with computed_by; only what is numeric has it")
        if self.formula is None and not (self.judged_by or self.computed_by or self.untested_because):
            raise ValueError("neither judged_by nor untested_because; say how it is judged, or why it is not")
        return self

    @model_validator(mode="after")
    def _bounded(self) -> Entry:
        if (self.relation == "within") != (self.stated_high is not None):
            found = f"relation {self.relation} {'without' if self.relation == 'within' else 'with'} stated_high"
            raise ValueError(f"{found}; within has both ends of a range, and nothing else has")
        if self.stated_high is not None and self.stated_high < self.stated:
            raise ValueError(f"a range from {self.stated:g} to {self.stated_high:g}; its lower end comes first")
        if len(set(self.numbers)) < len(self.numbers):
            raise ValueError("a number stands twice in numbers; its second place on the line is told by #2")
        return self

    @model_validator(mode="after")
    def _calculable(self) -> Entry:
        if bool(self.reading) != bool(self.readings) or (self.readings and self.formula is None):
            raise ValueError(
                "reading names how formula reads the sentence, readings the other ways; both of them or none"
            )
        try:
            checked(self.formula, self.given, list(self.readings.values()))
        except FormulaError as error:
            raise ValueError(str(error)) from None
        return self


class Claim(Entry):
    document: str

    @property
    def of_runs(self) -> bool:
        """Whether a run can judge it, or could if its suite asked; arithmetic and the world outside are no run's."""
        return bool(self.judged_by) or self.kind == "measured"

    @property
    def command(self) -> str:
        """What tests this claim; empty where nothing does."""
        if self.elsewhere is not None:
            return self.elsewhere
        if self.judged_by:
            return f"semh run {self.judged_by[0].suite}"
        return "semh audit" if self.formula else "semh audit --numeric" if self.computed_by else ""


class LedgerFile(Spec):
    document: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    claims: list[Entry]


MODELS: dict[str, type[BaseModel]] = {
    "": LedgerFile,
    "claims": Entry,
    "judged_by": Address,
    "computed_by": Asking,
    "given": NumberAt,
}


def ledger_texts() -> dict[str, str]:
    """File name -> text, of the ledger that came with the harness."""
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(LEDGER.glob("*.yaml"))}


def read_ledger(texts: Mapping[str, str]) -> list[Claim]:
    claims: list[Claim] = []
    seen: dict[str, str] = {}
    for file, text in texts.items():
        document = parse_yaml(text, file)
        ledger = _validated(file, document)
        _check_numbers(file, document, ledger.claims)
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


def _check_numbers(file: str, document: YamlDocument, entries: Sequence[Entry]) -> None:
    """A number of another line is one that an entry of that line accounts for: else no change of it would be seen."""
    known = {(entry.line, token) for entry in entries for token in entry.numbers}
    for index, entry in enumerate(entries):
        for name, meant in entry.given.items():
            if isinstance(meant, NumberAt) and (meant.line, meant.number) not in known:
                there = [token for line, token in known if line == meant.line]
                found = f"no entry of line {meant.line} has {shown(meant.number)} in its numbers"
                message = f"claims.{index}.given.{name}: {found}; {offer(meant.number, f'line {meant.line}', there)}"
                raise SuiteError(file, document.lines["claims", index, "given", name], message)


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
        raise faulty(file, document, error, MODELS) from None
