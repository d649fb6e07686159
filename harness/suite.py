"""A suite: the YAML file that says what is run. Here its keys, their types, and the errors a file of text can make.

Names that only a system can know (switches, levels, conditions) are checked where the plan is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import SuiteError, offer, shown
from harness.records import OutcomeWord, Value
from harness.yamlfile import Key, KeyPath, YamlDocument, read_yaml

Design = Literal[
    "pair",
    "one_at_a_time",
    "leave_one_out",
    "ladder",
    "full_factorial",
    "fractional_factorial",
    "screening",
    "grid",
]
Family = Literal["run", "part"]
Changes = str | dict[str, str]
"""A named variant, or switch -> level."""

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
NAME_TAKES = "a name of a-z, 0-9, _ and -, at most 64 of them"
Name = Annotated[str, Field(pattern=NAME)]
CHOICES: dict[str, tuple[str, ...]] = {
    "design": get_args(Design),
    "outcome": get_args(OutcomeWord),
    "family": get_args(Family),
}


class Spec(BaseModel):
    """The description of a field completes the sentence `KEY takes ...`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Expected(Spec):
    cell: str = Field(description="the name of a cell, or a pattern with *")
    outcome: OutcomeWord = Field(description="the outcome that is then no failure")


class PartSpec(Spec):
    system: str = Field(description="the name of a registered system, or module:OBJECT")
    size: str | None = Field(None, description="the name of a size of the system")
    mode: str | None = Field(None, description="a mode of the system; its first one where left out")
    conditions: dict[str, Value | list[Value]] = Field(
        default={}, description="a mapping of conditions to a value each, or to a list of values to vary"
    )
    design: Design = Field(description="which variants are run")
    baseline: Changes = Field(
        "status_quo", description="a named variant, or a mapping of switches to levels (the rest as in status_quo)"
    )
    against: Changes | list[Changes] | None = Field(
        None, description="a named variant, a mapping of switches to levels, or a list of those (design pair)"
    )
    also: Changes | list[Changes] | None = Field(
        None, description="a named variant, a mapping of switches to levels, or a list of those"
    )
    beyond: Changes | list[Changes] | None = Field(
        None,
        description="a named variant, a mapping of switches to levels, or a list of those: "
        "what goes beyond the design, measured beside it and told apart",
    )
    factors: dict[str, list[str]] = Field(default={}, description="a mapping of switches to lists of their levels")
    blocks: int = Field(10, ge=2, le=1000, multiple_of=2, description="an even whole number from 2 to 1000")
    stages: bool | None = Field(None, description="true or false; true where the system has stages")
    memory: bool = Field(True, description="true or false")
    times: bool = Field(
        True, description="true or false; false for a part that is about memory or readings alone, and has no trials"
    )
    confirm: bool = Field(True, description="true or false; whether what was found is measured once more")
    reads: list[str] = Field(default=[], description="a list of the system's probes, or of patterns with *")
    map: str | None = Field(None, description="the name of a stage, whose share is mapped over the cells")
    timeout_s: float = Field(300, gt=0, le=86400, description="seconds for one call, up to 86400")
    expect: list[Expected] = Field(default=[], description="a list of {cell: NAME, outcome: WORD}")


class _Head(Spec):
    suite: Name = Field(description=NAME_TAKES)
    title: str = Field(min_length=1, max_length=300, description="the question it answers, one line of text")
    margin: float = Field(0.02, gt=0, le=0.5, description="the smallest change that matters, a fraction up to 0.5")
    family: Family = Field("run", description="run or part: which contrasts are judged together")
    seed: int = Field(0, ge=0, lt=2**31, description="a whole number from 0 to 2147483647")
    claims: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.*?-]{1,200}$")]] = Field(
        default=[], description="a list of claim ids or patterns such as sem_topology.*"
    )


class SuiteOfParts(_Head):
    parts: dict[Name, PartSpec] = Field(min_length=1, description="a mapping of part names to parts")


class SuiteOfOne(PartSpec, _Head):
    """A suite without `parts` is one part."""


@dataclass(frozen=True)
class Suite:
    name: str
    title: str
    margin: float
    family: Family
    seed: int
    parts: Mapping[str, PartSpec]
    claims: tuple[str, ...]
    roots: Mapping[str, KeyPath]
    """Part -> where its keys stand in the file."""
    file: str
    text: str
    sha256: str
    lines: Mapping[KeyPath, int]

    def error(self, part: str, path: KeyPath, message: str) -> SuiteError:
        """`path` counts from the part's keys; empty: the part itself."""
        return _error(self.file, self.lines, (*self.roots[part], *path), message)


def suite_schema() -> dict[str, Any]:
    """What an editor needs to complete and check suites (`suites/schema.json`)."""
    schema = TypeAdapter(SuiteOfParts | SuiteOfOne).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "suite", **schema}


def read_suite(path: Path) -> Suite:
    document = read_yaml(path)
    file, data = str(path), document.data
    if not isinstance(data, dict):
        found = "an empty file" if data is None else shown(data)
        raise SuiteError(file, 1, f"found {found}; a suite begins with suite: NAME and title: QUESTION")
    model = SuiteOfParts if "parts" in data else SuiteOfOne
    try:
        head = model.model_validate(data)
    except ValidationError as error:
        raise _translated(file, document, model, error) from None
    if not head.title.isprintable():
        raise _error(file, document.lines, ("title",), "more than one line of printable text; one line would do")
    roots: dict[str, KeyPath]
    if isinstance(head, SuiteOfParts):
        parts: Mapping[str, PartSpec] = head.parts
        roots = {name: ("parts", name) for name in parts}
    else:
        parts, roots = {head.suite: _part_of(head)}, {head.suite: ()}
    return Suite(
        name=head.suite,
        title=head.title,
        margin=head.margin,
        family=head.family,
        seed=head.seed,
        parts=parts,
        claims=tuple(head.claims),
        roots=roots,
        file=file,
        text=document.text,
        sha256=document.sha256,
        lines=document.lines,
    )


def _part_of(head: SuiteOfOne) -> PartSpec:
    return PartSpec.model_construct(**{name: getattr(head, name) for name in PartSpec.model_fields})


def _error(
    file: str, lines: Mapping[KeyPath, int], path: KeyPath, message: str, *, where: KeyPath | None = None
) -> SuiteError:
    """At the line of `path` (or of the nearest thing around it), speaking of `where`; of a list, as a whole."""
    named = path if where is None else where
    while named and isinstance(named[-1], int):
        named = named[:-1]
    dotted = ".".join(str(key) if re.fullmatch(r"[\w-]{1,64}", str(key)) else shown(key) for key in named)
    while path and path not in lines:
        path = path[:-1]
    return SuiteError(file, lines.get(path, 1), f"{dotted}: {message}" if dotted else message)


def _translated(file: str, document: YamlDocument, model: type[_Head], error: ValidationError) -> SuiteError:
    """The first fault of the file as one sentence. A union reports one fault per member; the deepest says most."""
    faults = [(_path_in(document.data, fault["loc"]), fault) for fault in error.errors()]
    # A misspelt key is both unknown and missing: the unknown one is what the reader can see.
    first, _ = min(faults, key=lambda pair: (pair[1]["type"] == "missing", document.lines[pair[0]], len(pair[0])))
    path, fault = max(((p, f) for p, f in faults if p[: len(first)] == first), key=lambda pair: len(pair[0]))
    spec, key = _place(model, path)
    kind, last = fault["type"], fault["loc"][-1]
    if kind == "missing":
        needed = [name for name, field in spec.model_fields.items() if field.is_required()]
        message = f"missing key {str(last)!r}; needed are {', '.join(needed)}"
        return _error(file, document.lines, path, message)
    if last == "[key]":
        message = f"found the name {shown(path[-1])}; it takes {NAME_TAKES}"
        return _error(file, document.lines, path, message, where=path[:-1])
    if kind == "extra_forbidden":
        message = f"unknown key {shown(path[-1])}; {_would_do(spec, str(path[-1]))}"
        return _error(file, document.lines, path, message, where=path[:-1])
    return _error(file, document.lines, path, _takes(spec, key, _at(document.data, path)))


def _path_in(data: Any, location: tuple[Key, ...]) -> KeyPath:
    """pydantic's location without the names of union members and of keys that are missing."""
    path: KeyPath = ()
    for key in location:
        inside = key in data if isinstance(data, dict) else isinstance(data, list) and isinstance(key, int)
        if inside:
            data = data[key]
            path = (*path, key)
    return path


def _at(data: Any, path: KeyPath) -> Any:
    for key in path:
        data = data[key]
    return data


def _place(model: type[Spec], path: KeyPath) -> tuple[type[Spec], str]:
    """The model that holds `path`, and which of its fields."""
    if model is SuiteOfParts and path[:1] == ("parts",) and len(path) > 1:
        model, path = PartSpec, path[2:]
    if path[:1] == ("expect",) and len(path) > 1:
        model, path = Expected, path[2:]
    return model, str(path[0]) if path else ""


def _takes(spec: type[Spec], key: str, found: Any) -> str:
    if key in CHOICES and isinstance(found, str):
        return f"no {key} {shown(found)}; {offer(found, 'a suite', CHOICES[key])}"
    if not key:
        return f"found {shown(found)}; it takes a mapping with the keys {', '.join(spec.model_fields)}"
    return f"found {shown(found)}; {key} takes {spec.model_fields[key].description}"


def _would_do(spec: type[Spec], key: str) -> str:
    if spec is SuiteOfParts and key in PartSpec.model_fields:
        return "beside parts it belongs inside a part"
    owner = {PartSpec: "a part", Expected: "expect"}.get(spec, "a suite")
    return offer(key, owner, spec.model_fields)
