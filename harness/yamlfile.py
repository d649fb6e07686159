"""Reads a YAML file as plain data, and remembers the line of everything in it.

What is refused is refused on the event stream, before anything is built: tags, anchors, aliases, merges, a second
document, depth over 32, more than 20 000 entries; and before that a file over 1 MiB or one that is not UTF-8 text.
Keys are strings as written. Scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema),
so that `on`, `off` and `yes` are words, `1e-6` is a number and `012` is twelve.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import SuiteError, shown

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_ENTRIES = 20_000
MAX_DIGITS = 300

Key = str | int
KeyPath = tuple[Key, ...]
"""Where something stands: mapping keys and list positions from the root."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NULL = re.compile(r"null|Null|NULL|~|")
BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
INT = re.compile(r"[-+]?[0-9]+")
OCTAL = re.compile(r"0o[0-7]+")
HEX = re.compile(r"0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
NAN = re.compile(r"\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class YamlDocument:
    data: Any
    """None, bool, int, float, str, and lists and string-keyed dicts of these."""
    lines: dict[KeyPath, int]
    text: str
    sha256: str


SURROGATE = re.compile("[\ud800-\udfff]")
"""What an escape can write and no UTF-8 file can hold."""


def core_scalar(text: str) -> Any:
    """The value of a plain (unquoted) scalar. A number no one can mean stays text: a bigger one could not be shown."""
    if len(text) > MAX_DIGITS:
        return text
    if NULL.fullmatch(text):
        return None
    if BOOL.fullmatch(text):
        return text.lower() == "true"
    if INT.fullmatch(text):
        return int(text)
    if OCTAL.fullmatch(text) or HEX.fullmatch(text):
        return int(text, 0)
    if FLOAT.fullmatch(text):
        return float(text)
    if INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if NAN.fullmatch(text):
        return float("nan")
    return text


def read_yaml(path: Path) -> YamlDocument:
    file = str(path)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        raise SuiteError(file, 1, "no such file; a path to a YAML file would do") from None
    if stat.S_ISDIR(mode):
        raise SuiteError(file, 1, "a folder; a path to a YAML file would do")
    if not stat.S_ISREG(mode):
        raise SuiteError(file, 1, "not a regular file; a path to a YAML file would do")
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SuiteError(file, 1, f"cannot be read ({error.strerror}); a readable file would do") from None
    if len(raw) > MAX_BYTES:
        raise SuiteError(file, 1, "over 1 MiB; a suite is a page of text")
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise SuiteError(file, line, "binary (a zero byte); UTF-8 text would do")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SuiteError(file, line, f"not UTF-8 (byte 0x{raw[error.start]:02x}); UTF-8 text would do") from None
    return parse_yaml(text, file)


def parse_yaml(text: str, file: str) -> YamlDocument:
    """The same for text already in hand; `file` is what errors call it."""
    builder = _Builder(file)
    try:
        data = builder.document(yaml.parse(text, Loader=LOADER))
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark
        line = mark.line + 1 if mark else 1
        said = ", ".join(part for part in (error.context, error.problem) if part)
        what = f"not YAML ({said}); indent with spaces, close every bracket and quote"
        raise SuiteError(file, line, what) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SuiteError(file, line, "a control character; printable text would do") from None
    return YamlDocument(data, builder.lines, text, hashlib.sha256(text.encode()).hexdigest())


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


@dataclass
class _Builder:
    """Events -> plain data. Recursion is safe: depth is refused first."""

    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    entries: int = 0

    def refuse(self, event: Any, message: str) -> SuiteError:
        return SuiteError(self.file, _line(event), message)

    def document(self, events: Iterator[Any]) -> Any:
        data, documents = None, 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.refuse(event, "a second document; one file holds one")
                if event.tags:
                    raise self.refuse(event, "a tag directive; plain values would do")
            elif isinstance(event, yaml.NodeEvent):
                self.lines[()] = _line(event)
                data = self.node(events, event, ())
        return data

    def node(self, events: Iterator[Any], event: Any, path: KeyPath) -> Any:
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            raise self.refuse(event, f"more than {MAX_ENTRIES} entries; a suite is a page of text")
        if len(path) >= MAX_DEPTH:
            raise self.refuse(event, f"nested deeper than {MAX_DEPTH}; a suite needs five levels")
        if isinstance(event, yaml.AliasEvent):
            raise self.refuse(event, f"an alias, {shown(f'*{event.anchor}')}; write the value out")
        if event.anchor is not None:
            raise self.refuse(event, f"an anchor, {shown(f'&{event.anchor}')}; write the value out where it is needed")
        if event.tag is not None:
            raise self.refuse(event, f"a tag, {shown(event.tag)}; plain values would do")
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(events, path)
        return self.mapping(events, path)

    def scalar(self, event: Any) -> Any:
        if SURROGATE.search(event.value):
            raise self.refuse(event, "half of a surrogate pair, which is no character; printable text would do")
        if event.style:  # quoted or a block: text
            return event.value
        return core_scalar(event.value)

    def sequence(self, events: Iterator[Any], path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            here = (*path, len(items))
            self.lines[here] = _line(event)
            items.append(self.node(events, event, here))
        return items

    def mapping(self, events: Iterator[Any], path: KeyPath) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.key(events, event, path)
            here = (*path, key)
            if key in items:
                raise self.refuse(event, f"duplicate key {shown(key)}, first on line {self.lines[here]}; keep one")
            self.lines[here] = _line(event)
            items[key] = self.node(events, next(events), here)
        return items

    def key(self, events: Iterator[Any], event: Any, path: KeyPath) -> str:
        if isinstance(event, yaml.CollectionStartEvent):
            raise self.refuse(event, "a collection as a key; a word would do")
        self.node(events, event, path)
        if not event.style and event.value == "<<":
            raise self.refuse(event, "a merge, '<<'; write the keys out")
        return str(event.value)
