"""What a run says of one claim of the ledger."""

from __future__ import annotations

from typing import Literal

from harness.records.base import Interval, Record

ClaimWord = Literal["supported", "refuted", "qualified", "inconclusive", "invalid", "untested"]


class ClaimVerdict(Record):
    id: str
    document: str
    section: str
    line: int
    statement: str
    headline: bool
    relation: Literal["at_least", "at_most", "about", "within"]
    stated: float
    stated_high: float | None = None
    """The other end of a range, for `within`."""
    tolerance: float
    unit: str
    """`%`, `iterations`, ...: stated, measured and defended are in this unit."""
    verdict: ClaimWord
    measured: Interval | None
    counted: bool = False
    """Measured by a probe, not by a clock: exact, and without an interval."""
    defended: float | None
    """Strongest value the data would support: the end of the interval nearest to the claim."""
    scope: str
    """Under which conditions it was judged, in words."""
    holds_where: tuple[str, ...] = ()
    """For `qualified`: the parts of the scope in which it holds."""
    reason: str
    part: str | None = None
    cell: str | None = None
    stage: str | None = None
    """Stage of that cell of which the claim speaks."""
    metric: str = ""
    """What was read there, as an address of the ledger names it; empty where nothing was, and in runs that did not
    keep it: theirs with a stage are shares."""
    trials: tuple[float, ...] = ()
    """One reading per trial, in `unit`."""
    beside: tuple[str, ...] = ()
    """Sentences of context: the factorial's main effect, the same claim in another mode."""
    kind: str = ""
    """As the ledger names it: measured, numeric, arithmetic, external; empty in runs that did not keep it."""
    why: str = ""
    """The ledger's line on what the number is, or why it comes out otherwise than stated."""
    would_hold: tuple[str, ...] = ()
    """Other places of this run in which it holds, in words, the one that differs least from the judged one first."""
    looked: str = ""
    """Where else this run looked and found it to hold nowhere; or that it did not look."""
    command: str
    """What repeats (or would test) it."""
