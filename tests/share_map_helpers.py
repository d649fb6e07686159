"""Runs over a grid of sizes, with planted shares of the propagator."""

from analysis_helpers import World, analysed, cell

from harness.analysis.share_map import share_maps
from harness.claims.ledger import read_ledger
from harness.records import Analysis, Manifest

STAGES = {"encoder": 0.5, "propagator": 0.25, "propagator.backward": 0.25}
P, V = (512, 1024), (256, 4096)
PLACES = [(p, v) for p in P for v in V]


def entry(name: str, *, stated: float = 78, relation: str = "about", headline: bool = False, more: str = "") -> str:
    first = str(headline).lower()
    return (
        f"  - {{id: {name}, section: s, line: 1, line_sha256: {'a' * 64}, statement: s, kind: measured, "
        f"relation: {relation}, stated: {stated}, tolerance: 3, unit: '%', scope: s, headline: {first}, "
        f"judged_by: [{{suite: other, part: p, metric: share, stage: propagator{more}}}]}}\n"
    )


LEDGER = "document: d.md\nclaims:\n" + entry("d.share")


def made(shares: dict[tuple[int, int], float], *, name: str = "p", mode: str = "forward", **changes) -> World:
    """One cell for each (P, V), its propagator with that share of all stages; width always a quarter of P."""
    cells = []
    for p, v in PLACES:
        under = {"threads": 1, "propagator_width": p, "vocabulary": v, "width": p // 4, "layers": 1}
        cells.append(cell(f"{name} {p} {v}", {"eps": "one"}, baseline=f"{p}-{v}", conditions=under, id=f"{p}-{v}"))
    control = cells[0].model_copy(update={"id": "control", "name": "control", "control": True})
    # share = 0.5 f / (0.5 + 0.5 f), so f = share / (1 - share)
    planted = {f"{p}-{v}": share for (p, v), share in shares.items()} | {"control": shares.get(PLACES[0], 0.5)}
    factors = {
        (one, stage): share / (1 - share)
        for one, share in planted.items()
        for stage in ("propagator", "propagator.backward")
    }
    usual = {
        "cells": [*cells, control],
        "varied": {"propagator_width": P, "vocabulary": V, "width": (128, 256)},
        "design": "grid",
        "stages": STAGES,
        "stage_factors": factors,
        "mode": mode,
        "noise": 0.0005,
        "claims": ("d.*",),
        "claims_text": {"d.yaml": LEDGER},
    }
    return World(**{**usual, **changes})


def run(*worlds: World, stage: str | None = "propagator") -> tuple[Manifest, Analysis]:
    """Each world a part of one run: `p0`, `p1`, ..."""
    parts, analyses = [], []
    for number, one in enumerate(worlds):
        name = f"p{number}"
        cells = tuple(each.model_copy(update={"part": name}) for each in one.part.cells)
        parts.append(one.part.model_copy(update={"name": name, "map": stage, "cells": cells}))
        found = analysed(one).parts[0]
        summaries = tuple(each.model_copy(update={"part": name}) for each in found.cells)
        analyses.append(found.model_copy(update={"part": name, "cells": summaries, "contrasts": (), "growths": ()}))
    first = worlds[0]
    plan = first.plan.model_copy(update={"parts": tuple(parts)})
    manifest = first.manifest.model_copy(update={"plan": plan})
    claims = read_ledger(first.claims_text)
    analysis = analysed(first).model_copy(
        update={"parts": tuple(analyses), "maps": share_maps(plan, analyses, claims), "claims": ()}
    )
    return manifest, analysis


SHARES = {(512, 256): 0.61, (512, 4096): 0.33, (1024, 256): 0.52, (1024, 4096): 0.12}
