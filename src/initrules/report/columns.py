"""Cells for rich's tables that break lines at the joints of names, not in the middle of a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_MOST = 40  # what a column asks for at least; a longer piece is cut where the column ends


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell under a heading: pieces of text with their styles; lines break between pieces only.

    A piece that begins with a line break begins a line. Continued lines are set in by ``indent``.
    """

    heading: str
    pieces: tuple[tuple[str, str], ...]
    right: bool = False
    indent: int = 0

    @property
    def text(self) -> str:
        """Everything in it."""
        return "".join(piece for piece, _ in self.pieces)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widths = [cell_len(piece.strip()) + self.indent * (at > 0) for at, (piece, _) in enumerate(self.pieces)]
        most = max((cell_len(line) for line in self.text.split("\n")), default=0)
        return Measurement(min(_MOST, max(widths, default=0)), most).clamp(max_width=options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield self.lines(options.max_width)

    def _cut(self, width: int) -> Iterator[tuple[str, str]]:
        """The pieces, those that no line holds in several."""
        room = max(1, width - self.indent)
        for piece, style in self.pieces:
            if cell_len(piece.strip("\n").rstrip()) <= room:
                yield piece, style
            else:
                yield from ((part, style) for part in chop_cells(piece, room))

    def lines(self, width: int) -> Text:
        """The text, broken where it is wider than ``width``."""
        found, used = Text(justify="right" if self.right else None, overflow="fold"), 0
        for piece, style in self._cut(width):
            size = cell_len(piece.strip("\n").rstrip())
            if piece.startswith("\n"):
                used = 0
            elif used and used + size > width:
                found.rstrip()
                found.append("\n" + " " * self.indent)
                used = self.indent
            shown = piece if used != self.indent or not used else piece.lstrip()
            found.append(shown, style=style)
            used += cell_len(shown.strip("\n"))
        found.rstrip()
        return found


def table(rows: Sequence[tuple[Cell, ...]]) -> Table:
    """The rows as a table without the columns that are empty."""
    kept = [at for at in range(len(rows[0]) if rows else 0) if any(row[at].text for row in rows)]
    made = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for at in kept:
        made.add_column(rows[0][at].heading, justify="right" if rows[0][at].right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(row[at] for at in kept))
    return made


def parts(name: str) -> list[str]:
    """A name in the pieces between which a line may break: after dots, commas and slashes."""
    return re.findall(r"[^.,/]+[.,/]*|[.,/]+", name)


def words(text: str) -> list[str]:
    """A text in its words, each with the blanks behind it and the line break before it."""
    return re.findall(r"\n?[^\s]+[^\S\n]*", text)


def hyphens(names: str) -> list[str]:
    """Names of rules in the pieces between which a line may break: after hyphens and blanks."""
    return re.findall(r"[^\s-]+[-\s]*", names)
