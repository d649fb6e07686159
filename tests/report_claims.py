"""Verdicts of a cayley-like run, one of every word."""

from __future__ import annotations

from random import Random

from report_numbers import STAGE, TOTAL, interval, noisy

from harness.records import ClaimVerdict, Interval


def verdict(**given: object) -> ClaimVerdict:
    usual = {
        "document": "sem_topology_report.md",
        "section": "3.1",
        "line": 121,
        "headline": False,
        "relation": "at_least",
        "tolerance": 0.0,
        "unit": "%",
        "measured": None,
        "defended": None,
        "scope": "P 2048, 512 rows, dt 0.1, forward, 1 thread, cpu",
        "reason": "",
        "command": "semh run suites/cayley.yaml --preset quick",
    }
    return ClaimVerdict(**{**usual, **given})


def claims(n: int, random: Random) -> tuple[ClaimVerdict, ...]:
    share = noisy(24.1, n, random, 0.01)
    whole = noisy(17.1, n, random, 0.04)
    cached = noisy(69.0, n, random, 0.004)
    jacobi = [reading - 4 for reading in noisy(1.0, n, random, 0.4)]
    document = "size document, batch 1, forward, 1 thread, cpu"
    return (
        verdict(
            id="sem_topology.propagator_share",
            statement="Cayley-Soliton consumes 78 % of compute.",
            headline=True,
            relation="about",
            stated=78,
            tolerance=3,
            verdict="refuted",
            measured=interval(share),
            defended=interval(share).high,
            trials=tuple(share),
            scope=document,
            reason="the whole interval lies below 75 %",
            part=TOTAL,
            cell="t0",
            stage="propagator",
            beside=("With eight propagator layers the share is larger; see suites/document.yaml.",),
        ),
        verdict(
            id="sem_topology.total_saving",
            statement="The four changes save 43 % of the total.",
            headline=True,
            stated=43,
            verdict="qualified",
            measured=interval(whole),
            defended=interval(whole).low,
            trials=tuple(whole),
            scope=document,
            holds_where=("eight propagator layers, forward",),
            reason="below 43 % at the document's own size",
            part=TOTAL,
            cell="t1",
        ),
        verdict(
            id="sem_topology.caching",
            statement="Caching the CSR matrix saves 15 % of the stage.",
            stated=15,
            verdict="supported",
            measured=interval(cached),
            defended=interval(cached).low,
            trials=tuple(cached),
            reason="the whole interval lies above 15 %",
            part=STAGE,
            cell="s8",
            beside=("Main effect in the factorial: 69 %.",),
        ),
        verdict(
            id="sem_topology.jacobi",
            statement="Block-Jacobi preconditioning saves 20 % of the stage.",
            stated=20,
            verdict="refuted",
            measured=interval(jacobi),
            defended=interval(jacobi).high,
            trials=tuple(jacobi),
            reason="the whole interval lies below 20 %",
            part=STAGE,
            cell="s4",
        ),
        verdict(
            id="sem_topology.fusion",
            statement="Fused kernels save 25 % of the stage.",
            stated=25,
            verdict="inconclusive",
            measured=interval(noisy(22.0, n, random, 0.15)),
            reason="the interval holds 25 %; about 14 trials would settle it",
            part=STAGE,
            cell="s1",
        ),
        verdict(
            id="sem_topology.wrong_output",
            statement="Adaptive tolerance with block-Jacobi saves 28 % of the stage.",
            stated=28,
            verdict="invalid",
            reason="output error 0.4 beyond its tolerance",
            part=STAGE,
            cell="s5",
        ),
        verdict(
            id="sem_p0_issues.iterations",
            statement="Iterations fall below 3 on average.",
            relation="at_most",
            stated=3,
            unit="iterations",
            verdict="refuted",
            measured=Interval(point=7, low=7, high=7, n=n),
            defended=7,
            trials=(7.0,) * n,
            part=STAGE,
            cell="s4",
        ),
        *(
            verdict(
                id=f"sem_topology.training_{n}",
                statement=f"All toggles save {low} to {low + 10} % of a training step.",
                stated=low,
                verdict="untested",
                reason="this suite runs no training step",
                command="semh run suites/wide.yaml --preset quick",
            )
            for n, low in enumerate((40, 50), 1)
        ),
    )
