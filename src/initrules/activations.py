"""What torch's activations do to a signal: values, slopes and ranges, of modules known by their class.

A class of the user's own that shares a name with torch's is not known: nothing is claimed about it.
Moments are those of wide layers, whose pre-activations are normal (Poole et al. 2016, sec. 2).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from initrules.inventory import Module

Function = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation with its arguments.

    ``slope``: torch's own derivative, also at kinks, or None where a difference quotient will do. ``low``
    and ``high``: the range of its values. ``through``: the same as an expression of rule files.
    ``scales``: f(a x) = a f(x) for positive a. ``advice``: the value that keeps a signal's size before it.
    """

    name: str
    function: Function
    slope: Function | None = None
    low: float = -math.inf
    high: float = math.inf
    through: str | None = None
    scales: bool = False
    advice: str | None = None

    def slope_at(self, x: float) -> float:
        """The derivative."""
        if self.slope is not None:
            return self.slope(x)
        return (self.function(x + _STEP) - self.function(x - _STEP)) / (2 * _STEP)

    def saturation(self, x: float) -> float:
        """The slope at ``x`` as a share of the largest slope."""
        return abs(self.slope_at(x)) / _steepest(self)

    def second_moment(self, variance: float) -> float:
        """E[f(x)²] for x ~ N(0, variance)."""
        return variance * _moment(self, 1.0) if self.scales else _moment(self, variance)

    def slope_moment(self, variance: float) -> float:
        """E[f'(x)²] for x ~ N(0, variance)."""
        return _slope_moment(self, 1.0 if self.scales else variance)


_STEP = 1e-5
_REACH, _POINTS = 8.0, 400  # σ and points of the integrals over a normal
_KAIMING = "{kaiming_normal: {nonlinearity: relu}}"


def _normal_mean(function: Function, variance: float) -> float:
    """E[function(x)] for x ~ N(0, variance), by the trapezoid rule."""
    std, step = math.sqrt(variance), 2 * _REACH / _POINTS
    points = (-_REACH + (i + 0.5) * step for i in range(_POINTS))
    return math.fsum(function(std * z) * math.exp(-z * z / 2) for z in points) * step / math.sqrt(2 * math.pi)


@functools.lru_cache(maxsize=4096)
def _moment(activation: Activation, variance: float) -> float:
    return _normal_mean(lambda x: activation.function(x) ** 2, variance)


@functools.lru_cache(maxsize=4096)
def _slope_moment(activation: Activation, variance: float) -> float:
    return _normal_mean(lambda x: activation.slope_at(x) ** 2, variance)


@functools.lru_cache(maxsize=256)
def _steepest(activation: Activation) -> float:
    return max(abs(activation.slope_at(x / 8 + 1e-3)) for x in range(-80, 81))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _expm1(x: float) -> float:
    return math.expm1(min(x, 0.0))


def _clamp(name: str, low: float, high: float) -> Activation:
    """Between two values; torch gives no slope on the edges themselves."""
    through = "max(x, 0)" if (low, high) == (0.0, math.inf) else f"min(max(x, {low:g}), {high:g})"
    return Activation(
        name,
        lambda x: min(max(x, low), high),
        lambda x: 1.0 if low < x < high else 0.0,
        low=low,
        high=high,
        through=through,
        scales=(low, high) == (0.0, math.inf),
        advice=_KAIMING if low == 0 else None,
    )


def _leaky(slope: float) -> Activation:
    return Activation(
        "LeakyReLU",
        lambda x: x if x > 0 else slope * x,
        lambda x: 1.0 if x > 0 else slope,
        scales=True,
        advice=f"{{kaiming_normal: {{a: {slope:g}}}}}",
    )


def _elu(name: str, alpha: float, width: float, scale: float) -> Activation:
    return Activation(
        name,
        lambda x: scale * (x if x > 0 else alpha * _expm1(x / width)),
        low=-scale * alpha,
        advice="lecun_normal" if name == "SELU" else _KAIMING,
    )


_PLAIN: Mapping[str, Activation] = {
    one.name: one
    for one in (
        Activation("Sigmoid", _sigmoid, low=0, high=1, through="sigmoid"),
        Activation("Tanh", math.tanh, low=-1, high=1, through="tanh", advice="{xavier_normal: {gain: 5/3}}"),
        Activation("LogSigmoid", lambda x: -_softplus(-x), high=0, through="-softplus(-x)"),
        Activation("Softsign", lambda x: x / (1 + abs(x)), low=-1, high=1, through="x / (1 + abs(x))"),
        Activation("GELU", lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2, advice=_KAIMING),
        Activation("SiLU", lambda x: x * _sigmoid(x), advice=_KAIMING),
        Activation("Mish", lambda x: x * math.tanh(_softplus(x)), advice=_KAIMING),
        Activation("Hardswish", lambda x: x * min(max(x + 3, 0), 6) / 6, advice=_KAIMING),
        Activation(
            "Hardsigmoid",
            lambda x: min(max(x / 6 + 0.5, 0), 1),
            lambda x: 1 / 6 if -3 < x < 3 else 0.0,
            low=0,
            high=1,
            through="min(max(x / 6 + 0.5, 0), 1)",
        ),
        _clamp("ReLU", 0.0, math.inf),
        _clamp("ReLU6", 0.0, 6.0),
        # Klambauer et al. 2017, appendix: the constants for which (0, 1) is the fixed point
        _elu("SELU", 1.6732632423543772, 1.0, 1.0507009873554805),
    )
}
# transformers' own classes, by what they compute but for rounding.
_TRANSFORMERS: Mapping[str, str] = {
    **dict.fromkeys(("GELUActivation", "NewGELUActivation", "FastGELUActivation", "AccurateGELUActivation"), "GELU"),
    **dict.fromkeys(("PytorchGELUTanh", "GELUTanh"), "GELU"),
    "SiLUActivation": "SiLU",
    "MishActivation": "Mish",
}


def own_name(module: Module, package: str = "torch.nn.") -> str | None:
    """The bare name of a module's class if the class itself stands in this package; sub-classes do not."""
    if not module.types:
        return None
    kind = module.types[0]
    return kind.name if any(name.startswith(package) for name in kind.qualified) else None


@functools.lru_cache(maxsize=256)
def _made(name: str, arguments: tuple[float, ...]) -> Activation | None:
    match name, arguments:
        case "LeakyReLU", (slope,):
            return _leaky(slope)
        case "ELU" | "CELU", (alpha,):
            return _elu(name, alpha, alpha if name == "CELU" else 1.0, 1.0)
        case "Hardtanh", (low, high):
            return _clamp(name, low, high)
        case "Softplus", (beta, _):
            through = "softplus" if beta == 1 else f"softplus({beta:g} * x) / {beta:g}"
            return Activation(name, lambda x: _softplus(beta * x) / beta, low=0, through=through)
    return None


_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "LeakyReLU": ("negative_slope",),
    "ELU": ("alpha",),
    "CELU": ("alpha",),
    "Hardtanh": ("min_val", "max_val"),
    "Softplus": ("beta", "threshold"),
}


def activation_of(module: Module) -> Activation | None:
    """The activation that a module is, or None when it is none or its class is not known."""
    name = own_name(module)
    if name is None:
        name = _TRANSFORMERS.get(own_name(module, "transformers.activations.") or "")
    if name is None or name in _PLAIN:
        return _PLAIN.get(name or "")
    given = [module.attributes.get(one) for one in _ARGUMENTS.get(name, ())]
    return _made(name, tuple(float(one) for one in given if isinstance(one, int | float)))
