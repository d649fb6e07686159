"""A small run, whole: planted lines of two switches and of a cell beyond them, analysed, judged and held against
ceilings, always the same."""

from __future__ import annotations

from analysis_helpers import BASE_S, FACTORS, World, cost, factorial_cells, with_beyond
from limits_helpers import GFLOP, ceiling
from report_helpers import environment

from harness.analysis import analyse_lines
from harness.records import Analysis, Line, Manifest, Memory, Sameness, StageCost

STAGES = {"encoder": 0.1, "mixer": 0.4, "head": 0.1, "mixer.backward": 0.29, "head.backward": 0.1}
NOISE = 0.004
MIB = 2**20
PEAKS = {"base": 120, "kernels=fused": 90, "matrix=cached": 150, "matrix=cached, kernels=fused": 130, "control": 120}
PEAKS["native"] = 85
COSTS = {
    "encoder": StageCost(flops=0.02 * GFLOP, minimum_bytes=1e5),
    "mixer": StageCost(flops=0.1 * GFLOP, minimum_bytes=1e6, backward_flops=0.1 * GFLOP, backward_minimum_bytes=1e6),
    "head": StageCost(flops=0.05 * GFLOP, minimum_bytes=1e5, backward_flops=0.05 * GFLOP, backward_minimum_bytes=1e5),
}
LESS = {
    stage: StageCost(**{name: value / 10 for name, value in one.model_dump().items()}) for stage, one in COSTS.items()
}
"""Of the cell beyond: a method that needs a tenth of the work."""
ERRORS = {"base": 1e-7, "kernels=fused": 4e-6, "matrix=cached": 2e-7, "matrix=cached, kernels=fused": 6e-6}
ERRORS["native"] = 3e-7
RESIDUALS = {"base": 1e-6, "kernels=fused": 1e-6, "matrix=cached": 3e-5, "matrix=cached, kernels=fused": 4e-5}
RESIDUALS["native"] = 2e-6
ENTRY = """
  - id: small.{name}
    section: "2"
    line: {line}
    line_sha256: "{digest}"
    statement: "{statement}"
    kind: measured
    unit: "%"
    scope: one call
    {rest}
"""
CLAIMS = (
    ("share", 12, "The mixer takes 90 % of a call.", ("about", 90, 3), "headline: true", "metric: share, stage: mixer"),
    ("cached", 14, "Caching saves 40 %.", ("at_least", 40, 0), "", "metric: reduction, changes: {matrix: cached}"),
    (
        "all",
        15,
        "Both changes save 70 to 80 %.",
        ("within", 70, 0),
        "stated_high: 80\n    headline: true",
        "metric: reduction, changes: {matrix: cached, kernels: fused}",
    ),
    ("elsewhere", 20, "A larger model gains 90 %.", ("at_least", 90, 0), "", "suite: large, metric: reduction"),
)


def ledger() -> str:
    entries = []
    for name, line, statement, (relation, stated, tolerance), more, address in CLAIMS:
        suite = "" if "suite:" in address else "suite: fake, "
        rest = [f"relation: {relation}", f"stated: {stated}", f"tolerance: {tolerance}", *filter(None, [more])]
        rest.append(f"judged_by: [{{{suite}part: p, {address}}}]")
        if suite == "":
            rest.append("untested_because: this run has one size")
        entries.append(
            ENTRY.format(name=name, line=line, digest="0" * 64, statement=statement, rest="\n    ".join(rest))
        )
    return "document: small.md\nclaims:" + "".join(entries)


def _told(line: Line) -> Line:
    """Outputs are off by an error of their cell's own; a cell rests at 80 MiB and takes a peak of its own."""
    if isinstance(line, Sameness):
        return line.model_copy(update={"error": ERRORS[line.cell]})
    if isinstance(line, Memory):
        return line.model_copy(update={"before_bytes": 80 * MIB, "peak_bytes": PEAKS[line.cell] * MIB})
    return line


def stored() -> tuple[Manifest, Analysis, dict[int, list[Line]]]:
    cells = [
        one.model_copy(update={"costs": LESS if one.beyond else COSTS}) for one in with_beyond(factorial_cells(FACTORS))
    ]
    made = World(
        cells=cells,
        factors=dict(FACTORS),
        times=cost,
        mode="train_step",
        stages=STAGES,
        stage_noise=dict.fromkeys(STAGES, NOISE),
        probes={cell: {"residual": value, "outcome": "converged"} for cell, value in RESIDUALS.items()},
        lost=lambda trial, number, cell: 0.05 if (trial, number, cell) == (2, 1, "base") else 0.0,
        claims=("small.*",),
        claims_text={"small.yaml": ledger()},
    )
    ceilings = (ceiling(measured="2026-01-01T00:00:00+00:00"),)
    told = {"environment": environment(), "ceilings": ceilings, "suite_text": "suite: fake\n"}
    manifest = made.manifest.model_copy(update={**told, "wall_s": 1000 * BASE_S, "finished": "2026-01-01T00:01:00"})
    lines = {number: [_told(line) for line in read] for number, read in made.lines.items()}
    return manifest, analyse_lines(manifest, lines), lines
