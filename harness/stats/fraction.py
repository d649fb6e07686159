"""Two-level fractions of resolution IV: which combinations of levels are run, and what they cannot tell apart.

k factors in 2^p runs. Factor f has a column c_f, a number from 1 to 2^p - 1; the first p factors have the columns
1, 2, 4, ... and are free, the others are generated. With r = 0 .. 2^p - 1 the run, `&` and `^` on bits:

    (1)  level of f in run r         l = parity of the bits of r & c_f   (0 low, 1 high); run 0 has every factor low
    (2)  column of a set S           c_S = ^ over f in S of c_f
    (3)  with x = 2 l - 1            product of x_f over S = (-1)^|S| (-1)^parity(r & c_S)

So sets with one column are aliased: what their contrast estimates is the sum of their effects, with sign + where the
sets are equally odd, - otherwise. Resolution IV: no column is zero, none stands twice, none is the `^` of two others;
then main effects are clear of two-way interactions, and these are aliased at most with each other, always with sign +.

Generated columns: numbers with an odd number of bits, in order, which no two of them can `^` to; for 5, 9 and 10
factors a set with fewer words of length four exists and is used. Up to 16 factors these are the fractions of minimum
aberration.
Source: Box and Hunter 1961; Chen, Sun and Wu 1993 (International Statistical Review 61), their 5-1.1 to 16-11.1.
"""

from __future__ import annotations

from itertools import combinations

Rows = tuple[tuple[int, ...], ...]
"""One run each: the level of every factor, 0 low or 1 high."""
Pair = tuple[int, int]

FEWEST = 4
"""Factors: three have no fraction of resolution IV."""
MIXED = {5: (15,), 9: (7, 11, 19, 29), 10: (7, 11, 19, 29, 30)}


def free(k: int) -> int:
    """p: the least with k <= 2^(p - 1), beyond which no fraction of 2^p runs has resolution IV."""
    return (k - 1).bit_length() + 1


def columns(k: int) -> tuple[int, ...]:
    """One column per factor."""
    if k < FEWEST:
        raise ValueError(f"{k} factors; a fraction of resolution IV takes {FEWEST} or more")
    p = free(k)
    odd = tuple(column for column in range(1, 2**p) if column.bit_count() % 2 and column.bit_count() > 1)
    return (*(1 << bit for bit in range(p)), *MIXED.get(k, odd)[: k - p])


def rows(k: int) -> Rows:
    """Equation (1)."""
    return tuple(tuple((run & column).bit_count() % 2 for column in columns(k)) for run in range(2 ** free(k)))


def generators(k: int) -> dict[int, tuple[int, ...]]:
    """Generated factor -> the free factors whose product it is, up to the sign of equation (3)."""
    p = free(k)
    return {
        factor: tuple(bit for bit in range(p) if column >> bit & 1)
        for factor, column in enumerate(columns(k))
        if factor >= p
    }


def chains(k: int) -> dict[int, tuple[Pair, ...]]:
    """Column -> the two-way interactions that share it, which nothing in the fraction tells apart."""
    known = columns(k)
    found: dict[int, tuple[Pair, ...]] = {}
    for pair in combinations(range(k), 2):
        column = known[pair[0]] ^ known[pair[1]]
        found[column] = (*found.get(column, ()), pair)
    return found
