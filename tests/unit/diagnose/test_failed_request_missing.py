"""01 where a trace, a log, or a half of a call is missing: told apart by why, never taken for health."""

from dataclasses import replace
from typing import Any

import pytest
from support.evidence import TRACE_ID, TraceBuilder, evidence, failed_chat, look, row
from support.verdicts import codes

from runbook_lib.core.model import Status
from runbook_lib.procedures.failed_request.rules import diagnose


@pytest.mark.parametrize(
    "status", [Status.unreachable, Status.timed_out, Status.denied, Status.malformed, Status.rate_limited]
)
def test_without_trace_and_logs_it_cannot_tell_and_names_the_sources(status: Status) -> None:
    conclusion = diagnose(evidence(row(), trace_status=status, log_status=status))
    assert str(conclusion.status) == "could_not_tell"
    assert {unseen.source for unseen in conclusion.not_seen} == {"tempo", "railway"}
    assert conclusion.suspects
    assert conclusion.suspects[0].deciding_look


def test_without_a_trace_the_parts_logs_still_name_the_cause() -> None:
    said = {"provider": "openai", "model": "gpt-4o-mini", "status": 429, "code": "rate_limit_exceeded"}
    line = {
        "at": "2026-11-23T08:50:00.100Z",
        "level": "warning",
        "message": "openai failed: rate limit",
        "part": "gateway",
    }
    line = {**line, "trace_id": TRACE_ID, "attributes": said}
    conclusion = diagnose(evidence(row(), trace_status=Status.unreachable, logs=[line]))
    assert codes(conclusion) == ["request.provider_failed.rate_limited"]
    assert [unseen.source for unseen in conclusion.not_seen] == ["tempo"]


def test_a_line_of_another_request_names_nothing() -> None:
    line = {"at": "2026-11-23T08:50:00.100Z", "level": "error", "message": "openai failed", "trace_id": "0" * 31 + "1",
            "part": "gateway", "attributes": {"provider": "openai", "status": 500}}  # fmt: skip
    conclusion = diagnose(evidence(row(), logs=[line]))
    assert str(conclusion.status) == "could_not_tell"
    assert codes(conclusion) == ["trace.not_found.lost"]


@pytest.mark.parametrize(
    ("status", "sub"),
    [(Status.too_recent, "not_yet_ingested"), (Status.out_of_retention, "retention"), (Status.not_found, "lost")],
)
def test_a_missing_trace_is_told_apart_by_why_it_is_missing(status: Status, sub: str) -> None:
    conclusion = diagnose(evidence(row(), trace_status=status))
    assert codes(conclusion) == [f"trace.not_found.{sub}"]


def test_a_request_that_nobody_knows_is_not_found_only_when_everybody_answered() -> None:
    assert codes(diagnose(evidence())) == ["request.not_found"]
    assert codes(diagnose(evidence(trace_status=Status.unreachable))) == []
    assert str(diagnose(evidence(trace_status=Status.unreachable)).status) == "could_not_tell"


def test_a_called_part_without_spans_breaks_the_trace() -> None:
    builder = TraceBuilder()
    builder.chat()
    builder.spans.pop()
    nothing = look("tempo", "window_traces", None, Status.empty)
    conclusion = diagnose(evidence(row(), trace=builder.table(), callee=(nothing,)))
    assert codes(conclusion) == ["trace.broken.exporter_silent"]
    assert conclusion.suspects[0].code == "request.gateway_failed"


def test_an_orphan_trace_of_the_callee_means_lost_propagation_and_only_suspects() -> None:
    builder = TraceBuilder()
    builder.chat()
    orphan = TraceBuilder()
    gateway = builder.spans.pop()
    orphan.spans = [{**gateway, "parent": "", "trace": "f" * 32}]
    orphan.provider(gateway["id"], 40, 700, 529, error="overloaded_error")
    orphan.spans[-1]["trace"] = "f" * 32
    elsewhere = look("tempo", "window_traces", orphan.table())
    conclusion = diagnose(evidence(row(), trace=builder.table(), callee=(elsewhere,)))
    assert codes(conclusion) == ["trace.broken.propagation_lost"]
    assert [suspect.code for suspect in conclusion.suspects] == ["request.provider_failed.overloaded"]


def test_a_callee_that_its_platform_ended_is_named_although_it_left_no_span() -> None:
    builder = TraceBuilder()
    builder.chat(504)
    del builder.spans[2:]
    killed = look(
        "vercel", "request_log", [row("api", 504, trace_id=None, error="FUNCTION_INVOCATION_TIMEOUT")], part="api"
    )
    conclusion = diagnose(evidence(row(status=504), trace=builder.table(), callee=(killed,)))
    assert codes(conclusion) == ["request.function_killed.timeout"]


def test_a_callee_whose_platform_found_nothing_serving_is_unreachable() -> None:
    builder = TraceBuilder()
    builder.chat(502)
    del builder.spans[4:]
    refused = row("gateway", 502, path="/v1/chat", trace_id=None, error="connection refused", platform="railway")
    conclusion = diagnose(
        evidence(row(), trace=builder.table(), callee=(look("railway", "http_log", [refused], part="gateway"),))
    )
    assert codes(conclusion) == ["request.gateway_unreachable.refused"]


def test_a_4xx_that_the_callees_platform_never_saw_came_from_something_else() -> None:
    builder = TraceBuilder()
    builder.chat(502, 404)
    del builder.spans[4:]
    conclusion = diagnose(
        evidence(
            row(), trace=builder.table(), callee=(look("railway", "http_log", None, Status.empty, part="gateway"),)
        )
    )
    assert codes(conclusion) == ["request.gateway_unreachable.wrong_url"]


def test_where_the_platform_tells_no_durations_the_traces_do() -> None:
    builder = TraceBuilder()
    builder.provider(builder.chat(200), 40, 790)
    for span in builder.spans:
        span["end_ns"] += 9_000_000_000
    begun_ns = builder.spans[0]["start_ns"]
    likes = [
        {
            "trace": f"{n:032x}",
            "service": "web",
            "name": "POST /chat",
            "start_ns": begun_ns - (n + 1) * 10**9,
            "duration_ms": 300.0 + n,
            "span_count": 5,
            "error_count": 0,
            "spans": [],
        }
        for n in range(30)
    ]
    summaries = look("tempo", "same_root", likes)
    given = evidence(row(status=200, duration_ms=None), trace=builder.table(), likes=(summaries,))
    assert codes(diagnose(given)) == ["request.slow"]


def cut(table: dict[str, Any]) -> Any:
    """The evidence with a trace of which spans are missing."""
    given = evidence(row(), trace=table)
    return replace(given, traces=tuple(replace(each, status=Status.partial) for each in given.traces))


def test_a_trace_of_which_spans_are_missing_names_suspects_only() -> None:
    conclusion = diagnose(cut(failed_chat(status=529, error="overloaded_error")))
    assert str(conclusion.status) == "could_not_tell"
    assert conclusion.suspects[0].code == "request.provider_failed.overloaded"


def test_what_failed_and_nobody_explains_is_said_of_one_request() -> None:
    builder = TraceBuilder()
    builder.provider(builder.chat(200), 40, 700)
    conclusion = diagnose(evidence(row(status=500), trace=builder.table()))
    assert codes(conclusion) == ["request.unexplained"]
    assert conclusion.suspects[0].deciding_look


def test_a_call_whose_other_half_is_missing_is_said_beside_another_cause() -> None:
    builder = TraceBuilder()
    builder.chat()
    builder.spans.pop()
    failed = {"db.system.name": "postgresql", "db.operation.name": "INSERT", "db.collection.name": "usage_records",
              "db.response.status_code": "23505", "error.type": "23505"}  # fmt: skip
    parent = builder.spans[2]["id"]
    builder.add("INSERT usage_records", "api", 855, 870, parent, "client", attributes=failed, status="error")
    conclusion = diagnose(evidence(row(), trace=builder.table()))
    assert codes(conclusion)[0] == "request.db_failed.constraint"
    assert any("no span of gateway is there" in each.why for each in conclusion.not_seen)


def test_how_long_it_took_must_be_known_for_it_not_to_be_slow() -> None:
    """Vercel's log does not tell; a trace does, or the log of another platform."""
    line = {"at": "2026-11-23T08:50:00.100Z", "level": "info", "message": "POST /v1/chat 200", "part": "gateway",
            "trace_id": TRACE_ID, "attributes": {"status": 200}}  # fmt: skip
    untimed = diagnose(evidence(row(status=200, duration_ms=None), trace_status=Status.unreachable, logs=[line]))
    assert str(untimed.status) == "could_not_tell"
    assert untimed.suspects[0].code == "request.slow"
