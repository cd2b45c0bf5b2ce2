"""01 where the trace does not tell: what the callee's platform, log and silence say, and what logs alone can name."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.evidence import REQUEST_ID, START, TRACE_ID, TraceBuilder, evidence, look, row
from support.verdicts import codes

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.procedures.failed_request.rules import diagnose
from runbook_lib.reading.request_rows import logged_requests


def at(ms: float) -> str:
    return to_iso(START + timedelta(milliseconds=ms))


def severed(status: int = 502, message: str = "", **given: Any) -> TraceBuilder:
    """A chat whose call to the gateway failed between 25 and 850 ms, with no span of the gateway."""
    builder = TraceBuilder()
    server = {"http.response.status_code": 502, "http.request.method": "POST"}
    web = builder.add(
        "POST /chat", "web", 0, 900, kind="server", status="error", attributes={**server, "http.route": "/chat"}
    )
    out = builder.add(
        "fetch",
        "web",
        10,
        890,
        web,
        "client",
        status="error",
        attributes={**server, "url.full": "http://api.test/api/chat"},
    )
    api = builder.add(
        "POST /api/chat",
        "api",
        20,
        880,
        out,
        "server",
        status="error",
        attributes={**server, "http.route": "/api/chat"},
    )
    called: dict[str, Any] = {"http.request.method": "POST", "url.full": "http://gw.test/v1/chat", **given}
    if status:
        called["http.response.status_code"] = status
    builder.add(
        "fetch POST /v1/chat", "api", 25, 850, api, "client", status="error", message=message, attributes=called
    )
    return builder


def gateway_spans(
    *starts_ms: float, parent: str = "f" * 16, path: str = "/v1/chat", status: int = 200
) -> dict[str, Any]:
    """Other requests of the gateway; without parent they began there."""
    builder = TraceBuilder()
    for number, start in enumerate(starts_ms, 1):
        attributes = {"http.response.status_code": status, "http.route": path, "url.path": path}
        builder.add(
            f"POST {path}",
            "gateway",
            start,
            start + 50,
            parent,
            "server",
            trace=f"{number:032x}",
            attributes=attributes,
        )
    return builder.table()


def nearby(table: dict[str, Any] | None) -> Observation:
    return look("tempo", "window_traces", table, Status.ok if table else Status.empty)


def http_log(*found: dict[str, Any], status: Status = Status.ok) -> Observation:
    return look("railway", "http_log", list(found), status, part="gateway")


def gateway_row(ms: float = 40, status: int = 502, path: str = "/v1/chat", **given: Any) -> dict[str, Any]:
    return row("gateway", status, at=at(ms), path=path, platform="railway", trace_id=None, **given)


def line(message: str, part: str = "api", level: str = "error", ms: float = 860, **attributes: Any) -> dict[str, Any]:
    return {
        "at": at(ms),
        "level": level,
        "message": message,
        "trace_id": TRACE_ID,
        "part": part,
        "attributes": attributes,
    }


def test_what_is_no_request_row_is_none() -> None:
    summaries = look("tempo", "find_request", [{"trace": TRACE_ID, "service": "nexuscore"}])
    assert logged_requests([summaries, look("vercel", "request_log", [row()])])[0].row["request_id"] == REQUEST_ID
    assert len(logged_requests([summaries])) == 0


class TestAMissingTrace:
    def test_was_not_sampled_where_its_context_says_so(self) -> None:
        assert codes(diagnose(evidence(row(), sampled=False))) == ["trace.not_found.not_sampled"]

    def test_is_lost_where_it_was_sampled(self) -> None:
        assert codes(diagnose(evidence(row(), sampled=True))) == ["trace.not_found.lost"]

    def test_never_began_where_the_platform_saw_no_context(self) -> None:
        seen = evidence(row(trace_id=None))
        asked = look("tempo", "find_request", None, Status.not_found)
        conclusion = diagnose(replace(seen, request=(*seen.request, asked), traces=()))
        assert codes(conclusion) == ["trace.not_found.no_context"]
        assert asked.id in conclusion.blind[0].evidence


class TestASilentCallee:
    def test_with_traces_of_its_own_lost_its_context(self) -> None:
        callee = (nearby(gateway_spans(40, 60, parent="")), http_log(gateway_row()))
        assert codes(diagnose(evidence(row(), trace=severed().table(), callee=callee))) == [
            "trace.broken.propagation_lost"
        ]

    def test_one_fitting_trace_gives_its_cause_as_a_suspect(self) -> None:
        own = TraceBuilder()
        server = own.add("POST /v1/chat", "gateway", 40, 700, "", "server", trace="a" * 32, status="error",
                         attributes={"http.response.status_code": 502, "http.route": "/v1/chat"})  # fmt: skip
        own.provider(server, 50, 600, 529, error="overloaded_error")
        for span in own.spans:
            span["trace"] = "a" * 32
        conclusion = diagnose(
            evidence(row(), trace=severed().table(), callee=(nearby(own.table()), http_log(gateway_row())))
        )
        assert codes(conclusion) == ["trace.broken.propagation_lost"]
        assert [suspect.code for suspect in conclusion.suspects] == ["request.provider_failed.overloaded"]

    def test_a_trace_that_began_at_another_route_is_not_its(self) -> None:
        callee = (nearby(gateway_spans(40, parent="", path="/")), http_log(gateway_row()))
        assert codes(diagnose(evidence(row(), trace=severed().table(), callee=callee))) == ["trace.broken.sampled"]

    def test_samples_for_itself_where_it_reports_others_and_was_reached(self) -> None:
        callee = (nearby(gateway_spans(-900, 300)), http_log(gateway_row()))
        assert codes(diagnose(evidence(row(), trace=severed().table(), callee=callee))) == ["trace.broken.sampled"]

    def test_was_not_reached_where_its_platform_saw_nothing(self) -> None:
        callee = (nearby(gateway_spans(300)), http_log(gateway_row(1500, 200)))
        told = severed(0, "fetch failed: read ECONNRESET")
        assert codes(diagnose(evidence(row(), trace=told.table(), callee=callee))) == ["trace.broken.not_reached"]

    def test_was_not_reached_where_its_platform_saw_only_others_at_that_time(self) -> None:
        callee = (nearby(gateway_spans(300, 310)), http_log(gateway_row(301, 200), gateway_row(312, 200)))
        told = severed(0, "fetch failed: read ECONNRESET")
        assert codes(diagnose(evidence(row(), trace=told.table(), callee=callee))) == ["trace.broken.not_reached"]

    def test_was_reached_where_its_platform_saw_one_more_than_the_others(self) -> None:
        callee = (nearby(gateway_spans(300)), http_log(gateway_row(301, 200), gateway_row(312, 200)))
        told = severed(0, "fetch failed: read ECONNRESET")
        assert codes(diagnose(evidence(row(), trace=told.table(), callee=callee))) == ["trace.broken.sampled"]

    def test_may_or_may_not_be_reached_where_its_platform_logs_no_requests(self) -> None:
        callee = (nearby(gateway_spans(300)), http_log(status=Status.not_configured))
        told = severed(0, "fetch failed: read ECONNRESET")
        assert codes(diagnose(evidence(row(), trace=told.table(), callee=callee))) == ["trace.broken"]

    def test_that_reported_only_before_is_not_called_silent(self) -> None:
        callee = (nearby(gateway_spans(-900)), http_log(gateway_row()))
        assert codes(diagnose(evidence(row(), trace=severed().table(), callee=callee))) == ["trace.broken"]

    @pytest.mark.parametrize("spans", [gateway_spans(-900), gateway_spans(300), severed().table()])
    def test_of_whose_spans_a_sample_was_read_is_not_told_apart(self, spans: dict[str, Any]) -> None:
        """A search that came back at its limit lacks any of them: the newest, and the one that a platform's row belongs to."""
        sample = replace(nearby(spans), status=Status.partial, why="the limit of 50 traces was reached")
        callee = (sample, http_log(gateway_row(301, 200), gateway_row(312, 200)))
        assert codes(diagnose(evidence(row(), trace=severed().table(), callee=callee))) == ["trace.broken"]

    def test_that_reported_nothing_has_a_silent_exporter(self) -> None:
        callee = (nearby(None), http_log(gateway_row()))
        assert codes(diagnose(evidence(row(), trace=severed().table(), callee=callee))) == [
            "trace.broken.exporter_silent"
        ]

    def test_whose_platform_could_not_hand_the_call_on_was_unreachable(self) -> None:
        callee = (nearby(None), http_log(gateway_row(error="connection refused")))
        conclusion = diagnose(evidence(row(), trace=severed().table(), callee=callee))
        assert codes(conclusion) == ["request.gateway_unreachable.refused"]

    def test_whose_proxy_says_that_nothing_listens_was_unreachable(self) -> None:
        refused = "[PC01] instance refused connection. is your app listening on 0.0.0.0:8000?"
        said = {
            "at": at(60),
            "level": "error",
            "message": refused,
            "part": "gateway",
            "attributes": {"provider": "proxy"},
        }
        callee = (nearby(None), http_log(status=Status.not_configured), look("fly", "logs", [said]))
        assert codes(diagnose(evidence(row(), trace=severed().table(), callee=callee))) == [
            "request.gateway_unreachable.refused"
        ]

    def test_a_proxy_line_of_another_minute_explains_nothing(self) -> None:
        said = {
            "at": at(-60_000),
            "level": "error",
            "message": "[PC01] instance refused connection",
            "part": "gateway",
            "attributes": {},
        }
        callee = (nearby(None), http_log(gateway_row()), look("fly", "logs", [said]))
        assert str(diagnose(evidence(row(), trace=severed().table(), callee=callee)).status) == "could_not_tell"

    def test_that_finished_after_its_caller_gave_up_had_the_longer_time_out(self) -> None:
        gave_up = severed(0, "The operation was aborted due to timeout")
        late = line("POST /v1/chat 200", "gateway", "info", 2200, status=200)
        conclusion = diagnose(evidence(row(504), trace=gave_up.table(), logs=[late], callee=(nearby(None), http_log())))
        assert codes(conclusion) == ["request.timeout_inverted"]

    def test_that_finished_before_its_caller_gave_up_had_not(self) -> None:
        gave_up = severed(0, "The operation was aborted due to timeout")
        early = line("POST /v1/chat 200", "gateway", "info", 300, status=200)
        conclusion = diagnose(
            evidence(row(504), trace=gave_up.table(), logs=[early], callee=(nearby(None), http_log()))
        )
        assert "request.timeout_inverted" not in codes(conclusion)


class TestLogsAlone:
    def test_a_refused_connection_without_a_name_stays_open(self) -> None:
        conclusion = diagnose(evidence(row(), logs=[line("fetch failed: connect ECONNREFUSED 10.0.0.7:443")]))
        assert str(conclusion.status) == "could_not_tell"
        assert {"request.gateway_unreachable.refused", "request.auth_failed.down"} <= {
            s.code for s in conclusion.suspects
        }
        assert all(suspect.deciding_look for suspect in conclusion.suspects)

    @pytest.mark.parametrize(
        ("part", "message", "code"),
        [
            (
                "api",
                "fetch failed: getaddrinfo ENOTFOUND gateway.nexuscore.internal",
                "request.gateway_unreachable.dns",
            ),
            ("api", "fetch failed: getaddrinfo ENOTFOUND api.stripe.com", "request.stripe_failed.down"),
            ("web", "fetch failed: connect ECONNREFUSED 10.0.0.7:443", "request.api_unreachable.refused"),
            ("api", "database failed: permission denied for table memberships", "request.db_failed.grant"),
            (
                "api",
                'database failed: duplicate key value violates unique constraint "m"',
                "request.db_failed.constraint",
            ),
            ("api", 'database failed: relation "public.usage_totals" does not exist', "request.db_failed.schema"),
            (
                "api",
                "database failed: Could not find the table 'public.x' in the schema cache",
                "request.db_failed.schema_cache",
            ),
            (
                "api",
                "database failed: Could not query the database for the schema cache. Retrying.",
                "request.db_failed.down",
            ),
            ("api", "auth failed: Database error querying schema", "request.db_failed.down"),
            ("api", "auth failed: Project paused", "request.db_failed.paused"),
        ],
    )
    def test_a_line_that_names_whom_it_called_is_believed(self, part: str, message: str, code: str) -> None:
        assert codes(diagnose(evidence(row(), logs=[line(message, part)]))) == [code]

    def test_the_gateway_s_platform_tells_why_it_answered_502(self) -> None:
        complaint = line("gateway failed: gateway answered 502", code="502")
        callee = (http_log(gateway_row(800, error="Application failed to respond")),)
        assert codes(diagnose(evidence(row(), logs=[complaint], callee=callee))) == [
            "request.gateway_unreachable.refused"
        ]

    def test_what_its_platform_said_minutes_before_does_not(self) -> None:
        complaint = line("gateway failed: gateway answered 502", code="502")
        callee = (http_log(gateway_row(-90_000, error="Application failed to respond")),)
        assert str(diagnose(evidence(row(), logs=[complaint], callee=callee)).status) == "could_not_tell"

    def test_a_provider_that_failed_behind_a_good_answer_broke_off_in_the_stream(self) -> None:
        failed = line(
            "openai/gpt-4o-mini failed: server error",
            "gateway",
            "warning",
            provider="openai",
            model="gpt-4o-mini",
            status=200,
        )
        conclusion = diagnose(
            evidence(row(status=200), logs=[failed, line("POST /v1/chat 200", "gateway", "info", status=200)])
        )
        assert codes(conclusion) == ["request.provider_failed.stream_broken"]

    def test_a_provider_that_failed_before_another_answered_did_not(self) -> None:
        failed = line(
            "openai/gpt-4o-mini failed", "gateway", "warning", 300, provider="openai", model="gpt-4o-mini", status=429
        )
        cured = line("anthropic/claude answered", "gateway", "info", 700, provider="anthropic", model="claude")
        assert diagnose(evidence(row(status=200), logs=[failed, cured])).causes == ()

    def test_a_time_out_whose_callee_finished_later_was_inverted(self) -> None:
        gave_up = line("The operation was aborted due to timeout", error={"type": "TimeoutError"})
        late = line("POST /v1/chat 200", "gateway", "info", 2200, status=200)
        assert codes(diagnose(evidence(row(status=504), logs=[gave_up, late]))) == ["request.timeout_inverted"]
