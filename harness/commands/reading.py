"""Commands that read what is there: runs, the ledger, suites, systems."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands.options import REPORTS, RESULTS, show, show_all


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
    show(folder.name, path)
    if open_:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def runs() -> None:
    """List the runs in results/, newest first."""
    from harness.store import known_runs
    from harness.tables import runs_table

    folders = known_runs(RESULTS)
    if not folders:
        typer.echo(f"no run in {RESULTS}/ yet; `semh run SUITE` makes one")
        return
    show_all([runs_table(folders)])


def compare(
    first: Annotated[str, typer.Argument(metavar="RUN", help="a name as `semh runs` shows it")],
    second: Annotated[str, typer.Argument(metavar="RUN", help="another run of the same suite")],
) -> None:
    """Show two runs of a suite side by side: what is the same, what moved, and what only looks as if it had."""
    from harness.compare import compare as compared
    from harness.report.terminal_compare import comparison
    from harness.store import find_run

    show_all(list(comparison(compared(find_run(RESULTS, first), find_run(RESULTS, second)))))


def verdicts(
    document: Annotated[
        list[str] | None, typer.Option("--document", metavar="NAME", help="part of a document's name; may be repeated")
    ] = None,
    word: Annotated[
        list[str] | None,
        typer.Option(
            "--word",
            metavar="WORD",
            help="supported, refuted, qualified, inconclusive, invalid or untested; may be repeated",
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="every claim, with its statement and why")] = False,
    json_: Annotated[bool, typer.Option("--json", help="as JSON, with every field")] = False,
) -> None:
    """Show the state of the whole ledger over all runs in results/: the newest verdict of every claim.

    First the counts of every document, then what is decided, a line each. Claims that arithmetic supports and those
    that nothing has tested are counted. --all and --word list claims with their statements and reasons.
    """
    from harness.claims.ledger import ledger_texts, read_ledger
    from harness.report.terminal_verdicts import verdict_tables
    from harness.verdicts import ledger_state, picked

    state = ledger_state(RESULTS, read_ledger(ledger_texts()))
    shown = picked(state, document or (), word or ())
    if json_:
        typer.echo(state.model_copy(update={"claims": shown}).model_dump_json(indent=1))
        return
    show_all(list(verdict_tables(state, shown, fold=not (word or all_))))


def suites() -> None:
    """List the suites in ./suites and those that come with the program."""
    from harness.tables import suites_table

    show_all([suites_table()])


def systems(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="one system, with its switches")] = None,
) -> None:
    """List the systems, or show one: switches and levels, conditions, sizes, modes."""
    from harness.systems import load_system, system_names
    from harness.tables import system_tables, systems_table

    show_all([systems_table(system_names())] if name is None else system_tables(load_system(name)))
