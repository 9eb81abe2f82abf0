"""What goes wrong in the syntax of YAML, in the words of rule files.

PyYAML says what its scanner and parser expected; here that becomes what the writer of a rule file
most likely did, with the place and the way out.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from initrules.errors import DocumentSyntaxError
from initrules.source import Span

_LINE_END = re.compile(r"\r\n|\r|\n")
_ODD_LINE_END = re.compile("[\x85\u2028\u2029]")


class Lines:
    """The text of one file, cut into lines as PyYAML and editors count them."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.lines = _LINE_END.split(text)

    def span(self, mark: Any, end: Any = None) -> Span:
        """From one of PyYAML's marks to another, or to the end of the line."""
        text = self.lines[mark.line] if mark.line < len(self.lines) else ""
        same_line = end is not None and end.line == mark.line
        width = end.column - mark.column if same_line else len(text.rstrip()) - mark.column
        return Span(self.file, mark.line + 1, mark.column + 1, max(1, width), text)

    def at(self, position: int) -> Span:
        """One character of the text."""
        before = _LINE_END.split(self.text[:position])
        return Span(self.file, len(before), len(before[-1]) + 1, 1, self.lines[len(before) - 1])


def check_line_ends(lines: Lines) -> None:
    """Refuse line ends that only some programs count, so that a line number means the same everywhere."""
    found = _ODD_LINE_END.search(lines.text)
    if found:
        hint = r"Use an ordinary line end, or an escape such as \u2028 in double quotes."
        raise DocumentSyntaxError(
            f"U+{ord(found[0]):04X} ends a line in some programs only", lines.at(found.start()), hint
        )


def no_such_character(lines: Lines) -> DocumentSyntaxError:
    """Point at the escape that stands for no Unicode character."""
    for line, text in enumerate(lines.lines):
        found = re.search(r"\\U(?!000|0010)[0-9A-Fa-f]{8}", text)
        if found:
            span = Span(lines.file, line + 1, found.start() + 1, len(found[0]), text)
            return DocumentSyntaxError(f"'{found[0]}' is no character", span, r"The last one is '\U0010FFFF'.")
    return DocumentSyntaxError("an escape that is no character", Span(lines.file, 1, 1), "Correct the escape.")


def explain(error: yaml.YAMLError, lines: Lines) -> DocumentSyntaxError:
    """Say what PyYAML's message means for a rule file."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return _unreadable(error, lines)
    context, problem = str(getattr(error, "context", "")), str(getattr(error, "problem", ""))
    context_mark = getattr(error, "context_mark", None) or mark
    for known in (_first_character, _collection, _quoted, _line):
        found = known(context, problem, context_mark, mark, lines)
        if found:
            return found
    return DocumentSyntaxError(problem, lines.span(mark), "This is not YAML; compare the line with the one above.")


def _first_character(
    context: str, problem: str, context_mark: Any, mark: Any, lines: Lines
) -> DocumentSyntaxError | None:
    """A pattern or text that begins with a character of YAML's own."""
    del mark
    span = lines.span(context_mark)
    word = re.split(r"[\s,}\]]", span.line_text[span.column - 1 :])[0].removesuffix(":")
    here = span.part(span.line_text[span.column - 1 :], 0, len(word))
    if "alias" in context and span.line_text[: span.column - 1].rstrip().endswith("]"):  # size[0]*module.n
        hint = "Inside {} and [] a text ends at '[' and ']': put the whole expression in quotes."
        return DocumentSyntaxError(f"'{word}' is cut off from what stands before it", here, hint)
    if "alias" in context:
        return DocumentSyntaxError("an unquoted '*' begins a YAML alias", here, f'Quote the pattern: "{word}".')
    if "anchor" in context or "a tag" in context:
        kind = "anchor" if "anchor" in context else "tag"
        return DocumentSyntaxError(f"an unquoted '{word[:1]}' begins a YAML {kind}", here, f'Quote the text: "{word}".')
    if "cannot start any token" in problem and "\\t" not in problem:
        return DocumentSyntaxError(f"an unquoted text cannot begin with '{word[:1]}'", here, "Quote the text.")
    return None


def _collection(context: str, problem: str, context_mark: Any, mark: Any, lines: Lines) -> DocumentSyntaxError | None:
    if "flow mapping" not in context and "flow sequence" not in context:
        return None
    opener, closer = ("{", "}") if "mapping" in context else ("[", "]")
    if "stream end" in problem or "document" in problem or mark.line > context_mark.line:
        hint = f"Add the missing '{closer}', or a ',' between two entries."
        return DocumentSyntaxError(f"the '{opener}' is never closed", lines.span(context_mark), hint)
    hint = "Quote a pattern or an expression that holds ',', '[', '{' or ': '."
    return DocumentSyntaxError(f"unexpected text inside '{opener}'", lines.span(mark), hint)


def _quoted(context: str, problem: str, context_mark: Any, mark: Any, lines: Lines) -> DocumentSyntaxError | None:
    if "quoted scalar" not in context:
        return None
    if "escape" in problem:
        hint = r"Use single quotes, in which a backslash stands for itself, or write '\\'."
        return DocumentSyntaxError("an unknown escape after a backslash", lines.span(mark), hint)
    return DocumentSyntaxError("a quote that is never closed", lines.span(context_mark), "Add the missing quote.")


def _line(context: str, problem: str, context_mark: Any, mark: Any, lines: Lines) -> DocumentSyntaxError | None:
    """A line that does not fit the ones above."""
    here = lines.span(mark)
    before = here.line_text[: mark.column]
    message, hint, span = "", "", here
    if "\\t" in problem or "'\t'" in problem:
        message, hint = "a tab character stands where YAML wants spaces", "Use spaces."
    elif "mapping values are not allowed" in problem and ": " in before:
        message, hint = (
            "a second ': ' stands in one line",
            "Quote the value, or put the inner key on a line of its own.",
        )
    elif "mapping values are not allowed" in problem:
        message = "a key does not fit here"
        hint = "Align it with the keys it belongs to; check that the line above is 'key: value' too."
    elif "could not find expected ':'" in problem:
        message, hint, span = "a key without ': ' after it", "Write 'key: value'.", lines.span(context_mark)
    elif "expected <block end>" in problem and before.strip():
        message, hint = "text after the end of a value", "Quote the whole value, or remove the rest."
    elif "expected <block end>" in problem:
        message = "this line does not fit the indentation above"
        hint = "Align it with the keys it belongs to."
    elif "block scalar" in context:
        message, hint = "text after '|' or '>'", "Begin the text on the next line, or quote it."
    elif "expected the node content" in problem and "stream end" in problem:
        message, hint = "the file ends where a value is wanted", "Write the value, and close every '{' and '['."
    elif "expected the node content" in problem:
        message, hint = "a value cannot begin like this", "Write the value, or quote it."
    elif "document" in problem and any(line.startswith("%") for line in lines.lines[: mark.line + 1]):
        message, hint = "a YAML directive, which rule files do not have", "Leave out the line that begins with '%'."
    elif "document" in problem:
        message, hint = "a rule file does not begin like this", "Begin with the line 'initrules: 1'."
    return DocumentSyntaxError(message, span, hint) if message else None


def _unreadable(error: yaml.YAMLError, lines: Lines) -> DocumentSyntaxError:
    character = getattr(error, "character", None)
    shown = f"U+{character:04X}" if isinstance(character, int) else repr(character)
    hint = "Save the file as UTF-8 text without control characters."
    span = lines.at(int(getattr(error, "position", 0)))
    return DocumentSyntaxError(f"{shown} is not allowed in YAML", span, hint)
