"""What follow-ups found, held against the trials: runs of thin air, with the second look made up too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from analysis_helpers import block, sample
from claims_helpers import claim
from confirm_helpers import CELL, PAIRS, alone, analysed, found, process, rechecked, world
from scipy import stats

from harness.analysis import analyse_lines
from harness.claims.verdict import judge
from harness.records import Block, FollowUp
from harness.stats import adjacent, welch


def test_before_anything_is_decided_nothing_is_said_of_it() -> None:
    made = world(1.3)
    one = found(analyse_lines(made.manifest, made.lines))
    assert (one.verdict, one.confirmation) == ("slower", None)


@pytest.mark.parametrize(
    ("again", "verdict", "word"),
    [(1.3, "slower", "recurred"), (1.0, "inconclusive", "did not recur"), (0.7, "inconclusive", "did not recur")],
)
def test_a_regression_must_recur(again: float, verdict: str, word: str) -> None:
    one = found(rechecked(world(1.3), again))
    assert one.verdict == verdict and one.confirmation is not None
    assert (one.confirmation.word, one.confirmation.agrees) == (word, word == "recurred")
    assert one.confirmation.ratio is not None and one.confirmation.ratio.point == pytest.approx(again, rel=1e-2)
    assert one.ratio is not None and one.ratio.point == pytest.approx(1.3, rel=1e-2)


def test_a_stage_must_recur_by_itself() -> None:
    stages = {"encoder": 0.4, "propagator": 0.6}
    for again, verdict in ((1.3, "slower"), (1.0, "inconclusive")):
        analysis = rechecked(world(1.3, stages=stages), again)
        ones = [one for one in analysis.parts[0].stage_contrasts if one.cell == CELL]
        assert {(one.stage, one.verdict) for one in ones} == {("encoder", verdict), ("propagator", verdict)}


def test_a_recheck_on_an_unstable_host_calls_nothing() -> None:
    """The canary of the recheck alone moves: what the trials called has not recurred."""
    made = world(1.3)
    moved = dataclasses.replace(made, canary_drift=1.2)
    cells = tuple(cell.id for cell in made.cells)
    wrote = [
        (process("recheck", 6 + trial, *cells), [
            line.model_copy(update={"trial": 6 + trial}) if isinstance(line, Block) else line
            for line in moved.lines[2 + trial]
        ])
        for trial in range(1, 7)
    ]  # fmt: skip
    one = found(analysed(made, [FollowUp(process="recheck", part="p", cells=cells, trials=6)], wrote))
    assert one.verdict == "inconclusive" and one.confirmation is not None
    assert one.confirmation.word == "too noisy" and "the canary moved" in one.reason


@pytest.mark.parametrize(
    ("state", "said"),
    [("finished", "provisional: not measured again, time budget"), ("running", "provisional: not measured again, the")],
)
def test_a_regression_that_was_not_measured_again_stays_provisional(state: str, said: str) -> None:
    one = found(rechecked(world(1.3), 1.3, done=4, state=state))
    assert one.verdict == "slower" and one.confirmation is not None
    assert (one.confirmation.word, one.confirmation.ratio) == ("not done", None)
    assert one.confirmation.reason.startswith(said)


def test_a_win_that_holds_alone_is_confirmed_with_how_far_apart_the_two_may_be() -> None:
    one = found(alone(world(0.5), 0.5))
    assert one.verdict == "faster" and one.confirmation is not None
    assert (one.confirmation.word, one.confirmation.agrees) == ("confirmed", True)
    assert one.confirmation.ratio is not None and one.confirmation.ratio.n == PAIRS
    difference = one.confirmation.difference
    assert difference is not None and difference.low <= 1 <= difference.high
    apart = max(difference.high, 1 / difference.low) - 1
    assert one.confirmation.reason.startswith(f"confirmed within {apart:.1%} in fresh processes")


@pytest.mark.parametrize("fresh", [0.9, 0.3])
def test_cross_talk_goes_either_way_and_takes_the_word_and_the_claim_away(fresh: float) -> None:
    analysis = alone(world(0.5), fresh)
    one = found(analysis)
    assert one.verdict == "inconclusive" and one.confirmation is not None
    assert (one.confirmation.word, one.confirmation.agrees) == ("cross-talk", False)
    assert one.reason.startswith("cross-talk: inside a trial 0.5")
    assert f"alone {fresh}" in one.reason
    assert analysis.parts[0].notes[-1].startswith(f"cross-talk in {CELL}")


def test_noisy_fresh_processes_say_nothing_and_the_win_stands() -> None:
    one = found(alone(world(0.9), 0.9, noise=0.2))
    assert one.verdict == "faster" and one.confirmation is not None
    assert (one.confirmation.word, one.confirmation.agrees) == ("too noisy", False)
    assert "too noisy to say" in one.confirmation.reason


def test_a_win_without_time_for_its_pairs_says_so() -> None:
    one = found(alone(world(0.5), 0.5, done=2))
    assert one.verdict == "faster" and one.confirmation is not None
    assert one.confirmation.reason == "not confirmed: time budget"


def test_disturbed_fresh_processes_are_read_by_their_cpu_time() -> None:
    one = found(alone(world(0.5), 0.5, lost=0.3))
    assert one.confirmation is not None and one.confirmation.word == "confirmed"
    several = found(alone(world(0.5, threads=2), 0.5, lost=0.3))
    assert several.confirmation is not None and several.confirmation.word == "too noisy"


@pytest.mark.parametrize(("fresh", "word"), [(0.5, "supported"), (0.9, "inconclusive")])
def test_a_claim_that_rests_on_a_cell_with_cross_talk_is_inconclusive(fresh: float, word: str) -> None:
    made = world(0.5)
    analysis = alone(made, fresh)
    about = claim(stated=40, changes={"matrix": "cached"})
    judged = judge(about, analysis.parts, made.plan)
    assert judged.verdict == word
    assert judged.reason.startswith("cross-talk: matrix=cached") == (word == "inconclusive")
    other = judge(claim(stated=40, changes={"kernels": "fused"}), analysis.parts, made.plan)
    assert other.verdict == "refuted"


def test_the_interval_of_a_difference_is_welchs() -> None:
    generator = np.random.default_rng(0)
    fresh, inside = generator.normal(0.1, 0.05, 3), generator.normal(0.0, 0.01, 8)
    expected = stats.ttest_ind(fresh, inside, equal_var=False).confidence_interval(0.95)
    made = welch.difference(fresh.tolist(), inside.tolist())
    assert (made.low, made.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert welch.difference([0.1, 0.1], [0.1, 0.1]).low == pytest.approx(0, abs=1e-15)


def test_of_a_process_the_median_of_its_quiet_samples_counts() -> None:
    times = {
        ("cell", 1): (2.0, 2.0, 9.0),
        ("base", 1): (1.0, 1.0, 1.0),
        ("cell", 2): (4.0,) * 3,
        ("base", 2): (1.0,) * 3,
    }
    blocks = [
        block(sample(cell, time, lost=0.5 if time == 9 else 0.0), trial=pair)
        for (cell, pair), many in times.items()
        for time in many
    ]
    found = adjacent.adjacent(blocks, "cell", "base", one_thread=True)
    assert found.logs == pytest.approx((np.log(2), np.log(4))) and not found.degraded
