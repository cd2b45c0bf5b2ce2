"""Clock skew between hosts: found where a callee's span lies outside its caller's, corrected for display, and told.

A server span is caused by the client span above it, so it cannot begin before it. Where it seems to, its host's clock is
off; the shift that centres the call inside its caller is applied to everything that process reported in that branch.
Method: Jaeger's clock-skew adjustment (jaegertracing/jaeger, clockskew adjuster), 2026.
"""

from dataclasses import dataclass

from runbook_lib.core.records.traces import Span
from runbook_lib.reading.spans import Trace

TOLERANCE_NS = 2_000_000  # two hosts' clocks kept by NTP differ by about as much


@dataclass(frozen=True)
class Timeline:
    """Corrected starts, in nanoseconds by span id, and the shift of each process that needed one (milliseconds, by resource)."""

    starts_ns: dict[str, int]
    shifts_ms: dict[int, float]

    def start_ns(self, span: Span) -> int:
        """The span's start on the common timeline."""
        return self.starts_ns.get(span["id"], span["start_ns"])

    def end_ns(self, span: Span) -> int:
        """The span's end on the common timeline."""
        return self.start_ns(span) + span["end_ns"] - span["start_ns"]


def correct_skew(trace: Trace) -> Timeline:
    """Put every span on one timeline; the root's host keeps the time."""
    starts: dict[str, int] = {}
    shifts: dict[int, float] = {}
    shift_of: dict[str, int] = {}
    pending = [(root, None) for root in trace.roots]
    stack: list[tuple[Span, Span | None]] = list(pending)
    while stack:
        span, parent = stack.pop()
        shift = 0
        if parent is not None:
            inherited = shift_of.get(parent["id"], 0)
            if span["resource"] == parent["resource"]:
                shift = inherited
            else:
                shift = _shift(span, parent, inherited)
                if shift:
                    shifts[span["resource"]] = round(shift / 1e6, 3)
        if shift:
            shift_of[span["id"]] = shift
            starts[span["id"]] = span["start_ns"] + shift
        stack.extend((child, span) for child in trace.children_of(span))
    return Timeline(starts, shifts)


def _shift(callee: Span, caller: Span, callers_shift: int) -> int:
    """Nanoseconds to add to the callee's clock so that it lies within its caller; 0 where it does already."""
    start, end = caller["start_ns"] + callers_shift, caller["end_ns"] + callers_shift
    length, room = callee["end_ns"] - callee["start_ns"], end - start
    if length > room:  # the callee outlived its caller's patience: only its beginning can be judged
        if start - TOLERANCE_NS <= callee["start_ns"] <= end + TOLERANCE_NS:
            return 0
        return start - callee["start_ns"]
    if callee["start_ns"] >= start - TOLERANCE_NS and callee["end_ns"] <= end + TOLERANCE_NS:
        return 0
    return start + (room - length) // 2 - callee["start_ns"]
