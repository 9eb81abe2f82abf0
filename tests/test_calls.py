"""Calls of actions: what they need, what they can take, what does not go together."""

from __future__ import annotations

import pytest

from initrules import calls, ruleset
from initrules.errors import RuleError
from told import told

_NAMES = (
    "Choose one of 'auto', 'e', 'false', 'fan_in', 'fan_out', 'inside', 'module', 'ndim', 'next', 'numel', 'parent', "
    "'pi', 'root', 'true'."
)


def _refusal(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        ruleset.from_text(f"initrules: 1\n{text}\n", "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "mark", "message", "hint"),
    [
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: ortogonal}}]",
            (44, 9),
            "unknown action or variable 'ortogonal'",
            "Did you mean 'orthogonal'? A word is an action or a variable.",
            id="an unknown word",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: 'ortogonal'}}]",
            (45, 9),
            "unknown action or variable 'ortogonal'",
            "Did you mean 'orthogonal'? A word is an action or a variable.",
            id="an unknown word in quotes",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, parametrize: {weight: spectralnorm}}]",
            (52, 12),
            "unknown parametrization 'spectralnorm'",
            "Did you mean 'spectral_norm'?",
            id="an unknown parametrization",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: normal}}]",
            (44, 6),
            "'normal' needs 'std'",
            "Write {normal: {std: ...}}.",
            id="a word that needs arguments",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: uniform}}]",
            (44, 7),
            "'uniform' needs 'low' and 'high', or 'bound'",
            "Write {uniform: {low: ..., high: ...}} or {uniform: {bound: ...}}.",
            id="a word that needs one of two sets of arguments",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {normal: {}}}}]",
            (45, 6),
            "'normal' needs 'std'",
            "Write {normal: {std: ...}}.",
            id="no arguments where some are needed",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {uniform: {low: 1}}}}]",
            (45, 7),
            "'uniform' needs 'low' and 'high', or 'bound'",
            "Write {uniform: {low: ..., high: ...}} or {uniform: {bound: ...}}.",
            id="half a set of arguments",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {uniform: {bound: 1, low: 3}}}}]",
            (45, 7),
            "'uniform' needs 'low' and 'high', or 'bound'",
            "Write {uniform: {low: ..., high: ...}} or {uniform: {bound: ...}}.",
            id="two sets of arguments",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {trunc_normal: {std: 1, cut: 2, low: 1}}}}]",
            (45, 12),
            "'trunc_normal' takes 'cut', or 'low', not both",
            "Leave out 'cut', or 'low'.",
            id="arguments that exclude each other",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {normal: {std: -1}}}}]",
            (59, 2),
            "'std' must be at least 0, not -1",
            "std: standard deviation.",
            id="a negative standard deviation",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {normal: {std: 1 - 2}}}}]",
            (59, 5),
            "'std' must be at least 0, not -1",
            "std: standard deviation.",
            id="a negative result of an expression",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {trunc_normal: {std: 0}}}}]",
            (65, 1),
            "'std' must be greater than 0, not 0",
            "std: standard deviation before the cut.",
            id="zero where more is needed",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {kaiming_normal: {fan: 0}}}}]",
            (67, 1),
            "'fan' must be greater than 0, not 0",
            "fan: use this number as the fan.",
            id="a fan of zero",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: {gain: .nan}}}}]",
            (64, 4),
            "'.nan' is not finite",
            "Write a finite number.",
            id="not a number",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: -.inf}}]",
            (44, 5),
            "'-.inf' is not finite",
            "Write a finite number.",
            id="infinity",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: 1e999}}]",
            (44, 5),
            "'1e999' is not finite",
            "Write a finite number.",
            id="a number beyond floats",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: 9999999999999999999999999999999999999999e300}}]",
            (44, 44),
            "'9999999999999999999999999999999999999999e300' is not finite",
            "Write a finite number.",
            id="an integer beyond floats",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: {gain: big}}}}]",
            (64, 3),
            "unknown name 'big'",
            _NAMES,
            id="a word as a gain",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: {gain: 'true'}}}}]",
            (64, 6),
            "'gain' must be a number, not true",
            "gain: the singular values.",
            id="truth as a gain",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: 'false'}}]",
            (44, 7),
            "'value' must be a number, not false",
            "value: what every entry becomes.",
            id="truth as a value",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {trunc_normal: {std: 1, correct: 1 + 1}}}}]",
            (77, 5),
            "'correct' must be true or false, not 2",
            "correct: widen σ so that the result has std.",
            id="a number as a flag",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, parametrize: {weight: {spectral_norm: {dim: 1 / 2}}}}]",
            (74, 5),
            "'dim' must be a whole number, not 0.5",
            "dim: the output dimension; torch chooses by the module.",
            id="a fraction as a whole number",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {normal: {std: 1 / 0}}}}]",
            (59, 5),
            "'1 / 0' divides by zero",
            "Write another number.",
            id="division by zero",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {normal: {std: 9 ** 9 ** 9}}}}]",
            (59, 11),
            "the exponent 3.8742e+08 is over 1024",
            "Use exp() and log().",
            id="a power out of hand",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: log(0)}}]",
            (44, 6),
            "'log(0)' is not defined for this value",
            "Write another number.",
            id="a logarithm of nothing",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: {gain: 1 +}}}}]",
            (64, 3),
            "'1 +' is not an expression",
            "An expression has numbers, names, + - * / // % **, comparisons and calls such as sqrt(2).",
            id="half an expression",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: [zeros, ones]}}]",
            (52, 4),
            "'ones' gives a new value, so that what stands before it is lost",
            "In a list the first entry fills and the rest transform.",
            id="a fill after a fill",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: [keep, zeros]}}]",
            (51, 5),
            "'zeros' gives a new value, so that what stands before it is lost",
            "In a list the first entry fills and the rest transform.",
            id="a fill after what is there",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: [ones, 3]}}]",
            (51, 1),
            "'3' gives a new value, so that what stands before it is lost",
            "In a list the first entry fills and the rest transform.",
            id="a number after a fill",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {scale: 2}}}]",
            (45, 5),
            "'scale' changes a value, and there is none yet",
            "Begin with a fill, or with what is there: [keep, {scale: 2}].",
            id="a transform at the beginning",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: [{scale: 2}, {scale: 3}]}}]",
            (46, 5),
            "'scale' changes a value, and there is none yet",
            "Begin with a fill, or with what is there: [keep, {scale: 2}].",
            id="a transform at the beginning of a list",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, optimize: {weight: {lr_scale: -1}}}]",
            (60, 2),
            "'lr_scale' must be at least 0, not -1",
            "lr_scale: multiplies the learning rate.",
            id="a negative learning rate",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, optimize: {weight: {freeze: 3}}}]",
            (58, 1),
            "'freeze' must be true or false, not 3",
            "freeze: leave it out.",
            id="a number to freeze",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, optimize: {weight: {freeze: yes}}}]",
            (58, 3),
            "unknown name 'yes'",
            "Write true or false.",
            id="a word to freeze",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, optimize: {weight: {lr_scale: true}}}]",
            (60, 4),
            "'lr_scale' must be a number, not true",
            "lr_scale: multiplies the learning rate.",
            id="truth as a learning rate",
        ),
    ],
)
def test_what_is_refused(text: str, mark: tuple[int, int], message: str, hint: str) -> None:
    *above, line = text.split("\n")
    assert _refusal(text) == told(line, mark, message, hint, number=2 + len(above))


@pytest.mark.parametrize(
    ("written", "given", "shown"),
    [
        pytest.param("zeros", {}, "zeros", id="a word"),
        pytest.param("glorot_normal", {}, "xavier_normal", id="another spelling"),
        pytest.param("-0.5", {"value": "-0.5"}, "constant", id="a number"),
        pytest.param("-log(99)", {"value": "-log(99)"}, "constant", id="an expression"),
        pytest.param("log_std", {"value": "log_std"}, "constant", id="a variable"),
        pytest.param("'1e-5'", {"value": "1e-5"}, "constant", id="a quoted number"),
        pytest.param("{constant: log_std}", {"value": "log_std"}, "constant", id="a direct argument"),
        pytest.param("{orthogonal: {gain: sqrt(2)}}", {"gain": "sqrt(2)"}, "orthogonal", id="a named argument"),
        pytest.param("{zeros: {}}", {}, "zeros", id="no arguments in braces"),
        pytest.param("{xavier_normal: {parts: whole}}", {"parts": "whole"}, "xavier_normal", id="a choice"),
    ],
)
def test_what_is_read(written: str, given: dict[str, str], shown: str) -> None:
    text = f"initrules: 1\nvars: {{log_std: 0}}\nrules: [{{rule: a, select: x, set: {{weight: {written}}}}}]\n"
    (rule,) = ruleset.from_text(text, "f.yaml").rules
    (call,) = rule.declarations[0].calls
    assert {name: str(value) for name, value in call.given.items()} == given
    assert call.action.name == shown


def test_a_chain_fills_and_transforms() -> None:
    text = "initrules: 1\nrules: [{rule: a, select: x, set: {w: [keep, {scale: 0.5}, {scale: 2}]}}]\n"
    (declaration,) = ruleset.from_text(text, "f.yaml").rules[0].declarations
    assert [call.text for call in declaration.calls] == ["keep", "{scale: 0.5}", "{scale: 2}"]
    assert declaration.text == "[keep, {scale: 0.5}, {scale: 2}]"


@pytest.mark.parametrize("block", ["set: {w: keep}", "parametrize: {w: keep}", "optimize: {w: {lr_scale: keep}}"])
def test_keep_is_a_value_in_all_three_blocks(block: str) -> None:
    rules = ruleset.from_text(f"initrules: 1\nrules: [{{rule: a, select: x, {block}}}]\n", "f.yaml").rules
    assert [call.action.name for call in rules[0].declarations[0].calls] == ["keep"]


def test_nested_calls_are_found_outermost_first() -> None:
    text = "initrules: 1\nrules: [{rule: a, select: x, set: {w: {parts: {q: ones, '*': zeros}}}}]\n"
    (rule,) = ruleset.from_text(text, "f.yaml").rules
    assert [call.action.name for call in calls.nested(rule.declarations[0].calls)] == ["parts", "ones", "zeros"]


def test_several_problems_of_one_call_are_told_at_once() -> None:
    line = "rules: [{rule: a, select: x, set: {w: {trunc_normal: {std: -1, cut: 0, low: 1 +}}}}]"
    messages = [part.partition(": ")[2] for part in _refusal(line).split("\n") if part.startswith("f.yaml")]
    assert messages == [
        "'std' must be greater than 0, not -1",
        "'cut' must be greater than 0, not 0",
        "'1 +' is not an expression",
    ]
