"""The words of a contrast: size against a margin, never mere significance.

Let x_1..x_n be the log ratios of n trials with mean d, spread s (n - 1) and 95 % interval L, M = log(1 + m) for a
margin m, and T Student's t of n - 1 degrees:

    (1)  faster: L wholly below -M;  slower: L wholly above M;  same: L wholly inside [-M, M];  else inconclusive
         where the noise floor (5) is above m, faster and slower need L beyond log(1 + floor), and nothing is the same:
         noise raises the bar for a call and never lowers it for equivalence
    (2)  p_slower = P(T > (d - M) sqrt(n) / s), of "no more than M slower";
         p_faster = P(T < (d + M) sqrt(n) / s), of "no more than M faster";
         p = min(1, 2 min(p_slower, p_faster)), two-sided, of a change no larger than the margin

The bounds are symmetric in the logarithm, so that exchanging the two arms exchanges faster and slower. (1) and (2)
agree: L lies beyond the margin exactly where p < 0.05. `same` is two one-sided tests (TOST) at 2.5 % each. It is no
alarm and is not corrected for the number of contrasts; faster and slower are (`family`). Without spread (2) is 0
beyond the margin and 1 within it. One trial has no p and no word but inconclusive.

    (3)  n that settles an inconclusive contrast: the least n with  t(q, n - 1) s / sqrt(n) <= | |d| - M |,
         q = 0.975 where |d| <= M (it would be called the same), else 1 - level / 2 with the level that the family asks
    (4)  detectable effect: the least |delta| which n trials of spread s would call faster or slower with 80 % power
         if it were the only change among `size` contrasts (the first step of Benjamini-Hochberg, q = 1 - 0.025 / size):
         |delta| = M + lambda s / sqrt(n),  P((Z + lambda) / sqrt(V / (n - 1)) > t(q, n - 1)) = 0.8
         with Z normal, V chi-square of n - 1 degrees; as a relative change e^|delta| - 1
    (5)  noise floor of a control (A/A): e^max(|low|, |high|) - 1

(4) is solved by the mean of the normal tail over 4000 equally likely values of V, which errs by under 1e-3 of power.
Source: Schuirmann 1987 (TOST).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from harness.records import Interval
from harness.stats.interval import CONFIDENCE, logarithm, t_interval, t_quantile

ALPHA = 1 - CONFIDENCE
POWER = 0.8
MOST_TRIALS = 1000
"""Beyond this many trials a contrast counts as one that more trials will not settle."""
POWER_STEPS = 4000

Word = Literal["faster", "slower", "same", "inconclusive"]


def call(ratio: Interval, margin: float) -> Word:
    """Equation (1) from a ratio. The caller has seen to it that there are at least two trials."""
    return _word(logarithm(ratio), margin)


def called(logs: Sequence[float], margin: float, bar: float | None = None) -> Word:
    """Equation (1) from log ratios, one per trial; what a single contrast would be called. `bar`: the larger of margin
    and noise floor, where there is one."""
    if len(logs) < 2:
        return "inconclusive"
    word = _word(t_interval(logs), margin if bar is None else bar)
    return "inconclusive" if word == "same" and bar is not None and bar > margin else word


def _word(log: Interval, margin: float) -> Word:
    bound = math.log1p(margin)
    if log.high < -bound:
        return "faster"
    if log.low > bound:
        return "slower"
    if -bound <= log.low and log.high <= bound:
        return "same"
    return "inconclusive"


def p_slower(logs: Sequence[float], margin: float) -> float | None:
    """Equation (2), one-sided; None at one trial."""
    n = len(logs)
    if n < 2:
        return None
    mean = math.fsum(logs) / n
    error = math.sqrt(math.fsum((log - mean) ** 2 for log in logs) / (n - 1) / n)
    beyond = mean - math.log1p(margin)
    if error == 0:
        return 0.0 if beyond > 0 else 1.0
    return float(special.stdtr(n - 1, -beyond / error))


def p_faster(logs: Sequence[float], margin: float) -> float | None:
    """Equation (2), one-sided; None at one trial."""
    return p_slower([-log for log in logs], margin)


def p_value(logs: Sequence[float], margin: float) -> float | None:
    """Equation (2), two-sided; None at one trial."""
    slower, faster = p_slower(logs, margin), p_faster(logs, margin)
    return None if slower is None or faster is None else min(1.0, 2 * min(slower, faster))


def n_to_settle(logs: Sequence[float], margin: float, level: float = ALPHA) -> int | None:
    """Equation (3); None where over a thousand trials would be needed."""
    if len(logs) < 2:
        return None
    gap = abs(float(np.mean(logs))) - math.log1p(margin)
    spread = float(np.std(logs, ddof=1))
    enough = np.flatnonzero(_widths(level if gap > 0 else ALPHA) * spread <= abs(gap))
    return int(enough[0]) + 2 if len(enough) else None


def detectable(logs: Sequence[float], margin: float, size: int = 1) -> float | None:
    """Equation (4); None at one trial."""
    return detectable_at(float(np.std(logs, ddof=1)), len(logs), margin, size) if len(logs) > 1 else None


def detectable_at(spread: float, n: int, margin: float, size: int = 1) -> float:
    """Equation (4) for n >= 2 trials of a given spread."""
    return math.expm1(min(math.log1p(margin) + _noncentrality(n, size) * spread / math.sqrt(n), 700.0))


def detectable_of(ratio: Interval, margin: float, size: int = 1) -> float | None:
    """Equation (4) from an interval: its half-width over t(0.975, n - 1) is s / sqrt(n). None at one trial."""
    if ratio.n < 2:
        return None
    log = logarithm(ratio)
    spread = (log.high - log.low) / 2 / t_quantile(ratio.n) * math.sqrt(ratio.n)
    return detectable_at(spread, ratio.n, margin, size)


def floor(control: Interval) -> float:
    """Equation (5)."""
    log = logarithm(control)
    return math.expm1(min(max(abs(log.low), abs(log.high)), 700.0))


@lru_cache
def _widths(level: float) -> NDArray[np.float64]:
    """t(1 - level / 2, n - 1) / sqrt(n) for n = 2, 3, ..., MOST_TRIALS."""
    n = np.arange(2, MOST_TRIALS + 1)
    return np.asarray(stats.t.isf(level / 2, n - 1) / np.sqrt(n))


@lru_cache
def _noncentrality(n: int, size: int) -> float:
    limit = float(stats.t.isf(ALPHA / 2 / size, n - 1))
    likely = (np.arange(POWER_STEPS) + 0.5) / POWER_STEPS
    bars = limit * np.sqrt(stats.chi2.ppf(likely, n - 1) / (n - 1))

    def excess(shift: float) -> float:
        return float(np.mean(stats.norm.sf(bars - shift))) - POWER

    return float(optimize.brentq(excess, 0.0, 4.0 * limit + 4.0))
