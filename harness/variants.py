"""Variants as a suite writes them: a name of the system's, or changes to another; checked, and in one form each."""

from __future__ import annotations

from collections.abc import Mapping

from harness.conditions import Fail
from harness.errors import offer, shown
from harness.suite import Changes, PartSpec
from harness.system import System
from harness.yamlfile import KeyPath

Variant = dict[str, str]
Factors = dict[str, tuple[str, ...]]
"""Varied switch -> levels, the baseline's first."""
Named = tuple[str | None, Variant]
"""A planned variant, with a name of its own or to be named by what it changes."""


def status_quo(system: System) -> Variant:
    return dict(system.variants["status_quo"])


def canonical(system: System, mode: str, variant: Mapping[str, str], baseline: Mapping[str, str]) -> Variant:
    """Switches that do not apply take the baseline's level, until nothing changes (one may hang on another)."""
    result = dict(variant)
    for _ in system.switches:
        dead = [switch.name for switch in system.switches if not switch.alive(result, mode)]
        settled = result | {name: baseline[name] for name in dead}
        if settled == result:
            break
        result = settled
    return result


def complete(system: System, given: Changes, base: Variant, path: KeyPath, fail: Fail) -> Variant:
    if isinstance(given, str):
        if given not in system.variants:
            raise fail(path, f"no variant {shown(given)}; {offer(given, system.name, system.variants)}")
        return dict(system.variants[given])
    for name, level in given.items():
        _check_level(system, name, level, (*path, name), fail)
    return base | given


def listed(
    system: System, given: Changes | list[Changes] | None, key: str, baseline: Variant, fail: Fail
) -> list[Named]:
    if given is None:
        return []
    places: list[tuple[KeyPath, Changes]]
    if isinstance(given, list):
        places = [((key, index), changes) for index, changes in enumerate(given)]
    else:
        places = [((key,), given)]
    return [
        (changes if isinstance(changes, str) else None, complete(system, changes, baseline, path, fail))
        for path, changes in places
    ]


def read_factors(system: System, spec: PartSpec, baseline: Variant, fail: Fail) -> Factors:
    factors: Factors = {}
    for name, given in spec.factors.items():
        path = ("factors", name)
        _levels(system, name, path, fail)
        for index, level in enumerate(given):
            _check_level(system, name, level, (*path, index), fail)
            if level in given[:index]:
                raise fail((*path, index), f"{shown(level)} stands twice in the list; once would do")
        own = baseline[name]
        factors[name] = (own, *(level for level in given if level != own))
        if len(factors[name]) < 2:
            raise fail(path, f"an empty design: only the baseline's level, {own}; name another level, or leave it out")
    return factors


def _check_level(system: System, name: str, level: str, path: KeyPath, fail: Fail) -> None:
    levels = _levels(system, name, path[:2], fail)
    if level not in levels:
        raise fail(path, f"no level {shown(level)}; {offer(level, system.name, levels)}")


def _levels(system: System, name: str, path: KeyPath, fail: Fail) -> tuple[str, ...]:
    for switch in system.switches:
        if switch.name == name:
            return switch.levels
    names = [switch.name for switch in system.switches]
    raise fail(path, f"no switch {shown(name)}; {offer(name, system.name, names)}")
