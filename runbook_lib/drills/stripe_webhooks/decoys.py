"""Cases of 02 that look like something else: deliveries, processes and endpoints that are as they should be; two faults."""

import subprocess
import time
from pathlib import Path
from typing import Any

from runbook_lib.core.errors import SandboxError
from runbook_lib.drills.kit.asking import audit_again
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Result, Step, no_action, use
from runbook_lib.drills.stripe_webhooks.cases import CLI, FRESH, PROCEDURE, QUIET, WORKSHOP, healthy
from runbook_lib.drills.stripe_webhooks.faults import ORG, event_nobody_hears, forward
from runbook_lib.sandbox import Sandbox, plain_http
from runbook_lib.sandbox.facades.stripe.plant import BILLING_EVENTS

_WORKSHOP: dict[str, Any] = {"options": WORKSHOP, "needs": CLI}
_PATIENCE_S = 15.0


def pay_again(sandbox: Sandbox) -> Result:
    """A refused card and, two seconds later, a good one; both told in order."""
    sandbox.inject("subscription", org=ORG, status="past_due", seconds_ago=2)
    return {"event": sandbox.inject("subscription", org=ORG, status="active")}


def trigger_by_cli(sandbox: Sandbox) -> Result:
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
           exercise=event_nobody_hears, settle_s=0.5, **_WORKSHOP),
    _decoy("forward-to-localhost", use("stripe_cli", forward_to=forward("localhost")), **_WORKSHOP),
    _decoy("every-event", use("stripe_cli", arguments=lambda sandbox: [
        "listen", "--all-snapshot", "--forward-to", forward()(sandbox)]), **_WORKSHOP),
    _decoy("clock-behind", use("clock", part="api", shift_s=-900.0), **_WORKSHOP),
    _decoy("clock-a-little-ahead", use("clock", part="api", shift_s=120.0)),
    _decoy("triggered", use("webhook_endpoints"), exercise=trigger_by_cli, codes=("webhook.customer_unknown",), faults=(
        Injected("webhook.customer_unknown"),), **_WORKSHOP),
    _decoy("two-in-order", exercise=pay_again, settle_s=0.5),
    _decoy("two-in-order/cli", exercise=pay_again, settle_s=0.5, **_WORKSHOP),
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
        "exercise": no_action,
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

CASES: tuple[Case, ...] = (*_DECOYS, *_DOUBLES)
