"""The simulated suites behind the stated coverage: their plans are real, and what is counted is what was planted."""

import math
from itertools import combinations

import numpy as np
import pytest

from benchmarks.coverage import coverage
from benchmarks.simulated import DESIGNS, FACTORS, Truth, plan_of, planted

SUITES = 4


def test_about_nineteen_of_twenty_intervals_hold_what_was_planted(tmp_path):
    counts = coverage(SUITES, "quick", tmp_path)
    kinds = {kind.split(": ")[1] for kind in counts}
    assert kinds == {
        "main effects",
        "interactions",
        "alias chains",
        "Shapley values",
        "Shapley shares",
        "steps",
        "cells",
    }
    assert {kind.split(": ")[0] for kind in counts} == set(DESIGNS.values())
    held, told = (sum(column) for column in zip(*counts.values(), strict=True))
    # Intervals of one suite go together, so the suites are what is counted: four of them.
    assert 0.85 < held / told < 1
    assert told == SUITES * (3 + 3 + 3 + 3 + 7 + 6 + 7 + 15 + 4 + 4 + 4 + 5)


def test_truths_that_are_off_are_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(Truth, "main", lambda *_: 0.1)
    counts = coverage(1, "quick", tmp_path)
    assert counts["fractional_factorial: main effects"] == (0, 6)
    assert counts["full_factorial: interactions"][0] > 0


def test_what_estimates_are_of_follows_from_the_planted_cells():
    """Equations (2) to (4) against the definitions, over all cells of three factors."""
    truth = planted(np.random.default_rng(0))
    cells = [high for size in range(4) for high in combinations("abc", size)]

    def contrast(*factors):
        signs = {high: math.prod(1 if factor in high else -1 for factor in factors) for high in cells}
        return sum(sign * truth.log(high) for high, sign in signs.items()) / 4

    for factor in "abc":
        assert truth.main(factor, "abc") == pytest.approx(contrast(factor))
    for pair in combinations("abc", 2):
        assert truth.chain([pair]) == pytest.approx(contrast(*pair))
    assert sum(truth.main(factor, "abc") for factor in "abc") == pytest.approx(truth.log("abc"))


def test_the_simulated_suite_is_planned_as_any_other(tmp_path):
    plan = plan_of(tmp_path, "full")
    assert plan.trials == 10
    assert [(part.name, part.design) for part in plan.parts] == list(DESIGNS.items())
    assert [len(part.factors) for part in plan.parts] == [len(names) for names in FACTORS.values()]
