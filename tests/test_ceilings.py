"""Ceilings: what is measured, under which conditions, what is kept, and when it is measured anew."""

from __future__ import annotations

import ctypes
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from limits_helpers import ceiling, world

import cli
from harness import ceilings
from harness.ceilings import Setting, best, ceilings_for, fresh, keep, settings_of, thread_counts, wanted
from harness.conditions import cores
from harness.errors import UsageError
from harness.measure import ceilings as measuring
from harness.measure.environment import machine_id, torch_build
from harness.measure.virtual import VirtualClock
from harness.progress import Silent
from harness.records import Ceilings, Plan, StageCost
from harness.runner import run_plan
from harness.store import read_ceilings, write_ceilings
from tests.runner_helpers import fake_suite, planned, stand_in

COSTS = {"encoder": StageCost(flops=1.0, minimum_bytes=1.0)}
HERE = Setting("cpu", 1, "default", ("float32", "complex64"))

PLANTED = """import json, os, sys
orders = json.loads(sys.argv[1])
log = open(sys.argv[0] + ".log", "a")
names = ("OMP_NUM_THREADS", "MALLOC_MMAP_MAX_")
print(json.dumps([orders["threads"], *(os.environ.get(name) for name in names), os.getpid()]), file=log)
rates = {"copy": 1e10, **{dtype: 1e11 for dtype in orders["dtypes"]}}
print(json.dumps({"passes": [{"rates": rates, "lost_share": 0.01}] * orders["passes"], "cache_bytes": 1000}))
"""


SMALL = """import sys
import harness.measure.ceilings as it
it.working_sets, it.COPY_S, it.SMALLEST, it.PRODUCT_S = lambda *_: (1 << 20, 2 << 20), 1e-3, 64, 1e-3
it.main(sys.argv[1:])
"""


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A process that reads planted rates and logs its conditions."""
    return worker(tmp_path, monkeypatch, PLANTED)


def worker(folder: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> Path:
    file = folder / "planted.py"
    file.write_text(source)
    monkeypatch.setattr(ceilings, "measure", partial(ceilings.measure, worker=("-I", "-S", str(file))))
    return Path(f"{file}.log")


def started(log: Path) -> list[list]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def plan_under(**conditions) -> Plan:
    return world(COSTS, conditions={"threads": 1, **conditions}).plan


def test_small_problems_give_a_positive_rate_for_every_kernel(monkeypatch):
    monkeypatch.setattr(measuring, "SMALLEST", 16)
    monkeypatch.setattr(measuring, "PRODUCT_S", 1e-4)
    monkeypatch.setattr(measuring, "COPY_S", 1e-4)
    dtypes = ("float32", "float64", "complex64", "complex128")
    found = measuring.measure("cpu", 1, dtypes, 2, (1 << 16, 1 << 17))
    assert len(found) == 2
    for one in found:
        assert set(one["rates"]) == {"copy", *dtypes}
        assert all(rate > 0 for rate in one["rates"].values())
        assert one["lost_share"] is None or one["lost_share"] >= 0


@pytest.mark.parametrize("how", ["advance", "launch"])
def test_a_rate_is_the_amount_over_the_median_time_of_a_call(how):
    """Whether the host does the work or a queue: the clock is the device's own."""
    clock, calls = VirtualClock(), iter([9.0, 0.5, 0.5, 0.5, 3.0, 0.5])
    work = lambda: getattr(clock, how)(next(calls))  # noqa: E731
    assert measuring.rate(clock, work, 10.0, budget_s=46.0) == pytest.approx(20.0, rel=1e-5)
    assert list(calls) == []


@pytest.mark.parametrize(
    ("rates", "enough"),
    [([100.0], False), ([100.0, 96.0], True), ([100.0, 94.0], False), ([50.0, 100.0, 70.0, 96.0], True)],
)
def test_passes_end_when_the_best_was_reached_twice(rates, enough):
    assert measuring.agreed(rates) is enough


def test_a_disturbed_machine_gets_all_passes_and_a_quiet_one_two(monkeypatch):
    falling = iter([8.0, 4.0, 2.0, 1.0])
    monkeypatch.setattr(measuring, "rate", lambda *_: next(falling))
    monkeypatch.setattr(measuring, "_copies", lambda *_: iter([(None, 1.0)]))
    found = measuring.measure("cpu", 1, (), 4, (1,))
    assert [one["rates"] for one in found] == [{"copy": rate} for rate in (8.0, 4.0, 2.0, 1.0)]
    monkeypatch.setattr(measuring, "rate", lambda *_: 1.0)
    assert len(measuring.measure("cpu", 1, (), 4, (1,))) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_memmove_in_slices_moves_every_byte(threads):
    source = bytes(range(256)) * 5 + b"end"
    target = ctypes.create_string_buffer(len(source))
    with ThreadPoolExecutor(threads) as workers:
        measuring.move(workers, threads, ctypes.addressof(target), _address(source), len(source))
    assert target.raw == source


def _address(data: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def test_working_sets_are_far_beyond_the_caches_and_leave_memory_free():
    assert measuring.working_sets(100 << 20, 64 << 30) == (400 << 20, 800 << 20)
    assert measuring.working_sets(100 << 20, 2 << 30) == (400 << 20, 512 << 20)
    assert measuring.working_sets(None, 64 << 30) == (256 << 20, 512 << 20)


def test_caches_shared_by_several_cores_count_once(tmp_path):
    shared = {"cpu0": "0-1", "cpu1": "0-1", "cpu2": "2-3", "cpu3": "2-3"}
    for cpu, cpus in shared.items():
        for index, (level, size) in enumerate(((1, "48K"), (3, "1024K"))):
            folder = tmp_path / cpu / "cache" / f"index{index}"
            folder.mkdir(parents=True)
            for name, text in (("level", level), ("size", size), ("shared_cpu_list", cpus)):
                (folder / name).write_text(f"{text}\n")
    assert measuring.cpu_cache_bytes(tmp_path) == 2 << 20
    assert measuring.cpu_cache_bytes(tmp_path / "nowhere") is None


def test_the_best_of_all_passes_of_all_processes_is_the_ceiling():
    passes = [[(1.0, 10.0, 0.3), (2.0, 40.0, 0.2)], [(1.6, 20.0, 0.4)]]
    processes = [
        {
            "passes": [{"rates": {"copy": copy, "float32": gemm}, "lost_share": lost} for copy, gemm, lost in of],
            "cache_bytes": 7,
        }
        for of in passes
    ]
    [one] = best(Setting("cpu", 2, "keep", ("float32",)), processes)
    assert (one.copy_bytes_per_s, one.gemm_flops_per_s, one.spread, one.lost_share) == (2.0, 40.0, 0.75, 0.2)
    assert (one.threads, one.allocator, one.dtype, one.cache_bytes) == (2, "keep", "float32", 7)


def test_each_setting_has_processes_of_its_own_in_turn_under_its_conditions(planted):
    settings = [
        Setting("cpu", threads, allocator, ("float32",)) for threads in (1, 2) for allocator in ("default", "keep")
    ]
    said: list[str] = []
    found = ceilings.measure(settings, said.append, rounds=2)
    once = [[1, "1", None], [1, "1", "0"], [2, "2", None], [2, "2", "0"]]
    assert [line[:3] for line in started(planted)] == once * 2
    assert len({line[3] for line in started(planted)}) == 8
    assert [(one.threads, one.allocator) for one in found] == [(1, "default"), (1, "keep"), (2, "default"), (2, "keep")]
    assert said[0].startswith("8 processes, about ") and re.fullmatch(r"8/8 · .* · 0\.0 s left", said[-1])


def test_a_plan_needs_the_ceilings_of_its_cells_with_costs():
    assert settings_of(plan_under()) == [HERE]
    wide = plan_under(threads=4, allocator="keep", dtype="float64")
    assert settings_of(wide) == [Setting("cpu", 4, "keep", ("float64", "complex128"))]
    assert settings_of(plan_under(device="virtual")) == []
    assert settings_of(world({}).plan) == []


def test_a_run_measures_what_is_missing_once_and_keeps_it(tmp_path, planted):
    notes = Notes()
    first = ceilings_for(plan_under(), tmp_path / "results", notes)
    assert [(one.dtype, one.gemm_flops_per_s) for one in first] == [("float32", 1e11), ("complex64", 1e11)]
    assert len(started(planted)) == 1 and len(notes.said) == 1
    assert re.match(
        r"measuring what this machine can do at best \(cpu, 1 thread, allocator default\), about ", notes.said[0]
    )
    assert ceilings_for(plan_under(), tmp_path / "results", notes) == first
    assert len(started(planted)) == 1 and len(notes.said) == 1
    other = ceilings_for(plan_under(threads=2), tmp_path / "results", notes)
    assert {one.threads for one in other} == {2} and len(started(planted)) == 2
    assert len(read_ceilings(tmp_path / "results").machines[machine_id()]) == 4


@pytest.mark.parametrize(
    ("machine", "age", "torch", "anew"),
    [
        (machine_id(), timedelta(days=29), torch_build(), False),
        (machine_id(), timedelta(days=31), torch_build(), True),
        (machine_id(), timedelta(days=-31), torch_build(), True),
        (machine_id(), timedelta(0), "1.0", True),
        ("elsewhere", timedelta(0), torch_build(), True),
    ],
    ids=["young", "old", "future", "torch", "foreign"],
)
def test_stale_or_foreign_ceilings_are_measured_anew(tmp_path, planted, machine, age, torch, anew):
    measured = (datetime.now(UTC) - age).isoformat(timespec="seconds")
    both = tuple(ceiling(dtype, measured=measured, torch=torch, gemm=7.0) for dtype in HERE.dtypes)
    write_ceilings(tmp_path, Ceilings(machines={machine: both}))
    assert (fresh(read_ceilings(tmp_path), machine_id(), torch_build(), datetime.now(UTC)) == []) is anew
    found = ceilings_for(plan_under(), tmp_path, Notes())
    assert {one.gemm_flops_per_s for one in found} == ({1e11} if anew else {7.0})
    assert len(started(planted)) == anew
    known = read_ceilings(tmp_path).machines
    assert len(known[machine_id()]) == 2 and (machine == machine_id() or known[machine] == both)


def test_what_a_busy_machine_gave_serves_its_run_and_is_not_kept(tmp_path, monkeypatch):
    log = worker(tmp_path, monkeypatch, PLANTED.replace("0.01", "0.06"))
    notes = Notes()
    for runs in (1, 2):
        found = ceilings_for(plan_under(), tmp_path / "results", notes)
        assert [one.lost_share for one in found] == [0.06, 0.06]
        assert len(started(log)) == runs
    assert "other programs took 6% of the time" in notes.said[1] and "not kept (2 of 2)" in notes.said[1]
    assert read_ceilings(tmp_path / "results") == Ceilings()


def test_a_damaged_file_is_told_and_replaced(tmp_path, planted):
    (tmp_path / "ceilings.json").write_text("{")
    notes = Notes()
    assert len(ceilings_for(plan_under(), tmp_path, notes)) == 2
    assert "damaged" in notes.said[0] and "measured anew" in notes.said[0]
    assert machine_id() in read_ceilings(tmp_path).machines


def test_what_cannot_be_measured_is_told_and_left_out(tmp_path, monkeypatch):
    log = worker(tmp_path, monkeypatch, "import sys\nsys.exit('no such device')\n")
    notes = Notes()
    assert ceilings_for(plan_under(device="xpu"), tmp_path, notes) == ()
    assert notes.said[-1] == "ceilings of xpu, 1 thread, allocator default: could not be measured: no such device"
    assert not log.exists() and not (tmp_path / "ceilings.json").exists()


@pytest.mark.parametrize("source", ["", "print('no json')\n"])
def test_a_process_that_tells_nothing_is_told_and_left_out(tmp_path, monkeypatch, source):
    worker(tmp_path, monkeypatch, source)
    notes = Notes()
    assert ceilings_for(plan_under(), tmp_path, notes) == ()
    assert notes.said[-1].endswith("could not be measured: its process gave no readings")


def test_a_driver_may_print_before_the_readings(tmp_path, monkeypatch):
    worker(tmp_path, monkeypatch, "print('a driver greets')\n" + PLANTED)
    assert len(ceilings_for(plan_under(), tmp_path, Notes())) == 2


def test_without_torch_or_on_the_virtual_device_nothing_is_started(tmp_path, planted, monkeypatch):
    assert ceilings_for(plan_under(device="virtual"), tmp_path, Notes()) == ()
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert ceilings_for(plan_under(), tmp_path, Notes()) == ()
    assert started(planted) == []


def test_a_run_has_its_ceilings_in_the_manifest(tmp_path, planted):
    file = fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}")
    plan = planned(file)
    cells = tuple(
        one.model_copy(update={"conditions": {**one.conditions, "device": "cpu"}, "costs": COSTS})
        for one in plan.parts[0].cells
    )
    plan = plan.model_copy(update={"parts": (plan.parts[0].model_copy(update={"cells": cells}),)})
    given = {"results": tmp_path / "results", "resume": False, "progress": Silent(), "command": "semh run fake"}
    folder = run_plan(plan, file.read_text(), {}, worker=stand_in(tmp_path), **given)
    assert [one.dtype for one in folder.manifest().ceilings] == list(HERE.dtypes)


def test_everything_is_measured_where_nothing_was_asked_for():
    assert [thread_counts(most) for most in (1, 2, 3, 6, 8)] == [(1,), (1, 2), (1, 2, 3), (1, 2, 4, 6), (1, 2, 4, 8)]
    every = wanted("cpu", (), (), ())
    assert len(every) == 2 * len(thread_counts(cores()))
    assert set(every[0].dtypes) == {"float32", "complex64", "float64", "complex128"}
    assert wanted("cpu", (1, 1), ("keep",), ("float64",)) == [Setting("cpu", 1, "keep", ("float64", "complex128"))]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("gpu", (), (), ()), "--device gpu: not here; cpu, cuda, xpu would do"),
        (("cpu", (0,), (), ()), f"--threads 0: not here; 1 to {cores()} would do"),
        (("cpu", (), ("mine",), ()), "--allocator mine: not here; default, keep would do"),
        (("cpu", (), (), ("complex64",)), "--dtype complex64: not here; float32, float64 would do"),
    ],
)
def test_what_is_not_here_is_refused(asked, told):
    with pytest.raises(UsageError, match=re.escape(told)):
        wanted(*asked)


def test_keep_replaces_only_what_was_measured_again(tmp_path):
    for gemm, dtypes in ((1.0, ("float32", "float64")), (2.0, ("float64",))):
        keep(tmp_path, [ceiling(dtype, gemm=gemm) for dtype in dtypes], print)
    assert {one.dtype: one.gemm_flops_per_s for one in read_ceilings(tmp_path).machines[machine_id()]} == {
        "float32": 1.0,
        "float64": 2.0,
    }


def test_the_command_measures_in_earnest_prints_a_table_and_stores_it(tmp_path, monkeypatch, capsys):
    """The program and its process as they are; only the problems are smaller."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ceilings, "measure", partial(ceilings.measure, worker=("-P", "-c", SMALL)))
    monkeypatch.setattr(ceilings, "QUIET", 1.0)  # whatever else runs beside the tests
    words = ("ceilings", "--threads", "1", "--allocator", "keep", "--dtype", "float32", "--rounds", "1")
    monkeypatch.setattr(sys, "argv", ["semh", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    assert re.search(r"^cpu +1 +keep +complex64 +[\d.]+ +[\d.]+ +\d+% *$", said.out, re.MULTILINE)
    assert said.err.splitlines()[-1].startswith("1/1 · cpu, 1 thread, allocator keep · ")
    [first, second] = read_ceilings(tmp_path / "results").machines[machine_id()]
    assert (first.dtype, second.dtype) == ("float32", "complex64")
    assert first.copy_bytes_per_s == second.copy_bytes_per_s > 0
    assert 0 <= first.spread < 1 and first.torch == torch_build()


def test_a_command_that_measured_nothing_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    worker(tmp_path, monkeypatch, "import sys\nsys.exit('no such device')\n")
    monkeypatch.setattr(sys, "argv", ["semh", "ceilings", "--device", "cuda", "--threads", "1"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3
    assert "could not be measured: no such device" in capsys.readouterr().err
