"""The shipped rule sets, each with the model it was written for, and what its plan is known to say."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from initrules import planning, ruleset
from initrules.planning import PlanData
from initrules.ruleset import RuleSet
from initrules.sources import Sources, read
from initrules.survey import survey
from support import isolation

ROOT = Path(__file__).parent.parent
RULES = ROOT / "rules"
GOLDEN = Path(__file__).parent / "golden"


PLACES = {"phase1": "phase2/phase1", "phase2": "phase2/networks"}  # of the example that has a folder


def example(name: str) -> ModuleType:
    """The module ``examples/NAME.py``, or of these tests the small models that are no examples."""
    qualified = f"examples_{name}"
    if qualified not in sys.modules:
        folder = ROOT / ("tests" if name == "preset_models" else "examples")
        spec = importlib.util.spec_from_file_location(qualified, folder / f"{PLACES.get(name, name)}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[qualified] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[qualified])
    return sys.modules[qualified]


@dataclass(frozen=True, slots=True)
class Reference:
    """A rule file and the model for it."""

    rules: str
    example: str
    factory: str = "build"
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)
    checkpoints: Mapping[str, str] = field(default_factory=dict, hash=False)  # source -> the example that saves it

    @property
    def golden(self) -> Path:
        return GOLDEN / f"{self.rules.replace('/', '-')}.json"

    def model(self, **arguments: Any) -> Any:
        with isolation():
            return getattr(example(self.example), self.factory)(**{**self.arguments, **arguments})

    def plan(self, model: Any) -> PlanData:
        rules = ruleset.load(RULES / f"{self.rules}.yaml")
        return planning.make(rules, survey(model), self.sources(rules).catalogs)

    def sources(self, rules: RuleSet) -> Sources:
        """The checkpoints that the rules load from, written afresh."""
        with tempfile.TemporaryDirectory() as folder:
            for example_name in self.checkpoints.values():
                example(example_name).save(Path(folder) / f"{example_name}.pt")
            return read(rules, {name: Path(folder) / f"{one}.pt" for name, one in self.checkpoints.items()})


REFERENCES = (
    Reference("gpt2", "gpt2"),
    Reference("phase2/base", "phase2"),
    Reference("phase2/default", "phase2"),
    Reference("phase2/env-shared", "phase2"),
    Reference("phase2/env-small", "phase2", "build_small"),
    Reference("phase2/full", "phase2"),
    Reference("phase2/orthogonal", "phase2"),
    Reference("phase2/output-aware", "phase2"),
    Reference("phase2/xavier", "phase2"),
    Reference("ppo", "ppo"),
    Reference("ppo-humanoid", "ppo", arguments={"observations": 17, "actions": 6, "continuous": True}),
    Reference("resnet", "resnet"),
    Reference("vit", "vit"),
)

# Rule sets whose models are no examples, or are those of another rule set.
PRESETS = (
    Reference("deepnorm", "preset_models", "torch_transformer"),
    Reference("dit", "preset_models", "dit"),
    Reference("fixup", "fixup"),
    Reference("layerwise-decay", "preset_models", "vit"),
    Reference("llama", "preset_models", "llama"),
    Reference("lstm", "preset_models", "lstm"),
    Reference("mamba", "preset_models", "mamba"),
    Reference("mup", "preset_models", "mlp"),
    Reference("phase2/transfer", "phase2", checkpoints={"phase1": "phase1"}),
    Reference("siren", "preset_models", "siren"),
    Reference("t5", "preset_models", "t5"),
)
ALL = (*REFERENCES, *PRESETS)


def compact(plan: PlanData) -> dict[str, Any]:
    """A plan as a golden file has it: for each parameter who decides what, and the findings by code and rule."""
    return {
        "parameters": {
            row.path: ", ".join(f"{prop} {d.rule}: {d.summary}" for prop, d in sorted(row.decisions.items()))
            for row in plan.rows
        },
        "findings": [f"{finding.severity} {finding.code} {finding.rule or ''}".rstrip() for finding in plan.findings],
    }


def written(plan: PlanData) -> str:
    """The text of a golden file."""
    return json.dumps(compact(plan), indent=1, ensure_ascii=False) + "\n"
