"""How much of a sample on the host this process did not run although it wanted to.

Lost share = time the process's threads waited on a run queue / (wall x threads). Source: the second field of
`/proc/self/task/*/schedstat`, in nanoseconds. With one thread that only computes, wall minus CPU time is the same
thing seen from outside and also sees time stolen by the hypervisor: the larger of the two is taken. Where the kernel
has no schedstat and there are several threads, nothing can be said and the share is None.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TASKS = Path("/proc/self/task")


def has_schedstat() -> bool:
    try:
        return len(Path("/proc/self/schedstat").read_text().split()) == 3
    except OSError:
        return False


def source(threads: int) -> str:
    if has_schedstat():
        return "schedstat"
    return "wall minus cpu (one thread)" if threads == 1 else "none"


@dataclass(frozen=True)
class Reading:
    wall_ns: int
    cpu_ns: int
    wait_ns: int | None


@dataclass(frozen=True)
class Lost:
    cpu_s: float
    share: float | None


class Watch:
    """Reads before and after a sample, outside its marks."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.schedstat = has_schedstat()
        self.tasks: list[str] = []
        self.files: list[int] = []

    def read(self) -> Reading:
        wait = self._wait() if self.schedstat else None
        return Reading(time.perf_counter_ns(), time.process_time_ns(), wait)

    def between(self, before: Reading, after: Reading) -> Lost:
        wall = max(after.wall_ns - before.wall_ns, 1)
        cpu = after.cpu_ns - before.cpu_ns
        shares = []
        if before.wait_ns is not None and after.wait_ns is not None:
            shares.append((after.wait_ns - before.wait_ns) / (wall * self.threads))
        if self.threads == 1:
            shares.append(1 - cpu / wall)
        share = max(0.0, *shares) if shares else None
        return Lost(cpu_s=cpu * 1e-9, share=share)

    def _wait(self) -> int:
        tasks = os.listdir(TASKS)  # noqa: PTH208 - iterdir makes an object per thread; this runs around every sample
        if tasks != self.tasks:
            self._open(tasks)
        total = 0
        for file in self.files:
            try:
                total += int(os.pread(file, 100, 0).split()[1])
            except (OSError, IndexError):
                continue  # a thread that ended between the listing and the read waits for nothing any more
        return total

    def _open(self, tasks: list[str]) -> None:
        """Once for as long as no thread comes or goes: opening costs twenty times what reading does."""
        for file in self.files:
            os.close(file)
        self.tasks, self.files = tasks, []
        for task in tasks:
            with suppress(OSError):
                self.files.append(os.open(f"{TASKS}/{task}/schedstat", os.O_RDONLY))
