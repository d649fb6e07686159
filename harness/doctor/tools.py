"""What the levels of registered systems need of this machine: compilers, libraries, packages.

They are asked in a process of its own, since they import torch and may compile; a first time takes a minute.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from harness.doctor.finding import Finding
from harness.system import Needing
from harness.systems import load_system, system_names

ASK_S = 600.0
ADVICE = "cells that need it are untested till then, all else runs"


def tool_findings(command: tuple[str, ...] = ("-P", "-m", "harness.doctor.tools")) -> Iterator[Finding]:
    try:
        done = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        tools: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        yield Finding("missing", f"what levels need could not be asked ({type(error).__name__})", ADVICE)
        return
    for name, why in tools.items():
        yield Finding("missing", f"{name}: {why}", ADVICE) if why else Finding("ok", f"{name}: found")


def tools() -> dict[str, str]:
    """Of all registered systems, each once: missing where one of them misses it."""
    found: dict[str, str] = {}
    for system in map(load_system, system_names()):
        if isinstance(system, Needing):
            found |= {name: found.get(name) or why for name, why in system.tools().items()}
    return found


if __name__ == "__main__":
    print(json.dumps(tools()))
