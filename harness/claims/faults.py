"""What is wrong with a ledger, in one line: where, what was found, what would do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.errors import SuiteError, offer, shown
from harness.yamlfile import KeyPath, YamlDocument


def faulty(
    file: str, document: YamlDocument, error: ValidationError, models: Mapping[str, type[BaseModel]]
) -> SuiteError:
    """models: key -> what stands below it."""
    faults = error.errors(include_url=False)
    # A misspelt key is one missing, too; the first says more.
    fault = next((one for one in faults if one["type"] == "extra_forbidden"), faults[0])
    path: KeyPath = fault["loc"]
    return SuiteError(file, _line(document, path), _message(path, fault, models))


def _line(document: YamlDocument, path: KeyPath) -> int:
    while path and path not in document.lines:
        path = path[:-1]
    return document.lines.get(path, 1)


def _message(path: KeyPath, fault: Any, models: Mapping[str, type[BaseModel]]) -> str:
    named = ".".join(str(key) for key in path)
    if fault["type"] == "extra_forbidden":
        owner = next((str(key) for key in reversed(path[:-1]) if isinstance(key, str)), "")
        where = ".".join(str(key) for key in path[:-1])
        names = list(models[owner].model_fields) if owner in models else []
        unknown = f"unknown key {shown(path[-1])}; {offer(str(path[-1]), owner or 'a ledger', names)}"
        return f"{where}: {unknown}" if where else unknown
    if "given" in path[:-1]:  # one fault for each kind of value it might have been
        path = path[: path.index("given") + 2]
        return f'{".".join(str(key) for key in path)}: a number, a formula or {{line: 12, number: "78%"}} would do'
    said = re.sub(r"^(Value error|Assertion failed), ", "", fault["msg"])
    found = "" if fault["type"] in ("missing", "value_error") else f"found {shown(fault['input'])}; "
    return f"{named}: {found}{said[:1].lower()}{said[1:]}" if named else f"{found}{said}"
