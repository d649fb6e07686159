"""What the doctor says, and where it looks. The places are an argument, so that a made-up machine can be examined."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from harness.conditions import cores

Word = Literal["ok", "noisy", "missing", "note", "untested"]


@dataclass(frozen=True)
class Finding:
    """`word`: ok; noisy (this makes numbers scatter); missing (a facility that is not there); note (good to know);
    untested (nothing here to try it on). `advice` says what to do about it."""

    word: Word
    what: str
    advice: str = ""


@dataclass(frozen=True)
class Machine:
    """Roots of the kernel's files, and what else a test may want to plant."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    results: Path = Path("results")
    cpus: Sequence[int] = field(default_factory=lambda: allowed_cpus())
    """The processors this process may run on."""
    variables: Callable[[str], str | None] = os.environ.get
    wait: Callable[[float], None] = time.sleep


def allowed_cpus() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(cores()))


def first_line(file: Path) -> str | None:
    """None where there is no such file, or it may not be read."""
    try:
        return file.read_text(errors="replace").strip().split("\n")[0]
    except OSError:
        return None


def whole_number(file: Path) -> int | None:
    line = first_line(file)
    return int(line) if line is not None and line.lstrip("-").isdigit() else None


def by_key(file: Path) -> dict[str, int]:
    """Files of `key number` lines, such as cpu.stat; empty where there is none."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
