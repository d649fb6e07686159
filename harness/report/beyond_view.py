"""Two stories at once: what the documents' changes give, and what was possible beyond them.

Both are speeds over the same baseline in the same trials, the inverse of the time ratio r that the tables show:

    (1)  speed 1 / r, interval [1 / r_high, 1 / r_low]

The documents' changes are told by the cell that makes most of them at once, of equals the fastest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.records import Contrast, Interval, PartAnalysis
from harness.report import numbers, words
from harness.report.lookup import FEW, Run
from harness.report.shown import Bar, Block, Figure, Mark, Row, Rows

TITLE = f"{words.BEYOND_MARK.shape} Beyond the documents"
DRAWN = 8
"""Sets of conditions in the figure; the tables have all of them."""


@dataclass(frozen=True)
class Story:
    """Of one part under one set of conditions."""

    where: str
    tried: Contrast | None
    """The documents' changes, together."""
    beyond: tuple[Contrast, ...]
    """The fastest first."""


def beyond_block(run: Run) -> Block | None:
    stories = [story for part in run.analysis.parts if not run.reads(part.part) for story in _stories(part, run)]
    if not stories:
        return None
    return Block(TITLE, "", tuple(beyond_sentences(run)), tuple(_figure(stories, run)))


def beyond_sentences(run: Run) -> Iterator[str]:
    """One for each set of conditions; of many in a part the two between which all others lie."""
    for part in run.analysis.parts:
        stories = [] if run.reads(part.part) else sorted(_stories(part, run), key=lambda each: _time(each.beyond[0]))
        told = stories if len(stories) <= FEW else [stories[0], stories[-1]]
        for story in told:
            where = f" ({story.where})" if story.where else ""
            possible = "; ".join(_told(each, run, " as fast as the baseline") for each in story.beyond)
            tried = f" The documents' changes: {_told(story.tried, run)}." if story.tried else ""
            yield f"What was possible{where}: {possible}.{tried}"
        if len(told) < len(stories):
            where = f" of {run.title(part.part)}" if run.title(part.part) else ""
            between = words.count(len(stories) - len(told), "other set")
            yield f"The speeds beyond the documents under {between} of conditions{where} lie between."


def _stories(part: PartAnalysis, run: Run) -> Iterator[Story]:
    beyond: dict[str, list[Contrast]] = {}
    for each in run.beyond(part):
        beyond.setdefault(each.baseline, []).append(each)
    for baseline, found in beyond.items():
        tried = [each for each in run.ordered(part) if each.baseline == baseline]
        most = min(tried, key=lambda each: (-len(each.changes), _time(each)), default=None)
        where = ", ".join(filter(None, (run.title(part.part), run.varied(found[0]))))
        yield Story(where, most, tuple(sorted(found, key=_time)))


def _time(contrast: Contrast) -> float:
    """What has no ratio comes last."""
    ratio = words.ratio(contrast)
    return ratio.point if ratio else float("inf")


def speed(ratio: Interval) -> Interval:
    """(1)"""
    return Interval(point=1 / ratio.point, low=1 / ratio.high, high=1 / ratio.low, n=ratio.n)


def _told(contrast: Contrast, run: Run, than: str = "") -> str:
    ratio, name = words.ratio(contrast), run.changed(contrast)
    if ratio is None:
        return f"{contrast.verdict} with {name}"
    known = numbers.with_interval(speed(ratio), unit="times")
    return f"{known}{than} with {name}, {words.trials(ratio)}: {contrast.verdict}"


def _figure(stories: Sequence[Story], run: Run) -> Iterator[Figure]:
    rows = [row for story in stories[:DRAWN] for row in _rows(story, run)]
    if not any(row.bars for row in rows):
        return
    left_out = f" {DRAWN} of {len(stories)} sets of conditions are drawn." if len(stories) > DRAWN else ""
    yield Figure(
        "beyond",
        "How fast do the documents' changes make it, and how fast could it be?",
        f"Longer is faster. {words.BEYOND_MARK.shape} goes beyond what the documents propose: measured in the same "
        f"trials against the same baseline, and part of none of their effects and claims.{left_out}",
        Rows(
            "speed over the baseline's (log axis)",
            tuple(rows),
            log=True,
            reference=1.0,
            reference_label="1 = baseline",
        ),
    )


def _rows(story: Story, run: Run) -> Iterator[Row]:
    if story.where:
        yield Row(story.where, heading=True)
    if story.tried:
        yield _row("the documents' changes", story.tried, words.CONTRAST_MARKS[story.tried.verdict], run)
    yield from (_row("beyond", each, words.BEYOND_MARK, run) for each in story.beyond)


def _row(kind: str, contrast: Contrast, mark: Mark, run: Run) -> Row:
    ratio, name = words.ratio(contrast), f"{kind}: {run.changed(contrast)}"
    if ratio is None:
        return Row(name, contrast.verdict, mark=mark)
    known = speed(ratio)
    word = "" if contrast.verdict == "faster" else f", {contrast.verdict}"
    said = f"{numbers.with_interval(known, unit='times')}{word}"
    bar = Bar(1.0, known.point, "beyond" if contrast.beyond else "tried")
    return Row(name, said, bars=(bar,), low=known.low, point=known.point, high=known.high, mark=mark)
