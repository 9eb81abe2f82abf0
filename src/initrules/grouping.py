"""Groups repeated layers exactly: ``h.{0..29}.attn.c_proj.weight`` for thirty parameters.

Parameters that are decided alike are gathered by the numbers in their names. A group is printed as
a pattern that matches exactly its members: each set of numbers is a full product, or it is split.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from initrules.decision import Row
from initrules.pattern import MAX_PATTERN, MAX_RANGE

_NUMBER = re.compile(r"(?<![0-9])(?:0|[1-9][0-9]{0,8})(?![0-9])")
_SPECIAL = re.compile(r"[*?\[\]{}<>,]|^re:")  # what a glob would not take literally

_Numbers = tuple[int, ...]
_Product = Sequence[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that are decided alike, and the pattern that matches exactly their names.

    ``also``: for parameters with several names, what stands in place of the part before the shared
    module.
    """

    pattern: str
    rows: tuple[Row, ...]
    also: tuple[str, ...] = ()

    @property
    def first(self) -> Row:
        """A row that speaks for all."""
        return self.rows[0]


def group(
    rows: Sequence[Row], *, apart: Collection[str] = (), look: Callable[[Row], Hashable] | None = None
) -> tuple[Group, ...]:
    """The rows in groups, in the order of their first members; those named in ``apart`` among themselves.

    ``look``: what members have in common, by default all that a table shows of them.
    """
    alike: dict[Any, list[Row]] = {}
    for row in rows:
        alike.setdefault((row.path in apart, (look or _signature)(row)), []).append(row)
    found = [
        Group(pattern, tuple(members), _also(members))
        for same in alike.values()
        for pattern, members in _merged(_compressed({row.path: row for row in same}))
    ]
    position = {row.path: index for index, row in enumerate(rows)}
    return tuple(sorted(found, key=lambda one: position[one.first.path]))


def _signature(row: Row) -> Any:
    decided = tuple(
        (prop, d.rule, d.summary, d.fans, tuple(loser.rule for loser in d.losers))
        for prop, d in sorted(row.decisions.items())
    )
    p = row.parameter
    return p.shape, p.dtype, p.buffer, p.requires_grad, p.parametrized, decided, tuple(_prefixes(row))


def _compressed(rows: dict[str, Row]) -> list[tuple[str, list[Row]]]:
    templates: dict[tuple[str, ...], dict[_Numbers, Row]] = {}
    for path, row in rows.items():
        numbers = tuple(int(text) for text in _NUMBER.findall(path))
        templates.setdefault(tuple(_NUMBER.split(path)), {})[numbers] = row
    found = []
    for template, members in templates.items():
        for product in (short for one in products(list(members)) for short in _short(template, one)):
            chosen = [members[numbers] for numbers in sorted(members) if _within(numbers, product)]
            found.append((_pattern(template, product), chosen))
    return found


def _short(template: Sequence[str], product: _Product) -> Iterator[_Product]:
    """A product in pieces whose patterns are not longer than a pattern may be."""
    widest = max(range(len(product)), key=lambda place: len(product[place]), default=0)
    if len(_pattern(template, product)) <= MAX_PATTERN or not product or len(product[widest]) == 1:
        yield product
        return
    numbers = product[widest]
    for half in (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]):
        yield from _short(template, (*product[:widest], half, *product[widest + 1 :]))


_Patterns = list[tuple[str, list[Row]]]


def _merged(found: _Patterns) -> _Patterns:
    """Join patterns that differ in one segment only: ``{actor,critic}.0.weight``."""
    place = 0
    while place < max((len(segments(pattern)) for pattern, _ in found), default=0):
        joined: dict[tuple[str, ...], list[tuple[str, list[Row]]]] = {}
        for pattern, rows in found:
            parts = segments(pattern)
            mergeable = place < len(parts) and not pattern.startswith("re:")
            key = (*parts[:place], "\0", *parts[place + 1 :]) if mergeable else (pattern,)
            joined.setdefault(key, []).append((parts[place] if mergeable else pattern, rows))
        found = [one for key, members in joined.items() for one in _joined(key, members)]
        place += 1
    return found


def _joined(key: tuple[str, ...], members: _Patterns) -> _Patterns:
    """One pattern, or several where one would be longer than a pattern may be."""
    whole = _join(key, members)
    if len(members) == 1 or len(whole[0]) <= MAX_PATTERN:
        return [whole]
    middle = len(members) // 2
    return [*_joined(key, members[:middle]), *_joined(key, members[middle:])]


def _join(key: tuple[str, ...], members: _Patterns) -> tuple[str, list[Row]]:
    names = [name for name, _ in members]
    choice = names[0] if len(names) == 1 else f"{{{','.join(names)}}}"
    return ".".join(choice if part == "\0" else part for part in key) if "\0" in key else choice, [
        row for _, rows in members for row in rows
    ]


def segments(pattern: str) -> list[str]:
    """The segments of a printed pattern: split on the dots outside braces."""
    found, depth, start = [], 0, 0
    for at, char in enumerate(pattern):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "." and depth == 0:
            found.append(pattern[start:at])
            start = at + 1
    return [*found, pattern[start:]]


def _within(numbers: _Numbers, product: Sequence[tuple[int, ...]]) -> bool:
    return all(number in allowed for number, allowed in zip(numbers, product, strict=True))


def products(tuples: Sequence[_Numbers]) -> list[tuple[tuple[int, ...], ...]]:
    """A set of number tuples as a disjoint union of full products of sets."""
    if not tuples or not tuples[0]:
        return [()] if tuples else []
    rests: dict[int, list[_Numbers]] = {}
    for first, *rest in tuples:
        rests.setdefault(first, []).append(tuple(rest))
    firsts: dict[frozenset[_Numbers], list[int]] = {}
    for first, rest_of in rests.items():
        firsts.setdefault(frozenset(rest_of), []).append(first)
    return [
        (tuple(sorted(heads)), *product) for rest_set, heads in firsts.items() for product in products(sorted(rest_set))
    ]


def _pattern(template: Sequence[str], product: _Product) -> str:
    if any(_SPECIAL.search(piece) or not piece.isprintable() for piece in template):
        pieces = [_escaped(piece) for piece in template]
        choices = [f"(?:{'|'.join(map(str, some))})" if len(some) > 1 else str(some[0]) for some in product]
        return "re:" + "".join(piece + choice for piece, choice in zip(pieces, [*choices, ""], strict=True))
    choices = [numbers_text(numbers) for numbers in product]
    return "".join(piece + choice for piece, choice in zip(template, [*choices, ""], strict=True))


def _escaped(piece: str) -> str:
    return "".join(re.escape(char) if char.isprintable() else f"\\x{{{ord(char):x}}}" for char in piece)


def numbers_text(numbers: Sequence[int]) -> str:
    """``7``, ``{0,2,4}``, ``{0..29}`` or ``{0,{4..9}}``: a glob for a sorted set of numbers."""
    if len(numbers) == 1:
        return str(numbers[0])
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1 and len(runs[-1]) <= MAX_RANGE:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{{{run[0]}..{run[-1]}}}" if len(run) > 2 else ",".join(map(str, run)) for run in runs]
    return parts[0] if len(runs) == 1 and len(runs[0]) > 2 else f"{{{','.join(parts)}}}"


def _also(rows: Sequence[Row]) -> tuple[str, ...]:
    """The other places of a shared parameter, as what stands before the part they have in common."""
    return tuple(_prefixes(rows[0])) if len(rows[0].parameter.names) > 1 else ()


def _prefixes(row: Row) -> list[str]:
    first = row.path.split(".")
    found = []
    for name in row.parameter.names[1:]:
        other = name.path.split(".")
        common = 0
        while common < min(len(first), len(other)) - 1 and first[-1 - common] == other[-1 - common]:
            common += 1
        found.append(_NUMBER.sub("#", ".".join(other[: len(other) - common])))
    return found
