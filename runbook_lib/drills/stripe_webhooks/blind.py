"""Blind spots of 02: Stripe, the database, logs, traces and this machine cannot be seen, with a fault and without."""

from typing import Any

from runbook_lib.drills.kit.blind import UNSEEN, deadline, hide, no_rows
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import no_action
from runbook_lib.drills.stripe_webhooks.cases import CLI, FRESH, PROCEDURE, WORKSHOP, by_endpoint
from runbook_lib.drills.stripe_webhooks.faults import OTHER_SECRET, event

_WORKSHOP: dict[str, Any] = {"options": WORKSHOP, "needs": CLI}
_HASTY = deadline(5)


def _blind(name: str, status: str, codes: tuple[str, ...] = (), **more: Any) -> Case:
    given: dict[str, Any] = {
        "id": f"blind/webhook/{name}",
        "procedure": PROCEDURE,
        "kind": "blind_spot",
        "status": status,
        "codes": codes,
        "settings": {**FRESH, **more.pop("extra", {})},
        "settle_s": 0.0,
        "exercise": event,
    }
    return Case(**{**given, **more})


_ENDPOINTS = "/v1/webhook_endpoints*"
_UNSURE = "could_not_tell"
_STOPPED = Injected("webhook.cli_not_running")
_ROUTE_GONE = Injected("webhook.route_missing", "endpoint")
_WRONG_PORT = Injected("webhook.cli_wrong_target.port")
_NO_HOST = {"RUNBOOK_HOST_PROCESSES": "none"}
_NO_CLI = {"RUNBOOK_STRIPE_CLI": "stripe-that-is-not-installed"}


def _stripe_cases() -> list[Case]:
    cases = []
    for way in UNSEEN:
        extra = _HASTY if way == "hanging" else {}
        gone = (hide("stripe", way),)
        cases.append(_blind(f"stripe/{way}/healthy", _UNSURE, not_seen=("stripe",), after=gone, extra=extra))
        cases.append(
            _blind(
                f"stripe/{way}/fault", "confirmed", (_ROUTE_GONE.code,), not_seen=("stripe",), after=gone,
                faults=(_ROUTE_GONE,), extra=extra,
            )
        )  # fmt: skip
        cases.append(
            _blind(f"stripe/{way}/cli/healthy", _UNSURE, not_seen=("stripe",), after=gone, extra=extra, **_WORKSHOP)
        )
        cases.append(
            _blind(
                f"stripe/{way}/cli/fault", "confirmed", (_WRONG_PORT.code,), not_seen=("stripe",), after=gone,
                faults=(_WRONG_PORT,), exercise=no_action, extra=extra, **_WORKSHOP,
            )
        )  # fmt: skip
    cases.append(_blind("stripe/slow/healthy", "ruled_out", after=(hide("stripe", "slow", latency_s=0.7),)))
    for path, name in ((_ENDPOINTS, "endpoints"), ("/v1/events*", "events"), ("/v1/account", "account")):
        cases.append(
            _blind(
                f"stripe/denied/{name}", "ruled_out" if name == "account" else _UNSURE,
                not_seen=() if name == "account" else ("stripe",), after=(hide("stripe", "denied", path=path),),
            )
        )  # fmt: skip
    # no endpoint, on a local address: not told from a developer's machine whose CLI does not run
    cases.append(
        _blind("stripe/empty/endpoints", "confirmed", ("webhook.endpoint_missing",), ask=by_endpoint,
               after=(hide("stripe", "empty", path=_ENDPOINTS, body=no_rows("/v1/webhook_endpoints")),))
    )  # fmt: skip
    return cases


def _other_sources() -> list[Case]:
    cases = []
    for way in UNSEEN:
        extra = _HASTY if way == "hanging" else {}
        after = (hide("supabase", way),)
        cases.append(_blind(f"supabase/{way}/healthy", _UNSURE, not_seen=("supabase",), after=after, extra=extra))
        cases.append(
            _blind(
                f"supabase/{way}/fault", "confirmed", ("webhook.endpoint_disabled",), after=after, extra=extra,
                faults=(Injected("webhook.endpoint_disabled", "endpoint"),),
            )
        )  # fmt: skip
    ignored = Injected("webhook.received_not_applied", "endpoint")
    cases.append(
        _blind("supabase/unreachable/not-applied", _UNSURE, faults=(ignored,), not_seen=("supabase",),
               after=(hide("supabase", "unreachable"),))
    )  # fmt: skip
    in_window = Injected("webhook.handler_failing", "in_window")
    both = (hide("vercel", "unreachable"), hide("tempo", "unreachable"))
    cases += [
        _blind("vercel/unreachable/healthy", "ruled_out", not_seen=("vercel",), after=both[:1]),
        _blind("tempo/unreachable/healthy", "ruled_out", not_seen=("tempo",), after=both[1:]),
        _blind("vercel/unreachable/in-window", "confirmed", (in_window.code,), faults=(in_window,), not_seen=("vercel",),
               after=both[:1], settle_s=1.0),
        _blind("tempo/unreachable/in-window", "confirmed", (in_window.code,), faults=(in_window,), not_seen=("tempo",),
               after=both[1:], settle_s=0.5),
        _blind("vercel+tempo/in-window", _UNSURE, faults=(in_window,), not_seen=("vercel", "tempo"), after=both),
        _blind("tempo/unreachable/not-applied", _UNSURE, after=both[1:],
               not_seen=("tempo",), faults=(Injected("webhook.received_not_applied"),), **_WORKSHOP),
        # arrivals unseen: the record may be an older event's that came late
        _blind("vercel+tempo/out-of-order", _UNSURE, faults=(Injected("webhook.out_of_order", "endpoint"),), after=both,
               not_seen=("vercel", "tempo"), exercise=None),
        _blind("host/none/healthy", _UNSURE, extra=_NO_HOST, not_seen=("host",), **_WORKSHOP),
        _blind("host/none/fault", "confirmed", ("webhook.body_altered",), extra=_NO_HOST, not_seen=("host",),
               faults=(Injected("webhook.body_altered"),), **_WORKSHOP),
        _blind("host/none/cli-not-running", _UNSURE, extra=_NO_HOST, not_seen=("host",), faults=(_STOPPED,),
               exercise=no_action, **_WORKSHOP),
        _blind("host/no-cli/healthy", _UNSURE, extra=_NO_CLI, not_seen=("host",), **_WORKSHOP),
        _blind("host/no-cli/fault", "confirmed", (_WRONG_PORT.code,), extra=_NO_CLI, not_seen=("host",),
               faults=(_WRONG_PORT,), exercise=no_action, **_WORKSHOP),
        _blind("no-secret-known", "ruled_out", extra={"STRIPE_WEBHOOK_SECRET": ""}, not_seen=("webhook",)),
        _blind("no-secret-known/fault", _UNSURE, extra={"STRIPE_WEBHOOK_SECRET": ""}, not_seen=("webhook",),
               faults=(Injected("webhook.secret_mismatch", "endpoint"),), settle_s=0.5),
        _blind("wrong-secret-known", _UNSURE, extra={"STRIPE_WEBHOOK_SECRET": OTHER_SECRET}, exercise=no_action),
    ]  # fmt: skip
    return cases


CASES: tuple[Case, ...] = (*_stripe_cases(), *_other_sources())
