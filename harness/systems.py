"""Finds systems: by their entry point in the group `semh.systems`, or as `module:OBJECT` (which runs that module)."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from harness.errors import UsageError, offer, shown
from harness.system import System

GROUP = "semh.systems"
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
ASKED = [name for name in vars(System) if not name.startswith("_")]


def _registered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def system_names() -> list[str]:
    return sorted(_registered())


def load_system(ref: str) -> System:
    """The system a suite names; the working directory is searched last, so that it cannot shadow anything."""
    if ":" in ref:
        if not DOTTED.fullmatch(ref):
            raise UsageError(f"{shown(ref)} is no system; a name or dotted.module:OBJECT would do")
        target = ref
    else:
        registered = _registered()
        if ref not in registered:
            raise UsageError(f"no system {shown(ref)}; {offer(ref, 'this installation', sorted(registered))}")
        target = registered[ref].value
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    module_name, name = target.split(":")
    try:
        module = import_module(module_name)
    except Exception as error:  # importing a user's module runs it, and it may raise anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(f"{shown(ref)} cannot be imported ({reason[:160]}); a module that can would do") from None
    if not hasattr(module, name):
        raise UsageError(f"{shown(ref)}: {module_name} has no {name}; a System object would do")
    found = getattr(module, name)
    missing = [asked for asked in ASKED if not hasattr(found, asked)]
    if missing:
        raise UsageError(f"{shown(ref)} is no System; it has no {', '.join(missing)}")
    loaded: System = found
    return loaded
