"""Text to nodes: what is refused and how it is said, what is read, and where everything stands."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from initrules import document
from initrules.document import MappingNode, Plain, ScalarNode, SequenceNode
from initrules.errors import RuleError

_REFUSED = [
    pytest.param("", ("f.yaml:1:1: the file is empty\n  Begin with the line 'initrules: 1'."), id="an empty file"),
    pytest.param(
        "# nothing\n", ("f.yaml:1:1: the file is empty\n  Begin with the line 'initrules: 1'."), id="only a comment"
    ),
    pytest.param(
        ("- a\n- b\n"),
        (
            "f.yaml:1:1: the file does not begin with a mapping of keys to values\n"
            "    - a\n"
            "    ^^^\n"
            "  Begin with the line 'initrules: 1'."
        ),
        id="a list at the top",
    ),
    pytest.param(
        "hello\n",
        (
            "f.yaml:1:1: the file does not begin with a mapping of keys to values\n"
            "    hello\n"
            "    ^^^^^\n"
            "  Begin with the line 'initrules: 1'."
        ),
        id="a lone word at the top",
    ),
    pytest.param(
        ("a: 1\n---\nb: 2\n"),
        ("f.yaml:2:1: a second document begins here\n    ---\n    ^^^\n  Use one file for each."),
        id="two documents",
    ),
    pytest.param(
        "a: *b\n",
        (
            "f.yaml:1:4: an unquoted '*' begins a YAML alias, and '*b' is one\n"
            "    a: *b\n"
            "       ^^\n"
            '  Quote the pattern: "*b".'
        ),
        id="an alias",
    ),
    pytest.param(
        "a: [{b: 1/(c[0]*d.e[1])}]\n",
        (
            "f.yaml:1:16: '*d.e[1' is cut off from what stands before it\n"
            "    a: [{b: 1/(c[0]*d.e[1])}]\n"
            "                   ^^^^^^\n"
            "  Inside {} and [] a text ends at '[' and ']': put the whole expression in quotes."
        ),
        id="the rest of an expression behind a bracket",
    ),
    pytest.param(
        "a: &b 3\n",
        (
            "f.yaml:1:4: '&b' is a YAML anchor, which rule files do not have\n"
            "    a: &b 3\n"
            "       ^^^^\n"
            "  Put a shared value under 'vars' and use its name, or quote the text."
        ),
        id="an anchor",
    ),
    pytest.param(
        ("a: &b\n  c: 1\n"),
        (
            "f.yaml:1:4: '&b' is a YAML anchor, which rule files do not have\n"
            "    a: &b\n"
            "       ^^\n"
            "  Put a shared value under 'vars' and use its name, or quote the text."
        ),
        id="an anchor on a mapping",
    ),
    pytest.param(
        "a: !!python/object:os.system x\n",
        (
            "f.yaml:1:4: '!!python/object:os.system' is a YAML tag, which rule files do not have\n"
            "    a: !!python/object:os.system x\n"
            "       ^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
            "  Leave the tag out; quote the text if it begins with '!'."
        ),
        id="a tag that would make an object",
    ),
    pytest.param(
        "a: [!mine 3]\n",
        (
            "f.yaml:1:5: '!mine' is a YAML tag, which rule files do not have\n"
            "    a: [!mine 3]\n"
            "        ^^^^^^^\n"
            "  Leave the tag out; quote the text if it begins with '!'."
        ),
        id="a tag of one's own",
    ),
    pytest.param(
        ("a:\n  <<: {b: 1}\n"),
        (
            "f.yaml:2:3: '<<' is a YAML merge key, which rule files do not have\n"
            "    <<: {b: 1}\n"
            "    ^^\n"
            "  Write the entries out, or use 'extends'."
        ),
        id="a merge key",
    ),
    pytest.param(
        ("a: 1\nb: 2\na: 3\n"),
        ("f.yaml:3:1: the key 'a' stands twice\n    a: 3\n    ^\n  The first one is at f.yaml:1:1."),
        id="a key twice",
    ),
    pytest.param(
        "x: {a: 1, a: 2}\n",
        (
            "f.yaml:1:11: the key 'a' stands twice\n"
            "    x: {a: 1, a: 2}\n"
            "              ^\n"
            "  The first one is at f.yaml:1:5."
        ),
        id="a key twice in braces",
    ),
    pytest.param(
        ("a: 1\na: 2\na: 3\n"),
        (
            "f.yaml:2:1: the key 'a' stands twice\n"
            "    a: 2\n"
            "    ^\n"
            "  The first one is at f.yaml:1:1.\n"
            "f.yaml:3:1: the key 'a' stands twice\n"
            "    a: 3\n"
            "    ^\n"
            "  The first one is at f.yaml:1:1."
        ),
        id="three times is two problems",
    ),
    pytest.param(
        "{[a]: 1}\n",
        (
            "f.yaml:1:2: a key must be a plain word, not a list or a mapping\n"
            "    {[a]: 1}\n"
            "     ^^^\n"
            "  Quote the key if it is a pattern."
        ),
        id="a list as a key",
    ),
    pytest.param(
        ("? {a: 1}\n: 2\n"),
        (
            "f.yaml:1:3: a key must be a plain word, not a list or a mapping\n"
            "    ? {a: 1}\n"
            "      ^^^^^^\n"
            "  Quote the key if it is a pattern."
        ),
        id="a mapping as an explicit key",
    ),
    pytest.param(
        "gain: {gain: max(1, 2)}\n",
        (
            "f.yaml:1:14: 'max(1' is cut off\n"
            "    gain: {gain: max(1, 2)}\n"
            "                 ^^^^^\n"
            "  Inside {} and [] a text ends at ',', '[', ']', '{', '}' and ': ': put the whole expression in quotes."
        ),
        id="an expression cut at a comma",
    ),
    pytest.param(
        "x: [min(a, b), 2]\n",
        (
            "f.yaml:1:5: 'min(a' is cut off\n"
            "    x: [min(a, b), 2]\n"
            "        ^^^^^\n"
            "  Inside {} and [] a text ends at ',', '[', ']', '{', '}' and ': ': put the whole expression in quotes."
        ),
        id="an expression cut at a bracket in a list",
    ),
    pytest.param(
        "x: {a: size(h[0])}\n",
        (
            "f.yaml:1:8: 'size(h' is cut off\n"
            "    x: {a: size(h[0])}\n"
            "           ^^^^^^\n"
            "  Inside {} and [] a text ends at ',', '[', ']', '{', '}' and ': ': put the whole expression in quotes."
        ),
        id="an expression cut at a bracket",
    ),
    pytest.param(
        "x: {a, b: 1}\n",
        (
            "f.yaml:1:5: 'a' has no value\n"
            "    x: {a, b: 1}\n"
            "        ^\n"
            "  Inside {} a comma separates entries: quote an expression or pattern that holds one."
        ),
        id="a key without a value in braces",
    ),
    pytest.param(
        "x: {a: , b: 1}\n",
        ("f.yaml:1:5: 'a' has no value\n    x: {a: , b: 1}\n        ^\n  Write one after the colon."),
        id="a key and a colon without a value in braces",
    ),
    pytest.param(
        ("\ufeffa: 1\na: 2\n"),
        ("f.yaml:2:1: the key 'a' stands twice\n    a: 2\n    ^\n  The first one is at f.yaml:1:1."),
        id="a byte order mark keeps columns",
    ),
    pytest.param(
        ("a: 1\ra: 2\r"),
        ("f.yaml:2:1: the key 'a' stands twice\n    a: 2\n    ^\n  The first one is at f.yaml:1:1."),
        id="an old Mac file",
    ),
    pytest.param(
        "größe: {é: 1, é: 2}\n",
        (
            "f.yaml:1:15: the key 'é' stands twice\n"
            "    größe: {é: 1, é: 2}\n"
            "                  ^\n"
            "  The first one is at f.yaml:1:9."
        ),
        id="columns count characters",
    ),
    pytest.param(
        "x: {漢字: 1, a: 1, a: 2}\n",
        (
            "f.yaml:1:18: the key 'a' stands twice\n"
            "    x: {漢字: 1, a: 1, a: 2}\n"
            "                       ^\n"
            "  The first one is at f.yaml:1:12."
        ),
        id="marks count columns of the terminal",
    ),
    pytest.param(
        "x: {" + ", ".join(f"k{i}: {i}" for i in range(60)) + ", k1: 1}\n",
        (
            "f.yaml:1:525: the key 'k1' stands twice\n"
            "    , k58: 58, k59: 59, k1: 1}\n"
            "                        ^^\n"
            "  The first one is at f.yaml:1:12."
        ),
        id="the excerpt of a long line shows the place",
    ),
    pytest.param(
        "a: " + "[" * 100_000,
        (
            "f.yaml:1:43: nested more than 40 levels deep\n"
            "    a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n"
            "                                              ^\n"
            "  Flatten the structure."
        ),
        id="deep flow sequences",
    ),
    pytest.param(
        "a:\n " + "- " * 100_000 + "\n",
        (
            "f.yaml:2:80: nested more than 40 levels deep\n"
            "    - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - -\n"
            "                                                                                  ^\n"
            "  Flatten the structure."
        ),
        id="deep block sequences",
    ),
    pytest.param(
        "a: " + "{b: " * 50_000,
        (
            "f.yaml:1:160: nested more than 40 levels deep\n"
            "    {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b: {b:\n"
            "                        ^\n"
            "  Flatten the structure."
        ),
        id="deep flow mappings",
    ),
    pytest.param(
        "a: " + "x" * 10_000_000,
        (
            "f.yaml:1:1: the file has more than 262,144 characters\n"
            "  Split it and join the parts with 'extends', or load values from a checkpoint."
        ),
        id="too many characters",
    ),
    pytest.param(
        ("a: &b 1\nc: !d 2\nc: 3\ne: {f}\n"),
        (
            "f.yaml:1:4: '&b' is a YAML anchor, which rule files do not have\n"
            "    a: &b 1\n"
            "       ^^^^\n"
            "  Put a shared value under 'vars' and use its name, or quote the text.\n"
            "f.yaml:2:4: '!d' is a YAML tag, which rule files do not have\n"
            "    c: !d 2\n"
            "       ^^^^\n"
            "  Leave the tag out; quote the text if it begins with '!'.\n"
            "f.yaml:3:1: the key 'c' stands twice\n"
            "    c: 3\n"
            "    ^\n"
            "  The first one is at f.yaml:2:1.\n"
            "f.yaml:4:5: 'f' has no value\n"
            "    e: {f}\n"
            "        ^\n"
            "  Inside {} a comma separates entries: quote an expression or pattern that holds one."
        ),
        id="all problems of a file",
    ),
    pytest.param(
        "x: {a: count('h.[0]')}\n",
        (
            "f.yaml:1:8: 'count('h.' is cut off\n"
            "    x: {a: count('h.[0]')}\n"
            "           ^^^^^^^^^\n"
            "  Inside {} and [] a text ends at ',', '[', ']', '{', '}' and ': ': put the whole expression in quotes."
        ),
        id="a cut expression spares the error that it causes",
    ),
]


@pytest.mark.parametrize(("text", "message"), _REFUSED)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        document.parse(text, "f.yaml")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("1e-5", 1e-5, id="an exponent needs no dot"),
        pytest.param("1E5", 1e5, id="a capital exponent"),
        pytest.param(".5", 0.5, id="no digit before the dot"),
        pytest.param("1.", 1.0, id="no digit after the dot"),
        pytest.param("-.5", -0.5, id="a sign before the dot"),
        pytest.param("+3", 3, id="a plus"),
        pytest.param("010", 10, id="no octal by a leading zero"),
        pytest.param("0o17", 15, id="octal"),
        pytest.param("0xfF", 255, id="hexadecimal"),
        pytest.param("0b1", "0b1", id="no binary"),
        pytest.param("1_000", "1_000", id="no underscores"),
        pytest.param("1:30", "1:30", id="no base sixty"),
        pytest.param("2001-01-01", "2001-01-01", id="no dates"),
        pytest.param("on", "on", id="on is text"),
        pytest.param("no", "no", id="no is text"),
        pytest.param("y", "y", id="y is text"),
        pytest.param("true", True, id="true"),
        pytest.param("FALSE", False, id="false in capitals"),
        pytest.param("tRue", "tRue", id="no mixed case"),
        pytest.param("~", None, id="tilde"),
        pytest.param("NULL", None, id="null in capitals"),
        pytest.param("", None, id="nothing"),
        pytest.param(".inf", math.inf, id="infinity"),
        pytest.param("-.Inf", -math.inf, id="minus infinity"),
        pytest.param("inf", "inf", id="inf without a dot is text"),
        pytest.param("e5", "e5", id="an exponent alone is text"),
        pytest.param(".", ".", id="a dot alone is text"),
        pytest.param("1" + "0" * 399, 10**399, id="400 digits are an integer"),
        pytest.param("9" * 5000, math.inf, id="more digits are infinity, not an error of the interpreter"),
    ],
)
def test_plain_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    found = document.resolve(text)
    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number() -> None:
    found = document.resolve(".NaN")
    assert isinstance(found, float)
    assert math.isnan(found)


@pytest.mark.parametrize("text", ["'1e-5'", '"1e-5"', "'true'", '"~"'], ids=["single", "double", "boolean", "null"])
def test_quoted_scalars_are_text(text: str) -> None:
    assert document.plain(document.parse(f"a: {text}\n", "f.yaml")) == {"a": text[1:-1]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: 1\r\nb: [2,\r\n 3]\r\n", {"a": 1, "b": [2, 3]}, id="CRLF"),
        pytest.param("\ufeffa: 1\n", {"a": 1}, id="byte order mark"),
        pytest.param("? a\n: 1\n", {"a": 1}, id="explicit key"),
        pytest.param("a: [b: 1]\n", {"a": [{"b": 1}]}, id="a pair in a list"),
        pytest.param("a: 1\n...\n", {"a": 1}, id="a document end"),
        pytest.param("--- \na: 1\n", {"a": 1}, id="a document start"),
        pytest.param("%YAML 1.2\n---\na: 1\n", {"a": 1}, id="a version directive"),
        pytest.param("a: >-\n  b\n  c\nd: |\n  e\n", {"a": "b c", "d": "e\n"}, id="block scalars"),
        pytest.param("a: b\n  c\n", {"a": "b c"}, id="a plain scalar over two lines"),
        pytest.param("a:\n- 1\n-\n", {"a": [1, None]}, id="an empty entry"),
        pytest.param("a:\nb: {}\nc: []\n", {"a": None, "b": {}, "c": []}, id="empty values"),
        pytest.param("1: x\ntrue: y\n", {"1": "x", "true": "y"}, id="keys are text"),
        pytest.param('a: "\\u00fc\\x41\\n"\n', {"a": "üA\n"}, id="escapes"),
        pytest.param("a: f(1, 2)\n", {"a": "f(1, 2)"}, id="outside of braces a comma is no end"),
        pytest.param("a: {b: (1), c: '(1'}\n", {"a": {"b": "(1)", "c": "(1"}}, id="closed or quoted is not cut off"),
    ],
)
def test_what_is_read(text: str, value: object) -> None:
    assert document.plain(document.parse(text, "f.yaml")) == value


# PyYAML writes by YAML 1.1, where 0E0 is text that needs no quotes.
_TEXT = st.text().filter(lambda text: isinstance(document.resolve(text), str))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_TEXT, _JSON, max_size=4), st.booleans())
def test_what_yaml_writes_is_read_back(value: dict[str, Plain], flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=False, width=10_000)
    assert document.plain(document.parse(text, "f.yaml")) == value


@given(st.text(alphabet=st.sampled_from("ab1:-,[]{}*&!|>'\"%@`#?~ \n\t\\\r\x00\x1b\x85\u2028\ufeff(")))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    try:
        document.parse(text, "f.yaml")
    except RuleError as error:
        lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for problem in error.problems:
            assert problem.span is not None
            assert problem.hint
            assert 1 <= problem.span.line <= len(lines)
            assert 1 <= problem.span.column <= len(lines[problem.span.line - 1]) + 1


def test_places_of_keys_values_and_collections() -> None:
    root = document.parse("a:\n  - 'b'\n  - {c: 1, d: [2]} # why\n", "f.yaml")
    items = root.get("a")
    assert isinstance(items, SequenceNode)
    text, mapping = items.items
    assert isinstance(text, ScalarNode)
    assert isinstance(mapping, MappingNode)
    assert (text.span.place, text.span.width) == ("f.yaml:2:5", 3)
    assert (mapping.span.place, mapping.span.width) == ("f.yaml:3:5", 14)
    assert mapping.key_span("d").place == "f.yaml:3:12"
    assert mapping.key_span("e") == mapping.span
    assert mapping.get("e") is None
    assert root.span.line_text == "a:"
