"""01's second opinions: a statement time-out told from a lock, and a refusal for the plan judged by the records."""

from typing import Any

import pytest
from support.evidence import TraceBuilder, evidence, look, row

from runbook_lib.core.model import Conclusion, Observation, Status
from runbook_lib.procedures.failed_request.rules import diagnose

ORG = "b25f0c7e-0000-4000-8000-000000000001"


def codes(conclusion: Conclusion) -> list[str]:
    return [finding.code for finding in conclusion.causes]


def timed_out(operation: str = "INSERT", table: str = "usage_records") -> dict[str, Any]:
    """A request whose statement ran into the statement time-out."""
    builder = TraceBuilder()
    web = builder.add("POST /chat", "web", 0, 900, kind="server", status="error",
                      attributes={"http.response.status_code": 500, "http.route": "/chat"})  # fmt: skip
    said = {"db.system.name": "postgresql", "db.operation.name": operation, "db.collection.name": table,
            "db.response.status_code": "57014", "http.response.status_code": 500}  # fmt: skip
    builder.add(f"{operation} {table}", "api", 20, 880, web, "client", status="error", attributes=said,
                message="canceling statement due to statement timeout")  # fmt: skip
    return builder.table()


def activity(
    locks: list[dict[str, Any]] | None = None, sessions: list[dict[str, Any]] | None = None, **more: Any
) -> Observation:
    return look(
        "postgres",
        "activity",
        {"sessions": sessions or [], "waiting": [], "blocking": [], "locks": locks or []},
        **more,
    )


def lock(mode: str, table: str = "usage_records", began: str = "2026-11-23T08:40:00.000Z") -> dict[str, Any]:
    return {
        "pid": 77,
        "table": table,
        "mode": mode,
        "role": "postgres",
        "state": "idle in transaction",
        "xact_start": began,
    }


def judge(look_: Observation | None, **statement: str) -> Conclusion:
    return diagnose(evidence(row(status=500), trace=timed_out(**statement), behind=(look_,) if look_ else ()))


class TestAStatementTimeOut:
    def test_is_one_where_nobody_holds_the_table(self) -> None:
        assert codes(judge(activity())) == ["request.db_failed.statement_timeout"]

    def test_is_a_lock_where_a_conflicting_one_is_held_since_before(self) -> None:
        conclusion = judge(activity([lock("ShareLock")]))
        assert codes(conclusion) == ["request.db_failed.lock"]
        assert "pid 77" in conclusion.causes[0].summary

    @pytest.mark.parametrize(
        ("held", "statement"),
        [
            (lock("ShareLock"), {"operation": "SELECT"}),  # keeps out writers, not readers
            (lock("AccessExclusiveLock", table="organizations"), {}),  # another table
            (lock("AccessExclusiveLock", began="2026-11-23T23:00:00.000Z"), {}),  # taken later
            (lock("RowExclusiveLock"), {"operation": "SELECT"}),
        ],
    )
    def test_is_no_lock_where_the_one_that_is_held_does_not_conflict(
        self, held: dict[str, Any], statement: dict[str, str]
    ) -> None:
        assert codes(judge(activity([held]), **statement)) == ["request.db_failed.statement_timeout"]

    def test_is_a_lock_where_others_wait_at_the_same_table_now(self) -> None:
        waiting = {"pid": 5, "blocked_by": [9], "query": 'insert into "public"."usage_records" …'}
        assert codes(judge(activity(sessions=[waiting]))) == ["request.db_failed.lock"]

    def test_stays_open_where_a_writer_of_the_table_has_not_ended(self) -> None:
        conclusion = judge(activity([lock("RowExclusiveLock")]))
        assert str(conclusion.status) == "could_not_tell"
        assert [s.code for s in conclusion.suspects] == [
            "request.db_failed.lock",
            "request.db_failed.statement_timeout",
        ]

    def test_is_only_the_database_s_where_postgres_could_not_be_asked(self) -> None:
        conclusion = judge(look("postgres", "activity", None, Status.unreachable))
        assert codes(conclusion) == ["request.db_failed"]
        assert [gap.source for gap in conclusion.not_seen] == ["postgres"]

    @pytest.mark.parametrize("value", [None, {"sessions": [], "locks": []}])
    def test_is_never_no_lock_by_a_part_of_the_answer(self, value: dict[str, Any] | None) -> None:
        assert codes(judge(look("postgres", "activity", value, Status.partial))) == ["request.db_failed"]


def refused(status: int, *quota: Observation, said: str = "quota: used up") -> Conclusion:
    builder = TraceBuilder()
    builder.add(
        "POST /chat",
        "web",
        0,
        90,
        kind="server",
        attributes={"http.response.status_code": status, "http.route": "/chat"},
    )
    line = {"at": "2026-11-23T08:50:00.050Z", "level": "warn", "message": said, "part": "api", "attributes": {},
            "trace_id": builder.spans[0]["trace"]}  # fmt: skip
    return diagnose(evidence(row(status=status), trace=builder.table(), logs=[line], quota=quota))


def customer(status: str = "active", stripe: str | None = None, plan: str = "free") -> Observation:
    return look(
        "supabase", "billing_customer", {"org_id": ORG, "stripe_customer_id": stripe, "plan": plan, "status": status}
    )


def subscription(status: str | None, seen: Status = Status.ok) -> Observation:
    return look("stripe", "subscription", {"status": status} if status else None, seen)


def usage(tokens: int, records: int = 3, requests: int = 3) -> Observation:
    return look("supabase", "usage", {"tokens": tokens, "requests": requests, "records": records})


LIMITS = look("team", "plan_limits", {"free": {"tokens": 1000, "requests": 100}})


class TestARefusalForThePlan:
    def test_is_right_where_stripe_says_past_due(self) -> None:
        judged = refused(402, customer(stripe="cus_1"), subscription("past_due"))
        assert codes(judged) == ["request.quota_blocked.past_due"]

    def test_is_wrong_where_stripe_says_active(self) -> None:
        judged = refused(402, customer("past_due", stripe="cus_1"), subscription("active"))
        assert codes(judged) == ["request.quota_blocked.wrongly"]

    @pytest.mark.parametrize(
        "seen", [Status.unreachable, Status.denied, Status.timed_out, Status.malformed, Status.empty]
    )
    def test_is_never_wrong_because_stripe_could_not_be_seen(self, seen: Status) -> None:
        judged = refused(402, customer("active", stripe="cus_1"), subscription(None, seen))
        assert codes(judged) == ["request.quota_blocked"]

    def test_is_judged_by_the_database_for_whom_stripe_does_not_know(self) -> None:
        assert codes(refused(402, customer("canceled"))) == ["request.quota_blocked.canceled"]
        assert codes(refused(402, customer("active"))) == ["request.quota_blocked.wrongly"]

    def test_is_right_where_the_records_are_over_the_limit(self) -> None:
        assert codes(refused(429, customer(), usage(1000), LIMITS)) == ["request.quota_blocked.over_limit"]

    def test_is_wrong_where_the_records_are_below_it(self) -> None:
        assert codes(refused(429, customer(), usage(10), LIMITS)) == ["request.quota_blocked.wrongly"]

    def test_is_never_wrong_because_no_record_is_there(self) -> None:
        none = look("supabase", "billing_customer", None, Status.not_found)
        assert codes(refused(429, none, usage(0, 0, 0), LIMITS)) == ["request.quota_blocked"]
        assert codes(refused(429, customer(), usage(0, 0, 0), LIMITS)) == ["request.quota_blocked"]

    def test_is_never_wrong_by_a_part_of_the_records(self) -> None:
        part = look("supabase", "usage", {"tokens": 5, "requests": 1, "records": 1}, Status.partial)
        assert codes(refused(429, customer(), part, LIMITS)) == ["request.quota_blocked"]
