"""How the spans of a trace stand to each other: TraceQL's structural operators and nested sets."""

from collections.abc import Iterable
from typing import NamedTuple

from runbook_lib.sandbox.store.model import Span, Trace

_INVERSE = {">": "<", "<": ">", ">>": "<<", "<<": ">>", "~": "~"}


class NestedSet(NamedTuple):
    """Tempo's numbering: parent is -1 for a root, all are 0 for a span that hangs on no root."""

    left: int
    right: int
    parent: int


def related(
    trace: Trace, operator: str, left: list[Span], right: list[Span], *, negated: bool, union: bool
) -> list[Span]:
    """Spans of `right` that stand in the relation to some span of `left`.

    `operator`: > child, >> descendant, < parent, << ancestor, ~ sibling. `negated`: those that do not. `union`: also the
    spans of `left` that have such a partner.
    """
    if negated:
        matched = {id(span) for span in _matching(trace, operator, left, right)}
        return [span for span in right if id(span) not in matched]
    found = _matching(trace, operator, left, right)
    return merged(_matching(trace, _INVERSE[operator], right, left), found) if union else found


def merged(first: Iterable[Span], second: Iterable[Span]) -> list[Span]:
    """Both, each span once."""
    return list({id(span): span for span in (*first, *second)}.values())


def nested_sets(trace: Trace) -> dict[int, NestedSet]:
    """The nested set of each span, by its `id()`. Kept on the trace: it is asked for span by span."""
    known: dict[int, NestedSet] | None = trace.__dict__.get("_nested_sets")
    if known is None:
        known = trace.__dict__["_nested_sets"] = _number(trace)
    return known


def _matching(trace: Trace, operator: str, left: list[Span], right: list[Span]) -> list[Span]:
    chosen = {id(span) for span in left}
    if operator == ">":
        return [span for span in right if id(trace.parent(span)) in chosen]
    if operator == "<":
        parents = {id(parent) for span in left if (parent := trace.parent(span))}
        return [span for span in right if id(span) in parents]
    if operator == ">>":
        below = _below(trace, chosen)
        return [span for span in right if id(span) in below]
    if operator == "<<":
        above = _above(trace, left)
        return [span for span in right if id(span) in above]
    by_parent: dict[bytes, set[int]] = {}
    for span in left:
        if span.parent_id:
            by_parent.setdefault(span.parent_id, set()).add(id(span))
    return [span for span in right if by_parent.get(span.parent_id, set()) - {id(span)}]


def _below(trace: Trace, chosen: set[int]) -> set[int]:
    """Every span with an ancestor among the chosen."""
    found: set[int] = set()
    todo = [span for span in trace.spans if id(span) in chosen]
    while todo:
        for child in trace.children.get(todo.pop().span_id, ()):
            if id(child) not in found:
                found.add(id(child))
                todo.append(child)
    return found


def _above(trace: Trace, spans: list[Span]) -> set[int]:
    """Every ancestor of the spans."""
    found: set[int] = set()
    for span in spans:
        parent = trace.parent(span)
        while parent is not None and id(parent) not in found:
            found.add(id(parent))
            parent = trace.parent(parent)
    return found


def _number(trace: Trace) -> dict[int, NestedSet]:
    numbers = dict.fromkeys(map(id, trace.spans), NestedSet(0, 0, 0))
    lefts: dict[int, tuple[int, int]] = {}
    count = 0
    todo: list[tuple[Span, int, bool]] = [(s, -1, False) for s in reversed(trace.spans) if not s.parent_id]
    while todo:
        span, parent, done = todo.pop()
        if done:
            count += 1
            left, of = lefts[id(span)]
            numbers[id(span)] = NestedSet(left, count, of)
        elif id(span) not in lefts:
            count += 1
            lefts[id(span)] = (count, parent)
            todo.append((span, parent, True))
            todo.extend((child, count, False) for child in reversed(trace.children.get(span.span_id, [])))
    return numbers
