"""Time passes in a sandbox: what happened so far becomes older."""

from datetime import timedelta

from runbook_lib.sandbox.system import System


def make_older(system: System, by_s: float) -> None:
    """Move every request, log line and span so far into the past by so many seconds."""
    shift, shift_ns = timedelta(seconds=by_s), int(by_s * 1e9)
    for row in system.world.requests:
        row.at -= shift
    for line in system.world.logs:
        line.at -= shift
    spans = [span for trace in system.store.traces() for span in trace.spans]
    system.store.forget()
    for span in spans:
        span.start_ns -= shift_ns
        span.end_ns -= shift_ns
        for event in span.events:
            event.time_ns -= shift_ns
    system.store.add(spans)
