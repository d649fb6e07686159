"""Fractions and screening designs: what they balance, what they alias, and what their contrasts estimate."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.aliases import fraction_notes
from harness.stats import factorial, fraction, half_normal, screening
from harness.stats.layout import LAYOUTS

SIZES = range(fraction.FEWEST, 17)


def coded(rows) -> np.ndarray:
    return 2.0 * np.array(rows) - 1


def word_lengths(columns) -> Counter:
    """Length -> number of sets of columns whose `^` is zero, by trying every set."""
    found = Counter()
    for size in range(1, len(columns) + 1):
        for chosen in itertools.combinations(columns, size):
            total = 0
            for column in chosen:
                total ^= column
            found[size] += total == 0
    return found


@pytest.mark.parametrize("k", [4, 5, 6, 7, 8, 9, 10, 11])
def test_no_word_is_shorter_than_four(k):
    lengths = word_lengths(fraction.columns(k))
    assert not any(lengths[size] for size in (1, 2, 3))
    assert bool(lengths[4]) == (k != 5)


@pytest.mark.parametrize("k", [*SIZES, 17, 24, 32])
def test_main_effects_are_clear_of_each_other_and_of_two_way_interactions(k):
    columns = fraction.columns(k)
    assert len(set(columns)) == k
    assert not {one ^ other for one, other in itertools.combinations(columns, 2)} & set(columns)


@pytest.mark.parametrize("k", [4, 5, 6, 7, 8, 9])
def test_no_fraction_of_this_size_and_resolution_has_fewer_words_of_four(k):
    p = fraction.free(k)
    free = [1 << bit for bit in range(p)]
    least = min(
        fours(columns)
        for chosen in itertools.combinations(sorted(set(range(1, 2**p)) - set(free)), k - p)
        if not sums(columns := (*free, *chosen)) & set(columns)
    )
    assert fours(fraction.columns(k)) == least


def sums(columns) -> set:
    return {one ^ other for one, other in itertools.combinations(columns, 2)}


def fours(columns) -> int:
    """Words of four: each is three pairs of equal pairs."""
    shared = Counter(one ^ other for one, other in itertools.combinations(columns, 2))
    return sum(count * (count - 1) // 2 for count in shared.values()) // 3


@pytest.mark.parametrize("k", SIZES)
def test_a_fraction_starts_at_the_baseline_and_runs_no_cell_twice(k):
    rows = fraction.rows(k)
    assert rows[0] == (0,) * k
    assert len(set(rows)) == len(rows) == 2 ** fraction.free(k)


@pytest.mark.parametrize("k", [4, 5, 6, 9, 16])
def test_the_named_chains_are_those_whose_signs_agree_in_every_cell(k):
    x = coded(fraction.rows(k))
    products = {pair: x[:, pair[0]] * x[:, pair[1]] for pair in itertools.combinations(range(k), 2)}
    chains = fraction.chains(k).values()
    assert sorted(pair for chain in chains for pair in chain) == sorted(products)
    for chain, other in itertools.combinations_with_replacement(chains, 2):
        for one, two in itertools.product(chain, other):
            assert products[one] @ products[two] == (len(x) if chain is other else 0)


@pytest.mark.parametrize("k", SIZES)
def test_a_generated_factor_is_the_product_the_plan_says(k):
    x = coded(fraction.rows(k))
    for factor, by in fraction.generators(k).items():
        sign = 1 if len(by) % 2 else -1
        np.testing.assert_array_equal(x[:, factor], sign * np.prod(x[:, list(by)], axis=1))


def test_the_notes_name_every_alias():
    assert list(fraction_notes("abcdef")) == [
        "16 of 64 combinations, resolution IV: main effects are clear of two-way interactions; "
        "interactions of three or more are taken to be small",
        "high or low, coded +1 and -1: e by a × b × c; f by a × b × d",
        "aliased two-way interactions, of which only the sum is estimated: a × b = c × e = d × f; a × c = b × e; "
        "a × d = b × f; a × e = b × c; a × f = b × d; c × d = e × f; c × f = d × e",
    ]
    half = list(fraction_notes("abcde"))
    assert "resolution V" in half[0]
    assert half[1:] == [
        "high or low, coded +1 and -1: e by minus a × b × c × d",
        "every two-way interaction is clear of the others",
    ]


@settings(max_examples=25)
@given(st.integers(4, 16), st.integers(4, 30))
def test_no_note_is_too_long_to_be_shown_whole(k, length):
    names = [f"{'x' * length}{at}" for at in range(k)]
    notes = list(fraction_notes(names))
    chains = [" = ".join(f"{names[i]} × {names[j]}" for i, j in pairs) for pairs in fraction.chains(k).values()]
    longest = max(map(len, chains))
    assert all(len(note) <= max(400, longest + 70) for note in notes)
    assert all(any(chain in note for note in notes) for chain in chains if "=" in chain)


@pytest.mark.parametrize("k", range(screening.FEWEST, screening.MOST + 1))
def test_a_screening_design_is_orthogonal_folded_and_runs_no_cell_twice(k):
    rows = screening.rows(k)
    x = coded(rows)
    assert rows[0] == (0,) * k
    assert rows[-1] == (1,) * k
    assert len(set(rows)) == len(rows)
    np.testing.assert_array_equal(x.T @ x, len(x) * np.eye(k))
    np.testing.assert_array_equal(x.sum(axis=0), 0)
    for one, other in itertools.combinations(range(k), 2):
        np.testing.assert_array_equal(x.T @ (x[:, one] * x[:, other]), 0)


def test_a_screening_design_grows_by_fours():
    assert [len(screening.rows(k)) for k in (4, 7, 8, 11, 12, 16, 20, 23)] == [16, 16, 24, 24, 32, 40, 48, 48]


@pytest.mark.parametrize("design, k, number", [("full_factorial", 3, 7), ("fractional_factorial", 6, 15)])
def test_a_regular_design_has_a_contrast_for_every_cell_but_one_all_orthogonal(design, k, number):
    layout = LAYOUTS[design](k)
    signs = np.array([term.signs for term in layout.terms])
    assert len(signs) == number == len(layout.rows) - 1
    np.testing.assert_array_equal(signs @ signs.T, len(layout.rows) * np.eye(number))


@pytest.mark.parametrize(
    "design, k", [("full_factorial", 4), ("fractional_factorial", 6), ("fractional_factorial", 9), ("screening", 9)]
)
def test_contrasts_estimate_exactly_what_they_say(design, k):
    """y = sum of main effects and two-way interactions, levels coded; effects are twice the coefficients."""
    random = np.random.default_rng(k)
    layout = LAYOUTS[design](k)
    x = coded(layout.rows)
    mains = random.normal(size=k)
    pairs = {pair: random.normal() for pair in itertools.combinations(range(k), 2)}
    y = x @ mains + sum(value * x[:, i] * x[:, j] for (i, j), value in pairs.items())
    for term in layout.terms:
        known = {1: lambda t: mains[t.factors[0]], 2: lambda t: sum(pairs[pair] for pair in (t.factors, *t.aliases))}
        expected = 2 * known[len(term.factors)](term) if len(term.factors) in known else 0.0
        assert factorial.effect(y[None], term.signs)[0] == pytest.approx(expected, abs=1e-12)


def test_what_all_cells_of_a_trial_share_cancels():
    layout = LAYOUTS["fractional_factorial"](5)
    y = np.random.default_rng(0).normal(size=(3, 16))
    for term in layout.terms:
        moved = factorial.effect(y + np.array([[5.0], [-2.0], [0.3]]), term.signs)
        np.testing.assert_allclose(moved, factorial.effect(y, term.signs), atol=1e-12)


@pytest.mark.parametrize("m, margin", [(7, 9.008), (15, 5.219), (31, 4.218)])
def test_the_simultaneous_margin_is_that_of_lenths_table(m, margin):
    """Lenth 1989, appendix; effects of size one have a pseudo standard error of 1.5."""
    assert half_normal.pseudo_standard_error([1.0] * m) == 1.5
    assert half_normal.margin_of_error([1.0] * m) / 1.5 == pytest.approx(margin, abs=5e-4 * margin)


def test_half_normal_quantiles_are_those_of_the_half_normal_distribution():
    """The share of |Z| below the i-th of m is (i - 1/2) / m."""
    sizes = np.abs(np.random.default_rng(0).normal(size=200_000))
    shares = [float(np.mean(sizes < z)) for z in half_normal.quantiles(15)]
    np.testing.assert_allclose(shares, (np.arange(15) + 0.5) / 15, atol=4 * 0.5 / np.sqrt(200_000))


def test_of_noise_alone_few_designs_have_a_stray_and_large_effects_do_not_hide_in_their_own_noise():
    random = np.random.default_rng(1)
    quantile = half_normal.margin_of_error([1.0] * 15) / 1.5
    draws, strays, found = 2000, 0, 0
    for _ in range(draws):
        effects = random.normal(size=15)
        strays += np.max(np.abs(effects)) > quantile * half_normal.pseudo_standard_error(effects)
        effects[:3] = (12.0, -15.0, 20.0)
        found += np.all(np.abs(effects[:3]) > quantile * half_normal.pseudo_standard_error(effects))
    assert 0 < strays / draws < 0.05 + 4 * np.sqrt(0.05 * 0.95 / draws)
    assert found / draws > 0.95


def test_a_design_without_noise_has_no_spread_and_every_effect_is_a_stray():
    assert half_normal.margin_of_error([0.0] * 6 + [0.1]) == 0.0
