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
    word: Annotated[
        list[str] | None,
        typer.Option("--word", help="only verdicts of this word, in two lines each; may be repeated"),
    ] = None,
    id_: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="GLOB", help="judge only these claims, and show them whole; may be repeated"),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="supported claims too, and every one whole, in a table")] = False,
    json_: Annotated[bool, typer.Option("--json", help="records instead of text")] = False,
) -> None:
    """Judge the arithmetic of the documents, and with --numeric their mathematics. Measures nothing.

    Shows what is not supported, by document, in two lines each: line and claim; what is stated → what it comes out as.
    """
    from harness.audit import ORDER, listing, summary, table
    from harness.audit import audit as judge
    from harness.claims.ledger import ledger_texts, matching, read_ledger
    from harness.errors import UsageError, offer, shown

    wanted = [one for one in ORDER if one in word] if word else [one for one in ORDER if all_ or one != "supported"]
    for one in word or ():
        if one not in ORDER:
            raise UsageError(f"--word {shown(one)}: {offer(one, 'a verdict', ORDER)}")
    claims = read_ledger(ledger_texts())
    asked = matching(claims, id_) if id_ else claims
    if not asked:
        raise UsageError(f"--id: nothing matches {shown(', '.join(id_ or ()))}; semh claims list names them all")
    with _told() as progress:
        made = judge(asked, numeric, document or (), progress)
    picked = made.model_copy(update={"verdicts": tuple(one for one in made.verdicts if one.verdict in wanted)})
    if json_:
        typer.echo((picked if word else made).model_dump_json(indent=2))
        return
    show_all([table(picked if word else made)] if all_ or id_ else [listing(made, wanted)])
    typer.echo(summary(made))
    if not all_ and not id_:
        typer.echo("--all shows every claim whole, --id GLOB some of them")


@contextmanager
def _told() -> Iterator[Progress | None]:
    """How far the reading of models is, on a line of its own that goes away."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield lambda done, total, name: status.update(f"{done} of {total} models read; now one of {name}")
