"""NexusCore's webhook route as it answers from here: to a GET, to unsigned and badly signed events, and, where looks may leave a
mark, to test events that are signed as Stripe signs.

The HTTP status is data, not the look's status: a route that says 500 was reached. A test event is of a type that no billing code
acts on (`runbook.check`), so that nothing changes but a log line. Signature: HMAC-SHA256 with the whole secret over
`<t>.<body>`; stripe-node checks it before the time stamp, and refuses stamps older than 300 s, newer ones never.
"""

import contextlib
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.webhooks import SignedTest, SignedTests, WebhookAnswer, WebhookPlace, WebhookRoute
from runbook_lib.io.http import Http, Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.stripe.cli import ask_for_secret
from runbook_lib.sources.stripe.webhook_secret import configured, is_local

PATH = "/api/stripe/webhook"
_HEALTH = "/api/health"
TEST_TYPE = "runbook.check"
_OLD_S = 3600
_AHEAD_S = 30 * 86_400  # a stamp from the future is never refused: it verifies whatever the API's clock says
_WORDS = 300
_USER_AGENT = "nexuscore-runbook"
_TRACE = "72756e626f6f6b"  # "runbook": our own requests are known by their trace id, and are not sampled


def place() -> Look[WebhookPlace]:
    """Where the API is, by the runbook's settings. Nobody is asked."""

    def fetch(door: Door) -> Answer[WebhookPlace]:
        address = require_setting(door, "api_url")
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
        value: WebhookPlace = {
            "address": address,
            "host": host,
            "port": parts.port or {"https": 443}.get(parts.scheme, 80),
            "is_local": is_local(door),
            "path": PATH,
            "timeout_s": door.settings.webhook_timeout_s,
        }
        return Answer(Status.ok, value)

    return Look("webhook", "place", {}, fetch)


def route() -> Look[WebhookRoute]:
    """What is at the API's address and at its webhook.

    Where not even the first got a connection, the look itself is unreachable."""

    def fetch(door: Door) -> Answer[WebhookRoute]:
        address = require_setting(door, "api_url")
        http = door.http
        health = _answered(http.get(address + _HEALTH, retry=False))  # without a connection the look ends here
        body = _event(spaced=False)
        wrong = {"Stripe-Signature": f"t={int(door.clock().timestamp())},v1={'0' * 64}"}
        with ThreadPoolExecutor(3) as pool:  # at once, so that a slow handler costs its time once
            asked = {
                "get": pool.submit(_exchange, http, "GET", address + PATH, None, {}),
                "unsigned": pool.submit(_exchange, http, "POST", address + PATH, body, {}),
                "badly_signed": pool.submit(_exchange, http, "POST", address + PATH, body, wrong),
            }
            value: WebhookRoute = {
                "address": address,
                "path": PATH,
                "health": health,
                "get": asked["get"].result(),
                "unsigned": asked["unsigned"].result(),
                "badly_signed": asked["badly_signed"].result(),
            }
        return Answer(Status.ok, value)

    return Look("webhook", "route", {}, fetch, deadline_s=10)


def signed(command_secret: bool = True) -> Look[SignedTests]:
    """How the route answers signed test events (leaves a mark: a log line for each that is accepted).

    Args:
        command_secret: also with the secret that the Stripe CLI at hand prints, where it is another one.
    """

    def fetch(door: Door) -> Answer[SignedTests]:
        address = require_setting(door, "api_url")
        secrets = _secrets(door, command_secret)
        if not secrets:
            why = "no signing secret is known with which to sign"
            raise LookError(Status.not_configured, why, do_next="set STRIPE_WEBHOOK_SECRET, or RUNBOOK_API_ENV_FILE")
        offset_s = _offset_s(door)
        tests = [_test(door, address + PATH, name, secret, offset_s or 0.0) for name, secret in secrets.items()]
        reference = "own" if offset_s is None else "stripe"
        return Answer(Status.ok, {"reference": reference, "offset_s": offset_s, "tests": tests})

    return Look("webhook", "signed", {"command_secret": command_secret}, fetch, deadline_s=45, leaves_a_mark=True)


def health() -> Look[WebhookAnswer]:
    """Whether the API answers: as `route` tells it of the health page."""

    def fetch(door: Door) -> Answer[WebhookAnswer]:
        return Answer(Status.ok, _answered(door.http.get(require_setting(door, "api_url") + _HEALTH, retry=False)))

    return Look("webhook", "health", {}, fetch)


def _test(door: Door, url: str, name: str, secret: str, offset_s: float) -> SignedTest:
    """The events of one secret. One that gets no answer in time ends the row: the others would only wait as long."""
    now = door.clock().timestamp() - offset_s
    limit_s = door.settings.webhook_timeout_s or 10.0
    found: SignedTest = {
        "secret": name,
        "fingerprint": door.fingerprint(secret),
        "compact": None,
        "spaced": None,
        "old": None,
        "future": None,
    }
    compact, spaced = _event(spaced=False), _event(spaced=True)

    def send(body: bytes, at: float) -> WebhookAnswer:
        return _exchange(door.http, "POST", url, body, _headers(body, secret, at))

    def is_late(answer: WebhookAnswer) -> bool:
        return answer["status_code"] is None or answer["ms"] > limit_s * 1000

    found["compact"] = first = send(compact, now)
    if is_late(first):
        return found
    found["spaced"] = second = send(spaced, now)
    if is_late(second):
        return found
    found["old"] = third = send(compact, now - _OLD_S)
    if not is_late(third) and first["status_code"] == 400:
        found["future"] = send(compact, now + _AHEAD_S)
    return found


def _event(*, spaced: bool) -> bytes:
    event = {
        "id": f"evt_runbook{uuid.uuid4().hex[:16]}",
        "object": "event",
        "api_version": "2024-06-20",
        "livemode": False,
        "pending_webhooks": 0,
        "type": TEST_TYPE,
        "data": {"object": {"id": "runbook_check", "object": "runbook_check"}},
    }
    return json.dumps(event, indent=2).encode() if spaced else json.dumps(event, separators=(",", ":")).encode()


def _headers(body: bytes, secret: str, at: float) -> dict[str, str]:
    stamp = int(at)
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={stamp},v1={digest}"}


def _exchange(http: Http, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> WebhookAnswer:
    trace = f"{_TRACE}{uuid.uuid4().hex[:18]}"
    sent = {"User-Agent": _USER_AGENT, "traceparent": f"00-{trace}-{uuid.uuid4().hex[:16]}-00", **headers}
    if body is not None:
        sent["Content-Type"] = "application/json; charset=utf-8"
    before_s = http.deadline.remaining_s
    try:
        return _answered(http.send(method, url, content=body, headers=sent))
    except LookError as error:
        waited_ms = round((before_s - http.deadline.remaining_s) * 1000, 1)
        return {"status_code": None, "failed": str(error.status), "words": error.tried, "ms": waited_ms}


def _answered(reply: Reply) -> WebhookAnswer:
    return {
        "status_code": reply.status_code,
        "ms": round(reply.elapsed_ms, 1),
        "words": reply.beginning(_WORDS),
        "json": _json(reply),
        "location": reply.headers.get("location"),
        "content_type": reply.headers.get("content-type"),
        "server": reply.headers.get("server"),
        "error": reply.headers.get("x-vercel-error") or reply.headers.get("x-railway-fallback"),
    }


def _json(reply: Reply) -> Json:
    if len(reply.body) > _WORDS:
        return None
    return reply.json_or_none()


def _secrets(door: Door, command_secret: bool) -> dict[str, str]:
    """The secrets to sign with: the API's configured one, and the CLI's where it is another."""
    found: dict[str, str] = {}
    own = configured(door)
    if own:
        found["configured"] = own.strip()
    if command_secret:
        with contextlib.suppress(LookError):  # no CLI here: what it would print is another look's question
            printed = ask_for_secret(door).secret
            if printed and printed not in found.values():
                found["cli"] = printed
    return found


def _offset_s(door: Door) -> float | None:
    """How far our clock is ahead of Stripe's, by the Date of any answer of it; None where none came."""
    try:
        reply = door.http.send("GET", require_setting(door, "stripe_api_url") + "/v1/account")
        stamp = parsedate_to_datetime(reply.headers.get("date", ""))
    except (LookError, TypeError, ValueError):
        return None
    offset_s = (door.clock() - (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC))).total_seconds()
    return round(offset_s, 1) if abs(offset_s) > 2 else 0.0
