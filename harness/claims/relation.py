"""What a number says of a claim, by its relation, and one word for several places: the rules that `verdict` states."""

from __future__ import annotations

from collections.abc import Sequence

from harness.claims.ledger import Claim
from harness.records import ClaimWord, Interval


def word(claim: Claim, measured: Interval) -> ClaimWord:
    least, most = claim.stated - claim.tolerance, _high(claim) + claim.tolerance
    if claim.relation == "at_least":
        supported, refuted = measured.low >= least, measured.high < least
    elif claim.relation == "at_most":
        supported, refuted = measured.high <= most, measured.low > most
    else:
        supported = least <= measured.low and measured.high <= most
        refuted = measured.high < least or measured.low > most
    return "supported" if supported else "refuted" if refuted else "inconclusive"


def defended(claim: Claim, measured: Interval | None) -> float | None:
    if measured is None:
        return None
    if claim.relation == "at_least":
        return measured.low
    if claim.relation == "at_most":
        return measured.high
    return min(max(_nearest(claim, measured.point), measured.low), measured.high)


def combined(words: Sequence[ClaimWord]) -> ClaimWord:
    """One word for all places."""
    if "supported" in words and ("refuted" in words or "invalid" in words):
        return "qualified"
    order: tuple[ClaimWord, ...] = ("inconclusive", "supported", "refuted", "invalid", "untested")
    return next(one for one in order if one in words)


def favour(claim: Claim, measured: Interval) -> float:
    """The more, the better for the claim."""
    if claim.relation == "at_least":
        return measured.low
    if claim.relation == "at_most":
        return -measured.high
    return -abs(measured.point - _nearest(claim, measured.point))


def _high(claim: Claim) -> float:
    return claim.stated if claim.stated_high is None else claim.stated_high


def _nearest(claim: Claim, value: float) -> float:
    """What is stated, as near to the value as a range allows."""
    return min(max(value, claim.stated), _high(claim))
