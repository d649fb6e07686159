"""Every clock reads what the device spent, not what the host spent issuing it."""

import time
from collections.abc import Callable

import pytest

from harness.errors import UsageError
from harness.measure.clock import CpuClock, clock_of, mark_cost
from harness.measure.virtual import VirtualClock


def reads_device_time(clock: VirtualClock, read: Callable[[Callable[[], None]], float]) -> bool:
    """The contract: 3 ms of queued work reads as 3 ms, whatever was queued before the first mark."""
    clock.launch(0.5)
    return read(lambda: clock.launch(3e-3)) == pytest.approx(3e-3, rel=1e-9)


def test_marks_read_queued_work_exactly():
    clock = VirtualClock()

    def read(work: Callable[[], None]) -> float:
        start = clock.mark()
        work()
        end = clock.mark()
        return clock.resolve([start, end])[1]

    assert reads_device_time(clock, read)


def test_a_reader_of_host_time_fails_the_contract():
    clock = VirtualClock()

    def read(work: Callable[[], None]) -> float:
        start = clock.host_s
        work()
        return clock.host_s - start

    assert not reads_device_time(clock, read)


def test_resolve_waits_for_the_device_once_and_keeps_order():
    clock = VirtualClock()
    marks = [clock.mark()]
    for seconds in (0.25, 0.5, 1.0):
        clock.launch(seconds)
        marks.append(clock.mark())
    launch = VirtualClock.launch_s
    assert clock.resolve(marks) == pytest.approx([0.0, 0.25 + launch, 0.75 + launch, 1.75 + launch], rel=1e-9)
    assert clock.host_s == clock.device_s


def test_host_work_is_not_overlapped_with_the_queue():
    clock = VirtualClock()
    clock.launch(1.0)
    start = clock.mark()
    clock.advance(0.5)
    assert clock.resolve([start, clock.mark()])[1] == pytest.approx(0.5, rel=1e-9)


def test_the_cpu_clock_brackets_the_time_that_passed():
    clock = CpuClock()
    outer = time.perf_counter()
    start = clock.mark()
    inner = time.perf_counter()
    sum(range(200_000))
    least = time.perf_counter() - inner
    end = clock.mark()
    most = time.perf_counter() - outer
    assert least <= clock.resolve([start, end])[1] <= most


def test_a_device_without_a_clock_is_named():
    with pytest.raises(UsageError, match="device 'cuda': no clock for it yet"):
        clock_of("cuda")


def test_a_mark_costs_something_and_the_cost_is_reproducible():
    costs = [mark_cost(CpuClock()) for _ in range(3)]
    assert all(cost > 0 for cost in costs)
