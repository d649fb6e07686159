"""A device is asked without torch, refused in words where it is not, and what held it back leaves pairs out."""

import json
import sys
from types import SimpleNamespace

import pytest
import torch
from analysis_helpers import block, sample
from device_helpers import FakeDevice, FakeNvml

from harness.measure import canary as canary_module
from harness.measure import device, device_watch
from harness.measure.canary import DeviceCanary
from harness.measure.clock import DeviceClock
from harness.measure.device import NONE_HERE, Facts
from harness.measure.device_facts import facts_of, fix_settings
from harness.measure.device_findings import device_findings
from harness.measure.device_watch import DeviceWatch, NvmlSensor, Reading, Unreadable, XpuSensor, sensor_of
from harness.measure.trial import WRAPPED, _Bench
from harness.measure.virtual import VirtualClock
from harness.stats.disturbed import CLOCK_DROP, clock_note, judged_by_clock
from harness.stats.pairing import paired, pairs

A, B = ("a", "bare"), ("b", "bare")
FACTS = Facts(name="H100", driver="driver 575, CUDA 13.0", id="1", memory_bytes=80 * 10**9, free_bytes=79 * 10**9)


def planted(root, *files):
    for name, text in files:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


INTEL = ("sys/class/drm/renderD128/device/vendor", "0x8086\n")
NVIDIA = (
    ("dev/nvidia0", ""),
    ("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t H100\nIRQ:  5\nGPU UUID: \t GPU-77\n"),
)


def test_nodes_are_found_and_the_render_node_of_another_maker_is_none_of_xpu(tmp_path):
    root = planted(tmp_path, ("dev/dri/renderD128", ""), ("dev/nvidiactl", ""), INTEL)
    assert [node.name for node in device.nodes("xpu", root)] == ["renderD128"]
    assert device.nodes("cuda", root) == []
    planted(root, ("sys/class/drm/renderD128/device/vendor", "0x1002\n"), *NVIDIA)
    assert device.nodes("xpu", root) == []
    assert [node.name for node in device.nodes("cuda", root)] == ["nvidia0"]
    assert device.nodes("cpu", root) == []


def test_the_machine_is_known_by_its_devices_and_by_those_that_may_be_used(tmp_path, monkeypatch):
    assert device.identity(tmp_path) == ""
    root = planted(tmp_path, *NVIDIA)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert device.identity(root) == "Model: \t H100|GPU UUID: \t GPU-77"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert device.identity(root).endswith("CUDA_VISIBLE_DEVICES=1")


@pytest.fixture
def asked():
    """The device is asked anew, and the answer forgotten."""
    device.facts.cache_clear()
    yield
    device.facts.cache_clear()


def test_without_a_device_node_nothing_is_started(monkeypatch, asked):
    monkeypatch.setattr(device, "nodes", lambda _: [])
    monkeypatch.setattr(device.subprocess, "run", lambda *_, **__: pytest.fail("started"))
    assert device.absent("cuda") == NONE_HERE
    assert device.absent("cpu") == device.absent("virtual") == ""
    assert device.not_run(frozenset({"cpu"})) == dict.fromkeys(("cuda", "xpu"), f"untested, {NONE_HERE}")


def test_with_a_node_the_answer_of_a_process_of_its_own_counts(monkeypatch, asked):
    answers = SimpleNamespace(stdout=f"driver says hello\n{json.dumps({'name': 'H100', 'free_bytes': 5})}\n", stderr="")
    monkeypatch.setattr(device, "nodes", lambda _: ["/dev/nvidia0"])
    monkeypatch.setattr(device.subprocess, "run", lambda *_, **__: answers)
    assert device.facts("cuda") == Facts(name="H100", free_bytes=5)
    assert device.not_run(frozenset({"cuda"}))["xpu"] == "not run on this device, though the machine may have one"


@pytest.mark.parametrize(("answer", "errors", "why"), [("", "a\nSegfault\n", "Segfault"), ("[1]", "", "no message")])
def test_a_device_that_cannot_be_asked_is_absent_with_its_last_words(answer, errors, why):
    assert device.understood(answer, errors).absent == f"it could not be asked ({why})"


def test_the_process_that_asks_gives_one_line_whatever_torch_was_built_for():
    if torch.xpu.is_available():
        pytest.skip("there is an xpu device here")
    assert device.asked("xpu").absent == f"torch {torch.__version__} finds no xpu device it can use"


def fake_torch(**properties):
    module = SimpleNamespace(
        is_available=lambda: True,
        current_device=lambda: 0,
        get_device_properties=lambda _: SimpleNamespace(name="H100", total_memory=80, uuid="1", **properties),
        mem_get_info=lambda: (79, 80),
    )
    version = SimpleNamespace(cuda="13.0")
    return SimpleNamespace(__version__="2.13", version=version, cuda=module, xpu=module)


def test_a_cuda_device_tells_name_memory_driver_and_settings(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    found = facts_of("cuda", fake_torch())
    assert (found.absent, found.name, found.id, found.memory_bytes, found.free_bytes) == ("", "H100", "1", 80, 79)
    assert found.driver == "driver 575.57, CUDA 13.0"
    assert found.unread == ""
    assert found.settings["matmul_tf32"] is found.settings["cudnn_tf32"] is found.settings["cudnn_benchmark"] is False


def test_without_the_management_library_it_says_what_is_not_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = facts_of("cuda", fake_torch())
    assert "no nvidia-ml-py" in found.unread
    assert found.driver == "CUDA 13.0"


def test_an_xpu_without_float64_or_a_free_memory_query_says_so():
    torch_like = fake_torch(has_fp64=False, driver_version="1.6")
    del torch_like.xpu.mem_get_info
    found = facts_of("xpu", torch_like)
    assert (found.float64, found.free_bytes, found.driver) == (False, 80, "1.6")
    assert "clock and throttle reasons of xpu are not read" in found.unread


def test_the_settings_of_a_worker_are_those_of_the_process_that_asks():
    before = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cudnn.benchmark = True
        assert fix_settings("cuda")["cudnn_benchmark"] is torch.backends.cudnn.benchmark is False
        assert fix_settings("xpu")["float32_matmul_precision"] == torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = before


def test_throttling_is_told_in_words_and_an_idle_or_set_clock_is_none():
    sensor = NvmlSensor(FakeNvml(clocks=[1000, 1980, 1755], masks=[0, 0x103, 0x24]), "1")
    watch = DeviceWatch(sensor)
    before = watch.read()
    assert before == Reading(1.98e9)
    noticed = watch.between(before, watch.read())
    assert noticed.clock_hz == 1.755e9
    assert noticed.disturbed == "throttled: power cap, thermal slowdown by software"
    assert (noticed.cpu_s, noticed.lost_share) == (None, None)


def test_a_slice_of_a_device_is_watched_through_the_whole_one():
    assert NvmlSensor(FakeNvml(uuid="MIG-9"), "9").handle == "parent of MIG-9"


def test_what_a_device_does_not_tell_is_unread_and_nothing_is_made_up():
    sensor = NvmlSensor(FakeNvml(clocks=[-1], masks=[-1]), "1")
    assert sensor.unread == "this device does not tell its clock and throttle reasons"
    assert sensor.read() == Reading(None, frozenset())


def test_an_older_library_is_asked_under_the_older_name():
    class Older(FakeNvml):
        def nvmlDeviceGetCurrentClocksEventReasons(self, handle):  # noqa: N802
            raise self.NVMLError("Function Not Found")

        def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle):  # noqa: N802
            return 0x40

    assert NvmlSensor(Older(), "1").read().reasons == {"thermal slowdown by hardware"}


def test_the_clock_of_an_xpu_is_read_where_torch_reads_it():
    assert XpuSensor(SimpleNamespace(clock_rate=lambda: 1600.0)).read() == Reading(1.6e9)
    assert sensor_of("xpu", SimpleNamespace()).read() == Reading()


def compared(*clocks, words=("", "")):
    """Blocks of b and a; a at the given clocks, b always at 2 GHz."""
    return [
        block(
            sample("b", 0.01, 0, cpu=None, lost=None, clock_hz=2e9),
            sample("a", 0.02, 1, cpu=None, lost=None, clock_hz=clock, disturbed=words[0] if i == 0 else ""),
            number=i,
        )
        for i, clock in enumerate(clocks)
    ]


def test_a_pair_at_a_clock_far_below_the_median_is_left_out_with_its_reason():
    slow = 2e9 * (1 - CLOCK_DROP) - 1e6
    found = paired(pairs(judged_by_clock(compared(2e9, slow, 2e9, 1.95e9)), A, B), one_thread=True)
    assert (found.kept, found.excluded) == (3, 1)
    assert found.disturbed == ("clock more than 5% below the run's median",)


def test_a_throttled_pair_is_left_out_and_half_of_them_make_it_degraded():
    hot = ("throttled: thermal slowdown by software", "")
    few = paired(pairs(judged_by_clock(compared(2e9, 2e9, 2e9, words=hot)), A, B), one_thread=True)
    assert (few.kept, few.excluded, few.disturbed) == (2, 1, hot[:1])
    most = paired(pairs(judged_by_clock(compared(1e9, 1e9, 1e9, 2e9)), A, B), one_thread=True)
    assert (most.clock, most.degraded, most.kept) == ("wall", True, 4)


@pytest.mark.parametrize(
    ("clock", "word", "left"),
    [
        (1.95e9, "throttled: power cap", ""),
        (1.5e9, "throttled: power cap", "throttled: power cap; clock more than 5% below the run's median"),
        (1.95e9, "throttled: power brake, power cap", "throttled: power brake, power cap"),
        (None, "throttled: power cap", "throttled: power cap"),
    ],
)
def test_a_power_cap_disturbs_where_the_clock_fell_or_cannot_be_read(clock, word, left):
    capped, *_ = judged_by_clock(compared(clock, 2e9, 2e9, words=(word, "")))
    assert [one.disturbed for one in capped.samples] == ["", left]


def test_what_the_clock_did_is_said_as_it_was_recorded():
    blocks = compared(1.95e9, 2e9, 2e9, words=("throttled: power cap", ""))
    said = "the device's clock was between 1950 and 2000 MHz, 2000 in the median; 1 of 6 samples met its power cap"
    assert clock_note(blocks) == said
    assert clock_note(compared(2e9)) == "the device's clock was between 2000 and 2000 MHz, 2000 in the median"
    assert clock_note([block(sample("b", 0.01, 0))]) == ""


def test_without_a_reading_nothing_is_left_out():
    blocks = [block(sample("b", 0.01, 0), sample("a", 0.02, 1))]
    assert judged_by_clock(blocks) == blocks


def bench(clock, sensor=None):
    made = object.__new__(_Bench)
    made.clock, made.watch = clock, DeviceWatch(sensor or Unreadable(""))
    return made


def test_a_sample_bound_by_its_launches_reads_the_same_whatever_was_queued_before():
    fake = FakeDevice()
    made = bench(DeviceClock("cuda", fake))

    def many_small_launches():
        for _ in range(1000):
            fake.queue.launch(0.0)

    quiet = made._timed(many_small_launches)
    fake.queue.launch(0.5)
    behind = made._timed(many_small_launches)
    assert behind.time_s == pytest.approx(quiet.time_s, rel=1e-6)
    assert quiet.time_s == pytest.approx(1000 * VirtualClock.launch_s, rel=1e-6)
    assert (quiet.cpu_s, quiet.lost_share) == (None, None)


def test_the_sensor_is_read_outside_the_marks():
    fake = FakeDevice()

    class Slow:
        unread = ""

        def read(self):
            fake.queue.advance(0.25)
            return Reading(1e9)

    timing = bench(DeviceClock("cuda", fake), Slow())._timed(lambda: fake.queue.launch(1e-3))
    assert timing.time_s == pytest.approx(1e-3 + VirtualClock.launch_s, rel=1e-6)
    assert timing.clock_hz == 1e9


def test_a_sample_in_which_the_timer_wrapped_is_kept_without_a_time():
    fake = FakeDevice(number=float, wraps_s=1.0)
    fake.queue.advance(0.9)
    timing = bench(DeviceClock("xpu", fake))._timed(lambda: fake.queue.launch(0.5))
    assert (timing.time_s, timing.disturbed) == (0.0, WRAPPED)


def test_the_canary_of_a_device_does_fixed_work_through_torch(monkeypatch):
    monkeypatch.setattr(canary_module, "DEVICE_SIZE", 64)
    monkeypatch.setattr(canary_module, "DEVICE_STREAM", 1000)
    canary = DeviceCanary("cpu")
    canary.sing()
    truth = canary.left.double() @ canary.right.double()
    assert torch.allclose(canary.product.double(), truth, atol=1e-2)
    assert torch.equal(canary.sink, canary.stream * 0.5)


def test_the_doctor_says_untested_without_a_device_and_starts_none():
    assert device_findings(lambda _: Facts(absent=NONE_HERE), lambda: pytest.fail("asked")) == [
        ("untested", "cuda: untested, no such device on this machine", ""),
        ("untested", "xpu: untested, no such device on this machine", ""),
    ]


def told(facts=FACTS, **nvml):
    answers = {"cuda": facts, "xpu": Facts(absent=NONE_HERE)}
    return {
        (word, what): advice for word, what, advice in device_findings(answers.__getitem__, lambda: FakeNvml(**nvml))
    }


def test_the_doctor_tells_a_quiet_device():
    found = told()
    assert [word for word, _ in found] == ["ok", "note", "ok", "ok", "untested"]
    assert ("ok", "cuda: H100, driver 575, CUDA 13.0, 80.0 GB, 79.0 GB free") in found
    tried = "cuda: of such devices semh's authors had one, an NVIDIA H100"
    assert found["note", tried] == "`make cuda` tests it on this one"


def test_the_doctor_names_who_else_is_on_a_device_and_what_holds_it_back():
    found = told(processes=[(7, 3 * 10**9), (8, None)], masks=[0x40], persistence=0)
    assert ("noisy", "cuda: 2 other processes on the device: 7 (3.0 GB), 8") in found
    assert ("noisy", "cuda: held back now by thermal slowdown by hardware") in found
    assert (
        found["note", "cuda: persistence mode is off, the driver starts anew for every process"] == "nvidia-smi -pm 1"
    )


def test_the_doctor_says_what_makes_a_device_usable():
    (word, what, advice), *_ = device_findings(lambda _: Facts(absent="torch 2.13+cpu finds no cuda device it can use"))
    assert (word, what) == ("missing", "cuda: torch 2.13+cpu finds no cuda device it can use")
    assert "a build of torch for cuda" in advice
    taken = told(Facts(**{**FACTS.__dict__, "free_bytes": 60 * 10**9, "unread": "no clock"}))
    assert {word for word, _ in taken} == {"ok", "note", "missing", "noisy", "untested"}
    assert device_watch.REASONS.keys() == {4, 8, 32, 64, 128}
