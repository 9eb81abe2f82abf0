"""What can follow a layer, and the gain that suits it.

Gains are those that torch recommends. For other activations it is the one with which a signal of std 1 keeps
its size, E[f(z)²]^-½ for z ~ N(0, 1), as the pre-activations of wide layers are (Poole et al. 2016, sec. 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from initrules.activations import Activation, activation_of
from initrules.gains import GAINS, recommended_gain
from initrules.inventory import Module, TypeName
from initrules.survey import survey


@dataclass(frozen=True, slots=True)
class Follower:
    """What uses a value. ``gain``: the factor for the weight before it, None where there is none; ``why``: in words."""

    name: str
    gain: float | None
    why: str


LAYER = Follower("a linear layer", 1.0, "nothing shrinks the signal between two layers")
NORM = Follower("a norm", None, "a norm follows, which takes any gain away")

_NORMS = frozenset({"NativeLayerNorm", "NativeBatchNorm", "CudnnBatchNorm", "NativeGroupNorm", "FusedRmsNorm"})
_NOTHING = 1e-6  # a mean square that no gain makes up for
_HOMES = ("torch.nn.modules.activation", "transformers.activations")
# Operations that are activations: the class of torch.nn that does the same, and where autograd keeps its arguments.
_OPERATIONS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        **{name: (name, {}) for name in ("Tanh", "Sigmoid", "LogSigmoid", "Mish", "Hardswish", "Hardsigmoid")},
        "Relu": ("ReLU", {}),
        "Gelu": ("GELU", {}),
        "Silu": ("SiLU", {}),
        "LeakyRelu": ("LeakyReLU", {"negative_slope": "_saved_negative_slope"}),
        "Hardtanh": ("Hardtanh", {"min_val": "_saved_min_val", "max_val": "_saved_max_val"}),
        "Softplus": ("Softplus", {"beta": "_saved_beta", "threshold": "_saved_threshold"}),
        "Elu": ("ELU", {"alpha": "_saved_alpha"}),
        "Celu": ("CELU", {"alpha": "_saved_alpha"}),
    }
)


def of_module(module: nn.Module) -> Follower | None:
    """The activation that a module is; None for all others."""
    if type(module).__module__ not in _HOMES:
        return None
    activation = activation_of(survey(module).modules[0])
    return None if activation is None else _follower(activation)


def of_operation(node: Any) -> Follower:
    """What a node of autograd's graph does, where that alone says enough."""
    name = operation(node)
    if name in _NORMS:
        return NORM
    if name in _OPERATIONS:
        kind, arguments = _OPERATIONS[name]
        if name == "Elu" and node._saved_scale != 1:  # torch makes SELU of it
            kind = "SELU"
        found = {argument: float(getattr(node, attribute)) for argument, attribute in arguments.items()}
        activation = activation_of(Module((TypeName(kind, (f"torch.nn.{kind}",)),), found))
        assert activation is not None
        return _follower(activation)
    name = "attention" if name.startswith("ScaledDotProduct") else name
    return Follower(name, None, f"its output goes into {name}, for which there is no gain")


def operation(node: Any) -> str:
    """The name of an operation, without autograd's additions: ``Addmm`` for ``AddmmBackward0``."""
    return str(node.name()).rpartition("::")[2].partition("Backward")[0]


def _follower(activation: Activation) -> Follower:
    name = activation.name
    if name == "LeakyReLU":
        slope = -activation.function(-1.0)
        return Follower(f"{name}({slope:g})", recommended_gain("leaky_relu", slope), "torch recommends it")
    if name.lower() in GAINS:
        return Follower(name, GAINS[name.lower()], "torch recommends it")
    moment = activation.second_moment(1.0)
    if moment < _NOTHING:
        return Follower(name, None, f"{name} leaves next to nothing of a signal of std 1")
    return Follower(name, moment**-0.5, "a signal of std 1 keeps its size")
