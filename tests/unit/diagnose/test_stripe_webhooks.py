"""Procedure 02's rules on hand-made evidence: clean, broken, repaired, look-alike, could not look."""

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
    ROUTE,
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
    listeners,
    listening,
    look,
    named,
    place,
    records,
    route,
    said,
    secrets,
    signed,
    target,
    workshop,
)

from runbook_lib.core.model import Status
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE
from runbook_lib.procedures.stripe_webhooks.evidence import Evidence
from runbook_lib.procedures.stripe_webhooks.rules import diagnose

CONFIRMED, RULED_OUT, UNSURE = "confirmed", "ruled_out", "could_not_tell"

# each: what is wrong, and the code; every other thing is in order
BROKEN: list[tuple[str, Evidence, str]] = [
    ("no CLI", workshop(listening=listening()), "webhook.cli_not_running"),
    (
        "no CLI and Stripe refuses it",
        workshop(listening=listening(), cli_secret=look("host", "cli_secret", {"version": "1.52.0"}, Status.denied)),
        "webhook.cli_auth_expired",
    ),
    ("prints only", workshop(listening=listening(cli(forward_to=None, target=None))), "webhook.cli_not_forwarding"),
    ("other port", workshop(listening=listening(cli(**target(port=3000)))), "webhook.cli_wrong_target.port"),
    ("other path", workshop(listening=listening(cli(**target(path="/webhook")))), "webhook.cli_wrong_target.path"),
    ("no path", workshop(listening=listening(cli(**target(path="/")))), "webhook.cli_wrong_target.path"),
    ("other host", workshop(listening=listening(cli(**target("10.0.0.7")))), "webhook.cli_wrong_target.host"),
    (
        "a container's own localhost",
        workshop(listening=listening(cli(how="container", own_network=False))),
        "webhook.cli_wrong_target.host",
    ),
    ("live CLI, test key", workshop(listening=listening(cli(mode="live"))), "webhook.cli_wrong_mode.live"),
    (
        "other account",
        workshop(cli_secret=look("host", "cli_secret", {"version": "1.52.0", "fingerprint": RIGHT, "account": "acct_2"})),
        "webhook.cli_wrong_mode.account",
    ),
    (
        "127.0.0.1 for ::1",
        workshop(listening=listening(cli(**target("127.0.0.1"))), listeners=listeners("::1", v4="refused", v6="accepted")),
        "webhook.address_family",
    ),
    (
        "::1 for 127.0.0.1",
        workshop(listening=listening(cli(**target("::1"))), listeners=listeners("127.0.0.1")),
        "webhook.address_family",
    ),
    ("CLI lacks an event", workshop(listening=listening(cli(events=["invoice.paid"]))), "webhook.event_not_enabled"),
    ("two CLIs", workshop(listening=listening(cli(), cli(pid=8))), "webhook.duplicate_endpoint"),
    ("the account's own version", workshop(deliveries=deliveries(event(api_version="2025-03-31.basil"))),
     "webhook.api_version_mismatch"),
    ("--latest", workshop(listening=listening(cli(latest=True))), "webhook.api_version_mismatch"),
    (
        "nothing listens",
        workshop(
            listeners=listeners(),
            route=look("webhook", "route", None, Status.unreachable),
            signed=look("webhook", "signed", None, Status.unreachable),
        ),
        "webhook.api_not_running",
    ),
    (
        "it hangs",
        workshop(
            route=replace(look("webhook", "route", None, Status.timed_out), elapsed_ms=10_000.0),
            signed=look("webhook", "signed", None, Status.timed_out),
            listeners=look("host", "listeners", {**listeners("127.0.0.1").value, "host": "127.0.0.1"}),
        ),
        "webhook.api_not_running.silent",
    ),
    ("accepts anything", workshop(route=route(unsigned=answer(200, "ok"))), "webhook.port_taken"),
    (
        "another server",
        workshop(
            route=route(health=answer(404, "Cannot GET"), unsigned=answer(404, "Cannot POST")),
            signed=signed(answers_of(compact=answer(404), spaced=answer(404), old=answer(404))),
        ),
        "webhook.port_taken",
    ),
    ("no route", workshop(route=route(unsigned=answer(404), badly_signed=answer(404))), "webhook.route_missing"),
    ("no POST", workshop(route=route(unsigned=answer(405), badly_signed=answer(405))), "webhook.route_missing"),
    ("login", workshop(route=route(unsigned=answer(307, location="/login"))), "webhook.auth_in_front"),
    ("unauthorized", deployed(route=route(unsigned=answer(401, "Authentication Required"))), "webhook.auth_in_front"),
    ("no secret", workshop(route=route(badly_signed=answer(400, "Missing webhook secret or signature"))), "webhook.secret_missing"),
    (
        "another secret, by test events",
        workshop(signed=signed(answers_of(compact=BAD, spaced=BAD, old=BAD)), api_secret=secrets(None, OTHER)),
        "webhook.secret_mismatch",
    ),
    ("another secret, by the process", workshop(signed=None, api_secret=secrets(OTHER, OTHER)), "webhook.secret_mismatch"),
    ("another secret, by the file", workshop(signed=None, api_secret=secrets(None, OTHER)), "webhook.secret_mismatch"),
    (
        "stale by its variables",
        workshop(signed=signed(answers_of(compact=BAD, spaced=BAD, old=BAD)), api_secret=secrets(OTHER, RIGHT)),
        "webhook.secret_stale_process",
    ),
    (
        "stale by the times",
        workshop(
            signed=signed(answers_of(compact=BAD, spaced=BAD, old=BAD)),
            api_secret=secrets(None, RIGHT, started_at=ago(50), changed_at=ago(10)),
        ),
        "webhook.secret_stale_process",
    ),
    ("parsed first", workshop(signed=signed(answers_of(spaced=BAD))), "webhook.body_altered"),
    ("clock ahead", workshop(signed=signed(answers_of(compact=OLD, spaced=OLD, future=GOOD))), "webhook.clock_skew"),
    (
        "handler raises",
        workshop(signed=signed(answers_of(compact=answer(500, "Internal Server Error"), spaced=None, old=None))),
        "webhook.handler_failing",
    ),
    (
        "handler is slow",
        workshop(signed=signed(answers_of(compact=answer(200, ms=31_000.0), spaced=None, old=None))),
        "webhook.handler_slow",
    ),
    (
        "handler never ends",
        workshop(signed=signed(answers_of(compact=answer(None, "timed_out"), spaced=None, old=None))),
        "webhook.handler_slow",
    ),
    (
        "not applied",
        workshop(
            deliveries=deliveries(event(status="past_due")), arrivals=(arrivals(arrival(30, words=event()["id"])),)
        ),
        "webhook.received_not_applied",
    ),
    (
        "not applied, by the time of an arrival",
        workshop(deliveries=deliveries(event(status="past_due")), arrivals=(arrivals(arrival(29.9)),)),
        "webhook.received_not_applied",
    ),
    (
        "not applied, of an endpoint",
        deployed(deliveries=deliveries(event(status="past_due"))),
        "webhook.received_not_applied",
    ),
    (
        "before the CLI",
        workshop(deliveries=deliveries(event(90, status="past_due"))),
        "webhook.missed",
    ),
    ("none points here", deployed(endpoints=endpoints(endpoint(url="https://old.example/x"))), "webhook.endpoint_missing"),
    ("no endpoint at all", deployed(endpoints=endpoints()), "webhook.endpoint_missing"),
    (
        "wrong path",
        deployed(endpoints=endpoints(endpoint(url="https://api.nexuscore.example/webhooks"))),
        "webhook.endpoint_missing.wrong_url",
    ),
    ("disabled", deployed(endpoints=endpoints(endpoint(status="disabled"))), "webhook.endpoint_disabled"),
    ("endpoint lacks one", deployed(endpoints=endpoints(endpoint(enabled_events=["invoice.paid"]))), "webhook.event_not_enabled"),
    ("two endpoints", deployed(endpoints=endpoints(endpoint(), endpoint(id="we_2"))), "webhook.duplicate_endpoint"),
    ("newer version", deployed(endpoints=endpoints(endpoint(api_version="2025-03-31.basil"))), "webhook.api_version_mismatch"),
    (
        "the platform answers",
        deployed(route=route(unsigned=answer(502, "An error occurred", error="NO_RESPONSE_FROM_FUNCTION"))),
        "webhook.api_not_running.platform",
    ),
    (
        "the platform ends it",
        deployed(route=route(unsigned=answer(504, "An error occurred", error="FUNCTION_INVOCATION_TIMEOUT"))),
        "webhook.handler_slow",
    ),
    (
        "failed in the window",
        deployed(deliveries=deliveries(event(pending=1)), arrivals=(arrivals(arrival(30, 500, "TypeError: x")),)),
        "webhook.handler_failing",
    ),
    (
        "slow in the window",
        deployed(
            deliveries=deliveries(event(pending=1)),
            arrivals=(arrivals(arrival(30, 504, error="FUNCTION_INVOCATION_TIMEOUT")),),
        ),
        "webhook.handler_slow",
    ),
    (
        "the endpoint's secret is another",
        deployed(deliveries=deliveries(event(pending=1)), arrivals=(arrivals(arrival(30, 400, NO_MATCH)),)),
        "webhook.secret_mismatch",
    ),
    (
        "the API's secret is another",
        deployed(deliveries=deliveries(event(pending=1)), signed=signed(answers_of(compact=BAD, spaced=BAD, old=BAD))),
        "webhook.secret_mismatch",
    ),
    (
        "deployed before the variable was changed",
        deployed(
            deliveries=deliveries(event(pending=1)),
            signed=signed(answers_of(compact=BAD, spaced=BAD, old=BAD)),
            changes=(
                look("vercel", "env_changes", [{"name": "STRIPE_WEBHOOK_SECRET", "updated_at": ago(100), "platform": "vercel"}]),
                look("vercel", "deployments", [
                    {"at": ago(900), "state": "READY", "target": "production", "message": "m", "platform": "vercel"}]),
            ),
        ),
        "webhook.secret_stale_process",
    ),
    (
        "an older one came later",
        deployed(
            deliveries=deliveries(event(10, status="active"), event(20, status="past_due")),
            records=records("past_due"),
            arrivals=(arrivals(
                arrival(9, words=event(10)["id"]), arrival(5, words=event(20)["id"])),),
        ),
        "webhook.out_of_order",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "evidence", "code"), BROKEN, ids=[f"{code}: {what}" for what, _, code in BROKEN])
def test_one_broken_thing_is_named_and_nothing_else(what: str, evidence: Evidence, code: str) -> None:
    found = diagnose(evidence)
    assert (str(found.status), named(found)) == (CONFIRMED, [code]), [each.summary for each in found.causes]
    assert found.causes[0].evidence
    assert found.causes[0].remedy


def test_every_fault_of_the_catalogue_is_among_them() -> None:
    broken = {code for _, _, code in BROKEN}
    named_whole = {
        code for code in CATALOGUE.codes() if CATALOGUE.kind(code) == "fault" and not CATALOGUE.find(code).subcodes
    }
    narrower = {code for code in CATALOGUE.codes() if code not in CATALOGUE.causes}
    assert (named_whole | narrower) - broken == set()


@pytest.mark.parametrize("make", [workshop, deployed])
def test_a_system_in_order_is_ruled_out(make: Any) -> None:
    assert said(make()) == (RULED_OUT, [])


@pytest.mark.parametrize("make", [workshop, deployed])
def test_a_window_without_events_is_a_state_and_no_fault(make: Any) -> None:
    assert said(make(deliveries=deliveries(), records=None)) == (RULED_OUT, ["webhook.no_events"])


LOOK_ALIKES: list[tuple[str, Evidence]] = [
    ("forwarded to localhost while the API is on ::1", workshop(listeners=listeners("::1", v4="refused", v6="accepted"))),
    ("another project's CLI besides", workshop(listening=listening(cli(**target(port=4242)), cli()))),
    ("a CLI in a container that reaches the host", workshop(
        listening=listening(cli(how="container", own_network=False, **target("host.docker.internal"))))),
    ("a container on the host's network", workshop(listening=listening(cli(how="container", own_network=True)))),
    ("every event", workshop(listening=listening(cli(events=None)))),
    ("the file was touched after the API started, the secret is the same",
     workshop(api_secret=secrets(RIGHT, RIGHT, started_at=ago(50), changed_at=ago(1)))),
    ("the setting of the runbook is another one, the API's is right", workshop(
        api_secret=secrets(RIGHT, RIGHT, OTHER),
        signed=signed(answers_of("cli", RIGHT), answers_of(print_=OTHER, compact=BAD, spaced=BAD, old=BAD)))),
    ("an old stamp is refused, as it should be", workshop(signed=signed(answers_of(old=OLD)))),
    ("a disabled endpoint of another address", workshop(endpoints=endpoints(endpoint(status="disabled")))),
    ("a second endpoint for other events", deployed(endpoints=endpoints(
        endpoint(), endpoint(id="we_2", enabled_events=["charge.captured"])))),
    ("an endpoint for everything", deployed(endpoints=endpoints(endpoint(enabled_events=["*"])))),
    ("a young event is still under way", deployed(deliveries=deliveries(event(0.1, pending=1, is_young=True), event()))),
    ("a refusal in the log, and everything was delivered", deployed(arrivals=(arrivals(arrival(40, 400, NO_MATCH)),))),
    ("a colleague's CLI of the same account has not answered", workshop(deliveries=deliveries(event(pending=1)))),
    ("two events in order", deployed(deliveries=deliveries(event(10, status="active"), event(20, status="past_due")))),
    ("two events of one second that disagree", workshop(deliveries=deliveries(
        event(10, status="past_due"), event(10, "invoice.paid", id="evt_1other", status="active")))),
    ("the runbook's own refused events", deployed(
        arrivals=(arrivals(arrival(30, 400, NO_MATCH, trace_id="72756e626f6f6b000000000000000000")),))),
    ("a trailing slash", deployed(endpoints=endpoints(endpoint(url=f"https://api.nexuscore.example{ROUTE}/")))),
    ("the account's own version", deployed(endpoints=endpoints(endpoint(api_version=None)))),
]  # fmt: skip


@pytest.mark.parametrize(("what", "evidence"), LOOK_ALIKES, ids=[what for what, _ in LOOK_ALIKES])
def test_a_look_alike_is_not_named(what: str, evidence: Evidence) -> None:
    found = diagnose(evidence)
    assert str(found.status) == RULED_OUT, [each.summary for each in found.causes] + [
        each.why for each in found.suspects
    ]


def test_events_of_strangers_are_a_state() -> None:
    strange = deliveries(event(customer="cus_9"))
    nobody = look("supabase", "billing_records", {"asked": ["cus_9"], "found": []}, Status.empty)
    assert said(workshop(deliveries=strange, records=nobody)) == (RULED_OUT, ["webhook.customer_unknown"])


def test_two_faults_are_both_named_the_earlier_on_the_way_first() -> None:
    evidence = workshop(listening=listening(), api_secret=secrets(OTHER, OTHER), signed=None)
    assert said(evidence) == (CONFIRMED, ["webhook.cli_not_running", "webhook.secret_mismatch"])
    row = answers_of(compact=OLD, spaced=BAD, future=GOOD)
    assert said(workshop(signed=signed(row))) == (CONFIRMED, ["webhook.body_altered", "webhook.clock_skew"])


@pytest.mark.parametrize(
    ("version", "has_events"), [("1.52.0", True), ("1.51.0", True), ("1.50.11", False), ("1.9.0", False), (None, True)]
)
def test_the_remedy_is_the_command_of_the_cli_at_hand(version: str | None, has_events: bool) -> None:
    known = look("host", "cli_secret", {"version": version, "fingerprint": RIGHT, "account": None})
    found = diagnose(workshop(listening=listening(), cli_secret=known))
    remedy = str(found.causes[0].remedy)
    assert f"stripe listen --forward-to localhost:3001{ROUTE}" in remedy
    assert ("--events invoice.paid,invoice.payment_failed,customer.subscription.updated" in remedy) == has_events


def test_the_situation_counts_what_waits_and_whose_it_is() -> None:
    evidence = deployed(
        deliveries=deliveries(event(5, pending=1), event(20, pending=1, customer="cus_2"), event(40)),
        signed=signed(answers_of(spaced=BAD)),
    )
    situation = diagnose(evidence).situation
    assert (situation.ongoing, situation.requests_failed, situation.orgs_affected) == (True, 2, 2)
    assert (situation.onset, situation.last_seen) == (ago(20), ago(5))


def test_what_changed_in_the_two_hours_before_is_told() -> None:
    rows = [
        {"name": "OLD", "updated_at": ago(900), "platform": "vercel"},
        {"name": "STRIPE_WEBHOOK_SECRET", "updated_at": ago(100), "platform": "vercel"},
    ]
    evidence = deployed(
        deliveries=deliveries(event(5, pending=1)),
        changes=(look("vercel", "env_changes", rows),),
        signed=signed(answers_of(spaced=BAD)),
    )
    assert [each.what for each in diagnose(evidence).situation.changes] == ["variable STRIPE_WEBHOOK_SECRET changed"]
    at_hand = diagnose(workshop(api_secret=secrets(started_at=ago(30), changed_at=ago(40)))).situation.changes
    assert [each.what for each in at_hand] == [
        "the Stripe CLI was started", ".env.local was changed", "the API was started",
    ]  # fmt: skip


def test_the_fingerprint_of_a_finding_holds_nothing_of_the_run() -> None:
    first = diagnose(workshop(listening=listening(cli(pid=1, started_at=ago(5), forward_to=None, target=None))))
    second = diagnose(workshop(listening=listening(cli(pid=2, started_at=ago(1), forward_to=None, target=None))))
    assert first.causes[0].as_dict("02")["fingerprint"] == second.causes[0].as_dict("02")["fingerprint"]


def test_the_way_follows_the_address_and_the_endpoints() -> None:
    local = place("http://localhost:3001", "localhost", 3001, is_local=True)
    own = endpoint(url=f"http://127.0.0.1:3001{ROUTE}")
    evidence = deployed(place=local, endpoints=endpoints(own), listening=listening())
    assert said(evidence) == (RULED_OUT, [])
    assert said(replace(evidence, listening=listening(cli()))) == (CONFIRMED, ["webhook.duplicate_endpoint"])
