"""What the terminal says: the plan before a run; headline, effects, floor and the report's path after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.records import Analysis, Manifest, Part, Plan
from harness.report import numbers, words
from harness.report.alerts import alerts
from harness.report.beyond_view import beyond_sentences
from harness.report.cells_view import failures, unsolved
from harness.report.claims_view import claims
from harness.report.growth_view import growth_sentences
from harness.report.limits_view import farthest, faults
from harness.report.lookup import Run
from harness.report.map_view import map_sentences
from harness.report.shown import Claim, Mark
from harness.report.terminal_contrasts import contrast_tables, mark_text
from harness.report.terminal_effects import effect_tables
from harness.report.terminal_readings import reading_tables
from harness.report.text import label, plain, shorten
from harness.report.view import HEADLINES, floor

PLANNED = 40


def summary(manifest: Manifest, analysis: Analysis, report_path: Path) -> RenderableType:
    run = Run(manifest, analysis)
    judged = claims(run)
    lines: list[RenderableType] = []
    for alert in alerts(run):
        lines += [
            Text(alert.title, "bold red"),
            *(Text(f"  {reason}") for reason in alert.reasons),
            Text(f"  {alert.remedy}"),
        ]
        lines.append(Text())
    for claim in [each for each in judged if each.headline][:HEADLINES]:
        lines += _claim(claim)
    lines += [Text.assemble(mark_text(words.BEYOND_MARK), f"  {line}\n") for line in beyond_sentences(run)]
    lines += reading_tables(run)
    lines += contrast_tables(run)
    lines += effect_tables(run)
    lines += [Text(line) for line in (*map_sentences(run), *growth_sentences(run), *_troubles(run))]
    lines += [Text(line) for line in filter(None, [farthest(run)])]
    counted = ", ".join(f"{sum(each.mark == mark for each in judged)} {mark.word}" for mark in _present(judged))
    lines.append(Text(". ".join(filter(None, (f"Claims: {counted}" if counted else "", floor(run)))), "bold"))
    lines.append(Text(f"Report: {plain(str(report_path), 1000)}"))
    return Group(*lines)


def _present(judged: tuple[Claim, ...]) -> list[Mark]:
    return [mark for mark in words.CLAIM_MARKS.values() if any(claim.mark == mark for claim in judged)]


def _claim(claim: Claim) -> Iterator[RenderableType]:
    yield Text(f"“{shorten(claim.statement, 160)}”")
    measured = f"measured {claim.measured}" if claim.measured else "not measured"
    defended = f"  defended {claim.defended}" if claim.defended else ""
    yield Text.assemble("  ", mark_text(claim.mark), f"  stated {claim.stated}  {measured}{defended}")
    true_where = f"true where: {'; '.join(claim.where)}" if claim.where else ""
    elsewhere = f"true elsewhere? {claim.looked}" if claim.looked else ""
    told = ("; ".join(filter(None, (claim.trials, claim.scope))), claim.reason, true_where, elsewhere, claim.why)
    for line in filter(None, told):
        yield Text(f"  {line}", "dim")
    yield Text()


def _troubles(run: Run) -> Iterator[str]:
    for part in run.analysis.parts:
        yield from failures(part)
        yield from unsolved(part, briefly=True)
        yield from faults(part)
        if part.dead_switches:
            yield f"Dead switches: {words.listed(label(name) for name in part.dead_switches)}."


def plan_table(plan: Plan) -> RenderableType:
    """The cells of every part and what they are expected to cost."""
    head = Text(f"{label(plan.suite)}: {plain(plan.title)}", "bold")
    preset = f"preset {label(plan.preset)}: {words.count(plan.trials, 'trial')}, margin {numbers.share(plan.margin)}"
    parts: list[RenderableType] = [head, Text(preset)]
    for part in plan.parts:
        parts += _part(part)
    return Group(*parts)


def _part(part: Part) -> Iterator[RenderableType]:
    yield Text()
    yield Text(f"{label(part.name)}: {words.under(part)}", "bold")
    groups = f" in {len(part.groups)} groups" if len(part.groups) > 1 else ""
    blocks = f"{words.count(part.blocks, 'block')} a trial"
    yield Text(
        f"{label(part.design)}, {words.count(len(part.cells), 'cell')}{groups}, {blocks}; "
        f"about {numbers.memory(part.estimated_bytes)} and {part.estimated_flops / 1e9:.3g} GFLOP a pass"
    )
    if part.stages:
        yield Text(f"stages timed: {words.listed(label(stage) for stage in part.stages)}")
    if part.reads:
        yield Text(f"reads {words.listed(label(probe) for probe in part.reads)}")
    yield from (Text(f"note: {plain(note)}") for note in part.notes)
    table = Table(box=None, padding=(0, 2, 0, 2), show_header=False)
    for cell in part.cells[:PLANNED]:
        role = "control" if cell.control else "baseline" if cell.baseline == cell.id else ""
        role = "beyond" if cell.beyond else role
        table.add_row(Text(label(cell.name)), Text(words.varied(cell, part)), Text(role, "dim"))
    yield table
    if len(part.cells) > PLANNED:
        yield Text(f"  and {len(part.cells) - PLANNED} more cells", "dim")
