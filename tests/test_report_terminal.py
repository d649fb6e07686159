"""What the terminal says, at 80 columns."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_helpers import cayley
from report_hostile import HOSTILE, hostile
from report_reading import Stored, printed

from harness.report import numbers
from harness.report.terminal import plan_table, summary


@pytest.fixture(scope="module")
def stored() -> Stored:
    return cayley()


def test_the_terminal_says_headline_effects_floor_and_path_in_80_columns(stored: Stored) -> None:
    shown = printed(summary(*stored, Path("reports/cayley/report.html")))
    assert max(len(line) for line in shown.splitlines()) <= 80
    order = ["Cayley-Soliton consumes", "✕ refuted", "matrix: rebuild → cached", "Claims: ", "reports/cayley/report"]
    assert "noise floor" in shown[shown.index("Claims: ") :]
    assert [shown.index(fact) for fact in order] == sorted(shown.index(fact) for fact in order)
    contrast = stored[1].parts[0].contrasts[7]
    assert contrast.ratio is not None
    line = next(line for line in shown.splitlines() if "matrix: rebuild → cached" in line)
    assert numbers.with_interval(contrast.ratio) in line
    assert line.rstrip().endswith("▼ faster")
    assert "The solver stalled short" in shown
    assert "timed out" in shown


def test_the_terminal_takes_no_markup_or_control_from_a_name(stored: Stored) -> None:
    manifest, analysis = hostile(stored)
    plan = manifest.plan.model_copy(update={"title": "[bold]x[/] " + HOSTILE})
    for renderable in (summary(manifest, analysis, Path("r.html")), plan_table(plan)):
        shown = printed(renderable)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "[bold]x[/]" in shown


def test_the_plan_names_cells_groups_and_cost(stored: Stored) -> None:
    shown = printed(plan_table(stored[0].plan))
    for fact in (
        "6 trials",
        "full_factorial, 17 cells, 10 blocks a trial",
        "572 MiB",
        "stages timed: encoder",
        "control",
    ):
        assert fact in shown
