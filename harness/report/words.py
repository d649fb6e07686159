"""Verdict words with their shapes, and the recurring phrases of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePath

from harness.records import Cell, CellSummary, ClaimVerdict, Contrast, Effect, Interval, Part, Plan, Value
from harness.report.numbers import exact
from harness.report.shown import Mark
from harness.report.text import UNIT, label, safe

CLAIM_MARKS = {
    "refuted": Mark("refuted", "✕", "bad", "the whole 95 % interval lies on the other side of the claim"),
    "qualified": Mark("qualified", "◐", "part", "holds in part of its scope; the row says where"),
    "supported": Mark("supported", "●", "good", "the whole 95 % interval lies on the claim's side"),
    "inconclusive": Mark("inconclusive", "○", "open", "the interval, widened by the noise, holds both possibilities"),
    "invalid": Mark("invalid", "!", "broken", "a guard broke, so the number means nothing"),
    "untested": Mark("untested", "–", "none", "this run cannot test it; the row says what would"),
}
CONTRAST_MARKS = {
    "faster": Mark(
        "faster",
        "▼",
        "good",
        "the whole interval lies below 1 by more than margin and noise floor, beyond what chance does among so many",
    ),
    "slower": Mark(
        "slower",
        "▲",
        "bad",
        "the whole interval lies above 1 by more than margin and noise floor, beyond what chance does among so many",
    ),
    "same": Mark("same", "=", "same", "the whole interval, and the noise floor, lie inside the margin around 1"),
    "inconclusive": Mark(
        "inconclusive", "○", "open", "none of these three can be said of so many trials on so noisy a host"
    ),
    "invalid": Mark("invalid", "!", "broken", "the outputs differ beyond the tolerance: the time means nothing"),
    "withheld": Mark(
        "withheld", "□", "open", "shown without a verdict: too few trials, noise of unknown size, or disturbed samples"
    ),
    "not measured": Mark("not measured", "–", "none", "the cell gave no time; its outcome says why"),
}
CONTROL = "control: the baseline again"
CONTROL_MARK = Mark("control", "◇", "none", "the baseline measured a second time")
BEYOND_MARK = Mark(
    "beyond",
    "◆",
    "beyond",
    "beyond what the documents propose: measured in the same trials against the same baseline, and judged apart",
)
STRAY_MARK = Mark("stands out", "◇", "part", "beyond what noise alone would reach")
NOISE_MARK = Mark("may be noise", "●", "same", "within the margin of error")
MEASURED_MARK = Mark("measured", "●", "same", "a point of this run")
BROKEN_MARK = Mark("outputs differ", "✕", "bad", "error beyond the tolerance")
MET_MARK = Mark("met", "✓", "good", "within the goal")
MISSED_MARK = Mark("missed", "✕", "bad", "outside the goal")
SAME_OUTPUT_MARK = Mark("holds", "✓", "good", "outputs agree within the tolerance")
BROKEN_OUTPUT_MARK = Mark("broken", "!", "broken", "outputs differ beyond the tolerance")
UNCHECKED_MARK = Mark(
    "not checked", "–", "none", "not compared with the oracle, or gradients with a tolerance of 1 and more"
)

UNSOLVED_MARKS = {
    word: Mark(word, "✕", "bad", "the solver ended without reaching its tolerance")
    for word in ("stalled", "diverged", "breakdown")
}
ALWAYS_SAID = frozenset({"batch_size", "seq_len", "dt", "rows", "threads", "device"})
RARELY_SAID = frozenset({"allocator", "flush_denormal", "dtype"})
RELATIONS = {"at_least": "at least", "at_most": "at most", "about": "about", "within": "within"}
QUIETER_HOST = "a quieter host"  # what would settle a contrast whose floor more trials do not lower


def count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def trials(interval: Interval) -> str:
    return f"n = {count(interval.n, 'trial')}"


def under_share(goal: float) -> str:
    return f"under {exact(100 * goal)} %"


def listed(words: Iterable[str], joint: str = "and") -> str:
    known = list(words)
    return f" {joint} ".join([", ".join(known[:-1]), known[-1]]) if len(known) > 1 else "".join(known)


def value(given: Value) -> str:
    if isinstance(given, bool):
        return "yes" if given else "no"
    return label(given) if isinstance(given, str) else exact(given)


def condition(name: str, given: Value) -> str:
    if name == "threads" and isinstance(given, int):
        return count(given, "thread")
    if name in ("device", "dtype"):
        return value(given)
    return f"{label(name)} {value(given)}"


def conditions(given: Mapping[str, Value]) -> str:
    last = ("threads", "device", "dtype")
    ordered = [*(name for name in given if name not in last), *(name for name in last if name in given)]
    return ", ".join(condition(name, given[name]) for name in ordered)


def shared(part: Part) -> dict[str, Value]:
    first = part.cells[0].conditions if part.cells else {}
    return {
        name: given for name, given in first.items() if all(cell.conditions.get(name) == given for cell in part.cells)
    }


def under(part: Part) -> str:
    """System, mode and the conditions a reader needs: those that were given, and without a named size to stand for
    them the dimensions too."""
    always = ALWAYS_SAID.union(part.given)
    needed = {
        name: v for name, v in shared(part).items() if name in always or (not part.size and name not in RARELY_SAID)
    }
    size = [f"size {label(part.size)}"] if part.size else []
    lists = [f"{label(name)} {'/'.join(map(value, values))}" for name, values in part.varied_conditions.items()]
    return ", ".join(filter(None, [label(part.system), *size, label(part.mode), conditions(needed), *lists]))


def probe_title(name: str, unit: str) -> str:
    title = label(name.replace("_", " "))
    return f"{title}, {label(unit)}" if unit and unit not in title else title


def differing(cell: Cell, other: Cell) -> list[str]:
    return [name for name, level in cell.variant.items() if other.variant.get(name) != level]


def varied_switches(part: Part) -> list[str]:
    """All in which any of its cells differs from its baseline."""
    cells = {cell.id: cell for cell in part.cells}
    found = {name for cell in part.cells for name in differing(cell, cells.get(cell.baseline, cell))}
    return [name for name in (part.cells[0].variant if part.cells else ()) if name in found]


def varied(cell: Cell, part: Part) -> str:
    return conditions({name: cell.conditions[name] for name in part.varied_conditions if name in cell.conditions})


def changes(contrast: Contrast) -> str:
    """One change in full, several by the levels they lead to, with their switches where levels are named alike."""
    if len(contrast.changes) == 1:
        ((switch, (before, after)),) = contrast.changes.items()
        return f"{label(switch)}: {label(before)} → {label(after)}"
    levels = [after for _, after in contrast.changes.values()]
    if len(set(levels)) < len(levels):
        return " + ".join(f"{label(switch)} {label(after)}" for switch, (_, after) in contrast.changes.items())
    return " + ".join(map(label, levels)) or "nothing (same variant)"


def ratio(contrast: Contrast) -> Interval | None:
    """The ratio that may be printed: none where the outputs disagree."""
    return None if contrast.verdict == "invalid" else contrast.ratio


def to_settle(contrast: Contrast) -> str:
    """Trials in all with which an inconclusive contrast would be settled, if it goes on as it began; none that a second
    look took the word from."""
    if contrast.verdict != "inconclusive" or contrast.confirmation is not None:
        return ""
    if contrast.n_to_settle is None and contrast.bar is not None and contrast.bar == contrast.floor:
        return QUIETER_HOST
    return str(contrast.n_to_settle) if contrast.n_to_settle is not None else "over 1000"


def reason(contrast: Contrast) -> str:
    """Why this word, and what a second look said where it did not take the word away."""
    told = contrast.confirmation.reason if contrast.confirmation else ""
    return "; ".join(filter(None, (contrast.reason, told if told not in contrast.reason else "")))


def unsolved(cell: CellSummary | None) -> str | None:
    """The word a probe gives for a solve that ended without reaching its tolerance."""
    said = (value for value in cell.probes.values() if isinstance(value, str)) if cell else ()
    return next((word for word in said if word.lower() in UNSOLVED_MARKS), None)


def effect_name(effect: Effect) -> str:
    pairs = zip(effect.factors, effect.levels, strict=True)
    return " × ".join(f"{label(factor)}: {label(low)} → {label(high)}" for factor, (low, high) in pairs)


def product(factors: Iterable[str]) -> str:
    return " × ".join(label(factor) for factor in factors)


def suite_file(plan: Plan) -> str:
    """A name, or folder and file: what lies above is nobody's business but the machine's."""
    return label("/".join(PurePath(plan.suite_file).parts[-2:]))


def stated(claim: ClaimVerdict) -> str:
    number = (
        exact(claim.stated) if claim.stated_high is None else f"{exact(claim.stated)} to {exact(claim.stated_high)}"
    )
    return f"{RELATIONS[claim.relation]} {with_unit(number, claim.unit)}"


def judged_as(claim: ClaimVerdict) -> str:
    tolerance = f", give or take {with_unit(exact(claim.tolerance), claim.unit)}" if claim.tolerance else ""
    return stated(claim) + tolerance


def with_unit(text: str, unit: str) -> str:
    return f"{text} {safe(unit, UNIT)}" if unit else text
