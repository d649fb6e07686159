"""`semh audit`: every claim of the ledger that needs no benchmark: arithmetic by its formula, numeric by probes.

Arithmetic needs neither torch nor a second. A copy of a document puts its own numbers in the place of the ledger's, so
that a changed number is judged as it stands there, and with it whatever rests on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.claims import arithmetic
from harness.claims.ledger import Claim
from harness.claims.recorded import recorded
from harness.claims.restated import Copy, absent, restated
from harness.errors import UsageError
from harness.records import ClaimVerdict, ClaimWord, Record

ORDER: tuple[ClaimWord, ...] = ("refuted", "invalid", "qualified", "inconclusive", "untested", "supported")
SHOWN = {
    "refuted": ("✕ refuted", "red"),
    "invalid": ("! invalid", "red"),
    "qualified": ("◐ qualified", "yellow"),
    "inconclusive": ("○ inconclusive", ""),
    "untested": ("– untested", ""),
    "supported": ("● supported", "green"),
}
NAMED = 4
"""Places in which a qualified claim holds that are named."""
Progress = Callable[[int, int, str], None]
"""Models read so far, models in all, and which is read next."""


class Audit(Record):
    verdicts: tuple[ClaimVerdict, ...]
    left_out: dict[str, int]
    """Kind -> claims of that kind that this audit does not judge."""
    computable: int
    """Of those the ones that `--numeric` would."""


def audit(
    claims: Sequence[Claim], numeric: bool, documents: Sequence[Path] = (), progress: Progress | None = None
) -> Audit:
    """documents: copies whose numbers stand in for the ledger's; only claims of these are judged then."""
    copies = _copies(documents, claims)
    asked = [claim for claim in claims if not documents or claim.document in copies]
    verdicts = audited(asked, numeric, copies, progress)
    judged = {verdict.id for verdict in verdicts}
    return Audit(
        verdicts=tuple(sorted(verdicts, key=lambda one: ORDER.index(one.verdict))),
        left_out=dict(Counter(claim.kind for claim in asked if claim.id not in judged)),
        computable=sum(bool(claim.computed_by) for claim in asked if claim.id not in judged),
    )


def audited(
    claims: Sequence[Claim], numeric: bool, copies: dict[str, Copy] | None = None, progress: Progress | None = None
) -> tuple[ClaimVerdict, ...]:
    """Verdicts on what is arithmetic, and on what is numeric and can be computed if that is asked for."""
    found = [_arithmetic(claim, (copies or {}).get(claim.document)) for claim in claims if claim.formula is not None]
    computed = [claim for claim in claims if claim.computed_by] if numeric else []
    return (*found, *_numeric(computed, copies or {}, progress)) if computed else tuple(found)


def _copies(documents: Sequence[Path], claims: Sequence[Claim]) -> dict[str, Copy]:
    if not documents:
        return {}
    from harness.claims.copy import read_copy

    read = [read_copy(path, claims) for path in documents]
    return {copy.document: copy for copy in read}


def _arithmetic(claim: Claim, copy: Copy | None) -> ClaimVerdict:
    if copy is None:
        return arithmetic.judged(claim)
    return _absent(claim, copy) or arithmetic.judged(restated(claim, copy), copy.now)


def _absent(claim: Claim, copy: Copy) -> ClaimVerdict | None:
    missing = ", ".join(f"{token} on line {line}" for line, token in absent(claim, copy))
    if not missing:
        return None
    reason = f"this copy has no {missing} that could be told from its other numbers"
    return recorded(claim, "untested", reason=reason, command=claim.command, scope=f"claimed of {claim.scope}")


def _numeric(claims: Sequence[Claim], copies: dict[str, Copy], progress: Progress | None) -> Sequence[ClaimVerdict]:
    from harness.claims import numeric

    total = len(_models(claims))
    begun = 0

    def say(model: numeric.Model) -> None:
        nonlocal begun
        if progress is not None:
            progress(begun, total, model.system)
        begun += 1

    _one_thread()
    readings = numeric.Readings(say)
    found = []
    for claim in claims:
        copy = copies.get(claim.document)
        missing = _absent(claim, copy) if copy else None
        found.append(missing or numeric.judged(restated(claim, copy) if copy else claim, readings))
    return found


def _one_thread() -> None:
    """Sums are then formed in the same order everywhere, and a count is the same count."""
    import torch

    torch.set_num_threads(1)


def _models(claims: Sequence[Claim]) -> set[object]:
    """Raises UsageError for an asking that leads nowhere, before anything is built."""
    from harness.claims import numeric

    found: set[object] = set()
    for claim in claims:
        try:
            found |= numeric.models([claim])
        except UsageError as error:
            raise UsageError(f"{claim.id}: computed_by: {error}") from None
    return found


def listing(audit: Audit, words: Sequence[ClaimWord]) -> Table:
    """By document its counts, then two lines a claim in the document's order; what is longer than a line is cut."""
    shown = Table.grid()
    shown.add_column(no_wrap=True, overflow="ellipsis")
    for document in sorted({verdict.document for verdict in audit.verdicts}):
        here = sorted((one for one in audit.verdicts if one.document == document), key=lambda one: one.line)
        shown.add_row(Text(f"{document}: {len(here)} claims, {_counts(here)}", "bold"))
        for verdict in (one for one in here if one.verdict in words):
            shown_word, style = SHOWN[verdict.verdict]
            name = (f"  {verdict.id.partition('.')[2]}", "dim")
            numbers = f"{_stated(verdict)} → {_gives(verdict)}"
            said = [verdict.why, _held(verdict)] if verdict.kind == "arithmetic" else [_held(verdict), verdict.why]
            told = "  ".join(filter(None, said)) or verdict.reason
            shown.add_row(Text.assemble((f"  {shown_word[0]} {verdict.line:>3} ", style), verdict.statement, name))
            shown.add_row(Text.assemble(" " * 8, (numbers, style), f"  {told}"))
    return shown


def table(audit: Audit) -> Table:
    shown = Table(title="what needs no benchmark", title_justify="left", leading=1, expand=True)
    for column, ratio in (("verdict", None), ("claim", 4), ("stated", 2), ("comes out as", 2), ("why", 4)):
        shown.add_column(column, overflow="fold", ratio=ratio, no_wrap=ratio is None)
    for verdict in audit.verdicts:
        where = f"{verdict.id}, line {verdict.line}"
        shown.add_row(
            Text(*SHOWN[verdict.verdict]),
            Text.assemble(verdict.statement, "\n", (where, "dim")),
            Text(_stated(verdict)),
            Text(_gives(verdict)),
            Text.assemble(*_why(verdict)),
        )
    return shown


def _why(verdict: ClaimVerdict) -> Iterator[str | tuple[str, str]]:
    told = [text for text in (verdict.why, _held(verdict), verdict.reason) if text]
    for number, text in enumerate(told):
        yield (text, "dim") if text is verdict.reason else text
        yield "\n" if number + 1 < len(told) else ""


def _held(verdict: ClaimVerdict) -> str:
    held = "; ".join(verdict.holds_where[:NAMED])
    more = len(verdict.holds_where) - NAMED
    where = "where read as" if verdict.kind == "arithmetic" else "at"
    return f"it holds {where} {held}" + (f"; and {more} more" if more > 0 else "") if held else ""


def _counts(verdicts: Sequence[ClaimVerdict]) -> str:
    counts = Counter(verdict.verdict for verdict in verdicts)
    return ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word])


def _stated(verdict: ClaimVerdict) -> str:
    high = "" if verdict.stated_high is None else f" to {verdict.stated_high:.8g}"
    return f"{verdict.relation.replace('_', ' ')} {verdict.stated:.8g}{high} {verdict.unit}".rstrip()


def _gives(verdict: ClaimVerdict) -> str:
    measured = verdict.measured
    if measured is None:
        return "–"
    low, point, high = (_number(each) for each in (measured.low, measured.point, measured.high))
    return f"{point if low == high else f'{point} [{low}, {high}]'} {verdict.unit}".rstrip()


def _number(value: float) -> str:
    """A count as it is, anything else to five digits."""
    return f"{value:.0f}" if value == round(value) and abs(value) < 1e12 else f"{value:.5g}"


def summary(audit: Audit) -> str:
    """What was judged, by kind, and what would judge the rest."""
    lines = []
    for kind in ("arithmetic", "numeric"):
        judged = [verdict for verdict in audit.verdicts if verdict.kind == kind]
        if judged:
            lines.append(f"{kind}: {len(judged)} claims, {_counts(judged)}")
    if audit.left_out:
        rest = ", ".join(f"{count} {kind}" for kind, count in sorted(audit.left_out.items()))
        more = f"; semh audit --numeric computes {audit.computable} of them" if audit.computable else ""
        lines.append(f"not judged here: {rest}{more}; semh verdicts shows what runs found")
    return "\n".join(lines)
