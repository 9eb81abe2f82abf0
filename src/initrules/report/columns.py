"""Tables that break lines where names have their joints, and turn into lists in narrow windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len, chop_cells
from rich.text import Text

_GAP = 2
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

    def least(self) -> int:
        """The fewest columns that hold every piece."""
        widths = (cell_len(piece.strip()) + self.indent * (at > 0) for at, (piece, _) in enumerate(self.pieces))
        return min(_MOST, max((cell_len(self.heading), *widths)))

    def most(self) -> int:
        """The columns that it takes when no line is broken."""
        return max(cell_len(self.heading), *(cell_len(line) for line in self.text.split("\n")))

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
        found, used = Text(), 0
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


def rows_view(rows: Sequence[tuple[Cell, ...]], width: int) -> Text:
    """The rows as a table without the columns that are empty, or as a list where no table fits."""
    kept = [at for at in range(len(rows[0]) if rows else 0) if any(row[at].text for row in rows)]
    columns = [[row[at] for row in rows] for at in kept]
    widths = _widths(columns, width - _GAP * (len(columns) - 1))
    if widths is None:
        return _list(rows, width)
    heads = [Text(column[0].heading, style="bold") for column in columns]
    text = _line(heads, columns, widths).append("\n" + "─" * (sum(widths) + _GAP * (len(widths) - 1)))
    for row in zip(*columns, strict=True):
        cells = [cell.lines(size).split("\n") for cell, size in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=Text("")):
            text.append("\n").append_text(_line(parts, columns, widths))
    return text


def _line(parts: Sequence[Text], columns: Sequence[Sequence[Cell]], widths: Sequence[int]) -> Text:
    """One line of a table, without blanks at its end."""
    line = Text()
    for at, (part, column, size) in enumerate(zip(parts, columns, widths, strict=True)):
        blanks = " " * (size - part.cell_len)
        line.append(" " * _GAP if at else "")
        line.append(blanks if column[0].right else "").append_text(part).append("" if column[0].right else blanks)
    line.rstrip()
    return line


def _widths(columns: Sequence[Sequence[Cell]], room: int) -> list[int] | None:
    """A width for each column, or None when they do not fit; what is left goes to those that lack least first."""
    found = [max(cell.least() for cell in column) for column in columns]
    wanted = [max(cell.most() for cell in column) for column in columns]
    left = room - sum(found)
    if left < 0:
        return None
    open_ = sorted(range(len(found)), key=lambda at: wanted[at] - found[at])
    for place, at in enumerate(open_):
        more = max(0, min(wanted[at] - found[at], left // (len(open_) - place)))
        found[at] += more
        left -= more
    return found


def _list(rows: Sequence[tuple[Cell, ...]], width: int) -> Text:
    """One fact after another: a symbol or nothing, the name, then the rest with their headings."""
    text = Text()
    for row in rows:
        head = [cell for cell in row[:2] if not cell.heading] or []
        name, *facts = row[len(head) :]
        pieces = [piece for cell in head for piece in (*cell.pieces, (" ", ""))]
        pieces += [(piece.replace("\n", "\n  "), style) for piece, style in name.pieces]
        text.append_text(Cell("", tuple(pieces), indent=4).lines(width)).append("\n")
        said: list[tuple[str, str]] = [("  ", "")]
        for fact in (one for one in facts if one.text):
            said[-1] = (said[-1][0] + ("; " if len(said) > 1 else ""), said[-1][1])
            said.append((f"{fact.heading}: ", "dim"))
            for piece, style in fact.pieces:
                if piece.startswith("\n"):
                    said[-1] = (f"{said[-1][0].rstrip()}, ", said[-1][1])
                said.append((piece.removeprefix("\n"), style))
        text.append_text(Cell("", tuple(said), indent=4).lines(width)).append("\n")
    text.right_crop(1)
    return text
