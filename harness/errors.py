"""The errors a user can cause, each one line: where, what was found, what would do."""

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """A request that cannot be carried out as it stands (exit code 2). Its text is the whole message."""


class SuiteError(UsageError):
    """A suite that cannot be used. `str()` is `file:line: what was found, what would do`."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file = file
        self.line = line
        self.message = message


class StoreError(Exception):
    """A record that could not be written or read: a full disk, a damaged file. Its text is the whole message."""


def shown(value: object) -> str:
    """What was found, on one short line whatever it holds."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def offer(found: str, owner: str, names: Iterable[str]) -> str:
    """What would do: all names where they are few, else the nearest where there is one."""
    known = list(names)
    near = difflib.get_close_matches(found[:100], known, 1)
    if near and len(known) > 6:
        return f"nearest is {near[0]!r}"
    return f"{owner} offers {', '.join(known) or 'none'}"
