"""A problem with one line as it is told, put together from its parts so that tables stay readable."""

from __future__ import annotations


def told(line: str, mark: tuple[int, int], message: str, hint: str, number: int = 1) -> str:
    """The whole text of a problem in one line of ``f.yaml``; ``mark``: column and width."""
    column, width = mark
    return f"f.yaml:{number}:{column}: {message}\n    {line}\n    {' ' * (column - 1)}{'^' * width}\n  {hint}"
