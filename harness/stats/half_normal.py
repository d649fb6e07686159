"""Which effects stand out from the noise of their own design: half-normal quantiles and Lenth's pseudo standard error.

Input: m orthogonal effects c_1 .. c_m of equal standard error, most of them small. Equations:

    (1)  quantile of the i-th smallest |c|   z_i = Phi^-1(1/2 + (i - 1/2) / (2 m))
    (2)  s_0 = 1.5 median |c|;  PSE = 1.5 median of those |c| that are below 2.5 s_0
    (3)  simultaneous margin of error        t(g, m / 3) PSE,  g = (1 + 0.95^(1/m)) / 2

Effects that are noise alone lie near the line |c| = PSE z; one beyond (3) is a stray. This reads the spread between
effects, where the intervals over trials read that between trials: the two need not agree.
Source: Daniel 1959; Lenth 1989 (Technometrics 31).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

LEAST = 6
"""Effects, below which half of them could be real and nothing would show it."""
CONFIDENCE = 0.95


def quantiles(m: int) -> tuple[float, ...]:
    """Equation (1), in ascending order."""
    places = 0.5 + (np.arange(1, m + 1) - 0.5) / (2 * m)
    return tuple(float(z) for z in stats.norm.ppf(places))


def pseudo_standard_error(effects: Sequence[float]) -> float:
    """Equation (2)."""
    sizes = np.abs(np.asarray(effects, dtype=np.float64))
    first = 1.5 * float(np.median(sizes))
    small = sizes[sizes < 2.5 * first]
    return 1.5 * float(np.median(small)) if len(small) else 0.0


def margin_of_error(effects: Sequence[float]) -> float:
    """Equation (3)."""
    m = len(effects)
    simultaneous = (1 + CONFIDENCE ** (1 / m)) / 2
    return float(stats.t.ppf(simultaneous, m / 3)) * pseudo_standard_error(effects)
