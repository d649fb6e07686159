"""What is known of the claims over all runs, as records: what `semh verdicts --json` prints."""

from __future__ import annotations

from collections import Counter

from harness.records import ClaimWord, Interval, Record, Value


class RunFacts(Record):
    """A stored run that has a say."""

    run: str
    started: str
    preset: str
    settings: dict[str, Value]
    """Conditions given on the command line."""
    device: str
    cpu: str
    machine_id: str


class Earlier(Record):
    """An older word than the one that stands, with its run."""

    word: ClaimWord
    run: str


class State(Record):
    """Of one claim."""

    id: str
    document: str
    section: str
    line: int
    kind: str
    headline: bool
    statement: str
    word: ClaimWord
    stated: float
    stated_high: float | None
    relation: str
    unit: str
    measured: Interval | None
    counted: bool
    defended: float | None
    scope: str
    reason: str
    why: str
    """For the reader, in the ledger's words."""
    run: str | None
    """None where no run says anything, and for arithmetic."""
    changed: str
    """How the entry differs from the one the run was given; empty where it does not."""
    run_said: ClaimWord | None
    """What the run itself had said, where the changed entry comes out otherwise."""
    earlier: Earlier | None
    command: str
    """What repeats it, or would test it."""


class Ledger(Record):
    claims: tuple[State, ...]
    runs: tuple[RunFacts, ...]
    """Those whose words are shown."""
    unread: tuple[str, ...]
    """Runs that could not be read, and why."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Document -> word -> claims."""
        found: dict[str, Counter[str]] = {}
        for claim in self.claims:
            found.setdefault(claim.document, Counter())[claim.word] += 1
        return {document: dict(words) for document, words in found.items()}
