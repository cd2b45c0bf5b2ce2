"""Requests as the platforms' logs tell them: which is the one asked for, what the platform itself did to it, who else failed."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from runbook_lib.core.clock import from_epoch_s, from_iso, to_iso
from runbook_lib.core.model import Observation, Situation
from runbook_lib.core.percentile import percentile
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.core.records.traces import TraceSummary
from runbook_lib.judging.answers import rows_of

REQUEST_LOGS = ("request_log", "http_log")  # the looks that bring rows of requests
_PART_DEPTH = {"web": 0, "api": 1, "gateway": 2}


@dataclass(frozen=True)
class LoggedRequest:
    """A row and the observation that brought it."""

    row: RequestRow
    observation: Observation


@dataclass(frozen=True)
class PlatformVerdict:
    """What the platform itself did to a request: the cause's code, and its words."""

    code: str
    what: str


def logged_requests(observations: Iterable[Observation]) -> list[LoggedRequest]:
    """Every row of the request logs among the looks."""
    return [
        LoggedRequest(row, observation)
        for observation in observations
        if observation.call in REQUEST_LOGS
        for row in rows_of(observation, RequestRow)
    ]


def rows_of_request(seen: Sequence[LoggedRequest], *, request_id: str = "", trace_id: str = "") -> list[LoggedRequest]:
    """The rows of one request through all parts, the outermost part first."""
    found = [
        each
        for each in seen
        if (request_id and each.row["request_id"] == request_id) or (trace_id and each.row["trace_id"] == trace_id)
    ]
    unique = {(each.row["part"], each.row["request_id"]): each for each in found}
    return sorted(unique.values(), key=lambda each: (_PART_DEPTH.get(each.row["part"], 9), each.row["at"] or ""))


def is_failed(row: RequestRow) -> bool:
    """Whether the platform's log says that the request failed: a 5xx, or no reply at all."""
    status = row["status"]
    return status is None or status <= 0 or status >= 500


def is_refused(row: RequestRow) -> bool:
    """Whether the answer was a 4xx; 499 means that the client was gone."""
    status = row["status"]
    return status is not None and 400 <= status < 500 and status != 499


def platform_verdict(row: RequestRow) -> PlatformVerdict | None:
    """What the platform did to the request itself, or None where it only passed it on."""
    words = f"{row['error'] or ''} {' '.join(line['message'] for line in row['logs'])}"
    status = row["status"]
    if re.search(r"FUNCTION_INVOCATION_TIMEOUT|Task timed out after|Runtime Timeout", words):
        return PlatformVerdict("request.function_killed.timeout", "the platform ended the function at its time limit")
    if re.search(
        r"out of memory|\bOOM\b|memory limit|more memory than|ERR_WORKER_OUT_OF_MEMORY", words, re.I
    ) and is_failed(row):
        return PlatformVerdict("request.function_killed.memory", "the platform ended the function for its memory")
    if re.search(r"FIREWALL|WAF|challenge|DENIED_BY_RULE|BOT_|_DENIED\b", words) and status in (401, 403, 429):
        return PlatformVerdict(
            "request.edge_blocked.firewall", "the platform's firewall refused it before the function"
        )
    if re.search(r"PROTECT(?:ION|ED)|AUTHENTICATION_REQUIRED|\bSSO\b", words, re.I) and status in (401, 403, 302, 307):
        return PlatformVerdict(
            "request.edge_blocked.protection", "deployment protection refused it before the function"
        )
    if re.search(
        r"FUNCTION_INVOCATION_FAILED|FUNCTION_THROTTLED|NO_RESPONSE_FROM_FUNCTION|EDGE_FUNCTION_INVOCATION_FAILED",
        words,
    ) or (status is not None and status <= 0):
        return PlatformVerdict("request.function_killed.no_reply", "the function died without a reply")
    return None


def kind_of_request(row: RequestRow) -> tuple[str, str]:
    """Part, method and path of a request, ids folded."""
    return row["part"], _shape(row)


def kinds_shut_out(seen: Sequence[LoggedRequest], minimum: int = 3) -> set[tuple[str, str]]:
    """The kinds of request of which the platform itself refused at least half since it first refused one.

    That is no firewall keeping a few bots away.
    """
    kinds: dict[tuple[str, str], list[bool]] = {}
    for row in rows_like(seen, None):  # in order of time
        verdict = platform_verdict(row) if is_refused(row) else None
        refused = verdict is not None and verdict.code.startswith("request.edge_blocked")
        if refused or kind_of_request(row) in kinds:
            kinds.setdefault(kind_of_request(row), []).append(refused)
    return {kind for kind, refused in kinds.items() if sum(refused) >= max(minimum, len(refused) / 2)}


def describe_row(row: RequestRow) -> str:
    """`POST /chat → 502 at 09:14:02Z`, for a sentence."""
    status = row["status"]
    shown = "no reply" if status is None or status <= 0 else str(status)
    return f"{row['method'] or ''} {row['path'] or ''} → {shown} at {row['at'] or ''}".strip()


def rows_like(seen: Sequence[LoggedRequest], like: RequestRow | None) -> list[RequestRow]:
    """The rows of the same part, method and path, once each, in order of time; every row where `like` is None."""
    rows = {(each.row["part"], each.row["request_id"]): each.row for each in seen}
    return sorted(
        (row for row in rows.values() if like is None or kind_of_request(row) == kind_of_request(like)),
        key=lambda row: row["at"] or "",
    )


def situation_of(
    seen: Sequence[LoggedRequest], like: RequestRow | None, now: datetime, orgs: set[str] | None
) -> Situation:
    """Whether it goes on, since when, and how many: from the rows of the same part and path.

    A failure followed by three or more good answers and no further failure is over. The onset is only told where a good
    answer stands before the first failure; otherwise it may have begun before the window.

    Args:
        like: the request; its likes count, and where it was refused, those that were refused alike. None counts all.
        orgs: the organizations that the failing requests were for; None where that could not be told.
    """
    same = rows_like(seen, like)
    refused = like["status"] if like is not None and is_refused(like) else None
    fails = [row for row in same if is_failed(row) or (refused is not None and row["status"] == refused)]
    if not fails:
        return Situation(ongoing=False if same else None, requests_failed=0 if same else None)
    affected = len(orgs) if orgs is not None else None
    failed_at = [row["at"] for row in fails if row["at"]]
    if not failed_at:  # pasted lines may not tell when
        return Situation(requests_failed=len(fails), orgs_affected=affected)
    times = [row["at"] for row in same if row["at"]]
    good_after = sum(1 for at in times if at > failed_at[-1])
    is_old = now - from_iso(failed_at[-1]) > timedelta(minutes=10)
    return Situation(
        ongoing=False if good_after >= 3 else None if is_old and not good_after else True,
        onset=failed_at[0] if any(at < failed_at[0] for at in times) else None,
        last_seen=failed_at[-1],
        requests_failed=len(fails),
        orgs_affected=affected,
    )


def describe_situation(situation: Situation) -> str:
    """Whether it goes on, how many failed alike and since when, in a sentence."""
    going = {True: "It is still going on", False: "It is not going on", None: "Whether it goes on cannot be told"}
    count, onset = situation.requests_failed or 0, situation.onset or "a time that cannot be told"
    return f"{going[situation.ongoing]}; {count} requests failed alike, the first at {onset}."


def baseline_p95_ms(seen: Sequence[LoggedRequest], like: RequestRow, minimum: int = 8) -> float | None:
    """The p95 of the healthy likes of a request from before its own trouble began; None with fewer than `minimum` of them.

    An incident slows its neighbours too, so the streak of slow ones that leads up to the request is left out: going back
    in time, it lasts as long as half of the last ten took more than half as long as the request. Where slow and quick
    answers always mix, there is no such streak, and the slow ones count as usual.
    """
    took = like["duration_ms"] or 0.0
    earlier = [
        row["duration_ms"]
        for row in rows_like(seen, like)
        if not is_failed(row)
        and row["request_id"] != like["request_id"]
        and row["duration_ms"] is not None
        and (row["at"] or "") <= (like["at"] or "")
    ]
    end = len(earlier)
    while end and 2 * sum(value > took / 2 for value in earlier[max(0, end - 10) : end]) >= min(10, end):
        end -= 1
    edge = max(0, end - 10)  # where the trouble began, its first few stand among quick ones
    durations = [*earlier[:edge], *(value for value in earlier[edge:end] if end == len(earlier) or value <= took / 2)]
    return percentile(durations, 95) if len(durations) >= minimum else None


def traces_as_rows(observations: Iterable[Observation], like: RequestRow) -> list[LoggedRequest]:
    """Traces that begin like a request's, as rows of its kind, for platforms whose log does not tell how long a request took.

    A trace with an error in it counts as failed, for what it took says nothing of a healthy one.
    """
    return [
        LoggedRequest(_row_of_trace(summary, like), observation)
        for observation in observations
        for summary in rows_of(observation, TraceSummary)
        if summary["trace"] != like["trace_id"]
    ]


def _row_of_trace(summary: TraceSummary, like: RequestRow) -> RequestRow:
    """A trace as a request of the same kind as another."""
    return RequestRow(
        request_id=summary["trace"],
        at=to_iso(from_epoch_s(summary["start_ns"] / 1e9)),
        method=like["method"],
        path=like["path"],
        host=None,
        status=500 if summary["error_count"] else 200,
        duration_ms=summary["duration_ms"],
        trace_id=summary["trace"],
        deployment_id=None,
        error=None,
        region=None,
        part=like["part"],
        platform=like["platform"],
        logs=[],
    )


def iso_before(moment: datetime, hours: float) -> str:
    """ISO text of so many hours before a moment."""
    return to_iso(moment - timedelta(hours=hours))


def _shape(row: RequestRow) -> str:
    """Method and path with ids folded, so that /orgs/17 and /orgs/18 are one operation."""
    return f"{row['method'] or ''} {_folded(row['path'] or '')}"


@lru_cache(maxsize=4096)
def _folded(path: str) -> str:
    return re.sub(r"/(?:\d+|[0-9a-f-]{16,})(?=/|$)", "/:id", path.split("?")[0])
