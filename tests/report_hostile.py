"""A run in which every text a user can give is an attack, very long, or runs from right to left."""

from __future__ import annotations

from harness.records import Analysis, Exclusion, Manifest

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>|`*_[a](javascript:b)../../etc\x1b[31m\u202e'
RTL = "שלום עולם"


def hostile(stored: tuple[Manifest, Analysis]) -> tuple[Manifest, Analysis]:
    """Every text a user can give is an attack, or very long, or runs from right to left."""
    manifest, analysis = stored
    names = {cell.id: HOSTILE + cell.id for part in manifest.plan.parts for cell in part.cells}
    parts = tuple(
        part.model_copy(
            update={
                "name": HOSTILE + part.name,
                "cells": tuple(
                    cell.model_copy(update={"name": names[cell.id], "part": HOSTILE + part.name}) for cell in part.cells
                ),
                "notes": (HOSTILE,),
                "factors": {HOSTILE + key: (HOSTILE, RTL) for key in part.factors},
            }
        )
        for part in manifest.plan.parts
    )
    analysed = tuple(
        part.model_copy(
            update={
                "part": HOSTILE + part.part,
                "reasons": (HOSTILE,),
                "stable": False,
                "notes": (HOSTILE, RTL),
                "dead_switches": (HOSTILE, RTL),
                "exclusions": (Exclusion(reason=HOSTILE, count=2),),
                "cells": tuple(
                    cell.model_copy(
                        update={
                            "name": names[cell.cell],
                            "detail": HOSTILE,
                            "notes": (RTL,),
                            "probes": {HOSTILE: RTL, "outcome": "diverged"},
                            "stages": tuple(s.model_copy(update={"stage": HOSTILE + s.stage}) for s in cell.stages),
                        }
                    )
                    for cell in part.cells
                ),
                "contrasts": tuple(
                    each.model_copy(update={"changes": {HOSTILE: (RTL, HOSTILE)}, "reason": HOSTILE})
                    for each in part.contrasts
                ),
                "steps": tuple(
                    each.model_copy(update={"factor": HOSTILE, "levels": (RTL, HOSTILE)}) for each in part.steps
                ),
                "half_normals": tuple(
                    each.model_copy(
                        update={
                            "points": tuple(
                                point.model_copy(update={"factors": (HOSTILE, RTL), "aliases": ((RTL, HOSTILE),)})
                                for point in each.points
                            )
                        }
                    )
                    for each in part.half_normals
                ),
            }
        )
        for part in analysis.parts
    )
    judged = tuple(
        claim.model_copy(
            update={
                "id": HOSTILE + claim.id,
                "statement": "x" * 10_000 if number == 2 else f"{RTL} {HOSTILE}",
                "scope": HOSTILE,
                "reason": RTL if number % 2 else HOSTILE,
                "holds_where": (HOSTILE,),
                "beside": (HOSTILE,),
                "unit": HOSTILE if number == 0 else claim.unit,
                "command": "semh run ```\n" + HOSTILE,
                "part": HOSTILE + claim.part if claim.part else None,
            }
        )
        for number, claim in enumerate(analysis.claims)
    )
    plan = manifest.plan.model_copy(
        update={"suite": "../../" + HOSTILE, "title": f"{RTL} {HOSTILE}", "suite_file": HOSTILE, "parts": parts}
    )
    stated = manifest.model_copy(
        update={
            "run": "../../" + HOSTILE,
            "plan": plan,
            "suite_text": f"suite: {HOSTILE}\n```\n</pre>",
            "command": HOSTILE,
            "facts": {HOSTILE: {HOSTILE: HOSTILE}},
        }
    )
    return stated, analysis.model_copy(update={"parts": analysed, "claims": judged, "abandoned": (HOSTILE,)})
