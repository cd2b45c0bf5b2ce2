"""What is found in a window that begins before what a source keeps is not all there was: an answer, but no proof of absence."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.loopback import Asked, Loopback, Reply
from support.source_cases import RAILWAY_LINE

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Answer, Observation, Status
from runbook_lib.io.observe import Look
from runbook_lib.sources.kit.asking import answer_with_rows
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.traces import jaeger, tempo, tempo_orgs
from runbook_lib.sources.vercel import logs as vercel

WEEK_H = 168
TRACE = {"traceID": "ab" * 16, "rootServiceName": "web", "rootTraceName": "GET /", "durationMs": 5}
MakeLook = Callable[..., Observation]


def _back(**how_long: float) -> Window:
    now = datetime.now(UTC)  # each test's own: sources count back from when they are asked
    return Window(now - timedelta(**how_long), now)


def _span_of_search(asked: Asked) -> int:
    return int(asked.query["end"][0]) - int(asked.query["start"][0])


@pytest.mark.parametrize(("forgotten", "status"), [("", Status.ok), ("only the last day is kept", Status.partial)])
def test_rows_of_a_forgotten_time_are_not_all_of_them(forgotten: str, status: Status) -> None:
    answer = answer_with_rows([{"n": 1}], False, "rows", lambda: Answer(Status.empty, None, "none"), forgotten)
    assert (answer.status, answer.value, answer.why) == (status, [{"n": 1}], forgotten)


def test_nothing_found_keeps_its_own_meaning() -> None:
    none = Answer(Status.out_of_retention, None, "none")
    assert answer_with_rows([], False, "rows", lambda: none, "only the last day is kept") == none


@pytest.mark.parametrize(("hours", "status"), [(1, Status.ok), (WEEK_H, Status.ok), (WEEK_H + 1, Status.partial)])
def test_railways_lines_prove_nothing_of_the_time_before_they_were_kept(
    hours: float, status: Status, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(200, {"data": {"environmentLogs": [RAILWAY_LINE]}})
    seen = make_look(railway.logs("gateway", _back(hours=hours)))
    assert (seen.status, len(seen.value)) == (status, 1)


def test_one_request_that_was_found_is_found_however_wide_the_window(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(200, {"data": {"environmentLogs": [RAILWAY_LINE]}})
    assert (
        make_look(railway.logs("gateway", _back(days=30), trace_id="4bf92f3577b34da6a3ce929d0e0e4736")).status
        == Status.ok
    )


@pytest.mark.parametrize(
    "look_of",
    [tempo.failed_traces, tempo.llm_calls, tempo_orgs.refused, lambda w: tempo.same_root("GET /", w)],
)
@pytest.mark.parametrize(("retention_h", "status"), [("48", Status.ok), ("24", Status.partial)])
def test_tempos_findings_prove_nothing_of_the_time_before_they_were_kept(
    look_of: Callable[[Window], Look], retention_h: str, status: Status, loopback: Loopback, make_look: MakeLook
) -> None:
    span: dict[str, Any] = {"spanID": "1", "name": "chat", "durationNanos": "5", "attributes": []}
    attributes = {"org_id": "org-1", "http.response.status_code": 429}
    span["attributes"] = [{"key": key, "value": {"stringValue": str(value)}} for key, value in attributes.items()]
    at_ns = str(int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1e9))
    found = {**TRACE, "startTimeUnixNano": at_ns, "spanSets": [{"spans": [{**span, "startTimeUnixNano": at_ns}]}]}

    def answer(asked: Asked) -> Reply:
        if "/api/search" in asked.path:
            return Reply(200, {"traces": [found]})
        return Reply(200, {"trace": {"resourceSpans": []}})

    loopback.answer = answer
    assert make_look(look_of(_back(hours=30)), RUNBOOK_TRACE_RETENTION_H=retention_h).status == status


@pytest.mark.parametrize(("retention_h", "status"), [("48", Status.ok), ("24", Status.partial)])
def test_jaegers_findings_prove_nothing_of_the_time_before_they_were_kept(
    retention_h: str, status: Status, loopback: Loopback, make_look: MakeLook
) -> None:
    at_us = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1e6)
    failed = {
        "traceID": "ab" * 16, "spanID": "cd" * 8, "operationName": "GET /", "startTime": at_us, "duration": 5,
        "processID": "p1", "references": [], "logs": [], "tags": [{"key": "error", "type": "bool", "value": True}],
    }  # fmt: skip
    trace = {"traceID": "ab" * 16, "spans": [failed], "processes": {"p1": {"serviceName": "web", "tags": []}}}

    def answer(asked: Asked) -> Reply:
        if asked.path == "/api/v3/services":
            return Reply(200, {"services": ["web"]})
        return Reply(200, {"data": [trace]}) if asked.path == "/api/traces" else Reply(404, "404 page not found")

    loopback.answer = answer
    seen = make_look(jaeger.failed_traces(_back(hours=30)), RUNBOOK_TRACE_RETENTION_H=retention_h)
    assert (seen.status, len(seen.value["spans"])) == (status, 1)


@pytest.mark.parametrize("days", [7, 10])
def test_tempo_is_never_asked_for_more_than_it_searches_at_once(
    days: float, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(200, {"traces": []})
    seen = make_look(tempo.failed_traces(_back(days=days)))
    assert {_span_of_search(each) for each in loopback.asked} == {WEEK_H * 3600}
    assert seen.status == (Status.empty if days == 7 else Status.partial)


def test_a_request_is_not_absent_from_days_that_tempo_did_not_search(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(200, {"traces": []})
    seen = make_look(tempo.find_request("rw-opaque-id-1", _back(days=10)))
    assert (seen.status, "168 h" in seen.why) == (Status.partial, True)


def test_vercels_rows_prove_nothing_of_the_days_before(loopback: Loopback, make_look: MakeLook) -> None:
    row = {"requestId": "x7k2p-1795396000123-5f0c2a9b7d1e", "timestamp": "2026-11-23T08:00:00.000Z", "statusCode": 200}
    loopback.answer = lambda _: Reply(200, {"rows": [row], "hasMoreRows": False})
    for hours, status in ((1, Status.ok), (24, Status.ok), (72, Status.partial)):
        assert make_look(vercel.request_log("web", _back(hours=hours))).status == status
