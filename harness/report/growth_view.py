"""How time and memory grow with the condition that a part varies: in words, as curves, and in tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from harness.records import Growth, Interval, Part, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Block, Column, Curve, Entry, Figure, Mark, Panel, Panels, Section, Table
from harness.report.text import label, safe, slug

MARKS = {
    "linear": Mark("linear", "=", "same", "the widened interval lies between 0.95 and 1.05"),
    "constant": Mark("constant", "–", "none", "the widened interval lies between -0.05 and 0.05"),
    "more than linear": Mark("more than linear", "▲", "bad", "the widened interval lies above 1.05"),
    "less than linear": Mark("less than linear", "▼", "good", "the widened interval lies below 0.95"),
    "not settled": Mark("not settled", "○", "open", "none of these can be said, or the note says what is missing"),
}
CURVES = tuple(
    Mark("", shape, tone, "")
    for shape, tone in zip("●▲□◇▼✕", ("ink", "line1", "line2", "line3", "line4", "line5"), strict=True)
)
"""The whole call, then the stages in the pipeline's order."""
WHOLE = "whole call"
QUANTITIES = {"time": "time", "peak_bytes": "peak memory", "saved_bytes": "memory saved for backward"}


def growth_section(run: Run) -> Section | None:
    blocks = tuple(_block(plan, part, run) for plan, part in _grown(run))
    if not blocks:
        return None
    lead = (
        "An exponent is the slope of the logarithm of the time against the logarithm of the condition, made in each "
        "trial, with its 95 % t interval over trials; 1 is linear. Its word holds though two equal cells differed by "
        "as much as the noise floor. A fixed cost hides what grows: the last two values feel it least.",
    )
    return Section("growth", "How does it grow?", lead, blocks)


def _grown(run: Run) -> Iterator[tuple[Part, PartAnalysis]]:
    """A part that is about readings or a map varies its conditions for their sake."""
    return ((plan, part) for plan, part in run.pairs() if part.growths and not (plan.reads or plan.map))


def growth_sentences(run: Run) -> Iterator[str]:
    """Of whole calls, as the terminal says them."""
    for plan, part in _grown(run):
        title = f"{run.title(plan.name)}, " if run.title(plan.name) else ""
        yield from (f"{title}{_time(each)}" for each in _calls(part) if not plan.reads)


def _block(plan: Part, part: PartAnalysis, run: Run) -> Block:
    times = [each for each in part.growths if each.quantity == "time"]
    sizes = [each for each in part.growths if each.quantity != "time"]
    sentences: list[str] = []
    for each in _calls(part):
        sentences.append(f"{_time(each)} {_fixed_cost(each)}")
    sentences += [_memory(each) for each in sizes if not each.stage]
    sentences += list(dict.fromkeys(f"Note: {safe(each.note)}." for each in part.growths if each.note))
    items: list[Table | Figure] = [_figure(plan, part)]
    items += [_table(found) for found in (times, sizes) if found]
    folded = "Exponents of time and memory" if plan.reads else ""
    return Block(run.title(plan.name), words.under(plan), tuple(sentences), tuple(items), folded=folded)


def _calls(part: PartAnalysis) -> list[Growth]:
    return [each for each in part.growths if each.quantity == "time" and not each.stage]


def _time(of: Growth) -> str:
    first, last = (words.value(value) for value in of.values[-2:])
    return (
        f"{_variant(of)}: time grows as {label(of.condition)} to the power {numbers.with_interval(of.slope)}, "
        f"{words.trials(of.slope)}, {of.word}; from {first} to {last}: {numbers.with_interval(of.last)}, "
        f"{of.last_word}."
    )


def _fixed_cost(of: Growth) -> str:
    low, high = of.fixed
    return (
        f"A fixed cost and a linear term fit within {numbers.share(of.line_misfit)}, a power within "
        f"{numbers.share(of.power_misfit)}; the fixed cost would be {numbers.percent(low)} of the time at "
        f"{words.value(of.values[0])} and {numbers.percent(high)} at {words.value(of.values[-1])}."
    )


def _memory(of: Growth) -> str:
    return (
        f"{_variant(of)}: {QUANTITIES[of.quantity]} grows as {label(of.condition)} to the power "
        f"{numbers.brief(of.slope.point)}, {of.word}; over the last two values {numbers.brief(of.last.point)}, "
        f"{of.last_word}."
    )


def _variant(of: Growth) -> str:
    under = words.conditions(of.under)
    return f"{label(of.variant)}{f' ({under})' if under else ''}"


def _stage(of: Growth) -> str:
    return f"{label(of.stage)}, {of.direction}" if of.stage else WHOLE


def _figure(plan: Part, part: PartAnalysis) -> Figure:
    """One panel for each variant, quantity and direction; the whole call stands among the forward stages."""
    panels = []
    places = {stage: place for place, stage in enumerate(dict.fromkeys(_stages(plan, part)))}
    ordered = sorted(part.growths, key=lambda each: tuple(QUANTITIES).index(each.quantity))
    for (quantity, variant), group in groupby(ordered, key=lambda each: (each.quantity, _variant(each))):
        found = list(group)
        for direction in ("forward", "backward"):
            chosen = [each for each in found if each.direction == direction]
            if chosen:
                panels.append(_panel(quantity, variant, direction, chosen, places))
    condition = label(part.growths[0].condition)
    return Figure(
        f"growth-{slug(plan.name)}",
        f"How does it grow with {condition}?",
        "Both axes are logarithmic: what is linear runs along the grey line.",
        Panels(condition, True, tuple(panels)),
    )


def _stages(plan: Part, part: PartAnalysis) -> tuple[str, ...]:
    """The whole call, the stages that are timed, then those of which the memory alone is known."""
    return ("", *plan.stages, *(each.stage for each in part.growths))


def _panel(quantity: str, variant: str, direction: str, found: Sequence[Growth], places: Mapping[str, int]) -> Panel:
    factor, unit = _unit(quantity, [value for each in found for value in each.measured])
    which = f", {direction}" if any(each.stage for each in found) else ""
    curves = tuple(
        Curve(
            label(each.stage) if each.stage else WHOLE,
            (tuple((x, y * factor) for x, y in zip(each.values, each.measured, strict=True)),),
            CURVES[places[each.stage] % len(CURVES)],
        )
        for each in found
    )
    return Panel(f"{variant}: {QUANTITIES[quantity]}{which}, {unit}", log=True, curves=curves, guide=1.0)


def _unit(quantity: str, values: Sequence[float]) -> tuple[float, str]:
    return numbers.time_unit(values) if quantity == "time" else numbers.size_unit(values)


def _table(found: Sequence[Growth]) -> Table:
    timed = found[0].quantity == "time"
    factor, unit = _unit(found[0].quantity, [value for each in found for value in each.measured])
    several = len({_variant(each) for each in found}) > 1
    shown = ", ".join(words.value(value) for value in found[0].values)
    columns = (
        *((Column("Variant"),) if several else ()),
        Column("Stage"),
        *(() if timed else (Column("Memory"),)),
        Column("Exponent [95 % interval]" if timed else "Exponent", True),
        *((Column("n, trials", True),) if timed else ()),
        Column("Growth"),
        Column("Of the last two values", True),
        Column("Growth there"),
        Column("Fixed cost at the ends, %", True),
        Column("Off a line, %", True),
        Column("Off a power, %", True),
        Column(f"{'Time' if timed else 'Size'} at {shown}, {unit}", True),
    )
    rows = tuple(
        (
            *((Entry(_variant(each)),) if several else ()),
            Entry(_stage(each)),
            *(() if timed else (Entry(QUANTITIES[each.quantity]),)),
            Entry(_exponent(each.slope)),
            *((Entry(str(each.slope.n)),) if timed else ()),
            Entry(mark=MARKS[each.word]),
            Entry(_exponent(each.last)),
            Entry(mark=MARKS[each.last_word]),
            Entry(" → ".join(numbers.fixed(100 * end.point, 0) for end in each.fixed)),
            Entry(_misfit(each.line_misfit)),
            Entry(_misfit(each.power_misfit)),
            Entry(" / ".join(numbers.brief(value * factor) for value in each.measured)),
        )
        for each in found
    )
    kind = "time" if timed else "memory"
    return Table(f"Exponents of {kind} in {label(found[0].condition)}", columns, rows, folded=True)


def _misfit(value: float) -> str:
    """In per cent; what is rounding alone is none."""
    return "0" if value < 1e-9 else numbers.bound(value)


def _exponent(of: Interval) -> str:
    return numbers.with_interval(of) if of.n > 1 else numbers.brief(of.point)
