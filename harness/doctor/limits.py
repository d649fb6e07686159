"""What this process may have: processor time, memory, disk. Control groups of both versions, tightest limit wins."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from harness.doctor.finding import Finding, Machine, by_key, first_line, whole_number

GB = 1e9
SWAP_SHARE = 0.05
NO_LIMIT = 1 << 60
"""Version 1 says "no limit" with the largest page-aligned number."""


def limit_findings(machine: Machine) -> Iterator[Finding]:
    yield from _processor(machine)
    yield from _throttled(machine)
    yield from _memory(machine)
    yield from _disk(machine)


def groups(machine: Machine, controller: str) -> list[Path]:
    """Folders of this process's control group and of all above it, of either version, the process's own first."""
    root = machine.sys / "fs/cgroup"
    found: list[Path] = []
    for line in _lines(machine.proc / "self/cgroup"):
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if controller in names.split(","):
            mounts = [root / names, root / controller]
        elif number == "0" and not names:
            mounts = [root, root / "unified"]
        else:
            continue
        steps = [step for step in path.split("/") if step and step != ".."]
        for mount in mounts:
            found += [mount.joinpath(*steps[:depth]) for depth in range(len(steps), -1, -1)]
    tops = [root, root / "unified", root / controller]
    return [folder for folder in dict.fromkeys((*found, *tops)) if folder.is_dir()]


def cpu_limit(machine: Machine) -> float | None:
    """Cores the control groups allow; None without a limit."""
    limits = []
    for folder in groups(machine, "cpu"):
        words = (first_line(folder / "cpu.max") or "").split()
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            limits.append(int(words[0]) / int(words[1]))
        quota, period = whole_number(folder / "cpu.cfs_quota_us"), whole_number(folder / "cpu.cfs_period_us")
        if quota is not None and period and quota > 0:
            limits.append(quota / period)
    return min(limits, default=None)


def memory_limit(machine: Machine) -> int | None:
    """Bytes the control groups allow; None without a limit."""
    files = [folder / name for folder in groups(machine, "memory") for name in ("memory.max", "memory.limit_in_bytes")]
    found = [value for file in files if (value := whole_number(file)) is not None and value < NO_LIMIT]
    return min(found, default=None)


def _processor(machine: Machine) -> Iterator[Finding]:
    limit = cpu_limit(machine)
    if limit is None:
        yield Finding("ok", "processor quota: none")
    else:
        enough = limit >= len(machine.cpus)
        advice = f"raise cpu.max, or stay at threads: {max(1, int(limit))}: who uses it up stands still till the next"
        yield Finding(
            "ok" if enough else "noisy",
            f"processor quota: the cgroup allows {limit:g} of {len(machine.cpus)} cores",
            "" if enough else advice + " period",
        )


def _throttled(machine: Machine) -> Iterator[Finding]:
    known = [found for folder in groups(machine, "cpu") if (found := by_key(folder / "cpu.stat"))]
    worst = max(known, key=lambda stat: stat.get("nr_throttled", 0), default={})
    if worst.get("nr_throttled", 0) > 0:
        share = worst["nr_throttled"] / max(worst.get("nr_periods", 0), worst["nr_throttled"])
        stood_s = worst.get("throttled_usec", 0) / 1e6 or worst.get("throttled_time", 0) / 1e9
        what = f"throttling: stood still {worst['nr_throttled']} times, {stood_s:.1f} s in all"
        what += f", in {100 * share:.2g} % of the quota's periods"
        yield Finding("noisy", what, "every stop may fall into a sample: raise the quota, or use fewer threads")


def _memory(machine: Machine) -> Iterator[Finding]:
    sizes = {line.split(":")[0]: line.split()[1] for line in _lines(machine.proc / "meminfo") if len(line.split()) > 1}
    total, free, swap, swap_free = (
        int(sizes.get(name, 0)) * 1024 for name in ("MemTotal", "MemAvailable", "SwapTotal", "SwapFree")
    )
    if not total:
        system = psutil.virtual_memory()
        total, free = int(system.total), int(system.available)
    yield Finding("ok", f"memory: {total / GB:.1f} GB, {free / GB:.1f} GB free")
    limit = memory_limit(machine)
    if limit is not None and limit < total:
        what = f"memory limit: the cgroup allows {limit / GB:.1f} GB"
        yield Finding("note", what, "a cell that needs more is killed: raise memory.max, or take a smaller size")
    if swap - swap_free > SWAP_SHARE * total:
        what = f"swap: {(swap - swap_free) / GB:.1f} GB of memory lie on the disk"
        yield Finding("noisy", what, "a page that must be fetched costs milliseconds: end what fills the memory")


def _disk(machine: Machine) -> Iterator[Finding]:
    place = machine.results if machine.results.is_dir() else Path.cwd()
    free = shutil.disk_usage(place).free
    enough = free > GB
    advice = "" if enough else "free some: a full disk ends a run"
    yield Finding("ok" if enough else "missing", f"disk: {free / GB:.1f} GB free here", advice)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []
