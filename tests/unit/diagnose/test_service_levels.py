"""The rules of 09 about figures, on hand-made counts: clean, broken, repaired, look-alike, could not look."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.evidence import look
from support.levels import (
    API,
    DAYS,
    LATENCY,
    NOW,
    STEPS,
    WEBHOOKS,
    counts,
    deployments,
    during,
    evidence,
    webhook_counts,
)
from support.verdicts import codes

from runbook_lib.core.model import Observation, Status
from runbook_lib.procedures.service_levels.evidence import Evidence
from runbook_lib.procedures.service_levels.rules import diagnose


def verdict(given: Evidence) -> tuple[str, list[str]]:
    """Status and codes."""
    conclusion = diagnose(given)
    return str(conclusion.status), codes(conclusion)


def of_api(*counted: Any, **more: Any) -> Evidence:
    """The API's availability, counted so."""
    return evidence(API, counted=counted, **more)


def test_a_quiet_month_is_met_and_says_what_is_left() -> None:
    conclusion = diagnose(of_api(counts(lambda at: 1.0 if at % 20 == 0 else 0.0)))
    assert codes(conclusion) == ["slo.met"]
    assert str(conclusion.status) == "ruled_out"
    assert "99.9 % of 432,000 requests" in conclusion.states[0].summary
    assert "80% of the budget is left" in conclusion.states[0].summary
    assert conclusion.situation.ongoing is False


def test_an_outage_that_spends_the_budget_is_missed_with_its_hour_and_the_deployment_that_served() -> None:
    given = of_api(counts(during(100, 94, 40.0)), changes=[deployments(700, 101.5)])
    conclusion = diagnose(given)
    assert codes(conclusion) == ["slo.availability_missed"]
    summary = conclusion.causes[0].summary
    assert "2,880 failed, 2,160 were allowed in 30 days" in summary
    assert "22% of the budget went in the hour from 2026-11-19 05:00 UTC" in summary
    assert "while deployment abc1234de served" in summary
    assert conclusion.situation.requests_failed == 2880
    assert conclusion.situation.ongoing is False
    assert [change.what for change in conclusion.situation.changes] == ["api deployed abc1234de Usage page"]


def test_the_same_outage_before_the_period_is_no_cause() -> None:
    assert verdict(of_api(counts()))[1] == ["slo.met"]


def test_refusals_are_no_failures_for_they_are_not_counted_as_such() -> None:
    assert verdict(of_api(counts(lambda _: 0.0)))[0] == "ruled_out"


@pytest.mark.parametrize(
    ("hours", "bad", "code"),
    [(1, 30.0, "slo.budget_burning.fast"), (24, 0.9, "slo.budget_burning.slow"), (72, 0.35, "slo.budget_burning.slow")],
)
def test_a_budget_that_is_not_gone_may_burn(hours: float, bad: float, code: str) -> None:
    conclusion = diagnose(of_api(counts(during(hours, 0, bad))))
    assert (str(conclusion.status), codes(conclusion)) == ("confirmed", [code])
    assert conclusion.situation.ongoing is True


def test_a_burn_that_is_over_is_no_burn() -> None:
    """The long window still burns, the short one does not: it was mended."""
    assert verdict(of_api(counts(during(0.9, 0.6, 30.0))))[1] == ["slo.met"]


def test_a_handful_of_failures_burns_nothing() -> None:
    few = counts(during(1, 0, 0.5), total=during(1, 0, 1.0, 50.0))
    assert verdict(of_api(few))[1] == ["slo.met"]


def test_a_missed_objective_is_not_told_as_burning_too() -> None:
    given = of_api(counts(during(6, 0, 45.0)))
    conclusion = diagnose(given)
    assert codes(conclusion) == ["slo.availability_missed"]
    assert conclusion.situation.ongoing is True


def test_nothing_counted_is_never_met() -> None:
    assert verdict(of_api(counts(status=Status.empty))) == ("could_not_tell", ["slo.no_data.nothing"])


def test_no_source_that_answers_is_never_met_and_names_the_look() -> None:
    conclusion = diagnose(of_api(counts(status=Status.unreachable)))
    assert codes(conclusion) == ["slo.no_data.unseen"]
    assert conclusion.suspects[0].deciding_look
    assert [each.source for each in conclusion.not_seen] == ["tempo"]


def test_a_second_source_counts_where_the_first_cannot_be_seen() -> None:
    given = of_api(counts(status=Status.denied), counts(source="prometheus", by="Prometheus span metrics"))
    conclusion = diagnose(given)
    assert codes(conclusion) == ["slo.met"]
    assert [each.source for each in conclusion.not_seen] == ["tempo"]


def test_too_few_requests_tell_nothing_unless_so_many_fail_that_it_is_no_chance() -> None:
    few = {"total": lambda at: 1.0 if at % 20 == 0 else 0.0}
    assert verdict(of_api(counts(**few)))[1] == ["slo.too_few_requests"]
    assert verdict(of_api(counts(lambda at: 1.0 if at % 400 == 0 else 0.0, **few)))[1] == ["slo.availability_missed"]
    assert verdict(of_api(counts(lambda at: 1.0 if at in (0, 20, 40) else 0.0, **few)))[1] == ["slo.too_few_requests"]


def test_a_source_that_forgets_leaves_the_promise_open_unless_even_the_best_case_misses_it() -> None:
    kept = NOW - timedelta(days=14)
    assert verdict(of_api(counts(kept_since=kept)))[1] == ["slo.no_data.retention"]
    assert verdict(of_api(counts(during(100, 80, 45.0), kept_since=kept)))[1] == ["slo.availability_missed"]


def test_of_two_sources_the_one_that_remembers_is_asked() -> None:
    given = of_api(
        counts(kept_since=NOW - timedelta(days=14)), counts(source="prometheus", by="Prometheus span metrics")
    )
    conclusion = diagnose(given)
    assert codes(conclusion) == ["slo.met"]
    assert "Prometheus span metrics" in conclusion.states[0].summary


def test_a_hole_in_the_counts_leaves_it_open_and_a_small_one_does_not() -> None:
    two_days = during(100, 52, 0.0, 50.0)
    assert verdict(of_api(counts(total=two_days)))[1] == ["slo.no_data.gap"]
    two_hours = during(100, 98, 0.0, 50.0)
    assert verdict(of_api(counts(total=two_hours)))[1] == ["slo.met"]


def test_quiet_nights_are_no_holes() -> None:
    by_day = counts(total=lambda at: 50.0 if 7 <= (at * 300 // 3600 + 9) % 24 < 19 else 0.0)
    assert verdict(of_api(by_day))[1] == ["slo.met"]


def test_a_system_younger_than_the_period_is_judged_since_its_first_request() -> None:
    young = counts(total=during(200, 0, 50.0, 0.0))
    assert verdict(of_api(young, changes=[deployments(201)]))[1] == ["slo.met"]
    assert verdict(of_api(young, changes=[deployments(600, 201)]))[1] == ["slo.no_data.gap"]
    assert verdict(of_api(young))[1] == ["slo.no_data.gap"], "nobody tells when it was deployed first"


def test_latency_is_the_share_of_slow_requests() -> None:
    quick = counts(slow=(lambda _: 1.0, None))
    slow = counts(slow=(lambda _: 4.0, None))
    assert verdict(evidence(LATENCY, counted=[quick]))[1] == ["slo.met"]
    assert verdict(evidence(LATENCY, counted=[slow]))[1] == ["slo.latency_missed"]


def test_a_histogram_that_does_not_tell_leaves_it_open() -> None:
    straddling = counts(slow=(lambda _: 1.0, lambda _: 4.0))
    assert verdict(evidence(LATENCY, counted=[straddling]))[1] == ["slo.no_data.coarse"]
    telling = counts(slow=(lambda _: 1.0, lambda _: 2.0))
    assert verdict(evidence(LATENCY, counted=[telling]))[1] == ["slo.met"]


def test_a_source_without_durations_says_nothing_of_latency() -> None:
    assert verdict(evidence(LATENCY, counted=[counts()]))[1] == ["slo.no_data.nothing"]


EDGE = {"source": "railway", "by": "Railway's HTTP metrics"}


def test_traces_that_keep_failures_alone_are_not_believed() -> None:
    """One in ten successes, every failure: five times the true share of failures."""
    traced = counts(lambda at: 1.0 if at % 40 == 0 else 0.0, total=lambda at: 5.0 + (at % 40 == 0))
    true = counts(lambda at: 1.0 if at % 40 == 0 else 0.0, **EDGE)
    conclusion = diagnose(of_api(traced, true))
    assert codes(conclusion) == ["slo.met"]
    assert "Railway's HTTP metrics" in conclusion.states[0].summary
    recent = during(24 * 4, 0, 50.0)
    partly = counts(lambda at: 1.0 if at % 40 == 0 and recent(at) else 0.0, total=recent, **EDGE)
    conclusion = diagnose(of_api(traced, partly))
    assert (str(conclusion.status), codes(conclusion)) == ("could_not_tell", ["slo.sampling_biased"])
    assert "traces keep 10%" in conclusion.blind[0].summary


def test_traces_that_keep_all_alike_are_believed() -> None:
    traced = counts(lambda at: 0.1 if at % 40 == 0 else 0.0, total=lambda _: 5.0)
    recent = during(24 * 4, 0, 50.0)
    partly = counts(lambda at: 1.0 if at % 40 == 0 and recent(at) else 0.0, total=recent, **EDGE)
    assert verdict(of_api(traced, partly))[1] == ["slo.met"]


def test_failures_that_left_no_span_are_counted_by_the_edge() -> None:
    """The part was down: its platform answered for it, and no span tells of it."""
    traced = counts(total=during(100, 90, 0.0, 50.0))
    edge = counts(during(100, 90, 50.0), **EDGE)
    conclusion = diagnose(of_api(traced, edge))
    assert codes(conclusion) == ["slo.availability_missed"]
    assert "Railway's HTTP metrics" in conclusion.causes[0].summary


@pytest.mark.parametrize(("lost", "code"), [(0, "slo.met"), (1, "slo.met"), (2, "slo.webhook_missed")])
def test_webhooks_are_counted_by_stripes_events(lost: int, code: str) -> None:
    assert verdict(evidence(WEBHOOKS, webhooks=[webhook_counts(lost)]))[1] == [code]


def test_events_that_no_endpoint_asks_for_reach_nobody_whatever_is_pending() -> None:
    given = evidence(WEBHOOKS, webhooks=[webhook_counts(0, uncovered=["invoice.paid"])])
    conclusion = diagnose(given)
    assert codes(conclusion) == ["slo.webhook_missed.no_endpoint"]
    assert "disabled: we_1" in conclusion.causes[0].summary


def test_endpoints_that_may_not_be_read_leave_open_whether_anybody_asks_for_the_events() -> None:
    """Of an event that no endpoint asks for nothing is pending: it looks taken."""
    conclusion = diagnose(evidence(WEBHOOKS, webhooks=[webhook_counts(0, uncovered=None)]))
    assert str(conclusion.status) == "could_not_tell"
    assert [each.code for each in conclusion.states] == ["slo.met"]
    assert conclusion.suspects[0].code == "slo.webhook_missed"


def test_each_webhook_objective_is_judged_by_its_own_events() -> None:
    failed = {**WEBHOOKS, "name": "Failed payments", "events": ["invoice.payment_failed"]}
    given = evidence(
        WEBHOOKS, failed, webhooks=[webhook_counts(50), webhook_counts(0, types=["invoice.payment_failed"])]
    )
    conclusion = diagnose(given)
    assert [each.subject for each in conclusion.causes] == ["Stripe webhooks"]
    assert [each.subject for each in conclusion.states] == ["Failed payments"]


def cut(look: Observation) -> Observation:
    """The first half of an answer, as a source that was cut off gives it."""
    value = {key: each[: len(each) // 2] if isinstance(each, list) else each for key, each in look.value.items()}
    return replace(look, status=Status.partial, value=value)


def test_counts_that_are_cut_off_leave_a_gap_and_never_keep_a_promise() -> None:
    assert verdict(of_api(cut(counts())))[1] == ["slo.no_data.gap"]
    assert verdict(evidence(LATENCY, counted=[cut(counts(slow=(lambda _: 0.0, None)))]))[1] == ["slo.no_data.gap"]
    assert verdict(evidence(WEBHOOKS, webhooks=[cut(webhook_counts(0, total=720))]))[1] == ["slo.no_data.gap"]


def test_counts_that_are_cut_off_still_tell_of_an_outage_that_nothing_makes_good() -> None:
    assert verdict(of_api(cut(counts(during(700, 600, 45.0)))))[1] == ["slo.availability_missed"]


def test_what_burnt_where_the_counts_end_is_not_burning_now() -> None:
    half = DAYS * 12
    assert verdict(of_api(cut(counts(during(half + 1, half, 30.0)))))[1] == ["slo.no_data.gap"]


def test_a_part_of_an_answer_without_one_request_is_no_count() -> None:
    assert verdict(of_api(cut(counts(total=during(300, 0, 50.0)))))[1] == ["slo.no_data.unseen"]


HOSTED = deployments(700, source="railway")


@pytest.mark.parametrize("status", [Status.unreachable, Status.not_configured, Status.too_recent])
def test_traces_alone_do_not_keep_a_promise_where_the_platform_counts_and_was_not_seen(status: Status) -> None:
    unseen = counts(status=status, **EDGE)
    conclusion = diagnose(of_api(counts(), unseen, changes=[HOSTED]))
    assert str(conclusion.status) == "could_not_tell"
    assert conclusion.suspects[0].code == "slo.sampling_biased"
    assert "railway's own count did not come back" in conclusion.suspects[0].why


def test_traces_alone_are_believed_where_no_platform_is_known_that_counts() -> None:
    absent = counts(status=Status.not_configured, **EDGE)
    assert verdict(of_api(counts(), absent)) == ("ruled_out", ["slo.met"])


def test_of_several_objectives_those_that_were_not_asked_about_hold_nothing_up() -> None:
    given = evidence(API, LATENCY, WEBHOOKS, counted=[counts()])
    assert diagnose(given).status == "could_not_tell"
    assert diagnose(replace(given, only=(API["name"],))).status == "ruled_out"


@pytest.mark.parametrize("status", [Status.denied, Status.unreachable, Status.malformed, Status.rate_limited])
def test_a_stripe_that_cannot_be_asked_leaves_webhooks_open(status: Status) -> None:
    assert verdict(evidence(WEBHOOKS, webhooks=[webhook_counts(status=status)]))[1] == ["slo.no_data.unseen"]


def test_no_events_at_all_are_never_met() -> None:
    assert verdict(evidence(WEBHOOKS, webhooks=[webhook_counts(status=Status.empty)]))[1] == ["slo.no_data.nothing"]


def test_beside_a_broken_promise_one_that_cannot_be_told_is_not_seen() -> None:
    given = evidence(
        API, WEBHOOKS, counted=[counts(during(100, 94, 40.0))], webhooks=[webhook_counts(status=Status.denied)]
    )
    conclusion = diagnose(given)
    assert codes(conclusion) == ["slo.availability_missed"]
    assert {each.source for each in conclusion.not_seen} == {"stripe", "objective"}


def test_the_promise_that_is_broken_stands_before_the_one_in_danger() -> None:
    given = evidence(
        {**API, "name": "Gateway availability", "service": "gateway"},
        API,
        counted=[counts(during(1, 0, 30.0), service="gateway"), counts(during(100, 94, 40.0))],
    )
    assert verdict(given)[1] == ["slo.availability_missed", "slo.budget_burning.fast"]


def test_a_file_that_cannot_be_read_is_told_and_nothing_else() -> None:
    conclusion = diagnose(Evidence(NOW, file=look("team", "service_levels", None, Status.malformed)))
    assert conclusion.situation.ongoing is None
    assert str(conclusion.status) == "could_not_tell"
    assert conclusion.suspects[0].deciding_look.startswith("team")


def test_the_same_counts_give_the_same_words() -> None:
    given = of_api(counts(during(100, 94, 40.0)), changes=[deployments(102.5)])
    assert diagnose(given).judged("09_service_levels") == diagnose(given).judged("09_service_levels")
    assert STEPS == 8640


def test_an_objective_that_the_file_does_not_have_is_not_judged() -> None:
    conclusion = diagnose(replace(of_api(counts(lambda _: 0.0)), only=("Nothing of the kind",)))
    assert str(conclusion.status) == "could_not_tell"
    (suspect,) = conclusion.suspects
    assert suspect.subject == "Nothing of the kind"
    assert API["name"] in suspect.why
