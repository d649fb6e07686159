"""Commands that plan and make runs."""

from __future__ import annotations

import typer

from harness.commands.options import (
    REPORTS,
    RESULTS,
    MinutesOption,
    OnlyOption,
    PresetOption,
    ResumeOption,
    SetOption,
    SuiteArgument,
    ThreadsOption,
    complain,
    progress,
    resumable,
    settings_of,
    show,
    show_all,
)


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

    with resumable():
        result = harness.run(
            suite,
            preset=preset,
            only=only or (),
            settings=settings_of(set_ or ()),
            threads=threads,
            max_minutes=max_minutes,
            resume=resume,
            results=RESULTS,
            reports=REPORTS,
            progress=progress(),
        )
    show(result.folder.name, result.report)
    raise typer.Exit(result.exit_code)


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

    with resumable():
        made = calibrate(
            suite,
            preset=preset,
            only=tuple(only or ()),
            settings=settings_of(set_ or ()),
            threads=threads,
            max_minutes=max_minutes,
            resume=resume,
            results=RESULTS,
            reports=REPORTS,
            progress=progress(),
        )
    if made.stored is None:
        complain(f"no copy of a cell gave an interval, nothing is stored; see {made.result.report}")
    else:
        show_all([calibration_table(made.calibration)])
        typer.echo(f"{summary(made.calibration)}\nStored: {made.stored}\nReport: {made.result.report}")
    raise typer.Exit(made.result.exit_code)


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
        settings=settings_of(set_ or ()),
        threads=threads,
        max_minutes=max_minutes,
    )
    where = environment([part.system for part in drawn.parts])
    cost = plan_cost(predicted(RESULTS, drawn, where), plan_words(RESULTS, drawn, where))
    show_all([plan_table(drawn), cost])
