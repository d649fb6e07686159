"""What a contrast is called among all that were judged with it."""

import math

import numpy as np
import pytest
from analysis_helpers import World, analysed, cell, contrast, factorial_cells, part, world

from harness.analysis import analyse_lines
from harness.analysis.contrasts import figures
from harness.analysis.family import family_size, judged
from harness.records import Contrast
from harness.stats.pairing import Paired

M = 0.02


def drawn(mean: float, spread: float, n: int = 6, seed: int = 0, verdict: str = "inconclusive", **more) -> Contrast:
    """Trials of exactly this mean and spread."""
    noise = np.random.default_rng(seed).standard_normal(n)
    logs = mean + spread * (noise - noise.mean()) / noise.std(ddof=1)
    found = Paired(dict(enumerate(logs.tolist(), start=1)), "wall", False, 10, 0)
    given = {"part": "p", "cell": f"c{seed}", "baseline": "b", "changes": {}, "verdict": verdict}
    return Contrast(**given, **figures(found, M), **more)


def nulls(count: int) -> list[Contrast]:
    return [drawn(0.0, 0.01, seed=seed) for seed in range(1, count + 1)]


SUSPECT = drawn(math.log(1.045), 0.012)
"""Alone its interval lies beyond the margin: p about 0.004."""


def test_a_change_that_would_be_called_alone_is_not_called_where_chance_would_do_it():
    assert judged([SUSPECT], M)[0].verdict == "slower"
    among = judged([SUSPECT, *nulls(59)], M)[0]
    assert among.verdict == "inconclusive"
    assert among.adjusted_p == pytest.approx(60 * among.p_value)
    assert among.reason.startswith("alone it would be slower; among 60 contrasts chance would do this (adjusted p ")


def test_the_trials_that_settle_it_are_those_the_family_asks_for():
    alone, among = judged([SUSPECT], M)[0], judged([SUSPECT, *nulls(59)], M)[0]
    assert alone.n_to_settle is None
    assert among.n_to_settle > 6
    longer = drawn(math.log(1.045), 0.012, n=among.n_to_settle)
    assert judged([longer, *nulls(59)], M)[0].verdict == "slower"
    shorter = drawn(math.log(1.045), 0.012, n=among.n_to_settle - 1)
    assert judged([shorter, *nulls(59)], M)[0].verdict == "inconclusive"


def test_what_others_have_shown_makes_a_discovery_easier():
    sure = [drawn(math.log(2.0), 0.01, seed=seed) for seed in range(100, 130)]
    assert judged([SUSPECT, *nulls(29), *sure], M)[0].verdict == "slower"


def test_whatever_is_beyond_the_word_for_what_is_on_trial_stays():
    many = [one.model_copy(update={"beyond": True}) for one in nulls(59)]
    sure = [drawn(math.log(2.0), 0.01, seed=seed, beyond=True) for seed in range(100, 130)]
    alone = judged([SUSPECT], M)[0]
    assert judged([SUSPECT, *many], M)[0] == judged([SUSPECT, *sure], M)[0] == alone
    assert alone.verdict == "slower"


def test_what_is_beyond_is_corrected_for_how_many_of_it_there_are():
    suspect = SUSPECT.model_copy(update={"beyond": True})
    among = judged([suspect, *(one.model_copy(update={"beyond": True}) for one in nulls(59))], M)[0]
    assert among.verdict == "inconclusive" and "among 60 contrasts" in among.reason
    assert judged([suspect, *nulls(59)], M)[0].verdict == "slower"


def test_equivalence_is_no_alarm_and_is_not_corrected():
    same = drawn(0.0, 0.001)
    found = judged([same, *nulls(200)], M)
    assert (found[0].verdict, found[0].n_to_settle) == ("same", None)


@pytest.mark.parametrize("verdict", ["withheld", "invalid", "not measured"])
def test_what_could_not_be_called_does_not_count_and_keeps_its_word(verdict):
    refused = [one.model_copy(update={"verdict": verdict, "reason": "why"}) for one in nulls(59)]
    found = judged([SUSPECT, *refused], M)
    assert found[0].verdict == "slower"
    assert {(one.verdict, one.reason, one.adjusted_p) for one in found[1:]} == {(verdict, "why", None)}
    assert family_size([SUSPECT, *refused]) == 1


def test_the_detectable_change_is_that_of_a_lone_one_among_all():
    alone, among = judged(nulls(1), M)[0], judged(nulls(60), M)[0]
    assert M < alone.detectable < among.detectable < 0.1
    withheld = [one.model_copy(update={"verdict": "withheld"}) for one in nulls(60)]
    assert judged(withheld, M)[0].detectable == pytest.approx(among.detectable)


def test_judging_again_changes_nothing():
    once = judged([drawn(0.0, 0.01), drawn(0.5, 0.01)], M)
    assert judged(once, M) == once


def test_all_contrasts_of_a_run_are_one_family_whole_calls_and_stages_alike():
    found = part(world(stages={"encoder": 0.4, "propagator": 0.6}))
    together = [*found.contrasts, *found.stage_contrasts]
    assert found.family == len(together) == 3 + 3 * 2
    assert all(one.adjusted_p >= one.p_value for one in together)
    assert found.detectable > M


@pytest.mark.parametrize(("family", "size"), [("run", 6), ("part", 3)])
def test_a_suite_may_declare_each_part_a_family_of_its_own(family, size):
    made = world()
    one, other = made.part, made.part.model_copy(update={"name": "q"})
    lines = dict(made.lines)
    processes = [*made.manifest.processes]
    for process in made.manifest.processes:
        number = 100 + process.number
        processes.append(process.model_copy(update={"number": number, "part": "q"}))
        lines[number] = [
            line.model_copy(update={"part": "q"}) if hasattr(line, "part") else line for line in lines[process.number]
        ]
    plan = made.plan.model_copy(update={"parts": (one, other), "family": family})
    manifest = made.manifest.model_copy(update={"plan": plan, "processes": tuple(processes)})
    assert [each.family for each in analyse_lines(manifest, lines).parts] == [size, size]


def test_a_stray_trial_is_told_beside_the_mean():
    """Trial 3 of one cell takes half as long again; six trials cannot hide it, and the median of averages stays."""
    made = world(noise=0.0, times=lambda _: 0.01)
    lines = made.lines
    lines[5] = [
        line.model_copy(update={"samples": tuple(_slower(one) for one in line.samples)})
        if line.kind == "block"
        else line
        for line in lines[5]
    ]
    found = contrast(analyse_lines(made.manifest, lines).parts[0], "matrix=cached")
    assert found.stray
    assert found.hodges_lehmann == pytest.approx(1.0, abs=1e-12)
    assert found.ratio.point == pytest.approx(1.5 ** (1 / 6))
    assert not contrast(part(made), "matrix=cached").stray


def _slower(one):
    return one.model_copy(update={"time_s": one.time_s * 1.5}) if one.cell == "matrix=cached" else one


def test_several_controls_of_a_baseline_are_told_as_one():
    cells = factorial_cells({"matrix": ("rebuild", "cached")})
    more = [cell(f"control {number}", cells[0].variant, control=True) for number in (2, 3)]
    alone, together = (
        analysed(World(cells=listed, factors={"matrix": ("rebuild", "cached")}, noise=0.01)).parts[0]
        for listed in (cells, [*cells, *more])
    )
    assert len(together.contrasts) == len(alone.contrasts) == 1
    assert together.control.n == 6
    assert together.floor != alone.floor
    assert together.floor == pytest.approx(max(together.control.high, 1 / together.control.low) - 1)
