"""The doctor on made-up machines: what it reads from the kernel's files, and that every complaint comes with advice."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.doctor import Finding, Machine, findings
from harness.doctor.limits import cpu_limit, limit_findings, memory_limit
from harness.doctor.load import load_findings, processes_finding
from harness.doctor.processor import processor_findings
from harness.doctor.records import record_findings
from harness.doctor.selftest import SelfTest, self_test, self_test_findings
from harness.doctor.software import software_findings
from harness.doctor.tools import tool_findings, tools
from harness.records import Calibration, Calibrations
from harness.store import write_calibrations
from tests.fakes import PLAIN
from tests.needy_fakes import NEEDY, Needy, worked

GB = 10**9


def plant(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(proc=tmp_path / "proc", sys=tmp_path / "sys", results=tmp_path / "results", cpus=(0, 1), wait=never)


def never(seconds: float) -> None:
    """A made-up machine stands still."""


def said(found: list[Finding], start: str) -> Finding:
    [finding] = [finding for finding in found if finding.what.startswith(start)]
    return finding


def word(found: list[Finding], start: str) -> str:
    return said(found, start).word


VERSION_2 = {
    "proc/self/cgroup": "0::/service/unit",
    "sys/fs/cgroup/cpu.max": "max 100000",
    "sys/fs/cgroup/service/cpu.max": "150000 100000",
    "sys/fs/cgroup/service/unit/cpu.max": "max 100000",
    "sys/fs/cgroup/service/memory.max": "2000000000",
    "sys/fs/cgroup/service/unit/memory.max": "max",
    "sys/fs/cgroup/service/cpu.stat": "usage_usec 9\nnr_periods 400\nnr_throttled 100\nthrottled_usec 2500000",
}
VERSION_1 = {
    "proc/self/cgroup": "4:memory:/service\n3:cpu,cpuacct:/service/unit\n1:name=systemd:/",
    "sys/fs/cgroup/cpu,cpuacct/service/cpu.cfs_quota_us": "150000",
    "sys/fs/cgroup/cpu,cpuacct/service/cpu.cfs_period_us": "100000",
    "sys/fs/cgroup/cpu,cpuacct/service/unit/cpu.cfs_quota_us": "-1",
    "sys/fs/cgroup/cpu,cpuacct/service/unit/cpu.cfs_period_us": "100000",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    "sys/fs/cgroup/memory/service/memory.limit_in_bytes": "2000000000",
    "sys/fs/cgroup/cpu,cpuacct/service/cpu.stat": "nr_periods 400\nnr_throttled 100\nthrottled_time 2500000000",
}
MEMORY = {"proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB"}


@pytest.mark.parametrize("files", [VERSION_2, VERSION_1], ids=["v2", "v1"])
def test_the_tightest_limit_of_any_control_group_above_counts(machine: Machine, tmp_path: Path, files: dict) -> None:
    plant(tmp_path, files | MEMORY)
    assert cpu_limit(machine) == 1.5
    assert memory_limit(machine) == 2 * GB
    found = list(limit_findings(machine))
    quota, throttled = said(found, "processor quota"), said(found, "throttling")
    assert quota.word == "noisy" and "1.5 of 2 cores" in quota.what and "threads: 1" in quota.advice
    assert throttled.word == "noisy" and "100 times, 2.5 s in all, in 25 % of" in throttled.what
    assert "2.0 GB" in said(found, "memory limit").what


def test_without_control_groups_nothing_is_limited(machine: Machine, tmp_path: Path) -> None:
    plant(tmp_path, MEMORY)
    assert cpu_limit(machine) is None and memory_limit(machine) is None
    found = list(limit_findings(machine))
    assert word(found, "processor quota: none") == "ok"
    assert not [finding for finding in found if finding.what.startswith(("throttling", "memory limit", "swap"))]


@pytest.mark.parametrize(("text", "cores"), [("max 100000", None), ("150000 100000", 1.5), ("", None), ("a b", None)])
def test_a_quota_is_read_or_there_is_none(machine: Machine, tmp_path: Path, text: str, cores: float | None) -> None:
    plant(tmp_path, {"sys/fs/cgroup/cpu.max": text})
    assert cpu_limit(machine) == cores


def test_memory_on_the_disk_is_noise(machine: Machine, tmp_path: Path) -> None:
    swapped = MEMORY["proc/meminfo"].replace("SwapTotal: 0", "SwapTotal: 4000000").replace("SwapFree: 0", "SwapFree: 0")
    plant(tmp_path, {"proc/meminfo": swapped})
    assert word(list(limit_findings(machine)), "swap: 4.1 GB") == "noisy"


CPU = "sys/devices/system/cpu"
QUIET = {
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "performance",
    f"{CPU}/cpu0/topology/thread_siblings_list": "0",
    f"{CPU}/cpu1/topology/thread_siblings_list": "1",
    f"{CPU}/intel_pstate/no_turbo": "1",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    "sys/class/thermal/thermal_zone0/temp": "48000",
    "proc/sys/kernel/randomize_va_space": "2",
}


def test_a_quiet_processor_is_ok_throughout(machine: Machine, tmp_path: Path) -> None:
    plant(tmp_path, QUIET)
    assert {finding.word for finding in processor_findings(machine)} == {"ok"}


@pytest.mark.parametrize(
    ("changed", "start", "advised"),
    [
        (
            {f"{CPU}/cpu1/cpufreq/scaling_governor": "powersave"},
            "frequency governor: performance, powersave",
            "cpupower",
        ),
        ({f"{CPU}/intel_pstate/no_turbo": "0"}, "turbo: on", "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"),
        (
            {f"{CPU}/cpu0/topology/thread_siblings_list": "0-1", f"{CPU}/cpu1/topology/thread_siblings_list": "0-1"},
            "cores: processors 0 and 1 are threads of one core",
            "taskset -c 0 ",
        ),
        ({"sys/class/thermal/thermal_zone0/temp": "97500"}, "temperature: 98 °C", "cool"),
        ({f"{CPU}/cpu1/thermal_throttle/core_throttle_count": "7"}, "heat: clock rates were lowered 7 times", "cool"),
        (
            {"sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"},
            "clock source: hpet",
            "clocksource=tsc",
        ),
    ],
    ids=["governor", "turbo", "smt", "hot", "throttled", "clock"],
)
def test_what_makes_a_processor_noisy_is_found(
    machine: Machine, tmp_path: Path, changed: dict, start: str, advised: str
) -> None:
    plant(tmp_path, QUIET | changed)
    found = list(processor_findings(machine))
    finding = said(found, start)
    assert finding.word == "noisy" and advised in finding.advice
    assert [one.word for one in found].count("noisy") == 1


def test_boost_of_another_driver_has_the_opposite_sense(machine: Machine, tmp_path: Path) -> None:
    others = {name: text for name, text in QUIET.items() if "no_turbo" not in name}
    plant(tmp_path, others | {f"{CPU}/cpufreq/boost": "1"})
    turbo = said(list(processor_findings(machine)), "turbo")
    assert turbo.word == "noisy" and "echo 0 > /sys/devices/system/cpu/cpufreq/boost" in turbo.advice
    plant(tmp_path, {f"{CPU}/cpufreq/boost": "0"})
    assert word(list(processor_findings(machine)), "turbo: off") == "ok"


STAT = "cpu  100 0 100 700 0 0 0 {steal} 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1"
LOAD = {
    "proc/loadavg": "0.10 0.20 0.30 1/100 999",
    "proc/stat": STAT.format(steal=0),
    "proc/pressure/cpu": "some avg10=1.50 avg60=0.87 avg300=0.73 total=4455",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0",
    "proc/pressure/io": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0",
}


def test_an_idle_machine_is_quiet(machine: Machine, tmp_path: Path) -> None:
    plant(tmp_path, LOAD)
    found = [finding for finding in load_findings(machine) if not finding.what.startswith("other processes")]
    assert {finding.word for finding in found} == {"ok"} and len(found) == 3


def test_load_stalls_and_stolen_time_are_noise(tmp_path: Path) -> None:
    plant(tmp_path, LOAD | {"proc/loadavg": "3.10 0.20 0.30 2/100 9"})
    plant(tmp_path, {"proc/pressure/cpu": "some avg10=40.5 avg60=1 avg300=1 total=1"})

    def half_a_second_of_which_a_quarter_is_stolen(_: float) -> None:
        plant(tmp_path, {"proc/stat": "cpu  115 0 115 700 0 0 0 10 0 0"})

    machine = Machine(
        proc=tmp_path / "proc", sys=tmp_path / "sys", cpus=(0, 1), wait=half_a_second_of_which_a_quarter_is_stolen
    )
    found = list(load_findings(machine))
    assert word(found, "load over 1, 5 and 15 minutes: 3.10, 0.20, 0.30 on 2 cores") == "noisy"
    assert word(found, "stolen time: 25.0 % now, 0.0 % since boot") == "noisy"
    stalls = said(found, "waiting for")
    assert stalls.word == "noisy" and stalls.advice == "more wants to run than there are cores"


def test_a_kernel_that_says_nothing_is_missing_something(machine: Machine) -> None:
    found = list(load_findings(machine))
    for start in ("load", "stolen time", "stalls"):
        assert word(found, start) == "missing"


def test_who_takes_the_processor_is_named_with_its_share() -> None:
    finding = processes_finding([("python", 0.97), ("cc1plus", 0.5), ("sh", 0.01)])
    assert finding.word == "noisy" and finding.what == "other processes, of one core: python 97 %, cc1plus 50 %"
    assert processes_finding([("sh", 0.01)]).word == "ok"


@pytest.mark.parametrize(
    ("name", "value", "start", "expected"),
    [
        ("LD_PRELOAD", "/usr/lib/libjemalloc.so.2", "allocator: jemalloc", "noisy"),
        ("MALLOC_ARENA_MAX", "1", "allocator: MALLOC_ARENA_MAX", "note"),
        ("OMP_PROC_BIND", "close", "threads: OMP_PROC_BIND", "note"),
    ],
)
def test_what_workers_would_inherit_is_told(machine: Machine, name: str, value: str, start: str, expected: str) -> None:
    given = Machine(proc=machine.proc, sys=machine.sys, cpus=(0, 1), variables={name: value}.get)
    assert word(list(software_findings(given)), start) == expected


@pytest.mark.parametrize(
    ("asked", "expected", "says"),
    [("nonsense -v", "missing", "C++ compiler: no nonsense"), (f"{sys.executable} -v", "ok", sys.executable)],
)
def test_the_compiler_is_the_one_that_the_environment_names(
    machine: Machine, asked: str, expected: str, says: str
) -> None:
    given = Machine(proc=machine.proc, sys=machine.sys, cpus=(0, 1), variables={"CXX": asked}.get)
    finding = said(list(software_findings(given)), "C++ compiler")
    assert finding.word == expected and says in finding.what


def test_what_levels_need_is_found_or_missing_with_the_reason() -> None:
    answer = json.dumps({"native libraries": "no C++ compiler found", "torch.compile": ""})
    lacking, works = tool_findings(("-c", f"print('a driver greets'); print({answer!r})"))
    assert (lacking.word, lacking.what) == ("missing", "native libraries: no C++ compiler found") and lacking.advice
    assert (works.word, works.what) == ("ok", "torch.compile: found")


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "print('no JSON')", ""])
def test_what_cannot_be_asked_is_a_finding_and_no_crash(program: str) -> None:
    [finding] = tool_findings(("-c", program))
    assert finding.word == "missing" and "could not be asked" in finding.what and finding.advice


def test_a_tool_that_one_system_misses_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.doctor.tools.system_names", lambda: ["one", "another", "plain"])
    other = Needy("other", (), worked)
    monkeypatch.setattr(other, "tools", lambda: {"wand": "", "hand": ""})
    systems = {"one": NEEDY, "another": other, "plain": PLAIN}
    monkeypatch.setattr("harness.doctor.tools.load_system", systems.__getitem__)
    assert tools() == NEEDY.tools()


def test_huge_pages_at_the_kernels_whim_are_noted(machine: Machine, tmp_path: Path) -> None:
    plant(tmp_path, {"sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never"})
    assert word(list(software_findings(machine)), "huge pages: given whenever") == "note"


@pytest.mark.parametrize(("made", "expected"), [("2026-05-30", "ok"), ("2026-04-01", "note")])
def test_a_calibration_of_this_machine_has_an_age(machine: Machine, made: str, expected: str) -> None:
    calibration = Calibration(
        run="r",
        suite="mine",
        suite_sha256="",
        machine_id="here",
        code_sha256="",
        preset="quick",
        made=f"{made}T00:00:00+00:00",
        margin=0.02,
        contrasts=(),
        false_alarms=0,
        order_effect=None,
    )
    write_calibrations(machine.results, "mine", Calibrations(machines={"here": calibration}))
    now = datetime(2026, 6, 1, tzinfo=UTC)
    finding = said(list(record_findings(machine, "here", now)), "calibration of mine")
    assert finding.word == expected and bool(finding.advice) == (expected == "note")
    assert word(list(record_findings(machine, "there", now)), "calibrations: none of this machine") == "missing"


def test_a_damaged_record_is_a_finding_and_no_crash(machine: Machine, tmp_path: Path) -> None:
    plant(tmp_path, {"results/calibrations/mine.json": "{"})
    [finding] = [one for one in record_findings(machine, "here") if "mine.json" in one.what]
    assert finding.word == "missing" and finding.advice


def steady(**changed: object) -> SelfTest:
    return SelfTest(**{"times_s": (0.003,) * 100, "lost": (0.0,) * 100, "gaps_s": (), "watched_s": 1.0, **changed})


def test_a_machine_that_holds_still_passes_the_self_test() -> None:
    assert {finding.word for finding in self_test_findings(steady())} == {"ok"}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"times_s": (0.003,) * 80 + (0.006,) * 20}, "spread by 100.0 %"),
        ({"lost": (0.0,) * 70 + (0.5,) * 30}, "30 % of its calls lost over 2 %"),
        ({"gaps_s": (0.004, 0.0001)}, "interrupted 2 times a second, for 4 ms at the longest"),
    ],
    ids=["spread", "disturbed", "gap"],
)
def test_the_self_test_tells_each_disturbance_apart(changed: dict, says: str) -> None:
    [noisy] = [finding for finding in self_test_findings(steady(**changed)) if finding.word == "noisy"]
    assert says in noisy.what and noisy.advice


def test_a_sample_hit_by_the_longest_gap_reads_so_much_longer() -> None:
    [told] = [one for one in self_test_findings(steady(gaps_s=(0.004,))) if "interrupted" in one.what]
    assert "a sample of 1 ms hit by that would read 5 times its time" in told.what


def test_the_self_test_measures_this_machine() -> None:
    test = self_test(kernel_s=0.1, gap_s=0.05)
    assert len(test.times_s) == len(test.lost) > 1 and min(test.times_s) > 0
    assert all(0 < gap < 60 for gap in test.gaps_s)


def test_the_doctor_advises_wherever_something_is_noisy_or_missing(machine: Machine) -> None:
    found = list(findings(Machine(), quick=True)) + list(findings(machine, quick=True))
    assert all(finding.advice for finding in found if finding.word in ("noisy", "missing"))
    assert not any(finding.what.startswith("self test") for finding in found)
