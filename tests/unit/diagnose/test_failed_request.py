"""Procedure 01's rules on hand-made evidence: clean, broken, repaired, look-alike, could not look."""

from typing import Any

import pytest
from support.evidence import TraceBuilder, evidence, failed_chat, look, row
from support.verdicts import codes

from runbook_lib.core.model import Status
from runbook_lib.procedures.failed_request.rules import diagnose


def test_a_healthy_request_is_ruled_out() -> None:
    builder = TraceBuilder()
    builder.provider(builder.chat(200), 40, 700)
    conclusion = diagnose(evidence(row(status=200), trace=builder.table()))
    assert str(conclusion.status) == "ruled_out"
    assert not conclusion.not_seen


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"status": 429, "error": "rate_limit_exceeded"}, "rate_limited"),
        ({"status": 429, "error": "insufficient_quota"}, "out_of_credit"),
        (
            {
                "status": 400,
                "error": "invalid_request_error",
                "message": "You have reached your specified API usage limits",
            },
            "out_of_credit",
        ),
        ({"status": 529, "error": "overloaded_error"}, "overloaded"),
        ({"status": 401, "error": "invalid_api_key"}, "key_invalid"),
        ({"status": 404, "error": "model_not_found"}, "model_gone"),
        ({"status": 500, "error": "server_error"}, "down"),
        ({"status": 0, "error": "httpx.ConnectError", "message": "All connection attempts failed"}, "down"),
        ({"status": 0, "error": "httpx.ReadTimeout", "message": "timed out after 4 s"}, "timeout"),
        ({"status": 400, "error": "invalid_request_error", "message": "messages: too long"}, "request_rejected"),
    ],
)
@pytest.mark.parametrize("service_names", ["one", "several"])
def test_a_provider_failure_is_named_by_what_it_says(said: dict[str, Any], code: str, service_names: str) -> None:
    conclusion = diagnose(evidence(row(), trace=failed_chat(**said, service_names=service_names)))
    assert codes(conclusion) == [f"request.provider_failed.{code}"]
    assert conclusion.causes[0].subject == "openai/gpt-4o-mini"
    assert conclusion.causes[0].evidence


def test_a_429_cured_by_a_fallback_is_no_cause_of_the_failure_that_follows() -> None:
    builder = TraceBuilder()
    gateway = builder.chat(500)
    builder.provider(gateway, 40, 100, 429, error="rate_limit_exceeded")
    builder.provider(gateway, 150, 600, 200, provider="anthropic")
    crash = {
        "name": "exception",
        "at_ns": 1,
        "attributes": {"exception.type": "KeyError", "exception.message": "'usage'"},
    }
    builder.spans[4]["events"] = [crash]
    conclusion = diagnose(evidence(row(status=500), trace=builder.table()))
    assert codes(conclusion) == ["request.gateway_failed"]


def test_a_429_cured_by_a_fallback_in_a_good_request_is_no_fault() -> None:
    builder = TraceBuilder()
    gateway = builder.chat(200)
    builder.provider(gateway, 40, 100, 429, error="rate_limit_exceeded")
    builder.provider(gateway, 150, 600, 200, provider="anthropic")
    assert codes(diagnose(evidence(row(status=200), trace=builder.table()))) == []


def test_a_chain_that_failed_throughout_names_every_member_the_first_one_first() -> None:
    builder = TraceBuilder()
    gateway = builder.chat()
    builder.provider(gateway, 40, 100, 429, error="rate_limit_exceeded")
    builder.provider(gateway, 150, 600, 529, provider="anthropic", error="overloaded_error")
    conclusion = diagnose(evidence(row(), trace=builder.table()))
    assert codes(conclusion) == ["request.provider_failed.rate_limited", "request.provider_failed.overloaded"]


def test_clock_skew_between_hosts_does_not_change_the_root() -> None:
    table = failed_chat(status=529, error="overloaded_error")
    for span in table["spans"]:
        if span["resource"] == 2:
            span["start_ns"] -= 7_000_000_000
            span["end_ns"] -= 7_000_000_000
    conclusion = diagnose(evidence(row(), trace=table))
    assert codes(conclusion) == ["request.provider_failed.overloaded"]
    assert [each["part"] for each in conclusion.facts["skew"]] == ["gateway"]


@pytest.mark.parametrize(
    ("code", "message", "sub"),
    [
        ("42501", 'new row violates row-level security policy for table "usage_records"', "rls"),
        ("42501", "permission denied for table usage_records", "grant"),
        ("57014", "canceling statement due to statement timeout", "statement_timeout"),
        ("55P03", "canceling statement due to lock timeout", "lock"),
        ("53300", "sorry, too many clients already", "pool"),
        ("25006", "cannot execute INSERT in a read-only transaction", "read_only"),
        ("PGRST205", "Could not find the table 'public.usage_records' in the schema cache", "schema_cache"),
        ("23505", "duplicate key value violates unique constraint", "constraint"),
        ("42P17", 'infinite recursion detected in policy for relation "memberships"', "rls"),
    ],
)
def test_a_database_failure_is_named_by_its_sqlstate(code: str, message: str, sub: str) -> None:
    builder = TraceBuilder()
    api = builder.add(
        "POST /api/usage", "api", 0, 100, kind="server", attributes={"http.response.status_code": 500}, status="error"
    )
    attributes = {"db.system.name": "postgresql", "db.operation.name": "INSERT", "db.collection.name": "usage_records",
                  "db.response.status_code": code, "error.type": code}  # fmt: skip
    builder.add(
        "INSERT usage_records", "api", 10, 90, api, "client", attributes=attributes, status="error", message=message
    )
    conclusion = diagnose(evidence(row(status=500), trace=builder.table()))
    assert codes(conclusion) == [f"request.db_failed.{sub}"]
    assert conclusion.causes[0].subject == "INSERT usage_records"


@pytest.mark.parametrize("recorded_as", ["event", "attributes"])
@pytest.mark.parametrize(("part", "index"), [("api", 2), ("web", 0)])
def test_a_parts_own_exception_is_named_from_events_and_from_attributes(
    part: str, index: int, recorded_as: str
) -> None:
    builder = TraceBuilder()
    builder.chat(500, 200)
    del builder.spans[index + 1 :]
    said = {"exception.type": "TypeError", "exception.message": "Cannot read properties of undefined"}
    if recorded_as == "event":
        builder.spans[index]["events"] = [{"name": "exception", "at_ns": 1, "attributes": said}]
    else:
        builder.spans[index]["attributes"].update(said)
    conclusion = diagnose(evidence(row(status=500), trace=builder.table()))
    assert codes(conclusion) == [f"request.{part}_failed"]
    assert "TypeError" in conclusion.causes[0].subject


@pytest.mark.parametrize(
    ("error", "message", "sub"),
    [
        ("ECONNREFUSED", "fetch failed: connect ECONNREFUSED 127.0.0.1:8000", "refused"),
        ("ENOTFOUND", "fetch failed: getaddrinfo ENOTFOUND gateway.nexus", "dns"),
        ("ERR_INVALID_URL", "Failed to parse URL from gateway:8000", "wrong_url"),
    ],
)
def test_a_gateway_that_cannot_be_connected_to_is_told_from_one_that_fails(error: str, message: str, sub: str) -> None:
    builder = TraceBuilder()
    builder.chat()
    builder.spans.pop()
    builder.spans[-1]["attributes"] = {"url.full": "http://gateway.test/v1/chat", "error.type": error}
    builder.spans[-1]["message"] = message
    assert codes(diagnose(evidence(row(), trace=builder.table()))) == [f"request.gateway_unreachable.{sub}"]


def test_a_caller_that_gives_up_on_a_callee_that_finishes_is_an_inverted_timeout() -> None:
    builder = TraceBuilder()
    gateway = builder.chat(504, 200)
    builder.spans[3]["attributes"] = {"url.full": "http://gw.test/v1/chat", "error.type": "TimeoutError"}
    builder.spans[3]["status"], builder.spans[3]["end_ns"] = "error", builder.spans[3]["start_ns"] + 100_000_000
    builder.provider(gateway, 40, 700)
    conclusion = diagnose(evidence(row(status=504), trace=builder.table()))
    assert codes(conclusion) == ["request.timeout_inverted"]
    assert conclusion.causes[0].subject == "api → gateway"


def test_a_function_that_the_platform_ended_is_named_from_the_platforms_row() -> None:
    killed = row("api", 504, error="FUNCTION_INVOCATION_TIMEOUT")
    conclusion = diagnose(evidence(row(), killed))
    assert codes(conclusion) == ["request.function_killed.timeout"]
    assert conclusion.not_seen == ()


def test_an_edge_that_refused_needs_no_trace() -> None:
    conclusion = diagnose(evidence(row(status=403, error="FIREWALL_DENIED", trace_id=None)))
    assert codes(conclusion) == ["request.edge_blocked.firewall"]


def test_a_4xx_by_design_is_a_state_and_nothing_is_broken() -> None:
    builder = TraceBuilder()
    builder.chat(400, 200)
    del builder.spans[3:]
    conclusion = diagnose(evidence(row(status=400), row("api", 400), trace=builder.table()))
    assert str(conclusion.status) == "ruled_out"
    assert codes(conclusion) == ["request.rejected"]


def test_a_storm_that_ended_well_is_named_and_the_cured_failures_are_not() -> None:
    builder = TraceBuilder()
    gateway = builder.chat(200)
    for number in range(8):
        builder.provider(gateway, 40 + number * 20, 55 + number * 20, 503, error="server_error")
    builder.provider(gateway, 300, 600, 200)
    conclusion = diagnose(evidence(row(status=200), trace=builder.table()))
    assert codes(conclusion) == ["request.retry_storm"]


def test_retries_with_back_off_are_no_storm() -> None:
    builder = TraceBuilder()
    gateway = builder.chat(200)
    for number, start in enumerate((40, 400, 1200, 2900, 6000)):
        builder.provider(
            gateway, start, start + 20, 503 if number < 4 else 200, **({"error": "server_error"} if number < 4 else {})
        )
    assert codes(diagnose(evidence(row(status=200), trace=builder.table()))) == []


def test_an_error_inside_a_stream_counts_although_every_status_was_200() -> None:
    builder = TraceBuilder()
    gateway = builder.chat(200)
    builder.provider(gateway, 40, 700, 200, error="stream_error", message="overloaded_error in the stream")
    assert codes(diagnose(evidence(row(status=200), trace=builder.table()))) == [
        "request.provider_failed.stream_broken"
    ]


def test_a_slow_request_names_the_span_the_time_went_into() -> None:
    builder = TraceBuilder()
    builder.provider(builder.chat(200), 40, 790)
    builder.spans[-1]["end_ns"] += 9_000_000_000
    for span in builder.spans[:-1]:
        span["end_ns"] += 9_100_000_000
    likes = [
        row(
            status=200,
            request_id=f"r{n}",
            trace_id=None,
            duration_ms=300.0 + n,
            at=f"2026-11-23T08:4{n // 10}:{n % 10:02d}.000Z",
        )
        for n in range(40)
    ]
    conclusion = diagnose(evidence(row(status=200, duration_ms=10_000.0), trace=builder.table(), traffic=likes))
    assert codes(conclusion) == ["request.slow"]
    assert "chat openai" in conclusion.causes[0].subject


def test_a_request_as_fast_as_its_likes_is_not_slow() -> None:
    builder = TraceBuilder()
    builder.provider(builder.chat(200), 40, 700)
    likes = [row(status=200, request_id=f"r{n}", trace_id=None, duration_ms=800.0 + n) for n in range(40)]
    assert codes(diagnose(evidence(row(status=200, duration_ms=900.0), trace=builder.table(), traffic=likes))) == []


def quota(plan: str = "free", status: str = "active", tokens: int = 10) -> tuple[Any, ...]:
    """Looks at an organization's plan, usage and limits."""
    return (
        look("supabase", "billing_customer", {"plan": plan, "status": status}),
        look("supabase", "usage", {"tokens": tokens, "requests": 3, "records": 3}),
        look("team", "plan_limits", {"free": {"tokens": 100_000, "requests": 1000}}),
    )


@pytest.mark.parametrize(("tokens", "sub"), [(100_000, "over_limit"), (99_999, "wrongly")])
def test_a_429_for_the_plan_is_judged_against_the_records(tokens: int, sub: str) -> None:
    builder = TraceBuilder()
    builder.chat(429, 200)
    del builder.spans[3:]
    conclusion = diagnose(evidence(row(status=429), row("api", 429), trace=builder.table(), quota=quota(tokens=tokens)))
    assert codes(conclusion) == [f"request.quota_blocked.{sub}"]


def test_a_403_is_left_open_between_its_twins() -> None:
    builder = TraceBuilder()
    builder.chat(403, 200)
    del builder.spans[3:]
    conclusion = diagnose(evidence(row(status=403), row("api", 403), trace=builder.table()))
    assert str(conclusion.status) == "could_not_tell"
    assert {suspect.code for suspect in conclusion.suspects} == {"request.rejected", "request.db_failed.rls"}


def test_a_client_that_left_is_a_state() -> None:
    builder = TraceBuilder()
    builder.chat(200)
    for span in builder.spans[1:4]:
        span["status"], span["message"] = "error", "AbortError: the client disconnected"
        span["attributes"] = {k: v for k, v in span["attributes"].items() if k != "http.response.status_code"}
    conclusion = diagnose(evidence(row(status=499), trace=builder.table()))
    assert codes(conclusion) == ["request.client_gone"]


def _at(minute: int, second: int) -> str:
    return f"2026-11-23T08:{minute:02d}:{second:02d}.000Z"


def test_neighbours_slowed_by_the_same_trouble_do_not_hide_it() -> None:
    builder = TraceBuilder()
    builder.provider(builder.chat(200), 40, 790)
    for span in builder.spans:
        span["end_ns"] += 9_000_000_000
    before = [row(status=200, request_id=f"b{n}", trace_id=None, duration_ms=300.0, at=_at(40, n)) for n in range(30)]
    during = [row(status=200, request_id=f"d{n}", trace_id=None, duration_ms=9_500.0, at=_at(49, n)) for n in range(30)]
    given = evidence(row(status=200, duration_ms=10_000.0), trace=builder.table(), traffic=[*before, *during])
    assert codes(diagnose(given)) == ["request.slow"]


def test_where_slow_and_quick_answers_always_mix_a_slow_one_is_usual() -> None:
    builder, slow, quick = TraceBuilder(), 3_000.0, 300.0
    builder.provider(builder.chat(200), 40, 790)
    mixed = [
        row(status=200, request_id=f"m{n}", trace_id=None, duration_ms=quick if n % 3 else slow, at=_at(40, n))
        for n in range(45)
    ]
    given = evidence(row(status=200, duration_ms=3_100.0), trace=builder.table(), traffic=mixed)
    assert codes(diagnose(given)) == []


def test_a_request_of_which_pasted_lines_tell_no_time_is_judged_all_the_same() -> None:
    pasted = row(status=None, at=None, method=None, path=None, error="Task timed out after 10.0 seconds")
    conclusion = diagnose(evidence(pasted, trace_status=Status.unreachable))
    assert codes(conclusion) == ["request.function_killed.timeout"]
    assert (conclusion.situation.requests_failed, conclusion.situation.last_seen) == (1, None)
