"""Who else is at work on this machine, now and since it booted: load, processes, stolen time, stalls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psutil

from harness.doctor.finding import Finding, Machine, first_line

WATCH_S = 0.5
BUSY = 0.2
"""Load per core above which a run would measure its neighbours."""
SHOWN_SHARE = 0.05
"""Of one core: what takes less is not worth a name."""
STOLEN = 0.01
STALLED = {"cpu": 5.0, "memory": 0.5, "io": 5.0}
"""Per cent of the last ten seconds in which something stood waiting."""
SHOWN_PROCESSES = 3

Busy = Sequence[tuple[str, float]]
"""Name of a process, and the share of one core it took."""


def load_findings(machine: Machine) -> Iterator[Finding]:
    yield from _averages(machine)
    before = stat(machine)
    busy = busiest(machine)
    after = stat(machine)
    yield processes_finding(busy)
    yield from _stolen(before, after)
    yield from _stalls(machine)


def _averages(machine: Machine) -> Iterator[Finding]:
    words = (first_line(machine.proc / "loadavg") or "").split()
    if len(words) < 3:
        yield Finding("missing", "load: this kernel does not say", "see for yourself that nothing else runs")
        return
    now = float(words[0])
    quiet = now <= BUSY * len(machine.cpus)
    advice = "" if quiet else f"above {BUSY:g} per core a run measures its neighbours: end what else runs, or wait"
    what = f"load over 1, 5 and 15 minutes: {', '.join(words[:3])} on {len(machine.cpus)} cores"
    yield Finding("ok" if quiet else "noisy", what, advice)


def busiest(machine: Machine) -> Busy:
    """The processes that take most of the processor while we wait half a second, this one left out."""
    own = psutil.Process()
    watched = [process for process in psutil.process_iter() if process.pid != own.pid]
    before = {process: seconds for process in watched if (seconds := _cpu_s(process)) is not None}
    machine.wait(WATCH_S)
    found = []
    for process, earlier in before.items():
        later = _cpu_s(process)
        if later is not None and later > earlier:
            found.append((_name(process), (later - earlier) / WATCH_S))
    return sorted(found, key=lambda one: -one[1])[:SHOWN_PROCESSES]


def processes_finding(busy: Busy) -> Finding:
    shown = [f"{name} {100 * share:.0f} %" for name, share in busy if share >= SHOWN_SHARE]
    if not shown:
        return Finding("ok", "other processes: none takes the processor at this moment")
    return Finding("noisy", f"other processes, of one core: {', '.join(shown)}", "end them, or measure when they rest")


def _cpu_s(process: psutil.Process) -> float | None:
    try:
        times = process.cpu_times()
    except (psutil.Error, OSError):
        return None
    return float(times.user + times.system)


def _name(process: psutil.Process) -> str:
    """Anyone may name a process: what a terminal could take for an order is left out."""
    try:
        name = process.name()
    except (psutil.Error, OSError):
        return "one that has ended"
    return "".join(letter for letter in name if letter.isprintable())[:40] or "one without a name"


def stat(machine: Machine) -> list[int]:
    """Ticks of all processors since boot: user, nice, system, idle, iowait, irq, softirq, steal. Guests are in user."""
    words = (first_line(machine.proc / "stat") or "").split()
    return [int(word) for word in words[1:9]] if words[:1] == ["cpu"] and len(words) >= 9 else []


def _stolen(before: Sequence[int], after: Sequence[int]) -> Iterator[Finding]:
    if not before or not after:
        yield Finding("missing", "stolen time: this kernel does not say", "lost shares are judged from inside only")
        return
    since_boot = before[7] / max(sum(before), 1)
    now = (after[7] - before[7]) / max(sum(after) - sum(before), 1)
    calm = max(now, since_boot) < STOLEN
    advice = "the hypervisor gives this machine's time to others: expect wide intervals, take more trials"
    what = f"stolen time: {100 * now:.1f} % now, {100 * since_boot:.1f} % since boot"
    yield Finding("ok" if calm else "noisy", what, "" if calm else advice)


def _stalls(machine: Machine) -> Iterator[Finding]:
    """Pressure stall information: `some avg10=1.53 avg60=0.87 avg300=0.73 total=4455`."""
    found = {name: _avg10(machine, name) for name in STALLED}
    known = {name: value for name, value in found.items() if value is not None}
    if not known:
        yield Finding("missing", "stalls: no /proc/pressure", "a kernel with CONFIG_PSI; the load averages serve")
        return
    high = [name for name, value in known.items() if value > STALLED[name]]
    what = ", ".join(f"{name} {value:g} %" for name, value in known.items())
    advice = {
        "cpu": "more wants to run than there are cores",
        "memory": "memory is short: a page fault may wait for the disk",
        "io": "the disk is busy: records are fsynced between blocks, never inside a sample",
    }
    yield Finding(
        "noisy" if high else "ok",
        f"waiting for, over the last 10 s: {what}",
        "; ".join(advice[name] for name in high),
    )


def _avg10(machine: Machine, name: str) -> float | None:
    words = (first_line(machine.proc / "pressure" / name) or "").split()
    figure = next((word.removeprefix("avg10=") for word in words if word.startswith("avg10=")), None)
    try:
        return None if figure is None else float(figure)
    except ValueError:
        return None
