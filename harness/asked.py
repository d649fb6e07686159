"""One model as a command line asks for it: size, variant, levels and conditions; checked against a system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.conditions import RefusedError, check_condition, condition_names
from harness.errors import UsageError, offer, shown
from harness.records import Value
from harness.system import System
from harness.yamlfile import core_scalar


@dataclass(frozen=True)
class Asked:
    size: str | None = None
    variant: str | None = None
    levels: Sequence[str] = ()
    """SWITCH=LEVEL"""
    settings: Sequence[str] = ()
    """CONDITION=VALUE"""


def variant_of(system: System, asked: Asked, default: Mapping[str, str]) -> dict[str, str]:
    if asked.variant is not None and asked.variant not in system.variants:
        raise UsageError(f"no variant {shown(asked.variant)}; {offer(asked.variant, system.name, system.variants)}")
    variant = dict(default if asked.variant is None else system.variants[asked.variant])
    levels = {switch.name: switch.levels for switch in system.switches}
    for name, level in pairs("--switch", asked.levels, "method=cocg"):
        if name not in levels:
            raise UsageError(f"--switch {name}: no switch {shown(name)}; {offer(name, system.name, levels)}")
        if level not in levels[name]:
            raise UsageError(f"--switch {name}: no level {shown(level)}; {offer(level, system.name, levels[name])}")
        variant[name] = level
    return variant


def conditions_of(system: System, asked: Asked, default_size: str | None = None) -> dict[str, Value]:
    """The system's own, complete; of the harness's those that were set."""
    size = asked.size if asked.size is not None else default_size
    if size is not None and size not in system.sizes:
        raise UsageError(f"no size {shown(size)}; {offer(size, system.name, system.sizes)}")
    conditions: dict[str, Value] = {condition.name: condition.default for condition in system.conditions}
    return changed(system, conditions | dict(system.sizes[size] if size else {}), asked.settings, "--set")


def changed(system: System, conditions: Mapping[str, Value], settings: Sequence[str], option: str) -> dict[str, Value]:
    found = dict(conditions)
    for name, text in pairs(option, settings, "dt=0.5"):
        if name not in condition_names(system):
            near = offer(name, system.name, condition_names(system))
            raise UsageError(f"{option} {name}: no condition {shown(name)}; {near}")
        try:
            found[name] = check_condition(system, name, core_scalar(text))
        except RefusedError as refused:
            raise UsageError(f"{option} {name}={text}: {refused}") from None
    return found


def pairs(option: str, given: Sequence[str], example: str) -> Iterator[tuple[str, str]]:
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {shown(pair)}: no name and value; NAME=VALUE would do, such as {example}")
        yield name, value
