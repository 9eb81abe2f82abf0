"""Signals as text and JSON."""

from __future__ import annotations

import json
import math

from initrules import report
from initrules.readings import Fact, Run, Signal

ROWS = (
    Signal("net.0", "Linear", 2, 0.1234, 1.5, 0.0, 0.25, 0.5, 12.0),
    Signal("net.1", "ReLU", 1, 0.5, 0.75, 0.25, None, None, None),
    Signal("net.2", "ReLU", 1, 0.5, 0.75, 0.001, None, None, None),
    Signal("", "Own\x1b", 1, math.nan, math.nan, 0.0, math.inf, 0.0, None, "1 of 2 values are NaN"),
    *(Signal(f"idle.{n}", "Linear", 0, weights=0.0) for n in range(6)),
)
RUN = Run(
    "eval", ROWS, "the model's own loss", "made by '': 1 of 2 values are NaN", "reaches the output of '' first: bad"
)


def test_text() -> None:
    assert (
        report.signals_text([RUN], width=80)
        == """\
eval mode, gradients of the model's own loss
layer   kind             mean         std  dead    gradient  still  weights
───────────────────────────────────────────────────────────────────────────
net.0   Linear ×2        0.12         1.5              0.25    50%       12
net.1   ReLU              0.5        0.75   25%           –               –
net.2   ReLU              0.5        0.75   <1%           –               –
(root)  Own\\x1b    not finite  not finite        not finite               –

the first value that is not finite is made by '': 1 of 2 values are NaN
a gradient that is not finite reaches the output of '' first: bad
std of the last layer over the first: 0.5
6 not called: 'idle.0', 'idle.1', 'idle.2', 'idle.3', 'idle.4' and 1 more

mean, std: of what the layer gives; dead: share of its units that give 0 for all inputs
gradient: root mean square at its output; still: share of its units without gradient
weights: norm of the gradient of its own parameters"""
    )


def test_facts() -> None:
    facts = [
        Fact("a\n", "why it is", 2**0.5, "ReLU", "the input", residual=False, last=False),
        Fact("b.c", "who knows", None, "the output", "ReLU", residual=True, last=True),
        Fact("b.d", "it was not called"),
    ]
    assert (
        report.facts_text(facts, width=80)
        == """\
layer  after      before      place                 gain  why
────────────────────────────────────────────────────────────────────────────
a\\n    the input  ReLU                             1.414  why it is
b.c    ReLU       the output  last, ends a branch      –  who knows
b.d                                                    –  it was not called"""
    )


def test_json_is_json() -> None:
    text = json.dumps(report.signals_json([RUN], [Fact("a", "w", 1.5, "ReLU")]), allow_nan=False)
    data = json.loads(text)
    assert data["initrules-signals"] == 1
    assert data["gains"] == [
        {"path": "a", "why": "w", "gain": 1.5, "follows": "ReLU", "precedes": None, "residual": None, "last": None}
    ]
    (run,) = data["runs"]
    assert (run["mode"], run["ratio"], run["gradient_ratio"]) == ("eval", 0.5, None)
    assert run["layers"][0] == {
        "path": "net.0", "kind": "Linear", "calls": 2, "mean": 0.1234, "std": 1.5, "dead": 0.0, "back": 0.25,
        "still": 0.5, "weights": 12.0, "problem": None,
    }  # fmt: skip
    assert (run["layers"][3]["std"], run["layers"][3]["problem"]) == (None, "1 of 2 values are NaN")
