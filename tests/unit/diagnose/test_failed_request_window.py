"""01 about many requests: what failed stays in the verdict, and nobody who saw nothing says that nothing failed."""

from datetime import timedelta
from typing import Any

import pytest
from support.evidence import START, TRACE_ID, TraceBuilder, row, window
from support.verdicts import codes

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Conclusion, Status
from runbook_lib.procedures.failed_request.window import diagnose_window


def at(ms: float) -> str:
    return to_iso(START + timedelta(milliseconds=ms))


def good(count: int = 3, **given: Any) -> list[dict[str, Any]]:
    return [row(status=200, request_id=f"g{n}", trace_id=None, at=at(n), **given) for n in range(count)]


def bad(count: int = 2, status: int = 502, **given: Any) -> list[dict[str, Any]]:
    return [
        row(status=status, request_id=f"b{n}", trace_id=f"{n + 1:032x}", at=at(100 + n), **given) for n in range(count)
    ]


def traces(count: int, status: int = 502, *, provider: bool = True, without_gateway: bool = False) -> dict[str, Any]:
    """So many chats; of a failing one the provider is overloaded, or nobody says what is wrong."""
    tables = []
    for number in range(count):
        builder = TraceBuilder()
        gateway = builder.chat(status)
        if provider:
            failed = {"error": "overloaded_error"} if status >= 500 else {}
            builder.provider(gateway, 40, 700, 529 if status >= 500 else 200, **failed)
        if without_gateway:
            builder.spans = [span for span in builder.spans if span["resource"] != 2]
        for span in builder.spans:
            span["id"], span["parent"] = f"{number}-{span['id']}", span["parent"] and f"{number}-{span['parent']}"
            span["trace"] = f"{number + 1:032x}"
        tables.append(builder.table())
    return {"resources": tables[0]["resources"], "spans": [span for table in tables for span in table["spans"]]}


class TestWhatFailedAndIsExplainedByNothing:
    def test_forty_failing_traces_alone_are_never_a_healthy_window(self) -> None:
        conclusion = diagnose_window(
            window(
                table=traces(40, provider=False),
                front=Status.not_configured,
                log_status=Status.not_configured,
            )
        )
        assert codes(conclusion) == ["request.unexplained"]
        assert "40 failing requests" in conclusion.blind[0].summary
        assert conclusion.suspects[0].deciding_look

    def test_a_call_whose_other_half_is_missing_is_said(self) -> None:
        conclusion = diagnose_window(window(*good(), table=traces(2, without_gateway=True, provider=False)))
        assert codes(conclusion) == ["request.unexplained"]
        assert "gateway was called, and no span of it is there" in conclusion.blind[0].summary

    def test_a_failing_row_without_trace_or_line_is_said(self) -> None:
        conclusion = diagnose_window(window(*good(), *bad()))
        assert codes(conclusion) == ["request.unexplained"]
        assert "2 failing requests" in conclusion.blind[0].summary

    def test_it_is_said_beside_a_cause_that_explains_others(self) -> None:
        conclusion = diagnose_window(window(*good(), *bad(4), table=traces(2)))
        assert codes(conclusion) == ["request.provider_failed.overloaded"]
        (left,) = conclusion.not_seen
        assert "2 more requests failed" in left.why

    def test_it_is_not_said_of_what_is_explained(self) -> None:
        conclusion = diagnose_window(window(*good(), *bad(2), table=traces(2)))
        assert codes(conclusion) == ["request.provider_failed.overloaded"]
        assert conclusion.not_seen == ()


class TestThatNothingHappened:
    def test_is_told_by_good_requests_where_every_part_was_heard(self) -> None:
        assert str(diagnose_window(window(*good())).status) == "ruled_out"
        assert str(diagnose_window(window(*good(), table=traces(3, 200))).status) == "ruled_out"

    def test_is_never_told_by_a_window_without_a_request(self) -> None:
        conclusion = diagnose_window(window())
        assert str(conclusion.status) == "could_not_tell"
        assert conclusion.suspects[0].deciding_look

    def test_is_never_told_by_an_empty_trace_backend_alone(self) -> None:
        conclusion = diagnose_window(window(front=Status.not_configured, log_status=Status.not_configured))
        assert str(conclusion.status) == "could_not_tell"

    def test_is_never_told_by_good_traces_alone(self) -> None:
        """A function that the platform ended, or an edge that refused, leaves no span."""
        conclusion = diagnose_window(
            window(table=traces(3, 200), front=Status.not_configured, log_status=Status.not_configured)
        )
        assert str(conclusion.status) == "could_not_tell"
        assert {each.code for each in conclusion.coverage if each.state == "excluded"} >= {"request.api_failed"}

    def test_is_never_told_where_a_part_is_silent_in_traces_and_logs(self) -> None:
        silent = traces(3, 200, without_gateway=True, provider=False)
        conclusion = diagnose_window(window(*good(), table=silent, log_status=Status.not_configured))
        assert str(conclusion.status) == "could_not_tell"

    @pytest.mark.parametrize("status", [Status.unreachable, Status.denied, Status.too_recent, Status.partial])
    def test_is_never_told_without_the_platform_s_log(self, status: Status) -> None:
        assert str(diagnose_window(window(table=traces(3, 200), front=status)).status) == "could_not_tell"


class TestATableOfWhichSpansAreMissing:
    def test_names_suspects_only(self) -> None:
        conclusion = diagnose_window(window(*good(), table=traces(2), trace_status=Status.partial))
        assert str(conclusion.status) == "could_not_tell"
        assert "request.provider_failed.overloaded" in {each.code for each in conclusion.suspects}

    def test_names_the_cause_where_only_other_traces_are_missing(self) -> None:
        table = {**traces(2), "whole": True}
        conclusion = diagnose_window(window(*good(), table=table, trace_status=Status.partial))
        assert codes(conclusion) == ["request.provider_failed.overloaded"]


class TestLinesAlone:
    @staticmethod
    def line(message: str, level: str = "error", **attributes: Any) -> dict[str, Any]:
        told = {"at": at(50), "level": level, "message": message, "part": "gateway", "trace_id": TRACE_ID}
        return {**told, "attributes": attributes}

    def test_a_provider_that_broke_off_behind_a_good_answer_is_named(self) -> None:
        failed = self.line("openai failed", provider="openai", model="gpt-4o-mini", status=200)
        conclusion = diagnose_window(window(*good(), row(status=200, at=at(40)), lines=[failed]))
        assert codes(conclusion) == ["request.provider_failed.stream_broken"]

    def test_a_provider_whose_failure_was_made_good_is_not(self) -> None:
        failed = self.line("openai failed", provider="openai", model="gpt-4o-mini", status=429)
        cured = self.line("anthropic answered", "info", provider="anthropic", model="claude")
        conclusion = diagnose_window(window(*good(), row(status=200, at=at(40)), lines=[failed, cured]))
        assert str(conclusion.status) == "ruled_out"

    def test_a_cut_log_names_suspects_only(self) -> None:
        failed = self.line("openai failed", provider="openai", model="gpt-4o-mini", status=529)
        given = window(*good(), row(at=at(40)), lines=[failed], log_status=Status.partial)
        conclusion = diagnose_window(given)
        assert str(conclusion.status) == "could_not_tell"
        assert conclusion.suspects[0].code == "request.provider_failed.overloaded"

    def test_a_connection_error_that_names_nobody_gives_its_suspects(self) -> None:
        failed = {**self.line("fetch failed: connect ECONNREFUSED 10.0.0.7:443"), "part": "api"}
        conclusion = diagnose_window(window(*good(), row(at=at(40)), lines=[failed]))
        assert {"request.gateway_unreachable.refused", "request.auth_failed.down"} <= {
            each.code for each in conclusion.suspects
        }


class TestAWindowTurnedAwayByThePlatform:
    @staticmethod
    def of(refused: int, served: int, *, bots_first: int = 0) -> Conclusion:
        blocked = {"error": "FIREWALL_DENIED"}
        found = [row(status=403, request_id=f"b{n}", at=at(n), **blocked) for n in range(bots_first)]
        found += [row(status=200, request_id=f"s{n}", at=at(1000 + n)) for n in range(served)]
        found += [row(status=403, request_id=f"r{n}", at=at(2000 + n), **blocked) for n in range(refused)]
        return diagnose_window(window(*found))

    def test_is_confirmed_where_most_are_refused_since_it_began(self) -> None:
        assert codes(self.of(refused=6, served=40)) == ["request.edge_blocked.firewall"]

    def test_is_no_fault_where_a_few_bots_are(self) -> None:
        assert str(self.of(refused=3, served=40, bots_first=2).status) == "ruled_out"


class TestAWindowOfOneRoute:
    """Without a request of the route there is nothing to judge."""

    @staticmethod
    def of(route: str, *found: dict[str, Any], **more: Any) -> Conclusion:
        return diagnose_window(window(*found, route=route, **more))

    def test_that_nobody_called_is_no_healthy_one(self) -> None:
        judged = self.of("/api/caht", row(status=200, path="/api/chat"))
        assert (str(judged.status), [each.code for each in judged.blind]) == ("could_not_tell", ["request.not_found"])
        assert judged.suspects[0].subject == "/api/caht"
        assert "spells it" in judged.suspects[0].deciding_look

    def test_that_was_called_and_answered_is_healthy(self) -> None:
        assert str(self.of("/api", row(status=200, path="/api/chat")).status) == "ruled_out"

    def test_that_was_called_and_failed_is_not_unknown(self) -> None:
        assert codes(self.of("/api/chat", row(status=502, path="/api/chat"))) == ["request.unexplained"]

    def test_is_not_called_unused_by_who_could_not_look(self) -> None:
        judged = self.of("/api/caht", row(status=200, path="/api/chat"), trace_status=Status.unreachable)
        assert (str(judged.status), judged.blind) == ("could_not_tell", ())

    def test_is_not_called_unused_by_an_empty_trace_backend(self) -> None:
        judged = self.of("/api/caht", front=Status.not_configured)
        assert (str(judged.status), judged.blind) == ("could_not_tell", ())
