"""What several commands share: where things lie, options, and how the terminal is spoken to."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import StoreError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.progress import Progress
    from harness.records import Plan, Value

RESULTS = Path("results")
REPORTS = Path("reports")
TRACES = Path("traces")

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
ResumeOption = Annotated[bool, typer.Option("--resume", help="go on with the newest unfinished run of this plan")]
SystemOption = Annotated[str | None, typer.Option("--system", help="one that learns; default the only one")]
SizeOption = Annotated[str | None, typer.Option("--size", help="of the system's sizes; default its smallest")]
VariantOption = Annotated[
    str | None, typer.Option("--variant", help="a named variant; default the system's own choice")
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="default the system's first")]
TorchThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="of torch; the same number, the same text")]
SwitchOption = Annotated[
    list[str] | None, typer.Option("--switch", metavar="K=LEVEL", help="a level, such as method=cocg; may be repeated")
]


@contextmanager
def resumable() -> Iterator[None]:
    """What ends a run early is told in a line, with the command that goes on."""
    command = shlex.join(["semh", *(word for word in sys.argv[1:] if word != "--resume")])
    try:
        yield
    except KeyboardInterrupt:
        complain(f"interrupted; what was measured is kept, go on with: {command} --resume")
        raise typer.Exit(130) from None
    except StoreError as error:
        complain(f"{error}; what was measured before is kept, go on with: {command} --resume")
        raise typer.Exit(3) from None


def settings_of(pairs: Sequence[str]) -> dict[str, Value]:
    """As text: the plan knows which condition is a number."""
    settings: dict[str, Value] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"--set {pair!r}: no condition and value; NAME=VALUE would do, such as dt=0.5")
        settings[key] = text
    return settings


def progress() -> Callable[[Plan], Progress]:
    from harness.progress import Lines, Live

    return Live if sys.stderr.isatty() else Lines


def show(run: str, path: Path) -> None:
    """The end of a run in the terminal: headline, effects, floor, where the report is."""
    from harness.report.terminal import summary
    from harness.store import RunFolder

    folder = RunFolder(RESULTS / run)
    console().print(summary(folder.manifest(), folder.analysis(), path))


def show_all(tables: Sequence[object]) -> None:
    terminal = console()
    for table in tables:
        terminal.print(table)


def console() -> Console:
    from rich.console import Console

    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=120)


def say(text: str) -> None:
    typer.echo(text, err=True)


def complain(text: str) -> None:
    typer.echo(f"semh: {text}", err=True)
