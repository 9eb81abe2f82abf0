"""What PyYAML's errors become: the likely mistake, its place, the way out."""

from __future__ import annotations

import pytest
import yaml

from initrules import document, syntax
from initrules.errors import DocumentSyntaxError, RuleError

_REFUSED = [
    pytest.param(
        "select: {path: **.x, type: Linear}\n",
        (
            "f.yaml:1:16: an unquoted '*' begins a YAML alias\n"
            "    select: {path: **.x, type: Linear}\n"
            "                   ^^^^\n"
            '  Quote the pattern: "**.x".'
        ),
        id="an unquoted pattern in braces",
    ),
    pytest.param(
        "path: **.x\n",
        (
            "f.yaml:1:7: an unquoted '*' begins a YAML alias\n"
            "    path: **.x\n"
            "          ^^^^\n"
            '  Quote the pattern: "**.x".'
        ),
        id="an unquoted pattern as a value",
    ),
    pytest.param(
        "{type: *Norm*}\n",
        (
            "f.yaml:1:8: an unquoted '*' begins a YAML alias\n"
            "    {type: *Norm*}\n"
            "           ^^^^^^\n"
            '  Quote the pattern: "*Norm*".'
        ),
        id="an unquoted pattern of a class",
    ),
    pytest.param(
        "set: {*: zeros}\n",
        (
            "f.yaml:1:7: an unquoted '*' begins a YAML alias\n"
            "    set: {*: zeros}\n"
            "          ^\n"
            '  Quote the pattern: "*".'
        ),
        id="a lone star as a key in braces",
    ),
    pytest.param(
        ("set:\n  *: zeros\n"),
        ("f.yaml:2:3: an unquoted '*' begins a YAML alias\n    *: zeros\n    ^\n  Quote the pattern: \"*\"."),
        id="a lone star as a key",
    ),
    pytest.param(
        "set: {*.bias: zeros}\n",
        (
            "f.yaml:1:7: an unquoted '*' begins a YAML alias\n"
            "    set: {*.bias: zeros}\n"
            "          ^^^^^^\n"
            '  Quote the pattern: "*.bias".'
        ),
        id="a star and a name as a key",
    ),
    pytest.param(
        "a: & b\n",
        ("f.yaml:1:4: an unquoted '&' begins a YAML anchor\n    a: & b\n       ^\n  Quote the text: \"&\"."),
        id="a lone ampersand",
    ),
    pytest.param(
        "a: {b: !}\n",
        ("f.yaml:1:8: an unquoted '!' begins a YAML tag\n    a: {b: !}\n           ^\n  Quote the text: \"!\"."),
        id="a lone exclamation mark",
    ),
    pytest.param(
        "x: {a: 1\n",
        (
            "f.yaml:1:4: the '{' is never closed\n"
            "    x: {a: 1\n"
            "       ^^^^^\n"
            "  Add the missing '}', or a ',' between two entries."
        ),
        id="a brace that stays open",
    ),
    pytest.param(
        ("x: {a: 1\ny: 2\n"),
        (
            "f.yaml:1:4: the '{' is never closed\n"
            "    x: {a: 1\n"
            "       ^^^^^\n"
            "  Add the missing '}', or a ',' between two entries."
        ),
        id="a brace that stays open above another key",
    ),
    pytest.param(
        "x: {a:",
        (
            "f.yaml:1:7: the file ends where a value is wanted\n"
            "    x: {a:\n"
            "          ^\n"
            "  Write the value, and close every '{' and '['."
        ),
        id="a brace that stays open before a value",
    ),
    pytest.param(
        "x: [a, b\n",
        (
            "f.yaml:1:4: the '[' is never closed\n"
            "    x: [a, b\n"
            "       ^^^^^\n"
            "  Add the missing ']', or a ',' between two entries."
        ),
        id="a bracket that stays open",
    ),
    pytest.param(
        "x: {a: 'b' c: 1}\n",
        (
            "f.yaml:1:12: unexpected text inside '{'\n"
            "    x: {a: 'b' c: 1}\n"
            "               ^^^^^\n"
            "  Quote a pattern or an expression that holds ',', '[', '{' or ': '."
        ),
        id="a missing comma",
    ),
    pytest.param(
        "x: {a: stride[0]}\n",
        (
            "f.yaml:1:14: unexpected text inside '{'\n"
            "    x: {a: stride[0]}\n"
            "                 ^^^^\n"
            "  Quote a pattern or an expression that holds ',', '[', '{' or ': '."
        ),
        id="an index without quotes",
    ),
    pytest.param(
        ("x: 'abc\ny: 1\n"),
        ("f.yaml:1:4: a quote that is never closed\n    x: 'abc\n       ^^^^\n  Add the missing quote."),
        id="a single quote that stays open",
    ),
    pytest.param(
        ('x: "abc\ny: 1\n'),
        ('f.yaml:1:4: a quote that is never closed\n    x: "abc\n       ^^^^\n  Add the missing quote.'),
        id="a double quote that stays open",
    ),
    pytest.param(
        ("x: 'abc\n---\n"),
        ("f.yaml:1:4: a quote that is never closed\n    x: 'abc\n       ^^^^\n  Add the missing quote."),
        id="a quote that stays open above a new document",
    ),
    pytest.param(
        'x: "re:\\d+"\n',
        (
            "f.yaml:1:9: an unknown escape after a backslash\n"
            '    x: "re:\\d+"\n'
            "            ^^^\n"
            "  Use single quotes, in which a backslash stands for itself, or write '\\\\'."
        ),
        id="an unknown escape",
    ),
    pytest.param(
        'x: "\\xzz"\n',
        (
            "f.yaml:1:7: an unknown escape after a backslash\n"
            '    x: "\\xzz"\n'
            "          ^^^\n"
            "  Use single quotes, in which a backslash stands for itself, or write '\\\\'."
        ),
        id="an escape without its digits",
    ),
    pytest.param(
        ('y: 1\nx: "\\U00110000"\n'),
        (
            "f.yaml:2:5: '\\U00110000' is no character\n"
            '    x: "\\U00110000"\n'
            "        ^^^^^^^^^^\n"
            "  The last one is '\\U0010FFFF'."
        ),
        id="an escape beyond Unicode",
    ),
    pytest.param(
        ("a:\n\tb: 1\n"),
        ("f.yaml:2:1: a tab character stands where YAML wants spaces\n    b: 1\n    ^^^^\n  Use spaces."),
        id="a tab as indentation",
    ),
    pytest.param(
        "a:\tb\n",
        ("f.yaml:1:3: a tab character stands where YAML wants spaces\n    a:\\tb\n      ^^^\n  Use spaces."),
        id="a tab after the colon",
    ),
    pytest.param(
        "a: b: c\n",
        (
            "f.yaml:1:5: a second ': ' stands in one line\n"
            "    a: b: c\n"
            "        ^^^\n"
            "  Quote the value, or put the inner key on a line of its own."
        ),
        id="a second colon",
    ),
    pytest.param(
        ("a:\n  b 3\n  c: 4\n"),
        (
            "f.yaml:3:4: a key does not fit here\n"
            "    c: 4\n"
            "     ^^^\n"
            "  Align it with the keys it belongs to; check that the line above is 'key: value' too."
        ),
        id="a line without a colon",
    ),
    pytest.param(
        ("a: 1\nword\n"),
        ("f.yaml:2:1: a key without ': ' after it\n    word\n    ^^^^\n  Write 'key: value'."),
        id="a lone word below a key",
    ),
    pytest.param(
        ("a:\n    b: 1\n  c: 2\n"),
        (
            "f.yaml:3:3: this line does not fit the indentation above\n"
            "    c: 2\n"
            "    ^^^^\n"
            "  Align it with the keys it belongs to."
        ),
        id="indented too little",
    ),
    pytest.param(
        ("a:\n  b: 1\n    c: 2\n"),
        (
            "f.yaml:3:6: a key does not fit here\n"
            "    c: 2\n"
            "     ^^^\n"
            "  Align it with the keys it belongs to; check that the line above is 'key: value' too."
        ),
        id="indented too far",
    ),
    pytest.param(
        "a: 'b' c\n",
        (
            "f.yaml:1:8: text after the end of a value\n"
            "    a: 'b' c\n"
            "           ^\n"
            "  Quote the whole value, or remove the rest."
        ),
        id="text after a quote",
    ),
    pytest.param(
        "a: {b: 1} c\n",
        (
            "f.yaml:1:11: text after the end of a value\n"
            "    a: {b: 1} c\n"
            "              ^\n"
            "  Quote the whole value, or remove the rest."
        ),
        id="text after a brace",
    ),
    pytest.param(
        "a: }\n",
        ("f.yaml:1:4: a value cannot begin like this\n    a: }\n       ^\n  Write the value, or quote it."),
        id="a brace alone",
    ),
    pytest.param(
        "a: , b\n",
        ("f.yaml:1:4: a value cannot begin like this\n    a: , b\n       ^^^\n  Write the value, or quote it."),
        id="a comma alone",
    ),
    pytest.param(
        "a: {: 1}\n",
        ("f.yaml:1:5: a value cannot begin like this\n    a: {: 1}\n        ^^^^\n  Write the value, or quote it."),
        id="a key in braces without a name",
    ),
    pytest.param(
        ": 1\n",
        (
            "f.yaml:1:1: this line does not fit the indentation above\n"
            "    : 1\n"
            "    ^^^\n"
            "  Align it with the keys it belongs to."
        ),
        id="a key without a name",
    ),
    pytest.param(
        "a: @b\n",
        ("f.yaml:1:4: an unquoted text cannot begin with '@'\n    a: @b\n       ^^\n  Quote the text."),
        id="an at sign",
    ),
    pytest.param(
        "a: `b`\n",
        ("f.yaml:1:4: an unquoted text cannot begin with '`'\n    a: `b`\n       ^^^\n  Quote the text."),
        id="a backtick",
    ),
    pytest.param(
        "a: %b\n",
        ("f.yaml:1:4: an unquoted text cannot begin with '%'\n    a: %b\n       ^^\n  Quote the text."),
        id="a per cent sign",
    ),
    pytest.param(
        ("a: |b\n  c\n"),
        ("f.yaml:1:5: text after '|' or '>'\n    a: |b\n        ^\n  Begin the text on the next line, or quote it."),
        id="text beside a block scalar's mark",
    ),
    pytest.param(
        ("%FOO\na: 1\n"),
        (
            "f.yaml:2:1: a YAML directive, which rule files do not have\n"
            "    a: 1\n"
            "    ^^^^\n"
            "  Leave out the line that begins with '%'."
        ),
        id="a directive",
    ),
    pytest.param(
        ("%YAML 2.0\n---\na: 1\n"),
        (
            "f.yaml:1:1: a YAML directive, which rule files do not have\n"
            "    %YAML 2.0\n"
            "    ^^^^^^^^^\n"
            "  Leave out the line that begins with '%'."
        ),
        id="another version of YAML",
    ),
    pytest.param(
        "a: b\x00c\n",
        (
            "f.yaml:1:5: U+0000 is not allowed in YAML\n"
            "    a: b\\x00c\n"
            "        ^^^^\n"
            "  Save the file as UTF-8 text without control characters."
        ),
        id="a NUL byte",
    ),
    pytest.param(
        ("a: 1\r\nb: c\x07d\r\n"),
        (
            "f.yaml:2:5: U+0007 is not allowed in YAML\n"
            "    b: c\\x07d\n"
            "        ^^^^\n"
            "  Save the file as UTF-8 text without control characters."
        ),
        id="a bell after a CRLF line",
    ),
    pytest.param(
        "a: \x1b[31mred\n",
        (
            "f.yaml:1:4: U+001B is not allowed in YAML\n"
            "    a: \\x1b[31mred\n"
            "       ^^^^\n"
            "  Save the file as UTF-8 text without control characters."
        ),
        id="a terminal escape",
    ),
    pytest.param(
        "a: \x9b31mred\n",
        (
            "f.yaml:1:4: U+009B is not allowed in YAML\n"
            "    a: \\x9b31mred\n"
            "       ^^^^\n"
            "  Save the file as UTF-8 text without control characters."
        ),
        id="a C1 control",
    ),
    pytest.param(
        ("a: b\x0cc\n"),
        (
            "f.yaml:1:5: U+000C is not allowed in YAML\n"
            "    a: b\\x0cc\n"
            "        ^^^^\n"
            "  Save the file as UTF-8 text without control characters."
        ),
        id="a form feed",
    ),
    pytest.param(
        ("a: b\x85c: 1\n"),
        (
            "f.yaml:1:5: U+0085 ends a line in some programs only\n"
            "    a: b\\x85c: 1\n"
            "        ^^^^\n"
            "  Use an ordinary line end, or an escape such as \\u2028 in double quotes."
        ),
        id="a next-line character",
    ),
    pytest.param(
        ("a: 1\nb: c\u2028d\n"),
        (
            "f.yaml:2:5: U+2028 ends a line in some programs only\n"
            "    b: c\\u2028d\n"
            "        ^^^^^^\n"
            "  Use an ordinary line end, or an escape such as \\u2028 in double quotes."
        ),
        id="a line separator",
    ),
]


@pytest.mark.parametrize(("text", "message"), _REFUSED)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        document.parse(text, "f.yaml")
    assert str(caught.value) == message


def test_an_escape_that_cannot_be_found_again_has_no_place_but_a_way_out() -> None:
    found = syntax.no_such_character(syntax.Lines("f.yaml", "a: 1\n"))
    assert str(found) == "f.yaml:1:1: an escape that is no character\n  Correct the escape."


def test_an_error_that_pyyaml_may_learn_is_passed_on() -> None:
    mark = yaml.Mark("f.yaml", 3, 0, 3, None, 0)
    error = yaml.scanner.ScannerError("while dreaming", mark, "found a sheep", mark)
    found = syntax.explain(error, syntax.Lines("f.yaml", "a: 1\n"))
    assert isinstance(found, DocumentSyntaxError)
    assert str(found) == (
        "f.yaml:1:4: found a sheep\n    a: 1\n       ^\n  This is not YAML; compare the line with the one above."
    )
