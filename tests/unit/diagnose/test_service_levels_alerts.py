"""The rules of 09 about alerts, on hand-made evidence: clean, broken, repaired, look-alike, could not look."""

from typing import Any

import pytest
from support.evidence import look
from support.levels import (
    GUARDED,
    ROUTES,
    USUAL_ROUTE,
    counts,
    during,
    evidence,
    fired,
    route,
    routing,
    rule,
    rules,
    silence,
    silences,
    trial,
)

from runbook_lib.core.model import Conclusion, Observation, Status
from runbook_lib.procedures.service_levels.rules import diagnose

BURST = during(48, 47, 25.0)  # an hour in which half of the requests failed, two days ago


def verdict(**changed: Any) -> tuple[str, list[str], list[str]]:
    """Status, codes and subjects where everything is in order but what is changed."""
    conclusion = concluded(**changed)
    found = {"confirmed": conclusion.causes, "ruled_out": conclusion.states, "could_not_tell": conclusion.blind}
    named = found[str(conclusion.status)]
    return str(conclusion.status), [each.code for each in named], [each.subject for each in named]


def concluded(*, failed: Any = BURST, told: Any = None, total: Any = None, **changed: Any) -> Conclusion:
    """The conclusion where everything is in order but what is changed."""
    held = {
        "rules": rules(),
        "routing": routing(),
        "silences": silences(),
        "fired": fired(("page", 48, 46.9), ("ticket", 48, 42)),
    }
    held |= changed
    given = evidence(
        GUARDED,
        counted=[counts(failed) if total is None else counts(failed, total=total)],
        routes=held.get("routes", ROUTES),
        rules=[held[name] for name in ("rules", "routing", "silences") if held[name] is not None] + list(told or ()),
        fired=[held["fired"]] if held["fired"] is not None else [],
        tested=held.get("tested", [trial()]),
    )
    return diagnose(given)


def test_rules_routes_and_alerts_in_order_are_ruled_out() -> None:
    assert verdict()[:2] == ("ruled_out", ["slo.met"])


def test_an_objective_without_its_rule_is_unrouted() -> None:
    assert verdict(rules=rules(rule(name="SomethingElse")))[1:] == (["alert.unrouted.no_rule"], ["ApiErrorBudgetBurn"])


def test_a_rule_of_one_severity_alone_is_not_enough_where_the_routes_want_two() -> None:
    assert verdict(rules=rules(rule("ticket")))[1] == ["alert.unrouted.no_rule"]
    assert verdict(rules=rules(rule("ticket")), routes=ROUTES[1:])[1] == ["slo.met"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"health": "err", "error": "many-to-many matching not allowed"}, "alert.rule_broken.evaluation"),
        ({"is_seen": False}, "alert.rule_broken.no_series"),
        ({"evaluated_at": "2026-11-23T07:00:00.000Z"}, "alert.rule_broken.stale"),
    ],
)
def test_a_rule_that_cannot_do_its_work_is_broken(changed: dict[str, Any], code: str) -> None:
    assert verdict(rules=rules(rule("page", **changed), rule("ticket")))[1:] == ([code], ["ApiErrorBudgetBurn (page)"])


def test_a_rule_whose_series_are_not_named_is_not_broken() -> None:
    assert verdict(rules=rules(rule("page", is_seen=None), rule("ticket")))[1] == ["slo.met"]


@pytest.mark.parametrize("changed", [{"health": "unknown"}, {"evaluated_at": None}])
def test_a_rule_that_was_never_evaluated_is_neither_broken_nor_well(changed: dict[str, Any]) -> None:
    conclusion = concluded(rules=rules(rule("page", **changed), rule("ticket")))
    assert str(conclusion.status) == "could_not_tell"
    assert [each.code for each in conclusion.suspects] == ["alert.rule_broken"]


def test_a_rule_that_is_missing_from_a_part_of_the_list_may_be_in_the_rest() -> None:
    status, codes, _ = verdict(rules=rules(rule("ticket"), status=Status.partial))
    assert (status, codes) == ("could_not_tell", [])


def test_the_first_route_that_matches_takes_the_alert() -> None:
    greedy = route("team", route("team", matchers=[["service", "=~", ".*"]]), *USUAL_ROUTE["routes"])
    assert verdict(routing=routing(greedy))[1:] == (["alert.unrouted.no_route"], ["page to oncall"])
    further = route("team", route("team", matchers=[["service", "=~", ".*"]], more=True), *USUAL_ROUTE["routes"])
    assert verdict(routing=routing(further))[1] == ["slo.met"]


def test_a_route_within_a_route_is_followed() -> None:
    nested = route(
        "team",
        route("team", route("oncall", matchers=[["severity", "=", "page"]]), matchers=[["service", "!=", "web"]]),
    )
    assert verdict(routing=routing(nested))[1] == ["slo.met"]


@pytest.mark.parametrize("receivers", [{"team": ["slack"]}, {"oncall": [], "team": ["slack"]}])
def test_a_receiver_that_is_not_there_or_has_no_way_out_tells_nobody(receivers: dict[str, list[str]]) -> None:
    assert verdict(routing=routing(None, **receivers))[1:] == (["alert.unrouted.no_receiver"], ["oncall"])


def test_alerts_that_prometheus_sends_to_nobody_are_unrouted() -> None:
    assert verdict(rules=rules(alertmanagers=0))[1] == ["alert.unrouted.not_sent"]


def test_where_nobody_says_whether_alerts_are_sent_on_they_are_not_taken_for_sent() -> None:
    conclusion = concluded(rules=rules(alertmanagers=None))  # as Grafana and Mimir answer
    assert str(conclusion.status) == "could_not_tell"
    (suspect,) = conclusion.suspects
    assert (suspect.code, "alertmanager_url" in suspect.deciding_look) == ("alert.unrouted.not_sent", True)
    (covered,) = [each for each in conclusion.coverage if each.code == "alert.unrouted"]
    assert covered.state == "not_examined"


@pytest.mark.parametrize(
    ("held", "code"),
    [
        (silence(["alertname", "=", "ApiErrorBudgetBurn"]), "alert.silenced"),
        (silence(["severity", "=~", "page|ticket"]), "alert.silenced"),
        (silence(["service", "=", "gateway"]), "slo.met"),
        (silence(["instance", "=", "db-1"]), "slo.met"),
        (silence(["alertname", "=", "ApiErrorBudgetBurn"], state="pending"), "slo.met"),
    ],
)
def test_only_an_active_silence_that_is_meant_for_it_silences(held: dict[str, Any], code: str) -> None:
    assert verdict(silences=silences(held))[1] == [code]


def test_a_route_that_the_clock_mutes_silences_and_a_second_way_does_not() -> None:
    page = [["severity", "=", "page"]]
    muted = route("team", route("oncall", matchers=page, muted_by=["nights"]), USUAL_ROUTE["routes"][1])
    assert verdict(routing=routing(muted))[1:] == (["alert.silenced"], ["ApiErrorBudgetBurn (page)"])
    ways = [route("oncall", matchers=page, muted_by=["nights"], more=True), route("oncall", matchers=page)]
    assert verdict(routing=routing(route("team", *ways, USUAL_ROUTE["routes"][1])))[1] == ["slo.met"]


def test_a_test_alert_that_is_refused_names_the_receiver() -> None:
    refused = trial(taken={"pagerduty": 0.0}, refused={"pagerduty": 3.0})
    assert verdict(tested=[refused])[1:] == (["alert.receiver_failing"], ["oncall"])


def test_a_refusal_that_was_made_good_is_none() -> None:
    assert verdict(tested=[trial(taken={"pagerduty": 1.0}, refused={"pagerduty": 1.0})])[1] == ["slo.met"]


def test_a_test_alert_of_which_nothing_is_counted_is_not_seen_to_arrive() -> None:
    conclusion = concluded(tested=[trial(taken=None, refused=None)])
    assert str(conclusion.status) == "could_not_tell"
    assert [each.code for each in conclusion.suspects] == ["alert.receiver_failing"]
    assert [(each.source, each.call) for each in conclusion.not_seen] == [("alertmanager", "test_alert")]


def test_a_test_alert_that_nobody_answered_in_time_is_not_seen_to_arrive() -> None:
    """It joined a group that was told of a moment ago: nothing was counted, and that is neither good nor bad."""
    tested = [trial(expected=["pagerduty", "slack"], taken={"pagerduty": 0.0, "slack": 1.0}, waited_s=20.3)]
    (unseen,) = concluded(tested=tested).not_seen
    assert unseen.why == "a test alert went to oncall, and nothing tells whether it arrived by pagerduty within 20.3 s"
    failing = {"integration": "pagerduty", "receiver": "oncall", "sent": 4.0, "failed": 4.0}
    held = look("alertmanager", "routing", {**routing().value, "notifications": [failing]})
    assert verdict(routing=held, tested=tested)[1] == ["alert.receiver_failing"], "it clears nothing"


def test_an_inhibited_test_alert_says_that_the_real_one_is_too() -> None:
    held = trial(state="suppressed", inhibited_by=["f00d"], taken={}, refused={})
    assert verdict(tested=[held])[1] == ["alert.silenced.inhibited"]


def test_a_receiver_that_failed_every_time_needs_no_test() -> None:
    held = routing()
    value = {
        **held.value,
        "notifications": [{"integration": "pagerduty", "receiver": "oncall", "sent": 4.0, "failed": 4.0}],
    }
    failing = look("alertmanager", "routing", value)
    assert verdict(routing=failing, tested=[])[1] == ["alert.receiver_failing"]
    assert verdict(routing=failing)[1] == ["slo.met"], "a test that arrived clears the past"


def notified(sent: float, failed: float) -> Observation:
    """Alertmanager's configuration, and what its notifications came to."""
    rows = [
        {"integration": kind, "receiver": name, "sent": sent, "failed": failed}
        for name, kind in (("oncall", "pagerduty"), ("team", "slack"))
    ]
    return look("alertmanager", "routing", {**routing().value, "notifications": rows})


def test_without_a_test_a_receiver_is_in_order_where_it_took_all_that_it_was_sent() -> None:
    assert verdict(routing=notified(7.0, 0.0), tested=[])[:2] == ("ruled_out", ["slo.met"])


@pytest.mark.parametrize("held", [notified(0.0, 0.0), notified(7.0, 1.0), routing()])
def test_without_a_test_a_receiver_that_was_sent_nothing_or_refused_something_is_left_open(held: Observation) -> None:
    conclusion = concluded(routing=held, tested=[])
    assert str(conclusion.status) == "could_not_tell"
    assert {each.code for each in conclusion.suspects} == {"alert.receiver_failing"}


def test_what_receivers_took_before_says_nothing_where_a_test_was_sent_and_not_seen() -> None:
    lost = look("alertmanager", "test_alert", None, Status.denied, labels={"severity": "page"}, token="1")
    assert str(concluded(routing=notified(7.0, 0.0), tested=[lost]).status) == "could_not_tell"
    doubted = concluded(routing=notified(4.0, 4.0), tested=[lost])
    assert (str(doubted.status), doubted.suspects[0].code) == ("could_not_tell", "alert.receiver_failing")


def test_what_might_inhibit_leaves_it_open_where_no_test_was_sent() -> None:
    held = notified(7.0, 0.0)
    inhibiting = look("alertmanager", "routing", {**held.value, "inhibits": 1})
    firing = look("alertmanager", "alerts", [{"name": "Maintenance"}])
    quiet = look("alertmanager", "alerts", None, Status.empty)
    assert str(concluded(routing=inhibiting, tested=[], told=[quiet]).status) == "ruled_out"
    conclusion = concluded(routing=inhibiting, tested=[], told=[firing])
    assert (str(conclusion.status), conclusion.suspects[0].code) == ("could_not_tell", "alert.silenced")


def test_a_burn_without_an_alert_is_silence() -> None:
    status, codes, subjects = verdict(fired=fired())
    assert (status, codes) == ("confirmed", ["alert.silent", "alert.silent"])
    assert subjects == ["ApiErrorBudgetBurn (page)", "ApiErrorBudgetBurn (ticket)"]


def test_a_burn_of_which_prometheus_no_longer_knows_accuses_nobody_and_stays_open() -> None:
    conclusion = concluded(fired=fired(kept_since_h=24))
    assert str(conclusion.status) == "could_not_tell"
    assert {each.code for each in conclusion.suspects} == {"alert.silent"}


def test_an_alert_that_is_missing_from_a_part_of_what_fired_may_have_fired() -> None:
    part = look("prometheus", "alerts_fired", fired().value, Status.partial)
    status, codes, _ = verdict(fired=part)
    assert (status, codes) == ("could_not_tell", [])


def test_an_alert_that_fired_when_nothing_was_counted_is_not_called_false() -> None:
    gap = during(30, 20, 0.0, 50.0)
    conclusion = concluded(failed=lambda _: 0.0, total=gap, fired=fired(("page", 25, 24)))
    assert [each.code for each in conclusion.causes] == []


def test_a_burn_too_small_or_too_short_accuses_nobody() -> None:
    assert verdict(failed=during(48, 47, 3.0), fired=fired())[1] == ["slo.met"]


def test_an_alert_without_a_burn_is_false() -> None:
    assert verdict(failed=during(0, 0, 0.0), fired=fired(("page", 30, 29)))[1:] == (
        ["alert.false"],
        ["ApiErrorBudgetBurn (page)"],
    )


def test_an_alert_over_half_a_burn_is_not_called_false() -> None:
    assert verdict(failed=during(48, 46, 2.5), fired=fired(("page", 47, 46)))[1] == ["slo.met"]


def test_a_broken_rule_is_not_told_as_silent_too() -> None:
    broken = rules(rule("page", health="err", error="x"), rule("ticket"))
    assert verdict(rules=broken, fired=fired(("ticket", 48, 42)))[1] == ["alert.rule_broken.evaluation"]


PLATFORM = [{"from": "vercel", "severity": None, "to": "slack"}]


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        ([{"id": "1", "name": "n", "types": ["error_anomaly"], "channels": ["slack"]}], Status.ok, "slo.met"),
        (
            [{"id": "1", "name": "n", "types": ["error_anomaly"], "channels": ["webhook"]}],
            Status.ok,
            "alert.unrouted.platform",
        ),
        (None, Status.empty, "alert.unrouted.platform"),
    ],
)
def test_a_platform_must_tell_the_channel_that_the_team_names(value: Any, status: Status, code: str) -> None:
    told = [look("vercel", "alert_rules", value, status, part="web")]
    assert verdict(told=told, routes=[*ROUTES, *PLATFORM])[1] == [code]


@pytest.mark.parametrize("name", ["rules", "routing", "silences", "fired"])
def test_what_could_not_be_looked_at_is_not_in_order(name: str) -> None:
    calls = {
        "rules": ("prometheus", "alert_rules"),
        "routing": ("alertmanager", "routing"),
        "silences": ("alertmanager", "silences"),
        "fired": ("prometheus", "alerts_fired"),
    }
    status, codes, _ = verdict(**{name: look(*calls[name], None, Status.denied)})
    assert (status, codes) == ("could_not_tell", [])


def test_a_team_that_names_no_alerts_needs_none() -> None:
    given = evidence({**GUARDED, "alerts": []}, counted=[counts(BURST)])
    assert str(diagnose(given).status) == "ruled_out"


def test_what_is_wrong_with_an_alert_goes_on_until_it_is_corrected() -> None:
    silenced = silences(silence(["alertname", "=", "ApiErrorBudgetBurn"]))
    assert concluded(silences=silenced).situation.ongoing is True
    assert concluded().situation.ongoing is False
