"""Every cell against its baseline, and the word for it.

The order in which a word is taken away: no numbers (`not measured`, or `invalid` where they were not finite), a wrong
output (`invalid`), then everything that makes a sound number too weak to judge by (`withheld`): a smoke run, one
trial, outputs nobody compared, a stage below its clock, noise of unknown size, disturbed pairs. Only what is left is
called, here by itself (`CALLED`), and then among its family (`family.judged`). A noise floor that is known raises the
bar: the larger of margin and floor is what a change must clear.

In a calibration the cells are twins, and what they show is noise by construction: only a smoke run or a missing number
takes their word away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.analysis.evidence import Evidence
from harness.lookup import unmeasured_because
from harness.records import LOST_SHARE_LIMIT, Block, Cell, CellSummary, Contrast, ContrastWord, Exclusion
from harness.sameness import broken_because, unchecked_because
from harness.stats import location
from harness.stats import margin as margins
from harness.stats.interval import ratio_interval
from harness.stats.pairing import NOTHING, Comparison, Paired, by_arm, pair_each, pair_of

Summaries = Mapping[str, CellSummary]

CALLED: tuple[ContrastWord, ...] = ("faster", "slower", "same", "inconclusive")
"""Words by the margin: such a contrast was judged, and belongs to the family."""


def compared(evidence: Evidence) -> list[Cell]:
    """The cells whose contrasts are shown: all that have a baseline, and of the controls those of a calibration. A part
    without times has none."""
    if not evidence.part.times:
        return []
    return [
        cell for cell in evidence.part.cells if cell.id != cell.baseline and (evidence.calibration or not cell.control)
    ]


def pair_all(evidence: Evidence, blocks: Iterable[Block] | None = None) -> dict[str, Paired]:
    """Cell -> its log time ratios to its baseline, of the cells that are not a baseline themselves."""
    wanted = [Comparison(cell.id, cell.baseline) for cell in evidence.part.cells if cell.id != cell.baseline]
    found = pair_each(evidence.blocks if blocks is None else blocks, wanted, one_thread=evidence.one_thread)
    return {comparison.cell: paired for comparison, paired in found.items()}


def contrast(
    evidence: Evidence,
    cell: Cell,
    found: Paired,
    summaries: Summaries,
    unknown: Sequence[str],
    floor: float | None,
) -> Contrast:
    """Of the whole call; `family.judged` has the last word."""
    refused = refusal(evidence, cell, found, summaries, unknown)
    bar = bar_of(evidence, floor)
    word, reason = refused or (margins.called(found.logs, evidence.margin, bar), clock_note(found))
    return Contrast(
        part=evidence.part.name,
        cell=cell.id,
        baseline=cell.baseline,
        beyond=cell.beyond,
        changes=changes(evidence, cell),
        verdict=word,
        reason=reason,
        bar=bar,
        floor=floor,
        **figures(NOTHING if failure(cell, summaries) else found, bar),
    )


def bar_of(evidence: Evidence, floor: float | None) -> float:
    """In a calibration the floor is what is looked for, and bars nothing."""
    return evidence.margin if evidence.calibration else max(evidence.margin, floor or 0.0)


def figures(found: Paired, bar: float) -> dict[str, Any]:
    """The fields of a Contrast that its log ratios give, without any other contrast."""
    logs = found.logs
    if not logs:
        return {"ratio": None, "trials": (), "clock": "none"}
    return {
        "ratio": ratio_interval(logs),
        "trials": tuple(float(np.exp(log)) for log in logs),
        "trial_numbers": tuple(found.trials),
        "hodges_lehmann": float(np.exp(location.hodges_lehmann(logs))),
        "stray": location.stray(logs),
        "p_value": margins.p_value(logs, bar),
        "clock": found.clock,
        "degraded": found.degraded,
        "kept_blocks": found.kept,
        "excluded_blocks": found.excluded,
    }


def changes(evidence: Evidence, cell: Cell) -> dict[str, tuple[str, str]]:
    baseline = evidence.cells.get(cell.baseline, cell)
    return {
        name: (baseline.variant[name], level)
        for name, level in cell.variant.items()
        if baseline.variant.get(name, level) != level
    }


def refusal(
    evidence: Evidence, cell: Cell, found: Paired, summaries: Summaries, unknown: Sequence[str], too_short: str = ""
) -> tuple[ContrastWord, str] | None:
    """Why there is no word by the margin; None where there may be one."""
    failed = failure(cell, summaries)
    if failed:
        if failed.outcome == "untested":
            return "not measured", unmeasured_because(failed)
        word: ContrastWord = "invalid" if failed.outcome == "not_finite" else "not measured"
        return word, f"{failed.name}: {failed.outcome}" + (f", {failed.detail}" if failed.detail else "")
    if not found.trials:
        return "not measured", "no finished trial holds this cell beside its baseline"
    for one in (cell.id, cell.baseline):
        if summaries[one].sameness == "broken":
            return "invalid", broken_because(summaries[one])
    if evidence.smoke:
        return "withheld", "smoke gives no verdicts"
    if len(found.trials) < 2:
        return "withheld", "one trial gives no interval"
    return None if evidence.calibration else _doubt(cell, found, summaries, unknown, too_short)


def _doubt(
    cell: Cell, found: Paired, summaries: Summaries, unknown: Sequence[str], too_short: str
) -> tuple[ContrastWord, str] | None:
    for one in (cell.id, cell.baseline):
        if summaries[one].sameness == "not checked":
            return "withheld", unchecked_because(summaries[one])
    if too_short:
        return "withheld", too_short
    if unknown:
        return "withheld", "unstable host: " + "; ".join(unknown)
    return ("withheld", clock_note(found)) if found.degraded else None


def failure(cell: Cell, summaries: Summaries) -> CellSummary | None:
    for one in (cell.id, cell.baseline):
        summary = summaries.get(one)
        if summary is not None and summary.outcome != "measured":
            return summary
    return None


def clock_note(found: Paired) -> str:
    bad = len(found.lost) + len(found.disturbed)
    disturbed = f"{bad} of {found.kept + found.excluded} pairs were disturbed"
    if found.clock == "cpu":
        return f"{disturbed}: compared by process CPU time, over all of them"
    if found.degraded:
        return f"degraded: {disturbed}, and all are used"
    return f"{disturbed}: only the quiet ones are used" if found.excluded > found.kept else ""


def undisturbed(evidence: Evidence) -> int:
    """Blocks in which no pair of whole calls was disturbed."""
    comparisons = [Comparison(cell.id, cell.baseline) for cell in evidence.part.cells if cell.id != cell.baseline]
    kept = 0
    for block in evidence.blocks:
        samples = by_arm(block)
        found = [pair_of(block.trial, samples, comparison) for comparison in comparisons]
        kept += all(pair is None or pair.quiet for pair in found)
    return kept


def exclusions(evidence: Evidence, found: Mapping[str, Paired]) -> tuple[Exclusion, ...]:
    """What entered no estimate, why, and how often; figures, so that nobody must take the rule on trust."""
    lost = [share for one in found.values() if one.excluded for share in one.lost]
    listed = []
    if lost:
        figure = f"median {np.median(lost):.1%}, largest {max(lost):.1%}"
        listed.append(
            Exclusion(reason=f"pairs with a lost share above {LOST_SHARE_LIMIT:.0%} ({figure})", count=len(lost))
        )
    device = Counter(reason for one in found.values() if one.excluded for reason in one.disturbed)
    listed += [Exclusion(reason=f"pairs disturbed on the device ({reason})", count=n) for reason, n in device.items()]
    for reason, blocks in evidence.abandoned.items():
        listed.append(Exclusion(reason=f"blocks of an abandoned process: {reason}", count=blocks))
    return tuple(listed)
