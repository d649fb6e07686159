"""Repeat it: commands, versions, machine, hashes and the data files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from harness.export.files import Written
from harness.records import Device, Environment, Manifest
from harness.report import numbers, words
from harness.report.shown import Block, Code, Column, Entry, Link, Section, Table
from harness.report.tables_view import table_links
from harness.report.text import label, listing, plain, safe

FACTS = (Column("Fact"), Column("Value"))


def repeat_section(manifest: Manifest, data: str, tables: Sequence[Written] = ()) -> Section:
    """`data`: path of the run's folder as seen from the report; `tables`: what lies beside the report."""
    commands = (
        Code("Measure again", plain(manifest.command, 1000)),
        Code("Render this report again from the stored run", f"semh report {plain(manifest.run, 200)}"),
    )
    run = Block("", "", tuple(_sentences(manifest)), (*commands, _facts(manifest)))
    machine = Block(
        "Machine and versions", "", tuple(_missing(manifest.environment)), (_machine(manifest.environment),)
    )
    suite = Block(
        "Suite, as it was run", "", (), (Code(words.suite_file(manifest.plan), listing(manifest.suite_text), True),)
    )
    place = "/".join(quote(step) for step in data.split("/"))
    links = (
        Link("manifest.json", f"{place}/manifest.json", "plan, suite, claims, environment and processes"),
        Link("analysis.json", f"{place}/analysis.json", "every number in this report"),
        Link("trials/", f"{place}/trials/", "the raw readings, one JSON line a block"),
        *table_links(tables),
    )
    return Section("repeat", "How can I repeat it?", (), (run, machine, suite), links)


def _sentences(manifest: Manifest) -> Iterator[str]:
    took = f" and took {numbers.duration(manifest.wall_s)}" if manifest.wall_s is not None else ""
    plan = manifest.plan
    yield (
        f"The run started {label(manifest.started)}{took}, at preset {label(plan.preset)} "
        f"({words.count(plan.trials, 'trial')} planned), seed {plan.seed}."
    )
    if plan.only:
        yield f"Restricted to {words.listed(label(cell) for cell in plan.only)}."


def _facts(manifest: Manifest) -> Table:
    environment, plan = manifest.environment, manifest.plan
    dirty = {True: ", with uncommitted changes", False: ", clean", None: ""}[environment.dirty]
    rows = [
        ("Run", label(manifest.run)),
        ("Suite", words.suite_file(plan)),
        ("Suite SHA-256", label(plan.suite_sha256)),
        ("Code revision", f"{label(environment.revision)}{dirty}" if environment.revision else "not under git"),
        ("Code SHA-256", label(environment.code_sha256)),
        ("Claims", ", ".join(label(name) for name in manifest.claims_text) or "none"),
        *(
            (f"Batch of {label(part)}: {label(name)}", words.value(value))
            for part, facts in manifest.facts.items()
            for name, value in facts.items()
        ),
    ]
    return Table("Identity", FACTS, tuple((Entry(name), Entry(value)) for name, value in rows))


def _machine(environment: Environment) -> Table:
    load = environment.load_average
    rows = [
        ("CPU", f"{words.count(environment.cores, 'core')} {label(environment.cpu)}"),
        ("Memory", numbers.memory(environment.memory_bytes)),
        ("Platform", f"{label(environment.platform)}, {label(environment.machine)}"),
        ("Load average at the start", numbers.brief(load, 2) if load is not None else "not available"),
        ("Machine id", label(environment.machine_id)),
        ("Python", label(environment.python)),
        *(row for device in environment.devices for row in _device(device)),
        *((label(name), label(version)) for name, version in environment.versions.items()),
    ]
    return Table("Environment", FACTS, tuple((Entry(name), Entry(value)) for name, value in rows))


def _device(device: Device) -> Iterator[tuple[str, str]]:
    named = ", ".join(filter(None, (device.name, device.driver)))
    yield f"Device {label(device.kind)}", f"{label(named)}, {numbers.memory(device.memory_bytes)}"
    for name, value in device.settings.items():
        yield f"Setting of {label(device.kind)}: {label(name)}", words.value(value)


def _missing(environment: Environment) -> Iterator[str]:
    if environment.missing:
        yield f"Not available on this machine: {safe('; '.join(environment.missing))}."
    yield "What this machine lacks was not run: nothing here speaks of another device."
    for name, why in environment.not_run.items():
        yield f"{label(name)}: {safe(why)}."
