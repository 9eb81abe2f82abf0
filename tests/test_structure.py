"""What the schema finds, in the words of rule files: every kind of mistake, its place and its way out."""

from __future__ import annotations

import pytest

from initrules import rules, structure
from initrules.document import MappingNode, parse
from initrules.errors import RuleError
from told import told


def _refusal(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        rules.read(text, "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "mark", "message", "hint"),
    [
        pytest.param("abuot: x", (1, 5), "unknown key 'abuot'", "Did you mean 'about'?", id="an unknown key"),
        pytest.param(
            "weight: zeros",
            (1, 6),
            "unknown key 'weight'",
            "Choose one of 'about', 'defaults', 'expect', 'extends', 'initrules', "
            "'order', 'remove', 'rules', 'sources', 'stream', 'unlock', 'unmatched', 'vars'.",
            id="a key of another place",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: zeros}, optinal: true}]",
            (52, 7),
            "unknown key of a rule: 'optinal'",
            "Did you mean 'optional'?",
            id="an unknown key of a rule",
        ),
        pytest.param(
            "defaults: [{rule: a, select: x, set: {weight: zeros}, lock: true}]",
            (55, 4),
            "unknown key of a rule: 'lock'",
            "Only an entry of 'rules' can be locked.",
            id="a lock among the defaults",
        ),
        pytest.param(
            "rules: [{rule: a, select: {pth: a}, set: {weight: zeros}}]",
            (28, 3),
            "unknown selector key: 'pth'",
            "Did you mean 'path'?",
            id="an unknown key of a selector",
        ),
        pytest.param(
            "rules: [{rule: a, select: {inside: {path: a, where: true}}, set: {weight: zeros}}]",
            (46, 5),
            "unknown selector key: 'where'",
            "Move it to the rule's own 'select'.",
            id="where in a nested selector",
        ),
        pytest.param(
            "rules: [{rule: a, select: {not: {path: a, frozen: true}}, set: {weight: zeros}}]",
            (43, 6),
            "unknown selector key: 'frozen'",
            "Move it to the rule's own 'select'.",
            id="frozen in a nested selector",
        ),
        pytest.param(
            "sources: {a: {file: b, kye: c}}",
            (24, 3),
            "unknown key of a source: 'kye'",
            "Did you mean 'key'?",
            id="an unknown key of a source",
        ),
        pytest.param(
            "expect: [{output: a, naer: 1}]",
            (22, 4),
            "unknown key of an expectation: 'naer'",
            "Did you mean 'near'?",
            id="an unknown key of an expectation",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, optimize: {weight: {lr: 1}}}]",
            (50, 2),
            "unknown option 'lr'",
            "Choose one of 'freeze', 'lr_scale', 'weight_decay'.",
            id="an unknown option",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {ortogonal: {gain: 1}}}}]",
            (45, 9),
            "unknown action 'ortogonal'",
            "Did you mean 'orthogonal'?",
            id="an unknown action",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: [keep, {scael: 2}]}}]",
            (52, 5),
            "unknown action 'scael'",
            "Did you mean 'scale'?",
            id="an unknown action in a list",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: {gian: 1}}}}]",
            (58, 4),
            "unknown argument of 'orthogonal': 'gian'",
            "Did you mean 'gain'?",
            id="an unknown argument",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {zeros: {gain: 1}}}}]",
            (53, 4),
            "unknown argument of 'zeros': 'gain'",
            "It takes none.",
            id="an argument where there are none",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, parametrize: {weight: {spectralnorm: {}}}}]",
            (53, 12),
            "unknown parametrization 'spectralnorm'",
            "Did you mean 'spectral_norm'?",
            id="an unknown parametrization",
        ),
        pytest.param(
            "rules: [{set: {weight: zeros}}]",
            (9, 22),
            "missing key of a rule: 'rule' and 'select'",
            "Add 'rule: ...' and 'select: ...'.",
            id="a rule without a name and a selector",
        ),
        pytest.param(
            "rules: [{rule: a, slect: x, set: {weight: zeros}}]",
            (19, 5),
            "unknown key of a rule: 'slect'",
            "Did you mean 'select'?",
            id="a misspelt key is not also missing",
        ),
        pytest.param(
            "sources: {a: {key: b}}",
            (11, 1),
            "missing key of a source: 'file'",
            "Add 'file: ...'.",
            id="a source without a file",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {normal: {mean: 1}}}}]",
            (45, 6),
            "'normal' needs 'std'",
            "Write {normal: {std: ...}}.",
            id="an action without its argument",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {repeat: {}}}}]",
            (45, 6),
            "'repeat' needs 'times'",
            "Write {repeat: {times: ...}}.",
            id="an action without its arguments",
        ),
        pytest.param(
            "about: 3",
            (8, 1),
            "the value of 'about' must be text, not '3'",
            "As text it stands in quotes: '3'.",
            id="a number as text",
        ),
        pytest.param(
            "about: null",
            (8, 4),
            "the value of 'about' must be text, not nothing",
            "Leave the key out if there is nothing to say.",
            id="nothing as text",
        ),
        pytest.param(
            "about: [a]",
            (8, 3),
            "the value of 'about' must be text, not a list",
            "Write one value of that kind.",
            id="a list as text",
        ),
        pytest.param(
            "rules: [{rule: 12, select: x, set: {weight: zeros}}]",
            (16, 2),
            "the value of 'rule' must be text, not '12'",
            "As text it stands in quotes: '12'.",
            id="an unquoted number as a name",
        ),
        pytest.param(
            "remove: a",
            (9, 1),
            "the value of 'remove' must be a list, not 'a'",
            "Write a list: [a, b], or a line for each entry that begins with '- '.",
            id="a word as a list",
        ),
        pytest.param(
            "rules: {a: 1}",
            (8, 6),
            "the value of 'rules' must be a list, not a mapping",
            "Write a list: [a, b], or a line for each entry that begins with '- '.",
            id="a mapping as a list",
        ),
        pytest.param(
            "rules: [a]",
            (9, 1),
            "an entry of 'rules' must be a mapping, not 'a'",
            "Write entries of the form 'key: value' under it.",
            id="a word as an entry",
        ),
        pytest.param(
            "sources: {a: b}",
            (14, 1),
            "the value of 'a' must be a mapping, not 'b'",
            "Write entries of the form 'key: value' under it.",
            id="a word as a mapping",
        ),
        pytest.param(
            "vars: [1]",
            (7, 3),
            "the value of 'vars' must be a mapping, not a list",
            "Write entries of the form 'key: value' under it.",
            id="a list as a mapping",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: zeros}, lock: yes}]",
            (58, 3),
            "the value of 'lock' must be true or false, not 'yes'",
            "Write true or false.",
            id="yes is no boolean",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: zeros}, optional: 1}]",
            (62, 1),
            "the value of 'optional' must be true or false, not '1'",
            "Write true or false.",
            id="1 is no boolean",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: zeros}, decides: [1]}]",
            (61, 3),
            "the value of 'decides' must be a number or an expression, not a list",
            "Write one value of that kind.",
            id="a list of counts",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: zeros}, decides: true}]",
            (61, 4),
            "the value of 'decides' must be a number or an expression, not 'true'",
            "Write 1 for true, 0 for false.",
            id="truth as a count",
        ),
        pytest.param(
            "vars: {a: {b: 1}}",
            (11, 6),
            "the value of 'a' must be a number, a list of numbers, true, false or an expression, not a mapping",
            "Write one value of that kind.",
            id="a mapping as a variable",
        ),
        pytest.param(
            "vars: {a: [[1]]}",
            (12, 3),
            "an entry of 'a' must be a number or an expression, not a list",
            "Write one value of that kind.",
            id="a list in a list of numbers",
        ),
        pytest.param(
            "vars: {a: [true]}",
            (12, 4),
            "an entry of 'a' must be a number or an expression, not 'true'",
            "Write 1 for true, 0 for false.",
            id="truth in a list of numbers",
        ),
        pytest.param(
            "rules: [{rule: a, select: 3, set: {weight: zeros}}]",
            (27, 1),
            "the value of 'select' must be text, a mapping or a list, not '3'",
            "As text it stands in quotes: '3'.",
            id="a number as a selector",
        ),
        pytest.param(
            "rules: [{rule: a, select: [a, 3], set: {weight: zeros}}]",
            (31, 1),
            "an entry of 'select' must be text, a mapping or a list, not '3'",
            "As text it stands in quotes: '3'.",
            id="a number in a list of selectors",
        ),
        pytest.param(
            "rules: [{rule: a, select: {type: 3}, set: {weight: zeros}}]",
            (34, 1),
            "the value of 'type' must be text or a list, not '3'",
            "As text it stands in quotes: '3'.",
            id="a number as a class",
        ),
        pytest.param(
            "rules: [{rule: a, select: {path: a, pick: 1.5}, set: {weight: zeros}}]",
            (43, 3),
            "the value of 'pick' must be first, last, all-but-first, all-but-last or a whole number, not '1.5'",
            "Write a whole number.",
            id="a fraction as a pick",
        ),
        pytest.param(
            "rules: [{rule: a, select: {path: a, pick: true}, set: {weight: zeros}}]",
            (43, 4),
            "the value of 'pick' must be first, last, all-but-first, all-but-last or a whole number, not 'true'",
            "Write a whole number.",
            id="truth as a pick",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: true}}]",
            (44, 4),
            "the value of 'weight' must be an action or an expression, not 'true'",
            "Write 1 for true, 0 for false.",
            id="truth as a value",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: null}}]",
            (44, 4),
            "the value of 'weight' must be an action or an expression, not nothing",
            "Leave the key out if there is nothing to say.",
            id="nothing as a value",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: [keep, [zeros]]}}]",
            (51, 7),
            "an entry of 'weight' must be an action or an expression, not a list",
            "Write one value of that kind.",
            id="a chain in a chain",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {zeros: 3}}}]",
            (52, 1),
            "the value of 'zeros' must be a mapping, not '3'",
            "It takes no arguments: write 'zeros' alone.",
            id="a value for an action without arguments",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {zeros: null}}}]",
            (52, 4),
            "the value of 'zeros' must be a mapping, not nothing",
            "It takes no arguments: write 'zeros' alone.",
            id="nothing for an action without arguments",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: 2}}}]",
            (57, 1),
            "the value of 'orthogonal' must be a mapping, not '2'",
            "Name the argument: {orthogonal: {gain: 2}}.",
            id="a value for an action that needs a name for it",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {output: 0.5}}}]",
            (53, 3),
            "the value of 'output' must be a mapping, not '0.5'",
            "Name the argument: {output: {value: 0.5}}.",
            id="a value for an action with a required argument",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: {gain: [1]}}}}]",
            (64, 3),
            "the value of 'gain' must be a number or an expression, not a list",
            "Write one value of that kind.",
            id="a list for an argument",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: {gain: true}}}}]",
            (64, 4),
            "the value of 'gain' must be a number or an expression, not 'true'",
            "Write 1 for true, 0 for false.",
            id="truth for an argument",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {trunc_normal: {std: 1, correct: 1}}}}]",
            (77, 1),
            "the value of 'correct' must be true, false or an expression, not '1'",
            "Write true or false.",
            id="a number for a flag",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, parametrize: {weight: {spectral_norm: {dim: 1.5}}}}]",
            (74, 3),
            "the value of 'dim' must be a whole number or an expression, not '1.5'",
            "Write a whole number.",
            id="a fraction for a whole number",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, optimize: {weight: freeze}}]",
            (49, 6),
            "the value of 'weight' must be a mapping, not 'freeze'",
            "Write entries of the form 'key: value' under it.",
            id="a word for options",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, optimize: {weight: {lr_scale: [1]}}}]",
            (60, 3),
            "the value of 'lr_scale' must be a number, true, false or an expression, not a list",
            "Write one value of that kind.",
            id="a list for an option",
        ),
        pytest.param(
            "unmatched: eror",
            (12, 4),
            "unknown value of 'unmatched': 'eror'",
            "Did you mean 'error'?",
            id="an unknown choice",
        ),
        pytest.param(
            "unmatched: [keep]",
            (12, 6),
            "unknown value of 'unmatched': a list",
            "Choose one of 'error', 'keep'.",
            id="a choice that is no word",
        ),
        pytest.param(
            "stream: true",
            (9, 4),
            "unknown value of 'stream': 'true'",
            "Choose one of 'global', 'keyed'.",
            id="a choice far off",
        ),
        pytest.param(
            "expect: [{output: a, modes: [trian]}]",
            (30, 5),
            "unknown value of 'modes': 'trian'",
            "Did you mean 'train'?",
            id="an unknown choice in a list",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {orthogonal: {parts: al}}}}]",
            (65, 2),
            "unknown value of 'parts': 'al'",
            "Choose one of 'each', 'whole'.",
            id="an unknown choice of an argument",
        ),
        pytest.param(
            "rules: [{rule: Head, select: x, set: {weight: zeros}}]",
            (16, 4),
            "'Head' is no valid name",
            "A name has small letters, digits and '-': 'policy-head'.",
            id="a name with a capital",
        ),
        pytest.param(
            'rules: [{rule: "a\\n", select: x, set: {weight: zeros}}]',
            (16, 5),
            r"'a\n' is no valid name",
            "A name has small letters, digits and '-': 'policy-head'.",
            id="a name with a line break",
        ),
        pytest.param(
            "vars: {a: 1, b-c: 2}",
            (14, 3),
            "'b-c' is no valid name",
            "A variable has letters, digits and '_', and does not begin with a digit: 'hidden_gain'.",
            id="a variable with a hyphen",
        ),
        pytest.param(
            "vars: {größe: 2}",
            (8, 5),
            "'größe' is no valid name",
            "A variable has letters, digits and '_', and does not begin with a digit: 'hidden_gain'.",
            id="a variable with an accent",
        ),
        pytest.param(
            "vars: {1a: 2}",
            (8, 2),
            "'1a' is no valid name",
            "A variable has letters, digits and '_', and does not begin with a digit: 'hidden_gain'.",
            id="a variable that begins with a digit",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {zeros: {}, ones: {}}}}]",
            (44, 21),
            "2 actions in one mapping",
            "Chain them in a list, or indent an argument below its action.",
            id="two actions in one mapping",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, parametrize: {weight: {weight_norm: {}, keep: {}}}}]",
            (52, 27),
            "2 parametrizations in one mapping",
            "Choose one.",
            id="two parametrizations in one mapping",
        ),
        pytest.param(
            "expect: [{output: a, within: [1]}]",
            (30, 3),
            "the value of 'within' must be a list of two numbers",
            "Write [low, high].",
            id="one limit of two",
        ),
        pytest.param(
            "expect: [{output: a, within: [1, 2, 3]}]",
            (30, 9),
            "the value of 'within' must be a list of two numbers",
            "Write [low, high].",
            id="three limits",
        ),
        pytest.param(
            "expect: [{output: a, within: 1}]",
            (30, 1),
            "the value of 'within' must be a list, not '1'",
            "Write a list: [a, b], or a line for each entry that begins with '- '.",
            id="a limit that is no list",
        ),
        pytest.param(
            "rules: [{rule: a, select: {}, set: {weight: zeros}}]",
            (27, 2),
            "the value of 'select' is empty",
            'To select every module write "**".',
            id="an empty selector",
        ),
        pytest.param(
            "rules: [{rule: a, select: [], set: {weight: zeros}}]",
            (27, 2),
            "the value of 'select' is empty",
            'To select every module write "**".',
            id="an empty list of selectors",
        ),
        pytest.param(
            "rules: [{rule: a, select: {type: []}, set: {weight: zeros}}]",
            (34, 2),
            "the value of 'type' is empty",
            "Leave the key out, or say something under it.",
            id="an empty list of classes",
        ),
        pytest.param(
            "rules: [{rule: a, select: {path: a, pick: []}, set: {weight: zeros}}]",
            (43, 2),
            "the value of 'pick' is empty",
            "Leave the key out, or say something under it.",
            id="an empty list of picks",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {}}]",
            (35, 2),
            "the value of 'set' is empty",
            "Leave the key out, or say something under it.",
            id="an empty block",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: {}}}]",
            (44, 2),
            "the value of 'weight' is empty",
            "Leave the key out, or say something under it.",
            id="an empty value",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, set: {weight: []}}]",
            (44, 2),
            "the value of 'weight' is empty",
            "Leave the key out, or say something under it.",
            id="an empty chain",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, optimize: {weight: {}}}]",
            (49, 2),
            "the value of 'weight' is empty",
            "Leave the key out, or say something under it.",
            id="no options",
        ),
        pytest.param(
            "extends: []",
            (10, 2),
            "the value of 'extends' is empty",
            "Leave the key out, or say something under it.",
            id="an empty extends",
        ),
        pytest.param(
            "expect: [{output: a, modes: []}]",
            (29, 2),
            "the value of 'modes' is empty",
            "Leave the key out, or say something under it.",
            id="no modes",
        ),
        pytest.param(
            "rules: [{rule: a, select: x, parametrize: {weight: 3}}]",
            (52, 1),
            "the value of 'weight' must be text or a mapping, not '3'",
            "Choose one of 'keep', 'orthogonal', 'spectral_norm', 'weight_norm'.",
            id="a parametrization that is a number",
        ),
    ],
)
def test_what_is_refused(line: str, mark: tuple[int, int], message: str, hint: str) -> None:
    assert _refusal(f"initrules: 1\n{line}\n") == told(line, mark, message, hint, number=2)


_VERSION = "This program reads version 1: write 'initrules: 1'."


@pytest.mark.parametrize(
    ("line", "mark", "message", "hint"),
    [
        pytest.param("initrules: 2", (12, 1), "the format version must be the number 1, not '2'", _VERSION, id="two"),
        pytest.param(
            "initrules: '1'", (12, 3), "the format version must be the number 1, not the text '1'", _VERSION, id="text"
        ),
        pytest.param(
            "initrules: true", (12, 4), "the format version must be the number 1, not 'true'", _VERSION, id="truth"
        ),
        pytest.param(
            "initrules: [1]", (12, 3), "the format version must be the number 1, not a list", _VERSION, id="a list"
        ),
        pytest.param(
            "initrules: ~", (12, 1), "the format version must be the number 1, not nothing", _VERSION, id="nothing"
        ),
        pytest.param(
            "about: x", (1, 8), "missing key: 'initrules'", "Begin the file with 'initrules: 1'.", id="no version"
        ),
        pytest.param("initrule: 1", (1, 8), "unknown key 'initrule'", "Did you mean 'initrules'?", id="misspelt"),
    ],
)
def test_the_format_version(line: str, mark: tuple[int, int], message: str, hint: str) -> None:
    assert _refusal(line) == told(line, mark, message, hint)


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    text = "initrules: 1\nabuot: x\nrules:\n  - rule: A\n    set: {weight: {normal: {sdt: 1}}}\nunmatched: no\n"
    assert _refusal(text) == (
        "f.yaml:2:1: unknown key 'abuot'\n    abuot: x\n    ^^^^^\n  Did you mean 'about'?\n"
        "f.yaml:4:5: missing key of a rule: 'select'\n    - rule: A\n      ^^^^^^^\n  Add 'select: ...'.\n"
        "f.yaml:4:11: 'A' is no valid name\n    - rule: A\n            ^\n"
        "  A name has small letters, digits and '-': 'policy-head'.\n"
        "f.yaml:5:29: unknown argument of 'normal': 'sdt'\n    set: {weight: {normal: {sdt: 1}}}\n"
        "                            ^^^\n  Did you mean 'std'?\n"
        "f.yaml:6:12: unknown value of 'unmatched': 'no'\n    unmatched: no\n               ^^\n"
        "  Choose one of 'error', 'keep'."
    )


def test_many_problems_do_not_hang() -> None:
    lines = "".join(f"  v{n}: {{}}\n" for n in range(10_000))  # a search through all keys for each would not end
    found = structure.problems(parse(f"initrules: 1\nvars:\n{lines}", "f.yaml"))
    assert len(found) == 10_000


def test_an_unknown_key_spoils_nothing_beside_it() -> None:
    root = parse("initrules: 1\nabuot: x\nabout: 3\n", "f.yaml")
    assert {error.message: spoiled for error, spoiled in structure.problems(root)} == {
        "unknown key 'abuot'": None,
        "the value of 'about' must be text, not '3'": root.get("about"),
    }


def test_a_node_is_sound_when_nothing_below_it_is_broken() -> None:
    root = parse("initrules: 1\nvars: {good: [1, 2], bad: [1, {}]}\n", "f.yaml")
    broken = frozenset(id(node) for _, node in structure.problems(root) if node is not None)
    variables = root.get("vars")
    assert isinstance(variables, MappingNode)
    assert not structure.is_sound(root, broken)
    found = {key.text: structure.is_sound(node, broken) for key, node in variables.entries}
    assert found == {"good": True, "bad": False}
