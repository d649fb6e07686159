"""Arithmetic claims: what a claim's formula gives, beside what is stated. Exact, and without torch.

Both sides are compared at 12 digits, so that a binary fraction neither makes nor breaks a claim.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.claims.formula import FormulaError, evaluate
from harness.claims.ledger import Claim, NumberAt
from harness.claims.number import ends
from harness.claims.recorded import recorded
from harness.claims.relation import defended, word
from harness.records import ClaimVerdict, Interval

COMMAND = "semh audit"
Numbers = Mapping[tuple[int, str], str]
"""A line and a token as the ledger knows them -> the token as a copy of the document prints it."""


def judged(claim: Claim, numbers: Numbers | None = None) -> ClaimVerdict:
    assert claim.formula is not None
    scope = f"claimed of {claim.scope}"
    try:
        value, names = evaluate(claim.formula, given(claim, numbers or {}))
    except FormulaError as error:
        return recorded(claim, "invalid", reason=str(error), command=COMMAND, scope=scope)
    exact = float(f"{value:.12g}")
    measured = Interval(point=exact, low=exact, high=exact, n=1)
    over = ", ".join(f"{name} = {each:.6g}" for name, each in names.items())
    return recorded(
        claim,
        word(claim, measured),
        reason=f"{claim.formula} = {exact:.6g} {claim.unit}".rstrip(),
        command=COMMAND,
        scope=f"{scope}; judged by arithmetic" + (f", {over}" if over else ""),
        measured=measured,
        defended=defended(claim, measured),
        counted=True,
    )


def given(claim: Claim, numbers: Numbers) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for name, meant in claim.given.items():
        if isinstance(meant, NumberAt):
            low, high = ends(numbers.get((meant.line, meant.number), meant.number))
            found[name] = low if meant.end == "low" else high
        else:
            found[name] = meant
    return found
