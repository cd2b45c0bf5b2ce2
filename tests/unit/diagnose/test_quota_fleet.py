"""05's audit of every organization on hand-made evidence: sums that fit, sums that do not, and what was not seen."""

from dataclasses import replace
from typing import Any

import pytest
from support.evidence import look
from support.law import silenced, topics_without_a_field
from support.quota import MIDNIGHT, NOW, SINCE, World, epoch, subscription

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Conclusion, Observation, Status, VerdictStatus
from runbook_lib.procedures.quota_enforcement.audit import EveryOrganization
from runbook_lib.procedures.quota_enforcement.fleet import diagnose_fleet
from runbook_lib.procedures.quota_enforcement.fleet_evidence import Fleet

LARGE, SMALL = "13ebd848-65e2-449b-8d7c-89378b2f3c6d", "7c0a9a0e-5c9d-4b0b-9d7e-2f7f0b6f3a11"
WORLD = World()
RUN = {"request_id": "r1", "status": 200, "at": to_iso(MIDNIGHT), "path": "/api/cron/usage-report", "logs": []}


def organization(org_id: str, name: str, customer: str | None, plan: str) -> dict[str, Any]:
    row = {**WORLD.record, "org_id": org_id, "name": name, "stripe_customer_id": customer, "plan": plan}
    return row if customer else {**row, "current_period_end": None}


def sums(tokens: int, **more: int) -> dict[str, Any]:
    settled = {"settled_tokens": tokens, "recent_tokens": 0, "records": 9, "requests": 9, "without_tokens": 0}
    return {"tokens": tokens, **settled, "last_at": to_iso(MIDNIGHT), **more}


def access_log(status: str, *rows: dict[str, Any]) -> Observation:
    held = list(rows)
    seen = look("vercel", "request_log", held, Status.ok if held else Status.empty, of=status)
    return replace(seen, arguments={"part": "api", "status": status})


def fleet(**changed: Any) -> Fleet:
    """A paying organization and a free one, both well; each test changes one thing."""
    usage = {LARGE: sums(900), SMALL: sums(40)}
    well = Fleet(
        NOW,
        Window(MIDNIGHT, NOW),
        organizations=(
            look(
                "postgres",
                "organizations",
                [organization(LARGE, "Globex", "cus_1", "enterprise"), organization(SMALL, "Initech", None, "free")],
            ),
        ),
        limits=look("team", "plan_limits", WORLD.limits),
        subscriptions=look("stripe", "fleet_subscriptions", [subscription()]),
        customers=look("stripe", "fleet_customers", {}, Status.empty),
        meters=look("stripe", "meters", WORLD.meters),
        usage=(look("postgres", "fleet", usage),),
        everybody=(look("postgres", "recorded", {"records": 0, "orgs": 0}, org_id=""),),
        refusals=(access_log("429"), access_log("402")),
        served=(access_log("200"),),
        attributed=(look("tempo", "refused", None, Status.empty),),
        ledger=look("stripe", "fleet_usage", {"cus_1": 900.0}),
        runs=look("vercel", "request_log", [RUN], part="api", search="usage-report"),
    )
    return well.filed(**changed)


def said(evidence: Fleet) -> tuple[VerdictStatus, list[str]]:
    conclusion = diagnose_fleet(evidence)
    return conclusion.status, [each.code for each in (*conclusion.causes, *conclusion.states)]


def suspected(conclusion: Conclusion) -> set[str]:
    return {each.code for each in conclusion.suspects}


def closer(*looks: Observation) -> tuple[Observation, ...]:
    """Globex looked at by the hour."""
    customer = look("stripe", "customer", {"id": "cus_1"}, customer_id="cus_1")
    likes = look("stripe", "customers_of", [], Status.empty, customer_id="cus_1", org_id=LARGE)
    return (look("stripe", "subscriptions", [subscription()], customer_id="cus_1"), customer, likes, *looks)


def hours(status: Status = Status.ok, without_tokens: int = 0) -> Observation:
    rows = [[epoch(SINCE), "openai", "gpt-4o", 900, 9, 9, without_tokens]]
    return look("postgres", "by_hour", rows if status is Status.ok else None, status, org_id=LARGE)


UNMETERED = (look("postgres", "fleet", {LARGE: sums(900, without_tokens=3), SMALL: sums(40)}),)


def test_sums_that_fit_are_ruled_out_for_everybody() -> None:
    assert said(fleet()) == (VerdictStatus.ruled_out, ["quota.within_limits"])


def test_what_does_not_fit_is_told_by_the_hour() -> None:
    assert said(fleet(usage=UNMETERED, closer=closer(hours(without_tokens=3)))) == (
        VerdictStatus.confirmed,
        ["usage.unmetered"],
    )


def test_what_does_not_fit_and_did_not_come_back_by_the_hour_is_open() -> None:
    conclusion = diagnose_fleet(fleet(usage=UNMETERED, closer=closer(hours(Status.timed_out))))
    assert conclusion.status == VerdictStatus.could_not_tell
    assert "unmetered" in conclusion.suspects[0].why


def test_a_subscription_that_has_ended_is_open_until_its_customer_was_seen() -> None:
    ended = look("stripe", "fleet_subscriptions", [subscription(status="canceled")])
    conclusion = diagnose_fleet(fleet(subscriptions=ended))
    assert (conclusion.status, conclusion.causes) == (VerdictStatus.could_not_tell, ())
    mine = look("stripe", "subscriptions", [subscription(status="canceled")], customer_id="cus_1")
    known = tuple(each for each in closer(hours()) if each.call != "subscriptions")
    status, codes = said(fleet(subscriptions=ended, closer=(mine, *known)))
    assert (status, codes[0]) == (VerdictStatus.confirmed, "subscription.canceled")


def test_a_log_that_holds_no_request_of_the_api_says_nothing_of_refusals() -> None:
    conclusion = diagnose_fleet(fleet(runs=None))
    assert conclusion.status == VerdictStatus.could_not_tell
    assert suspected(conclusion) == {"quota.blocked_wrongly"}


def test_without_any_organization_nothing_is_ruled_out() -> None:
    nobody = fleet(organizations=(look("postgres", "organizations", [], Status.empty),), usage=(), ledger=None)
    assert diagnose_fleet(nobody).status == VerdictStatus.could_not_tell


TOPICS = ("organizations", "limits", "subscriptions", "customers", "meters", "usage", "ledger", "refusals", "served")


@pytest.mark.parametrize("status", [Status.denied, Status.not_configured, Status.partial])
@pytest.mark.parametrize("topic", TOPICS)
def test_without_a_look_that_the_answer_needs_nobody_is_cleared(topic: str, status: Status) -> None:
    held = getattr(fleet(), topic)
    blind = tuple(replace(each, status=status, value=None) for each in (held if isinstance(held, tuple) else (held,)))
    conclusion = diagnose_fleet(fleet(**{topic: blind if isinstance(held, tuple) else blind[0]}))
    assert (conclusion.status, conclusion.causes) == (VerdictStatus.could_not_tell, ())
    assert conclusion.suspects


@pytest.mark.parametrize("status", [Status.empty, Status.not_configured])
def test_sources_that_say_nothing_rule_nothing_out(status: Status) -> None:
    conclusion = diagnose_fleet(silenced(fleet(), status))
    assert (conclusion.status, conclusion.causes) == (VerdictStatus.could_not_tell, ())


@pytest.mark.parametrize("source", ["postgres", "stripe", "team", "tempo", "vercel"])
def test_one_source_alone_rules_nothing_out(source: str) -> None:
    alone = silenced(fleet(), Status.not_configured, lambda look: look.source == source)
    assert diagnose_fleet(alone).status == VerdictStatus.could_not_tell


def test_every_topic_that_is_asked_has_its_place() -> None:
    assert topics_without_a_field(EveryOrganization, Fleet) == set()
