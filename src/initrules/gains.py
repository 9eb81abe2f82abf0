"""Recommended gains: how much an activation shrinks a unit signal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

# As torch.nn.init.calculate_gain: 5/3 for tanh, √2 for ReLU (He et al. 2015), 3/4 for SELU, whose
# own paper (Klambauer et al. 2017) asks for 1; the smaller gain is what torch recommends.
GAINS: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(("linear", "identity", "conv1d", "conv2d", "conv3d", "sigmoid"), 1.0),
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + 0.01**2)),
        "selu": 3 / 4,
    }
)


def recommended_gain(nonlinearity: str, slope: float | None = None) -> float:
    """The factor on the std for the activation that follows.

    ``slope``: negative slope of a leaky ReLU, 0.01 if not given. Source: He et al. 2015, eq. 14.
    """
    if nonlinearity == "leaky_relu" and slope is not None:
        return math.sqrt(2 / (1 + slope**2))
    return GAINS[nonlinearity]
