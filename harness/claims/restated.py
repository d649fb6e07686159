"""A claim as a copy of its document states it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.claims.arithmetic import Numbers
from harness.claims.ledger import Claim, NumberAt
from harness.claims.number import ends


@dataclass(frozen=True)
class Copy:
    """By line and token as the ledger knows them."""

    document: str
    now: Numbers
    """What stands there now, where that is something else."""
    missing: frozenset[tuple[int, str]]
    """Where nothing stands that could be told from the line's other numbers."""


def restated(claim: Claim, copy: Copy) -> Claim:
    """The claim with what the copy states in its place."""
    if not claim.numbers or (claim.line, claim.numbers[0]) not in copy.now:
        return claim
    before, now = claim.numbers[0], copy.now[claim.line, claim.numbers[0]]
    changed = {"stated": _as_stated(claim.stated, before, now)}
    if claim.stated_high is not None:
        changed["stated_high"] = _as_stated(claim.stated_high, before, now)
    return claim.model_copy(update=changed)


def _as_stated(stated: float, before: str, now: str) -> float:
    """The end of the token that was stated, in the unit it was stated in."""
    old, new = ends(before), ends(now)
    end = 1 if abs(stated) == abs(old[1]) and old[1] != old[0] else 0
    return stated * new[end] / old[end] if old[end] else new[end]


def absent(claim: Claim, copy: Copy) -> list[tuple[int, str]]:
    """Numbers the claim rests on that the copy does not have."""
    needed = [(claim.line, token) for token in claim.numbers[:1]]
    needed += [(meant.line, meant.number) for meant in claim.given.values() if isinstance(meant, NumberAt)]
    return [place for place in needed if place in copy.missing]
