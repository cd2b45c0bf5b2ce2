"""Hand-made evidence for the rules of 02: everything in order, on a developer's machine or deployed; each test spoils one thing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Conclusion, Observation, Status, observation_id, observation_key
from runbook_lib.procedures.stripe_webhooks.evidence import Evidence
from runbook_lib.procedures.stripe_webhooks.rules import diagnose

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SINCE = NOW - timedelta(hours=12)
EVERY = ["invoice.paid", "invoice.payment_failed", "customer.subscription.updated"]
ROUTE = "/api/stripe/webhook"
RIGHT, OTHER = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
NO_MATCH = "Webhook Error: No signatures found matching the expected signature for payload."
TOO_OLD = "Webhook Error: Timestamp outside the tolerance zone"


def look(source: str, call: str, value: Any = None, status: Status = Status.ok, **arguments: Any) -> Observation:
    """An observation as the observer would record it."""
    key = observation_key(f"{source}.{call}", arguments, 1)
    why = "" if status.answered else "no answer"
    return Observation(
        observation_id(source, call, key), source, call, arguments, 1, status, value, why, "", to_iso(NOW), 5.0
    )


def ago(minutes: float) -> str:
    """A time before now."""
    return to_iso(NOW - timedelta(minutes=minutes))


def answer(status: int | None = 200, words: str = "", **more: Any) -> dict[str, Any]:
    """One exchange with the route."""
    said = {"status_code": status, "ms": 12.0, "words": words, "json": None, "location": None, "error": None, **more}
    return (
        {"status_code": None, "failed": words, "words": "", "ms": more.get("ms", 31_000.0)} if status is None else said
    )


MISSING = answer(400, "Missing webhook secret or signature")
BAD = answer(400, NO_MATCH)
OLD = answer(400, TOO_OLD)
GOOD = answer(200, '{"received":true}')


def answers_of(secret: str = "configured", print_: str = RIGHT, **forms: Any) -> dict[str, Any]:
    """The answers to signed test events, all as they should be."""
    given = {"compact": GOOD, "spaced": GOOD, "old": OLD, "future": None, **forms}
    return {"secret": secret, "fingerprint": print_, **given}


def event(minutes: float = 30, type_: str = "customer.subscription.updated", **more: Any) -> dict[str, Any]:
    """A billing event, delivered."""
    base = {
        "id": f"evt_1at{int(minutes * 60)}ago", "at": ago(minutes), "type": type_, "customer": "cus_1",
        "api_version": "2024-06-20", "livemode": False, "pending": 0, "is_young": False, "status": "active",
        "plan": "pro", "period_end": None,
    }  # fmt: skip
    return {**base, **more}


def cli(**more: Any) -> dict[str, Any]:
    """A Stripe CLI that listens as it should, since an hour."""
    base = {
        "pid": 7, "user": "dev", "started_at": ago(60), "how": "binary", "own_network": True,
        "forward_to": f"localhost:3001{ROUTE}", "target": {"scheme": "http", "host": "localhost", "port": 3001, "path": ROUTE},
        "events": list(EVERY), "latest": False, "configured_webhooks": False, "mode": "test", "key": None, "project": None,
    }  # fmt: skip
    return {**base, **more}


def target(host: str = "localhost", port: int = 3001, path: str = ROUTE) -> dict[str, Any]:
    """Where a CLI forwards to, in both its forms."""
    at = f"[{host}]" if ":" in host else host
    return {
        "forward_to": f"{at}:{port}{path}",
        "target": {"scheme": "http", "host": host, "port": port, "path": path},
    }


def endpoint(**more: Any) -> dict[str, Any]:
    """A dashboard endpoint as it should be."""
    base = {
        "id": "we_1", "url": f"https://api.nexuscore.example{ROUTE}", "status": "enabled", "enabled_events": list(EVERY),
        "api_version": "2024-06-20", "created_at": ago(9999), "livemode": False,
    }  # fmt: skip
    return {**base, **more}


def listening(*clis: dict[str, Any], status: Status | None = None) -> Observation:
    """The CLIs of the machine."""
    found = status or (Status.ok if clis else Status.empty)
    return look("host", "stripe_listen", {"listening": list(clis), "scope": "all"}, found)


def secrets(
    process: str | None = RIGHT, file: str | None = RIGHT, setting: str | None = RIGHT, **times: str
) -> Observation:
    """What the API has, and from where."""

    def held(print_: str | None) -> Any:
        return {"fingerprint": print_, "is_signing_secret": True, "is_padded": False} if print_ else None

    started, changed = times.get("started_at", ago(50)), times.get("changed_at", ago(600))
    value = {
        "process": {"pid": 9, "started_at": started, "is_readable": True, "secret": held(process)},
        "file": {"name": ".env.local", "changed_at": changed, "secret": held(file)},
        "setting": held(setting),
    }
    return look("host", "api_secret", value)


def listeners(*addresses: str, name: str = "node", **accepts: str) -> Observation:
    """Who has port 3001."""
    rows = [{"address": each, "pid": 9, "name": name, "user": "dev", "started_at": ago(50)} for each in addresses]
    both = {
        "127.0.0.1": "accepted",
        "::1": "refused",
        **{k.replace("v4", "127.0.0.1").replace("v6", "::1"): v for k, v in accepts.items()},
    }
    value = {"host": "localhost", "port": 3001, "listeners": rows, "accepts": both}
    return look("host", "listeners", value, Status.ok if rows else Status.empty)


def route(address: str = "http://localhost:3001", **answers: Any) -> Observation:
    """What the API answers, as NexusCore's does."""
    given = {
        "health": answer(200, '{"status":"ok"}', json={"status": "ok"}),
        "get": answer(405),
        "unsigned": MISSING,
        "badly_signed": BAD,
        **answers,
    }
    return look("webhook", "route", {"address": address, "path": ROUTE, **given})


def signed(*rows: dict[str, Any], reference: str = "stripe") -> Observation:
    """Signed test events."""
    value = {"reference": reference, "offset_s": 0.0, "tests": list(rows) or [answers_of()]}
    return look("webhook", "signed", value)


def keys(**more: Any) -> Observation:
    """The keys at hand, all of one account and mode."""
    key = {"mode": "test", "kind": "secret", "fingerprint": "cccccccccccc"}
    base = {
        "runbook": key, "api": key, "publishable": key, "account": "acct_1", "api_account": "acct_1", "api_refused": None,
        "pinned_version": "2024-06-20",
    }  # fmt: skip
    return look("stripe", "keys", {**base, **more})


def deliveries(*events: dict[str, Any], status: Status | None = None) -> Observation:
    """Stripe's billing events of the window, newest first."""
    return look("stripe", "deliveries", list(events) or None, status or (Status.ok if events else Status.empty))


def endpoints(*rows: dict[str, Any], status: Status | None = None) -> Observation:
    """The account's endpoints."""
    return look("stripe", "webhook_endpoints", list(rows) or None, status or (Status.ok if rows else Status.empty))


def records(status: str = "active", customer: str = "cus_1") -> Observation:
    """The billing record of the one customer."""
    record = {
        "org_id": "org-1",
        "stripe_customer_id": customer,
        "plan": "pro",
        "status": status,
        "current_period_end": None,
    }
    return look("supabase", "billing_records", {"asked": [customer], "found": [record]})


def arrival(minutes: float, status: int = 200, words: str = "", **more: Any) -> dict[str, Any]:
    """A row of the platform's request log: one POST to the webhook."""
    base = {
        "request_id": "x", "at": ago(minutes), "method": "POST", "path": ROUTE, "status": status, "duration_ms": 20.0,
        "trace_id": None, "error": None, "logs": [{"message": words}] if words else [],
    }  # fmt: skip
    return {**base, **more}


def arrivals(*rows: dict[str, Any], status: Status = Status.ok) -> Observation:
    """Vercel's request log of the webhook."""
    return look("vercel", "request_log", list(rows) or None, status, part="api")


def place(address: str, host: str, port: int, *, is_local: bool) -> Observation:
    """Where the API is."""
    value = {"address": address, "host": host, "port": port, "is_local": is_local, "path": ROUTE, "timeout_s": None}
    return look("webhook", "place", value)


def workshop(**more: Any) -> Evidence:
    """A developer's machine in order: one CLI, one API, one delivered and applied event."""
    base = Evidence(
        NOW,
        Window(SINCE, NOW),
        place=place("http://localhost:3001", "localhost", 3001, is_local=True),
        listening=listening(cli()),
        cli_secret=look("host", "cli_secret", {"version": "1.52.0", "fingerprint": RIGHT, "account": "acct_1"}),
        listeners=listeners("127.0.0.1"),
        api_secret=secrets(),
        route=route(),
        signed=signed(),
        endpoints=endpoints(),
        keys=keys(),
        deliveries=deliveries(event()),
        last_delivered=look("stripe", "last_delivered", [event()]),
        records=records(),
    )
    return replace(base, **more)


def deployed(**more: Any) -> Evidence:
    """A deployed API in order: one endpoint, one delivered and applied event."""
    address = "https://api.nexuscore.example"
    absent = Status.not_configured
    base = Evidence(
        NOW,
        Window(SINCE, NOW),
        place=place(address, "api.nexuscore.example", 443, is_local=False),
        listening=listening(status=absent),
        cli_secret=look("host", "cli_secret", None, absent),
        listeners=look("host", "listeners", None, absent),
        api_secret=look("host", "api_secret", {"file": None, "process": None, "setting": None}),
        route=route(address),
        signed=signed(),
        endpoints=endpoints(endpoint()),
        keys=keys(),
        deliveries=deliveries(event()),
        last_delivered=look("stripe", "last_delivered", [event()]),
        records=records(),
        arrivals=(arrivals(arrival(30)),),
    )
    return replace(base, **more)


def said(evidence: Evidence) -> tuple[str, list[str]]:
    """What the verdict says and names: causes, states or blind codes, by its status."""
    found = diagnose(evidence)
    return str(found.status), named(found)


def named(found: Conclusion) -> list[str]:
    """The codes of a verdict."""
    by_status = {"confirmed": found.causes, "ruled_out": found.states, "could_not_tell": found.blind}
    return [each.code for each in by_status[str(found.status)]]
