"""05's rules in five beats: clean, broken, repaired, look-alike, could-not-look."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.evidence import look
from support.law import silenced, topics_without_a_field
from support.quota import MIDNIGHT, NOW, ORG, SINCE, UNTIL, World, epoch, request, subscription, usual_usage

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Conclusion, Observation, Status, VerdictStatus
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE
from runbook_lib.procedures.quota_enforcement.evidence import Evidence
from runbook_lib.procedures.quota_enforcement.steps import OneOrganization
from runbook_lib.procedures.quota_enforcement.verdict import diagnose

CLEAN = World()
DAY = timedelta(days=1)


def codes(conclusion: Conclusion) -> list[str]:
    return [finding.code for finding in (*conclusion.causes, *conclusion.states)]


def judged(world: World) -> Conclusion:
    return diagnose(world.evidence())


def up_to(moment: Any) -> dict[int, float]:
    """What Stripe holds where nothing newer than a moment was reported."""
    return {start: quantity for start, quantity in CLEAN.held.items() if start < epoch(moment)}


def without(first: Any, last: Any) -> dict[int, float]:
    return {start: q for start, q in CLEAN.held.items() if not epoch(first) <= start < epoch(last)}


def times(factor: float, first: Any, last: Any) -> dict[int, float]:
    return {s: q * factor if epoch(first) <= s < epoch(last) else q for s, q in CLEAN.held.items()}


LOST = (MIDNIGHT - 6 * DAY, MIDNIGHT - 4 * DAY)
PEERS = [CLEAN.held]
NOBODY: list[dict[int, float]] = [{}]
OK_RUN = {
    "at": to_iso(MIDNIGHT + timedelta(minutes=10)),
    "status": 200,
    "request_id": "r1",
    "path": "/api/cron/usage-report",
    "logs": [{"message": "usage report: 2026-11-22: 3 of 3 customers, 900 tokens"}],
}
STALE = CLEAN.but(reported=up_to(MIDNIGHT - 3 * DAY), errors=[], peers=[up_to(MIDNIGHT - 3 * DAY)], runs=[])
NEVER = CLEAN.but(reported={}, errors=[], peers=NOBODY, runs=[])
USED_UP = {
    "at": to_iso(NOW - timedelta(hours=1)),
    "records_after": 0,
    "tokens_after": 0,
    "first_after_at": None,
    "last_after_at": None,
}
SMALL = {"enterprise": {"tokens": 1_000_000, "requests": 1_000_000}}
REFUSED = [request(NOW - timedelta(minutes=30), 429), request(NOW - timedelta(minutes=20), 429)]
UNPAID = [request(NOW - timedelta(hours=2)), request(NOW - timedelta(minutes=20), 402)]
STRIPE = ("subscriptions", "customer", "customers_of", "meters", "meter_usage", "legacy_usage")
BULK = [[epoch(NOW - timedelta(hours=1)), "openai", "gpt-4o", 20_000_000, 1, 1, 0]]


def log_of(*rows: dict[str, Any]) -> tuple[Observation, ...]:
    """The platform's log by status: what was refused and what was served."""
    found = []
    for status in ("429", "402", "200"):
        mine = [row for row in rows if str(row["status"]) == status]
        seen = look("vercel", "request_log", mine or None, Status.ok if mine else Status.empty, of=status)
        found.append(replace(seen, arguments={"part": "api", "status": status}))
    return tuple(found)


def logged(status: int, trace: str | None = None, **given: Any) -> dict[str, Any]:
    row = {"request_id": f"r{status}{trace}", "path": "/api/chat", "status": status, "trace_id": trace}
    return {**row, "at": to_iso(NOW - timedelta(hours=1)), **given}


def record(**given: Any) -> dict[str, Any]:
    return {**CLEAN.record, **given}


def error_report(code: str, at: Any = NOW) -> dict[str, Any]:
    return {"at": to_iso(at), "since": None, "until": None, "count": 3, "codes": {code: 3}, "examples": []}


BROKEN: dict[str, World] = {
    "quota.over_limit": CLEAN.but(limits=SMALL, crossing=USED_UP, requests=REFUSED),
    "quota.not_enforced": CLEAN.but(
        limits=SMALL, crossing={**USED_UP, "records_after": 7, "tokens_after": 900, "last_after_at": to_iso(NOW)}
    ),
    "quota.blocked_wrongly": CLEAN.but(requests=[*CLEAN.requests, *REFUSED]),
    "quota.period_mismatch.calendar_month": CLEAN.but(record=record(current_period_end=None)),
    "quota.period_mismatch.stale": CLEAN.but(record=record(current_period_end=to_iso(SINCE))),
    "quota.period_mismatch.zone": CLEAN.but(record=record(current_period_end=to_iso(UNTIL + timedelta(hours=5)))),
    "quota.period_mismatch.edge": CLEAN.but(record=record(current_period_end=to_iso(UNTIL - timedelta(seconds=1)))),
    "usage.no_job": NEVER,
    "usage.report_stale": STALE,
    "usage.rejected.customer": CLEAN.but(
        reported=without(*LOST), errors=[error_report("meter_event_customer_not_found")]
    ),
    "usage.rejected.value": CLEAN.but(reported=without(*LOST), errors=[error_report("meter_event_invalid_value")]),
    "usage.rejected.meter": CLEAN.but(reported=without(*LOST), errors=[error_report("archived_meter")]),
    "usage.rejected": CLEAN.but(reported=without(*LOST), errors=[error_report("a_code_of_tomorrow")]),
    "usage.report_partial.broken_off": CLEAN.but(
        reported=up_to(MIDNIGHT - timedelta(hours=12)),
        errors=[],
        peers=[up_to(MIDNIGHT - timedelta(hours=12))],
        runs=[],
    ),
    "usage.report_partial.left_out": CLEAN.but(reported=up_to(MIDNIGHT - 3 * DAY), errors=[], peers=PEERS),
    "usage.report_partial.short": CLEAN.but(reported=times(0.5, *LOST)),
    "usage.unreported": CLEAN.but(reported=without(*LOST), errors=[]),
    "usage.double_reported": CLEAN.but(reported=times(2, *LOST)),
    "usage.shifted": CLEAN.but(
        reported={start + 5 * 3600: quantity for start, quantity in CLEAN.held.items()}, errors=[]
    ),
    "usage.unrecorded": CLEAN.but(records_in_window=1),
    "usage.unmetered": CLEAN.but(groups=[[epoch(NOW - DAY), "openai", "gpt-4o", 0, 3, 3, 3]]),
    "usage.spike": CLEAN.but(groups=BULK),
    **{
        f"subscription.{code}": CLEAN.but(
            subscriptions=[subscription(status=status)], record=record(status=status), reported=CLEAN.held
        )
        for code, status in (
            ("past_due", "past_due"),
            ("unpaid", "unpaid"),
            ("canceled", "canceled"),
            ("incomplete", "incomplete"),
            ("incomplete.expired", "incomplete_expired"),
            ("paused", "paused"),
        )
    },
    "subscription.paused.collection": CLEAN.but(subscriptions=[subscription(paused=True)]),
    "subscription.multiple": CLEAN.but(subscriptions=[subscription(), subscription(id="sub_2")]),
    "subscription.missing": CLEAN.but(subscriptions=[]),
    "subscription.status_mismatch": CLEAN.but(record=record(status="past_due")),
    "plan.mismatch": CLEAN.but(record=record(plan="pro")),
    "limits.missing": CLEAN.but(limits={"free": {"tokens": 1, "requests": 1}}),
    "customer.missing": CLEAN.but(customer=(Status.not_found, None, "No such customer: 'cus_1'"), subscriptions=[]),
    "customer.missing.no_id": CLEAN.but(
        record=record(stripe_customer_id=None, current_period_end=None), subscriptions=[]
    ),
    "customer.missing.wrong_mode": CLEAN.but(
        customer=(Status.not_found, None, "No such customer: 'cus_1'; a similar object exists in live mode"),
        subscriptions=[],
    ),
    "customer.deleted": CLEAN.but(customer=(Status.not_found, {"deleted": True}, "the customer was deleted")),
    "customer.duplicate": CLEAN.but(others=[{"id": "cus_2", "same": "org_id", "subscriptions": 0}]),
}


def test_clean_is_within_limits_and_says_how_far() -> None:
    said = judged(CLEAN)
    assert (said.status, codes(said)) == (VerdictStatus.ruled_out, ["quota.within_limits"])
    assert "of 100,000,000 tokens" in said.states[0].summary
    assert said.not_seen == ()


@pytest.mark.parametrize("code", BROKEN)
def test_broken_is_named_with_its_evidence_and_a_remedy(code: str) -> None:
    said = judged(BROKEN[code])
    assert codes(said) == [code]
    found = (*said.causes, *said.states)[0]
    assert ORG in found.subject or found.subject == "/api/chat"
    assert found.evidence
    assert found.remedy == CATALOGUE.remedy(code)


def test_every_code_of_the_catalogue_is_broken_here() -> None:
    parents = {"quota.period_mismatch", "usage.report_partial"}  # always one of their narrower cases
    assert set(CATALOGUE.codes()) - set(BROKEN) - parents == {"quota.within_limits"}


LOOK_ALIKE: dict[str, World] = {
    "usage since midnight is not due before the next night": CLEAN,
    "a report that ran before its hour ended": CLEAN.but(
        reported={**CLEAN.held, epoch(MIDNIGHT + timedelta(hours=2)): 100.0}
    ),
    "a report of one event a day": CLEAN.but(
        reported={
            epoch(MIDNIGHT - n * DAY): float(
                sum(
                    q
                    for s, q in usual_usage().items()
                    if epoch(MIDNIGHT - n * DAY) <= s < epoch(MIDNIGHT - (n - 1) * DAY)
                )
            )
            for n in range(1, 29)
        }
    ),
    "a report stamped with the moment of its run": CLEAN.but(
        reported={
            epoch(MIDNIGHT - (n - 1) * DAY): float(
                sum(
                    q
                    for s, q in usual_usage().items()
                    if epoch(MIDNIGHT - n * DAY) <= s < epoch(MIDNIGHT - (n - 1) * DAY)
                )
            )
            for n in range(1, 29)
        }
    ),
    "a subscription on trial": CLEAN.but(subscriptions=[subscription(status="trialing")]),
    "one that ends with its period": CLEAN.but(subscriptions=[subscription(cancel_at_period_end=True)]),
    "an ended one beside the running one": CLEAN.but(
        subscriptions=[subscription(), subscription(id="sub_0", status="canceled")]
    ),
    "a free organization whose subscription has ended": CLEAN.but(
        record=record(plan="free", status="canceled", current_period_end=None),
        subscriptions=[subscription(status="canceled", plan=None, items=[])],
        limits={"free": {"tokens": None, "requests": None}},
    ),
    "a second customer of the same address without subscription": CLEAN.but(
        others=[{"id": "cus_2", "same": "email", "subscriptions": 0}]
    ),
    "an end on record that differs by less than a second": CLEAN.but(
        record=record(current_period_end=to_iso(UNTIL + timedelta(milliseconds=400)))
    ),
    "the webhook of a new period on its way": World(
        now=SINCE + timedelta(minutes=5),
        record={**CLEAN.record, "current_period_end": to_iso(SINCE)},
        recorded={},
        reported={},
        requests=[],
        log=log_of(),
        runs=[OK_RUN],
        legacy=0,
    ),
    "records without tokens before the period": CLEAN.but(
        groups=[[epoch(SINCE - DAY), "openai", "gpt-4o", 0, 3, 3, 3]]
    ),
    "a 402 that was paid since": CLEAN.but(
        requests=[request(NOW - timedelta(hours=3), 402), request(NOW - timedelta(hours=2))]
    ),
    "a 402 before the subscription changed": CLEAN.but(
        requests=UNPAID, events=[{"customer": "cus_1", "type": "customer.subscription.updated"}]
    ),
    "a 429 on another route": CLEAN.but(
        requests=[*CLEAN.requests, request(NOW - timedelta(hours=1), 429, route="/api/embed")]
    ),
    "one of many records not there yet": CLEAN.but(records_in_window=3),
    "a day that is twice the usual": CLEAN.but(
        groups=[[epoch(NOW - timedelta(hours=1)), "openai", "gpt-4o", 300_000, 1, 1, 0]]
    ),
    "ten times as much of very little": World(
        recorded={s: q // 1000 for s, q in usual_usage().items()},
        groups=[[epoch(NOW - timedelta(hours=1)), "openai", "gpt-4o", 4_000, 1, 1, 0]],
    ),
    "a plan without any limit": CLEAN.but(limits={"enterprise": {"tokens": None, "requests": None}}),
    "an hourly report that is given two hours": CLEAN.but(
        within=timedelta(hours=2), reported={s: float(q) for s, q in usual_usage().items() if s < epoch(NOW) - 3 * 3600}
    ),
}


@pytest.mark.parametrize("name", LOOK_ALIKE)
def test_what_only_looks_like_trouble_is_ruled_out(name: str) -> None:
    said = judged(LOOK_ALIKE[name])
    assert (said.status, codes(said)) == (VerdictStatus.ruled_out, ["quota.within_limits"]), (
        said.causes or said.suspects
    )


NEEDED = (
    "organization",
    "by_hour",
    "recorded",
    "subscriptions",
    "customer",
    "customers_of",
    "meters",
    "plan_limits",
    "meter_usage",
    "legacy_usage",
    "of_org",
)


@pytest.mark.parametrize("status", [Status.denied, Status.timed_out, Status.malformed, Status.unreachable])
@pytest.mark.parametrize("call", NEEDED)
def test_without_a_look_that_the_answer_needs_nothing_is_ruled_out(call: str, status: Status) -> None:
    said = judged(CLEAN.but(statuses={call: status}))
    assert said.status == VerdictStatus.could_not_tell
    assert call in {each.call for each in said.not_seen}
    assert said.suspects
    assert all(each.deciding_look for each in said.suspects)


@pytest.mark.parametrize("code", [code for code in BROKEN if code != "quota.over_limit"])
@pytest.mark.parametrize("call", NEEDED)
def test_with_a_blind_spot_a_fault_is_still_that_fault_or_untold(code: str, call: str) -> None:
    world = BROKEN[code]
    if call == "customer" and code.startswith("customer"):
        return
    said = judged(world.but(statuses={call: Status.timed_out}))
    assert codes(said) in ([], [code], ["quota.over_limit"]), codes(said)
    if not said.causes:
        assert said.status == VerdictStatus.could_not_tell


COULD_NOT_LOOK: dict[str, tuple[World, set[str]]] = {
    "late, and nobody knows how others fare": (
        STALE.but(peers=None, runs=None),
        {"usage.report_stale", "usage.report_partial.left_out"},
    ),
    "absent, and Stripe's dropped events are not to be seen": (
        CLEAN.but(
            reported=without(*LOST),
            errors=[],
            statuses={"meter_errors": Status.denied, "legacy_usage": Status.not_found},
        ),
        {"usage.unreported", "usage.rejected"},
    ),
    "more than was recorded, and no multiple of it": (
        CLEAN.but(reported=times(1.3, *LOST)),
        {"usage.double_reported", "usage.unrecorded"},
    ),
    "the report says that all went well, and nobody's usage is there": (
        STALE.but(runs=[OK_RUN]),
        {"usage.rejected", "usage.report_partial.left_out"},
    ),
    "a 402, and Stripe's events are not to be seen": (
        CLEAN.but(requests=UNPAID, events=[], statuses={"events": Status.denied}),
        {"quota.blocked_wrongly"},
    ),
}


@pytest.mark.parametrize("name", COULD_NOT_LOOK)
def test_what_cannot_be_told_apart_is_suspected(name: str) -> None:
    world, expected = COULD_NOT_LOOK[name]
    said = judged(world)
    assert said.status == VerdictStatus.could_not_tell
    assert {each.code for each in said.suspects} == expected
    assert all(each.deciding_look for each in said.suspects)


def test_a_402_with_an_unchanged_subscription_is_wrong() -> None:
    assert codes(judged(CLEAN.but(requests=UNPAID, events=[]))) == ["quota.blocked_wrongly"]


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ([], "usage.report_stale"),
        (
            [{**OK_RUN, "status": 500, "logs": [{"message": "usage report: 2026-11-22: 0 of 3 customers, 0 tokens"}]}],
            "usage.report_stale",
        ),
        (
            [
                {
                    **OK_RUN,
                    "status": 500,
                    "logs": [{"message": "usage report: 2026-11-22: 2 of 3 customers, 900 tokens"}],
                }
            ],
            "usage.report_partial.left_out",
        ),
        (
            [{**OK_RUN, "status": 500, "logs": [{"message": f"report for {ORG} failed: No such price"}]}],
            "usage.report_partial.left_out",
        ),
    ],
)
def test_what_the_reports_run_says_decides_between_late_and_left_out(runs: list[dict[str, Any]], code: str) -> None:
    assert codes(judged(STALE.but(runs=runs))) == [code]


def test_a_report_that_fails_every_night_is_late_and_its_words_are_told() -> None:
    failed = {**OK_RUN, "status": 500, "logs": [{"message": "usage report: 0 of 3 customers"}]}
    said = judged(NEVER.but(runs=[failed]))
    assert codes(said) == ["usage.report_stale"]
    assert "answered 500" in said.causes[0].summary


def total(**changes: Any) -> Conclusion:
    """Usage records are the only ledger."""
    return judged(CLEAN.but(meters=[], runs=[], peers=[], **changes))


PERIOD = sum(q for s, q in usual_usage().items() if epoch(SINCE) <= s < epoch(MIDNIGHT))
A_DAY = sum(q for s, q in usual_usage().items() if epoch(MIDNIGHT - 3 * DAY) <= s < epoch(MIDNIGHT - 2 * DAY))


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (PERIOD, ["quota.within_limits"]),
        (PERIOD - A_DAY, ["usage.unreported"]),
        (PERIOD + A_DAY, ["usage.double_reported"]),
        (2 * PERIOD, ["usage.double_reported"]),
        (
            sum(q for s, q in usual_usage().items() if epoch(SINCE) <= s < epoch(MIDNIGHT - 3 * DAY)),
            ["usage.report_stale"],
        ),
        (0, ["usage.no_job"]),
    ],
)
def test_one_sum_tells_what_only_one_reading_explains(held: float, expected: list[str]) -> None:
    assert codes(total(legacy=held)) == expected


@pytest.mark.parametrize("held", [PERIOD - 13, PERIOD + 300_013])
def test_one_sum_that_nothing_explains_is_suspected_only(held: float) -> None:
    said = total(legacy=held)
    assert said.status == VerdictStatus.could_not_tell
    assert len(said.suspects) == 2


def test_counting_over_another_period_explains_a_wrong_refusal() -> None:
    said = judged(CLEAN.but(record=record(current_period_end=None), requests=REFUSED))
    assert codes(said) == ["quota.period_mismatch.calendar_month"]
    assert [each.code for each in said.also] == ["quota.blocked_wrongly"]


def test_without_a_customer_nothing_is_said_of_subscription_period_and_ledger() -> None:
    gone = CLEAN.but(
        customer=(Status.not_found, {"deleted": True}, ""), reported={}, subscriptions=[subscription(status="canceled")]
    )
    assert codes(judged(gone)) == ["customer.deleted"]


def test_stripe_and_database_may_both_be_wrong() -> None:
    said = judged(CLEAN.but(subscriptions=[subscription(status="past_due")]))
    assert codes(said) == ["subscription.past_due", "subscription.status_mismatch"]


def test_since_basil_the_metered_items_own_period_counts() -> None:
    item = {
        "id": "si_2",
        "lookup_key": None,
        "usage_type": "metered",
        "meter": "mtr_1",
        "period_start": to_iso(MIDNIGHT),
        "period_end": to_iso(MIDNIGHT + 30 * DAY),
    }
    licensed = subscription()["items"][0]
    world = CLEAN.but(
        subscriptions=[subscription(items=[licensed, item])],
        record=record(current_period_end=to_iso(MIDNIGHT + 30 * DAY)),
    )
    said = judged(world.but(statuses={"legacy_usage": Status.not_found}))
    assert said.facts["period"]["since"] == to_iso(MIDNIGHT)
    assert codes(said) == ["quota.within_limits"]


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


def test_nobody_of_that_name_is_no_verdict_about_anybody() -> None:
    said = judged(CLEAN.but(record={}, statuses={"organization": Status.not_found}))
    assert said.status == VerdictStatus.could_not_tell
    assert "id" in said.suspects[0].deciding_look


def test_the_situation_tells_since_when_and_for_how_many() -> None:
    said = judged(BROKEN["usage.unreported"]).situation
    assert said.onset == to_iso(LOST[0] + timedelta(hours=2))
    assert (said.ongoing, said.orgs_affected) == (True, 1)
    said = judged(BROKEN["quota.blocked_wrongly"]).situation
    assert (said.onset, said.last_seen, said.requests_failed) == (REFUSED[0]["at"], REFUSED[1]["at"], 2)
    assert judged(CLEAN).situation.onset is None


def test_what_changed_just_before_it_began_is_told() -> None:
    deployed = {
        "at": to_iso(LOST[0] + timedelta(minutes=30)),
        "part": "api",
        "commit": "abc",
        "message": "Faster",
        "url": "u",
    }
    later = {**deployed, "at": to_iso(NOW), "url": "v"}
    evidence = replace(
        BROKEN["usage.unreported"].evidence(), changes=(look("vercel", "deployments", [deployed, later]),)
    )
    assert [change.where for change in diagnose(evidence).situation.changes] == ["u"]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [("pro", ["plan.mismatch"]), ("enterprise", ["quota.within_limits"]), ("price_of_old", ["quota.within_limits"])],
)
def test_the_plan_is_the_licensed_prices_where_that_names_one(plan: str, expected: list[str]) -> None:
    licensed, metered = subscription()["items"]
    items = [{**licensed, "lookup_key": plan}, metered]
    assert codes(judged(CLEAN.but(subscriptions=[subscription(items=items)]))) == expected


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


class TestTheLaw:
    """A cause is ruled out only by a look that would have shown it."""

    def test_every_cause_says_what_would_have_shown_it(self) -> None:
        assert [cause.code for cause in CATALOGUE.all() if cause.shown_by is None] == []

    def test_every_topic_that_is_asked_has_its_place(self) -> None:
        assert topics_without_a_field(OneOrganization, Evidence) == set()

    def test_a_clean_verdict_excludes_every_cause_by_looks_that_it_cites(self) -> None:
        coverage = {each.code: each for each in judged(CLEAN).coverage}
        assert {str(each.state) for code, each in coverage.items() if code != "quota.within_limits"} <= {"excluded"}
        assert all(each.by for each in coverage.values())

    @pytest.mark.parametrize("status", [Status.empty, Status.not_configured, Status.denied])
    @pytest.mark.parametrize("world", [CLEAN, *BROKEN.values()])
    def test_sources_that_say_nothing_rule_nothing_out_and_name_nothing(self, world: World, status: Status) -> None:
        said = diagnose(silenced(world.evidence(), status))
        assert (said.status, said.causes) == (VerdictStatus.could_not_tell, ())

    @pytest.mark.parametrize("source", ["postgres", "stripe", "team", "tempo", "vercel"])
    @pytest.mark.parametrize("code", BROKEN)
    def test_one_source_alone_rules_nothing_out(self, code: str, source: str) -> None:
        world = BROKEN[code].but(runs=BROKEN[code].runs or [OK_RUN], log=log_of(logged(200)))
        said = diagnose(silenced(world.evidence(), Status.not_configured, lambda look: look.source == source))
        assert said.status != VerdictStatus.ruled_out
        assert {each.code for each in said.causes} <= {code, "customer.missing.no_id", "usage.unmetered"}

    def test_an_empty_trace_backend_without_a_platforms_log_is_no_witness(self) -> None:
        said = judged(CLEAN.but(requests=[], records_in_window=0))
        assert said.status == VerdictStatus.could_not_tell
        assert {each.code for each in said.suspects} == {"quota.blocked_wrongly"}

    def test_without_a_customer_its_own_record_excludes_what_stripe_would_have_shown(self) -> None:
        free = record(plan="free", stripe_customer_id=None, status="active", current_period_end=None)
        said = judged(
            World(record=free, recorded={}, legacy=0).but(statuses=dict.fromkeys(STRIPE, Status.not_configured))
        )
        assert codes(said) == ["quota.within_limits"]

    @pytest.mark.parametrize("status", [Status.unreachable, Status.partial])
    def test_an_ended_subscription_is_not_named_while_its_customer_was_not_seen(self, status: Status) -> None:
        ended = BROKEN["subscription.canceled"].but(statuses={"customer": status})
        said = judged(ended)
        assert said.status == VerdictStatus.could_not_tell
        assert {"customer.deleted", "subscription.canceled"} <= {each.code for each in said.suspects}

    def test_others_ledgers_are_not_the_organizations_own(self) -> None:
        found = BROKEN["usage.report_partial.left_out"].evidence()
        own = found.meter_usage
        assert own is not None
        said = diagnose(replace(found, meter_usage=replace(own, status=Status.timed_out, value=None)))
        assert (said.status, said.causes) == (VerdictStatus.could_not_tell, ())
