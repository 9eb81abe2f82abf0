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

    def part(self, offset: int, width: int) -> Span:
        """Narrow to ``width`` characters that begin ``offset`` characters into this span."""
        return replace(self, column=self.column + offset, width=max(1, width))
