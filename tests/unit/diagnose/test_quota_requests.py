"""05 on who was served and refused: by traces, by the platform's log, and where neither tells."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.evidence import look
from support.quota import NOW, ORG, request
from support.quota_broken import (
    CLEAN,
    DAY,
    OK_RUN,
    codes,
    judged,
    log_of,
    logged,
)

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Status, VerdictStatus
from runbook_lib.procedures.quota_enforcement.evidence import Evidence
from runbook_lib.procedures.quota_enforcement.verdict import diagnose


def test_logs_stand_in_for_traces() -> None:
    blind = CLEAN.but(statuses={"of_org": Status.unreachable}, everybody=1)
    said = judged(blind.but(log=log_of(logged(200))))
    assert (said.status, codes(said)) == (VerdictStatus.ruled_out, ["quota.within_limits"])
    assert "of_org" in {each.call for each in said.not_seen}
    said = judged(blind.but(log=log_of(logged(200), logged(429))))
    assert said.status == VerdictStatus.could_not_tell
    assert said.suspects[0].code == "quota.blocked_wrongly"


def test_a_log_that_holds_nothing_at_all_is_no_witness_and_the_reports_own_run_shows_that_it_would() -> None:
    blind = CLEAN.but(statuses={"of_org": Status.unreachable}, log=log_of())
    assert judged(blind).status == VerdictStatus.could_not_tell
    assert codes(judged(blind.but(runs=[OK_RUN]))) == ["quota.within_limits"]


def test_a_line_with_the_organization_in_it_tells_whom_a_refusal_was_for() -> None:
    def lines(org: str) -> tuple[Any, ...]:
        line = {"at": to_iso(NOW), "attributes": {"org_id": org, "code": "quota_exceeded"}}
        return (look("railway", "logs", [line]), *log_of(logged(429)))

    blind = CLEAN.but(statuses={"of_org": Status.not_configured})
    assert codes(judged(blind.but(log=lines(ORG)))) == ["quota.blocked_wrongly"]
    assert codes(judged(blind.but(log=lines("another")))) == ["quota.within_limits"]


def test_more_requests_in_the_log_than_records_of_all_are_unrecorded() -> None:
    rows = [logged(200, f"t{n}", at=to_iso(NOW - timedelta(hours=n + 1))) for n in range(20)]
    blind = CLEAN.but(statuses={"of_org": Status.unreachable}, log=log_of(*rows))
    assert codes(judged(blind.but(everybody=20))) == ["quota.within_limits"]
    assert codes(judged(blind.but(everybody=11))) == ["usage.unrecorded"]
    assert judged(blind).status == VerdictStatus.could_not_tell  # nobody counted


class TestALogThatHoldsMoreThanWasRead:
    """The newest requests are known, and the records of that time are held against them."""

    oldest = to_iso(NOW - timedelta(hours=3))
    rows = tuple(logged(200, f"t{n}", at=to_iso(NOW - timedelta(hours=n + 1))) for n in range(3))

    def evidence(self, records: int, since: str) -> Evidence:
        found = CLEAN.but(statuses={"of_org": Status.partial}, requests=[], log=log_of(*self.rows)).evidence()
        served = tuple(replace(each, status=Status.partial) for each in found.served)
        counted = look("postgres", "recorded", {"records": records, "orgs": 1}, since=since, org_id="")
        return replace(found, served=served, everybody=(counted,))

    def test_is_enough_where_the_same_time_was_counted(self) -> None:
        assert codes(diagnose(self.evidence(3, self.oldest))) == ["quota.within_limits"]
        assert codes(diagnose(self.evidence(1, self.oldest))) == ["usage.unrecorded"]

    def test_is_not_where_another_time_was_counted(self) -> None:
        said = diagnose(self.evidence(3000, to_iso(NOW - DAY)))
        assert said.status == VerdictStatus.could_not_tell
        assert "usage.unrecorded" in {each.code for each in said.suspects}


class TestTracesThatNameNoOrganization:
    """A backend that holds no request of it: spans name no organization, or it was idle. The log decides, as without traces."""

    silent = CLEAN.but(requests=[], records_in_window=4)

    def test_are_no_proof_that_nobody_was_refused(self) -> None:
        said = judged(self.silent.but(log=log_of(logged(200), logged(429))))
        assert said.status == VerdictStatus.could_not_tell
        assert said.suspects[0].code == "quota.blocked_wrongly"

    def test_and_a_log_without_refusals_are_healthy(self) -> None:
        said = judged(self.silent.but(log=log_of(logged(200)), everybody=4))
        assert (said.status, codes(said)) == (VerdictStatus.ruled_out, ["quota.within_limits"])

    def test_are_not_needed_where_another_ones_trace_tells_of_the_refusal(self) -> None:
        others = look("tempo", "refused", [request(NOW, 429, org="another", trace="t1")])
        idle = self.silent.but(records_in_window=0, attributed=(others,))
        assert codes(judged(idle.but(log=log_of(logged(429, "t1"))))) == ["quota.within_limits"]
        assert judged(idle.but(log=log_of(logged(429, "t2")))).status == VerdictStatus.could_not_tell


class TestARouteThatNobodyCalls:
    """Usage is written down, and nobody calls the route: whom it keeps out says nothing."""

    def test_by_traces_is_open_and_the_routes_that_were_called_are_named(self) -> None:
        elsewhere = [request(NOW - timedelta(hours=n), route="/api/v2/chat") for n in range(1, 5)]
        said = judged(CLEAN.but(requests=elsewhere, records_in_window=4))
        assert said.status == VerdictStatus.could_not_tell
        assert "/api/v2/chat" in said.suspects[0].deciding_look

    def test_by_the_log_is_open(self) -> None:
        world = CLEAN.but(requests=[], records_in_window=4, log=log_of(), runs=[OK_RUN])
        assert codes(judged(world)) == ["quota.within_limits"]
        said = diagnose(replace(world.evidence(), route="/api/caht"))
        assert said.status == VerdictStatus.could_not_tell
        assert "4 usage records" in said.suspects[0].why

    def test_of_an_organization_that_used_nothing_is_healthy(self) -> None:
        said = judged(CLEAN.but(requests=[], records_in_window=0, log=log_of(), runs=[OK_RUN]))
        assert codes(said) == ["quota.within_limits"]
