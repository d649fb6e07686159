"""What `semh claims` prints: findings line by line, entries to be filled in, and the ledger as a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.table import Table
from rich.text import Text

from harness.claims.check import Checked, Finding, digest_of
from harness.claims.ledger import Claim, Kind
from harness.errors import UsageError, offer, shown

WORDS = 60
"""Characters of a line that are enough to find it by."""


def finding_lines(checked: Checked) -> list[str]:
    """`document:line: word` first, where editors look for it."""
    return [f"{checked.document}:{one.line}: {one.word} {_told(one)}" for one in checked.findings]


def _told(one: Finding) -> str:
    if one.word == "unregistered":
        return f"{one.token} (section {one.section}): {_first_words(one.text)}"
    if one.word == "changed":
        return f"{one.claim}: {one.token} is now {one.now}" if one.now else f"{one.claim}: {one.token} is gone"
    if one.word == "unfounded":
        return f"{one.claim}: {one.token} is no number of this line: {_first_words(one.text)}"
    if one.word == "moved":
        return f"{one.claim}: its line stands at {one.now} now"
    if one.word == "reworded":
        return f"{one.claim}: its numbers are here, in other words: {_first_words(one.text)}"
    return f"{one.claim}: its line is nowhere"


def _first_words(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= WORDS else words[: WORDS - 3] + "..."


def summary(checked: Checked) -> str:
    counts = Counter(one.word for one in checked.findings)
    left = counts.pop("unregistered", 0)
    ledger = f"{checked.claims} claims" + ("" if checked.known_as == checked.document else f" of {checked.known_as}")
    if not checked.known_as:
        ledger = "no ledger knows it"
    registered = f"{checked.numbers - left} of {checked.numbers} numbers registered on {len(checked.lines)} lines"
    others = "; " + ", ".join(f"{count} {word}" for word, count in sorted(counts.items())) if counts else ""
    return f"{checked.document}: {registered}, {ledger}{others}"


def skeletons(checked: Checked) -> str:
    """YAML entries with everything a document gives; what is left empty is for a person to say."""
    entries = []
    name = Path(checked.known_as or checked.document).stem.lower()
    stem = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in name)
    for line in checked.unregistered():
        entries.append(
            f"  - id: {stem}.line_{line.number}\n"
            f"    section: {json.dumps(line.section, ensure_ascii=False)}\n"
            f"    line: {line.number}\n"
            f'    line_sha256: "{digest_of(line.text)}"\n'
            f"    statement:\n"
            f"    numbers: {json.dumps(list(line.tokens), ensure_ascii=False)}\n"
            f"    kind:\n"
            f"    relation:\n"
            f"    stated:\n"
            f"    unit:\n"
            f"    scope:\n"
        )
    head = "" if checked.known_as else f"document: {checked.document}\nclaims:\n"
    return head + "\n".join(entries)


def claims_table(claims: Sequence[Claim], kind: str | None, document: str | None, text: str | None) -> Table:
    if kind is not None and kind not in get_args(Kind):
        raise UsageError(f"--kind {shown(kind)}: no such kind; {offer(kind, 'a ledger', get_args(Kind))}")
    documents = list(dict.fromkeys(claim.document for claim in claims))
    if document is not None and not any(document in name for name in documents):
        raise UsageError(f"--document {shown(document)}: no such document; {offer(document, 'the ledger', documents)}")
    chosen = [
        claim
        for claim in claims
        if kind in (None, claim.kind)
        and (document or "") in claim.document
        and (text or "").lower() in f"{claim.id} {claim.statement} {claim.scope}".lower()
    ]
    counts = Counter(claim.kind for claim in chosen)
    told = ", ".join(f"{counts[name]} {name}" for name in get_args(Kind) if counts[name])
    table = Table(title=f"{len(chosen)} claims" + (f": {told}" if told else ""), title_justify="left")
    for column in ("claim", "line", "kind", "stated", "statement", "judged by"):
        table.add_column(column, justify="right" if column == "line" else "left", overflow="fold")
    for claim in chosen:
        cells = (claim.id, str(claim.line), claim.kind, _stated(claim), claim.statement, _judge(claim))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _stated(claim: Claim) -> str:
    words = {"at_least": "at least ", "at_most": "at most "}.get(claim.relation, "")
    high = f" to {claim.stated_high:g}" if claim.stated_high is not None else ""
    return f"{words}{claim.stated:.6g}{high} {claim.unit}".strip()


def _judge(claim: Claim) -> str:
    return claim.command or f"nothing: {claim.untested_because}"
