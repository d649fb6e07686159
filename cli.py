"""The command `semh`. Commands only: each imports what it needs, and none imports torch."""

from __future__ import annotations

import sys

import typer

from harness.commands import audit, claims, learning, machine, measuring, reading
from harness.commands.options import complain
from harness.errors import StoreError, SuiteError, UsageError

app = typer.Typer(
    help="Puts the performance claims of a design document on trial.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for command in (
    *(measuring.run, measuring.calibrate, measuring.plan),
    *(reading.report, reading.runs, reading.compare, reading.verdicts, reading.suites, reading.systems),
    audit.audit,
    *(machine.doctor, machine.ceilings, machine.trace),
    *(learning.memory, learning.train, learning.generate),
):
    app.command()(command)
app.add_typer(claims.claims, name="claims")


def main() -> None:
    try:
        app()
    except SuiteError as error:
        typer.echo(str(error), err=True)  # begins with file:line, where editors look for it
        sys.exit(2)
    except (UsageError, StoreError) as error:
        complain(str(error))
        sys.exit(2)


if __name__ == "__main__":
    main()
