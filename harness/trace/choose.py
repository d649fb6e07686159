"""The one cell that a trace is of."""

from __future__ import annotations

from harness.errors import UsageError, offer, shown
from harness.lookup import named
from harness.records import Cell, Part, Plan

LISTED = 6


def one_cell(plan: Plan, pattern: str, part: str | None, option: str) -> tuple[Part, Cell]:
    """The only cell whose name (or `part/name`, or id) matches. A cell's very name means that cell alone, and a pattern
    no control, which is a copy of a baseline."""
    parts = [one for one in plan.parts if part is None or one.name == part]
    if not parts:
        known = [one.name for one in plan.parts]
        raise UsageError(f"--part {shown(part)}: no such part; {offer(str(part), 'the suite', known)}")
    cells = [(one, cell) for one in parts for cell in one.cells]
    exactly = [(one, cell) for one, cell in cells if pattern in _names(one, cell)]
    others = [(one, cell) for one, cell in cells if not cell.control]
    matching = exactly or [(one, cell) for one, cell in others if named(cell, pattern)]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        near = offer(pattern, "the suite", dict.fromkeys(cell.name for _, cell in others))
        raise UsageError(f"{option} {shown(pattern)}: no such cell; {near}")
    names = [f"{one.name}/{cell.name}" for one, cell in matching]
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    raise UsageError(f"{option} {shown(pattern)}: {len(names)} cells match ({listed}); one of these would do")


def _names(part: Part, cell: Cell) -> list[str]:
    names = (cell.name, *cell.merged)
    return [*names, *(f"{part.name}/{name}" for name in names), cell.id]
