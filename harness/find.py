"""Where suites lie: a path as given, else a name in ./suites, else one of those that come with the program."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError, offer, shown

PACKAGED = Path(__file__).resolve().parent.parent / "suites"


def suite_files() -> dict[str, Path]:
    """Name -> file; what lies in the working directory wins over what comes with the program."""
    found: dict[str, Path] = {}
    for folder in (PACKAGED, Path("suites")):
        found |= {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    return found


def find_suite(name: str) -> Path:
    """Of a path nothing is asked here: reading it says what is wrong with it."""
    if Path(name).name != name or name.endswith((".yaml", ".yml")) or _exists(name):
        return Path(name)
    known = suite_files()
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
