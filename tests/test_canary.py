"""The canary leaves the other cores to what is measured."""

import os
import subprocess
import sys

import pytest

from harness.conditions import cores

SONGS = """
from pathlib import Path
from threading import get_native_id
from harness.measure.canary import HostCanary

def spent():
    tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != str(get_native_id())]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

canary, beside = HostCanary(), []
for _ in range(600):
    before = spent()
    canary.sing()
    beside.append(spent() - before)
print(sum(beside[-100:]))
"""


@pytest.mark.skipif(sys.platform != "linux" or cores() < 2, reason="threads of a second core, told by /proc")
def test_its_song_takes_one_thread_whatever_the_process_may_use():
    """Threads of a linear algebra library would spend their time beside it, and go on looking for work afterwards, as
    they do at first, when they have just been made."""
    asked = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    sung = subprocess.run([sys.executable, "-c", SONGS], env=asked, capture_output=True, text=True, check=True)
    assert int(sung.stdout) == 0
