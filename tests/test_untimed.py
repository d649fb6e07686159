"""A part without times: what it reads is exact, and nothing is said of it that a clock would have to say."""

from pathlib import Path

import pytest

import harness
from harness.analysis import analyse
from harness.calibrate import calibration_plan
from harness.report import markdown
from harness.report.view import view
from tests.memory_fakes import BESIDE
from tests.runner_helpers import planned

PARTS = """suite: two
title: What a call holds
parts:
  timed:
    system: tests.fakes:PLAIN
    design: one_at_a_time
    factors: {pace: [usual, slow]}
    blocks: 4
    memory: false
    confirm: false
  held:
    system: tests.memory_fakes:HOARDER
    design: one_at_a_time
    factors: {habit: [untidy, tidy]}
    times: false
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("suite") / "two.yaml"
    file.write_text(PARTS)
    return file


@pytest.fixture(scope="module")
def ran(suite: Path):
    return harness.run(suite, preset="quick", results=suite.parent / "results", reports=suite.parent / "reports")


def test_it_has_readings_and_memory_and_no_trial(ran):
    manifest, analysis = ran.folder.manifest(), analyse(ran.folder)
    kinds = {process.process for process in manifest.processes if process.part == "held"}
    assert kinds == {"sameness", "memory"}
    (held,) = [part for part in analysis.parts if part.part == "held"]
    assert [cell.outcome for cell in held.cells] == ["measured", "measured"]
    assert [cell.allocator_peak_bytes for cell in held.cells] == [3000 + BESIDE, 3000 + BESIDE]
    assert (held.contrasts, held.noise_known, held.reasons, held.floor) == ((), False, (), None)


def test_the_run_is_whole_with_the_trials_of_the_others(ran):
    manifest, analysis = ran.folder.manifest(), analyse(ran.folder)
    assert (analysis.trials_done, analysis.trials_planned) == (6, 6)
    document = markdown.document(view(manifest, analysis))
    assert "ended early" not in document
    assert "It has no times and no trials" in document


def test_a_calibration_leaves_it_out(suite):
    assert [part.name for part in calibration_plan(planned(suite)).parts] == ["timed"]
