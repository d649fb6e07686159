"""Reads the sameness guard: do a cell's outputs and gradients stay within the tolerance its levels declare?

A tolerance of 1 or more is a comparison that no gradients of the oracle's size or below could fail, zeros among them:
gradients within it were not checked.
"""

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
    if not same.gradient_error <= same.gradient_tolerance:
        return "broken"
    return "holds" if same.gradient_tolerance < 1 else "not checked"


def unchecked_because(summary: CellSummary) -> str:
    if summary.gradient_tolerance is not None:
        allowed = f"of {summary.gradient_tolerance:.2g}, within which gradients of zero would be"
        return f"gradients of {summary.name} have a tolerance {allowed}: they were not checked"
    return f"outputs of {summary.name} were not compared with the oracle"


def broken_because(summary: CellSummary) -> str:
    """Which comparison broke, with its figures."""
    error, tolerance, of = summary.error, summary.tolerance, "error"
    if error is not None and tolerance is not None and error <= tolerance:
        error, tolerance, of = summary.gradient_error, summary.gradient_tolerance, "gradient error"
    return f"{summary.name} gives other numbers than the oracle: {of} {error:.2g}, tolerance {tolerance:.2g}"
