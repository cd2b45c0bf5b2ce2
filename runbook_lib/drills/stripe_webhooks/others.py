"""Cases of 02 beyond single faults: look-alikes that must not be named, two faults at once, and sources that cannot be seen."""

import subprocess
import time
from pathlib import Path
from typing import Any

from runbook_lib.core.errors import SandboxError
from runbook_lib.drills.kit.asking import audit_again
from runbook_lib.drills.kit.blind import UNSEEN, deadline, hide, no_rows
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Result, Step, nothing, use
from runbook_lib.drills.stripe_webhooks.cases import CLI, FRESH, PROCEDURE, QUIET, WORKSHOP, by_endpoint, healthy
from runbook_lib.drills.stripe_webhooks.faults import ORG, OTHER_SECRET, event, forward, unheard
from runbook_lib.sandbox import Sandbox, plain_http
from runbook_lib.sandbox.facades.stripe.plant import BILLING_EVENTS

_WORKSHOP: dict[str, Any] = {"options": WORKSHOP, "needs": CLI}
_PATIENCE_S = 15.0


def paid_again(sandbox: Sandbox) -> Result:
    """A refused card and, two seconds later, a good one; both told in order."""
    sandbox.inject("subscription", org=ORG, status="past_due", seconds_ago=2)
    return {"event": sandbox.inject("subscription", org=ORG, status="active")}


def triggered(sandbox: Sandbox) -> Result:
    """A developer tries it out: `stripe trigger` with the real CLI makes a customer that no organization has."""
    env = sandbox.env
    command = [
        env["RUNBOOK_STRIPE_CLI"], "trigger", "customer.subscription.updated",
        "--api-base", env["RUNBOOK_STRIPE_API_URL"], "--config", env["RUNBOOK_STRIPE_CLI_CONFIG"],
    ]  # fmt: skip
    home = str(Path(env["RUNBOOK_STRIPE_CLI_CONFIG"]).parent)
    variables = {"HOME": home, "STRIPE_CLI_TELEMETRY_OPTOUT": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=variables)
    if done.returncode:
        raise SandboxError("The trigger failed", came_back=(done.stdout + done.stderr)[-300:])
    headers = {"Authorization": f"Bearer {env['RUNBOOK_STRIPE_KEY']}"}
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:  # until the CLI has told what the API answered
        listed = plain_http.request(
            "GET",
            f"{env['RUNBOOK_STRIPE_API_URL']}/v1/events",
            params={
                f"types[{n}]": name for n, name in enumerate(BILLING_EVENTS)
            },  # it tells nothing of what it filters
            headers=headers,
        )
        if not any(row["pending_webhooks"] for row in listed.json()["data"]):
            return {}
        time.sleep(0.05)
    raise SandboxError("What was triggered was not delivered")


def _decoy(name: str, *before: Step, **more: Any) -> Case:
    return healthy(f"decoy/{name}", **{"kind": "decoy", "before": before, "id": f"decoy/webhook/{name}", **more})


_DECOYS = (
    _decoy("npx", use("stripe_cli", by_npx=True), **_WORKSHOP),
    _decoy("another-projects-cli", use("stripe_cli", action="start", forward_to="127.0.0.1:4242/hooks"),
           exercise=unheard, settle_s=0.5, **_WORKSHOP),
    _decoy("forward-to-localhost", use("stripe_cli", forward_to=forward("localhost")), **_WORKSHOP),
    _decoy("every-event", use("stripe_cli", arguments=lambda sandbox: [
        "listen", "--all-snapshot", "--forward-to", forward()(sandbox)]), **_WORKSHOP),
    _decoy("clock-behind", use("clock", part="api", shift_s=-900.0), **_WORKSHOP),
    _decoy("clock-a-little-ahead", use("clock", part="api", shift_s=120.0)),
    _decoy("triggered", use("webhook_endpoints"), exercise=triggered, codes=("webhook.customer_unknown",), faults=(
        Injected("webhook.customer_unknown"),), **_WORKSHOP),
    _decoy("two-in-order", exercise=paid_again, settle_s=0.5),
    _decoy("two-in-order/cli", exercise=paid_again, settle_s=0.5, **_WORKSHOP),
    _decoy("another-endpoint-disabled", use(
        "webhook_endpoints", action="add", url="https://old.nexuscore.example/api/stripe/webhook", status="disabled")),
    _decoy("another-endpoint-of-other-events", use(
        "webhook_endpoints", action="add", enabled_events=["charge.captured"])),
    _decoy("every-event/endpoint", use("webhook_endpoints", enabled_events=["*"])),
    _decoy("error-in-the-log", use("log", part="api", level="error", message="Webhook Error: No signatures found matching")),
    _decoy("another-route-fails", use("code", part="api", route="/api/chat", raise_type="TypeError", raise_message="x")),
    _decoy("variable-changed", use("env", part="api", name="FEATURE_FLAGS", value="billing2", restart=False)),
    _decoy("restarted", use("process", part="api", action="restart"), **_WORKSHOP),
    _decoy("file-touched", use("env", part="api", name="FEATURE_FLAGS", value="b", restart=False), **_WORKSHOP),
)  # fmt: skip


def _double(first: Injected, second: Injected, *, deployed: bool, **more: Any) -> Case:
    given: dict[str, Any] = {
        "id": f"double/{first.code}+{second.code}",
        "procedure": PROCEDURE,
        "kind": "double",
        "status": "confirmed",
        "codes": (first.code, second.code),
        "faults": (first, second),
        "settings": FRESH,
        "settle_s": 0.0,
        **({} if deployed else _WORKSHOP),
        "again": audit_again,
        "healed_codes": QUIET,
        "exercise": nothing,
    }
    return Case(**{**given, **more})


_STOPPED, _MISMATCH = Injected("webhook.cli_not_running"), Injected("webhook.secret_mismatch", "api")
_DOUBLES = (
    _double(_MISMATCH, _STOPPED, deployed=False, codes=("webhook.cli_not_running", "webhook.secret_mismatch")),
    _double(Injected("webhook.cli_wrong_target.port"), Injected("webhook.body_altered"), deployed=False),
    _double(Injected("webhook.event_not_enabled"), Injected("webhook.clock_skew"), deployed=False),
    _double(_STOPPED, Injected("webhook.api_not_running"), deployed=False),
    _double(Injected("webhook.body_altered"), Injected("webhook.clock_skew"), deployed=False),
    _double(
        Injected("webhook.endpoint_disabled", "endpoint"), Injected("webhook.secret_missing", "endpoint"), deployed=True
    ),
    _double(
        Injected("webhook.handler_failing", "endpoint"),
        Injected("webhook.duplicate_endpoint", "endpoint"),
        deployed=True,
    ),
)


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
                faults=(_WRONG_PORT,), exercise=nothing, extra=extra, **_WORKSHOP,
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
               exercise=nothing, **_WORKSHOP),
        _blind("host/no-cli/healthy", _UNSURE, extra=_NO_CLI, not_seen=("host",), **_WORKSHOP),
        _blind("host/no-cli/fault", "confirmed", (_WRONG_PORT.code,), extra=_NO_CLI, not_seen=("host",),
               faults=(_WRONG_PORT,), exercise=nothing, **_WORKSHOP),
        _blind("no-secret-known", "ruled_out", extra={"STRIPE_WEBHOOK_SECRET": ""}, not_seen=("webhook",)),
        _blind("no-secret-known/fault", _UNSURE, extra={"STRIPE_WEBHOOK_SECRET": ""}, not_seen=("webhook",),
               faults=(Injected("webhook.secret_mismatch", "endpoint"),), settle_s=0.5),
        _blind("wrong-secret-known", _UNSURE, extra={"STRIPE_WEBHOOK_SECRET": OTHER_SECRET}, exercise=nothing),
    ]  # fmt: skip
    return cases


CASES: tuple[Case, ...] = (*_DECOYS, *_DOUBLES, *_stripe_cases(), *_other_sources())
