"""Contrasts in the terminal: one table of whole calls for each part, and one of the stages that were decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.records import Contrast, PartAnalysis
from harness.report import numbers, words
from harness.report.contrast_tables import DECIDED
from harness.report.lookup import Run
from harness.report.shown import Mark
from harness.report.text import label

STYLES = {
    "good": "green",
    "bad": "red",
    "part": "yellow",
    "open": "",
    "broken": "magenta",
    "none": "dim",
    "same": "blue",
    "beyond": "cyan",
}
EFFECTS, STAGES = 40, 20
LEGEND = "Sees: the smallest change that 8 of 10 such runs would have called, were it the only one"


def contrast_tables(run: Run) -> Iterator[RenderableType]:
    timed = [part for part in run.analysis.parts if not run.reads(part.part)]
    for part in timed:
        shown = run.ordered(part)
        if shown:
            yield _effects(shown[:EFFECTS], part, run)
            yield from _more(len(shown) - EFFECTS)
            decided = [each for each in part.stage_contrasts if each.verdict in DECIDED and not each.beyond]
            yield from _stages(decided, run)
            yield Text()
    sizes = sorted({part.family for part in timed if part.family > 1})
    if any(part.contrasts for part in timed):
        among = f" among {words.listed(map(str, sizes), 'or')} contrasts" if sizes else ""
        yield Text(f"{LEGEND}{among}.", "dim")
        yield Text()


def mark_text(mark: Mark) -> Text:
    return Text(f"{mark.shape} {mark.word}", STYLES[mark.tone])


def _effects(shown: Sequence[Contrast], part: PartAnalysis, run: Run) -> Table:
    """The floor is the same for all of a part, and stands above them."""
    floor = f"noise floor {numbers.share(part.floor)}" if part.floor is not None else ""
    table = _table(", ".join(filter(None, (run.title(part.part), "time over the baseline's time", floor))))
    for contrast in shown:
        table.add_row(Text(_name(contrast, run)), *map(Text, _figures(contrast)), _mark(contrast))
    if part.control:
        shown_control = (numbers.with_interval(part.control), str(part.control.n), _percent(part.detectable))
        table.add_row(Text(words.CONTROL), *map(Text, shown_control), mark_text(words.CONTROL_MARK))
    return table


def _stages(decided: Sequence[Contrast], run: Run) -> Iterator[RenderableType]:
    if not decided:
        return
    table = _table("stages, time over the same stage of the baseline", floor=True)
    for each in decided[:STAGES]:
        said = f"{label(each.stage)} {each.direction}, {_name(each, run)}"
        ratio, n, sees = _figures(each)
        table.add_row(Text(said), *map(Text, (ratio, n, _percent(each.floor), sees)), _mark(each))
    yield table
    yield from _more(len(decided) - STAGES)


def _table(title: str, *, floor: bool = False) -> Table:
    table = Table(title=Text(title), title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("change", ratio=1)
    table.add_column("ratio [95 %]", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    if floor:
        table.add_column("floor", justify="right", no_wrap=True)
    table.add_column("sees", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    return table


def _more(left_out: int) -> Iterator[Text]:
    if left_out > 0:
        yield Text(f"and {left_out} more in the report", "dim")


def _name(contrast: Contrast, run: Run) -> str:
    doubts, ratio = [], words.ratio(contrast)
    if contrast.clock == "cpu":
        doubts.append("by CPU time")
    if contrast.degraded:
        doubts.append("degraded")
    if contrast.stray and contrast.hodges_lehmann is not None and ratio:
        doubts.append(f"a stray trial: Hodges-Lehmann {numbers.in_digits_of(contrast.hodges_lehmann, ratio)}")
    said = ", ".join(filter(None, (run.changed(contrast), run.varied(contrast))))
    return f"{said} ({'; '.join(doubts)})" if doubts else said


def _figures(contrast: Contrast) -> tuple[str, str, str]:
    """Ratio, n with the n that would settle it, and the smallest detectable change."""
    ratio = words.ratio(contrast)
    if ratio is None:
        return "–", "–", ""
    needed = words.to_settle(contrast)
    n = f"{ratio.n} of {needed}" if needed and needed != words.QUIETER_HOST else str(ratio.n)
    return numbers.with_interval(ratio), n, _percent(contrast.detectable)


def _percent(share: float | None) -> str:
    return f"{numbers.bound(share)}%" if share is not None else ""


def _mark(contrast: Contrast) -> Text:
    return mark_text(words.CONTRAST_MARKS[contrast.verdict])
