"""Block orders are complete, seeded, mirrored in pairs, and keep a baseline near every cell of a long block."""

import pytest
from analysis_helpers import cell as planned
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.order import BETWEEN_BASELINES, block_order, families

CELLS = {"a": [f"a{i}" for i in range(8)], "b": [f"b{i}" for i in range(3)]}


def order(block=0, seed=(0, 1, 0), long=False, cells=CELLS, staged=True):
    return block_order(cells, staged=staged, seed=seed, block=block, long=long)


@pytest.mark.parametrize("staged", [False, True])
def test_a_short_block_runs_every_cell_once_per_arm(staged):
    arms = ("bare", "staged") if staged else ("bare",)
    expected = sorted((arm, cell) for arm in arms for base, others in CELLS.items() for cell in (base, *others))
    assert sorted((arm, cell) for cell, arm in order(staged=staged)) == expected


@pytest.mark.parametrize("long", [False, True])
def test_the_second_block_of_a_pair_mirrors_the_first(long):
    assert order(block=1, long=long) == order(block=0, long=long)[::-1]
    assert order(block=2, long=long) != order(block=0, long=long)


def test_the_same_seed_gives_the_same_order_and_another_trial_another():
    assert order(seed=(0, 1, 0)) == order(seed=(0, 1, 0))
    assert order(seed=(0, 1, 0)) != order(seed=(0, 2, 0))


@given(st.integers(BETWEEN_BASELINES, 20), st.integers(0, 5), st.sampled_from(["bare", "staged"]))
def test_in_a_long_block_a_baseline_stands_within_reach_on_both_sides_in_either_arm(count, block, arm):
    cells = {"base": [f"c{i}" for i in range(count)]}
    places = [cell for cell, kind in order(block=block, long=True, cells=cells) if kind == arm]
    bases = [i for i, cell in enumerate(places) if cell == "base"]
    for position, cell in enumerate(places):
        if cell != "base":
            assert 0 < min(position - i for i in bases if i < position) <= BETWEEN_BASELINES
            assert 0 < min(i - position for i in bases if i > position) <= BETWEEN_BASELINES
    assert sorted(set(places)) == sorted(["base", *cells["base"]])


def test_the_staged_arm_never_separates_a_cell_from_its_baseline():
    arms = [arm for _, arm in order(long=True)]
    assert arms == sorted(arms)


def test_every_cell_that_is_there_belongs_to_the_family_of_its_baseline():
    cells = [
        planned("base", {}),
        planned("x", {}),
        planned("x again", {}, baseline="x", control=True),
        planned("other", {}, baseline="other"),
        planned("orphan", {}, baseline="gone"),
    ]
    assert families(cells) == {"base": ["x", "x again"], "other": []}
