"""The time budget, the time left, and what runs beside what."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.analysis.followed import followed
from harness.progress import duration, standing
from harness.records import FollowUp, Process
from harness.runner import Runner
from harness.schedule import Job
from tests.runner_helpers import Recorder, fake_suite, measured, planned, stand_in, two_parts_suite


@pytest.fixture
def two_parts(tmp_path: Path) -> Path:
    return two_parts_suite(tmp_path)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", "timeout_s: 0.5\n")


def test_a_time_budget_starts_no_further_trial(plain: Path, tmp_path: Path) -> None:
    progress = Recorder()
    plan = planned(plain, max_minutes=1e-9)
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path), plan=plan, progress=progress)
    manifest = folder.manifest()
    assert manifest.stopped_early == "time budget" and manifest.state == "finished"
    assert [p.process for p in manifest.processes] == ["prepare", "sameness"]
    assert progress.notes[-1] == "time budget used up: 2 processes not run"


def test_a_time_budget_bounds_the_follow_ups_too(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Used up as soon as the trials are through: the decision is kept, and says what was not measured again."""
    plan = planned(plain, preset="quick", max_minutes=60).model_copy(update={"trials": 2})
    cells = tuple(cell.id for cell in plan.parts[0].cells)
    decided = (FollowUp(process="recheck", part=plan.parts[0].name, cells=cells, trials=2),)
    monkeypatch.setattr("harness.runner.follow_ups", lambda *_: decided)
    monkeypatch.setattr(Runner, "_over_budget", lambda self: self.manifest.follow_ups is not None)
    progress = Recorder()
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path), plan=plan, progress=progress)
    manifest = folder.manifest()
    assert [p.process for p in manifest.processes] == ["prepare", "sameness", "trial", "trial"]
    assert (manifest.state, manifest.stopped_early, manifest.follow_ups) == ("finished", None, decided)
    assert progress.notes[-1] == "time budget used up: 2 processes not run"
    [found] = followed(manifest, {}, plan.parts[0]) or ()
    assert found.lacking == "time budget"


def process(number: int, kind: str, trial: int, state: str = "done") -> Process:
    return Process.model_validate(
        {
            "number": number,
            "process": kind,
            "part": "p",
            "group": 0,
            "trial": trial,
            "attempt": 1,
            "cells": ("a",),
            "state": state,
        }
    )


def test_time_left_is_unknown_until_a_trial_has_told_then_counts_down() -> None:
    jobs = [Job("trial", "p", 0, trial, ("a",)) for trial in (1, 2, 3)]
    done = [process(1, "prepare", 0)]
    assert standing(jobs, done, {1: 5.0}, []).left_s is None
    running = process(2, "trial", 1, "running")
    assert standing(jobs, [*done, running], {1: 5.0}, [(running, 4.0, 0.5)]).left_s == pytest.approx(8 * 3 - 4)
    done.append(process(2, "trial", 1))
    after = standing(jobs[1:], done, {1: 5.0, 2: 10.0}, [])
    assert after.left_s == pytest.approx(20.0)
    assert after.share == pytest.approx(15 / 35)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.44, "0.4 s"), (61, "61 s"), (100, "2 min"), (5999, "100 min"), (7200, "2.0 h")]
)
def test_durations_are_said_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_memory_processes_run_two_at_a_time_and_trials_alone(two_parts: Path, tmp_path: Path) -> None:
    if os.cpu_count() == 1:
        pytest.skip("one core runs one process")
    body = (
        f"log = {str(tmp_path / 'log')!r}\nopen(log, 'a').write(f'+{{kind}} ')\ntime.sleep(0.2 * (kind == 'memory'))\n"
    )
    body += "open(log, 'a').write(f'-{kind} ')\nend()"
    measured(two_parts, tmp_path / "results", worker=stand_in(tmp_path, body))
    words = (tmp_path / "log").read_text().split()
    alone = [word for word in words if "memory" not in word]
    assert alone[::2] == ["+" + word[1:] for word in alone[1::2]]
    assert [word for word in words if "memory" in word] == ["+memory", "+memory", "-memory", "-memory"]
