"""Arithmetic claims: what a claim's formula gives, beside what is stated. Exact, and without torch.

Both sides are compared at 12 digits, so that a binary fraction neither makes nor breaks a claim.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.claims.formula import FormulaError, evaluate
from harness.claims.ledger import Claim, NumberAt
from harness.claims.number import ends
from harness.claims.recorded import recorded
from harness.claims.relation import combined, defended, word
from harness.records import ClaimVerdict, Interval

COMMAND = "semh audit"
Numbers = Mapping[tuple[int, str], str]
"""A line and a token as the ledger knows them -> the token as a copy of the document prints it."""


def judged(claim: Claim, numbers: Numbers | None = None) -> ClaimVerdict:
    """A sentence that can fairly be read in several ways is judged in each, and shown as it stands best."""
    assert claim.formula is not None
    scope = f"claimed of {claim.scope}"
    formulas = {claim.reading: claim.formula, **claim.readings}
    try:
        names = given(claim, numbers or {})
        found = {name: evaluate(formula, names, tuple(formulas.values())) for name, formula in formulas.items()}
    except FormulaError as error:
        return recorded(claim, "invalid", reason=str(error), command=COMMAND, scope=scope)
    exact = {name: _exact(value) for name, (value, _) in found.items()}
    words = {name: word(claim, value) for name, value in exact.items()}
    given_word = combined(list(words.values()))
    best = max(exact, key=lambda name: (words[name] == given_word or words[name] == "supported", name == claim.reading))
    over = ", ".join(f"{name} = {each:.6g}" for name, each in found[best][1].items())
    return recorded(
        claim,
        given_word,
        reason="; ".join(_told(claim, name, formulas[name], exact[name].point) for name in exact),
        command=COMMAND,
        scope=f"{scope}; judged by arithmetic" + (f", {over}" if over else ""),
        measured=exact[best],
        defended=defended(claim, exact[best]),
        holds_where=tuple(name for name in words if words[name] == "supported") if given_word == "qualified" else (),
        counted=True,
    )


def _exact(value: float) -> Interval:
    exact = float(f"{value:.12g}")
    return Interval(point=exact, low=exact, high=exact, n=1)


def _told(claim: Claim, reading: str, formula: str, value: float) -> str:
    return f"{f'{reading}: ' if reading else ''}{formula} = {value:.6g} {claim.unit}".rstrip()


def given(claim: Claim, numbers: Numbers) -> dict[str, float | str]:
    found: dict[str, float | str] = {}
    for name, meant in claim.given.items():
        if isinstance(meant, NumberAt):
            low, high = ends(numbers.get((meant.line, meant.number), meant.number))
            found[name] = low if meant.end == "low" else high
        else:
            found[name] = meant
    return found
