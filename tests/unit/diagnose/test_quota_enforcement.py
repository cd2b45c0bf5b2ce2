"""05's rules in five beats: clean, broken, repaired, look-alike, could-not-look."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.evidence import look
from support.quota import MIDNIGHT, NOW, ORG, SINCE, UNTIL, World, epoch, request, subscription, usual_usage
from support.quota_broken import (
    BROKEN,
    CLEAN,
    DAY,
    LOST,
    NEVER,
    OK_RUN,
    REFUSED,
    STALE,
    UNPAID,
    codes,
    judged,
    log_of,
    record,
    times,
    without,
)

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Conclusion, Status, VerdictStatus
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE
from runbook_lib.procedures.quota_enforcement.verdict import diagnose


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
