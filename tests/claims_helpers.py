"""An entry of a ledger, claims made of it, and planted runs to judge them by."""

import dataclasses

from analysis_helpers import World, factorial_cells

from harness.analysis import analyse_lines
from harness.claims.ledger import Address, Claim, read_ledger
from harness.claims.verdict import judge
from harness.records import ClaimVerdict

HASH = "0" * 64
ENTRY = f"""document: paper.md
claims:
  - id: paper.gain
    section: "3"
    line: 12
    line_sha256: "{HASH}"
    statement: It is faster.
    kind: measured
    relation: at_least
    stated: 15
    unit: "%"
    scope: everywhere
    judged_by:
      - {{suite: s, part: p, metric: reduction, changes: {{a: b}}}}
"""


FACTORS = {"matrix": ("rebuild", "cached"), "kernels": ("eager", "fused")}
COST = {"cached": 0.5, "fused": 0.8}


def cost(one) -> float:
    return 0.01 * COST.get(one.variant["matrix"], 1.0) * COST.get(one.variant["kernels"], 1.0)


def world(**changes) -> World:
    return dataclasses.replace(World(cells=factorial_cells(FACTORS), factors=dict(FACTORS), times=cost), **changes)


def claim(relation="at_least", stated=40.0, tolerance=0.0, unit="%", **address) -> Claim:
    (made,) = read_ledger({"paper.yaml": ENTRY})
    where = Address(**{"suite": "fake", "part": "p", "metric": "reduction"} | address)
    changes = {"relation": relation, "stated": stated, "tolerance": tolerance, "unit": unit, "judged_by": [where]}
    return made.model_copy(update=changes)


def judged(made: World, about: Claim) -> ClaimVerdict:
    analysis = analyse_lines(made.manifest, made.lines)
    verdict = judge(about, analysis.parts, made.plan)
    assert ClaimVerdict.model_validate_json(verdict.model_dump_json()) == verdict
    return verdict
