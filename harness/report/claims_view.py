"""A claim's verdict as the report shows it: its numbers, its evidence, and what stood guard over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.lookup import untested
from harness.records import ClaimVerdict, Contrast, Interval, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Claim, Figure, Row, Rows
from harness.report.text import UNIT, label, plain, safe, slug

ORDER = tuple(words.CLAIM_MARKS)


def claims(run: Run) -> tuple[Claim, ...]:
    """Those the data speak about first; within a verdict the ledger's order."""
    ordered = sorted(run.analysis.claims, key=lambda each: (not each.headline, ORDER.index(each.verdict)))
    names = _names(run.analysis.claims)
    return tuple(claim(verdict, names[verdict.id], run) for verdict in ordered)


def _names(judged: Sequence[ClaimVerdict]) -> dict[str, str]:
    """Anchors by id, in the ledger's order; two ids that read alike as an anchor are told apart by a number."""
    names: dict[str, str] = {}
    for each in judged:
        name = f"claim-{slug(each.id)}"
        alike = sum(other == name or other.startswith(f"{name}--") for other in names.values())
        names.setdefault(each.id, f"{name}--{alike + 1}" if alike else name)
    return names


def claim(verdict: ClaimVerdict, name: str, run: Run) -> Claim:
    measured = fit(verdict)
    shown = _measured(verdict, measured) if measured else ""
    return Claim(
        name=name,
        id=label(verdict.id),
        headline=verdict.headline,
        mark=words.CLAIM_MARKS[verdict.verdict],
        kind=label(verdict.kind),
        statement=safe(verdict.statement),
        document=label(verdict.document),
        source=f"{label(verdict.document)}, section {label(verdict.section)}, line {verdict.line}",
        stated=words.stated(verdict),
        judged_as=words.judged_as(verdict),
        measured=shown,
        defended=_defended(verdict),
        trials=words.trials(measured) if measured and not verdict.counted else "",
        scope=safe(verdict.scope),
        place=_place(verdict, run),
        holds_where=tuple(safe(place) for place in verdict.holds_where),
        where=tuple(map(safe, (*verdict.holds_where, *verdict.would_hold))),
        looked=safe(verdict.looked),
        reason=_reason(verdict),
        why=safe(verdict.why),
        beside=tuple(safe(sentence) for sentence in verdict.beside),
        guards=tuple(_guards(verdict, run)),
        cells=tuple(_cells(verdict, run)),
        command=plain(verdict.command, 1000),
        figure=_figure(verdict, name, shown),
        readings=", ".join(_readings(verdict)),
    )


def _measured(verdict: ClaimVerdict, measured: Interval) -> str:
    if verdict.counted and measured.low == measured.high:
        return f"{words.with_unit(numbers.reading(measured.point), verdict.unit)} (counted)"
    return numbers.with_interval(measured, unit=safe(verdict.unit, UNIT))


def _place(verdict: ClaimVerdict, run: Run) -> str:
    if verdict.part is None:
        return ""
    cell = run.name(verdict.part, verdict.cell) if verdict.cell else ""
    return ", ".join(filter(None, (label(verdict.part), cell)))


def _reason(verdict: ClaimVerdict) -> str:
    if verdict.verdict == "untested" and verdict.command:
        return f"untested here: {safe(verdict.reason)}; tested by {plain(verdict.command, 1000)}"
    return safe(verdict.reason)


def fit(verdict: ClaimVerdict) -> Interval | None:
    """What may be printed: nothing where a guard broke."""
    return None if verdict.verdict == "invalid" else verdict.measured


def _defended(verdict: ClaimVerdict) -> str:
    measured = fit(verdict)
    if verdict.defended is None or measured is None or verdict.counted:
        return ""
    if verdict.relation == "at_least" and verdict.unit == "%" and verdict.defended <= 0:
        return "nothing"
    number = words.with_unit(numbers.in_digits_of(verdict.defended, measured), verdict.unit)
    return number if verdict.relation in ("about", "within") else f"{words.RELATIONS[verdict.relation]} {number}"


def _readings(verdict: ClaimVerdict) -> Iterator[str]:
    measured = fit(verdict)
    if measured:
        yield from (numbers.in_digits_of(trial, measured) for trial in verdict.trials)


def _figure(verdict: ClaimVerdict, name: str, shown: str) -> Figure | None:
    measured = fit(verdict)
    if measured is None:
        return None
    dots = (Row("trials, one dot each", f"n = {len(verdict.trials)}", dots=verdict.trials),) if verdict.trials else ()
    mark = words.CLAIM_MARKS[verdict.verdict]
    interval = Row("mean, 95 % interval", shown, low=measured.low, point=measured.point, high=measured.high, mark=mark)
    plot = Rows(
        axis=safe(verdict.unit, UNIT) or "value",
        rows=(*dots, interval),
        reference=verdict.stated,
        reference_label=f"stated: {words.stated(verdict)}{_tolerated(verdict)}",
        reference_tone="stated-line",
        band=_band(verdict),
    )
    return Figure(f"{name}--dots", f"{safe(verdict.statement, 160)}: stated and measured", f"measured {shown}", plot)


def _tolerated(verdict: ClaimVerdict) -> str:
    return f", grey: ± {numbers.exact(verdict.tolerance)}" if verdict.tolerance and _band(verdict) else ""


def _band(verdict: ClaimVerdict) -> tuple[float, float] | None:
    if verdict.relation not in ("about", "within") or not (verdict.tolerance or verdict.stated_high):
        return None
    high = verdict.stated if verdict.stated_high is None else verdict.stated_high
    return verdict.stated - verdict.tolerance, high + verdict.tolerance


def _cells(verdict: ClaimVerdict, run: Run) -> Iterator[str]:
    if verdict.part is None or verdict.cell is None:
        return
    contrast = run.contrasts.get((verdict.part, verdict.cell))
    where = f" ({run.title(verdict.part)})" if run.title(verdict.part) else ""
    against = ""
    if contrast and contrast.baseline != verdict.cell:
        against = f", against {run.name(verdict.part, contrast.baseline)}"
    stage = f", stage {label(verdict.stage)}" if verdict.stage else ""
    yield f"{run.name(verdict.part, verdict.cell)}{where}{against}{stage}"
    plan = run.plans.get(verdict.part)
    if plan:
        yield words.under(plan)


def _guards(verdict: ClaimVerdict, run: Run) -> Iterator[str]:
    part = run.parts.get(verdict.part or "")
    if part is None:
        return
    plan = run.plans.get(part.part)
    yield _host(part) if plan is None or plan.times else "it has no times, and no noise"
    if verdict.cell is None:
        return
    key = (part.part, verdict.cell)
    contrast, summary = run.contrasts.get(key), run.summaries.get(key)
    for cell in dict.fromkeys(filter(None, (contrast.baseline if contrast else None, verdict.cell))):
        yield from _sameness(part.part, cell, run)
    if contrast and contrast.baseline != verdict.cell:
        yield _blocks(contrast)
    if verdict.stage and summary and summary.closure:
        yield f"the stages sum to the whole but for {numbers.percent(summary.closure)}"


def _host(part: PartAnalysis) -> str:
    if untested(part):
        return safe("; ".join(part.reasons))
    floor = f", noise floor {numbers.share(part.floor)}" if part.floor is not None else ", no control"
    host = "noisy" if part.noise_known else "unstable"
    return f"host stable{floor}" if part.stable else f"{host} host: {safe('; '.join(part.reasons))}"


def _sameness(part: str, cell: str, run: Run) -> Iterator[str]:
    name, summary = run.name(part, cell), run.summaries.get((part, cell))
    if summary and summary.error is not None and summary.tolerance is not None:
        word = "agrees with" if summary.sameness == "holds" else "differs from"
        yield (
            f"{name} {word} the float64 oracle: error {numbers.reading(summary.error, 2)}, "
            f"tolerance {numbers.reading(summary.tolerance, 2)} ({safe(summary.sameness_at or 'size not recorded')})"
        )
    elif summary:
        yield f"{name}: outputs {summary.sameness}"


def _blocks(contrast: Contrast) -> str:
    total = contrast.kept_blocks + contrast.excluded_blocks
    degraded = "; degraded: under half the blocks survived" if contrast.degraded else ""
    return f"{contrast.kept_blocks} of {words.count(total, 'block')} kept, {contrast.clock} clock{degraded}"
