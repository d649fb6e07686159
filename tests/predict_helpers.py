"""A plan of three cells, and what earlier runs of it took."""

from __future__ import annotations

from dataclasses import replace

from harness.history import CellCost, History, Past
from harness.records import Plan
from tests.analysis_helpers import World, cell

HERE = World([]).manifest.environment.model_copy(update={"machine_id": "here", "cores": 1})
CELLS = [cell("base", {"a": "0"}), cell("new", {"a": "1"}), cell("control", {"a": "0"}, control=True)]
ALL = ("base", "new", "control")
IMPORT, OWN, FIRST = 1.0, 0.6, 0.5
WARM, BLOCK = {"base": 2.0, "new": 1.0, "control": 2.0}, {"base": 0.4, "new": 0.1, "control": 0.4}
TRIAL = IMPORT + OWN + sum(WARM[one] + 4 * BLOCK[one] for one in ALL)


def planned(**changed: object) -> Plan:
    """No memory processes, unless asked for."""
    memory = changed.pop("memory", False)
    blocks = changed.pop("blocks", 4)
    plan = World(list(changed.pop("cells", CELLS)), blocks=int(blocks)).plan.model_copy(update=changed)
    parts = tuple(part.model_copy(update={"memory": memory}) for part in plan.parts)
    return plan.model_copy(update={"parts": parts})


def past(process: str, cells: tuple[str, ...], wall_s: float, **more: object) -> Past:
    given = {"blocks": 4 if process == "trial" else 0, "staged": False, "import_s": IMPORT, "sampled_s": 0.0}
    given |= {"peak_bytes": 10, "file_bytes": 100, **more}
    return Past(run="r", process=process, cells=frozenset(cells), wall_s=wall_s, **given)


def trial(*, run: str = "r", cells: tuple[str, ...] = ALL) -> Past:
    costs = {one: CellCost(FIRST, 0.1, WARM[one], BLOCK[one]) for one in cells}
    sampled = sum(WARM[one] + 4 * BLOCK[one] for one in cells)
    return replace(past("trial", cells, IMPORT + OWN + sampled, sampled_s=sampled, costs=costs), run=run)


SEEN = History(past=(past("prepare", ALL[:2], 3.0), past("sameness", ALL[:2], 4.0), trial(), trial()), between_s=0.25)
