"""02 under the law: what nobody saw is never ruled out, and every cause says what would have shown it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.law import silenced, topics_without_a_field
from support.webhook_evidence import (
    BAD,
    NO_MATCH,
    OTHER,
    RIGHT,
    ago,
    answer,
    answers_of,
    arrival,
    arrivals,
    cli,
    deliveries,
    deployed,
    endpoint,
    endpoints,
    event,
    keys,
    listening,
    look,
    place,
    records,
    route,
    said,
    secrets,
    signed,
    target,
    workshop,
)

from runbook_lib.core.model import CoverageState, Kind, Status
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE
from runbook_lib.procedures.stripe_webhooks.evidence import Evidence
from runbook_lib.procedures.stripe_webhooks.rules import diagnose
from runbook_lib.procedures.stripe_webhooks.steps import StripeWebhooks

NOTHING = [status for status in Status if status not in (Status.ok, Status.partial)]
SOURCES = ("webhook", "host", "stripe", "supabase", "vercel", "tempo")
UNSURE = "could_not_tell"
LATE = "webhook.received_not_applied", "webhook.missed"


def codes(evidence: Evidence) -> list[str]:
    return [each.code for each in diagnose(evidence).causes]


def also(evidence: Evidence) -> list[str]:
    return [each.code for each in diagnose(evidence).also]


def suspects(evidence: Evidence) -> list[str]:
    return [each.code for each in diagnose(evidence).suspects]


def quiet(make: Callable[..., Evidence], **more: Any) -> Evidence:
    """No event in the window, and no test event."""
    return make(**{"deliveries": deliveries(), "records": None, "arrivals": (), "signed": None, **more})


def test_every_cause_says_what_would_have_shown_it() -> None:
    nothing = Seen((), CATALOGUE.topics)
    for cause in CATALOGUE.all():
        assert cause.shown_by is not None, cause.code
        assert not nothing.shown(cause.shown_by).is_shown, cause.code
        assert all(CATALOGUE.find(code) for code in cause.explained_by)


def test_every_topic_that_is_asked_is_filed() -> None:
    assert topics_without_a_field(StripeWebhooks, Evidence) == set()


@pytest.mark.parametrize("make", [workshop, deployed])
def test_of_a_system_in_order_every_fault_of_its_form_is_excluded_by_a_look(make: Callable[..., Evidence]) -> None:
    found = diagnose(make())
    form = str(found.facts["form"])
    asked = [cause.code for cause in CATALOGUE.all() if not cause.questions or form in cause.questions]
    faults = [each for each in found.coverage if each.code in asked and CATALOGUE.kind(each.code) is Kind.fault]
    assert [each.code for each in faults if each.state is not CoverageState.excluded or not each.by] == []


@pytest.mark.parametrize("status", NOTHING)
@pytest.mark.parametrize("via", ["auto", "cli", "endpoint"])
@pytest.mark.parametrize("make", [workshop, deployed])
def test_where_nothing_is_seen_nothing_is_ruled_out(make: Callable[..., Evidence], via: str, status: Status) -> None:
    assert diagnose(silenced(make(via=via), status)).status != "ruled_out"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("via", ["auto", "cli", "endpoint"])
@pytest.mark.parametrize("make", [workshop, deployed])
def test_one_source_alone_rules_nothing_out(make: Callable[..., Evidence], via: str, source: str) -> None:
    alone = silenced(make(via=via), Status.not_configured, lambda each: each.source == source)
    assert diagnose(alone).status != "ruled_out"


def test_hidden_processes_may_hide_a_second_cli() -> None:
    """What is hidden besides one that forwards as it should keeps no event away; it may bring each of them twice."""
    found = diagnose(workshop(listening=listening(cli(), status=Status.partial)))
    assert (str(found.status), [each.code for each in found.suspects]) == (UNSURE, ["webhook.duplicate_endpoint"])


def test_hidden_processes_may_hide_the_one_that_forwards_as_it_should() -> None:
    """Another project's CLI is no proof against this one's."""
    seen = listening(cli(**target(port=4242)), status=Status.partial)
    assert (said(workshop(listening=seen))[0], suspects(workshop(listening=seen))) == (
        UNSURE,
        ["webhook.cli_wrong_target.port"],
    )
    few = listening(cli(events=["invoice.paid"]), status=Status.partial)
    assert codes(workshop(listening=few)) == []


@pytest.mark.parametrize("make", [workshop, deployed])
def test_a_quiet_window_shows_nothing_of_the_handler(make: Callable[..., Evidence]) -> None:
    found = diagnose(quiet(make))
    open_ones = {each.code for each in found.coverage if each.state is CoverageState.not_examined}
    assert str(found.status) == UNSURE
    assert {"webhook.handler_failing", "webhook.handler_slow", "webhook.body_altered"} <= open_ones
    assert said(quiet(make, signed=signed())) == ("ruled_out", ["webhook.no_events"])


def test_without_test_events_a_delivered_event_shows_that_it_works() -> None:
    assert said(deployed(signed=None)) == ("ruled_out", [])
    assert said(workshop(signed=None, arrivals=(arrivals(arrival(30)),))) == ("ruled_out", [])
    assert said(workshop(signed=None)) == (UNSURE, [])


def test_what_was_delivered_before_an_endpoint_was_made_says_nothing_of_its_secret() -> None:
    """Each endpoint has a secret of its own."""
    found = quiet(deployed, signed=signed(), endpoints=endpoints(endpoint(created_at=ago(5))))
    assert (said(found)[0], suspects(found)) == (UNSURE, ["webhook.secret_mismatch"])
    assert suspects(deployed(signed=None, endpoints=endpoints(endpoint(created_at=ago(5)))))


def test_a_login_of_which_nobody_knows_the_account_is_shown_right_by_an_event_that_came() -> None:
    unknown = look("host", "cli_secret", {"version": "1.52.0", "fingerprint": RIGHT, "account": None})
    found = quiet(workshop, signed=signed(), cli_secret=unknown)
    assert (said(found)[0], suspects(found)[:1]) == (UNSURE, ["webhook.cli_wrong_mode"])
    assert said(workshop(cli_secret=unknown, arrivals=(arrivals(arrival(30)),))) == ("ruled_out", [])


def test_a_key_of_another_account_makes_stripes_lists_worth_nothing() -> None:
    """Where the account is not told, a customer of an event whom the database knows shows that it is the API's."""
    other = {"mode": "test", "kind": "restricted", "fingerprint": "d" * 12}
    untold = keys(runbook=other, account=None, api_account=None)
    assert said(deployed(keys=untold)) == ("ruled_out", [])
    assert suspects(quiet(deployed, signed=signed(), keys=untold))[:1] == ["webhook.endpoint_missing"]


def test_an_event_that_is_too_young_to_be_judged_is_not_said_to_be_applied() -> None:
    young = deliveries(event(0.1, pending=1, is_young=True))
    found = deployed(event_id="evt_1at6ago", deliveries=young)
    assert (said(found)[0], suspects(found)[:1]) == (UNSURE, ["webhook.out_of_order"])


def test_a_wider_cause_is_told_besides_the_one_that_explains_it() -> None:
    refused = look("host", "cli_secret", {"version": "1.52.0"}, Status.denied)
    expired = workshop(listening=listening(), cli_secret=refused)
    assert (codes(expired), also(expired)) == (["webhook.cli_auth_expired"], ["webhook.cli_not_running"])
    stale = workshop(signed=signed(answers_of(compact=BAD, spaced=BAD, old=BAD)), api_secret=secrets(OTHER, RIGHT))
    assert (codes(stale), also(stale)) == (["webhook.secret_stale_process"], ["webhook.secret_mismatch"])


def test_what_stands_before_the_handler_explains_what_is_said_of_the_handler() -> None:
    crash = answer(500, "Internal Server Error")
    evidence = workshop(
        route=route(unsigned=answer(307, location="/login")),
        signed=signed(answers_of(compact=crash, spaced=None, old=None)),
    )
    assert (codes(evidence), also(evidence)) == (["webhook.auth_in_front"], ["webhook.handler_failing"])


def test_a_platform_that_answers_in_the_apis_place_is_known_by_whatever_saw_it() -> None:
    nobody = answer(502, "An error occurred", error="NO_RESPONSE_FROM_FUNCTION")
    ended = answer(504, "An error occurred", error="FUNCTION_INVOCATION_TIMEOUT")
    unseen = look("webhook", "route", None, Status.denied)

    def tested(one: dict[str, Any]) -> Evidence:
        return deployed(route=unseen, signed=signed(answers_of(compact=one, spaced=None, old=None)))

    assert codes(tested(nobody)) == ["webhook.api_not_running.platform"]
    assert codes(tested(ended)) == ["webhook.handler_slow"]
    came = arrivals(arrival(30, 502, error="NO_RESPONSE_FROM_FUNCTION"))
    assert codes(deployed(deliveries=deliveries(event(pending=1)), arrivals=(came,))) == [
        "webhook.api_not_running.platform"
    ]


def test_a_log_that_is_not_whole_tells_no_order_and_no_crash() -> None:
    """What it lacks may be the refusal after the crash, or the older event that came last."""
    waiting = deliveries(event(35, pending=1))
    crash = arrivals(arrival(31, 502, error="connection refused"), status=Status.partial)
    assert codes(deployed(signed=None, deliveries=waiting, arrivals=(crash,))) == []
    two = deliveries(event(10, status="active"), event(20, status="past_due"))
    half = arrivals(arrival(9, words=event(10)["id"]), status=Status.partial)
    evidence = deployed(deliveries=two, records=records("past_due"), arrivals=(half,))
    assert (codes(evidence), suspects(evidence)) == ([], ["webhook.out_of_order", "webhook.received_not_applied"])


def test_a_refusal_after_a_crash_counts_whatever_words_it_has() -> None:
    """A trace tells the status of a refusal, and not why."""
    came = arrivals(arrival(31, 502, error="connection refused"), arrival(30, 400))
    assert codes(deployed(signed=None, deliveries=deliveries(event(35, pending=1)), arrivals=(came,))) == []


def test_events_that_are_not_all_there_are_not_held_against_records() -> None:
    half = deliveries(event(10, status="active"), status=Status.partial)
    assert codes(deployed(deliveries=half, records=records("past_due"))) == []


def test_an_account_that_lists_endpoints_of_which_the_api_is_unknown_has_none_missing() -> None:
    unknown = replace(
        place("https://x.example", "x.example", 443, is_local=False), status=Status.not_configured, value=None
    )
    assert codes(deployed(via="endpoint", place=unknown)) == []


@pytest.mark.parametrize("words", [NO_MATCH, ""])
def test_an_answer_that_the_handler_never_gives_is_a_suspicion(words: str) -> None:
    odd = answer(429, words)
    found = workshop(route=route(unsigned=odd), signed=None, arrivals=(arrivals(arrival(30)),))
    assert (said(found)[0], suspects(found)[:1]) == (UNSURE, ["webhook.auth_in_front"])


def test_what_only_the_machine_of_a_cli_has_is_no_gap_where_an_endpoint_brings_the_events() -> None:
    assert [each for each in diagnose(deployed()).not_seen if each.source == "host"] == []
    absent = look("host", "cli_secret", None, Status.not_configured)
    assert [each.call for each in diagnose(workshop(cli_secret=absent)).not_seen] == ["cli_secret"]
