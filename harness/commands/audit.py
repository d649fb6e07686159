"""The command that judges what needs no benchmark: audit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options import show_all

if TYPE_CHECKING:
    from harness.audit import Progress


def audit(
    numeric: Annotated[
        bool, typer.Option("--numeric", help="compute what is a property of the mathematics too; under a minute")
    ] = False,
    document: Annotated[
        list[Path] | None,
        typer.Option("--document", metavar="DOC.md", help="judge the numbers of this copy; may be repeated"),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="records instead of a table")] = False,
) -> None:
    """Judge the arithmetic of the documents, and with --numeric their mathematics. Measures nothing."""
    from harness.audit import audit as judge
    from harness.audit import summary, table
    from harness.claims.ledger import ledger_texts, read_ledger

    with _told() as progress:
        made = judge(read_ledger(ledger_texts()), numeric, document or (), progress)
    if json_:
        typer.echo(made.model_dump_json(indent=2))
        return
    show_all([table(made)])
    typer.echo(summary(made))


@contextmanager
def _told() -> Iterator[Progress | None]:
    """How far the reading of models is, on a line of its own that goes away."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda done, total, name: status.update(f"{done} of {total} models read; now one of {name}")
