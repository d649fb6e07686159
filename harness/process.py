"""One worker process: how it is started, watched, killed, and what its death says.

A worker runs in a session of its own, so that a kill takes its children along, and dies with the runner (see
`measure/parent.py`). Its standard output is a pipe that carries nothing: its end is the news. What it is doing stands
in a breadcrumb file of one fixed-size JSON record that it overwrites in place.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from harness.measure.parent import RUNNER_PID
from harness.records import Outcome, OutcomeWord, Part, Process, Value
from harness.store import RunFolder

WORKER = ("-P", "-m", "harness.worker")
SLOW_START_S = 600.0
"""Importing and building may take this long: what they cost depends on the machine, not on the cell."""
FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that others send: such a death is a cell's own only if it recurs at once."""

KEEP = {
    "MALLOC_MMAP_MAX_": "0",  # never a mapping of its own for a large block: its pages would fault in at every call
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),  # never give the top of the heap back
    "MALLOC_TOP_PAD_": str(64 << 20),  # grow in 64 MiB steps: few system calls while warming up
}
"""glibc's allocator told to keep what it was given (`allocator: keep`); `MALLOC_MMAP_THRESHOLD_` would be clamped to
32 MiB by older glibc, which is why mappings are forbidden instead."""


@dataclass(frozen=True)
class Crumb:
    cell: str = ""
    doing: str = "import"
    since: float = 0.0
    done: float = 0.0


@dataclass
class Worker:
    """A live worker and what was last seen of it. Times are of the runner's monotonic clock."""

    process: Process
    popen: subprocess.Popen[bytes]
    timeout_s: float
    started: float
    crumb: Crumb = field(default_factory=Crumb)
    changed: float = 0.0
    oom_kills: int = 0

    @property
    def pipe(self) -> IO[bytes]:
        assert self.popen.stdout is not None
        return self.popen.stdout


@dataclass(frozen=True)
class Death:
    """Why a process ended before its End. `cell` is empty where no cell was at work: then all are held to account."""

    reason: str
    outcome: OutcomeWord
    cell: str
    during: str
    certain: bool
    """False: it may have come from outside, and counts only when it recurs at the next attempt."""

    def outcomes(self, process: Process) -> list[Outcome]:
        cells = (self.cell,) if self.cell else process.cells
        return [Outcome(cell=cell, outcome=self.outcome, detail=self.reason, during=self.during) for cell in cells]


def start(folder: RunFolder, process: Process, part: Part, command: Sequence[str] = WORKER) -> Worker:
    """A fresh interpreter for one process of the manifest."""
    with folder.error_file(process.number).open("wb") as errors:
        popen = subprocess.Popen(
            [sys.executable, *command, str(folder.path), str(process.number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=variables(_conditions(part, process)),
            start_new_session=True,
        )
    now = time.monotonic()
    return Worker(process, popen, part.timeout_s, started=now, changed=now, oom_kills=_oom_kills())


def wait(workers: Sequence[Worker], seconds: float) -> list[Worker]:
    """Sleep until a worker ends or the time is over; those that ended. What a system prints is drained and dropped."""
    readable, _, _ = select.select([worker.pipe for worker in workers], [], [], seconds)
    ended = []
    for worker in workers:
        closed = worker.pipe in readable and not os.read(worker.pipe.fileno(), 65536)
        if closed:
            with suppress(subprocess.TimeoutExpired):
                worker.popen.wait(timeout=10)
        if closed or worker.popen.poll() is not None:
            ended.append(worker)
    return ended


def look(folder: RunFolder, worker: Worker) -> None:
    """Read the breadcrumb; remember when it last changed."""
    crumb = _breadcrumb(folder.breadcrumb_file(worker.process.number))
    if crumb is not None and crumb != worker.crumb:
        if (crumb.cell, crumb.doing, crumb.since) != (worker.crumb.cell, worker.crumb.doing, worker.crumb.since):
            worker.changed = time.monotonic()
        worker.crumb = crumb


def limit_s(worker: Worker) -> float:
    starting = worker.crumb.doing.startswith(("import", "build"))
    return max(worker.timeout_s, SLOW_START_S) if starting else worker.timeout_s


def hangs(worker: Worker) -> bool:
    return time.monotonic() - worker.changed > limit_s(worker)


def kill(worker: Worker) -> None:
    """The worker with all its children; returns when it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.popen.pid, signal.SIGKILL)
    worker.popen.wait()
    close(worker)


def close(worker: Worker) -> None:
    """Children that a dead worker left behind go too."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.popen.pid, signal.SIGKILL)
    for pipe in (worker.popen.stdin, worker.popen.stdout):
        if pipe is not None:
            pipe.close()


def end_hanging(worker: Worker) -> Death:
    """Kill it, after SIGABRT has made the interpreter write its stack into the error file."""
    worker.popen.send_signal(signal.SIGABRT)
    with suppress(subprocess.TimeoutExpired):
        worker.popen.wait(timeout=2)
    kill(worker)
    crumb = worker.crumb
    reason = f"timed out after {limit_s(worker):g} s; its stack is in trials/{worker.process.number:03d}.err"
    return Death(reason, "timed_out", crumb.cell, crumb.doing, certain=bool(crumb.cell))


def post_mortem(folder: RunFolder, worker: Worker) -> Death:
    """What the exit status and the breadcrumb say. A signal is the machine's word, another status the worker's."""
    look(folder, worker)
    status = worker.popen.returncode
    where = (worker.crumb.cell, worker.crumb.doing)
    if status >= 0:
        last = last_words(folder.error_file(worker.process.number))
        return Death(f"ended with exit status {status}: {last}", "crashed", *where, certain=True)
    if -status == signal.SIGKILL and _oom_kills() > worker.oom_kills:
        return Death("killed by the kernel for lack of memory", "out_of_memory", *where, certain=False)
    guess = ", perhaps out of memory" if -status == signal.SIGKILL else f" ({signal.strsignal(-status)})"
    certain = -status not in FROM_OUTSIDE and bool(worker.crumb.cell)
    return Death(f"killed by signal {-status}{guess}", "crashed", *where, certain=certain)


def last_words(file: Path) -> str:
    """The last line a process wrote to its standard error."""
    try:
        lines = file.read_bytes()[-4096:].decode(errors="replace").strip().splitlines()
    except OSError:
        return "no message"
    return lines[-1].strip()[:300] if lines else "no message"


def _conditions(part: Part, process: Process) -> Mapping[str, Value]:
    return next(cell.conditions for cell in part.cells if cell.id == process.cells[0])


def variables(conditions: Mapping[str, Value]) -> dict[str, str]:
    """The environment of a process under these conditions: threads and allocator are fixed before it starts."""
    threads = str(conditions.get("threads", 1))
    variables = dict(os.environ)
    variables |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    variables |= {"PYTHONHASHSEED": "0", "PYTHONFAULTHANDLER": "1", RUNNER_PID: str(os.getpid())}
    return variables | KEEP if conditions.get("allocator") == "keep" else variables


def _breadcrumb(file: Path) -> Crumb | None:
    """None while there is none, or while it is being overwritten."""
    try:
        found = json.loads(file.read_bytes())
        return Crumb(str(found["cell"]), str(found["doing"]), float(found["since"]), float(found["done"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _oom_kills() -> int:
    """How many processes the kernel has killed for lack of memory since it booted; 0 where it does not say."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
