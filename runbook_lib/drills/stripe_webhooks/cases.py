"""Cases of 02: every cause in every variant, on a developer's machine with the real CLI and on a deployed API."""

from datetime import datetime
from typing import Any

from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.asking import Parameters, audit_again
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.fault import Result, no_action
from runbook_lib.drills.kit.fault_cases import case_of_fault, codes_of, narrower
from runbook_lib.drills.stripe_webhooks.faults import OTHER_SECRET, event
from runbook_lib.sandbox import Sandbox

PROCEDURE = "02_stripe_webhooks"
WORKSHOP: dict[str, Any] = {"webhooks": "cli"}
CLI = ("stripe-cli",)
# What was just raised has been tried: the exercise waited. And no verdict is to depend on how busy the machine is.
FRESH = {"RUNBOOK_WEBHOOK_DELAY_S": "0", "RUNBOOK_LOG_DELAY_S": "0", "RUNBOOK_LOOK_DEADLINE_S": "15"}
QUIET = ("webhook.no_events",)  # a healed sandbox has forgotten the drill's events
_DEPLOYED = ("endpoint", "middleware", "in_window", "database", "deployed", "platform")
_BLIND = ("webhook.event_not_found", "webhook.other_mode")
_STATES = ("webhook.no_events", "webhook.customer_unknown")
_SETTINGS: dict[tuple[str, str], dict[str, str]] = {
    ("webhook.handler_slow", ""): {"RUNBOOK_WEBHOOK_TIMEOUT_S": "2"},
    ("webhook.secret_stale_process", "endpoint"): {"STRIPE_WEBHOOK_SECRET": OTHER_SECRET},
    ("webhook.other_mode", ""): {"STRIPE_SECRET_KEY": "sk_live_51NexusCoreLiveKey0000"},
}
_SETTLED = {"in_window": 0.5, "database": 0.5}


def by_endpoint(*_: Any) -> Parameters:
    """Who has deployed says so where the address does not tell."""
    return {"via": "endpoint"}


def unknown_event(_sandbox: Sandbox, _got: Result, _since: datetime) -> Parameters:
    """An id of another account."""
    return {"event_id": "evt_1NexusCoreOtherAccount0"}


def the_event(_sandbox: Sandbox, got: Result, _since: datetime) -> Parameters:
    """By the id of the event that a user misses."""
    return {"event_id": str(got["event"])}


def _status(code: str) -> str:
    if code in _BLIND:
        return "could_not_tell"
    return "ruled_out" if code in _STATES else "confirmed"


def fault_case(code: str, variant: str = "", **more: Any) -> Case:
    """A fault in one variant, in the kind of sandbox that it is of."""
    is_deployed = variant in _DEPLOYED
    usual = next(iter(faults.find(code).variants))
    is_deployed = is_deployed or usual in _DEPLOYED
    given: dict[str, Any] = {
        "status": _status(code),
        "options": {} if is_deployed else WORKSHOP,
        "needs": () if is_deployed else CLI,
        "settings": {**FRESH, **_SETTINGS.get((code, ""), {}), **_SETTINGS.get((code, variant), {})},
        "again": audit_again,
        "healed_codes": QUIET,
        "settle_s": _SETTLED.get(variant or usual, 0.0),
    }
    return case_of_fault(PROCEDURE, ("fault",), code, variant, **{**given, **more})


_PECULIAR: dict[tuple[str, str], dict[str, Any]] = {
    ("webhook.endpoint_missing", ""): {"ask": by_endpoint},
    ("webhook.endpoint_missing.wrong_url", ""): {"ask": by_endpoint},
    ("webhook.address_family", "endpoint"): {"needs": ("ipv6-loopback",)},
    ("webhook.address_family", ""): {"needs": (*CLI, "ipv6-loopback")},
    ("webhook.address_family", "reverse"): {"needs": (*CLI, "ipv6-loopback")},
    ("webhook.event_not_found", ""): {"ask": unknown_event},
    ("webhook.other_mode", ""): {"options": {}, "needs": (), "again": None},  # its settings differ, and stay so
    ("webhook.secret_stale_process", "endpoint"): {"again": None},
    ("webhook.out_of_order", ""): {"settle_s": 1.0},
    ("webhook.out_of_order", "endpoint"): {"settle_s": 1.0},
    ("webhook.received_not_applied", ""): {"ask": the_event, "settle_s": 1.0},
}


def _every_fault() -> list[Case]:
    cases = []
    for code in codes_of("webhook"):
        if code == "webhook.customer_unknown":
            continue
        known = faults.find(code)
        for n, variant in enumerate(known.variants):
            if n == 0 and any(known.variants is faults.find(other).variants for other in narrower(code)[:1]):
                cases.append(fault_case(code))
                break
            name = "" if n == 0 else variant
            cases.append(fault_case(code, name, **_PECULIAR.get((code, name), {})))
    return cases


def healthy(name: str, **more: Any) -> Case:
    """A system in which nothing is broken."""
    given: dict[str, Any] = {
        "id": f"healthy/webhook/{name}",
        "procedure": PROCEDURE,
        "kind": "healthy",
        "status": "ruled_out",
        "settings": FRESH,
        "settle_s": 0.0,
        "exercise": event,
    }
    return Case(**{**given, **more})


def _healthy() -> list[Case]:
    workshop: dict[str, Any] = {"options": WORKSHOP, "needs": CLI}
    return [
        healthy("endpoint"),
        healthy("endpoint/no-events", exercise=no_action, codes=QUIET),
        healthy("endpoint/one-event", ask=the_event),
        healthy("cli", **workshop),
        healthy("cli/no-events", exercise=no_action, codes=QUIET, **workshop),
        healthy("cli/one-event", ask=the_event, **workshop),
    ]


CASES: tuple[Case, ...] = (*_every_fault(), *_healthy())
