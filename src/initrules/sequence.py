"""In which order parameters are written: what is read by others comes before them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from initrules.actions import chain
from initrules.decision import Row
from initrules.errors import Finding, Severity
from initrules.inventory import Inventory
from initrules.ruleset import RuleSet


def in_order(rows: Sequence[Row], inventory: Inventory, rules: RuleSet) -> tuple[Row, ...]:
    """The rows that are written, each after those whose values it reads.

    Keyed streams do not depend on the order; ``stream: global`` draws in the file's ``order``.
    Buffers come first with keyed streams, because a reset method may read those of its module.
    """
    written = [row for row in rows if row.value is not None and row.value.writes]
    if rules.stream == "keyed":
        wanted = sorted(written, key=lambda row: not row.parameter.buffer)
    elif rules.order == "post-order":
        rank = _post_order(inventory)
        wanted = sorted(written, key=lambda row: rank[row.parameter.names[0].owner])
    elif rules.order == "rules":
        position = {rule.name: order for order, rule in enumerate(rules.rules)}
        wanted = sorted(written, key=lambda row: position[row.value.rule] if row.value else 0)
    else:
        wanted = written
    return tuple(_after_what_they_read(wanted))


def _post_order(inventory: Inventory) -> dict[int, int]:
    """The place of each module name when children come before their parent, as in ``Module.apply``."""
    children: dict[int | None, list[int]] = {}
    for position, name in enumerate(inventory.names):
        children.setdefault(name.parent, []).append(position)
    rank: dict[int, int] = {}
    stack = [(position, False) for position in reversed(children.get(None, []))]
    while stack:
        position, done = stack.pop()
        if done:
            rank[position] = len(rank)
        else:
            stack.append((position, True))
            stack += [(child, False) for child in reversed(children.get(position, []))]
    return rank


def reads(row: Row) -> tuple[str, ...]:
    """The parameters whose values a row needs."""
    return chain.reads(row.value.actions) if row.value is not None else ()


def _after_what_they_read(rows: Sequence[Row]) -> Iterator[Row]:
    if not any(map(reads, {id(row.decisions): row for row in rows}.values())):  # rows of one kind share decisions
        yield from rows
        return
    by_path = {row.path: row for row in rows}
    done: set[str] = set()
    for first in rows:
        stack = [first]
        while stack:
            row = stack[-1]
            fresh = [by_path[path] for path in reads(row) if path in by_path and path not in done]
            fresh = [other for other in fresh if other not in stack]  # a circle has been reported
            if fresh:
                stack.append(fresh[0])
                continue
            stack.pop()
            if row.path not in done:
                done.add(row.path)
                yield row


def circles(rows: Sequence[Row]) -> Iterator[Finding]:
    """A finding for every circle of parameters that read each other."""
    needs: Mapping[str, tuple[str, ...]] = {row.path: reads(row) for row in rows}
    reported: set[str] = set()
    for row in rows:
        path = _way_back(row.path, needs)
        if path and row.value is not None and not reported & set(path):
            reported |= set(path)
            around = " → ".join([*path, path[0]])
            yield Finding(
                "circle",
                Severity.ERROR,
                f"'{row.path}' is computed by way of itself: {around}",
                row.value.span,
                "Give one of them a value of its own.",
                row.value.rule,
                tuple(path),
            )


def _way_back(start: str, needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The shortest way from a parameter to itself, or nothing."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for following in needs.get(way[-1], ()):
            if following == start:
                return way
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return []
