"""Plackett-Burman designs with foldover: the main effects of many factors in few runs.

N a multiple of four, N - 1 columns. The first N - 1 runs are the cyclic shifts of a published row, run N has every
level low; any k <= N - 1 columns are orthogonal. Foldover: each of the N runs once more with all its levels
exchanged, 2 N runs in all. The all-low and the all-high cell are both among them.

In the unfolded design each main effect is mixed with two-way interactions of other factors. A two-way interaction has
equal signs in a run and its mirror image, a main effect opposite ones, so in the folded design main effects are
clear of all two-way interactions. These are mixed with each other and are not estimated; interactions of three
factors are mixed with main effects and taken to be small.
Source: Plackett and Burman 1946 (Biometrika 33); Box and Wilson 1951 (foldover); Yi, Lilja and Hawkins 2003 (HPCA).
"""

from __future__ import annotations

from harness.stats.fraction import Rows

GENERATORS = {
    8: "+++-+--",
    12: "++-+++---+-",
    16: "++++-+-++--+---",
    20: "++--++++-+-+----++-",
    24: "+++++-+-++--++--+-+----",
}
FEWEST, MOST = 4, 23
"""Factors: with fewer the full factorial is no larger."""


def columns(k: int) -> int:
    """N - 1 of the smallest design that holds k factors; k of them carry a factor, the others nothing."""
    if not FEWEST <= k <= MOST:
        raise ValueError(f"{k} factors; screening takes {FEWEST} to {MOST}")
    return min(size for size in GENERATORS if size > k) - 1


def all_columns(k: int) -> Rows:
    """All 2 N runs with all N - 1 columns, the all-low run first, its mirror image last."""
    n = columns(k)
    first = [1 if sign == "+" else 0 for sign in GENERATORS[n + 1]]
    half = [(0,) * n, *(tuple(first[(column - shift) % n] for column in range(n)) for shift in range(n))]
    return (*half, *(tuple(1 - level for level in run) for run in reversed(half)))


def rows(k: int) -> Rows:
    """The levels of the k factors alone."""
    return tuple(run[:k] for run in all_columns(k))
