"""Two-level designs as the analysis sees them: the cells, and every contrast they can estimate.

A layout has R rows (levels of k factors, 0 low or 1 high) and its terms, whose signs are orthogonal: each of shape
[R], entries -1 and +1, as many of each. In a regular design there are R - 1 terms, in the folded screening design
only those of its columns: what the others would hold are sums of two-way interactions that nobody can take apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations, product

from harness.stats import fraction, screening
from harness.stats.fraction import Rows

Factors = tuple[int, ...]


@dataclass(frozen=True)
class Term:
    """What one contrast estimates: the effect of `factors`, plus those of `aliases`. No factors at all: only
    interactions of three or more, or a column that carries no factor."""

    factors: Factors
    aliases: tuple[Factors, ...]
    signs: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    rows: Rows
    terms: tuple[Term, ...]
    """Main effects first, in the order of the factors, then interactions."""


def full_factorial(k: int) -> Layout:
    rows = tuple(product((0, 1), repeat=k))
    sets = chain.from_iterable(combinations(range(k), size) for size in range(1, k + 1))
    return Layout(rows, tuple(Term(factors, (), _signs(rows, factors)) for factors in sets))


def fractional_factorial(k: int) -> Layout:
    """Of resolution IV. Terms of interactions of three or more are kept: they show what is noise."""
    rows, chains = fraction.rows(k), fraction.chains(k)
    mains = {column: factor for factor, column in enumerate(fraction.columns(k))}
    terms = [Term((factor,), (), _signs(rows, (factor,))) for factor in range(k)]
    terms += [Term(pairs[0], pairs[1:], _signs(rows, pairs[0])) for pairs in chains.values()]
    for column in range(1, len(rows)):
        if column not in chains and column not in mains:
            signs = tuple(1 - 2 * ((run & column).bit_count() % 2) for run in range(len(rows)))
            terms.append(Term((), (), signs))
    return Layout(rows, tuple(terms))


def screened(k: int) -> Layout:
    """Main effects, and the columns that carry no factor."""
    rows = screening.all_columns(k)
    terms = (
        Term((column,) if column < k else (), (), _signs(rows, (column,))) for column in range(screening.columns(k))
    )
    return Layout(screening.rows(k), tuple(terms))


def _signs(rows: Rows, factors: Sequence[int]) -> tuple[int, ...]:
    """Product of the factors' levels, coded -1 and +1."""
    return tuple(math.prod(2 * run[factor] - 1 for factor in factors) for run in rows)


LAYOUTS: Mapping[str, Callable[[int], Layout]] = {
    "full_factorial": lru_cache(full_factorial),
    "fractional_factorial": lru_cache(fractional_factorial),
    "screening": lru_cache(screened),
}
