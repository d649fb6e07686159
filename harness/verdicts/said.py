"""What the stored runs say of a claim, whose entry may have changed since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.claims.ledger import Claim
from harness.claims.verdict import judge
from harness.records import ClaimVerdict, ClaimWord
from harness.verdicts.stored import Stored

BOUND = ("relation", "stated", "stated_high", "tolerance", "unit")
"""What of an entry its word depends on, beside where in the run's suite it is judged."""
SAID = ("statement", "scope", "section", "line_sha256")
"""What else a reader would miss if it had changed."""


@dataclass(frozen=True)
class Said:
    """What one run says of one claim."""

    run: str
    verdict: ClaimVerdict
    changed: str
    """How the entry differs from the one the run was given."""
    run_said: ClaimWord | None
    """What the run itself had said, where the changed entry comes out otherwise."""


def said(claim: Claim, runs: Sequence[Stored]) -> Iterator[Said]:
    """Of the runs whose suite the claim is judged by, newest first."""
    suites = {address.suite for address in claim.judged_by}
    for run in runs:
        if run.manifest.plan.suite not in suites:
            continue
        given = run.entries.get(claim.id)
        kept = next((verdict for verdict in run.analysis.claims if verdict.id == claim.id), None)
        bound = _bound(claim, given, run.manifest.plan.suite) if given is not None else []
        changed = _changed(claim, given, kept, bound)
        if kept is not None and given is not None and not bound:
            yield Said(run.manifest.run, kept, changed, None)
            continue
        now = judge(claim, run.analysis.parts, run.manifest.plan)
        before = kept.verdict if kept is not None and kept.verdict != now.verdict else None
        yield Said(run.manifest.run, now, changed, before)


def _bound(claim: Claim, given: Claim, suite: str) -> list[str]:
    """What has changed of all that the word depends on."""
    places = [[address for address in entry.judged_by if address.suite == suite] for entry in (claim, given)]
    return [*_differing(claim, given, BOUND), *(["where it is judged"] if places[0] != places[1] else [])]


def _changed(claim: Claim, given: Claim | None, kept: ClaimVerdict | None, bound: Sequence[str]) -> str:
    if given is None:
        return "not in the run's own ledger: judged now, on the stored numbers"
    if kept is None:
        return "the run was not asked for it: judged now, on the stored numbers"
    if bound:
        return f"the entry has changed since ({', '.join(bound)}): judged again, on the stored numbers"
    other = _differing(claim, given, SAID)
    return f"the entry has changed since ({', '.join(other)}), in nothing the word depends on" if other else ""


def _differing(claim: Claim, given: Claim, fields: Sequence[str]) -> list[str]:
    return [field.replace("_", " ") for field in fields if getattr(claim, field) != getattr(given, field)]
