"""The command `semh`. Commands only: each imports what it needs, and none imports torch."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
TRACES = Path("traces")

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


@app.command()
def run(
    suite: SuiteArgument,
    preset: PresetOption = "quick",
    only: OnlyOption = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    max_minutes: MinutesOption = None,
    resume: ResumeOption = False,
) -> None:
    """Measure a suite and report on it."""
    import harness

    with _resumable():
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
    _show(result.folder.name, result.report)
    raise typer.Exit(result.exit_code)


@app.command()
def calibrate(
    suite: SuiteArgument,
    preset: PresetOption = "quick",
    only: OnlyOption = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    max_minutes: MinutesOption = None,
    resume: ResumeOption = False,
) -> None:
    """Measure a suite's cells against copies of themselves: what can be seen here, and what is noise."""
    from harness.calibrations import calibrate, summary
    from harness.tables import calibration_table

    with _resumable():
        made = calibrate(
            suite,
            preset=preset,
            only=tuple(only or ()),
            settings=_settings(set_ or ()),
            threads=threads,
            max_minutes=max_minutes,
            resume=resume,
            results=RESULTS,
            reports=REPORTS,
            progress=_progress(),
        )
    if made.stored is None:
        _complain(f"no copy of a cell gave an interval, nothing is stored; see {made.result.report}")
    else:
        _print([calibration_table(made.calibration)])
        typer.echo(f"{summary(made.calibration)}\nStored: {made.stored}\nReport: {made.result.report}")
    raise typer.Exit(made.result.exit_code)


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
    from harness.calibrations import plan_words
    from harness.measure.environment import environment
    from harness.predict import predicted
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
    where = environment([part.system for part in drawn.parts])
    cost = plan_cost(predicted(RESULTS, drawn, where), plan_words(RESULTS, drawn, where))
    _print([plan_table(drawn), cost])


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
def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="leave out the self test of three seconds")] = False,
) -> None:
    """Say what makes this machine noisy and what it offers for measuring, and what to do about either."""
    from harness.doctor import Machine, findings

    for finding in findings(Machine(results=RESULTS), quick=quick):
        advice = f" -> {finding.advice}" if finding.advice else ""
        typer.echo(f"{finding.word:<9}{finding.what}{advice}")


@app.command()
def ceilings(
    threads: Annotated[
        list[int] | None, typer.Option("--threads", metavar="N", help="may be repeated; default 1, 2, 4, ... and all")
    ] = None,
    allocator: Annotated[
        list[str] | None, typer.Option("--allocator", help="default or keep; may be repeated; default both")
    ] = None,
    dtype: Annotated[
        list[str] | None, typer.Option("--dtype", help="of cells: float32 or float64; may be repeated; default both")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or xpu")] = "cpu",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="fresh processes for each of them")] = 3,
) -> None:
    """Measure copy bandwidth and GEMM rates: what the limits in a report are drawn against."""
    from harness.ceilings import keep, measure, wanted
    from harness.tables import ceilings_table

    settings = wanted(device, threads or (), allocator or (), dtype or ())
    measured = measure(settings, _say, rounds=rounds)
    keep(RESULTS, measured, _say)
    _print([ceilings_table(measured)])
    raise typer.Exit(0 if len(measured) == sum(len(one.dtypes) for one in settings) else 3)


@app.command()
def trace(
    suite: SuiteArgument,
    cell: Annotated[str, typer.Option("--cell", metavar="CELL", help="the cell: its name or a pattern of it alone")],
    against: Annotated[
        str | None, typer.Option("--against", metavar="CELL", help="a second cell: where do the two differ?")
    ] = None,
    part: Annotated[str | None, typer.Option("--part", help="look for them in this part only")] = None,
    set_: SetOption = None,
    threads: ThreadsOption = None,
    calls: Annotated[int, typer.Option("--calls", help="traced calls of each cell, after two others")] = 3,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="where the traces go")] = TRACES,
    again: Annotated[bool, typer.Option("--again", help="show what an earlier trace found; run nothing")] = False,
) -> None:
    """Trace a cell under torch's profiler: where its time goes, or where two cells differ, by operator.

    Writes a trace for ui.perfetto.dev, chrome://tracing or TensorBoard (extra `trace`; its page loads a charting
    script from www.gstatic.com), and tables. Times are inflated by the profiler: only `semh run` measures.
    """
    import harness
    from harness.report.trace import terminal
    from harness.trace import take
    from harness.trace.one import TraceError

    _, drawn = harness.planned(suite, settings=_settings(set_ or ()), threads=threads)
    cells = [("--cell", cell)] + ([("--against", against)] if against is not None else [])
    try:
        traced = take.trace(drawn, cells, part=part, calls=calls, out=out, again=again, note=_say)
    except TraceError as error:
        _complain(str(error))
        raise typer.Exit(3) from None
    compared, page = take.tabulate(traced)
    _print([terminal(compared, str(page))])
    files = [f"Trace: {one.trace}" for one in traced if one.trace.exists()]
    typer.echo("\n".join(("", *files, f"Tables: {page}", take.OPENING)))


@app.command()
def memory(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="one that can count, as `semh systems` lists it")],
    size: Annotated[str | None, typer.Option("--size", help="default the one a stated table speaks of")] = None,
    variant: Annotated[str | None, typer.Option("--variant", help="a named variant; default status_quo")] = None,
    switch: SwitchOption = None,
    set_: SetOption = None,
    mode: Annotated[str | None, typer.Option("--mode", help="default train_step")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="measure a call too, in a process of its own")] = False,
    at: Annotated[
        list[str] | None, typer.Option("--at", metavar="K=V", help="measure under this condition; may be repeated")
    ] = None,
) -> None:
    """Count what a call holds, tensor by tensor, beside what a document states. Nothing so large is allocated."""
    from harness.asked import Asked
    from harness.holdings.ask import answer
    from harness.trace.one import TraceError

    asked = Asked(size, variant, tuple(switch or ()), tuple(set_ or ()))
    try:
        _print(answer(system, asked, mode, tuple(at or ()) if measure or at else None, _say))
    except TraceError as error:
        _complain(str(error))
        raise typer.Exit(3) from None


@app.command()
def train(
    system: SystemOption = None,
    size: SizeOption = None,
    variant: VariantOption = None,
    switch: SwitchOption = None,
    set_: SetOption = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="default 300")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="of parameters and windows; default 0")] = None,
    base_rate: Annotated[
        float | None, typer.Option("--base-rate", help="of learning; default the system's own")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="where the checkpoint goes; default model.pt")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="go on with an interrupted training")
    ] = None,
    threads: TorchThreadsOption = 1,
    device: DeviceOption = None,
) -> None:
    """Train a system on its text and keep it in a checkpoint. Measures nothing."""
    from harness.asked import Asked
    from harness.learning import Place
    from harness.learning import train as learn

    asked = Asked(size, variant, tuple(switch or ()), tuple(set_ or ()))
    try:
        file = learn(
            system,
            asked,
            checkpoint=checkpoint,
            out=out,
            steps=steps,
            seed=seed,
            base_rate=base_rate,
            say=_say,
            place=Place(threads, device),
        )
    except KeyboardInterrupt:
        kept = shlex.quote(str(out or checkpoint or "model.pt"))
        _complain(f"interrupted; go on from what was kept with: semh train --checkpoint {kept}")
        raise typer.Exit(130) from None
    typer.echo(f"Checkpoint: {file}")


@app.command()
def generate(
    system: SystemOption = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", metavar="FILE", help="what `semh train` wrote; default a fresh model")
    ] = None,
    size: SizeOption = None,
    variant: VariantOption = None,
    switch: SwitchOption = None,
    set_: SetOption = None,
    prompt: Annotated[str, typer.Option("--prompt", metavar="TEXT", help="what is gone on from")] = "The ",
    tokens: Annotated[int, typer.Option("--tokens", min=0)] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    repetition: Annotated[float, typer.Option("--repetition", help="logits of seen tokens: divided by; 1 off")] = 1.0,
    presence: Annotated[float, typer.Option("--presence", help="taken off the logits of drawn tokens; 0 off")] = 0.0,
    frequency: Annotated[float, typer.Option("--frequency", help="the same, each time one was drawn; 0 off")] = 0.0,
    no_repeat_ngram: Annotated[int, typer.Option("--no-repeat-ngram", help="no n-gram twice; 0 off")] = 0,
    temperature: Annotated[float, typer.Option("--temperature", help="0: always the most probable")] = 1.0,
    top_k: Annotated[int, typer.Option("--top-k", help="the k most probable; 0 off")] = 0,
    top_p: Annotated[float, typer.Option("--top-p", help="the most probable of this mass; 1 off")] = 1.0,
    min_p: Annotated[float, typer.Option("--min-p", help="this share of the most probable at least; 0 off")] = 0.0,
    typical: Annotated[float, typer.Option("--typical", help="the most typical of this mass; 1 off")] = 1.0,
    threads: TorchThreadsOption = 1,
    device: DeviceOption = None,
) -> None:
    """Draw text from a checkpoint, or from a fresh model, whose text is noise. The same seed, the same text.

    Sampler options are listed in the order in which they act.
    """
    from harness.asked import Asked
    from harness.learning import Place
    from harness.learning import generate as draw

    sampling = {
        "repetition": repetition,
        "presence": presence,
        "frequency": frequency,
        "no_repeat_ngram": no_repeat_ngram,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "typical": typical,
    }
    asked = Asked(size, variant, tuple(switch or ()), tuple(set_ or ()))
    for piece in draw(
        system,
        asked,
        checkpoint=checkpoint,
        prompt=prompt,
        tokens=tokens,
        seed=seed,
        sampling=sampling,
        say=_say,
        place=Place(threads, device),
    ):
        typer.echo(piece, nl=False)
    typer.echo()


def main() -> None:
    try:
        app()
    except SuiteError as error:
        typer.echo(str(error), err=True)  # begins with file:line, where editors look for it
        sys.exit(2)
    except (UsageError, StoreError) as error:
        _complain(str(error))
        sys.exit(2)


@contextmanager
def _resumable() -> Iterator[None]:
    """What ends a run early is told in a line, with the command that goes on."""
    command = shlex.join(["semh", *(word for word in sys.argv[1:] if word != "--resume")])
    try:
        yield
    except KeyboardInterrupt:
        _complain(f"interrupted; what was measured is kept, go on with: {command} --resume")
        raise typer.Exit(130) from None
    except StoreError as error:
        _complain(f"{error}; what was measured before is kept, go on with: {command} --resume")
        raise typer.Exit(3) from None


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


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _complain(text: str) -> None:
    typer.echo(f"semh: {text}", err=True)


if __name__ == "__main__":
    main()
