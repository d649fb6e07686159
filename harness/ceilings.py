"""What this machine can do at best: which ceilings a plan needs, how they are measured, where they are kept.

A ceiling belongs to a device, a thread count, an allocator and a dtype. Each set of the first three is measured in
fresh processes of its own (`measure/ceilings`), round after round over all sets; the best sustained rate of all rounds
counts, for a floor must not be beaten. `results/ceilings.json` keeps them for `MAX_AGE`, by machine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.conditions import ALLOCATORS, cores
from harness.errors import StoreError, UsageError
from harness.measure.ceilings import COPY
from harness.measure.environment import machine_id, torch_build
from harness.process import variables
from harness.progress import Progress, duration
from harness.records import Ceiling, Ceilings, Plan, Value
from harness.records.manifest import PRECISIONS
from harness.store import read_ceilings, write_ceilings

WORKER = ("-P", "-m", "harness.measure.ceilings")
DEVICES = ("cpu", "cuda", "xpu")
QUIET = 0.05
"""A ceiling none of whose passes lost less is not kept: it serves the run that measured it, and no other."""
MAX_AGE = timedelta(days=30)
ROUNDS, PASSES = 3, 3
RUN_PASSES = 4
"""Of one round: a run waits for it."""
START_S, PASS_S, DTYPE_S = 3.0, 0.8, 0.3
"""What a process takes to start, and a pass without and for each dtype, in a first guess at the time it will take."""
TIMEOUT_S = 300.0

Note = Callable[[str], None]


@dataclass(frozen=True)
class Setting:
    """What is measured in one process."""

    device: str
    threads: int
    allocator: str
    dtypes: tuple[str, ...]

    @property
    def text(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.device}, {threads}, allocator {self.allocator}"

    @property
    def expected_s(self) -> float:
        """Of one pass."""
        return PASS_S + DTYPE_S * len(self.dtypes)


def ceilings_for(plan: Plan, results: Path, progress: Progress) -> tuple[Ceiling, ...]:
    """Those under which the plan's costs are to be read: stored ones of this machine, the others measured now.

    Empty where no cell states a cost, on the virtual device, and without torch. One that cannot be measured is left
    out with a note: a run needs none.
    """
    needed = settings_of(plan)
    if not needed or importlib.util.find_spec("torch") is None:
        return ()
    known = fresh(_stored(results, progress.note), machine_id(), torch_build(), datetime.now(UTC))
    missing = [setting for setting in needed if not _has(known, setting)]
    if missing:
        expected = sum(START_S + RUN_PASSES * setting.expected_s for setting in missing)
        progress.note(
            f"measuring what this machine can do at best ({'; '.join(setting.text for setting in missing)}), about "
            f"{duration(expected)}; kept in {results}/ceilings.json for {MAX_AGE.days} days"
        )
        measured = measure(missing, progress.note, rounds=1, passes=RUN_PASSES, quiet=True)
        keep(results, measured, progress.note)
        known = list({_key(ceiling): ceiling for ceiling in (*known, *measured)}.values())
    return tuple(ceiling for setting in needed for ceiling in known if _within(ceiling, setting))


def settings_of(plan: Plan) -> list[Setting]:
    dtypes: dict[tuple[str, int, str], dict[str, None]] = {}
    for part in plan.parts:
        for cell in part.cells:
            given = {"device": "cpu", "threads": 1, "allocator": "default", **cell.conditions}
            key = (str(given["device"]), int(given["threads"]), str(given["allocator"]))
            if cell.costs and key[0] != "virtual":
                known = PRECISIONS.get(str(given.get("dtype", "float32")), ())
                dtypes.setdefault(key, {}).update(dict.fromkeys(known))
    return [Setting(*key, tuple(names)) for key, names in dtypes.items()]


def wanted(device: str, threads: Sequence[int], allocators: Sequence[str], dtypes: Sequence[str]) -> list[Setting]:
    """Every combination of what was asked for; where nothing was, of all there is. Raises UsageError."""
    allowed: dict[str, tuple[Sequence[Value], Sequence[Value]]] = {
        "device": ([device], DEVICES),
        "allocator": (allocators, ALLOCATORS),
        "dtype": (dtypes, tuple(PRECISIONS)),
        "threads": (threads, range(1, cores() + 1)),
    }
    for name, (given, known) in allowed.items():
        for value in given:
            if value not in known:
                offered = f"1 to {cores()}" if name == "threads" else ", ".join(map(str, known))
                raise UsageError(f"--{name} {value}: not here; {offered} would do")
    names = tuple(name for dtype in PRECISIONS if not dtypes or dtype in dtypes for name in PRECISIONS[dtype])
    return [
        Setting(device, count, allocator, names)
        for count in dict.fromkeys(threads or thread_counts(cores()))
        for allocator in dict.fromkeys(allocators or ALLOCATORS)
    ]


def thread_counts(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... and all cores."""
    return tuple(sorted({most, *(1 << power for power in range(most.bit_length()))}))


def measure(
    settings: Sequence[Setting],
    note: Note,
    *,
    rounds: int = ROUNDS,
    passes: int = PASSES,
    quiet: bool = False,
    worker: Sequence[str] = WORKER,
) -> list[Ceiling]:
    """Every setting once per round, each time in a fresh process. `quiet`: no line per process."""
    began, total = time.monotonic(), rounds * len(settings)
    readings: dict[Setting, list[Mapping[str, Any]]] = {}
    failed: set[Setting] = set()
    if not quiet:
        expected = rounds * sum(START_S + passes * setting.expected_s for setting in settings)
        note(f"{total} processes, about {duration(expected)} in all")
    for number in range(total):
        setting = settings[number % len(settings)]
        if setting in failed:
            continue
        started = time.monotonic()
        try:
            readings.setdefault(setting, []).append(_ordered(setting, passes, worker))
        except UsageError as error:
            failed.add(setting)
            note(f"ceilings of {setting.text}: could not be measured: {error}")
        if not quiet:
            mean = (time.monotonic() - began) / (number + 1)
            left = f"{duration(mean * (total - number - 1))} left"
            note(f"{number + 1}/{total} · {setting.text} · {duration(time.monotonic() - started)} · {left}")
    return [ceiling for setting, found in readings.items() for ceiling in best(setting, found)]


def best(setting: Setting, processes: Sequence[Mapping[str, Any]]) -> list[Ceiling]:
    """The highest reading of all passes of all processes; spread is 1 - lowest / highest, the wider of both."""
    if not processes:
        return []
    passes = [one for process in processes for one in process["passes"]]
    rates = {key: [float(one["rates"][key]) for one in passes] for key in (COPY, *setting.dtypes)}
    lost = min((one["lost_share"] for one in passes if one["lost_share"] is not None), default=None)
    spread = {key: 1 - min(found) / max(found) for key, found in rates.items()}
    return [
        Ceiling(
            device=setting.device,
            threads=setting.threads,
            allocator=setting.allocator,
            dtype=dtype,
            copy_bytes_per_s=max(rates[COPY]),
            gemm_flops_per_s=max(rates[dtype]),
            measured=datetime.now(UTC).isoformat(timespec="seconds"),
            spread=max(spread[COPY], spread[dtype]),
            lost_share=lost,
            cache_bytes=processes[0]["cache_bytes"],
            torch=torch_build(),
        )
        for dtype in setting.dtypes
    ]


def keep(results: Path, measured: Sequence[Ceiling], note: Note) -> None:
    """Each in the place of the one of the same conditions that this machine had before; not those of a busy machine."""
    quiet = [ceiling for ceiling in measured if (ceiling.lost_share or 0.0) <= QUIET]
    if len(quiet) < len(measured):
        lost = max(ceiling.lost_share or 0.0 for ceiling in measured)
        note(
            f"other programs took {lost:.0%} of the time even of the least disturbed pass, so these ceilings are too "
            f"low and not kept ({len(measured) - len(quiet)} of {len(measured)}); a machine at rest would do"
        )
    if not quiet:
        return
    here, stored = machine_id(), _stored(results, note)
    replaced = {_key(ceiling): ceiling for ceiling in (*stored.machines.get(here, ()), *quiet)}
    write_ceilings(results, Ceilings(machines=stored.machines | {here: tuple(replaced.values())}))


def fresh(stored: Ceilings, machine: str, torch: str, now: datetime) -> list[Ceiling]:
    """Of this machine and this torch, and young enough."""
    return [
        ceiling
        for ceiling in stored.machines.get(machine, ())
        if ceiling.torch == torch and abs(now - datetime.fromisoformat(ceiling.measured)) < MAX_AGE
    ]


def _stored(results: Path, note: Note) -> Ceilings:
    try:
        return read_ceilings(results)
    except StoreError as error:
        note(f"{error}; its ceilings are measured anew")
        return Ceilings()


def _has(known: Sequence[Ceiling], setting: Setting) -> bool:
    return {ceiling.dtype for ceiling in known if _within(ceiling, setting)} >= set(setting.dtypes)


def _within(ceiling: Ceiling, setting: Setting) -> bool:
    where = (ceiling.device, ceiling.threads, ceiling.allocator)
    return where == (setting.device, setting.threads, setting.allocator) and ceiling.dtype in setting.dtypes


def _key(ceiling: Ceiling) -> tuple[str, int, str, str]:
    return ceiling.device, ceiling.threads, ceiling.allocator, ceiling.dtype


def _ordered(setting: Setting, passes: int, worker: Sequence[str]) -> Mapping[str, Any]:
    """The readings of one process. Raises UsageError with its last words."""
    orders = {"device": setting.device, "threads": setting.threads, "dtypes": setting.dtypes, "passes": passes}
    reading, held = os.pipe()  # its end tells the process that we are gone
    try:
        done = subprocess.run(
            [sys.executable, *worker, json.dumps(orders)],
            env=variables({"threads": setting.threads, "allocator": setting.allocator}),
            stdin=reading,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"no answer within {TIMEOUT_S:g} s") from None
    finally:
        os.close(reading)
        os.close(held)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines()
        raise UsageError(words[-1][:300] if words else f"its process ended with status {done.returncode}")
    try:
        readings: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])  # a driver may print before it
    except (IndexError, ValueError):
        raise UsageError("its process gave no readings") from None
    return readings
