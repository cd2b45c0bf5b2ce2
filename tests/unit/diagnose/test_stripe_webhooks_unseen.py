"""02 where something could not be looked at, or two causes look alike: never health, never a guess."""

from dataclasses import replace
from typing import Any

import pytest
from support.webhook_evidence import (
    BAD,
    GOOD,
    NO_MATCH,
    OLD,
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
    endpoints,
    event,
    keys,
    listening,
    look,
    records,
    route,
    said,
    secrets,
    signed,
    workshop,
)

from runbook_lib.core.model import Status
from runbook_lib.procedures.stripe_webhooks.rules import diagnose

CONFIRMED, RULED_OUT, UNSURE = "confirmed", "ruled_out", "could_not_tell"
UNSEEN = [Status.unreachable, Status.denied, Status.timed_out, Status.malformed, Status.rate_limited]


@pytest.mark.parametrize("status", UNSEEN)
@pytest.mark.parametrize("which", ["listening", "cli_secret", "route", "keys", "deliveries", "records"])
def test_on_a_developers_machine_what_cannot_be_seen_is_never_taken_for_health(which: str, status: Status) -> None:
    seen = getattr(workshop(), which)
    found = diagnose(replace(workshop(), **{which: replace(seen, status=status, value=None)}))
    assert str(found.status) != RULED_OUT
    assert seen.source in {each.source for each in found.not_seen} or str(found.status) == CONFIRMED
    assert str(found.status) == UNSURE or which == "route"
    assert str(found.status) == CONFIRMED or all(each.deciding_look for each in found.suspects)


@pytest.mark.parametrize("status", UNSEEN)
@pytest.mark.parametrize("which", ["endpoints", "route", "keys", "deliveries", "records"])
def test_of_a_deployed_api_what_cannot_be_seen_is_never_taken_for_health(which: str, status: Status) -> None:
    seen = getattr(deployed(), which)
    found = diagnose(replace(deployed(), **{which: replace(seen, status=status, value=None)}))
    assert (str(found.status), bool(found.suspects)) == (UNSURE, True)
    assert seen.source in {each.source for each in found.not_seen}


def test_a_local_api_without_a_cli_is_not_judged_where_the_endpoints_are_unseen() -> None:
    """An endpoint may reach it through a tunnel."""
    blind = workshop(listening=listening(), endpoints=endpoints(status=Status.denied))
    found = diagnose(blind)
    assert str(found.status) == UNSURE
    assert [each.code for each in found.suspects] == ["webhook.cli_not_running"]
    assert said(replace(blind, via="cli")) == (CONFIRMED, ["webhook.cli_not_running"])


def test_hidden_processes_may_hide_a_cli() -> None:
    found = diagnose(workshop(listening=listening(status=Status.partial), via="cli"))
    assert (str(found.status), [each.code for each in found.suspects]) == (UNSURE, ["webhook.cli_not_running"])


def test_a_file_written_as_the_api_started_makes_no_stale_process() -> None:
    """Start times of processes are coarse: a second says nothing."""
    refused = signed(answers_of(compact=BAD, spaced=BAD, old=BAD))
    held = secrets(None, RIGHT, started_at=ago(10), changed_at=ago(10 - 1 / 60))
    assert said(workshop(signed=refused, api_secret=held)) == (CONFIRMED, ["webhook.secret_mismatch"])


def test_a_refused_setting_is_a_suspicion_where_no_event_of_stripes_waits() -> None:
    """What the runbook was given may be wrong while the API is right."""
    refused = signed(answers_of(compact=BAD, spaced=BAD, old=BAD))
    found = diagnose(deployed(signed=refused))
    assert (str(found.status), [each.code for each in found.suspects]) == (UNSURE, ["webhook.secret_mismatch"])


def test_a_refused_login_of_a_cli_that_still_listens_is_told_besides() -> None:
    found = diagnose(workshop(cli_secret=look("host", "cli_secret", {"version": "1.52.0"}, Status.denied)))
    assert [each.code for each in found.also] == ["webhook.cli_auth_expired"]
    assert str(found.status) == UNSURE  # its secret is not known then


def test_without_test_events_a_wrong_setting_alone_is_a_suspicion() -> None:
    evidence = workshop(signed=None, api_secret=secrets(None, None, OTHER))
    found = diagnose(evidence)
    assert (str(found.status), [each.code for each in found.suspects]) == (UNSURE, ["webhook.secret_mismatch"])
    assert "--active" in found.suspects[0].deciding_look


def test_without_test_events_a_changed_file_makes_a_stale_process_a_suspicion() -> None:
    evidence = workshop(signed=None, api_secret=secrets(None, RIGHT, started_at=ago(50), changed_at=ago(1)))
    assert [each.code for each in diagnose(evidence).suspects] == ["webhook.secret_stale_process"]


def test_a_signature_failure_that_could_have_two_causes_names_both_as_suspects() -> None:
    evidence = deployed(
        signed=None, deliveries=deliveries(event(pending=1)), arrivals=(arrivals(arrival(30, 400, NO_MATCH)),)
    )
    found = diagnose(evidence)
    assert str(found.status) == UNSURE
    assert {each.code for each in found.suspects} == {"webhook.secret_mismatch", "webhook.body_altered"}


@pytest.mark.parametrize("crashed_ago_min", [31, 29])
def test_a_crash_before_a_signature_failure_is_no_answer_to_what_fails_now(crashed_ago_min: float) -> None:
    crash = arrival(crashed_ago_min, 502, error="connection refused")
    evidence = deployed(
        signed=None,
        deliveries=deliveries(event(35, pending=1)),
        arrivals=(arrivals(crash, arrival(30, 400, NO_MATCH)),),
    )
    found = diagnose(evidence)
    if crashed_ago_min > 30:  # the API was being restarted, perhaps with another secret
        assert str(found.status) == UNSURE
        assert "webhook.handler_failing" in {each.code for each in found.suspects}
    else:
        assert [each.code for each in found.causes] == ["webhook.handler_failing"]


def test_a_waiting_event_that_nothing_explains_is_not_guessed_at() -> None:
    found = diagnose(deployed(deliveries=deliveries(event(pending=1)), arrivals=(arrivals(status=Status.denied),)))
    assert str(found.status) == UNSURE
    assert all("stripe events resend evt_" in each.deciding_look for each in found.suspects)


def test_an_order_that_nobody_saw_is_not_guessed_at() -> None:
    evidence = deployed(
        deliveries=deliveries(event(10, status="active"), event(20, status="past_due")),
        records=records("past_due"),
        arrivals=(arrivals(status=Status.unreachable),),
    )
    found = diagnose(evidence)
    assert (str(found.status), {each.code for each in found.suspects}) == (
        UNSURE,
        {"webhook.out_of_order", "webhook.received_not_applied"},
    )


def test_our_own_clock_is_no_witness_against_the_apis() -> None:
    row = answers_of(compact=OLD, spaced=OLD, future=GOOD)
    found = diagnose(workshop(signed=signed(row, reference="own")))
    assert (str(found.status), [each.code for each in found.suspects]) == (UNSURE, ["webhook.clock_skew"])


def test_an_api_that_does_not_answer_from_afar_is_a_suspicion() -> None:
    gone = look("webhook", "route", None, Status.unreachable)
    found = diagnose(deployed(route=gone, signed=replace(gone, call="signed")))
    assert (str(found.status), next(each.code for each in found.suspects)) == (UNSURE, "webhook.api_not_running")


def test_a_wait_that_was_cut_short_proves_no_slowness() -> None:
    """A busy machine, or a run with little time, is no slow handler and no hanging API."""
    short = answers_of(compact=answer(None, "timed_out", ms=4000.0), spaced=None, old=None)
    found = diagnose(workshop(signed=signed(short)))
    assert (str(found.status), [each.code for each in found.suspects]) == (UNSURE, ["webhook.handler_slow"])
    cut = answer(None, "timed_out", ms=900.0)
    assert diagnose(workshop(route=route(unsigned=cut, badly_signed=cut), signed=None)).causes == ()
    hasty = replace(look("webhook", "route", None, Status.timed_out), elapsed_ms=4000.0)
    found = diagnose(workshop(route=hasty, signed=replace(hasty, call="signed")))
    assert (str(found.status), found.suspects[0].code) == (UNSURE, "webhook.api_not_running")


def test_a_key_of_another_mode_sees_other_endpoints() -> None:
    live = {"mode": "live", "kind": "secret", "fingerprint": "d" * 12}
    assert said(deployed(keys=keys(api=live, api_account=None))) == (UNSURE, ["webhook.other_mode"])
    assert said(deployed(keys=keys(api_account="acct_2"))) == (UNSURE, ["webhook.other_mode"])


def test_an_event_that_stripe_does_not_know_is_blindness() -> None:
    evidence = deployed(event_id="evt_1unknown", deliveries=deliveries(status=Status.not_found), records=None)
    assert said(evidence) == (UNSURE, ["webhook.event_not_found"])


def test_an_asked_for_event_of_a_type_that_is_not_enabled_is_told() -> None:
    evidence = deployed(
        event_id="evt_1", deliveries=deliveries(event(type_="charge.captured", status=None)), records=None
    )
    assert said(evidence) == (CONFIRMED, ["webhook.event_not_enabled"])


@pytest.mark.parametrize(
    "came",
    [
        (),
        (arrivals(arrival(30, words="evt_1another000")),),
        (arrivals(arrival(300)),),
        (arrivals(status=Status.denied),),
    ],
)
def test_an_event_that_a_cli_may_have_slept_through_is_not_said_to_have_come(came: Any) -> None:
    """While the CLI is cut off, an event waits for nobody: pending_webhooks is 0, as if it had been answered."""
    found = diagnose(workshop(deliveries=deliveries(event(status="past_due")), arrivals=came))
    assert (str(found.status), {each.code for each in found.suspects}) == (
        UNSURE,
        {"webhook.received_not_applied", "webhook.missed"},
    )


def test_an_event_that_nobody_asked_for_was_not_received_either() -> None:
    unheard = workshop(
        listening=listening(cli(events=["invoice.paid", "invoice.payment_failed"])),
        deliveries=deliveries(event(status="past_due")),
    )
    assert said(unheard) == (CONFIRMED, ["webhook.event_not_enabled"])


def test_an_endpoint_of_which_nothing_was_ever_delivered_proves_no_secret() -> None:
    never = look("stripe", "last_delivered", None, Status.empty)
    found = diagnose(deployed(deliveries=deliveries(), last_delivered=never, records=None))
    assert (str(found.status), [each.code for each in found.suspects]) == (UNSURE, ["webhook.secret_mismatch"])
