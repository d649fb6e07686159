"""From blocks to a number per trial: pairing, brackets, what is left out, and what noise may withhold."""

import math

import pytest
from analysis_helpers import block, sample
from hypothesis import given
from hypothesis import strategies as st

from harness.stats import noise
from harness.stats.interval import ratio_interval
from harness.stats.pairing import Comparison, bracket, pair_each, paired, pairs

A, B = ("a", "bare"), ("b", "bare")


def blocks_of(times, trials=3, **more):
    """times: (a, b) per block, the same in every trial."""
    return [
        block(sample("b", b, 1, **more), sample("a", a, 2, **more), trial=trial, number=i)
        for trial in range(1, trials + 1)
        for i, (a, b) in enumerate(times)
    ]


def test_a_planted_factor_of_two_comes_back_exactly():
    found = paired(pairs(blocks_of([(0.02, 0.01), (0.08, 0.04)]), A, B), one_thread=True)
    interval = ratio_interval(found.logs)
    assert interval.point == pytest.approx(2.0, rel=1e-14)
    assert interval.low == pytest.approx(interval.high, rel=1e-14)
    assert interval.n == 3


TIMES = st.lists(st.tuples(st.floats(1e-4, 10), st.floats(1e-4, 10)), min_size=1, max_size=6)


@given(TIMES, st.floats(1e-3, 1e3))
def test_a_faster_machine_leaves_every_ratio_alone(times, speed):
    slow = paired(pairs(blocks_of(times), A, B), one_thread=True)
    fast = paired(pairs(blocks_of([(a * speed, b * speed) for a, b in times]), A, B), one_thread=True)
    assert fast.logs == pytest.approx(slow.logs, abs=1e-9)


@given(TIMES)
def test_exchanging_the_arms_changes_the_sign_and_reordering_blocks_nothing(times):
    there = paired(pairs(blocks_of(times), A, B), one_thread=True)
    back = paired(pairs(blocks_of(times), B, A), one_thread=True)
    reordered = paired(pairs(blocks_of(times[::-1])[::-1], A, B), one_thread=True)
    assert back.logs == pytest.approx([-log for log in there.logs])
    assert reordered.logs == pytest.approx(there.logs)


def test_a_cell_is_compared_with_the_two_baselines_around_it():
    long = block(sample("b", 1.0, 0), sample("a", 4.0, 1), sample("b", 4.0, 2), sample("b", 100.0, 3))
    assert [s.time_s for s in bracket([s for s in long.samples if s.cell == "b"], 1)] == [1.0, 4.0]
    (pair,) = pairs([long], A, B)
    assert pair.wall == pytest.approx(math.log(4.0) - (math.log(1.0) + math.log(4.0)) / 2)


@pytest.mark.parametrize(("places", "beside"), [((0, 1, 2), 2.0), ((2, 0, 1), 4.0)])
def test_at_an_edge_of_the_block_the_one_baseline_beside_it_is_enough(places, beside):
    a, first, second = places
    edge = block(sample("a", 8.0, a), sample("b", 2.0, first), sample("b", 4.0, second))
    (pair,) = pairs([edge], A, B)
    assert pair.wall == pytest.approx(math.log(8.0 / beside))


def test_only_the_asked_for_kind_of_call_is_compared():
    mixed = block(sample("b", 1.0, 0), sample("a", 9.0, 1, arm="staged"), sample("a", 3.0, 2))
    (pair,) = pairs([mixed], A, B)
    assert pair.wall == pytest.approx(math.log(3.0))


def test_a_block_without_one_of_the_arms_or_with_a_time_below_the_clock_gives_no_pair():
    assert pairs([block(sample("a", 1.0)), block(sample("a", 0.0), sample("b", 1.0, 1))], A, B) == []
    nothing = paired([], one_thread=True)
    assert (nothing.clock, nothing.logs) == ("none", ())


def in_stages(cell, encoder, position, **more):
    return sample(cell, 9.0, position, arm="staged", stages={"encoder": encoder}, **more)


def test_a_stage_is_compared_with_the_same_stage_of_the_baselines_around_it():
    long = block(
        in_stages("b", 1.0, 0), in_stages("a", 4.0, 1, cpu=1.0), in_stages("b", 4.0, 2), in_stages("b", 100.0, 3)
    )
    (only,) = pair_each([long], [Comparison("a", "b", "encoder")], one_thread=True).values()
    assert only.logs == pytest.approx([math.log(4.0) - math.log(2.0)])
    (none,) = pair_each([long], [Comparison("a", "b", "head")], one_thread=True).values()
    assert (none.clock, none.logs) == ("none", ())


def test_many_comparisons_at_once_are_those_made_one_by_one():
    blocks = blocks_of([(0.02, 0.01), (0.05, 0.04)])
    found = pair_each(blocks, [Comparison("a", "b"), Comparison("b", "a")], one_thread=True)
    assert found[Comparison("a", "b")] == paired(pairs(blocks, A, B), one_thread=True)
    assert found[Comparison("b", "a")] == paired(pairs(blocks, B, A), one_thread=True)


@pytest.mark.parametrize(
    ("quiet", "of", "trials", "degraded", "kept"),
    [(5, 10, 2, False, 10), (4, 12, 4, False, 16), (3, 12, 4, True, 48), (4, 12, 3, True, 36)],
)
def test_a_stage_rests_on_half_its_pairs_or_on_a_third_of_them_in_four_trials(quiet, of, trials, degraded, kept):
    """Quiet pairs show a factor of 2, disturbed ones of 3; process time, which would show 1, is not asked."""
    made = [
        block(
            in_stages("b", 0.01, 0, cpu=1.0),
            in_stages("a", 0.02 if number < quiet else 0.03, 1, cpu=1.0, lost=0.0 if number < quiet else 0.5),
            trial=trial,
            number=number,
        )
        for trial in range(1, trials + 1)
        for number in range(of)
    ]
    (found,) = pair_each(made, [Comparison("a", "b", "encoder")], one_thread=True).values()
    assert (found.clock, found.degraded, found.kept) == ("wall", degraded, kept)
    assert found.logs == pytest.approx([math.log(3 if degraded else 2)] * trials)


def disturbed(bad: int, of: int, cpu: float | None = 0.01, threads: int = 1):
    made = []
    for i in range(of):
        lost = 0.5 if i < bad else 0.02
        made.append(
            block(sample("b", 0.01, 0, cpu=0.01), sample("a", 0.02 / (1 - lost), 1, lost=lost, cpu=cpu), number=i)
        )
    return paired(pairs(made, A, B), one_thread=threads == 1)


def test_disturbed_pairs_are_left_out_counted_and_their_figures_kept():
    found = disturbed(2, 5)
    assert found.logs == pytest.approx([math.log(2 / 0.98)])
    assert (found.kept, found.excluded, found.lost) == (3, 2, (0.5, 0.5))
    assert (found.clock, found.degraded) == ("wall", False)


def test_a_disturbed_baseline_leaves_the_pair_out_as_well():
    both = [
        block(sample("b", 0.01, 0, lost=0.3), sample("a", 0.02, 1), number=0),
        block(sample("b", 0.01, 0), sample("a", 0.02, 1), number=1),
    ]
    assert paired(pairs(both, A, B), one_thread=True).excluded == 1


def test_where_exactly_half_survive_the_wall_clock_still_decides():
    assert (disturbed(2, 4).clock, disturbed(2, 4).kept) == ("wall", 2)


def test_under_half_with_one_thread_process_time_decides_over_all_pairs():
    found = disturbed(3, 4, cpu=0.03)
    assert (found.clock, found.degraded, found.kept, found.excluded) == ("cpu", False, 4, 0)
    assert found.logs == pytest.approx([math.log(3.0)])


@pytest.mark.parametrize(("cpu", "threads"), [(0.03, 2), (None, 1)])
def test_under_half_without_meaningful_process_time_all_pairs_count_and_it_says_degraded(cpu, threads):
    found = disturbed(3, 4, cpu=cpu, threads=threads)
    assert (found.clock, found.degraded, found.kept) == ("wall", True, 4)
    assert found.logs == pytest.approx([math.log(4.0)])


def canaries(first, last, trials=4):
    return [
        block(
            sample("canary", first(t), 0, arm="canary"), sample("canary", last(t), 9, arm="canary"), trial=t, number=n
        )
        for t in range(1, trials + 1)
        for n in range(2)
    ]


QUIET = ratio_interval([0.001, -0.001, 0.0005])


def test_a_machine_that_changes_its_speed_between_trials_withholds_nothing():
    blocks = canaries(lambda t: float(t), lambda t: float(t))
    drift = noise.canary_drift(blocks, one_thread=True)
    assert drift.point == pytest.approx(1.0)
    assert noise.canary_spread(blocks) == pytest.approx(3.0)
    assert noise.unstable_because(QUIET, drift, margin=0.02, trials=4) == ()


def test_a_machine_that_drifts_inside_the_blocks_is_unstable():
    drift = noise.canary_drift(canaries(lambda _: 1.0, lambda t: 1.1 + 0.001 * t), one_thread=True)
    (reason,) = noise.unstable_because(QUIET, drift, margin=0.02, trials=4)
    assert "canary" in reason


def test_no_control_few_trials_and_a_high_floor_are_reasons():
    assert "no control" in noise.unstable_because(None, None, margin=0.02, trials=4)[0]
    assert "too few trials" in noise.unstable_because(QUIET, None, margin=0.02, trials=1)[0]
    noisy = ratio_interval([0.05, -0.05, 0.01])
    assert "noise floor" in noise.unstable_because(noisy, None, margin=0.02, trials=3)[0]
    assert noise.unknown_because(noisy, None, margin=0.02, trials=3) == ()
    assert noise.unknown_because(None, None, margin=0.02, trials=4) != ()


def test_a_control_of_one_trial_is_a_reason_however_many_trials_the_others_have():
    lone = ratio_interval([0.001])
    assert noise.unstable_because(lone, None, margin=0.02, trials=4) == ("the control has one usable trial only",)


def test_the_order_effect_is_what_being_later_costs_whatever_the_cells_cost():
    made = []
    for trial in range(1, 4):
        for number in range(4):
            first, second = ("base", "control") if number % 2 else ("control", "base")
            own = {"base": 1.0, "control": 1.05}
            made.append(
                block(sample(first, own[first], 1), sample(second, own[second] * 1.1, 2), trial=trial, number=number)
            )
    assert noise.order_effect(made, "control", "base").point == pytest.approx(1.1)
    assert noise.order_effect([made[0]], "control", "base") is None


def test_where_the_baseline_comes_back_within_a_block_there_is_no_order_effect():
    made = []
    for trial in range(1, 4):
        for number in range(2):
            order = ["base", "x", "y", "z", "base", "control", "base"]
            times = [1.1**place for place in range(7)]
            places = enumerate(zip(order[::-1] if number else order, times, strict=True))
            made.append(block(*(sample(name, time, at) for at, (name, time) in places), trial=trial, number=number))
    assert noise.order_effect(made, "control", "base") is None
