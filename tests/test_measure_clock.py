"""Every clock reads what the device spent, not what the host spent issuing it."""

import math
import time

import numpy as np
import pytest
import torch
from clock_contract import RULES
from device_helpers import FakeDevice
from stages_helpers import BACKWARD, FORWARD, PATHS, Model, times_of

from harness.errors import UsageError
from harness.measure.clock import POOL, ClockError, CpuClock, DeviceClock, clock_of, mark_cost
from harness.measure.virtual import VirtualClock

UNIT = 1e-3
FLOAT32 = 2.0**-24


def virtual():
    clock = VirtualClock()
    return clock, clock


def cuda():
    device = FakeDevice()
    return DeviceClock("cuda", device), device.queue


def xpu():
    device = FakeDevice(number=float)
    return DeviceClock("xpu", device), device.queue


class HostReader:
    """Reads the host's clock at every mark, as a benchmark does that forgets to wait."""

    name = "host"

    def __init__(self, queue):
        self.queue = queue

    def mark(self):
        return self.queue.host_s

    def resolve(self, tokens):
        self.queue.synchronise()
        return [token - tokens[0] for token in tokens]

    def synchronise(self):
        self.queue.synchronise()


class Waiter(HostReader):
    """Waits for the device before it reads the host's clock: right, but it keeps the host from running ahead."""

    def mark(self):
        self.queue.synchronise()
        return super().mark()


def holds(rule, clock, queue):
    return RULES[rule](clock, queue.launch, UNIT).holds(slack_s=VirtualClock.launch_s, relative=2 * FLOAT32)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("made", [virtual, cuda, xpu])
def test_every_clock_keeps_the_contract(made, rule):
    assert holds(rule, *made())


@pytest.mark.parametrize("rule", sorted(RULES.keys() - {"a_second_reading"}))
def test_a_reader_of_host_time_fails_every_rule(rule):
    queue = VirtualClock()
    assert not holds(rule, HostReader(queue), queue)


def test_a_reader_that_waits_before_every_look_keeps_the_rules_too():
    queue = VirtualClock()
    assert all(holds(rule, Waiter(queue), queue) for rule in RULES)


@pytest.mark.parametrize("made", [virtual, cuda, xpu])
def test_stages_are_told_apart_forward_and_backward_while_the_host_runs_ahead(made):
    clock, queue = made()

    class Launches:
        """What the stages of test_measure_stages call: work put into the queue, not waited for."""

        def advance(self, seconds):
            queue.launch(seconds)

    clock.synchronise()
    before = queue.host_s
    model = Model(Launches())
    handles = []
    times = times_of_ahead(model, clock, queue, handles)
    assert handles[0] - before < 0.01  # the host was done with issuing long before the 23 s of work were
    slack = {"abs": 8 * VirtualClock.launch_s, "rel": 2 * FLOAT32}
    assert {name: times[name] for name in FORWARD} == pytest.approx(FORWARD, **slack)
    assert {name: times[f"{name}.backward"] for name in BACKWARD} == pytest.approx(BACKWARD, **slack)


def times_of_ahead(model, clock, queue, issued):
    """`times_of`, with a look at the host's time when the last mark was set."""

    class Noting:
        name = clock.name

        def mark(self):
            issued[:] = [queue.host_s]
            return clock.mark()

        def resolve(self, tokens):
            return clock.resolve(tokens)

    return times_of(model, Noting(), PATHS)


def test_resolve_waits_for_the_device_and_keeps_order():
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


def test_a_device_clock_makes_its_events_beforehand_and_waits_once_per_reading():
    device = FakeDevice()
    clock = DeviceClock("cuda", device)
    made, waits = device.made, device.waits
    for _ in range(3):
        clock.resolve([clock.mark() for _ in range(POOL)])
    assert (device.made, device.waits) == (made, waits + 3)
    assert made == POOL


def test_a_mark_whose_event_was_used_again_is_noticed():
    clock = DeviceClock("cuda", FakeDevice())
    first = clock.mark()
    for _ in range(POOL):
        clock.mark()
    with pytest.raises(ClockError, match="1026 marks since the first one"):
        clock.resolve([first, clock.mark() - 1])


def test_a_short_stage_late_in_a_long_call_keeps_its_precision():
    """Against the first mark, a float32 number of milliseconds would know it to 64 us."""
    device = FakeDevice()
    clock = DeviceClock("cuda", device)
    marks = [clock.mark()]
    for seconds in (1000.0, 0.9e-3, 0.7e-3):
        device.queue.launch(seconds)
        marks.append(clock.mark())
    at = clock.resolve(marks)
    assert [at[2] - at[1], at[3] - at[2]] == pytest.approx([0.9e-3, 0.7e-3], rel=1e-6)


def test_where_the_timer_wrapped_there_is_no_number_and_none_is_made_up():
    device = FakeDevice(number=float, wraps_s=10.0)
    clock = DeviceClock("xpu", device)
    marks = [clock.mark()]
    for _ in range(4):
        device.queue.launch(4.0)
        marks.append(clock.mark())
    at = clock.resolve(marks)
    assert at[:3] == pytest.approx([0.0, 4.0, 8.0], abs=1e-5)
    assert all(math.isnan(second) for second in at[3:])


def test_nothing_is_read_of_nothing():
    assert DeviceClock("cuda", FakeDevice()).resolve([]) == CpuClock().resolve([]) == []


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
    with pytest.raises(UsageError, match="device 'tpu': no clock for it; measured here are cpu, cuda and xpu"):
        clock_of("tpu")


@pytest.mark.parametrize("name", ["cuda", "xpu"])
def test_the_clock_of_a_device_is_torchs(monkeypatch, name):
    device = FakeDevice()
    monkeypatch.setattr(torch, name, device)
    clock = clock_of(name)
    assert (clock.name, clock.device) == (name, device)


def test_a_mark_costs_something():
    assert all(mark_cost(CpuClock()) > 0 for _ in range(3))


def test_the_cost_of_a_mark_on_a_device_is_read_on_the_device():
    device = FakeDevice(number=np.float64)
    clock = DeviceClock("cuda", device)
    record = device.Event.func.record

    class Costly(device.Event.func):
        def record(self, stream=None):
            device.queue.launch(2e-6)
            record(self, stream)

    clock.pool = [Costly(device, enable_timing=True) for _ in range(POOL)]
    for event in clock.pool:
        event.record()
    assert mark_cost(clock) == pytest.approx(2e-6, rel=1e-3)
