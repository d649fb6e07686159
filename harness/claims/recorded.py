"""The record of a verdict: what the ledger says of the claim, and what was found."""

from __future__ import annotations

from harness.claims.ledger import Claim
from harness.records import ClaimVerdict, ClaimWord, Interval


def recorded(
    claim: Claim,
    given: ClaimWord,
    *,
    reason: str,
    command: str,
    scope: str,
    measured: Interval | None = None,
    defended: float | None = None,
    holds_where: tuple[str, ...] = (),
    part: str | None = None,
    cell: str | None = None,
    stage: str | None = None,
    metric: str = "",
    counted: bool = False,
    trials: tuple[float, ...] = (),
    beside: tuple[str, ...] = (),
) -> ClaimVerdict:
    return ClaimVerdict(
        id=claim.id,
        document=claim.document,
        section=claim.section,
        line=claim.line,
        statement=claim.statement,
        headline=claim.headline,
        kind=claim.kind,
        why=claim.why,
        relation=claim.relation,
        stated=claim.stated,
        stated_high=claim.stated_high,
        tolerance=claim.tolerance,
        unit=claim.unit,
        verdict=given,
        measured=measured,
        counted=counted,
        defended=defended,
        scope=scope,
        holds_where=holds_where,
        reason=reason,
        part=part,
        cell=cell,
        stage=stage,
        metric=metric,
        trials=trials,
        beside=beside,
        command=command,
    )
