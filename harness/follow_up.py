"""What a run measures once more after its trials, decided once from what they said.

A regression (`slower`, the whole call or a stage) is provisional until it recurs: the suspected cells, their baselines
and the control go through as many trials again (`recheck`), one process per trial and group. A win (`faster`) was
measured beside other cells; it is confirmed by its cell and its baseline each alone in fresh processes, in pairs whose
order changes (`confirm`). To bound the cost, per part only the strongest win is, the variant `all_on` besides, and the
strongest of what goes beyond the design.

Where verdicts are withheld (smoke, an unstable host) there is nothing to follow up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.conditions import PROCESS_CONDITIONS
from harness.records import Cell, Contrast, FollowUp, Group, Part, PartAnalysis, Plan
from harness.schedule import cells_of, follow_up_jobs, part_of

PAIRS = 3
"""Enough for a spread of their own, and for pairs of either order."""
ALL_ON = "all_on"


def follow_ups(plan: Plan, parts: Sequence[PartAnalysis]) -> tuple[FollowUp, ...]:
    """Rechecks before confirmations: what speaks against a change comes first where time is short."""
    followed = [(part_of(plan, analysis.part), analysis) for analysis in parts]
    followed = [(part, analysis) for part, analysis in followed if part.confirm]
    return (
        *(one for part, analysis in followed for one in _rechecks(part, analysis, plan.trials)),
        *(one for part, analysis in followed for one in _confirmations(part, analysis)),
    )


def announced(plan: Plan, one: FollowUp) -> str:
    part, cells = part_of(plan, one.part), cells_of(plan)
    [jobs] = follow_up_jobs(plan, [one])
    compared = [cells[cell] for cell in one.cells if cells[cell].baseline != cell and not cells[cell].control]
    names = ", ".join(cell.name for cell in compared)
    why = "called slower, measured again" if one.process == "recheck" else "called faster, measured alone"
    return f"{part.name}: {names} {why} ({len(jobs)} processes)"


def _rechecks(part: Part, analysis: PartAnalysis, trials: int) -> Iterator[FollowUp]:
    slower = {one.cell for one in (*analysis.contrasts, *analysis.stage_contrasts) if one.verdict == "slower"}
    for group in part.groups:
        suspects = [cell for cell in part.cells if cell.id in slower and cell.id in group.cells]
        if suspects:
            yield FollowUp(process="recheck", part=part.name, cells=_with_company(part, group, suspects), trials=trials)


def _with_company(part: Part, group: Group, suspects: Sequence[Cell]) -> tuple[str, ...]:
    """Suspects with their baselines, and the controls: those of a baseline that is in their group anyway, else one that
    runs under the same process conditions."""
    wanted = {cell.id for cell in suspects} | {cell.baseline for cell in suspects}
    controls = [cell for cell in part.cells if cell.control and _under(cell) == _under(suspects[0])]
    for cell in [one for one in controls if one.baseline in group.cells] or controls[:1]:
        wanted |= {cell.id, cell.baseline}
    return tuple(cell.id for cell in part.cells if cell.id in wanted)


def _under(cell: Cell) -> tuple[object, ...]:
    return tuple(cell.conditions.get(name) for name in PROCESS_CONDITIONS)


def _confirmations(part: Part, analysis: PartAnalysis) -> Iterator[FollowUp]:
    wins = sorted((one for one in analysis.contrasts if one.verdict == "faster"), key=_time)
    everything = {cell.id for cell in part.cells if _is_all_on(cell)}
    tried, beyond = [one for one in wins if not one.beyond], [one for one in wins if one.beyond]
    chosen = tried[:1] + [one for one in tried if one.cell in everything][:1] + beyond[:1]
    for cell, baseline in dict.fromkeys((one.cell, one.baseline) for one in chosen):
        yield FollowUp(process="confirm", part=part.name, cells=(cell, baseline), trials=PAIRS)


def _time(win: Contrast) -> float:
    return win.ratio.point if win.ratio else 1.0


def _is_all_on(cell: Cell) -> bool:
    """Under varied conditions a cell carries them behind its name."""
    return any(name == ALL_ON or name.startswith(f"{ALL_ON}, ") for name in (cell.name, *cell.merged))
