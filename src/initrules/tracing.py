"""What stands around a layer in autograd's graph of one run.

Reshapes and the like are looked through. A known activation module, such as GPT-2's own GELU, counts as one
operation however many it consists of; so does a layer. Only what the graph leaves no doubt of is said.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from initrules.followers import LAYER, NORM, Follower, of_operation, operation

# Operations that pass values on as they are.
_SAME = frozenset(
    {"View", "UnsafeView", "ReshapeAlias", "Transpose", "T", "Permute", "Alias", "Clone", "Unsqueeze", "Squeeze",
     "Expand", "Contiguous", "ToCopy"}
)  # fmt: skip
_CHOICE = "how large it starts is a choice"


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """One call of a module: the numbers of the operations that it made, what they are, and the last of them."""

    start: int
    stop: int
    follower: Follower
    end: Any


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around one call of a layer: see ``readings.Fact``."""

    follower: Follower
    previous: str
    residual: bool
    last: bool


class Trace:
    """The graph of one run, with the calls of layers and activation modules in it."""

    def __init__(self, outputs: Iterable[Tensor], spans: Sequence[Span]) -> None:
        ends = [one.grad_fn for one in outputs if one.grad_fn is not None]
        self._ends = {id(node) for node in ends}
        self._nodes: dict[int, Any] = {}  # keeps them alive, so that identities stay theirs
        self._users: dict[int, list[Any]] = {}
        self._walk(ends)
        self._spans = sorted(spans, key=lambda one: one.start)
        self._starts = [one.start for one in self._spans]
        self._products = {id(node) for node in self._multiplying()}
        self._feeding = self._upstream(self._products)

    def _walk(self, ends: Sequence[Any]) -> None:
        waiting = list(ends)
        while waiting:
            node = waiting.pop()
            if id(node) in self._nodes:
                continue
            self._nodes[id(node)] = node
            for used in _inputs(node):
                self._users.setdefault(id(used), []).append(node)
                waiting.append(used)

    def _multiplying(self) -> Iterator[Any]:
        """The nodes that multiply with a matrix: those of layers, and those that use a parameter of 2 dimensions."""
        for node in self._nodes.values():
            if _parameter(node) is not None and node.variable.ndim > 1:
                yield from (user for user in self._users_behind_reshapes(node) if of_operation(user) is not NORM)
            elif (span := self._span_of(node)) is not None and span.follower is LAYER:
                yield node

    def _users_behind_reshapes(self, node: Any) -> Iterator[Any]:
        waiting = [node]
        while waiting:
            for user in self._using(waiting.pop()):
                if operation(user) in _SAME:
                    waiting.append(user)
                else:
                    yield user

    def _upstream(self, start: Iterable[int]) -> set[int]:
        """Everything that these nodes are computed from."""
        found: set[int] = set()
        waiting = [self._nodes[one] for one in start]
        while waiting:
            for used in _inputs(waiting.pop()):
                if id(used) not in found:
                    found.add(id(used))
                    waiting.append(used)
        return found

    def _using(self, node: Any) -> list[Any]:
        return list({id(one): one for one in self._users.get(id(node), [])}.values())

    def _span_of(self, node: Any) -> Span | None:
        """The call in which a node was made."""
        number = node._sequence_nr()
        at = bisect.bisect_right(self._starts, number) - 1
        return self._spans[at] if at >= 0 and number < self._spans[at].stop else None

    def _span_of_all(self, nodes: Sequence[Any]) -> Span | None:
        found = {self._span_of(node) for node in nodes}
        return found.pop() if len(found) == 1 else None

    def around(self, source: Any, node: Any) -> Around:
        """What stands around a call that got the value of ``source`` and gave the value of ``node``."""
        residual = self._ends_a_branch(node)
        last = id(node) in self._nodes and id(node) not in self._feeding
        follower = self._follower(node)
        if residual and follower is not NORM:
            follower = Follower(follower.name, None, f"it ends a residual branch: {_CHOICE}")
        elif last and follower.gain is not None:
            follower = Follower(follower.name, None, f"it is the last layer: {_CHOICE}")
        return Around(follower, self._name(source), residual, last)

    def _follower(self, node: Any) -> Follower:
        """The one operation, or the one module, that uses a value."""
        while True:
            using = self._using(node)
            span = self._span_of_all(using)
            if id(node) in self._ends:
                also = f", and goes into {_names(using)} too" if using else ""
                return Follower("the output", None, f"its output is the model's{also}: {_CHOICE}")
            if span is not None:
                return self._alone(span.end, span.follower)
            if not using:
                return Follower("nothing", None, "nothing that is returned depends on it")
            if len(using) > 1:
                return Follower("several", None, f"its output goes to {len(using)} consumers: {_names(using)}")
            (user,) = using
            if operation(user) == "Add":
                return Follower("a sum", None, _why_of_sum(user, node))
            if operation(user) not in _SAME:
                return self._alone(user, of_operation(user))
            node = user

    def _alone(self, node: Any, found: Follower) -> Follower:
        """An activation has no gain where its value, or what it gates, is one of several."""
        while found.gain is not None and found is not LAYER:
            using = self._using(node)
            if any(operation(user) == "Mul" and not _by_a_number(user) for user in using):
                why = f"{found.name} gates another signal: their product has no known gain"
                return Follower(found.name, None, why)
            if len(using) != 1:
                break
            (node,) = using
            if operation(node) == "Add" and None not in _raw_inputs(node):
                return Follower(found.name, None, f"{found.name} goes into a sum: {_CHOICE}")
            if operation(node) not in _SAME:
                break
        return found

    def _ends_a_branch(self, node: Any) -> bool:
        """Whether it is added, without another layer between, to something that it was itself computed from."""
        while True:
            using = self._using(node)
            span = self._span_of_all(using)
            if span is not None:
                if span.follower is LAYER:
                    return False
                node = span.end
                continue
            if len(using) != 1 or id(using[0]) in self._products:
                return False
            (user,) = using
            if operation(user) == "Add" and any(_leads(one, node) for one in _inputs(user) if one is not node):
                return True
            node = user

    def _name(self, node: Any) -> str:
        """What a value comes from."""
        node = _without_reshapes(node)
        if node is None:
            return "a constant"
        if operation(node) == "AccumulateGrad":
            return "a parameter" if _parameter(node) is not None else "the input"
        span = self._span_of(node)
        if span is not None:
            return span.follower.name
        return "a sum" if operation(node) == "Add" else of_operation(node).name


def _raw_inputs(node: Any) -> list[Any]:
    return [used for used, _ in node.next_functions]


def _inputs(node: Any) -> list[Any]:
    return [used for used in _raw_inputs(node) if used is not None]


def _without_reshapes(node: Any) -> Any:
    while node is not None and operation(node) in _SAME:
        node = _raw_inputs(node)[0]
    return node


def _parameter(node: Any) -> Tensor | None:
    """The parameter that a leaf of the graph is."""
    variable = node.variable if operation(node) == "AccumulateGrad" else None
    return variable if isinstance(variable, nn.Parameter) else None


def _by_a_number(node: Any) -> bool:
    """Whether a product is one with a constant number."""
    if None not in _raw_inputs(node):
        return False
    factors = [one for one in (node._saved_self, node._saved_other) if one is not None]
    return all(one.ndim == 0 for one in factors)


def _leads(source: Any, node: Any) -> bool:
    """Whether a node was computed from another one."""
    source = _without_reshapes(source)
    if source is None or _parameter(source) is not None:
        return False
    first = -1 if operation(source) == "AccumulateGrad" else source._sequence_nr()
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        now = waiting.pop()
        if now is source:
            return True
        if id(now) not in seen and now._sequence_nr() >= first:  # a node is younger than what it uses
            seen.add(id(now))
            waiting += _inputs(now)
    return False


def _why_of_sum(node: Any, known: Any) -> str:
    others = [one for one in _raw_inputs(node) if one is not known]
    if None in others:
        return "a constant is added to its output"
    if any(_parameter(_without_reshapes(one)) is not None for one in others):
        return "a parameter is added to its output"
    return f"its output goes into a sum: {_CHOICE}"


def _names(using: Sequence[Any]) -> str:
    return ", ".join(sorted(operation(one) for one in using))
