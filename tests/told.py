"""A problem with one line as it is told, put together from its parts so that tables stay readable."""

from __future__ import annotations


def told(line: str, mark: tuple[int, int], message: str, hint: str) -> str:
    """The whole text of a problem in the one line of ``f.yaml``; ``mark``: column and width."""
    column, width = mark
    return f"f.yaml:1:{column}: {message}\n    {line}\n    {' ' * (column - 1)}{'^' * width}\n  {hint}"
