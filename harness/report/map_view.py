"""Where a stage takes which share of a call, and where a claim about that share holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.records import MapPoint, ShareMap, Value
from harness.report import numbers, words
from harness.report.heat import passed
from harness.report.lookup import Run
from harness.report.shown import Block, Column, Entry, Field, Figure, HeatMap, HeatPanel, Mark, Section, Table
from harness.report.text import label, safe, slug
from harness.system import OPTIMISER

MARKS = {
    "holds": Mark("holds", "●", "good", "the whole interval, widened by the noise, lies within the claim's tolerance"),
    "does not hold": Mark("does not hold", "✕", "bad", "the whole widened interval lies outside of it"),
    "not settled": Mark("not settled", "○", "open", "the widened interval holds both, or the row says what is missing"),
    "beyond": words.BEYOND_MARK,
    "not measured": Mark("not measured", "–", "none", "the cell gave no share"),
}
MARKED = ("holds", "not settled", "beyond")
UNSETTLED = "the interval, widened by the noise, holds both"
NAMED = 5
"""Points that a sentence names."""


def map_section(run: Run) -> Section | None:
    maps = run.analysis.maps
    if not maps:
        return None
    lead: tuple[str, ...] = (
        "Each point is one cell: its share is the time of the stage over the sum of all stages, forward and backward, "
        "in the staged arm. The claim is judged at every point as it would be judged there alone.",
    )
    updating = [label(part.mode) for part in run.manifest.plan.parts if part.map and OPTIMISER in part.stages]
    if updating:
        modes = words.listed(dict.fromkeys(updating))
        lead = (*lead, f"In mode {modes} the sum holds the update too, the stage {OPTIMISER}.")
    stated = any(each.stated is not None for each in maps)
    title = "Where would it be true?" if stated else "Where does a stage take which share?"
    return Section("map", title, lead, tuple(_block(each, run) for each in maps))


def map_sentences(run: Run) -> Iterator[str]:
    """One for each map, as the terminal says it."""
    for each in run.analysis.maps:
        yield _answer(each)


def _block(of: ShareMap, run: Run) -> Block:
    items: list[Table | Figure] = [_figure(of, run)] if of.across else []
    return Block(label(of.stage), "", tuple(_sentences(of)), (*items, _table(of)))


def _sentences(of: ShareMap) -> Iterator[str]:
    yield _answer(of)
    known = [point for point in _tried(of) if point.share]
    if known:
        yield f"The largest share is {_at(known[0], of)}; the smallest {_at(known[-1], of)}."
    beyond = [point for point in of.points if point.word == "beyond" and point.share]
    if beyond:
        yield f"{words.BEYOND_MARK.shape} Beyond the documents it is {_between(beyond, of)}; nothing is judged there."
    for lead in dict.fromkeys(of.tied.values()):
        names = [name for name, other in of.tied.items() if other == lead]
        found = {point.where[lead]: ", ".join(words.value(point.where[name]) for name in names) for point in of.points}
        told = words.listed(f"{found[at]} at {words.value(at)}" for at in sorted(found, key=float))
        yield f"{words.listed(map(label, names))} {'goes' if len(names) == 1 else 'go'} with {label(lead)}: {told}."


def _tried(of: ShareMap) -> list[MapPoint]:
    """Where a claim is judged."""
    return [point for point in of.points if point.word != "beyond"]


def _between(points: Sequence[MapPoint], of: ShareMap) -> str:
    ends = [_at(point, of) for point in (points[0], *points[1:][-1:])]
    return " to ".join(ends)


def _answer(of: ShareMap) -> str:
    stage = f"{label(of.stage)}, share of a call"
    if of.stated is None:
        return f"{stage}: no claim of this run states one."
    tried = _tried(of)
    points = words.count(len(tried), "point")
    stated = f"{stage}: {_stated(of)}"
    if of.nearest is None:
        return f"{stage}: none of {points} gave one."
    holding = [point for point in of.points if point.word == "holds"]
    unsettled = [point for point in of.points if point.word in ("not settled", "not measured")]
    open_ = f" ({len(unsettled)} of them not settled)" if unsettled else ""
    if holding:
        named = "; ".join(_at(point, of) for point in holding[:NAMED])
        more = f"; and {len(holding) - NAMED} more" if len(holding) > NAMED else ""
        return f"{stated} holds at {len(holding)} of {points}{open_}: {named}{more}."
    nearest = f"; nearest is {_at(of.points[of.nearest], of)}"
    if not unsettled:
        return f"{stated} holds nowhere of {points}{nearest}."
    judged = len(tried) - len(unsettled)
    reason, _ = Counter(point.reason or UNSETTLED for point in unsettled).most_common(1)[0]
    if judged:
        return f"{stated} holds at none of the {judged} of {points} that could be judged{nearest}."
    return f"{stated} could be judged at none of {points}: {safe(reason)}{nearest}."


def _stated(of: ShareMap) -> str:
    tolerance = f" ± {numbers.exact(100 * of.tolerance)} points" if of.tolerance else ""
    return f"{numbers.exact(100 * (of.stated or 0))} %{tolerance}"


def _at(point: MapPoint, of: ShareMap) -> str:
    share = numbers.percent(point.share) if point.share else ""
    return f"{share} at {_where(point.where, without=tuple(of.tied))}"


def _where(where: Mapping[str, Value], without: Sequence[str]) -> str:
    """The mode without its name, then conditions and levels."""
    mode = label(where["mode"]) if "mode" in where else ""
    return ", ".join(filter(None, (mode, words.conditions(_others(where, (*without, "mode"))))))


def _others(where: Mapping[str, Value], without: Sequence[str]) -> dict[str, Value]:
    return {name: value for name, value in where.items() if name not in without}


def _figure(of: ShareMap, run: Run) -> Figure:
    up, across = _values(of, of.up), _values(of, of.across)
    apart = tuple(name for name in (*of.tied, of.up, of.across) if name)
    panels: dict[str, dict[tuple[float | None, float | None], Field]] = {}
    for point in _planned(of, run):
        place = (_value(point, of.up), _value(point, of.across))
        panels.setdefault(_where(point.where, apart), {}).setdefault(place, _field(point, of))
    plot = HeatMap(
        up_axis=label(of.up) if of.up else "",
        across_axis=label(of.across) if of.across else "",
        up=tuple(_shown(value) for value in up),
        across=tuple(_shown(value) for value in across),
        panels=tuple(
            HeatPanel(title, tuple(tuple(fields.get((y, x)) for x in across) for y in up))
            for title, fields in panels.items()
        ),
        contour=of.stated,
    )
    told = "The larger the share, the stronger the colour."
    return Figure(
        f"map-{slug(of.stage)}",
        f"Which share of a call does {label(of.stage)} take, %?",
        " ".join((told, *_legend(of, plot), "The numbers with their intervals are in the table.")),
        plot,
    )


def _legend(of: ShareMap, plot: HeatMap) -> Iterator[str]:
    """What stands for the claim; why no line is drawn where there is none."""
    if of.stated is None:
        return
    beyond = f", {words.BEYOND_MARK.shape} beyond the documents" if len(_tried(of)) < len(of.points) else ""
    yield f"● {_stated(of)} holds there, ○ not settled{beyond}."
    stated = f"{numbers.exact(100 * of.stated)} %"
    levels = [field.level for panel in plot.panels for row in panel.rows for field in row if field and field.level]
    if any(passed(plot, panel) for panel in plot.panels):
        yield f"The dashed line is where the shares pass the stated {stated}."
    elif levels and (max(levels) < of.stated or min(levels) >= of.stated):
        side = "below" if max(levels) < of.stated else "above"
        yield f"No line is drawn: every share lies {side} the stated {stated}."
    else:
        yield f"No line is drawn: no two fields side by side have the stated {stated} between them."


def _planned(of: ShareMap, run: Run) -> list[MapPoint]:
    """Panels as the plan has them, not by how large their shares are."""
    places = {key: place for place, key in enumerate(run.cells)}
    return sorted(of.points, key=lambda point: places[point.part, point.cell])


def _names(of: ShareMap) -> list[str]:
    return list(dict.fromkeys(name for point in of.points for name in point.where))


def _values(of: ShareMap, name: str | None) -> Sequence[float | None]:
    """Ascending."""
    if name is None:
        return [None]
    return sorted({float(point.where[name]) for point in of.points})


def _value(point: MapPoint, name: str | None) -> float | None:
    return float(point.where[name]) if name else None


def _shown(value: float | None) -> str:
    return "" if value is None else words.value(value)


def _field(point: MapPoint, of: ShareMap) -> Field:
    if point.share is None:
        return Field("–", None)
    mark = MARKS[point.word] if of.stated is not None and point.word in MARKED else None
    return Field(numbers.share(point.share.point), point.share.point, mark, framed=point.word == "holds")


def _table(of: ShareMap) -> Table:
    names = [name for name in _names(of) if name not in of.tied]
    judged = of.stated is not None
    columns = (
        *(Column(label(name), numeric=_numeric(of, name)) for name in names),
        Column("Share, % [95 % interval]", True),
        Column("n, trials", True),
        *((Column(f"{_stated(of)}?"),) if judged else ()),
    )
    rows = tuple(
        (
            *(Entry(words.value(point.where[name]) if name in point.where else "") for name in names),
            Entry(numbers.with_interval(point.share, 100) if point.share else safe(point.reason)),
            Entry(str(point.share.n) if point.share else ""),
            *((Entry(mark=MARKS[point.word], note=safe(point.reason)),) if judged else ()),
        )
        for point in of.points
    )
    return Table(f"Share of {label(of.stage)} at every point, the largest first", columns, rows, folded=True)


def _numeric(of: ShareMap, name: str) -> bool:
    return not any(isinstance(point.where.get(name), str) for point in of.points)
