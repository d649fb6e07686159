"""SIGKILL at random moments, to the runner or to its worker: what is resumed measures what an undisturbed run would.

Two hundred kills, and twenty of a real suite, are `benchmarks/kills.py`; what is checked after each run stands there.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.kills import PATIENCE_S, SUITE, fake_kills, forked, kill, newest
from harness.analysis import analyse
from harness.records import Block
from harness.store import RunFolder
from tests.runner_helpers import ROOT, here, keys, planned

KILLS = 4


@pytest.mark.slow
def test_kills_lose_nothing_and_repeat_nothing_follow_ups_included(tmp_path: Path) -> None:
    struck = fake_kills(KILLS, tmp_path, seed=4, trials=2, after=range(4, 5))
    assert sum(struck.hits.values()) == KILLS
    assert {victim for _, victim in struck.hits} == {"runner", "worker"}
    assert {"recheck", "confirm"} & {kind for kind, _ in struck.hits}, "no follow-up was struck"
    reasons = {process.reason for folder in struck.finished for process in folder.manifest().processes}
    assert "process ended" in reasons and any("killed by signal 9" in reason for reason in reasons)
    regression, win = analyse(struck.finished[0]).parts
    [slower], [faster] = regression.contrasts, win.contrasts
    assert slower.confirmation is not None and slower.confirmation.word == "recurred"
    assert faster.confirmation is not None and faster.confirmation.word == "confirmed"


def test_blocks_of_a_killed_trial_stay_and_count_for_nothing(tmp_path: Path) -> None:
    """The worker of a trial is killed as soon as its first block is on disk."""
    file, results = tmp_path / "killed.yaml", tmp_path / "results"
    file.write_text(SUITE.replace("blocks: 4", "blocks: 400"))
    plan = planned(file, only=["regression/*"])
    runner = forked(plan, file.read_text(), results, here())
    start = time.monotonic()
    while not (blocks := [n for n in range(1, 9) if has_block(newest(results), n)]):
        assert time.monotonic() - start < PATIENCE_S and runner.status() is None
        time.sleep(0.01)
    kill(runner)
    folder = newest(results)
    assert folder is not None
    lines = folder.lines(blocks[0])
    assert any(isinstance(line, Block) for line in lines) and keys(folder) == []
    assert folder.manifest().processes[blocks[0] - 1].state == "running"
    assert str(ROOT) not in folder.trial_file(blocks[0]).read_text()


def has_block(folder: RunFolder | None, number: int) -> bool:
    return folder is not None and any(isinstance(line, Block) for line in folder.lines(number))
