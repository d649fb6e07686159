"""Block orders are complete, seeded, mirrored in pairs, and keep a baseline near every cell of a long block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.order import BETWEEN_BASELINES, block_order

CELLS = {"a": [f"a{i}" for i in range(8)], "b": [f"b{i}" for i in range(3)]}


def order(block=0, seed=(0, 1, 0), long=False, cells=CELLS, staged=("a", "a1")):
    return block_order(cells, staged, seed=seed, block=block, long=long)


def test_a_short_block_runs_every_cell_once_per_arm():
    everyone = [("bare", cell) for base, others in CELLS.items() for cell in (base, *others)]
    expected = sorted([*everyone, ("staged", "a"), ("staged", "a1")])
    assert sorted((arm, cell) for cell, arm in order()) == expected


@pytest.mark.parametrize("long", [False, True])
def test_the_second_block_of_a_pair_mirrors_the_first(long):
    assert order(block=1, long=long) == order(block=0, long=long)[::-1]
    assert order(block=2, long=long) != order(block=0, long=long)


def test_the_same_seed_gives_the_same_order_and_another_trial_another():
    assert order(seed=(0, 1, 0)) == order(seed=(0, 1, 0))
    assert order(seed=(0, 1, 0)) != order(seed=(0, 2, 0))


@given(st.integers(BETWEEN_BASELINES, 20), st.integers(0, 5))
def test_in_a_long_block_a_baseline_stands_within_reach_on_both_sides(count, block):
    cells = {"base": [f"c{i}" for i in range(count)]}
    places = [cell for cell, _ in order(block=block, long=True, cells=cells, staged=())]
    bases = [i for i, cell in enumerate(places) if cell == "base"]
    for position, cell in enumerate(places):
        if cell != "base":
            assert 0 < min(position - i for i in bases if i < position) <= BETWEEN_BASELINES
            assert 0 < min(i - position for i in bases if i > position) <= BETWEEN_BASELINES
    assert sorted(set(places)) == sorted(["base", *cells["base"]])


def test_the_staged_arm_never_separates_a_cell_from_its_baseline():
    arms = [arm for _, arm in order(long=True)]
    assert arms == sorted(arms)
