"""What each change did: every contrast against its baseline, main effects, interactions and Shapley shares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from harness.records import Cell, Contrast, Effect, Interval, Part, PartAnalysis
from harness.report import numbers, words
from harness.report.again_view import again_tables
from harness.report.contrast_tables import beyond_table, effects_table, stage_tables
from harness.report.edge import edge_figures
from harness.report.effects_tables import factors_table, main_effects_table
from harness.report.half_normal import half_normal_figures
from harness.report.interactions import interactions
from harness.report.lookup import Run
from harness.report.shapley import waterfalls
from harness.report.shown import Block, Figure, Mark, Row, Rows, Section, Table
from harness.report.steps import step_figures
from harness.report.text import label, safe, slug
from harness.report.words import effect_name

ROWS_A_FIGURE = 40
NOT_COMPUTED = {
    "full_factorial": "Main effects and shares",
    "fractional_factorial": "Main effects",
    "screening": "Main effects",
    "ladder": "Its rungs",
    "leave_one_out": "What leaving one out costs",
}


def effects_section(run: Run) -> Section:
    blocks = tuple(_block(plan, part, run) for plan, part in run.pairs())
    lead = (
        "Every ratio is the time of the changed cell over the time of its baseline, paired inside blocks; below 1 is "
        "faster. Intervals are 95 % t intervals over trials (fresh processes).",
    )
    return Section("changes", "What did each change do?", lead, blocks)


def _block(plan: Part, part: PartAnalysis, run: Run) -> Block:
    ordered = run.ordered(part)
    items: list[Table | Figure] = [factors_table(plan, run)] if plan.factors else []
    items += _forests(ordered, plan, part, run)
    items.append(effects_table(ordered, plan, part, run))
    items += beyond_table(run.beyond(part), plan, run)
    items += stage_tables(plan, part, run)
    items += again_tables((*ordered, *run.beyond(part), *part.stage_contrasts), plan, run)
    items += main_effects_table(plan, part)
    items += interactions(plan, part)
    items += waterfalls(plan, part)
    items += step_figures(plan, part)
    items += half_normal_figures(plan, part)
    items += edge_figures(plan, part, run)
    return Block(
        run.title(plan.name),
        words.under(plan),
        tuple(_sentences(plan, part, run)),
        tuple(items),
        _warnings(part),
        "Time ratios" if plan.reads else "",
    )


def _sentences(plan: Part, part: PartAnalysis, run: Run) -> Iterator[str]:
    yield from _baseline(part, run)
    margin = numbers.share(run.manifest.plan.margin)
    floor = f" and the noise floor of this part, {numbers.share(part.floor)}" if part.floor is not None else ""
    yield f"A change counts where it clears the margin of {margin}{floor}."
    yield from _detectable(part, run)
    tried = [contrast for contrast in part.contrasts if not contrast.beyond]
    most = max((len(contrast.changes) for contrast in tried), default=0)
    whole = most >= len(plan.factors) or plan.design not in ("fractional_factorial", "screening")
    everything = [contrast for contrast in tried if whole and len(contrast.changes) == most > 1]
    for contrast in everything[:3]:
        yield f"All {most} changes together{_under(contrast, run)}: {sentence(contrast)}."
    missing = NOT_COMPUTED.get(plan.design, "")
    if missing and not (part.effects or part.steps):
        yield f"{missing} could not be computed; the notes under “Can I trust this run?” say why."


def _detectable(part: PartAnalysis, run: Run) -> Iterator[str]:
    if any(contrast.adjusted_p is not None for contrast in (*part.contrasts, *part.stage_contrasts)):
        together = "this run" if run.manifest.plan.family == "run" else "this part"
        yield (
            f"{words.count(part.family, 'contrast')} of {together}, stages too, were judged together "
            "(Benjamini-Hochberg): faster and slower hold beside as many others."
        )
    if part.family:
        yield (
            "Detectable is the smallest change that would have been called with 80 % power at this n and spread, were "
            f"it the only one among {words.count(part.family, 'contrast')}."
        )


def _baseline(part: PartAnalysis, run: Run) -> Iterator[str]:
    """By name and levels: those of the switches varied here, or all of them."""
    keys = dict.fromkeys((part.part, contrast.baseline) for contrast in part.contrasts)
    for said in list(dict.fromkeys(_in_levels(run.cells[key], run) for key in keys if key in run.cells))[:3]:
        yield f"Baseline: {said}."


def _in_levels(cell: Cell, run: Run) -> str:
    varied = run.plans[cell.part].factors or cell.variant
    levels = (f"{label(name)} {label(level)}" for name, level in cell.variant.items() if name in varied)
    return f"{label(cell.name)} ({', '.join(levels)})"


def sentence(contrast: Contrast) -> str:
    """The contrast in words, as the headline and the terminal also say it."""
    ratio = words.ratio(contrast)
    why = words.reason(contrast)
    reason = f" ({safe(why)})" if why else ""
    if ratio is None:
        return f"{contrast.verdict}{reason}"
    return f"{numbers.with_interval(ratio)} of the baseline's time, {words.trials(ratio)}: {contrast.verdict}{reason}"


def _warnings(part: PartAnalysis) -> tuple[str, ...]:
    if not part.dead_switches:
        return ()
    names = words.listed(label(name) for name in part.dead_switches)
    one = len(part.dead_switches) == 1
    return (
        f"Dead {'switch' if one else 'switches'}: {names}. Outputs and parameters are bit for bit alike at all levels, "
        "so a time difference, if any, is not its doing.",
    )


def _under(contrast: Contrast, run: Run) -> str:
    where = run.varied(contrast)
    return f" at {where}" if where else ""


def _kind(contrast: Contrast) -> str:
    return "One change" if len(contrast.changes) <= 1 else "Several changes"


def _forests(ordered: list[Contrast], plan: Part, part: PartAnalysis, run: Run) -> Iterator[Figure]:
    drawn = _fitted(list(_groups(ordered, part, run)))
    floor = part.floor
    said = f", grey: noise floor ± {numbers.share(floor)}" if floor is not None else ""
    for number, rows in enumerate(drawn, 1):
        yield Figure(
            f"effects-{slug(plan.name)}" + (f"-{number}" if number > 1 else ""),
            "Which changes are faster, and which slower?" + (f" ({number} of {len(drawn)})" if len(drawn) > 1 else ""),
            "Left of the line is faster. The numbers are in the tables below.",
            Rows(
                "time over the baseline's time (log axis)",
                tuple(rows),
                log=True,
                reference=1.0,
                reference_label=f"1.0 = baseline{said}",
                band=(1 / (1 + floor), 1 + floor) if floor is not None else None,
            ),
        )


def _groups(ordered: list[Contrast], part: PartAnalysis, run: Run) -> Iterator[list[Row]]:
    """Each a heading and its rows."""
    for (where, kind), group in groupby(ordered, key=lambda each: (run.varied(each), _kind(each))):
        yield [Row(f"{kind}, {where}" if where else kind, heading=True), *(_forest_row(each, run) for each in group)]
    if part.control:
        yield [Row("Control", heading=True), _row(words.CONTROL, part.control, words.CONTROL_MARK)]
    mains = [effect for effect in part.effects if len(effect.factors) == 1]
    for where, effects in groupby(mains, key=lambda each: words.conditions(each.conditions)):
        title = "Main effects, averaged over the other switches"
        yield [Row(f"{title}, {where}" if where else title, heading=True), *(_effect_row(each) for each in effects)]


def _fitted(groups: list[list[Row]]) -> list[list[Row]]:
    """As few figures as hold the groups whole, each of about `ROWS_A_FIGURE` rows at most."""
    figures: list[list[Row]] = []
    for group in groups:
        if figures and len(figures[-1]) + len(group) <= ROWS_A_FIGURE:
            figures[-1] += group
        else:
            figures.append(list(group))
    return figures


def _forest_row(contrast: Contrast, run: Run) -> Row:
    mark, ratio, unsolved = words.CONTRAST_MARKS[contrast.verdict], words.ratio(contrast), run.unsolved(contrast)
    if ratio is None:
        return Row(run.changed(contrast), contrast.verdict, mark=mark)
    return _row(run.changed(contrast), ratio, mark, f"{mark.word}, {label(unsolved)}" if unsolved else mark.word)


def _effect_row(effect: Effect) -> Row:
    return _row(effect_name(effect), effect.ratio, None)


def _row(name: str, ratio: Interval, mark: Mark | None, said: str = "") -> Row:
    value = f"{numbers.with_interval(ratio)} {said}".rstrip()
    return Row(name, value, low=ratio.low, point=ratio.point, high=ratio.high, mark=mark)
