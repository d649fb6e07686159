"""Other people on the machine: processes that compute as fast as they can, one per core that is to be burnt."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BUSY = "import os, time\nx = 0\nwhile os.getppid() != 1:\n    for _ in range(10**6): x += 1\n"


@contextmanager
def burning(cores: int) -> Iterator[None]:
    """`cores` busy processes while the body runs; they also end when this process does."""
    fires = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(cores)]
    try:
        yield
    finally:
        for fire in fires:
            fire.kill()
            fire.wait()
