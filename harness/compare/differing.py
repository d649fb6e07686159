"""What differs between two runs in machine, software, code and plan."""

from __future__ import annotations

from dataclasses import dataclass

from harness.records import Manifest, Part


@dataclass(frozen=True)
class Differing:
    """One fact, in the first and in the second run."""

    name: str
    first: str
    second: str


def environments(first: Manifest, second: Manifest) -> tuple[Differing, ...]:
    """Nothing that is equal."""
    ours, theirs = _facts(first), _facts(second)
    names = dict.fromkeys((*ours, *theirs))
    pairs = (Differing(name, ours.get(name, "not there"), theirs.get(name, "not there")) for name in names)
    return tuple(pair for pair in pairs if pair.first != pair.second)


def _facts(manifest: Manifest) -> dict[str, str]:
    where, plan = manifest.environment, manifest.plan
    facts = {
        "machine": where.machine_id,
        "processor": f"{where.cores} x {where.cpu}",
        "memory": f"{where.memory_bytes >> 20} MiB",
        "devices": ", ".join(device.name for device in where.devices) or "cpu",
        "frequency governor": where.governor or "not recorded",
        "platform": where.platform,
        "Python": where.python,
        **where.versions,
        "revision": (where.revision or "none") + (", with uncommitted changes" if where.dirty else ""),
        "code SHA-256": where.code_sha256[:12],
        "suite SHA-256": plan.suite_sha256[:12],
        "preset": f"{plan.preset}, {plan.trials} trials planned",
        "settings": ", ".join(f"{name}={value}" for name, value in plan.settings.items()) or "none",
        "load average": "not known" if where.load_average is None else f"{where.load_average:.2f}",
    }
    return facts | {f"threads of {part.name}": _threads(part) for part in plan.parts}


def _threads(part: Part) -> str:
    return ", ".join(sorted({str(cell.conditions["threads"]) for cell in part.cells if "threads" in cell.conditions}))
