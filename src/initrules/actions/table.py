"""Every action that rule files can name, written out. Importing this does nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from initrules.actions.base import Action
from initrules.actions.computed import Formula, Literal
from initrules.actions.copied import Copy, Load
from initrules.actions.drawn import Normal, TruncNormal, Uniform
from initrules.actions.fixed import Constant, Keep, Ones, Zeros
from initrules.actions.matrix import Orthogonal
from initrules.actions.option import Freeze, LrScale, WeightDecay
from initrules.actions.owner import Output, Reset
from initrules.actions.packed import Parts
from initrules.actions.parametrization import OrthogonalParametrization, SpectralNorm, WeightNorm
from initrules.actions.scaled import (
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    XavierNormal,
    XavierUniform,
)
from initrules.actions.structured import DeltaOrthogonal, Dirac, Eye, Sparse
from initrules.actions.transform import Normalize, Repeat, Scale
from initrules.errors import ActionError

Table: TypeAlias = "Mapping[str, type[Any]]"


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What rule files can name. Users pass their own; nothing registers itself."""

    actions: Table
    parametrizations: Table
    options: Table
    aliases: Mapping[str, str]

    def plus(self, actions: Table) -> Tables:
        """The same tables with more actions; a built-in name cannot be taken."""
        wrong = [
            name for name, action in actions.items() if not (isinstance(action, type) and issubclass(action, Action))
        ]
        if wrong:
            raise ActionError(f"'{wrong[0]}' is no action", hint="Give a frozen dataclass below 'Action'.")
        taken = sorted(actions.keys() & {*self.actions, *self.aliases})
        if taken:
            raise ActionError(f"the action '{taken[0]}' is built in", hint="Give your action another name.")
        return replace(self, actions=MappingProxyType({**self.actions, **actions}))


_ACTIONS: Table = MappingProxyType(
    {
        action.name: action
        for action in (
            Zeros, Ones, Constant, Literal, Keep, Eye, Dirac,
            Uniform, Normal, TruncNormal,
            XavierNormal, XavierUniform, KaimingNormal, KaimingUniform, LecunNormal, LecunUniform, VarianceScaling,
            Orthogonal, DeltaOrthogonal, Sparse,
            Output, Reset, Load, Copy, Formula, Parts,
            Scale, Normalize, Repeat,
        )
    }
)  # fmt: skip

_PARAMETRIZATIONS: Table = MappingProxyType(
    {action.name: action for action in (SpectralNorm, WeightNorm, OrthogonalParametrization, Keep)}
)

_OPTIONS: Table = MappingProxyType({option.name: option for option in (LrScale, WeightDecay, Freeze)})

# Other spellings of the same actions; plans print the name on the right.
_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "glorot_normal": "xavier_normal",
        "glorot_uniform": "xavier_uniform",
        "he_normal": "kaiming_normal",
        "he_uniform": "kaiming_uniform",
    }
)

BUILTIN = Tables(_ACTIONS, _PARAMETRIZATIONS, _OPTIONS, _ALIASES)
