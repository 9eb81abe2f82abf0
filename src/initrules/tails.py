"""How unlikely a sample is: probabilities of tails, for one error budget over many tests.

The sum of squared deviations of n normal entries is χ² with n degrees of freedom. For other entries it is close
to a χ² that is shifted and scaled so that mean, variance (by the kurtosis) and skewness agree, which is Pearson's
type III distribution; for a normal it is the χ² itself. Means are treated alike.

Source: Pearson 1959, "Note on an approximation to the distribution of non-central χ²" (three moments); Massart
1990 and Wei & Dudley 2012 (bounds on the distance of empirical distributions); Ball 1997, lemma 2.2 (caps).
"""

from __future__ import annotations

import math

import torch

from initrules.actions.law import Law

BUDGET = 1e-6  # the chance that a correct model fails any test
LEAST = 16  # values; fewer tell nothing at this budget
_STRAIGHT = 1e-4  # a skewness below it changes a tail at 7σ by less than one percent


def of_squares(excess: float, count: int, law: Law) -> float:
    """Probability of a mean squared deviation at least so far from the variance, on either side.

    ``excess``: the mean squared deviation of ``count`` entries from the law's mean over its variance, minus 1.
    """
    spread = math.sqrt((law.kurtosis - 1) / count)
    return two_sided(excess / spread, law.square_skew / math.sqrt(count))


def of_mean(deviation: float, count: int, law: Law) -> float:
    """Probability of a mean of ``count`` entries at least so far from the law's; ``deviation`` in units of its std."""
    return two_sided(deviation * math.sqrt(count), law.skew / math.sqrt(count))


def two_sided(z: float, skew: float) -> float:
    """Twice the smaller tail at ``z`` of the type III distribution with mean 0, variance 1 and this skewness."""
    return min(1.0, 2 * _beyond(z, skew) if z > 0 else 2 * _beyond(-z, -skew))


def _beyond(z: float, skew: float) -> float:
    """P(Z > z)."""
    if abs(skew) < _STRAIGHT:
        return math.erfc(z / math.sqrt(2)) / 2
    shape = torch.tensor(4 / skew**2, dtype=torch.float64)
    root = 2 / abs(skew)
    if skew > 0:
        return float(torch.special.gammaincc(shape, torch.clamp(shape + z * root, min=0)))
    return float(torch.special.gammainc(shape, torch.clamp(shape - z * root, min=0)))


def of_distance(distance: float, count: int) -> float:
    """Bound on the probability of an empirical distribution so far from the true one (Massart)."""
    return min(1.0, 2 * math.exp(-2 * count * distance**2))


def of_distance_between(distance: float, count: int) -> float:
    """Bound on the probability that two samples of the same size and law are so far apart (Wei & Dudley)."""
    return min(1.0, math.exp(1 - count * distance**2))


def of_cap(cosine: float, dimensions: int) -> float:
    """Bound on the probability that a random direction is so close to a given line (Ball)."""
    return math.pow(max(0.0, 1 - cosine**2), (dimensions - 1) / 2)
