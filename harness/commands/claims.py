"""Commands about the ledger: is every number of a document in it, and what does it hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.options import say, show_all

if TYPE_CHECKING:
    from harness.claims.ledger import Claim

claims = typer.Typer(
    help="The ledger: check a document against it, or list what it holds.", no_args_is_help=True, rich_markup_mode=None
)


@claims.command()
def check(
    document: Annotated[Path, typer.Argument(metavar="DOC.md", help="a markdown document, under any name")],
    ledger: Annotated[
        Path | None, typer.Option("--ledger", metavar="FILE", help="default the ledger that comes with the program")
    ] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="print entries to be filled in, for every line with a number left over")
    ] = False,
) -> None:
    """Say which numbers of a document nobody has registered, and which claims it no longer makes.

    Exit code 0 if every number is registered and no claim has changed, else 1.
    """
    from harness.claims.check import check as compare
    from harness.claims.told import finding_lines, skeletons, summary
    from harness.errors import UsageError

    try:
        text = document.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{document}: {error}; a markdown document in UTF-8 would do") from None
    found = compare(document.name, text, _ledger(ledger))
    if propose:
        typer.echo(skeletons(found), nl=False)
        say(summary(found))
    else:
        for line in finding_lines(found):
            typer.echo(line)
        typer.echo(summary(found))
    raise typer.Exit(1 if found.findings else 0)


@claims.command(name="list")
def list_(
    kind: Annotated[
        str | None, typer.Option("--kind", help="arithmetic, numeric, measured or external; default all")
    ] = None,
    document: Annotated[str | None, typer.Option("--document", help="part of a document's name")] = None,
    text: Annotated[str | None, typer.Option("--text", help="part of the statement, the scope or the id")] = None,
) -> None:
    """List the claims of the ledger: what is stated, and how it is judged. Verdicts: `semh verdicts`."""
    from harness.claims.told import claims_table

    show_all([claims_table(_ledger(None), kind, document, text)])


def _ledger(file: Path | None) -> list[Claim]:
    from harness.claims.ledger import ledger_texts, read_ledger
    from harness.errors import UsageError

    if file is None:
        return read_ledger(ledger_texts())
    try:
        return read_ledger({str(file): file.read_text(encoding="utf-8")})
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--ledger {file}: {error}; a ledger's YAML file would do") from None
