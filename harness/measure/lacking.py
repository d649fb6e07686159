"""Cells that would not run here as they are named: no compiler, no package, no kernel for the device.

A system may run something slower in their place. Its time would stand under their name, so they are not even built.
"""

from __future__ import annotations

from harness.measure.workshop import Workshop
from harness.records import Outcome
from harness.system import Needing

ASKED = "build: what it needs"
"""A step that may compile, and is given the time to."""


def set_aside(shop: Workshop) -> None:
    """They are `untested`; without them go those that would be compared with them."""
    if not isinstance(shop.system, Needing):
        return
    for cell in shop.cells:
        with shop.guarded(cell.id, ASKED):
            why = shop.system.unavailable(cell.variant, cell.conditions, shop.part.mode)
            if why:
                shop.fail(Outcome(cell=cell.id, outcome="untested", detail=why, during=ASKED))
    shop.cells = [cell for cell in shop.cells if not {cell.id, cell.baseline} & shop.failed]
