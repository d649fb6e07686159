"""Tables of contrasts: every cell against its baseline, and every stage of it against the baseline's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.records import Contrast, Part, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import Run
from harness.report.shown import Column, Entry, Table
from harness.report.text import label, safe

UNDER = Column("Under")
FIGURES = (
    Column("Time ratio [95 % interval]", True),
    Column("Change of time, %", True),
    Column("n, trials", True),
    Column("Floor, %", True),
    Column("Detectable, %", True),
    Column("n to settle", True),
    Column("Hodges-Lehmann", True),
    Column("Blocks kept", True),
)
DECIDED = ("faster", "slower")


def effects_table(ordered: Sequence[Contrast], plan: Part, part: PartAnalysis, run: Run) -> Table:
    under = bool(plan.varied_conditions)
    rows = [_row(contrast, run, under=under) for contrast in ordered]
    if part.control:
        blank = (Entry(),) if under else ()
        ratio = part.control
        shown = (numbers.with_interval(ratio), numbers.change(ratio), str(ratio.n), numbers.bound(part.floor))
        rest = (Entry(numbers.bound(part.detectable)), Entry(), Entry(), Entry())
        rows.append((Entry(words.CONTROL), *blank, Entry(mark=words.CONTROL_MARK), *map(Entry, shown), *rest))
    columns = (Column("Change"), *((UNDER,) if under else ()), Column("Verdict"), *FIGURES)
    return Table("Effects", columns, tuple(rows))


def beyond_table(beyond: Sequence[Contrast], plan: Part, run: Run) -> Iterator[Table]:
    """Apart from the documents' changes, which the words and effects of this part are about."""
    under = bool(plan.varied_conditions)
    if beyond:
        columns = (Column("Change"), *((UNDER,) if under else ()), Column("Verdict"), *FIGURES)
        rows = tuple(_row(each, run, under=under) for each in beyond)
        yield Table(f"{words.BEYOND_MARK.shape} Beyond the documents, against the same baseline", columns, rows)


def stage_tables(plan: Part, part: PartAnalysis, run: Run) -> Iterator[Table]:
    """Those that say something: decided themselves, or of a cell that is; the others folded."""
    decided = {contrast.cell for contrast in part.contrasts if contrast.verdict in DECIDED}
    tried = [each for each in part.stage_contrasts if not each.beyond]
    telling = [each for each in tried if each.verdict in DECIDED or each.cell in decided]
    others = [each for each in tried if each not in telling]
    beyond = [each for each in part.stage_contrasts if each.beyond]
    if telling:
        yield _stage_table("Stages of what changed, against the same stage of the baseline", telling, plan, run)
    if others:
        yield _stage_table("Stages in which nothing was decided", others, plan, run, folded=True)
    if beyond:
        caption = f"{words.BEYOND_MARK.shape} Beyond the documents, stages against the same stage of the baseline"
        yield _stage_table(caption, beyond, plan, run, folded=True)


def _stage_table(caption: str, contrasts: Sequence[Contrast], plan: Part, run: Run, *, folded: bool = False) -> Table:
    under = bool(plan.varied_conditions)
    columns = (
        Column("Change"),
        *((UNDER,) if under else ()),
        Column("Stage"),
        Column("Direction"),
        Column("Verdict"),
        *FIGURES,
    )
    return Table(caption, columns, tuple(_row(each, run, under=under) for each in contrasts), folded)


def _row(contrast: Contrast, run: Run, *, under: bool) -> tuple[Entry, ...]:
    return (
        Entry(run.changed(contrast), note="; ".join(_notes(contrast, run))),
        *((Entry(run.varied(contrast)),) if under else ()),
        *((Entry(label(contrast.stage)), Entry(contrast.direction)) if contrast.stage else ()),
        Entry(mark=words.CONTRAST_MARKS[contrast.verdict]),
        *map(Entry, _figures(contrast)),
    )


def _figures(contrast: Contrast) -> tuple[str, ...]:
    ratio = words.ratio(contrast)
    kept = f"{contrast.kept_blocks} of {contrast.kept_blocks + contrast.excluded_blocks}"
    if ratio is None:
        return ("", "", "", "", "", "", "", kept)
    location = contrast.hodges_lehmann
    return (
        numbers.with_interval(ratio),
        numbers.change(ratio),
        str(ratio.n),
        numbers.bound(contrast.floor),
        numbers.bound(contrast.detectable),
        words.to_settle(contrast),
        numbers.in_digits_of(location, ratio) if location is not None else "",
        kept,
    )


def _notes(contrast: Contrast, run: Run) -> Iterator[str]:
    word = run.unsolved(contrast)
    if word:
        yield f"solver {label(word)}: the time of an unfinished computation"
    why = words.reason(contrast)
    if why and (contrast.verdict != "withheld" or contrast.stage):
        yield safe(why)
    if contrast.degraded:
        yield "degraded: too few blocks survived"
    if contrast.clock == "cpu" and "CPU time" not in why:
        yield "by CPU time"
    if contrast.stray and words.ratio(contrast):
        yield "a stray trial moves the mean: see the Hodges-Lehmann estimate"
