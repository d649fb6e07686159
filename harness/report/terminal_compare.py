"""Two runs side by side in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from harness.compare import CellTimes, Comparison
from harness.compare.contrasts import Moved
from harness.compare.differing import Differing, environments
from harness.records import Interval, Manifest
from harness.report import numbers, words
from harness.report.text import label, plain

TIMES = (
    "Two runs are two sessions: clock, neighbours and libraries shift all trials of one alike, and no interval knows "
    "of it, so no word is given. Where the canary, which no switch can touch, moved too, the machine did; nothing is "
    "divided by it."
)
CONTRASTS = (
    "Each ratio is paired inside its own run, so that the machine's speed is in neither: its change may be called, "
    "beyond margin and both noise floors and after the correction for how many are compared."
)
OTHER_MACHINE = "The two runs are of different machines: their times and memory compare machines, not code."
ROWS, NAMES = 60, 10
STYLES = {"moved": "yellow", "same": "blue", "not settled": ""}


def comparison(found: Comparison) -> Iterator[RenderableType]:
    yield from _heads(found)
    if not found.same_machine:
        yield Text(OTHER_MACHINE, "bold red")
    yield from _differing("What differs around them", environments(found.first, found.second))
    yield from _unmatched(found)
    if found.times:
        yield from _times(found)
    if found.moved:
        yield from _moved(found.moved)
    if found.memory:
        yield from _memory(found)
    yield from _counters(found)
    yield from _claims(found)


def _heads(found: Comparison) -> Iterator[Text]:
    for place, one in (("first", found.first), ("second", found.second)):
        yield Text(f"{place:<7}{_head(one)}", "bold")
    yield Text()


def _head(manifest: Manifest) -> str:
    state = "" if manifest.state == "finished" else ", unfinished"
    return f"{label(manifest.run)}, {label(manifest.plan.preset)}{state}"


def _differing(title: str, pairs: Sequence[Differing]) -> Iterator[RenderableType]:
    if not pairs:
        yield Text(f"{title}: nothing that was recorded.")
    else:
        yield Text(title, "bold")
        table = _table(("", "first", "second"))
        for pair in pairs[:ROWS]:
            table.add_row(*(Text(plain(text)) for text in (pair.name, pair.first, pair.second)))
        yield table
        yield from _more(len(pairs))
    yield Text()


def _unmatched(found: Comparison) -> Iterator[Text]:
    yield Text(f"{words.count(found.matched, 'cell')} in both runs, by content.")
    for place, names in (("first", found.only_first), ("second", found.only_second)):
        if names:
            rest = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
            yield Text(f"Only in the {place}: {', '.join(label(name) for name in names[:NAMES])}{rest}.")
    yield Text()


def _times(found: Comparison) -> Iterator[RenderableType]:
    canaries = {canary.part: canary.ratio for canary in found.canaries}
    known = [time.point for one in found.times for time in (one.first_s, one.second_s) if time is not None]
    scale, unit = numbers.time_unit(known)
    yield Text("Time of a call", "bold")
    table = _table(("cell", f"first, {unit}", f"second, {unit}", "second / first", "canary"), right=1)
    for one in found.times[:ROWS]:
        table.add_row(*map(Text, _time_row(one, scale, canaries.get(one.part))))
    yield table
    yield from _more(len(found.times))
    yield Text(TIMES, "dim")
    yield Text()


def _time_row(one: CellTimes, scale: float, canary: Interval | None) -> tuple[str, ...]:
    times = ["" if time is None else numbers.with_interval(time, scale) for time in (one.first_s, one.second_s)]
    ratio = numbers.with_interval(one.ratio) if one.ratio else plain(one.why_not)
    return _cell(one.part, one.name), *times, ratio, numbers.with_interval(canary) if canary else "none"


def _moved(moved: Sequence[Moved]) -> Iterator[RenderableType]:
    columns = ("cell", "first", "second", "change", "bar, %", "word")
    yield Text("Time over the baseline's time, in each run", "bold")
    table = _table(columns, right=1)
    for one in moved[:ROWS]:
        ratios = [numbers.with_interval(ratio) if ratio else "–" for ratio in (one.first, one.second)]
        change = numbers.with_interval(one.change) if one.change else ""
        word = Text(one.word, STYLES[one.word]) if one.word else Text("no word", "dim")
        name = _cell(one.part, one.name)
        table.add_row(*map(Text, (name, *ratios, change, numbers.bound(one.bar))), word)
    yield table
    yield from _more(len(moved))
    for reason in dict.fromkeys(one.why_not for one in moved if one.why_not):
        yield Text(plain(f"no word: {reason}"), "dim")
    yield Text(CONTRASTS, "dim")
    yield Text()


def _memory(found: Comparison) -> Iterator[RenderableType]:
    yield Text("Peak memory of a process", "bold")
    table = _table(("cell", "first, MiB", "second, MiB", "second / first"), right=1)
    for one in found.memory[:ROWS]:
        ratio = numbers.brief(one.second / one.first) if one.first else ""
        sizes = (numbers.mebibytes(one.first), numbers.mebibytes(one.second))
        table.add_row(*map(Text, (_cell(one.part, one.name), *sizes, ratio)))
    yield table
    yield from _more(len(found.memory))
    yield Text("One process each: no interval, and pages that the system rounds.", "dim")
    yield Text()


def _counters(found: Comparison) -> Iterator[RenderableType]:
    if found.counters:
        yield from _differing("Counters that differ, which are exact", found.counters)
    elif found.counted:
        yield Text(f"Counters: all {found.counted} that both runs have are equal.")
        yield Text()


def _claims(found: Comparison) -> Iterator[RenderableType]:
    if not found.claims:
        judged = f"of {words.count(found.judged, 'claim')} judged in both runs no verdict changed"
        yield Text(f"Claims: {judged if found.judged else 'none was judged in both runs'}.")
        return
    yield Text("Claims whose verdict changed", "bold")
    table = _table(("claim", "first", "second", "why now"))
    for first, second in found.claims:
        told = (label(first.id), _verdict(first.verdict), _verdict(second.verdict), plain(second.reason))
        table.add_row(*map(Text, told))
    yield table


def _verdict(word: str) -> str:
    mark = words.CLAIM_MARKS[word]
    return f"{mark.shape} {mark.word}"


def _cell(part: str, name: str) -> str:
    return f"{label(part)}: {label(name)}"


def _more(rows: int) -> Iterator[Text]:
    if rows > ROWS:
        yield Text(f"and {rows - ROWS} more", "dim")


def _table(columns: Sequence[str], right: int | None = None) -> Table:
    """Columns from `right` on hold numbers, but for words at the end."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for place, column in enumerate(columns):
        number = right is not None and place >= right and column != "word"
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table
