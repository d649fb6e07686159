"""Workers that are none: what their deaths are called, and what they are started with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.schedule import exit_code
from harness.store import run_folders
from tests.runner_helpers import fake_suite, measured, outcomes, stand_in, states


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", "timeout_s: 0.5\n")


def test_one_kill_from_outside_costs_a_second_attempt_and_no_cell(plain: Path, tmp_path: Path) -> None:
    body = "crumb(cells[1], 'block 1/4')\nif number == 2: os.kill(os.getpid(), signal.SIGKILL)\nend()"
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, body))
    assert folder.manifest().outcomes == ()
    assert states(folder.manifest())[:3] == [
        ("prepare", 0, 1, "done"),
        ("sameness", 0, 1, "abandoned"),
        ("sameness", 0, 2, "done"),
    ]


def test_kills_that_move_from_cell_to_cell_end_too(plain: Path, tmp_path: Path) -> None:
    """Two cells that do not fit together may die in turn: three deaths of one job are its own."""
    body = (
        "if kind == 'prepare':\n"
        "    crumb(cells[number % len(cells)], 'first call')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\nend()"
    )
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, body))
    manifest = folder.manifest()
    assert manifest.state == "finished" and manifest.outcomes
    assert [p.attempt for p in manifest.processes if p.process == "prepare"][-1] <= 9


def test_death_before_any_cell_is_every_cells_outcome(plain: Path, tmp_path: Path) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, "sys.exit('no such module')"))
    manifest = folder.manifest()
    assert {o.detail for o in manifest.outcomes} == {"ended with exit status 1: no such module"}
    assert len(manifest.outcomes) == len(manifest.plan.parts[0].cells) and len(manifest.processes) == 1
    assert exit_code(manifest.plan, manifest.outcomes) == 3


def test_an_end_without_an_end_record_is_no_end(plain: Path, tmp_path: Path) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, "crumb(cells[1], 'block 1/4')"))
    found = outcomes(folder)
    assert found["pace=slow"].detail == "ended with exit status 0: no message"
    assert found["pace=slow"].during == "block 1/4"


def test_importing_may_take_longer_than_a_call(plain: Path, tmp_path: Path) -> None:
    body = "crumb('', 'import')\ntime.sleep(0.8 * (kind == 'prepare'))\n"
    body += "crumb(cells[0], 'build')\ntime.sleep(0.8 * (kind == 'prepare'))\nend()"
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, body))
    assert {p.state for p in folder.manifest().processes} == {"done"}


def test_what_a_worker_prints_never_blocks_it(plain: Path, tmp_path: Path) -> None:
    folder = measured(plain, tmp_path / "results", worker=stand_in(tmp_path, "print('x' * 300_000, flush=True)\nend()"))
    assert {p.state for p in folder.manifest().processes} == {"done"}


def test_children_of_a_worker_do_not_outlive_it(plain: Path, tmp_path: Path) -> None:
    body = (
        "if kind != 'prepare': end(); sys.exit()\nchild = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(tmp_path / 'children')!r}, 'a').write(f'{{child.pid}}\\n')\nend()"
    )
    measured(plain, tmp_path / "results", worker=stand_in(tmp_path, body))
    for pid in (tmp_path / "children").read_text().split():
        status = Path(f"/proc/{pid}/stat")
        assert not status.exists() or status.read_text().split()[2] == "Z"


def test_a_disk_full_in_the_worker_is_no_cells_fault_and_can_be_resumed(plain: Path, tmp_path: Path) -> None:
    full = stand_in(tmp_path, "print('001.jsonl: no space', file=sys.stderr)\nsys.exit(os.EX_IOERR)")
    with pytest.raises(StoreError, match="no space"):
        measured(plain, tmp_path / "results", worker=full)
    [folder] = run_folders(tmp_path / "results")
    assert folder.manifest().outcomes == () and folder.manifest().state == "running"
    again = measured(plain, tmp_path / "results", resume=True, worker=stand_in(tmp_path))
    assert again == folder and again.manifest().state == "finished"


@pytest.mark.parametrize(
    ("setting", "threads", "trim"), [("", "1", False), ("conditions: {threads: 2, allocator: keep}\n", "2", True)]
)
def test_a_worker_runs_under_the_conditions_of_its_cells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, threads: str, trim: bool
) -> None:
    body = (
        "names = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'PYTHONHASHSEED')\n"
        f"words = [os.environ[n] for n in names] + [str('MALLOC_TRIM_THRESHOLD_' in os.environ)]\n"
        f"open({str(tmp_path / 'seen')!r}, 'w').write(' '.join(words))\nend()"
    )
    monkeypatch.setattr("harness.conditions.cores", lambda: 2)
    suite = fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", setting)
    measured(suite, tmp_path / "results", worker=stand_in(tmp_path, body))
    assert (tmp_path / "seen").read_text() == f"{threads} {threads} {threads} 0 {trim}"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_worker_does_not_outlive_a_runner_that_was_killed(tmp_path: Path) -> None:
    """The runner's place is taken by a child of ours, so that it can die without us."""
    code = (
        "import os, subprocess, sys, time\n"
        "inner = 'from harness.measure.parent import die_with_parent; die_with_parent(); "
        "print(1, flush=True); import time; time.sleep(600)'\n"
        "os.environ['SEMH_RUNNER_PID'] = str(os.getpid())\n"
        "worker = subprocess.Popen([sys.executable, '-c', inner], stdout=subprocess.PIPE, start_new_session=True)\n"
        "worker.stdout.readline()\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(worker.pid))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    read, write = os.pipe()  # held open by the worker alone once the runner is dead
    runner = subprocess.Popen([sys.executable, "-c", code], stderr=write)
    os.close(write)
    assert runner.wait(timeout=60) == -signal.SIGKILL
    os.set_blocking(read, True)
    assert os.read(read, 1) == b""  # end of file: the worker is gone, for nobody else holds the other end
    os.close(read)
