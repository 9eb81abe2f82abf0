"""Where a piece of text stands in a file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one line: file, 1-based line and column, width in characters.

    ``line_text`` is the whole source line, kept so that an error can show it.
    """

    file: str
    line: int
    column: int
    width: int = field(default=1, compare=False)
    line_text: str = field(default="", compare=False, repr=False)

    @property
    def place(self) -> str:
        """``file:line:column``, the form that editors and terminals make clickable."""
        return f"{self.file}:{self.line}:{self.column}"

    def part(self, text: str, offset: int, width: int) -> Span:
        """Narrow to ``width`` characters that begin ``offset`` characters into ``text``, the value read here.

        The whole span when the text does not stand in the line as it was read: escapes in quotes,
        several lines.
        """
        start = self.line_text.find(text, self.column - 1, self.column - 1 + max(self.width, len(text))) if text else -1
        return self if start < 0 else replace(self, column=start + offset + 1, width=max(1, width))
