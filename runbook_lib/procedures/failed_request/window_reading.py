"""A window of requests, read: its traces judged one by one, its failing rows, what separates them from the healthy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.core.records.traces import SpanTable
from runbook_lib.judging.answers import record_of
from runbook_lib.judging.evidence import Filed
from runbook_lib.reading.contrast import Blame, JudgedTrace, Trait, judge, rank_blame, rank_traits
from runbook_lib.reading.request_rows import (
    LoggedRequest,
    is_failed,
    is_refused,
    kind_of_request,
    kinds_shut_out,
    logged_requests,
)
from runbook_lib.reading.spans import build_traces


@dataclass(frozen=True)
class WindowEvidence(Filed):
    """Everything the procedure saw of a window, by topic.

    request: the platforms' logs · traces: span tables, before: of as long a time before · logs: the parts' lines · traffic: web's
    log once more, later · changes: deployments, variables · behind: database and vendors.
    """

    now: datetime
    window: Window
    route: str = ""
    request: tuple[Observation, ...] = ()
    traces: tuple[Observation, ...] = ()
    before: tuple[Observation, ...] = ()
    logs: tuple[Observation, ...] = ()
    traffic: tuple[Observation, ...] = ()
    changes: tuple[Observation, ...] = ()
    behind: tuple[Observation, ...] = ()

    @property
    def known(self) -> list[LoggedRequest]:
        """Every row of the platforms' logs."""
        return logged_requests((*self.request, *self.traffic))


@dataclass(frozen=True)
class WindowReading:
    """A window, read.

    failing_rows: what the platforms' logs say failed, once each. tables: the ids of the looks that brought traces. may_be_cut: ids
    of traces of which spans may be missing. answered: looks that show a request of the window to have ended well.
    """

    evidence: WindowEvidence
    judged: tuple[JudgedTrace, ...]
    baseline: tuple[JudgedTrace, ...]
    failing_rows: tuple[LoggedRequest, ...]
    traits: tuple[Trait, ...]
    blame: tuple[Blame, ...]
    tables: tuple[str, ...] = field(default=())
    may_be_cut: frozenset[str] = frozenset()
    answered: tuple[str, ...] = ()

    @property
    def failing(self) -> list[JudgedTrace]:
        """The traces that failed."""
        return [each for each in self.judged if each.failed]

    @property
    def good_rows(self) -> list[LoggedRequest]:
        """The rows of the window and the route that ended well, once each."""
        good = [seen for seen in self.evidence.known if is_good(seen.row) and is_asked(self.evidence, seen)]
        return list({(seen.row["part"], seen.row["request_id"]): seen for seen in good}.values())

    @property
    def is_complete(self) -> bool:
        """Whether a trace backend told of every trace of the window that it has, and of one at least."""
        return any(look.status is Status.ok and look.value for look in self.evidence.traces)


def read_window(evidence: WindowEvidence) -> WindowReading:
    """Read the window's traces and rows."""
    judged: dict[str, JudgedTrace] = {}
    may_be_cut: set[str] = set()
    tables = _tables(evidence.traces)
    for look, table in sorted(
        tables, key=lambda pair: pair[0].status is Status.ok
    ):  # what is complete outweighs what may be cut
        is_whole = look.status is Status.ok or table.get("whole", False)
        for trace in build_traces(table):
            judged[trace.id] = judge(trace)
            (may_be_cut.discard if is_whole else may_be_cut.add)(trace.id)
    before = [judge(trace) for _, table in _tables(evidence.before) for trace in build_traces(table)]
    return WindowReading(
        evidence,
        tuple(judged.values()),
        tuple(before),
        tuple(_failing(evidence)),
        tuple(rank_traits(list(judged.values()))),
        tuple(rank_blame(list(judged.values()), before)),
        tuple(look.id for look, _ in tables),
        frozenset(may_be_cut),
        tuple(_answered(evidence, judged.values(), [look for look, _ in tables])),
    )


def _failing(evidence: WindowEvidence) -> list[LoggedRequest]:
    """The rows of the window and the route that failed, or were kept out with most of their kind."""
    shut_out = kinds_shut_out(evidence.known)
    failing = [
        seen
        for seen in evidence.known
        if (is_failed(seen.row) or (is_refused(seen.row) and kind_of_request(seen.row) in shut_out))
        and is_asked(evidence, seen)
    ]
    return list({(seen.row["part"], seen.row["request_id"]): seen for seen in failing}.values())


def _answered(evidence: WindowEvidence, judged: Iterable[JudgedTrace], tables: Sequence[Observation]) -> Iterable[str]:
    """The looks that show a request of the window, and of the route, that ended well."""
    yield from dict.fromkeys(
        seen.observation.id for seen in evidence.known if is_good(seen.row) and is_asked(evidence, seen)
    )
    if not all(each.failed for each in judged):
        yield from (look.id for look in tables)


def is_good(row: RequestRow) -> bool:
    """Whether the platform's log says that a request was answered, and was not refused."""
    return not is_failed(row) and not is_refused(row)


def is_asked(evidence: WindowEvidence, seen: LoggedRequest) -> bool:
    """Whether a row is of the window and of the route."""
    window, route = evidence.window.as_dict(), evidence.route
    is_within = window["since"] <= (seen.row["at"] or "") <= window["until"]
    return is_within and (not route or (seen.row["path"] or "").startswith(route))


def _tables(looks: Sequence[Observation]) -> list[tuple[Observation, SpanTable]]:
    return [(look, table) for look in looks if (table := record_of(look, SpanTable)) is not None]
