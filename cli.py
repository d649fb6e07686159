"""The command `semh`. Commands only: each imports what it needs, and none imports torch."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import StoreError, SuiteError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.progress import Progress
    from harness.records import Plan, Value

RESULTS = Path("results")
REPORTS = Path("reports")

app = typer.Typer(
    help="Puts the performance claims of a design document on trial.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

SuiteArgument = Annotated[str, typer.Argument(metavar="SUITE", help="a YAML file, or the name of a known suite")]
PresetOption = Annotated[str, typer.Option("--preset", help="trials: smoke 2, quick 6, full 10, rigorous 20")]
OnlyOption = Annotated[
    list[str] | None, typer.Option("--only", metavar="CELL", help="these cells and their baselines; may be repeated")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="K=V", help="a condition, such as dt=0.5; may be repeated")
]
ThreadsOption = Annotated[int | None, typer.Option("--threads", help="threads of every cell")]
MinutesOption = Annotated[float | None, typer.Option("--max-minutes", help="start no trial after so many minutes")]


@app.command()
def run(
    suite: SuiteArgument,
    preset: PresetOption = "quick",
    only: OnlyOption = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    max_minutes: MinutesOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the newest unfinished run of this plan")] = False,
) -> None:
    """Measure a suite and report on it."""
    import harness

    words = [word for word in sys.argv[1:] if word != "--resume"]
    command = shlex.join(["semh", *words])
    try:
        result = harness.run(
            suite,
            preset=preset,
            only=only or (),
            settings=_settings(set_ or ()),
            threads=threads,
            max_minutes=max_minutes,
            resume=resume,
            results=RESULTS,
            reports=REPORTS,
            progress=_progress(),
        )
    except KeyboardInterrupt:
        _complain(f"interrupted; what was measured is kept, go on with: {command} --resume")
        raise typer.Exit(130) from None
    except StoreError as error:
        _complain(f"{error}; what was measured before is kept, go on with: {command} --resume")
        raise typer.Exit(3) from None
    _show(result.folder.name, result.report)
    raise typer.Exit(result.exit_code)


@app.command()
def plan(
    suite: SuiteArgument,
    preset: PresetOption = "quick",
    only: OnlyOption = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    max_minutes: MinutesOption = None,
) -> None:
    """Show what a suite would run: its cells, which are merged, what they cost. Runs nothing."""
    import harness
    from harness.report.terminal import plan_table
    from harness.tables import plan_cost

    _, drawn = harness.planned(
        suite,
        preset=preset,
        only=tuple(only or ()),
        settings=_settings(set_ or ()),
        threads=threads,
        max_minutes=max_minutes,
    )
    _print([plan_table(drawn), plan_cost(drawn)])


@app.command()
def report(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", help="a name as `semh runs` shows it; default newest")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="show report.html in the browser")] = False,
) -> None:
    """Render the report of a run again. Needs neither torch nor the device it was measured on."""
    import harness
    from harness.store import find_run

    folder = find_run(RESULTS, run)
    path = harness.conclude(folder, REPORTS).report
    _show(folder.name, path)
    if open_:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


@app.command()
def runs() -> None:
    """List the runs in results/, newest first."""
    from harness.store import run_folders
    from harness.tables import runs_table

    folders = run_folders(RESULTS)
    if not folders:
        typer.echo(f"no run in {RESULTS}/ yet; `semh run SUITE` makes one")
        return
    _print([runs_table(folders)])


@app.command()
def suites() -> None:
    """List the suites in ./suites and those that come with the program."""
    from harness.tables import suites_table

    _print([suites_table()])


@app.command()
def systems(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="one system, with its switches")] = None,
) -> None:
    """List the systems, or show one: switches and levels, conditions, sizes, modes."""
    from harness.systems import load_system, system_names
    from harness.tables import system_tables, systems_table

    _print([systems_table(system_names())] if name is None else system_tables(load_system(name)))


@app.command()
def doctor() -> None:
    """Say what this machine offers for measuring, and what to do about what it lacks."""
    from harness.doctor import findings

    for finding in findings():
        advice = f" -> {finding.advice}" if finding.advice else ""
        typer.echo(f"{finding.word:<9}{finding.what}{advice}")


def main() -> None:
    try:
        app()
    except SuiteError as error:
        typer.echo(str(error), err=True)  # begins with file:line, where editors look for it
        sys.exit(2)
    except (UsageError, StoreError) as error:
        _complain(str(error))
        sys.exit(2)


def _settings(pairs: Sequence[str]) -> dict[str, Value]:
    """As text: the plan knows which condition is a number."""
    settings: dict[str, Value] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {pair!r}: no condition and value; NAME=VALUE would do, such as dt=0.5")
        settings[key] = text
    return settings


def _progress() -> Callable[[Plan], Progress]:
    from harness.progress import Lines, Live

    return Live if sys.stderr.isatty() else Lines


def _show(run: str, path: Path) -> None:
    """The end of a run in the terminal: headline, effects, floor, where the report is."""
    from harness.report.terminal import summary
    from harness.store import RunFolder

    folder = RunFolder(RESULTS / run)
    _console().print(summary(folder.manifest(), folder.analysis(), path))


def _print(tables: Sequence[object]) -> None:
    console = _console()
    for table in tables:
        console.print(table)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=120)


def _complain(text: str) -> None:
    typer.echo(f"semh: {text}", err=True)


if __name__ == "__main__":
    main()
