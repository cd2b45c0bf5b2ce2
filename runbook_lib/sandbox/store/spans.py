"""The sandbox's span store: in memory, bounded, with the two habits of a real backend that mislead people.

A span can be seen only some time after it was taken in (ingest delay), and a trace is gone some time after it ended
(retention). Both may be changed while the store is in use, which is how a fault is made.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.sandbox.store.model import Span, Trace

MAX_SPANS = 400_000
_SWEEP_EVERY_NS = 5_000_000_000


@dataclass
class Access:
    """What a reader must show. Empty values ask for nothing; `tenant` is compared with X-Scope-OrgID."""

    tenant: str = ""
    bearer: str = ""
    user: str = ""
    password: str = ""


@dataclass(slots=True, eq=False)
class _Row:
    """One stored trace: spans in order of arrival, when each arrived, and the view made last."""

    spans: list[Span] = field(default_factory=list)
    arrivals_ns: list[int] = field(default_factory=list)
    end_ns: int = 0
    view: Trace | None = None


class Store:
    """Spans of all traces. May be used from several threads.

    `condensed` is history that metrics count and nobody looks at span by span, by start: one span a trace, whose `count`
    says how many it stands for. `has_monitor`: Jaeger has a metrics store. `ingest_delay_s` and `retention_s` may be set
    at any time; the next read obeys. `tempo_access` and `jaeger_access` say what the two query APIs ask of a reader.
    """

    def __init__(
        self, *, now: Callable[[], datetime], retention_s: float, ingest_delay_s: float, max_spans: int
    ) -> None:
        self.now = now
        self.retention_s = retention_s
        self.ingest_delay_s = ingest_delay_s
        self.max_spans = max_spans
        self.tempo_access = Access()
        self.jaeger_access = Access()
        self.condensed: list[Trace] = []
        self.has_monitor = False
        self._rows: dict[bytes, _Row] = {}
        self._count = 0
        self._last_arrival_ns = 0
        self._swept_ns = 0
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """The store's clock in nanoseconds since the epoch."""
        return int(self.now().timestamp() * 1_000_000) * 1000

    def add(self, spans: Iterable[Span]) -> int:
        """Take spans in; returns how many. When the store is full, the traces that began to arrive first are dropped."""
        now_ns = self.now_ns()
        with self._lock:
            # Arrival never runs backwards, even if the clock does: visibility is found by bisection.
            arrived_ns = self._last_arrival_ns = max(now_ns, self._last_arrival_ns)
            added = 0
            for span in spans:
                row = self._rows.get(span.trace_id)
                if row is None:
                    row = self._rows[span.trace_id] = _Row()
                row.spans.append(span)
                row.arrivals_ns.append(arrived_ns)
                row.end_ns = max(row.end_ns, span.end_ns)
                added += 1
            self._count += added
            if now_ns - self._swept_ns >= _SWEEP_EVERY_NS:
                self._swept_ns = now_ns
                self._drop_expired(now_ns)
            while self._count > self.max_spans and len(self._rows) > 1:
                self._drop(next(iter(self._rows)))
        return added

    def trace(self, trace_id: bytes) -> Trace | None:
        """The visible part of one trace, or None when nothing of it can be seen."""
        now_ns = self.now_ns()
        with self._lock:
            row = self._rows.get(trace_id)
            if row is None or row.end_ns < self._oldest_ns(now_ns):
                return None
            return self._view(trace_id, row, self._newest_arrival_ns(now_ns))

    def traces(self, start_ns: int | None = None, end_ns: int | None = None) -> list[Trace]:
        """Visible traces that overlap the window (None: unbounded), the one that began to arrive first, first."""
        now_ns = self.now_ns()
        found = []
        with self._lock:
            self._drop_expired(now_ns)
            newest_arrival_ns = self._newest_arrival_ns(now_ns)
            for trace_id, row in self._rows.items():
                if start_ns is not None and row.end_ns < start_ns:
                    continue
                view = self._view(trace_id, row, newest_arrival_ns)
                if view is None or (start_ns is not None and view.end_ns < start_ns):
                    continue
                if end_ns is None or view.start_ns <= end_ns:
                    found.append(view)
        return found

    def counted_traces(self, start_ns: int | None = None, end_ns: int | None = None) -> list[Trace]:
        """What metrics count: the traces of the window, and the condensed ones that began in it."""
        oldest_ns = self._oldest_ns(self.now_ns())
        first_ns = oldest_ns if start_ns is None else max(start_ns, oldest_ns)
        first = bisect_left(self.condensed, first_ns, key=lambda trace: trace.start_ns)
        last = len(self.condensed)
        if end_ns is not None:
            last = bisect_right(self.condensed, end_ns, key=lambda trace: trace.start_ns)
        return [*self.traces(start_ns, end_ns), *self.condensed[first:last]]

    def forget(self, trace_id: bytes | str | None = None) -> int:
        """Drop one trace (bytes or hex), or everything; returns how many spans went."""
        key = bytes.fromhex(trace_id.rjust(32, "0")) if isinstance(trace_id, str) else trace_id
        with self._lock:
            before = self._count
            if key is None:
                self.condensed = []
                self._rows.clear()
                self._count = 0
            elif key in self._rows:
                self._drop(key)
            return before - self._count

    @property
    def span_count(self) -> int:
        """Spans held, visible or not."""
        return self._count

    def _newest_arrival_ns(self, now_ns: int) -> int | None:
        """Spans that arrived later than this cannot be seen yet. None: no delay, all can, whatever the clock does."""
        return now_ns - int(self.ingest_delay_s * 1e9) if self.ingest_delay_s > 0 else None

    def _oldest_ns(self, now_ns: int) -> int:
        return now_ns - int(self.retention_s * 1e9)

    def _view(self, trace_id: bytes, row: _Row, newest_arrival_ns: int | None) -> Trace | None:
        count = len(row.spans)
        if newest_arrival_ns is not None:
            count = bisect_right(row.arrivals_ns, newest_arrival_ns)
        if not count:
            return None
        if row.view is None or len(row.view.spans) != count:
            row.view = Trace(trace_id, tuple(row.spans[:count]))
        return row.view

    def _drop_expired(self, now_ns: int) -> None:
        oldest_ns = self._oldest_ns(now_ns)
        for trace_id in [key for key, row in self._rows.items() if row.end_ns < oldest_ns]:
            self._drop(trace_id)

    def _drop(self, trace_id: bytes) -> None:
        self._count -= len(self._rows.pop(trace_id).spans)


def create_store(
    *,
    now: Callable[[], datetime],
    retention_s: float = 336 * 3600,
    ingest_delay_s: float = 0,
    max_spans: int = MAX_SPANS,
) -> Store:
    """An empty store. Spans are visible `ingest_delay_s` after arrival, a trace is gone `retention_s` after its last end."""
    return Store(now=now, retention_s=retention_s, ingest_delay_s=ingest_delay_s, max_spans=max_spans)
