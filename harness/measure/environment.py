"""Where a run happened: machine, versions, code, and which facilities of the kernel are missing here."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import os
import platform
import subprocess
from collections.abc import Collection, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import psutil

from harness.measure import device, lost, memory
from harness.records import Environment, Plan

PACKAGES = ("semh", "torch", "numpy", "scipy", "pydantic")
ROOT = Path(__file__).resolve().parent.parent


def environment(systems: Sequence[str], devices: Collection[str] = ("cpu",)) -> Environment:
    """`systems` are references as a suite names them; their packages' sources enter the code digest. `devices` are
    those the run is measured on."""
    cpu, cores, size = _hardware()
    revision, dirty = git_state(ROOT.parent)
    return Environment(
        platform=platform.platform(),
        machine=platform.machine(),
        cpu=cpu,
        cores=cores,
        memory_bytes=size,
        python=platform.python_version(),
        versions=versions(),
        machine_id=machine_id(),
        revision=revision,
        dirty=dirty,
        code_sha256=code_digest(systems),
        load_average=load_average(),
        lost_share_source=lost.source(threads=1),
        missing=(*missing(), *_unread(devices)),
        devices=tuple(device.described(name) for name in devices if name in device.DEVICES),
        not_run=device.not_run(frozenset(devices)),
        governor=governor(),
    )


def devices_of(plan: Plan) -> tuple[str, ...]:
    return tuple(sorted({str(cell.conditions.get("device", "cpu")) for part in plan.parts for cell in part.cells}))


def machine_id() -> str:
    """Of the host and of the devices it has: their times are not comparable with another's."""
    cpu, cores, size = _hardware()
    told = "|".join(filter(None, (cpu, str(cores), str(size >> 28), platform.node(), device.identity())))
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _hardware() -> tuple[str, int, int]:
    return cpu_model(), os.cpu_count() or 1, psutil.virtual_memory().total


def cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux: the platform module knows what it knows
    return platform.processor() or platform.machine()


def load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def governor(root: Path = Path("/sys/devices/system/cpu")) -> str:
    """`performance`, or several where processors differ."""
    found = set()
    for file in root.glob("cpu[0-9]*/cpufreq/scaling_governor"):
        with suppress(OSError):
            found.add(file.read_text().strip())
    return ", ".join(sorted(found))


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def missing() -> tuple[str, ...]:
    words = []
    if not lost.has_schedstat():
        words.append("/proc/self/task/*/schedstat: lost time is wall minus CPU time, and unknown with several threads")
    if not memory.can_reset_peak():
        words.append("/proc/self/clear_refs: peak memory is the process's lifetime maximum, first call included")
    if not has_glibc():
        words.append("glibc: allocator `keep` has no effect, memory freed before a call may count as held")
    return tuple(words)


def _unread(devices: Collection[str]) -> list[str]:
    return [f"{name}: {unread}" for name in devices if (unread := device.facts(name).unread)]


def has_glibc() -> bool:
    try:
        return hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
    except OSError:
        return False


def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Revision and dirty flag of the checkout `folder` is in, or (None, None) outside one."""
    try:
        revision = _git(folder, "rev-parse", "HEAD")
        return revision, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()


def code_digest(systems: Sequence[str]) -> str:
    """Of every Python source of the harness and of the packages the systems live in."""
    digest = hashlib.sha256()
    for folder in [ROOT, *sorted({folder for ref in systems if (folder := package_folder(ref))})]:
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{folder.name}/{file.relative_to(folder)}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def package_folder(ref: str) -> Path | None:
    """Folder of the package that `ref` (entry point or `module:OBJECT`) lives in; None for a lone module."""
    if ":" not in ref:
        points = metadata.entry_points(group="semh.systems", name=ref)
        if not points:
            return None
        ref = next(iter(points)).value
    spec = importlib.util.find_spec(ref.split(":")[0].split(".")[0])
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def torch_build() -> str:
    """`2.13.0+cpu`, from the package's metadata: importing torch takes seconds."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return "not installed"
