"""Globs and regular expressions: what they match, what they bind, and that none can hang."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initrules import pattern
from initrules.errors import PatternSyntaxError
from initrules.source import Span
from told import told


def _span(text: str) -> Span:
    return Span("f.yaml", 1, 4, len(text) + 2, f"p: '{text}'")


def _path(text: str) -> pattern.Pattern:
    return pattern.path_pattern(text, _span(text))


@pytest.mark.parametrize(
    ("glob", "path", "bound"),
    [
        pytest.param("head", "head", {}, id="a literal is itself"),
        pytest.param("head", "heads", None, id="anchored at the end"),
        pytest.param("head", "a.head", None, id="anchored at the root"),
        pytest.param("a.b", "axb", None, id="a dot is a dot"),
        pytest.param("a+(b)$", "a+(b)$", {}, id="other characters stand for themselves"),
        pytest.param("", "", {}, id="the root is empty"),
        pytest.param("", "a", None, id="the root is nothing else"),
        pytest.param("*", "head", {}, id="star is one segment"),
        pytest.param("*", "a.b", None, id="star is not two"),
        pytest.param("*", "", None, id="star is not the root"),
        pytest.param("**.*", "", None, id="some segment is not the root"),
        pytest.param("**.*", "a.b", {}, id="some segment is the last of several"),
        pytest.param("h*d", "head", {}, id="star is part of a segment"),
        pytest.param("h*d", "hd", {}, id="star may be nothing"),
        pytest.param("h*d", "h.d", None, id="star does not cross a dot"),
        pytest.param("**", "", {}, id="two stars meet the root"),
        pytest.param("**", "a.b.c", {}, id="two stars meet everything"),
        pytest.param("**.**", "", {}, id="two stars twice meet the root too"),
        pytest.param("actor.**", "actor", {}, id="zero segments below"),
        pytest.param("actor.**", "actor.net.0", {}, id="several segments below"),
        pytest.param("actor.**", "actors", None, id="a prefix is no ancestor"),
        pytest.param("**.head", "head", {}, id="zero segments above"),
        pytest.param("**.head", "a.b.head", {}, id="several segments above"),
        pytest.param("**.head", "ahead", None, id="a suffix is no segment"),
        pytest.param("a.**.b", "a.b", {}, id="zero segments between"),
        pytest.param("a.**.b", "a.x.y.b", {}, id="several segments between"),
        pytest.param("a.**.**.b", "a.b", {}, id="two stars twice between"),
        pytest.param("?", "a", {}, id="one character"),
        pytest.param("?", ".", None, id="one character is no dot"),
        pytest.param("a?c", "ac", None, id="one character is not none"),
        pytest.param("[0-9]", "7", {}, id="a range"),
        pytest.param("[0-9]", "a", None, id="out of a range"),
        pytest.param("[abx-z]", "y", {}, id="characters and a range"),
        pytest.param("[!0-9]", "a", {}, id="negated with an exclamation mark"),
        pytest.param("[^0-9]", "7", None, id="negated with a circumflex"),
        pytest.param("[!a]", ".", None, id="a negated class is no dot"),
        pytest.param("[*-9]", ".", None, id="a range over the dot leaves it out"),
        pytest.param("[*-9]", "/", {}, id="a range over the dot goes on behind it"),
        pytest.param("[--.]", "-", {}, id="a range that ends with the dot"),
        pytest.param("[]]", "]", {}, id="a closing bracket stands first"),
        pytest.param("[a-]", "-", {}, id="a hyphen stands last"),
        pytest.param(r"[\d]", "d", {}, id="a backslash is a backslash"),
        pytest.param("[[:alpha:]", "[", {}, id="no classes with names"),
        pytest.param("{a,b}.c", "b.c", {}, id="alternatives"),
        pytest.param("{a,b}.c", "ab.c", None, id="one of them"),
        pytest.param("{a.b,c}", "a.b", {}, id="alternatives of several segments"),
        pytest.param("{a.**,c}", "a.x.y", {}, id="two stars end an alternative"),
        pytest.param("a{,.b}", "a", {}, id="an empty alternative"),
        pytest.param("{a,{b,c}d}", "cd", {}, id="alternatives in alternatives"),
        pytest.param("{0..11}", "11", {}, id="the end of a range of numbers"),
        pytest.param("{0..11}", "12", None, id="behind a range of numbers"),
        pytest.param("{0..11}", "01", None, id="no leading zeros"),
        pytest.param("{00..11}", "07", {}, id="leading zeros as written"),
        pytest.param("{00..11}", "7", None, id="leading zeros are needed then"),
        pytest.param("{5..5}", "5", {}, id="a range of one number"),
        pytest.param("h.<layer>.x", "h.12.x", {"layer": 12}, id="digits are bound as a number"),
        pytest.param("h.<layer>.x", "h.a.x", None, id="letters are not bound"),
        pytest.param("lin<i1>_<i2>", "lin3_4", {"i1": 3, "i2": 4}, id="parts of a segment are bound"),
        pytest.param("<n>", "9" * 19, {"n": "9" * 19}, id="a number too large for anything stays text"),
        pytest.param("re:h[.]([0-9]+)", "h.3", {}, id="a group without a name binds nothing"),
        pytest.param("re:h[.](?P<n>[0-9]+)", "h.3", {"n": 3}, id="a named group of digits"),
        pytest.param("re:(?P<rest>.*)[.]w", "a.b.w", {"rest": "a.b"}, id="a named group of text"),
        pytest.param("re:a|(?P<n>[0-9])", "a", {}, id="a group that took no part"),
        pytest.param("re:head", "heads", None, id="a regular expression matches the whole"),
        pytest.param("re:head.*", "heads", {}, id="unless it says otherwise"),
        pytest.param("re:", "", {}, id="an empty regular expression is the root"),
    ],
)
def test_match(glob: str, path: str, bound: dict[str, object] | None) -> None:
    assert _path(glob).match(path) == bound


def _naive(glob: list[str], path: list[str]) -> bool:
    """The definition: segments one by one, ``**`` is none or more, ``*`` any part, ``?`` one character."""
    if not glob:
        return not path
    if glob[0] == "**":
        return _naive(glob[1:], path) or (bool(path) and _naive(glob, path[1:]))
    return bool(path) and _naive_segment(glob[0], path[0]) and _naive(glob[1:], path[1:])


def _naive_segment(glob: str, text: str) -> bool:
    if not glob:
        return not text
    if glob[0] == "*":
        return _naive_segment(glob[1:], text) or (bool(text) and _naive_segment(glob, text[1:]))
    return bool(text) and glob[0] in {"?", text[0]} and _naive_segment(glob[1:], text[1:])


_SEGMENT = st.text("ab", min_size=1, max_size=3)
_GLOB_SEGMENT = st.just("**") | st.text("ab*?", min_size=1, max_size=4).filter(lambda text: "**" not in text)
_PATHS = st.lists(_SEGMENT, max_size=4)


@given(st.lists(_GLOB_SEGMENT, min_size=1, max_size=4), _PATHS)
def test_a_glob_matches_what_its_definition_says(glob: list[str], path: list[str]) -> None:
    found = _path(".".join(glob)).match(".".join(path)) is not None
    assert found is _naive(glob, path)


@given(st.lists(st.lists(_SEGMENT, min_size=1, max_size=2), min_size=1, max_size=3), _PATHS, st.booleans())
def test_braces_are_a_list_of_patterns(choices: list[list[str]], path: list[str], star: bool) -> None:
    ends = [".".join(segments) for segments in choices]
    prefix = "**." if star else "a."
    whole = _path(f"{prefix}{{{','.join(ends)}}}").match(".".join(path)) is not None
    assert whole is any(_path(prefix + end).match(".".join(path)) is not None for end in ends)


@given(st.text(st.characters(exclude_characters="*?[]{}<>.", exclude_categories=["Cs"]), min_size=1), _SEGMENT)
def test_a_literal_matches_only_itself(text: str, other: str) -> None:
    found = _path(text) if not text.startswith("re:") else None
    if found:
        assert found.literal
        assert found.match(text) == {}
        assert found.match(f"{text}{other}") is None
        assert found.match(f"{text}.{other}") is None
        assert found.match("") is None


@given(st.integers(0, 1200), st.integers(0, 300), st.integers(1, 4), st.integers(0, 1600), st.integers(1, 5))
def test_a_range_of_numbers_is_the_list_of_its_numbers(low: int, more: int, pad: int, number: int, width: int) -> None:
    written = f"{low:0{pad}d}"
    least = len(written) if written.startswith("0") else 1
    numerals = {f"{n:0{least}d}" for n in range(low, low + more + 1)}
    numeral = f"{number:0{width}d}"
    assert (_path(f"{{{written}..{low + more}}}").match(numeral) is not None) is (numeral in numerals)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("re:(a+)+$", id="nested repetition"),
        pytest.param("re:(a|a)*b", id="the same alternative twice"),
        pytest.param("re:(.*)*(.*)*(.*)*!", id="many ways to split"),
        pytest.param("*" + "a*" * 400, id="many stars"),
        pytest.param("**." * 300 + "b", id="many double stars"),
        pytest.param("{0..9999}" * 100, id="many ranges"),
        pytest.param("{" * 20 + "a" + "}" * 20, id="braces as deep as they may be"),
        pytest.param("re:" + "((a{30}){30})", id="counted repetition"),
    ],
)
def test_no_pattern_hangs(text: str) -> None:
    assert _path(text).match("a" * 20_000 + ".c") is None  # exponential matching would not end


_REFUSED = [
    pytest.param(
        pattern.path_pattern,
        "a..b",
        (7, 1),
        "an empty segment in 'a..b'",
        "Write one dot between two segments.",
        id="an empty segment",
    ),
    pytest.param(
        pattern.path_pattern,
        "a.b.",
        (8, 1),
        "an empty segment in 'a.b.'",
        "Leave out the last dot, or add '**' after it.",
        id="a dot at the end",
    ),
    pytest.param(
        pattern.path_pattern,
        ".a",
        (5, 1),
        "an empty segment in '.a'",
        "Write one dot between two segments.",
        id="a dot at the beginning",
    ),
    pytest.param(
        pattern.path_pattern,
        "{a,b}.",
        (10, 1),
        "an empty segment in '{a,b}.'",
        "Leave out the last dot, or add '**' after it.",
        id="a dot after braces",
    ),
    pytest.param(
        pattern.path_pattern,
        "a.**b",
        (7, 2),
        "'**' beside other characters in 'a.**b'",
        "'**' stands for whole segments: 'a.**.b'. Write a list instead of braces around it.",
        id="two stars beside a letter",
    ),
    pytest.param(
        pattern.path_pattern,
        "***",
        (5, 2),
        "'**' beside other characters in '***'",
        "'**' stands for whole segments: 'a.**.b'. Write a list instead of braces around it.",
        id="three stars",
    ),
    pytest.param(
        pattern.path_pattern,
        "{**,a}.b",
        (6, 2),
        "'**' beside other characters in '{**,a}.b'",
        "'**' stands for whole segments: 'a.**.b'. Write a list instead of braces around it.",
        id="two stars in braces",
    ),
    pytest.param(
        pattern.path_pattern,
        "a[b",
        (6, 1),
        "a '[' that is never closed in 'a[b'",
        "Add the missing ']'.",
        id="an open bracket",
    ),
    pytest.param(
        pattern.path_pattern,
        "a[]",
        (6, 1),
        "a '[' that is never closed in 'a[]'",
        "Add the missing ']'.",
        id="an empty bracket",
    ),
    pytest.param(
        pattern.path_pattern,
        "a]b",
        (6, 1),
        "a ']' that closes nothing in 'a]b'",
        "Remove it, or use 're:' and escape it.",
        id="a closing bracket",
    ),
    pytest.param(
        pattern.path_pattern,
        "a[9-0]",
        (6, 5),
        "an impossible range in 'a[9-0]'",
        "Write it low to high: '[0-9]'.",
        id="a backward range of characters",
    ),
    pytest.param(
        pattern.path_pattern,
        "a[.]b",
        (6, 3),
        "a '.' inside '[]' in 'a[.]b'",
        "Write the dot outside: it parts two segments.",
        id="a dot in a bracket",
    ),
    pytest.param(
        pattern.path_pattern,
        "a{b",
        (6, 1),
        "a '{' that is never closed in 'a{b'",
        "Add the missing '}'.",
        id="an open brace",
    ),
    pytest.param(
        pattern.path_pattern,
        "a}b",
        (6, 1),
        "a '}' that closes nothing in 'a}b'",
        "Remove it, or use 're:' and escape it.",
        id="a closing brace",
    ),
    pytest.param(
        pattern.path_pattern,
        "a{5..1}",
        (6, 6),
        "an impossible range in 'a{5..1}'",
        "Write it low to high, at most 10,000 numbers.",
        id="a backward range of numbers",
    ),
    pytest.param(
        pattern.path_pattern,
        "{0..99999}",
        (5, 10),
        "an impossible range in '{0..99999}'",
        "Write it low to high, at most 10,000 numbers.",
        id="a range of too many numbers",
    ),
    pytest.param(
        pattern.path_pattern,
        "{1234567890..1234567891}",
        (5, 24),
        "an impossible range in '{1234567890..1234567891}'",
        "Write it low to high, at most 10,000 numbers.",
        id="a range of too many digits",
    ),
    pytest.param(
        pattern.path_pattern,
        "{a..c}",
        (5, 6),
        "an impossible range in '{a..c}'",
        "Write two numbers, low to high: '{0..11}'.",
        id="a range of letters",
    ),
    pytest.param(
        pattern.path_pattern,
        "{{{{{{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}}}}}}",
        (25, 1),
        "braces nested more than 20 deep in '{{{{{{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}}}}}}'",
        "Use a list of patterns.",
        id="braces too deep",
    ),
    pytest.param(
        pattern.path_pattern,
        "a<b",
        (6, 1),
        "a '<' that begins no name in 'a<b'",
        "Write '<layer>' to bind a number.",
        id="a lone angle",
    ),
    pytest.param(
        pattern.path_pattern,
        "a.<>",
        (7, 1),
        "a '<' that begins no name in 'a.<>'",
        "Write '<layer>' to bind a number.",
        id="a capture without a name",
    ),
    pytest.param(
        pattern.path_pattern,
        "a.<1>",
        (7, 1),
        "a '<' that begins no name in 'a.<1>'",
        "Write '<layer>' to bind a number.",
        id="a capture that is a number",
    ),
    pytest.param(
        pattern.path_pattern,
        "<n>.<n>",
        (9, 3),
        "'<n>' stands twice in '<n>.<n>'",
        "Give each number its own name.",
        id="a capture twice",
    ),
    pytest.param(
        pattern.path_pattern,
        "{a<n>,b<n>}",
        (12, 3),
        "'<n>' stands twice in '{a<n>,b<n>}'",
        "Give each number its own name.",
        id="a capture twice in alternatives",
    ),
    pytest.param(
        pattern.path_pattern,
        "re:(a",
        (4, 7),
        "not a regular expression: missing ): (a",
        "Correct it, or escape what stands for itself with a backslash.",
        id="an open group",
    ),
    pytest.param(
        pattern.path_pattern,
        "re:(?=a)",
        (4, 10),
        "not a regular expression: invalid perl operator: (?=",
        "Look-around and back-references are left out, so that every pattern runs in linear time.",
        id="look-ahead",
    ),
    pytest.param(
        pattern.path_pattern,
        "re:(?<!a)b",
        (4, 12),
        "not a regular expression: invalid perl operator: (?<!",
        "Look-around and back-references are left out, so that every pattern runs in linear time.",
        id="look-behind",
    ),
    pytest.param(
        pattern.path_pattern,
        "re:(a)\\1",
        (4, 10),
        "not a regular expression: invalid escape sequence: \\1",
        "Look-around and back-references are left out, so that every pattern runs in linear time.",
        id="a back-reference",
    ),
    pytest.param(
        pattern.path_pattern,
        "re:a{1001}",
        (4, 12),
        "not a regular expression: invalid repetition size: {1001}",
        "Correct it, or escape what stands for itself with a backslash.",
        id="too much repetition",
    ),
    pytest.param(
        pattern.path_pattern,
        "re:\\p{Foo}",
        (4, 12),
        "not a regular expression: invalid character class range: \\p{Foo}",
        "Correct it, or escape what stands for itself with a backslash.",
        id="an unknown class",
    ),
    pytest.param(
        pattern.name_pattern,
        "a.b",
        (4, 5),
        "'a.b' has several segments, 'name' looks at the last one",
        "Write 'path: \"a.b\"'.",
        id="two segments as a name",
    ),
    pytest.param(
        pattern.name_pattern,
        "**",
        (4, 4),
        "'**' has several segments, 'name' looks at the last one",
        "Write 'path: \"**\"'.",
        id="two stars as a name",
    ),
    pytest.param(
        pattern.name_pattern,
        "a[",
        (6, 1),
        "a '[' that is never closed in 'a['",
        "Add the missing ']'.",
        id="a name with a bad class",
    ),
    pytest.param(
        pattern.type_pattern, "", (4, 2), "an empty class name", "Name a class, such as 'Linear'.", id="no class"
    ),
    pytest.param(
        pattern.type_pattern,
        "= ",
        (4, 4),
        "an empty class name",
        "Name a class, such as 'Linear'.",
        id="an equals sign without a class",
    ),
    pytest.param(
        pattern.type_pattern,
        "=Lin[",
        (9, 1),
        "a '[' that is never closed in 'Lin['",
        "Add the missing ']'.",
        id="a bad class after an equals sign",
    ),
    pytest.param(
        pattern.key_pattern,
        "",
        (4, 2),
        "an empty key",
        "Name a parameter, such as 'weight', or '*' for all.",
        id="no key",
    ),
    pytest.param(
        pattern.key_pattern,
        "a.weight",
        (4, 10),
        "'a.weight' is not the name of a parameter of one module",
        "A key names a parameter of the selected module itself; select the module that owns it.",
        id="a key of two segments",
    ),
    pytest.param(
        pattern.key_pattern,
        "**",
        (4, 4),
        "'**' is not the name of a parameter of one module",
        "A key names a parameter of the selected module itself; select the module that owns it.",
        id="two stars as a key",
    ),
    pytest.param(
        pattern.key_pattern, "w[", (6, 1), "a '[' that is never closed in 'w['", "Add the missing ']'.", id="a bad key"
    ),
]


@pytest.mark.parametrize(("read", "text", "mark", "message", "hint"), _REFUSED)
def test_what_is_refused(
    read: Callable[[str, Span], object], text: str, mark: tuple[int, int], message: str, hint: str
) -> None:
    with pytest.raises(PatternSyntaxError) as caught:
        read(text, _span(text))
    assert str(caught.value) == told(f"p: '{text}'", mark, message, hint)


@pytest.mark.parametrize("text", ["a" * 1001, "re:" + "a" * 998], ids=["glob", "regular expression"])
def test_a_long_pattern_is_refused(text: str) -> None:
    with pytest.raises(PatternSyntaxError) as caught:
        pattern.path_pattern(text, Span("f.yaml", 1, 1))
    assert str(caught.value) == (
        "f.yaml:1:1: a pattern of 1,001 characters, 1,000 are allowed\n  Split it into a list."
    )


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        pytest.param("Linear", (False, False), id="bare"),
        pytest.param("=Linear", (True, False), id="exact"),
        pytest.param("= torch.nn.Linear", (True, True), id="exact and qualified"),
        pytest.param("torch.nn.*", (False, True), id="qualified"),
        pytest.param("re:.*[.]Linear", (False, False), id="a regular expression is over the bare name"),
    ],
)
def test_kinds_of_class_names(text: str, kinds: tuple[bool, bool]) -> None:
    found = pattern.type_pattern(text, _span(text))
    assert (found.exact, found.qualified) == kinds
    assert str(found) == text.replace("= ", "=")


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        pytest.param("weight", True, id="a word"),
        pytest.param("weight_*", False, id="a star"),
        pytest.param("re:weight", False, id="a regular expression, whatever it says"),
        pytest.param("{0..3}", False, id="dots of a range are no segments"),
    ],
)
def test_a_literal_key_is_known(text: str, literal: bool) -> None:
    assert pattern.key_pattern(text, _span(text)).literal is literal


def test_names_that_a_pattern_binds() -> None:
    assert _path("a.<n>.<m>").names == ("n", "m")
    assert set(_path("re:(?P<n>a)(?P<m>b)(c)").names) == {"n", "m"}


def test_the_first_match_binds() -> None:
    patterns = [_path("a.<n>"), _path("a.<m>")]
    assert pattern.first_match(patterns, "a.1") == {"n": 1}
    assert pattern.first_match(patterns, "b") is None


def test_a_pattern_prints_as_written() -> None:
    assert str(_path("a.**")) == "a.**"


def test_the_translation_is_a_regular_expression_of_the_usual_kind() -> None:
    assert re.fullmatch(_path("a.**.b?").regex, "a.x.bc")
