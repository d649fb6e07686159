"""Lost time is read of every thread there is, though its files are opened once."""

from __future__ import annotations

import threading
import time

import pytest

from harness.measure import lost
from harness.measure.lost import Watch

needs_schedstat = pytest.mark.skipif(not lost.has_schedstat(), reason="this kernel keeps no schedstat")


def waits() -> int:
    return sum(int((task / "schedstat").read_text().split()[1]) for task in lost.TASKS.iterdir())


def gone(thread: threading.Thread) -> None:
    """The kernel lets go of a thread a little later than Python does."""
    thread.join()
    while (lost.TASKS / str(thread.native_id)).exists():
        time.sleep(0.001)


@needs_schedstat
def test_threads_that_come_and_go_are_followed() -> None:
    watch = Watch(threads=1)
    gate = threading.Event()
    others = [threading.Thread(target=gate.wait) for _ in range(3)]
    alone = watch.read()
    for other in others:
        other.start()
    earliest = waits()
    together = watch.read()
    assert together.wait_ns is not None and earliest <= together.wait_ns <= waits()
    assert len(watch.files) == len(list(lost.TASKS.iterdir()))
    gate.set()
    for other in others:
        gone(other)
    after = watch.read()
    assert len(watch.files) == len(list(lost.TASKS.iterdir())) == len(watch.tasks)
    assert alone.wait_ns is not None and after.wait_ns is not None


@needs_schedstat
def test_a_thread_that_ends_between_listing_and_reading_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, gate = Watch(threads=1), threading.Event()
    other = threading.Thread(target=gate.wait)
    other.start()
    assert watch.read().wait_ns is not None
    listed = watch.tasks
    gate.set()
    gone(other)
    with monkeypatch.context() as stale:
        stale.setattr(lost.os, "listdir", lambda _: listed)
        found = watch.read()
    assert found.wait_ns is not None and found.wait_ns <= waits()
