"""Every suite about a part of SEM, run for real at preset smoke: nothing fails, outputs are right, the page answers."""

from importlib.util import find_spec
from pathlib import Path

import pytest

import harness

MISSING = [name for name in ("jax", "ott", "ot", "lineax", "mambapy") if find_spec(name) is None]
SUITES = (
    "encoder",
    "head",
    "horizon",
    "kernels",
    "layout",
    "norm",
    "residual",
    "scaling",
    "scan",
    "sensitivity",
    "seop",
    "seop_document",
    pytest.param("peers", marks=pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed")),
)


@pytest.mark.suites
@pytest.mark.parametrize("suite", SUITES)
def test_runs_at_smoke(suite: str, tmp_path: Path) -> None:
    result = harness.run(suite, preset="smoke", results=tmp_path / "results", reports=tmp_path / "reports")
    plan = result.folder.manifest().plan
    for part, planned in zip(result.analysis.parts, plan.parts, strict=True):
        assert [(cell.name, cell.detail) for cell in part.cells if cell.outcome != "measured"] == []
        assert len(part.cells) == len(planned.cells)
        broken = [(cell.name, cell.error, cell.gradient_error) for cell in part.cells if cell.sameness == "broken"]
        assert broken == []
        assert [reading.missing for reading in part.readings if reading.value is None] == []
        assert bool(part.readings) == bool(planned.reads)
    assert result.exit_code == 0
    page = result.report.with_name("report.md").read_text()
    assert plan.title in page
