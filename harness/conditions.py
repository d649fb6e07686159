"""The conditions of a part: what the size says, what the suite sets or varies, what the command line overrides.

Besides those a system reads (its `conditions`), five belong to the harness: cells that differ in one of them cannot
share a process.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.errors import SuiteError, offer, shown
from harness.measure.device import HOSTS, absent, facts
from harness.records import Value
from harness.suite import PartSpec
from harness.system import Condition, System
from harness.yamlfile import KeyPath

PROCESS_CONDITIONS = ("threads", "allocator", "flush_denormal", "device", "dtype")
DTYPES = ("float32", "float64")
ALLOCATORS = ("default", "keep")

Fail = Callable[[KeyPath, str], SuiteError]
"""The error of a part, at a path below it."""


class RefusedError(ValueError):
    """A value that a condition does not take; the text says why."""


@dataclass(frozen=True)
class Resolved:
    fixed: Mapping[str, Value]
    """Complete: every condition with a value, the varied ones with their first."""
    varied: Mapping[str, tuple[Value, ...]]
    notes: tuple[str, ...] = ()
    """What a list asks for that this machine has not."""


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def condition_names(system: System) -> list[str]:
    return [*(condition.name for condition in system.conditions), *PROCESS_CONDITIONS]


def check_condition(system: System, name: str, value: object) -> Value:
    """The value in its condition's own type."""
    choices = {"allocator": ALLOCATORS, "dtype": DTYPES, "device": tuple(system.devices)}
    if name in choices:
        if value not in choices[name]:
            raise RefusedError(f"no {name} {shown(value)}; {offer(str(value), system.name, choices[name])}")
        if name == "device":
            _check_device(str(value), system)
        return str(value)
    if name == "flush_denormal":
        if not isinstance(value, bool):
            raise RefusedError(f"found {shown(value)}; flush_denormal takes true or false")
        return value
    if name == "threads":
        return _number(Condition("threads", 1, 1, cores()), value)
    for condition in system.conditions:
        if condition.name == name:
            return _number(condition, value)
    raise RefusedError(f"no condition {shown(name)}; {offer(name, system.name, condition_names(system))}")


def _check_device(name: str, system: System) -> None:
    why = absent(name)
    if why:
        here = [other for other in system.devices if not absent(other)]
        do = f"device: {here[0]} would do here" if here else "only a machine that has one would do"
        raise RefusedError(f"{name} is untested here, {why}; {do}")


def _check_together(conditions: Mapping[str, Value], varied: Mapping[str, tuple[Value, ...]], fail: Fail) -> None:
    """What a device does not know of: conditions of the host's processor and of its C library, and float64 on some."""
    for device in varied.get("device", (conditions["device"],)):
        if device in HOSTS:
            continue
        for name, usual in (("flush_denormal", False), ("allocator", "default")):
            if set(varied.get(name, (conditions[name],))) != {usual}:
                does = f"acts on the host alone and changes nothing on {device}"
                raise fail(("conditions", name), f"{name} {does}; {name}: {shown_value(usual)} would do")
        if "float64" in varied.get("dtype", (conditions["dtype"],)) and not facts(str(device)).float64:
            raise fail(("conditions", "dtype"), f"this {device} device has no float64; dtype: float32 would do")


def _number(condition: Condition, value: object) -> int | float:
    takes = f"{condition.name} takes {'a whole number' if condition.integer else 'a number'} from "
    takes += f"{condition.low:g} to {condition.high:g}"
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain or (condition.integer and not isinstance(value, int)):
        raise RefusedError(f"found {shown(value)}; {takes}")
    assert isinstance(value, int | float)
    if not condition.low <= value <= condition.high:
        raise RefusedError(f"{shown(value)} is {'below' if value < condition.low else 'above'} the range; {takes}")
    return value if condition.integer else float(value)


def resolve(system: System, spec: PartSpec, settings: Mapping[str, Value], fail: Fail) -> Resolved:
    """`settings` are already checked, and win."""
    fixed: dict[str, Value] = {condition.name: condition.default for condition in system.conditions}
    fixed |= {"threads": 1, "allocator": "default", "flush_denormal": False, "dtype": "float32"}
    fixed["device"] = system.devices[0]
    fixed |= _size(system, spec, fail)
    varied: dict[str, tuple[Value, ...]] = {}
    notes: list[str] = []
    for name, given in spec.conditions.items():
        if name == "device" and name in settings:
            continue  # a device that is not used need not be here
        if isinstance(given, list):
            values, gone = _list(system, name, given, fail)
            fixed[name] = values[0]
            notes += gone
            if name not in settings and len(values) > 1:
                varied[name] = values
        else:
            fixed[name] = _checked(system, name, given, ("conditions", name), fail)
    fixed |= dict(settings)
    if not {"device"} & (spec.conditions.keys() | settings.keys()):
        _checked(system, "device", fixed["device"], (), fail)
    _check_together(fixed, varied, fail)
    return Resolved(fixed, varied, tuple(notes))


def _size(system: System, spec: PartSpec, fail: Fail) -> Mapping[str, Value]:
    if spec.size is None:
        return {}
    if spec.size not in system.sizes:
        raise fail(("size",), f"no size {shown(spec.size)}; {offer(spec.size, system.name, system.sizes)}")
    return system.sizes[spec.size]


def _list(system: System, name: str, given: list[Value], fail: Fail) -> tuple[tuple[Value, ...], tuple[str, ...]]:
    """Its values, and a note of what was left out: of a list of threads what this machine has too few cores for, so
    that the rest of the part runs on any machine."""
    path = ("conditions", name)
    if len(given) < 2:
        raise fail(path, f"an empty design: a list of {len(given)} varies nothing; give a value, or a longer list")
    many = [value for value in given if name == "threads" and _number_of(value) > cores()]
    gone = many if len(many) < len(given) else []
    values = [_checked(system, name, value, (*path, at), fail) for at, value in enumerate(given) if value not in gone]
    seen: set[Value] = set()
    for index, value in enumerate(values):
        if value in seen:
            raise fail((*path, index), f"{shown(value)} stands twice in the list; once would do")
        seen.add(value)
    told = f"threads {', '.join(map(shown_value, gone))}: not testable here, cores that may be used: {cores()}"
    return tuple(values), (told,) if gone else ()


def _number_of(value: Value) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _checked(system: System, name: str, value: object, path: KeyPath, fail: Fail) -> Value:
    try:
        return check_condition(system, name, value)
    except RefusedError as refused:
        raise fail(path, str(refused)) from None


def shown_value(value: Value) -> str:
    """As it stands in a cell's name: 0.1, 1, true."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isfinite(value):
        return repr(value).removesuffix(".0")
    return str(value)
