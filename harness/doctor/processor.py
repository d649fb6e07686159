"""The processor: its clock rate, its cores and threads, its temperature, the counter that tells the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.doctor.finding import Finding, Machine, first_line, whole_number
from harness.measure.environment import cpu_model

HOT_C = 90.0
SLOW_SOURCES = ("hpet", "acpi_pm", "jiffies", "refined-jiffies")
"""Counters outside the processor: a reading costs a microsecond or more, or ticks too coarsely."""


def processor_findings(machine: Machine) -> Iterator[Finding]:
    present = len(cpu_folders(machine)) or len(machine.cpus)
    of = f" of {present}" if present != len(machine.cpus) else ""
    yield Finding("ok", f"processor: {cpu_model()}, {len(machine.cpus)}{of} cores")
    yield _governor(machine)
    yield from _turbo(machine)
    yield _siblings(machine)
    yield from _heat(machine)
    yield from _counter(machine)
    yield from _layout(machine)


def cpu_folders(machine: Machine) -> list[Path]:
    folders = (machine.sys / "devices/system/cpu").glob("cpu[0-9]*")
    return sorted(folder for folder in folders if folder.name.removeprefix("cpu").isdigit())


def _governor(machine: Machine) -> Finding:
    found = {first_line(folder / "cpufreq/scaling_governor") for folder in cpu_folders(machine)} - {None}
    if not found:
        return Finding("missing", "frequency governor: not visible here", "the canary watches the clock rate instead")
    if found == {"performance"}:
        return Finding("ok", "frequency governor: performance")
    advice = "cpupower frequency-set -g performance (as root) steadies the clock"
    return Finding("noisy", f"frequency governor: {', '.join(sorted(map(str, found)))}", advice)


def _turbo(machine: Machine) -> Iterator[Finding]:
    """Two drivers, two files, opposite sense."""
    cpu = machine.sys / "devices/system/cpu"
    off, boost = whole_number(cpu / "intel_pstate/no_turbo"), whole_number(cpu / "cpufreq/boost")
    if off is None and boost is None:
        return
    if off == 1 or boost == 0:
        yield Finding("ok", "turbo: off")
        return
    file = "intel_pstate/no_turbo" if off is not None else "cpufreq/boost"
    order = f"echo {1 if off is not None else 0} > /sys/devices/system/cpu/{file} (as root)"
    yield Finding("noisy", "turbo: on, so the clock rate depends on heat and neighbours", f"{order} steadies it")


def _siblings(machine: Machine) -> Finding:
    """Two processors that are threads of one core slow each other down."""
    cores: dict[str, list[int]] = {}
    for cpu in machine.cpus:
        topology = machine.sys / f"devices/system/cpu/cpu{cpu}/topology"
        told = first_line(topology / "thread_siblings_list") or first_line(topology / "core_cpus_list")
        if told is None:
            advice = "measure with threads: 1, which needs no second core"
            return Finding("missing", "cores: the kernel does not say which processors share one", advice)
        cores.setdefault(told, []).append(cpu)
    shared = [cpus for cpus in cores.values() if len(cpus) > 1]
    if not shared:
        return Finding("ok", f"cores: no two of these {len(machine.cpus)} processors share one, as far as is told")
    pairs = "; ".join(" and ".join(map(str, cpus)) for cpus in shared[:4])
    more = f" and {len(shared) - 4} more" if len(shared) > 4 else ""
    one_each = ",".join(str(cpus[0]) for cpus in cores.values())
    return Finding(
        "noisy",
        f"cores: processors {pairs} are threads of one core{more}: what runs on one slows the other",
        f"`taskset -c {one_each} semh run ...` takes one thread of each core; nothing else should run beside it",
    )


def _heat(machine: Machine) -> Iterator[Finding]:
    counts = [
        whole_number(folder / "thermal_throttle" / file) or 0
        for folder in cpu_folders(machine)
        for file in ("core_throttle_count", "package_throttle_count")
    ]
    hottest = max(_temperatures(machine), default=None)
    if any(counts):
        what = f"heat: clock rates were lowered {max(counts)} times since boot"
        yield Finding("noisy", what, "let it cool, clean its fans, or lower the load")
    if hottest is not None:
        cool = hottest < HOT_C
        advice = "" if cool else "near the limit where the clock rate is lowered: let it cool"
        yield Finding("ok" if cool else "noisy", f"temperature: {hottest:.0f} °C at the hottest sensor", advice)
    elif not any(counts):
        yield Finding("missing", "temperature: no sensor visible here", "the canary watches for a lowered clock rate")


def _temperatures(machine: Machine) -> Iterator[float]:
    """Sensors speak in thousandths of a degree; one that is broken or absent reads 0 or less."""
    zones = (machine.sys / "class/thermal").glob("thermal_zone*/temp")
    sensors = (machine.sys / "class/hwmon").glob("hwmon*/temp*_input")
    for file in (*zones, *sensors):
        value = whole_number(file)
        if value is not None and 0 < value < 150_000:
            yield value / 1000


def _counter(machine: Machine) -> Iterator[Finding]:
    source = first_line(machine.sys / "devices/system/clocksource/clocksource0/current_clocksource")
    if source is None:
        return
    slow = source in SLOW_SOURCES
    advice = "boot with clocksource=tsc if the processor's counter is sound: readings cost a microsecond or more now"
    yield Finding("noisy" if slow else "ok", f"clock source: {source}", advice if slow else "")


def _layout(machine: Machine) -> Iterator[Finding]:
    drawn = whole_number(machine.proc / "sys/kernel/randomize_va_space")
    if drawn is None:
        return
    if drawn == 0:
        what = "addresses: the same in every process (randomize_va_space 0), so trials cannot tell what layout does"
        yield Finding("note", what, "sysctl kernel.randomize_va_space=2 (as root) lets trials average over it")
    else:
        yield Finding("ok", "addresses: drawn anew for every process, one reason why n counts trials and not samples")
