"""Records to the view model: the whole report in words and formatted numbers. It computes nothing but conversions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.export.files import Written
from harness.records import Analysis, Contrast, Manifest, PartAnalysis
from harness.report import numbers, words
from harness.report.alerts import alerts
from harness.report.beyond_view import beyond_block
from harness.report.cells_view import cells_section
from harness.report.claims_view import claims
from harness.report.effects_view import effects_section, sentence
from harness.report.growth_view import growth_section
from harness.report.limits_view import limits_section
from harness.report.lookup import FEW, Run
from harness.report.map_view import map_section
from harness.report.readings_view import read_section
from harness.report.repeat_view import repeat_section
from harness.report.shown import Claim, Code, Figure, Mark, Report, Section, Table
from harness.report.text import label, safe
from harness.report.time_view import time_section
from harness.report.trust_view import trust_section

HEADLINES = 3
DECIDED = ("refuted", "qualified", "supported")


def view(manifest: Manifest, analysis: Analysis, data: str = ".", tables: Sequence[Written] = ()) -> Report:
    """`data`: path of the run's folder as seen from the report; `tables`: what lies beside the report."""
    run = Run(manifest, analysis)
    judged = claims(run)
    named = tuple(claim for claim in judged if claim.headline)
    headline = (named or tuple(claim for claim in judged if claim.mark.word in DECIDED))[:HEADLINES]
    answered = [each for each in (read_section(run), map_section(run), growth_section(run)) if each]
    shown = (
        time_section(run),
        effects_section(run),
        limits_section(run),
        cells_section(run),
        trust_section(run),
        repeat_section(manifest, data, tables),
    )
    answers, sections = distinct(answered, shown)
    return Report(
        suite=label(manifest.plan.suite),
        title=safe(manifest.plan.title),
        run=label(manifest.run),
        where=" · ".join(_where(run)),
        alerts=tuple(alerts(run)),
        headline=headline,
        changes=() if named else tuple(_changes(run)),
        beyond=beyond_block(run),
        answers=answers,
        counts=_counts(judged),
        floor=floor(run),
        claims=judged,
        claims_lead=_claims_lead(judged),
        sections=sections,
        claim_marks=tuple(words.CLAIM_MARKS.values()),
        contrast_marks=(*words.CONTRAST_MARKS.values(), *_beyond_mark(run)),
    )


def distinct(*groups: Sequence[Section]) -> Iterator[tuple[Section, ...]]:
    """A figure's name is an anchor and a file, so of two that read alike the second is numbered."""
    taken: Counter[str] = Counter()

    def renamed(item: Table | Figure | Code) -> Table | Figure | Code:
        if not isinstance(item, Figure):
            return item
        taken[item.name] += 1
        return item if taken[item.name] == 1 else replace(item, name=f"{item.name}--{taken[item.name]}")

    for sections in groups:
        yield tuple(
            replace(each, blocks=tuple(replace(block, items=tuple(map(renamed, block.items))) for block in each.blocks))
            for each in sections
        )


def _counts(judged: tuple[Claim, ...]) -> tuple[tuple[Mark, int], ...]:
    counted = ((mark, sum(claim.mark == mark for claim in judged)) for mark in words.CLAIM_MARKS.values())
    return tuple((mark, number) for mark, number in counted if number)


def _where(run: Run) -> Iterator[str]:
    environment = run.manifest.environment
    yield from (label(device.name or device.kind) for device in environment.devices)
    yield f"{words.count(environment.cores, 'core')} {label(environment.cpu)}"
    if "torch" in environment.versions:
        yield f"torch {label(environment.versions['torch'])}"
    yield words.count(run.analysis.trials_done, "trial")
    conditions = [cell.conditions for cell in run.cells.values()]
    threads = sorted({int(given["threads"]) for given in conditions if isinstance(given.get("threads"), int)})
    if threads:
        yield f"{words.listed(str(number) for number in threads)} {'thread' if threads == [1] else 'threads'}"
    yield label(run.manifest.started[:10])


def floor(run: Run) -> str:
    """`noise floor 1.4 %`, by part where there are several."""
    known = [(run.title(part.part), part.floor) for part in run.analysis.parts if part.floor is not None]
    if not known:
        return "no control cell, so no noise floor"
    return "noise floor " + ", ".join(f"{name} {numbers.share(value)}".strip() for name, value in known)


def _claims_lead(judged: tuple[Claim, ...]) -> str:
    if not judged:
        return "This suite names no claims."
    return (
        f"{words.count(len(judged), 'claim')}, judged one by one. Stated is what the document says; measured is the "
        "mean with its 95 % interval; defended is the strongest value these data would support."
    )


def _changes(run: Run) -> Iterator[str]:
    """For a suite whose claims name no headline, of parts that are about time: every contrast of a part that has few,
    all changes together of one that takes them apart; where there is neither, those that moved most."""
    found = [(part, [each for each in part.contrasts if _moved(each)]) for part in _timed(run)]
    few = [(part, each) for part, moved in found if len(moved) <= FEW for each in moved]
    whole = [(part, max(moved, key=_number)) for part, moved in found if len(moved) > FEW]
    told = few + [(part, each) for part, each in whole if _number(each) > FEW]
    if not told:
        told = sorted(((part, each) for part, moved in found for each in moved), key=lambda pair: -_size(pair[1]))
    for part, contrast in told[: 2 * HEADLINES]:
        where = ", ".join(filter(None, (run.title(part.part), run.varied(contrast))))
        yield f"{run.changed(contrast)}{f' ({where})' if where else ''}: {sentence(contrast)}"


def _beyond_mark(run: Run) -> tuple[Mark, ...]:
    return (words.BEYOND_MARK,) if any(run.beyond(part) for part in run.analysis.parts) else ()


def _moved(contrast: Contrast) -> bool:
    """Of what is on trial: what goes beyond it stands apart."""
    return bool(words.ratio(contrast) and contrast.changes and not contrast.beyond)


def _timed(run: Run) -> Iterator[PartAnalysis]:
    return (part for part in run.analysis.parts if not run.reads(part.part))


def _number(contrast: Contrast) -> int:
    return len(contrast.changes)


def _size(contrast: Contrast) -> float:
    return abs(math.log(contrast.ratio.point)) if contrast.ratio and contrast.ratio.point > 0 else 0.0
