"""Commands about the machine and where its time goes: doctor, ceilings, trace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import (
    RESULTS,
    TRACES,
    SetOption,
    SuiteArgument,
    ThreadsOption,
    complain,
    say,
    settings_of,
    show_all,
)


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="leave out what levels need, and the self test")] = False,
) -> None:
    """Say what makes this machine noisy and what it offers for measuring, and what to do about either."""
    from harness.doctor import Machine, findings

    for finding in findings(Machine(results=RESULTS), quick=quick):
        advice = f" -> {finding.advice}" if finding.advice else ""
        typer.echo(f"{finding.word:<9}{finding.what}{advice}")


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
    measured = measure(settings, say, rounds=rounds)
    keep(RESULTS, measured, say)
    show_all([ceilings_table(measured)])
    raise typer.Exit(0 if len(measured) == sum(len(one.dtypes) for one in settings) else 3)


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

    _, drawn = harness.planned(suite, settings=settings_of(set_ or ()), threads=threads)
    cells = [("--cell", cell)] + ([("--against", against)] if against is not None else [])
    try:
        traced = take.trace(drawn, cells, part=part, calls=calls, out=out, again=again, note=say)
    except TraceError as error:
        complain(str(error))
        raise typer.Exit(3) from None
    compared, page = take.tabulate(traced)
    show_all([terminal(compared, str(page))])
    files = [f"Trace: {one.trace}" for one in traced if one.trace.exists()]
    typer.echo("\n".join(("", *files, f"Tables: {page}", take.OPENING)))
