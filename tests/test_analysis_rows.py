"""Cells, stages and the run itself: every line a worker wrote reaches the row it belongs to."""

import pytest
from analysis_helpers import analysed, block, contrast, part, summary, world

from harness.analysis import analyse, analyse_lines
from harness.store import RunFolder, append_line

STAGES = {"encoder": 0.1, "propagator": 0.3, "encoder.backward": 0.2, "propagator.backward": 0.4 - 0.005}


def test_shares_of_mostly_disturbed_stages_are_flagged():
    def lost(trial, number, name):
        return 0.5 if name == "base" and number else 0.0

    found = part(world(stages=STAGES, staged_lost=lost))
    row = summary(found, "base")
    assert (row.degraded, row.notes) == (True, ("degraded: 18 of 24 staged samples were disturbed; all are used",))
    assert not summary(found, "matrix=cached").degraded


def test_stages_have_shares_closure_and_the_cost_of_their_marks():
    row = summary(part(world(stages=STAGES)), "base")
    whole = sum(STAGES.values())
    assert [(s.stage, s.direction) for s in row.stages] == [
        ("encoder", "forward"),
        ("propagator", "forward"),
        ("encoder", "backward"),
        ("propagator", "backward"),
    ]
    for stage in row.stages:
        key = stage.stage + (".backward" if stage.direction == "backward" else "")
        assert stage.share.point == pytest.approx(STAGES[key] / whole)
    assert row.stage_shares["propagator"] == pytest.approx([(0.3 + 0.395) / whole] * 6)
    assert row.closure.point == pytest.approx(0.005)
    assert row.probe_cost == pytest.approx(8 * 1e-6 / 0.01, rel=0.4)
    assert row.staged_over_bare.low == pytest.approx(row.staged_over_bare.high)
    assert row.staged_over_bare.point == pytest.approx(1)


def test_stages_that_do_not_add_up_are_reported():
    found = part(world(stages={"encoder": 0.5, "propagator": 0.3}))
    assert found.closure == pytest.approx(0.2)
    assert any("beyond 3 %" in note for note in found.notes)


def test_everything_else_a_worker_wrote_reaches_the_row_of_its_cell():
    found = part(world(probes={"base": {"iterations": 4.0, "outcome": "converged"}}))
    row = summary(found, "base")
    assert row.probes == {"iterations": 4.0, "outcome": "converged"}
    assert (row.peak_bytes, row.before_bytes, row.warm_up_calls, row.steady) == (3000, 1000, 5, True)
    assert (row.first_call_s, row.repeat, row.error, row.sameness) == (1.0, 1, 1e-7, "holds")
    assert row.time_s.low <= row.time_s.point <= row.time_s.high


def test_the_harness_accounts_for_its_own_time():
    assert analysed(world()).harness_share == pytest.approx(0.5 / 9)


def test_a_run_is_analysed_from_its_folder_alone(tmp_path):
    made = world(trials=3)
    folder = RunFolder(tmp_path / "run")
    (folder.path / "trials").mkdir(parents=True)
    folder.write_manifest(made.manifest)
    for number, lines in made.lines.items():
        with folder.trial_file(number).open("ab") as file:
            for line in lines:
                append_line(file, line)
    with folder.trial_file(5).open("ab") as file:
        file.write(b'{"kind": "block", "torn')
    analysis = analyse(folder)
    assert analysis == analyse_lines(made.manifest, made.lines)
    folder.write_analysis(analysis)
    assert folder.analysis() == analysis


def test_a_run_that_never_started_has_a_row_for_every_cell():
    made = world()
    found = analyse_lines(made.manifest.model_copy(update={"processes": ()}), {}).parts[0]
    assert {row.outcome for row in found.cells} == {"not run"}
    assert {one.verdict for one in found.contrasts} == {"not measured"}
    assert (found.trials, found.blocks) == (0, 0)


def test_an_unfinished_run_has_whatever_its_finished_trials_say():
    made = world()
    processes = [p for p in made.manifest.processes if p.trial < 4]
    running = processes[-1].model_copy(update={"state": "running"})
    manifest = made.manifest.model_copy(update={"processes": (*processes[:-1], running)})
    found = analyse_lines(manifest, made.lines)
    assert (found.trials_done, found.trials_planned) == (2, 6)
    assert contrast(found.parts[0], "matrix=cached").ratio.n == 2


def test_blocks_of_an_abandoned_process_are_counted_and_enter_nothing():
    made = world(abandoned=[2, 5])
    lines = made.lines
    for number in (4, 7):
        lines[number] = [
            block(*(s.model_copy(update={"time_s": 99.0}) for s in line.samples), trial=line.trial, number=line.block)
            if line.kind == "block"
            else line
            for line in lines[number]
        ]
    analysis = analyse_lines(made.manifest, lines)
    found = analysis.parts[0]
    assert contrast(found, "matrix=cached").ratio.n == 4
    assert (found.trials, found.blocks) == (4, 16)
    assert [(e.reason, e.count) for e in found.exclusions] == [("blocks of an abandoned process: process ended", 8)]
    assert len(analysis.abandoned) == 2
    assert "trial 2" in analysis.abandoned[0]


def test_a_second_attempt_replaces_the_abandoned_first():
    made = world(abandoned=[2])
    again = made.manifest.processes[4].model_copy(update={"number": 99, "attempt": 2, "state": "done", "reason": ""})
    manifest = made.manifest.model_copy(update={"processes": (*made.manifest.processes, again)})
    found = analyse_lines(manifest, made.lines | {99: made.lines[4]}).parts[0]
    assert contrast(found, "matrix=cached").trial_numbers == (1, 2, 3, 4, 5, 6)
