"""What this machine offers for measuring, and what to do about what it lacks. Starts no device, imports no torch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.conditions import cores
from harness.measure import environment, lost, memory

GB = 1e9
BUSY = 0.2
"""Load per core above which a run would measure its neighbours."""


@dataclass(frozen=True)
class Finding:
    """`word`: ok, missing, or untested (nothing here to try it on)."""

    word: str
    what: str
    advice: str = ""


def findings() -> Iterator[Finding]:
    yield from _processor()
    yield from _memory()
    yield from _kernel()
    yield from _tools()
    yield from _devices()


def _processor() -> Iterator[Finding]:
    allowed, all_cores = cores(), os.cpu_count() or 1
    of = f" of {all_cores}" if allowed != all_cores else ""
    yield Finding("ok", f"processor: {environment.cpu_model()}, {allowed}{of} cores")
    load = environment.load_average()
    if load is not None:
        word = "ok" if load <= BUSY * all_cores else "missing"
        yield Finding(word, f"quiet machine: load {load:.2f}", "" if word == "ok" else "end what else runs, or wait")
    steal = getattr(psutil.cpu_times(), "steal", None)
    if steal is None:
        yield Finding("missing", "stolen time: this kernel does not say", "lost shares are judged from inside only")
    else:
        total = sum(psutil.cpu_times())
        share = steal / total if total else 0.0
        advice = "" if share < 0.01 else "the hypervisor gives this machine's time to others: expect wide intervals"
        yield Finding("ok" if share < 0.01 else "missing", f"own processor: {share:.2%} stolen since boot", advice)
    governor = _first_line(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))
    if governor is None:
        yield Finding("missing", "frequency governor: not visible here", "the canary watches the clock rate instead")
    else:
        good = governor == "performance"
        yield Finding(
            "ok" if good else "missing",
            f"frequency governor: {governor}",
            "" if good else "cpupower frequency-set -g performance (as root) steadies the clock",
        )
    limit = cpu_limit(Path("/sys/fs/cgroup"))
    if limit is not None and limit < allowed:
        yield Finding("missing", f"all cores: the cgroup allows {limit:g}", "raise cpu.max, or use fewer threads")


def _memory() -> Iterator[Finding]:
    system = psutil.virtual_memory()
    yield Finding("ok", f"memory: {system.total / GB:.1f} GB, {system.available / GB:.1f} GB free")
    limit = _first_line(Path("/sys/fs/cgroup/memory.max"))
    if limit is not None and limit.isdigit() and int(limit) < system.total:
        yield Finding("missing", f"all memory: the cgroup allows {int(limit) / GB:.1f} GB", "raise memory.max")
    free = shutil.disk_usage(Path.cwd()).free
    yield Finding(
        "ok" if free > GB else "missing", f"disk: {free / GB:.1f} GB free here", "" if free > GB else "free some"
    )


def _kernel() -> Iterator[Finding]:
    if lost.has_schedstat():
        yield Finding("ok", "lost time: /proc/self/task/*/schedstat")
    else:
        advice = "a kernel with CONFIG_SCHED_INFO; till then wall minus CPU time serves with one thread"
        yield Finding("missing", "lost time: no /proc/self/task/*/schedstat", advice)
    if memory.can_reset_peak():
        yield Finding("ok", "peak memory: /proc/self/clear_refs")
    else:
        yield Finding("missing", "peak memory: no /proc/self/clear_refs", "the process's lifetime maximum serves")
    if environment.has_glibc():
        yield Finding("ok", "allocator: glibc, `allocator: keep` works")
    else:
        yield Finding("missing", "allocator: no glibc", "`allocator: keep` has no effect here")


def _tools() -> Iterator[Finding]:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler:
        yield Finding("ok", f"C++ compiler: {compiler}")
    else:
        yield Finding("missing", "C++ compiler", "install g++: `kernels: compiled` needs one, all else runs without")


def _devices() -> Iterator[Finding]:
    build = environment.torch_build()
    if build == "not installed":
        yield Finding("missing", "torch", "pip install torch: without it plans and reports work, runs do not")
    else:
        yield Finding("ok", f"torch: {build}, cpu")
    yield Finding("untested", "cuda: " + _present(Path("/dev/nvidia0")))
    yield Finding("untested", "xpu: " + _present(Path("/dev/dri/renderD128")))


def _present(node: Path) -> str:
    if node.exists():
        return f"{node} is there, but this version measures on cpu alone"
    return "no such device on this machine, and this version measures on cpu alone"


def cpu_limit(folder: Path) -> float | None:
    """Cores the cgroup allows; None without a limit."""
    words = (_first_line(folder / "cpu.max") or "").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdigit() else None


def _first_line(file: Path) -> str | None:
    try:
        return file.read_text().strip().split("\n")[0]
    except OSError:
        return None
