"""One cell alone in a fresh process: no other cell can have warmed a cache for it, or spoilt one."""

from __future__ import annotations

from harness.measure.trial import run_trial
from harness.measure.workshop import Workshop


def run_alone(shop: Workshop) -> None:
    """A trial of that cell, which stands in for its own baseline; bare samples only."""
    shop.part = shop.part.model_copy(update={"stages": ()})
    shop.cells = [cell.model_copy(update={"baseline": cell.id}) for cell in shop.cells]
    run_trial(shop)
