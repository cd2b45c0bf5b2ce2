"""Faults between Stripe's events and billing_customers. `cli` variants break a developer's machine, `endpoint` ones a deployed API.

The usual variant of a fault is the developer's where there is one (a sandbox with `webhooks="cli"`).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runbook_lib.drills.kit.fault import Fault, Result, Step, Variant, alias, no_action, use

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

ORG = "Acme Rockets"
OTHER_SECRET = "whsec_4d1f0c2b9a8e7766554433221100ffeeddccbbaa99887766554433221100aabb"
_DEPLOYED = ("endpoint", "middleware", "in_window", "database", "deployed", "platform")
_CLI, _ENDPOINT = {"webhooks": "cli"}, {"webhooks": "endpoint"}
_ROUTE = "/api/stripe/webhook"
_TypeError = {"raise_type": "TypeError", "raise_message": "Cannot read properties of undefined (reading 'id')"}


def event(sandbox: "Sandbox") -> Result:
    """Stripe tells that a card was refused."""
    return {"event": sandbox.inject("subscription", org=ORG, status="past_due"), "who": {"org": ORG}}


def event_nobody_hears(sandbox: "Sandbox") -> Result:
    """The same where a CLI has it and reaches nobody: it does not tell Stripe of that, so there is nothing to wait for."""
    return {"event": sandbox.inject("subscription", org=ORG, status="past_due", wait_s=0.2), "who": {"org": ORG}}


def two_events(sandbox: "Sandbox") -> Result:
    """A card is refused and then accepted; the first of the two events is delivered once more, after the second."""
    sandbox.inject("subscription", org=ORG, status="past_due", seconds_ago=2)
    newest = sandbox.inject("subscription", org=ORG, status="active")
    sandbox.inject("deliver_again", org=ORG, nth=1)
    return {"event": newest, "who": {"org": ORG}}


def port_of_api(sandbox: "Sandbox") -> int:
    """The port on which the runbook finds the API."""
    return urlsplit(sandbox.env["RUNBOOK_API_URL"]).port or 80


def forward(host: str = "127.0.0.1", *, shift: int = 0, path: str = _ROUTE) -> Callable[["Sandbox"], str]:
    """A step's argument: where the CLI forwards to."""
    return lambda sandbox: f"{host}:{port_of_api(sandbox) + shift}{path}"


def _without_events(sandbox: "Sandbox") -> list[str]:
    return ["listen", "--forward-to", forward()(sandbox)]


def _state_of_key(sandbox: "Sandbox") -> str:
    return f"keys.{sandbox.env['STRIPE_SECRET_KEY']}.state"


def _v(
    *steps: Step, by: Callable[["Sandbox"], Result] = no_action, settings: Mapping[str, str] | None = None
) -> Variant:
    return Variant(steps, by, settings=settings or {})


def _f(code: str, **variants: Variant) -> Fault:
    """A fault whose variants are each of a developer's machine or of a deployed API: the other one has not what breaks."""
    needs = {name: _ENDPOINT if name in _DEPLOYED else _CLI for name in variants}
    return Fault(code, {name: replace(each, needs=needs[name]) for name, each in variants.items()})


def _anywhere(code: str, **more: Any) -> Fault:
    """What nothing in the sandbox is broken for: a state, or what the runbook was told."""
    return Fault(code, {"usual": Variant((), no_action, **more)})


_TWO = ["invoice.paid", "invoice.payment_failed"]
_SLOW = use("code", part="api", route=_ROUTE, delay_s=3.0)
_HASTY = {"RUNBOOK_WEBHOOK_TIMEOUT_S": "2"}  # so that nobody has to be as slow as Stripe is patient
_NO_RETRY = use("dial", of="StripeState", field="retry_s", value=[600])

_TARGETS = tuple(
    _f(f"webhook.cli_wrong_target.{part}", usual=_v(use("stripe_cli", forward_to=target), by=event_nobody_hears))
    for part, target in (
        ("port", forward(shift=1)),
        ("host", forward("nexuscore-api.invalid")),
        ("path", forward(path="/api/webhook")),
    )
)
_MODES = (
    _f("webhook.cli_wrong_mode.live", usual=_v(use("stripe_cli", key="live"), by=event)),
    _f("webhook.cli_wrong_mode.account", usual=_v(use("stripe_cli", key="other_account"))),
)
_NOT_RUNNING = (
    _f(
        "webhook.api_not_running",
        usual=_v(use("process", part="api", action="stop"), by=event_nobody_hears),
        endpoint=_v(use("process", part="api-edge", action="stop"), by=event),
    ),
    _f("webhook.api_not_running.silent", usual=_v(use("http", part="api", hang=True))),
    _f("webhook.api_not_running.platform", endpoint=_v(use("process", part="api", action="stop"), by=event)),
)

FAULTS: tuple[Fault, ...] = (
    _f(
        "webhook.cli_not_running",
        usual=_v(use("stripe_cli", action="stop"), by=event),
        without_events=_v(use("stripe_cli", arguments=_without_events)),
    ),
    _f(
        "webhook.cli_auth_expired",
        usual=_v(use("dial", of="StripeState", field=_state_of_key, value="expired"), use("stripe_cli")),
        revoked=_v(use("dial", of="StripeState", field=_state_of_key, value="revoked"), use("stripe_cli")),
    ),
    _f(
        "webhook.cli_not_forwarding",
        usual=_v(use("stripe_cli", arguments=["listen", "--events", ",".join(_TWO)]), by=event),
    ),
    alias("webhook.cli_wrong_target", _TARGETS[0]),
    *_TARGETS,
    alias("webhook.cli_wrong_mode", _MODES[0]),
    *_MODES,
    _f(
        "webhook.address_family",
        usual=_v(use("address", part="api", host="::1"), by=event_nobody_hears),
        endpoint=_v(use("address", part="api-edge", host="::1"), by=event),
        reverse=_v(use("stripe_cli", forward_to=forward("[::1]")), by=event_nobody_hears),
    ),
    _f("webhook.endpoint_missing", endpoint=_v(use("webhook_endpoints", action="remove"))),
    _f(
        "webhook.endpoint_missing.wrong_url",
        endpoint=_v(
            use("webhook_endpoints", url=lambda sandbox: f"{sandbox.env['RUNBOOK_API_URL']}/api/webhooks/stripe"),
            by=event,
        ),
    ),
    _f("webhook.endpoint_disabled", endpoint=_v(use("webhook_endpoints", status="disabled"), by=event)),
    _f(
        "webhook.event_not_enabled",
        usual=_v(use("stripe_cli", events=_TWO), by=event),
        endpoint=_v(use("webhook_endpoints", enabled_events=_TWO), by=event),
    ),
    *_NOT_RUNNING,
    _f(
        "webhook.port_taken",
        usual=_v(
            use("process", part="api", action="stop"), use("process", part="status", action="move", port=port_of_api)
        ),
        unsigned=_v(use("webhook_code", verifies=False)),
        endpoint=_v(use("webhook_code", verifies=False)),
    ),
    _f(
        "webhook.route_missing",
        usual=_v(use("http", part="api", path=_ROUTE, status=404, body="This page could not be found."), by=event),
        method=_v(use("http", part="api", path=_ROUTE, status=405)),
        endpoint=_v(use("http", part="api", path=_ROUTE, status=404, body="This page could not be found."), by=event),
    ),
    _f(
        "webhook.auth_in_front",
        usual=_v(use("http", part="api", path=_ROUTE, status=307, headers={"location": "/login"}), by=event),
        endpoint=_v(use("edge", part="api", protect=True), by=event),
        middleware=_v(use("http", part="api", path=_ROUTE, status=401, body='{"error":"unauthorized"}')),
    ),
    _f(
        "webhook.secret_missing",
        usual=_v(use("env", part="api", name="STRIPE_WEBHOOK_SECRET"), by=event),
        endpoint=_v(use("env", part="api", name="STRIPE_WEBHOOK_SECRET"), by=event),
    ),
    _f(
        "webhook.secret_stale_process",
        usual=_v(
            use("dial", of="StripeState", field="cli_secret", value=OTHER_SECRET),
            use("env", part="api", name="STRIPE_WEBHOOK_SECRET", value=OTHER_SECRET, restart=False),
            use("stripe_cli"),
            by=event,
        ),
        endpoint=_v(
            use("webhook_endpoints", secret=OTHER_SECRET),
            use("env", part="api", name="STRIPE_WEBHOOK_SECRET", value=OTHER_SECRET, restart=False),
            by=event,
            settings={"STRIPE_WEBHOOK_SECRET": OTHER_SECRET},  # whoever changed it told the runbook as well
        ),
    ),
    _f(
        "webhook.secret_mismatch",
        usual=_v(use("dial", of="StripeState", field="cli_secret", value=OTHER_SECRET), use("stripe_cli"), by=event),
        api=_v(use("env", part="api", name="STRIPE_WEBHOOK_SECRET", value=OTHER_SECRET), by=event),
        endpoint=_v(use("webhook_endpoints", secret=OTHER_SECRET), by=event),
        deployed=_v(use("env", part="api", name="STRIPE_WEBHOOK_SECRET", value=OTHER_SECRET), by=event),
    ),
    _f(
        "webhook.body_altered",
        usual=_v(use("webhook_code", rewrites_body=True), by=event),
        endpoint=_v(use("webhook_code", rewrites_body=True), by=event),
    ),
    _f(
        "webhook.clock_skew",
        usual=_v(use("clock", part="api", shift_s=900.0), by=event),
        endpoint=_v(use("clock", part="api", shift_s=900.0), by=event),
    ),
    _f(
        "webhook.handler_failing",
        usual=_v(use("code", part="api", route=_ROUTE, **_TypeError), by=event),
        endpoint=_v(use("code", part="api", route=_ROUTE, **_TypeError), by=event),
        in_window=_v(_NO_RETRY, use("code", part="api", route=_ROUTE, count=1, **_TypeError), by=event),
        database=_v(_NO_RETRY, use("process", part="postgres", action="stop"), by=event),
    ),
    _f(
        "webhook.handler_slow",
        usual=_v(_SLOW, settings=_HASTY),
        endpoint=_v(_SLOW, settings=_HASTY),
        platform=_v(use("edge", part="api", time_limit_s=1.0), _SLOW, settings=_HASTY),
    ),
    _f(
        "webhook.received_not_applied",
        usual=_v(use("webhook_code", ignores_events=True), by=event),
        endpoint=_v(use("webhook_code", ignores_events=True), by=event),
    ),
    _f("webhook.out_of_order", usual=_v(by=two_events), endpoint=_v(by=two_events)),
    _f(
        "webhook.missed",
        usual=_v(
            use("stripe_cli", action="stop"),
            use("subscription", org=ORG, status="past_due", seconds_ago=6),
            use("stripe_cli", action="start"),
        ),
    ),
    _f(
        "webhook.duplicate_endpoint",
        usual=_v(use("stripe_cli", action="start")),
        endpoint=_v(use("webhook_endpoints", action="add")),
    ),
    _f(
        "webhook.api_version_mismatch",
        usual=_v(use("stripe_cli", flags=["--latest"])),
        endpoint=_v(use("webhook_endpoints", api_version="2026-10-28.endive")),
    ),
    _anywhere("webhook.event_not_found"),
    _anywhere("webhook.other_mode", needs=_ENDPOINT, settings={"STRIPE_SECRET_KEY": "sk_live_51NexusCoreLiveKey0000"}),
    _anywhere("webhook.no_events"),
    _anywhere("webhook.customer_unknown", needs=_CLI),
)
