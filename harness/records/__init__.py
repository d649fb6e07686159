"""Every record that lies on disk: frozen, validated when read, one schema each.

Units: seconds (`*_s`), bytes (`*_bytes`), shares and relative errors as plain fractions. Conversion happens only in
`report/`.
"""

from harness.records.analysis import (
    Analysis,
    CellSummary,
    ClaimVerdict,
    ClaimWord,
    Contrast,
    Effect,
    Exclusion,
    PartAnalysis,
    ShapleyShare,
    StageTime,
)
from harness.records.base import Interval, Record, Value
from harness.records.lines import (
    LINE,
    LOST_SHARE_LIMIT,
    Block,
    End,
    Line,
    MarkCost,
    Memory,
    Outcome,
    OutcomeWord,
    ProbeReading,
    ProcessKind,
    Sameness,
    Sample,
    Start,
    WarmUp,
)
from harness.records.manifest import Environment, Manifest, Process
from harness.records.plan import Cell, Group, Part, Plan

__all__ = [
    "LINE",
    "LOST_SHARE_LIMIT",
    "Analysis",
    "Block",
    "Cell",
    "CellSummary",
    "ClaimVerdict",
    "ClaimWord",
    "Contrast",
    "Effect",
    "End",
    "Environment",
    "Exclusion",
    "Group",
    "Interval",
    "Line",
    "Manifest",
    "MarkCost",
    "Memory",
    "Outcome",
    "OutcomeWord",
    "Part",
    "PartAnalysis",
    "Plan",
    "ProbeReading",
    "Process",
    "ProcessKind",
    "Record",
    "Sameness",
    "Sample",
    "ShapleyShare",
    "StageTime",
    "Start",
    "Value",
    "WarmUp",
]
