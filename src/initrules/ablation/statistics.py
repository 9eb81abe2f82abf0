"""What of a difference is more than luck: intervals, tests and their correction, from paired runs.

scipy computes; here stands what is asked of it. Nothing draws from a global generator: equal numbers give
equal answers.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from initrules.errors import ModelError

RESAMPLES = 9999
ALPHA = 0.05


class Interval(NamedTuple):
    """A mean and its bootstrap confidence interval; without one (None) where there are fewer than two values."""

    mean: float
    low: float | None
    high: float | None


def _scipy() -> Any:
    try:
        from scipy import stats  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra
    except ImportError:
        raise ModelError(
            "the statistics of an ablation need scipy", hint="Install it: pip install 'initrules[ablate]'."
        ) from None
    return stats


def mean_interval(values: Sequence[float], confidence: float = 1 - ALPHA) -> Interval:
    """The mean with its bias-corrected and accelerated bootstrap interval (BCa).

    Source: Efron 1987. Where BCa has no answer, as for two values, the percentile interval stands in.
    With few values bootstrap intervals are too narrow.
    """
    mean = math.fsum(values) / len(values) if values else math.nan
    if len(values) < 2:
        return Interval(mean, None, None)
    if len(set(values)) == 1:
        return Interval(values[0], values[0], values[0])
    for method in ("BCa", "percentile"):
        low, high = _bootstrap(values, method, confidence)
        if math.isfinite(low) and math.isfinite(high):
            break
    return Interval(mean, low, high)


def _bootstrap(values: Sequence[float], method: str, confidence: float) -> tuple[float, float]:
    import numpy as np  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns where it then answers NaN
        found = _scipy().bootstrap(
            (np.asarray(values),), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method=method,
            rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
    return float(found.low), float(found.high)


def permutation_p(differences: Sequence[float]) -> float:
    """The two-sided p-value that paired differences are symmetric around zero, by flipping their signs.

    Exact up to 13 pairs, from 9999 random flips beyond. The smallest value for n pairs is 2**(1 - n).
    Source: Fisher 1935; scipy.stats.permutation_test.
    """
    import numpy as np  # noqa: PLC0415

    if len(differences) < 2 or not any(differences):
        return 1.0
    found = _scipy().permutation_test(
        (np.asarray(differences, dtype=float),), _mean, permutation_type="samples", vectorized=True,
        n_resamples=RESAMPLES, rng=np.random.default_rng(0),
    )  # fmt: skip
    return min(1.0, float(found.pvalue))


def _mean(values: Any, axis: int) -> Any:
    return values.mean(axis=axis)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several, in the order given: the chance of any false claim stays bounded.

    Source: Holm 1979.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected


def probability_of_improvement(arm: Sequence[float], baseline: Sequence[float]) -> float:
    """The chance that a run of ``arm`` is above one of ``baseline``, over all pairs of runs; a tie is half.

    Source: Agarwal et al. 2021, section 4.3: the Mann-Whitney U statistic over the number of pairs.
    """
    return float(_scipy().mannwhitneyu(arm, baseline).statistic) / (len(arm) * len(baseline))


def least_p(seeds: int, comparisons: int) -> float:
    """The smallest corrected p-value that so many seeds can give: one arm better with every seed."""
    return min(1.0, comparisons * 2.0 ** (1 - seeds))


def seeds_needed(comparisons: int, alpha: float = ALPHA) -> int:
    """The least number of seeds with which anything can be settled."""
    return next(seeds for seeds in range(1, 64) if least_p(seeds, comparisons) <= alpha)
