"""Reads the sameness guard: do a cell's outputs and gradients stay within the tolerance its levels declare?"""

from __future__ import annotations

from typing import Literal

from harness.records import CellSummary, Sameness


def sameness_word(same: Sameness | None) -> Literal["holds", "broken", "not checked"]:
    """Asked so that a NaN is broken: it is within no tolerance."""
    if same is None:
        return "not checked"
    if not same.error <= same.tolerance:
        return "broken"
    if same.gradient_error is None or same.gradient_tolerance is None:
        return "holds"
    return "holds" if same.gradient_error <= same.gradient_tolerance else "broken"


def broken_because(summary: CellSummary) -> str:
    """Which comparison broke, with its figures."""
    error, tolerance, of = summary.error, summary.tolerance, "error"
    if error is not None and tolerance is not None and error <= tolerance:
        error, tolerance, of = summary.gradient_error, summary.gradient_tolerance, "gradient error"
    return f"{summary.name} gives other numbers than the oracle: {of} {error:.2g}, tolerance {tolerance:.2g}"
