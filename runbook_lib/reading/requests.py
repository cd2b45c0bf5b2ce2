"""Requests as the platforms' logs tell them: which row is the one asked for, what the platform itself did to it, who else failed.

A row is the normalised form that the platform sources return: request_id, at, method, path, status, duration_ms, trace_id,
deployment_id, error, part, platform, logs. A status of -1, 0 or None means that no reply was sent.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from runbook_lib.core.clock import from_epoch_s, from_iso, to_iso
from runbook_lib.core.model import Observation, Situation
from runbook_lib.core.percentile import percentile

Row = Mapping[str, Any]

_PART_DEPTH = {"web": 0, "api": 1, "gateway": 2}


@dataclass(frozen=True)
class Seen:
    """A row and the observation that brought it."""

    row: Row
    observation: Observation


@dataclass(frozen=True)
class PlatformVerdict:
    """What the platform itself did to a request: the cause's code, and its words."""

    code: str
    what: str


def rows_of(observations: Iterable[Observation]) -> list[Seen]:
    """Every row of the request-log looks that brought any; what else came as a list (traces, log lines) has no method."""
    return [
        Seen(row, observation)
        for observation in observations
        if observation.status.has_content and isinstance(observation.value, list)
        for row in observation.value
        if "method" in row
    ]


def rows_for(seen: Sequence[Seen], *, request_id: str = "", trace_id: str = "") -> list[Seen]:
    """The rows of one request through all parts, the outermost part first."""
    found = [
        each
        for each in seen
        if (request_id and each.row.get("request_id") == request_id)
        or (trace_id and each.row.get("trace_id") == trace_id)
    ]
    unique = {(each.row.get("part"), each.row.get("request_id")): each for each in found}
    return sorted(
        unique.values(), key=lambda each: (_PART_DEPTH.get(str(each.row.get("part")), 9), str(each.row.get("at")))
    )


def is_failed(row: Row) -> bool:
    """Whether the platform's log says that the request failed: a 5xx, or no reply at all."""
    status = row.get("status")
    return status is None or status <= 0 or status >= 500


def is_refused(row: Row) -> bool:
    """Whether the answer was a 4xx; 499 means that the client was gone."""
    status = row.get("status")
    return status is not None and 400 <= status < 500 and status != 499


def platform_verdict(row: Row) -> PlatformVerdict | None:
    """What the platform did to the request itself, or None where it only passed it on."""
    words = f"{row.get('error') or ''} {' '.join(str(line.get('message', '')) for line in row.get('logs') or ())}"
    status = row.get("status")
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


def kind_of(row: Row) -> tuple[str, str]:
    """Part, method and path of a request, ids folded."""
    return str(row.get("part")), _shape(row)


def mostly_shut_out(seen: Sequence[Seen], minimum: int = 3) -> set[tuple[str, str]]:
    """The kinds of request of which the platform itself refused at least half since it first refused one.

    That is no firewall keeping a few bots away.
    """
    kinds: dict[tuple[str, str], list[bool]] = {}
    for row in alike(seen, None):  # in order of time
        verdict = platform_verdict(row) if is_refused(row) else None
        refused = verdict is not None and verdict.code.startswith("request.edge_blocked")
        if refused or kind_of(row) in kinds:
            kinds.setdefault(kind_of(row), []).append(refused)
    return {kind for kind, refused in kinds.items() if sum(refused) >= max(minimum, len(refused) / 2)}


def describe_row(row: Row) -> str:
    """`POST /chat → 502 at 09:14:02Z`, for a sentence."""
    status = row.get("status")
    shown = "no reply" if status is None or status <= 0 else str(status)
    return f"{row.get('method', '')} {row.get('path', '')} → {shown} at {row.get('at', '')}".strip()


def alike(seen: Sequence[Seen], like: Row | None) -> list[Row]:
    """The rows of the same part, method and path, once each, in order of time; every row where `like` is None."""
    rows = {(each.row.get("part"), each.row.get("request_id")): each.row for each in seen}
    return sorted(
        (
            row
            for row in rows.values()
            if like is None or (row.get("part"), _shape(row)) == (like.get("part"), _shape(like))
        ),
        key=lambda row: str(row.get("at")),
    )


def situation_of(seen: Sequence[Seen], like: Row | None, now: datetime, orgs: set[str] | None) -> Situation:
    """Whether it goes on, since when, and how many: from the rows of the same part and path.

    A failure followed by three or more good answers and no further failure is over. The onset is only told where a good
    answer stands before the first failure; otherwise it may have begun before the window.

    Args:
        like: the request; its likes count, and where it was refused, those that were refused alike. None counts all.
        orgs: the organizations that the failing requests were for; None where that could not be told.
    """
    same = alike(seen, like)
    refused = like.get("status") if like is not None and is_refused(like) else None
    fails = [row for row in same if is_failed(row) or (refused is not None and row.get("status") == refused)]
    if not fails:
        return Situation(ongoing=False if same else None, requests_failed=0 if same else None)
    first, last = fails[0], fails[-1]
    good_after = sum(1 for row in same if str(row.get("at")) > str(last.get("at")))
    good_before = any(str(row.get("at")) < str(first.get("at")) for row in same)
    is_old = now - from_iso(str(last["at"])) > timedelta(minutes=10)
    ongoing = False if good_after >= 3 else None if is_old and not good_after else True
    return Situation(
        ongoing=ongoing,
        onset=str(first["at"]) if good_before else None,
        last_seen=str(last["at"]),
        requests_failed=len(fails),
        orgs_affected=len(orgs) if orgs is not None else None,
    )


def describe_situation(situation: Situation) -> str:
    """Whether it goes on, how many failed alike and since when, in a sentence."""
    going = {True: "It is still going on", False: "It is not going on", None: "Whether it goes on cannot be told"}
    count, onset = situation.requests_failed or 0, situation.onset or "a time that cannot be told"
    return f"{going[situation.ongoing]}; {count} requests failed alike, the first at {onset}."


def baseline_p95_ms(seen: Sequence[Seen], like: Row, minimum: int = 8) -> float | None:
    """The p95 of the healthy likes of a request from before its own trouble began; None with fewer than `minimum` of them.

    An incident slows its neighbours too, so the streak of slow ones that leads up to the request is left out: going back
    in time, it lasts as long as half of the last ten took more than half as long as the request. Where slow and quick
    answers always mix, there is no such streak, and the slow ones count as usual.
    """
    took = float(like.get("duration_ms") or 0)
    earlier = [
        float(row["duration_ms"])
        for row in alike(seen, like)
        if not is_failed(row)
        and row.get("request_id") != like.get("request_id")
        and row.get("duration_ms") is not None
        and str(row.get("at")) <= str(like.get("at"))
    ]
    end = len(earlier)
    while end and 2 * sum(value > took / 2 for value in earlier[max(0, end - 10) : end]) >= min(10, end):
        end -= 1
    edge = max(0, end - 10)  # where the trouble began, its first few stand among quick ones
    durations = [*earlier[:edge], *(value for value in earlier[edge:end] if end == len(earlier) or value <= took / 2)]
    return percentile(durations, 95) if len(durations) >= minimum else None


def likes_as_rows(observations: Iterable[Observation], like: Row) -> list[Seen]:
    """Traces that begin like a request's, as rows of its kind, for platforms whose log does not tell how long a request took.

    A trace with an error in it counts as failed, for what it took says nothing of a healthy one.
    """
    return [
        Seen(
            {
                **{name: like.get(name) for name in ("part", "platform", "method", "path")},
                "request_id": summary["trace"],
                "trace_id": summary["trace"],
                "at": to_iso(from_epoch_s(int(summary["start_ns"]) / 1e9)),
                "status": 500 if summary.get("error_count") else 200,
                "duration_ms": summary["duration_ms"],
            },
            observation,
        )
        for observation in observations
        if observation.status.has_content and isinstance(observation.value, list)
        for summary in observation.value
        if summary["trace"] != like.get("trace_id")
    ]


def since_iso(moment: datetime, hours: float) -> str:
    """ISO text of so many hours before a moment."""
    return to_iso(moment - timedelta(hours=hours))


def _shape(row: Row) -> str:
    """Method and path with ids folded, so that /orgs/17 and /orgs/18 are one operation."""
    return f"{row.get('method', '')} {_folded(str(row.get('path', '')))}"


@lru_cache(maxsize=4096)
def _folded(path: str) -> str:
    return re.sub(r"/(?:\d+|[0-9a-f-]{16,})(?=/|$)", "/:id", path.split("?")[0])
