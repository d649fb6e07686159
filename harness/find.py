"""Where suites lie: a path as given, else a name in ./suites, else one of those that come with the program."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from harness.errors import SuiteError, UsageError, offer, shown

PACKAGED = Path(__file__).resolve().parent.parent / "suites"


def suite_files() -> dict[str, Path]:
    """Name -> file; what lies in the working directory wins over what comes with the program."""
    found: dict[str, Path] = {}
    for folder in (PACKAGED, Path("suites")):
        found |= {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    return found


def find_suite(name: str) -> Path:
    """Of a path that leads somewhere nothing is asked here: reading it says what is wrong with it."""
    known = suite_files()
    if Path(name).name != name or name.endswith((".yaml", ".yml")) or _exists(name):
        near = None if _exists(name) else _nearest(Path(name), known)
        if near is not None:
            raise SuiteError(name, 1, f"no such file; nearest is {near!r}")
        return Path(name)
    if name not in known:
        raise UsageError(f"no suite {shown(name)}; {offer(name, 'semh', known)} (a path to a YAML file would do too)")
    return known[name]


def suite_argument(file: str) -> str:
    """As `semh run` takes it, here and elsewhere: what comes with the program by name, any other by the path as given.

    A packaged suite that one in ./suites hides is named by its path.
    """
    path = Path(file)
    found = suite_files().get(path.stem)
    packaged = path.resolve() == PACKAGED / path.name
    return path.stem if packaged and found is not None and found.resolve() == path.resolve() else file


def _exists(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False  # no name a file could have


def _nearest(missing: Path, known: Mapping[str, Path]) -> str | None:
    """A file beside the one that was meant, else a suite known by its name. None where something else lies there."""
    try:
        if missing.exists():
            return None
        beside = {file.stem: str(file) for file in sorted(missing.parent.glob("*.y*ml"))}
    except (OSError, ValueError):
        return None
    for offered in (beside, {name: name for name in known}):
        close = difflib.get_close_matches(missing.stem[:100], offered, 1)
        if close:
            return offered[close[0]]
    return None
