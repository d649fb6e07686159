"""A document's copy, read for an audit: which numbers of the ledger it prints otherwise, and which not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.claims.check import check
from harness.claims.ledger import Claim
from harness.claims.restated import Copy
from harness.errors import UsageError, offer, shown


def read_copy(path: Path, claims: Sequence[Claim]) -> Copy:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); a markdown document in UTF-8 would do") from None
    return copied(path.name, text, claims)


def copied(name: str, text: str, claims: Sequence[Claim]) -> Copy:
    checked = check(name, text, claims)
    if not checked.known_as:
        documents = sorted({claim.document for claim in claims})
        raise UsageError(f"{shown(name)}: no document of the ledger; {offer(name, 'the ledger', documents)}")
    known = {claim.id: claim for claim in claims}
    changed = {(known[one.claim].line, one.token): one.now for one in checked.findings if one.word == "changed"}
    lost = {
        (known[one.claim].line, token)
        for one in checked.findings
        if one.word == "lost"
        for token in known[one.claim].numbers
    }
    return Copy(
        checked.known_as,
        {place: token for place, token in changed.items() if token},
        frozenset(lost | {place for place, token in changed.items() if not token}),
    )
