"""The view model: frozen records of words and formatted numbers. What is in here can be printed as it stands.

Plots carry plain floats besides, in the units of their axis: positions, not facts to be formatted later.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """A verdict: never told by colour alone."""

    word: str
    shape: str
    tone: str
    meaning: str


@dataclass(frozen=True)
class Entry:
    """One place in a table."""

    text: str = ""
    mark: Mark | None = None
    note: str = ""


@dataclass(frozen=True)
class Column:
    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    folded: bool = False


@dataclass(frozen=True)
class Bar:
    start: float
    end: float
    tone: str


@dataclass(frozen=True)
class Row:
    """One line of a plot: bars, an interval with its point, or the dots of the trials."""

    label: str
    value: str = ""
    bars: tuple[Bar, ...] = ()
    low: float | None = None
    point: float | None = None
    high: float | None = None
    dots: tuple[float, ...] = ()
    mark: Mark | None = None
    heading: bool = False
    gap: bool = False


@dataclass(frozen=True)
class Rows:
    axis: str
    rows: tuple[Row, ...]
    log: bool = False
    reference: float | None = None
    reference_label: str = ""
    reference_tone: str = "reference"
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class Point:
    label: str
    x: float
    y: float
    mark: Mark
    on_edge: bool


@dataclass(frozen=True)
class Scatter:
    """Both axes logarithmic. Points on the edge are joined in the order given."""

    x_axis: str
    y_axis: str
    points: tuple[Point, ...]
    reference: float | None = None
    """A line at this place of the axis across."""


@dataclass(frozen=True)
class Quantile:
    label: str
    x: float
    y: float
    mark: Mark
    labelled: bool


@dataclass(frozen=True)
class Quantiles:
    """Sizes against quantiles, both from zero. Noise lies along the line through the origin, below the limit."""

    x_axis: str
    y_axis: str
    points: tuple[Quantile, ...]
    slope: float
    limit: float
    limit_label: str


@dataclass(frozen=True)
class Curve:
    label: str
    runs: tuple[tuple[tuple[float, float], ...], ...]
    """Points (x, y) that are joined; a gap between two runs is where nothing was read."""
    mark: Mark


@dataclass(frozen=True)
class Panel:
    """One reading: curves, or a row with a dot for every cell."""

    title: str
    log: bool
    curves: tuple[Curve, ...] = ()
    rows: tuple[Row, ...] = ()
    reference: float | None = None
    guide: float | None = None
    """Exponent of a line to hold the curves against, through the end of the first; both axes are logarithmic then."""


@dataclass(frozen=True)
class Panels:
    """`x_axis` names what is below every panel: the condition of the curves, or the readings themselves."""

    x_axis: str
    x_log: bool
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Field:
    """`level`, from 0 to 1, is how strong its colour is."""

    text: str
    level: float | None
    mark: Mark | None = None
    framed: bool = False


@dataclass(frozen=True)
class HeatPanel:
    title: str
    rows: tuple[tuple[Field | None, ...], ...]
    """As `up`, each as `across`; None where no cell was planned."""


@dataclass(frozen=True)
class HeatMap:
    up_axis: str
    across_axis: str
    up: tuple[str, ...]
    """From the bottom."""
    across: tuple[str, ...]
    panels: tuple[HeatPanel, ...]
    contour: float | None = None
    """Level at which a line is drawn between fields above it and below."""


@dataclass(frozen=True)
class Figure:
    name: str
    title: str
    caption: str
    plot: Rows | Scatter | Quantiles | Panels | HeatMap
    table: Table | None = None
    """The numbers behind it, where no table beside the figure already holds them."""


@dataclass(frozen=True)
class Code:
    caption: str
    text: str
    folded: bool = False


@dataclass(frozen=True)
class Link:
    text: str
    href: str
    note: str


@dataclass(frozen=True)
class Block:
    """What one part of the suite has to say in a section."""

    title: str
    under: str
    sentences: tuple[str, ...]
    items: tuple[Table | Figure | Code, ...]
    warnings: tuple[str, ...] = ()
    folded: str = ""
    """Where the block is not what the part is about: what stands on the fold that hides it, warnings aside."""


@dataclass(frozen=True)
class Section:
    name: str
    title: str
    lead: tuple[str, ...]
    blocks: tuple[Block, ...]
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Claim:
    name: str
    """Its anchor: the same in every report of these claims."""
    id: str
    headline: bool
    mark: Mark
    kind: str
    statement: str
    document: str
    source: str
    stated: str
    judged_as: str
    measured: str
    defended: str
    trials: str
    """`n = 6 trials`."""
    scope: str
    place: str
    """Part and cell it was judged in; empty where in none."""
    holds_where: tuple[str, ...]
    where: tuple[str, ...]
    """Where it is or would be true."""
    looked: str
    """That this run found no such place, or sought none."""
    reason: str
    why: str
    """What the number is, or why it comes out otherwise, as the ledger tells it."""
    beside: tuple[str, ...]
    guards: tuple[str, ...]
    cells: tuple[str, ...]
    command: str
    figure: Figure | None
    readings: str
    """The dots in words."""


@dataclass(frozen=True)
class Alert:
    title: str
    reasons: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class Report:
    suite: str
    title: str
    run: str
    where: str
    alerts: tuple[Alert, ...]
    headline: tuple[Claim, ...]
    changes: tuple[str, ...]
    """The largest contrasts, one sentence each, of a suite whose claims name no headline."""
    beyond: Block | None
    """What was possible beside what the documents' changes give, of a suite that measures both."""
    answers: tuple[Section, ...]
    """What a suite is about besides claims, below the headline: what was read, how it grows, where a stage takes which
    share."""
    counts: tuple[tuple[Mark, int], ...]
    floor: str
    claims: tuple[Claim, ...]
    claims_lead: str
    sections: tuple[Section, ...]
    claim_marks: tuple[Mark, ...]
    contrast_marks: tuple[Mark, ...]
