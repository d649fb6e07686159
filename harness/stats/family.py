"""Many contrasts at once: how many of a family chance alone would call.

Benjamini and Hochberg 1995, on m p-values in ascending order p_(1) <= ... <= p_(m):

    (1)  adjusted p_(i) = min over j >= i of min(1, m p_(j) / j);  a discovery where it is at most 0.05
    (2)  level that one discovery more would have to reach: 0.05 (R + 1) / m after R of them

Of the discoveries at most 5 % are expected to be false; where nothing differs, any discovery at all comes in at most
5 % of families. That holds for independent p-values and for those that one common baseline correlates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.stats.margin import ALPHA


def adjusted(p: Sequence[float]) -> list[float]:
    """Equation (1), in the order given."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values)
    m = len(values)
    raw = values[order] * m / np.arange(1, m + 1)
    found = np.empty(m)
    found[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return [float(one) for one in found]


def next_level(adjusted_p: Sequence[float]) -> float:
    """Equation (2)."""
    if not adjusted_p:
        return ALPHA
    discoveries = sum(one <= ALPHA for one in adjusted_p)
    return ALPHA * min(discoveries + 1, len(adjusted_p)) / len(adjusted_p)
