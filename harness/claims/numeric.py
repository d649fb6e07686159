"""Numeric claims, computed: the probes of a system are read without a suite run, on one thread, each cell once.

A place is one combination of an asking's levels and conditions. Its number is the mean over its seeds with a 95 %
interval, exact where there is one seed, and each place is judged as a run's would be. A place that cannot be built or
read is invalid, and its reason says why; nothing is left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.claims.address import Place
from harness.claims.ledger import Asking, Claim
from harness.claims.read import Reading
from harness.claims.recorded import recorded
from harness.claims.relation import combined, defended, word
from harness.claims.verdict import Judged, representative, told
from harness.conditions import DTYPES, RefusedError, check_condition, shown_value
from harness.errors import UsageError, offer, shown
from harness.records import ClaimVerdict, Value
from harness.stats.interval import t_interval
from harness.system import System
from harness.systems import load_system

COMMAND = "semh audit --numeric"
OWN = ("dtype", "device")
"""Conditions of the harness that a model is built from; the others belong to processes, and here is only one."""


class UnreadableError(Exception):
    """A place that gives no number; the text says why."""


@dataclass(frozen=True)
class Model:
    """What is built and read: everything that decides the numbers."""

    system: str
    variant: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, Value], ...]
    seed: int


@dataclass(frozen=True)
class Spot:
    """A place of an asking: the models to read, and those they are compared with."""

    where: str
    models: tuple[Model, ...]
    starts: tuple[Model, ...] = ()


@dataclass
class Readings:
    """Every model that was asked for, read once."""

    say: Callable[[Model], None]
    _read: dict[Model, Mapping[str, float | str] | str] = field(default_factory=dict)

    def of(self, model: Model, probe: str) -> float:
        if model not in self._read:
            self.say(model)
            self._read[model] = _readings(model)
        found = self._read[model]
        if isinstance(found, str):
            raise UnreadableError(found)
        value = found.get(probe)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise UnreadableError(f"probe {probe} gave {'nothing' if value is None else value}")
        return float(value)


def judged(claim: Claim, readings: Readings) -> ClaimVerdict:
    places = [(asking, spot) for asking in claim.computed_by for spot in spots(asking)]
    found = [_judged(claim, asking, spot, readings) for asking, spot in places]
    broken = [one for one in found if one.word == "invalid"]
    given = combined([one.word for one in found])
    shown_place = representative(claim, given, found)
    reasons = [told(claim, given, shown_place, found)] if given != "invalid" else []
    reasons += [f"invalid{' at ' if one.place.where else ''}{one.place.where}: {one.reason}" for one in broken]
    return recorded(
        claim,
        given,
        reason="; ".join(filter(None, reasons)),
        command=COMMAND,
        scope=f"claimed of {claim.scope}; computed by {'; '.join(dict.fromkeys(map(_scope, claim.computed_by)))}",
        measured=shown_place.reading.interval,
        defended=defended(claim, shown_place.fit),
        holds_where=tuple(one.place.where for one in found if one.word == "supported") if given == "qualified" else (),
        metric="probe_change" if claim.computed_by[0].start is not None else "probe",
        counted=True,
        trials=shown_place.reading.trials,
    )


def models(claims: Sequence[Claim]) -> set[Model]:
    """All that have to be read for these claims."""
    spotted = [spot for claim in claims for asking in claim.computed_by for spot in spots(asking)]
    return {model for spot in spotted for model in (*spot.models, *spot.starts)}


def spots(asking: Asking) -> list[Spot]:
    """Raises UsageError for a system, level, condition or probe that does not exist."""
    return list(_spots(asking, load_system(asking.system)))


def _spots(asking: Asking, system: System) -> Iterator[Spot]:
    probes = [probe.name for probe in system.probes]
    if asking.probe not in probes:
        raise UsageError(f"no probe {shown(asking.probe)}; {offer(asking.probe, system.name, probes)}")
    for repeated in itertools.product(*([(n, level) for level in levels] for n, levels in asking.each.items())):
        for varied in itertools.product(*([(n, value) for value in values] for n, values in asking.where.items())):
            where = ", ".join(f"{name}={shown_value(value)}" for name, value in (*varied, *repeated))
            wanted: dict[str, Value] = {**asking.conditions, **dict(varied), **dict(repeated)}
            after = _models(asking, system, {**wanted, **asking.changes})
            before = () if asking.start is None else _models(asking, system, {**wanted, **asking.start})
            yield Spot(where, after, before)


def _models(asking: Asking, system: System, wanted: Mapping[str, Value]) -> tuple[Model, ...]:
    for kind, name, known in (("variant", asking.variant, system.variants), ("size", asking.size, system.sizes)):
        if name is not None and name not in known:
            raise UsageError(f"no {kind} {shown(name)}; {offer(name, system.name, known)}")
    variant = dict(system.variants[asking.variant])
    conditions: dict[str, Value] = {condition.name: condition.default for condition in system.conditions}
    conditions |= {"dtype": DTYPES[0], "device": system.devices[0]}
    conditions |= dict(system.sizes[asking.size]) if asking.size is not None else {}
    for name, value in wanted.items():
        switch = next((switch for switch in system.switches if switch.name == name), None)
        if switch is not None:
            if value not in switch.levels:
                raise UsageError(f"{name}: no level {shown(value)}; {offer(str(value), system.name, switch.levels)}")
            variant[name] = str(value)
        elif name in conditions:
            conditions[name] = _checked(system, name, value)
        else:
            near = offer(name, system.name, [*variant, *conditions])
            raise UsageError(f"no switch or condition {shown(name)}; {near}")
    key = tuple(sorted(variant.items())), tuple(sorted(conditions.items()))
    return tuple(Model(asking.system, *key, seed) for seed in range(asking.seeds))


def _checked(system: System, name: str, value: Value) -> Value:
    try:
        return check_condition(system, name, value)
    except RefusedError as refused:
        raise UsageError(f"{name}: {refused}") from None


def _judged(claim: Claim, asking: Asking, spot: Spot, readings: Readings) -> Judged:
    place = Place(None, None, spot.where)
    try:
        values = [readings.of(model, asking.probe) * asking.scale for model in spot.models]
        if asking.start is not None:
            starts = [readings.of(model, asking.probe) for model in spot.starts]
            if 0.0 in starts:
                raise UnreadableError(f"probe {asking.probe} is 0 at the start, and nothing is a share of that")
            values = [100 * (1 - value / start) for value, start in zip(values, starts, strict=True)]
    except UnreadableError as error:
        return Judged(place, "invalid", Reading(None), str(error))
    found = t_interval(values)
    return Judged(place, word(claim, found), Reading(found, tuple(values)), "", found)


def _readings(model: Model) -> Mapping[str, float | str] | str:
    system = load_system(model.system)
    variant, conditions = dict(model.variant), dict(model.conditions)
    dtype = str(conditions["dtype"])
    try:
        built = system.build(variant, conditions, model.seed, dtype)
        return dict(system.read_probes(built, system.batch(conditions, model.seed, dtype)))
    except Exception as error:  # a system's own code, which may raise anything
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def _scope(asking: Asking) -> str:
    """What stands fixed, in words; a place's own words say the rest."""
    size = f" at size {asking.size}" if asking.size else ""
    fixed = {**asking.conditions, **asking.changes}
    with_ = f" with {', '.join(f'{name}={shown_value(value)}' for name, value in fixed.items())}" if fixed else ""
    start = asking.start if asking.start is not None else {}
    told_start = ", ".join(f"{name}={shown_value(value)}" for name, value in start.items()) or asking.variant
    from_ = f", from {told_start}" if asking.start is not None else ""
    seeds = f", {asking.seeds} seeds" if asking.seeds > 1 else ""
    return f"{asking.probe} of {asking.system}{size}, {asking.variant}{with_}{from_}{seeds}"
