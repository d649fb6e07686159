"""What this folder already knows about this machine: how old its calibrations and its ceilings are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from harness.doctor.finding import Finding, Machine
from harness.errors import StoreError
from harness.measure.environment import machine_id
from harness.store import calibrated_suites, read_calibrations, read_ceilings

OLD = timedelta(days=30)


def record_findings(machine: Machine, here: str = "", now: datetime | None = None) -> Iterator[Finding]:
    """`here`: the machine's id, and `now`, where a test makes them up."""
    here, now = here or machine_id(), now or datetime.now(UTC)
    try:
        yield from _calibrations(machine, here, now)
        yield from _ceilings(machine, here, now)
    except StoreError as error:
        yield Finding("missing", str(error), "remove it, and calibrate or measure the ceilings again")


def _calibrations(machine: Machine, here: str, now: datetime) -> Iterator[Finding]:
    found = 0
    for suite in calibrated_suites(machine.results):
        calibration = read_calibrations(machine.results, suite).machines.get(here)
        if calibration is None:
            continue
        found += 1
        made = datetime.fromisoformat(calibration.made)
        old = now - made > OLD
        what = f"calibration of {suite}: {_age(now - made)} old, {calibration.false_alarms} false alarms in "
        what += f"{len(calibration.contrasts)} comparisons of equals"
        yield Finding("note" if old else "ok", what, f"`semh calibrate {suite}` makes a new one" if old else "")
    if not found:
        advice = "`semh calibrate SUITE` finds out what a suite can see here before it is run"
        yield Finding("missing", "calibrations: none of this machine", advice)


def _ceilings(machine: Machine, here: str, now: datetime) -> Iterator[Finding]:
    ceilings = read_ceilings(machine.results).machines.get(here, ())
    if not ceilings:
        advice = "`semh ceilings` measures them; a run measures those it needs"
        yield Finding("missing", "ceilings: none of this machine", advice)
        return
    oldest = now - min(datetime.fromisoformat(ceiling.measured) for ceiling in ceilings)
    old = oldest > OLD
    what = f"ceilings: {len(ceilings)} measured, the oldest {_age(oldest)} ago"
    yield Finding("note" if old else "ok", what, "`semh ceilings` measures them anew" if old else "")


def _age(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    if hours < 1:
        return "under an hour"
    if hours < 48:
        return f"{hours:.0f} hours" if hours >= 1.5 else "an hour"
    return f"{age.days} days"
