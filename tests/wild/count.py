"""How long the rule files are, beside the Python that they replace: ``python tests/wild/count.py``.

Counted are lines that are neither blank nor comments. Of Python: ``reference_init`` and its private
helpers, without docstrings; of rule files: everything but ``about`` and ``why``.
"""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = ((HERE / "reference", HERE), (HERE / "more", HERE / "more"))  # references, and the rule files for them


def python_lines(path: Path) -> int:
    """Lines of ``reference_init`` and of the private functions of its file."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    return sum(
        1
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and (node.name == "reference_init" or node.name.startswith("_"))
        for number in range(_first(node), (node.end_lineno or 0) + 1)
        if lines[number - 1].strip() and not lines[number - 1].strip().startswith("#") and number not in _told(node)
    )


def _first(node: ast.FunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _told(node: ast.FunctionDef) -> range:
    """The lines of a docstring."""
    if ast.get_docstring(node) is None:
        return range(0)
    return range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)


def rule_lines(path: Path) -> int:
    """Lines of a rule file without what it says about itself."""
    count, prose = 0, -1  # prose: how far the prose is indented that a line may continue
    for line in path.read_text(encoding="utf-8").splitlines():
        indent, text = len(line) - len(line.lstrip()), line.strip()
        if not text or text.startswith("#") or indent > prose >= 0:
            continue
        prose = indent if text.startswith(("about:", "why:")) else -1
        count += prose < 0
    return count


def counts(references: Path, rules: Path) -> list[tuple[str, int, int]]:
    """Each case with its lines of Python and of rules."""
    return [
        (path.stem, python_lines(path), rule_lines(rules / f"{path.stem}.yaml"))
        for path in sorted(references.glob("*_*.py"))
    ]


def table(references: Path, rules: Path) -> str:
    """All cases of a folder and their sum, in Markdown."""
    found = counts(references, rules)
    rows = [*found, ("**all**", sum(row[1] for row in found), sum(row[2] for row in found))]
    same = {path.stem for path in (rules / "global").glob("*.yaml")}
    lines = [
        f"| {name} | {python} | {rule} | {rule / python:.1f} | {'same bits' if name in same else ''} |"
        for name, python, rule in rows
    ]
    return "\n".join(
        ["| initialiser | Python | rules | ratio | `stream: global` |", "|---|---:|---:|---:|---|", *lines, ""]
    )


if __name__ == "__main__":
    for folders in FOLDERS:
        print(table(*folders))  # noqa: T201  # that is what the script is for
