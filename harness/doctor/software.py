"""What the kernel, the C library and the tools offer to whoever measures. Imports no torch."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator

from harness.doctor.finding import Finding, Machine, first_line
from harness.measure import environment, lost, memory

ALLOCATORS = ("jemalloc", "tcmalloc", "mimalloc")
PINNING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY", "KMP_BLOCKTIME", "MKL_DYNAMIC")


def software_findings(machine: Machine) -> Iterator[Finding]:
    yield from _kernel()
    yield from _allocator(machine)
    yield from _threads(machine)
    yield from _tools(machine)


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


def _allocator(machine: Machine) -> Iterator[Finding]:
    loaded = machine.variables("LD_PRELOAD") or ""
    other = next((name for name in ALLOCATORS if name in loaded), None)
    if other:
        what = f"allocator: {other} through LD_PRELOAD, which workers inherit"
        yield Finding("noisy", what, "unset LD_PRELOAD: `allocator: keep` speaks to glibc alone")
    elif environment.has_glibc():
        yield Finding("ok", "allocator: glibc, `allocator: keep` works")
    else:
        yield Finding("missing", "allocator: no glibc", "`allocator: keep` has no effect here")
    set_ = [
        name for name in ("MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES") if machine.variables(name)
    ]
    if set_:
        yield Finding(
            "note", f"allocator: {', '.join(set_)} set, which workers inherit", "unset, or say so beside results"
        )
    pages = first_line(machine.sys / "kernel/mm/transparent_hugepage/enabled") or ""
    if "[always]" in pages:
        what = "huge pages: given whenever the kernel finds one, so equal calls may differ between trials"
        yield Finding("note", what, "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root)")
    elif pages:
        yield Finding("ok", f"huge pages: {pages.partition('[')[2].partition(']')[0] or pages}")


def _threads(machine: Machine) -> Iterator[Finding]:
    given, cores = machine.variables("OMP_NUM_THREADS"), len(machine.cpus)
    here = f"OMP_NUM_THREADS {given} here" if given else f"torch left to itself would take {cores}"
    yield Finding("ok", f"threads: every worker is told what the suite says, 1 by default ({here}, {cores} cores)")
    set_ = [name for name in PINNING if machine.variables(name)]
    if set_:
        what = f"threads: {', '.join(set_)} set, which workers inherit"
        yield Finding("note", what, "unset, or say so beside results: they decide where threads run, and how they wait")


def _tools(machine: Machine) -> Iterator[Finding]:
    asked = (machine.variables("CXX") or "").strip()
    compiler = next(filter(None, map(shutil.which, shlex.split(asked)[:1] or ("g++", "c++", "clang++"))), None)
    if compiler:
        yield Finding("ok", f"C++ compiler: {compiler}")
    else:
        advice = "install g++, or let $CXX name one: cells that need it are untested till then, all else runs"
        yield Finding("missing", f"C++ compiler: no {asked}" if asked else "C++ compiler", advice)
    build = environment.torch_build()
    if build == "not installed":
        yield Finding("missing", "torch", "pip install torch: without it plans and reports work, runs do not")
    else:
        yield Finding("ok", f"torch: {build}")
