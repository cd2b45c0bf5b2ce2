"""The root of a failed trace: the deepest, earliest failure that nothing made good, in causal order.

A failure is carried from the span that shows it up through its ancestors. It ends where something made it good: a later
attempt at the same thing that succeeded, or a caller that answered well all the same. What reaches the top is unrecovered.
An answer that began well and then broke off under its caller's eyes was no good answer: what failed beneath it counts.
Order comes from the tree (a child's failure precedes its parent's), never from comparing the clocks of two hosts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from runbook_lib.core.records.traces import Span
from runbook_lib.reading.parts import callee_of
from runbook_lib.reading.spans import Fault, Trace, fault, http_status


class Fate(StrEnum):
    """What became of a failure."""

    unrecovered = "unrecovered"
    cured = "cured"  # a later attempt at the same thing succeeded
    swallowed = "swallowed"  # the caller answered well without it


@dataclass(frozen=True)
class Failure:
    """A span on which something went wrong, with no failed span beneath it that explains it."""

    span: Span
    fault: Fault
    fate: Fate = Fate.unrecovered

    @property
    def in_stream(self) -> bool:
        """The answer had begun well (2xx) when it broke."""
        return self.fault.http_status is not None and 200 <= self.fault.http_status < 300


def find_failures(trace: Trace) -> list[Failure]:
    """Every root failure of the trace: the unrecovered ones first, the one that explains the symptom first of all.

    Returns:
        Failures; empty where no span says that anything went wrong.
    """
    faults = {span["id"]: found for span in trace.spans if (found := fault(span)) is not None}
    if not faults:
        return []
    carried: dict[str, list[Failure]] = {}
    passed_over: dict[str, list[Failure]] = {}
    top: list[Failure] = []
    made_good: list[Failure] = []
    order = _deepest_first(trace, faults)
    wanted = {span["id"] for span in order}
    for span in order:
        below = carried.pop(span["id"], [])
        swallowed = passed_over.pop(span["id"], [])
        own = faults.get(span["id"])
        if own is not None and not below:
            broke_off = swallowed and own.http_status is not None and 200 <= own.http_status < 300
            below, swallowed = (swallowed, []) if broke_off else ([Failure(span, own)], swallowed)
        elif own is None and below and _answered_well(span):
            swallowed = swallowed + [failure for failure in below if not failure.in_stream]
            below = [failure for failure in below if failure.in_stream]
        if swallowed:
            above = trace.parent_of(span)
            if above is not None and above["id"] in wanted:
                passed_over.setdefault(above["id"], []).extend(swallowed)
            else:
                made_good += [Failure(f.span, f.fault, Fate.swallowed) for f in swallowed]
        if not below:
            continue
        parent = trace.parent_of(span)
        if parent is None:
            top += below
        elif _cured_later(span, trace.children_of(parent)):
            made_good += [Failure(f.span, f.fault, Fate.cured) for f in below]
        else:
            carried.setdefault(parent["id"], []).extend(below)
    return _explaining_first(trace, top) + sorted(made_good, key=lambda failure: failure.span["start_ns"])


def _deepest_first(trace: Trace, faults: dict[str, Fault]) -> list[Span]:
    """The failed spans and all their ancestors, children before parents; siblings in order of start."""
    depth: dict[str, int] = {}
    for span_id in faults:
        path = [trace.by_id[span_id]]
        for ancestor in trace.ancestors(path[0]):
            path.append(ancestor)
            if ancestor["id"] in depth:
                break
        base = depth.get(path[-1]["id"], 0)
        for steps, span in enumerate(reversed(path)):
            depth.setdefault(span["id"], base + steps)
    return sorted((trace.by_id[span_id] for span_id in depth), key=lambda span: (-depth[span["id"]], span["start_ns"]))


def _answered_well(span: Span) -> bool:
    """Whether a span without fault of its own is a call or a request that ended well; an internal span says neither."""
    if span["status"] == "ok":
        return True
    status = http_status(span)
    if status is not None:
        return status < 400
    return span["kind"] in ("client", "server")


def _cured_later(failed: Span, siblings: Sequence[Span]) -> bool:
    """Whether a later sibling tried the same thing and succeeded: the same call again, or another provider."""
    wanted = operation(failed)
    return any(
        sibling["start_ns"] >= failed["end_ns"] - 1_000_000
        and sibling["id"] != failed["id"]
        and operation(sibling) == wanted
        and fault(sibling) is None
        for sibling in siblings
    )


def operation(span: Span) -> tuple[str, str]:
    """What a span tries to do, so that two attempts at it can be known as such. All providers serve the same purpose."""
    callee = callee_of(span)
    if callee is None:
        return "own", span["name"]
    kind, name = callee
    if kind == "provider":
        return "provider", ""
    return kind, f"{name} {span['name']}"


def _explaining_first(trace: Trace, failures: list[Failure]) -> list[Failure]:
    """Unrecovered failures in the order in which they explain the symptom.

    Attempts at one thing keep their order: the first one began it. Of two different things done one after the other, the
    handler survived the first, so the later one explains the symptom. Of two done side by side, the first to end does.
    """
    ordered: list[Failure] = []
    for failure in sorted(failures, key=lambda each: each.span["end_ns"]):
        place = len(ordered)
        for index, other in enumerate(ordered):
            if _survived(trace, other, failure):
                place = index
                break
        ordered.insert(place, failure)
    return ordered


def _survived(trace: Trace, earlier: Failure, later: Failure) -> bool:
    """Whether the handler that saw `earlier` fail went on and began the thing that then failed as `later`."""
    ancestors = {ancestor["id"] for ancestor in trace.ancestors(earlier.span)}
    branch = later.span
    for ancestor in trace.ancestors(later.span):
        if ancestor["id"] in ancestors:
            break
        branch = ancestor
    else:
        return False
    common = trace.parent_of(branch)
    earlier_branch = earlier.span
    for ancestor in trace.ancestors(earlier.span):
        if common is not None and ancestor["id"] == common["id"]:
            break
        earlier_branch = ancestor
    sequential = branch["start_ns"] >= earlier_branch["end_ns"] - 1_000_000
    if not sequential or operation(branch) == operation(earlier_branch):
        return False
    told = fault(common) if common is not None else None
    blamed = bool(told and earlier.fault.message and earlier.fault.message in told.text)
    return not blamed
