"""A worker dies with its runner, however the runner dies: SIGKILL leaves no time to tell anyone.

Linux: the kernel sends SIGKILL to a process whose parent is gone (`PR_SET_PDEATHSIG`). Elsewhere a thread waits on
standard input, a pipe whose other end only the runner holds: it takes no time until the pipe closes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

RUNNER_PID = "SEMH_RUNNER_PID"
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """To be called first thing in a worker. Without a runner (started by hand) nothing is watched."""
    runner = os.environ.get(RUNNER_PID)
    if runner is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_wait_for_end_of_input, daemon=True).start()
    if os.getppid() != int(runner):
        os._exit(1)  # the runner was gone before we could ask to be told


def _wait_for_end_of_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)
