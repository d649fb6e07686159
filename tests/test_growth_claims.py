"""Claims about orders of growth: one place for all values of a size, widened by the slack, bytes without noise."""

import pytest
from analysis_helpers import World
from test_growth_analysis import SIZES, STAGES, cells, power, remembered, world

from harness.analysis import analyse_lines
from harness.records import ClaimVerdict, Outcome


def ledger(address: str, *, relation: str = "at_most") -> dict[str, str]:
    return {
        "d.yaml": (
            f"document: d.md\nclaims:\n  - {{id: d.one, section: s, line: 1, line_sha256: {'a' * 64}, statement: s, "
            f"kind: measured, relation: {relation}, stated: 1, tolerance: 0.05, unit: '', scope: s, "
            f"judged_by: [{{suite: fake, part: p, {address}}}]}}\n"
        )
    }


def claimed(address: str = "metric: growth", relation: str = "at_most", **changes: object) -> World:
    return world(claims=("d.*",), claims_text=ledger(address, relation=relation), **changes)


def judged(made: World) -> ClaimVerdict:
    (found,) = analyse_lines(made.manifest, made.lines).claims
    return found


@pytest.mark.parametrize(
    ("relation", "exponent", "word"),
    [
        ("at_most", 1.0, "supported"),
        ("at_most", 0.3, "supported"),
        ("at_most", 2.0, "refuted"),
        ("about", 1.0, "supported"),
        ("about", 0.3, "refuted"),
    ],
)
def test_an_order_of_growth_is_judged_by_its_exponent(relation, exponent, word):
    found = judged(claimed(relation=relation, times=power(exponent)))
    assert found.verdict == word
    assert found.measured.point == pytest.approx(exponent, abs=0.005)
    assert (found.measured.n, len(found.trials), found.counted) == (6, 6, False)
    assert found.cell == "base64"


def test_what_is_defended_lies_the_slack_beyond_the_interval():
    made = claimed()
    analysis = analyse_lines(made.manifest, made.lines)
    (found,), (grown,) = analysis.claims, analysis.parts[0].growths
    assert grown.slack > 0
    assert found.defended == pytest.approx(grown.slope.high + grown.slack)


def test_within_the_slack_nothing_is_said():
    found = judged(claimed(times=power(1.049), noise=0.02))
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize(("stage", "word"), [("mixer", "refuted"), ("encoder", "supported")])
def test_a_stage_is_judged_by_its_own_exponent(stage, word):
    factors = {(f"base{size}", "mixer"): size / 64 for size in SIZES}
    found = judged(claimed(f"metric: growth, stage: {stage}", stages=STAGES, stage_factors=factors))
    assert found.verdict == word


def test_bytes_are_counted_and_hold_on_any_host():
    made = claimed("metric: memory_growth", canary_drift=1.2)
    (found,) = remembered(made).claims
    assert (found.verdict, found.counted, found.measured.point) == ("supported", True, pytest.approx(1))
    (mixer,) = remembered(claimed("metric: memory_growth, stage: mixer")).claims
    assert (mixer.verdict, mixer.measured.point) == ("refuted", pytest.approx(2))


def test_there_is_one_place_for_each_combination_of_the_other_conditions():
    made = [
        one.model_copy(
            update={
                "id": f"{one.id}{dt}",
                "name": f"{one.name}, dt={dt}",
                "conditions": {**one.conditions, "dt": dt},
                "baseline": f"{one.baseline}{dt}",
            }
        )
        for dt in (0.1, 0.2)
        for one in cells()
    ]

    def times(one):
        return 1e-5 * one.conditions["seq_len"] ** (1 if one.conditions["dt"] == 0.1 else 2)

    both = {"cells": made, "varied": {"seq_len": SIZES, "dt": (0.1, 0.2)}, "times": times}
    found = judged(claimed(**both))
    assert (found.verdict, found.holds_where) == ("qualified", ("dt=0.1",))
    assert judged(claimed("metric: growth, where: {dt: [0.2]}", **both)).verdict == "refuted"


@pytest.mark.parametrize(
    ("changes", "word", "reason"),
    [
        ({"preset": "smoke"}, "untested", "smoke gives no verdicts"),
        ({"broken": ("base256",)}, "invalid", "other numbers than the oracle"),
        ({"unchecked": ("base256",)}, "inconclusive", "not compared"),
        ({"canary_drift": 1.2}, "inconclusive", "unstable host"),
        ({"varied": {}}, "untested", "varies no size"),
        ({"threads": 2, "lost": lambda *_: 0.3}, "inconclusive", "degraded"),
    ],
)
def test_a_doubt_of_any_cell_is_a_doubt_of_the_claim(changes, word, reason):
    found = judged(claimed(**changes))
    assert found.verdict == word
    assert reason in found.reason


def test_too_few_cells_with_numbers_test_nothing():
    gone = [Outcome(cell=f"base{size}", outcome="out_of_memory", detail="", during="trial") for size in (512, 256)]
    assert judged(claimed(outcomes=gone)).verdict == "untested"
