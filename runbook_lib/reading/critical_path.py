"""Where the time of a request went: its critical path, and the self time of each span on it.

Walking back from the root's end, the child that finished last is what the parent waited for; time in no such child is the
span's own. Spans that ran beside the path cost the request nothing, however long they took.
Method: critical path through a trace as described by Eaton et al., "Critical path analysis of large-scale systems" (CRISP, 2022).
"""

from dataclasses import dataclass

from runbook_lib.core.records.traces import Span
from runbook_lib.reading.skew import Timeline
from runbook_lib.reading.spans import Trace


@dataclass(frozen=True)
class PathSpan:
    """A span on the critical path and the milliseconds that were its own, not a child's on the path."""

    span: Span
    self_ms: float


def critical_path(trace: Trace, timeline: Timeline, root: Span) -> list[PathSpan]:
    """The critical path from `root` down, in the order in which it was walked; self times add up to the root's duration."""
    path: list[PathSpan] = []
    stack = [(root, timeline.start_ns(root), timeline.end_ns(root))]
    while stack:
        span, begin, end = stack.pop()
        own_ns, edge = 0, end
        for child in sorted(trace.children_of(span), key=timeline.end_ns, reverse=True):
            child_end = min(timeline.end_ns(child), edge)
            child_start = max(timeline.start_ns(child), begin)
            if child_start >= child_end:
                continue
            own_ns += edge - child_end
            stack.append((child, child_start, child_end))
            edge = child_start
        own_ns += max(0, edge - begin)
        path.append(PathSpan(span, round(own_ns / 1e6, 3)))
    return path
