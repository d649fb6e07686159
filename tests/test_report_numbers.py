"""Digits follow the interval; text of a user's becomes one harmless line."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Interval
from harness.report import numbers, text, words


def interval(low: float, point: float, high: float) -> Interval:
    return Interval(low=low, point=point, high=high, n=6)


@pytest.mark.parametrize(
    ("low", "point", "high", "shown"),
    [
        (23.61, 24.08, 24.62, "24.1 [23.6, 24.6]"),
        (14.9, 17.2, 19.3, "17 [15, 19]"),
        (0.8441, 0.8502, 0.8563, "0.850 [0.844, 0.856]"),
        (0.97114, 0.98213, 0.99312, "0.982 [0.971, 0.993]"),
        (151.0, 174.0, 197.0, "170 [150, 200]"),
        (3.2e-4, 0.0403, 3.25, "0.04 [3.2e-4, 3.2]"),
        (-50.3, 6.4, 63.1, "6 [−50, 63]"),
        (-3.49, -2.91, -2.33, "−2.9 [−3.5, −2.3]"),
        (7.0, 7.0, 7.0, "7 [7, 7]"),
        (-math.inf, 0.4213, math.inf, "0.42 [no interval]"),
    ],
)
def test_digits_come_from_the_width(low: float, point: float, high: float, shown: str) -> None:
    assert numbers.with_interval(interval(low, point, high)) == shown


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 0.8))
def test_the_last_digit_is_never_finer_than_a_tenth_of_the_half_width(point: float, relative: float) -> None:
    half = point * relative
    found = interval(point - half, point, point + half)
    places = numbers.places_of(found)
    assert places is not None
    width = (found.high - found.low) / 2
    assert width / 20 <= 10.0**-places <= width * (1 + 1e-6)


@given(st.floats(1e-6, 1e6), st.floats(1e-3, 0.5))
def test_rounding_moves_an_end_by_less_than_the_half_width(point: float, relative: float) -> None:
    half = point * relative
    shown = numbers.with_interval(interval(point - half, point, point + half))
    low, high = shown.split("[")[1].rstrip("]").split(", ")
    assert abs(float(low.replace("−", "-")) - (point - half)) <= half * 0.500001
    assert abs(float(high.replace("−", "-")) - (point + half)) <= half * 0.500001


def test_a_ratio_becomes_a_signed_change() -> None:
    assert numbers.change(interval(0.844, 0.85, 0.856)) == "−15.0 [−15.6, −14.4]"
    assert numbers.change(interval(1.044, 1.05, 1.056)) == "+5.0 [+4.4, +5.6]"


def test_a_goal_in_words_follows_its_figure() -> None:
    assert [words.under_share(goal) for goal in (0.03, 0.01, 0.015)] == ["under 3 %", "under 1 %", "under 1.5 %"]


def test_one_time_unit_for_a_column() -> None:
    assert numbers.time_unit([0.0031, 0.2, 2.0])[1] == "ms"
    assert numbers.time_unit([1.5, 2.0])[1] == "s"
    assert numbers.time_unit([2e-6])[1] == "µs"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(7.0, "7"), (4.5, "4.5"), (0.0, "0"), (4.1e-7, "4.1e-7"), (0.4, "0.4"), (math.nan, "not a number")],
)
def test_a_reading_shows_no_padding(value: float, shown: str) -> None:
    assert numbers.reading(value) == shown


def test_memory_in_binary_units() -> None:
    assert numbers.memory(600 * numbers.MIB) == "600 MiB"
    assert numbers.memory(8192 * numbers.MIB) == "8.0 GiB"


@given(st.text(max_size=600))
def test_text_becomes_one_bounded_printable_line(given_text: str) -> None:
    shown = text.plain(given_text, 100)
    assert len(shown) < 130
    assert shown.isprintable()
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\x1b\n")
    assert shown.encode("utf-8").decode("utf-8") == shown


def test_long_text_says_how_long_it_was() -> None:
    assert text.plain("x" * 10_000, 50) == "x" * 50 + "… (10000 characters)"


def test_only_right_to_left_text_is_isolated() -> None:
    assert text.safe("שלום") == f"{text.FSI}שלום{text.PDI}"
    assert text.safe("matrix") == "matrix"


@given(st.text(alphabet="abcאבג ", max_size=80), st.integers(2, 60))
def test_shortening_keeps_isolates_paired(given_text: str, length: int) -> None:
    shown = text.shorten(text.safe(given_text), length)
    assert shown.count(text.FSI) == shown.count(text.PDI)
    assert len(text.bare(shown)) <= length


@given(st.text(max_size=200))
def test_a_slug_is_a_plain_file_name(name: str) -> None:
    assert set(text.slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert 0 < len(text.slug(name)) <= 60
