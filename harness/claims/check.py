"""A document against its ledger: which of its numbers nobody has registered, and which claims it no longer makes.

A claim keeps its line's number and hash, and the number tokens it accounts for. What was found:

    unregistered  a number of the document that no claim accounts for
    changed       a claim's number is no longer there; told with what stands in its place
    reworded      the claim's numbers are there, and the words around them are others
    moved         the claim's line stands elsewhere
    lost          the claim's line is nowhere
    unfounded     the line is as it was, and never held that number: the ledger is wrong

A changed number is told from its line's other numbers exactly: putting the old one back must give the old hash.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.claims.extract import Line, counted, lines_of, numbers
from harness.claims.ledger import Claim

Word = Literal["unregistered", "changed", "reworded", "moved", "lost", "unfounded"]
TRIED = 5040
"""Ways of putting old numbers back into a line that are tried: seven of them in any order."""


@dataclass(frozen=True)
class Finding:
    """One thing that is not as the ledger says, at the line of the document where it is seen."""

    word: Word
    line: int
    section: str
    text: str
    token: str = ""
    now: str = ""
    claim: str = ""


@dataclass(frozen=True)
class Checked:
    """A document and its ledger, side by side."""

    document: str
    known_as: str
    """The ledger's name of the document; empty where no ledger speaks of it."""
    lines: tuple[Line, ...]
    claims: int
    findings: tuple[Finding, ...]

    @property
    def numbers(self) -> int:
        return sum(len(line.tokens) for line in self.lines)

    def unregistered(self) -> list[Line]:
        """Lines with their numbers that no claim accounts for."""
        missing = {(one.line, one.token) for one in self.findings if one.word == "unregistered"}
        kept = ((line, tuple(token for token in line.tokens if (line.number, token) in missing)) for line in self.lines)
        return [replace(line, tokens=tokens) for line, tokens in kept if tokens]


@dataclass(frozen=True)
class _Spot:
    """Where a ledger line stands now, and its tokens there: as they were spelled -> as they are; None where gone."""

    line: int
    told: dict[str, str | None]
    word: Literal["same", "moved", "changed", "reworded", "lost"]


_Key = tuple[int, str]
"""A ledger line: its number and its hash."""


def check(document: str, text: str, claims: Sequence[Claim]) -> Checked:
    """`document` is its file's name; claims of any document may be given."""
    source = lines_of(text)
    known_as = _known_as(document, source, claims)
    ours = [claim for claim in claims if claim.document == known_as]
    stated = {line.number: line for line in numbers(text)}
    groups: dict[_Key, list[Claim]] = {}
    for claim in sorted(ours, key=lambda claim: claim.line):
        groups.setdefault((claim.line, claim.line_sha256), []).append(claim)
    spots = _Seen(source, stated).spots({key: _registered(group) for key, group in groups.items()})
    accounted = {(spot.line, now) for spot in spots.values() for now in spot.told.values()}
    findings = [
        finding
        for key, group in groups.items()
        for claim in group
        for finding in _of_claim(claim, spots[key], source[spots[key].line - 1])
    ]
    findings += [
        Finding("unregistered", line.number, line.section, line.text, token)
        for line in stated.values()
        for token in line.tokens
        if (line.number, token) not in accounted
    ]
    findings.sort(key=lambda finding: finding.line)
    return Checked(document, known_as, tuple(stated.values()), len(ours), tuple(findings))


def digest_of(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _known_as(document: str, source: Sequence[str], claims: Sequence[Claim]) -> str:
    """By its file's name; a copy of another name is known by most of its lines."""
    if any(claim.document == document for claim in claims):
        return document
    digests = {digest_of(line) for line in source}
    held = Counter(claim.document for claim in claims if claim.line_sha256 in digests)
    return held.most_common(1)[0][0] if held else ""


def _registered(group: Sequence[Claim]) -> list[str]:
    return sorted({token for claim in group for token in claim.numbers})


class _Seen:
    """The document's lines, searched for the ledger's: lines as they were first, so that none is taken for another."""

    def __init__(self, source: Sequence[str], stated: dict[int, Line]) -> None:
        self.source = source
        self.stated = stated
        self.digests = [digest_of(line) for line in source]
        self.taken: set[int] = set()

    def spots(self, wanted: dict[_Key, list[str]]) -> dict[_Key, _Spot]:
        found: dict[_Key, _Spot] = {}
        for search in (self._same, self._moved, self._changed, self._reworded):
            for key, registered in wanted.items():
                spot = None if key in found else search(*key, registered)
                if spot is not None:
                    found[key] = spot
                    self.taken.add(spot.line)
        lost = {line: _Spot(min(line, len(self.source)), {}, "lost") for line, _ in wanted}
        return {key: found.get(key, lost[key[0]]) for key in wanted}

    def _same(self, line: int, digest: str, registered: Sequence[str]) -> _Spot | None:
        there = line <= len(self.source) and self.digests[line - 1] == digest
        return _Spot(line, self._held(line, registered), "same") if there else None

    def _moved(self, line: int, digest: str, registered: Sequence[str]) -> _Spot | None:
        alike = (other for other in self._near(line) if self.digests[other - 1] == digest)
        return next((_Spot(other, self._held(other, registered), "moved") for other in alike), None)

    def _changed(self, line: int, digest: str, registered: Sequence[str]) -> _Spot | None:
        found = ((other, self._put_back(other, digest, registered)) for other in self._near(line))
        return next((_Spot(other, told, "changed") for other, told in found if told), None)

    def _reworded(self, line: int, _: str, registered: Sequence[str]) -> _Spot | None:
        held = self._held(line, registered)
        return None if line in self.taken or not any(held.values()) else _Spot(line, held, "reworded")

    def _near(self, line: int) -> list[int]:
        free = (other for other in range(1, len(self.source) + 1) if other not in self.taken)
        return sorted(free, key=lambda other: abs(other - line))

    def tokens(self, line: int) -> tuple[str, ...]:
        return self.stated[line].tokens if line in self.stated else ()

    def _held(self, line: int, registered: Sequence[str]) -> dict[str, str | None]:
        return {token: token if token in self.tokens(line) else None for token in registered}

    def _put_back(self, line: int, digest: str, registered: Sequence[str]) -> dict[str, str | None]:
        """The line's tokens as they were, if old numbers in the place of new ones give the old line again."""
        now = [_spelled(token) for token in self.tokens(line)]
        gone = list((Counter(map(_spelled, registered)) - Counter(now)).elements())
        come = Counter(now) - Counter(map(_spelled, registered))
        places = [at for at, token in enumerate(now) if token in come]
        for ats in itertools.islice(itertools.permutations(places, len(gone)), TRIED if gone else 0):
            before = dict(zip(ats, gone, strict=True))
            were = [before.get(place, token) for place, token in enumerate(now)]
            if digest_of(_respelled(self.stated[line], now, were)) == digest:
                return dict(zip(counted(were), self.tokens(line), strict=True))
        return {}


def _of_claim(claim: Claim, spot: _Spot, text: str) -> Iterator[Finding]:
    if spot.word in ("lost", "moved"):
        yield Finding(spot.word, spot.line, claim.section, text, now=f"line {spot.line}", claim=claim.id)
    gone = [token for token in claim.numbers if spot.word != "lost" and _gone(token, spot)]
    for token in gone:
        word: Word = "unfounded" if spot.word in ("same", "moved") else "changed"
        yield Finding(word, spot.line, claim.section, text, token, spot.told[token] or "", claim.id)
    if spot.word == "reworded" and not gone:
        yield Finding("reworded", spot.line, claim.section, text, claim=claim.id)


def _gone(token: str, spot: _Spot) -> bool:
    now = spot.told[token]
    return now is None or _spelled(now) != _spelled(token)


def _spelled(token: str) -> str:
    return token.partition("#")[0]


def _respelled(line: Line, now: Sequence[str], were: Sequence[str]) -> str:
    """The line's text with its numbers as they were."""
    parts, at = [], 0
    for start, token, old in zip(line.starts, now, were, strict=True):
        parts += [line.text[at:start], old]
        at = start + len(token)
    return "".join(parts) + line.text[at:]
