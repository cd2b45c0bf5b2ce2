"""Cases of 01 that look like something else: decoys beside a healthy system and beside a fault, two faults at once, twins."""

import secrets
import time
from typing import Any

from runbook_lib.drills.failed_request.asking import by_request, fresh_checkout, fresh_request
from runbook_lib.drills.failed_request.cases import PROCEDURE, fault_case, several_visits
from runbook_lib.drills.kit.asking import since_fault
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Exercise, Result, Step, use, visit
from runbook_lib.sandbox import Sandbox, plain_http

RED_PAGE = (
    '{"page":{"id":"p","name":"OpenAI","url":"","updated_at":"2026-11-23T08:00:00Z"},'
    '"status":{"indicator":"major","description":"Partial System Outage"},'
    '"components":[{"id":"c","name":"Chat Completions","status":"major_outage"}],'
    '"incidents":[{"id":"i","name":"Elevated errors","status":"investigating","impact":"major",'
    '"created_at":"2026-11-23T08:00:00Z","updated_at":"2026-11-23T08:00:00Z","shortlink":"","components":[],'
    '"incident_updates":[]}],"scheduled_maintenances":[]}'
)
_RED = use("http", part="status", path="/openai/*", status=200, body=RED_PAGE)
_NOISE = {"trace_id": secrets.token_hex(16), "request_id": f"abcde-{int(time.time() * 1000)}-{secrets.token_hex(6)}"}
_ONCE = "Which of our invoices did the harbour office return"
_SERVER_ERROR = '{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}'


def _after_another_org(sandbox: Sandbox) -> Result:
    """Another organization is refused for its plan; this one is well."""
    sandbox.visit("chat", org="Initech")
    return sandbox.visit("chat", org="Acme Rockets")


def _with_late_work(sandbox: Sandbox) -> Result:
    """The handler leaves long work behind that nobody waits for: a span far longer than the request, off its path."""
    got = sandbox.visit("chat")
    trace = _trace_of(sandbox, str(got["request_id"]))
    if trace is None:
        return got
    trace_id, parent, end_ns = trace
    span = {
        "traceId": trace_id,
        "spanId": secrets.token_hex(8),
        "parentSpanId": parent,
        "name": "after: warm the cache",
        "kind": 1,
        "startTimeUnixNano": str(end_ns),
        "endTimeUnixNano": str(end_ns + 9_000_000_000),
        "attributes": [],
        "status": {},
    }
    named = [{"key": "service.name", "value": {"stringValue": "nexuscore"}}]
    batch = {"resource": {"attributes": named}, "scopeSpans": [{"scope": {"name": "next.js"}, "spans": [span]}]}
    answer = plain_http.request(
        "POST", f"{sandbox.endpoints['otlp']}/v1/traces", json={"resourceSpans": [batch]}, timeout=5
    )
    answer.raise_for_status()
    return got


def _trace_of(sandbox: Sandbox, request_id: str) -> tuple[str, str, int] | None:
    """Trace id and the root's id in hex and its end, as Tempo tells them; None where it has not got them in time."""
    base = sandbox.endpoints["tempo"]
    query = f'{{ span.vercel.request_id = "{request_id}" }}'
    for _ in range(20):
        time.sleep(0.2)
        found = plain_http.request("GET", f"{base}/api/search", params={"q": query}, timeout=5).json().get("traces")
        for each in found or ():
            spans = each["spanSets"][0]["spans"]
            end_ns = int(spans[0]["startTimeUnixNano"]) + int(spans[0]["durationNanos"])
            return each["traceID"].rjust(32, "0"), spans[0]["spanID"].rjust(16, "0"), end_ns
    return None


def _decoys() -> list[Case]:
    def decoy(name: str, *before: Step, exercise: Exercise | None = None, **more: Any) -> Case:
        given: dict[str, Any] = {"ask": by_request, "before": before, "exercise": exercise}
        return Case(f"decoy/{name}", PROCEDURE, "decoy", "ruled_out", **{**given, **more})

    told = {"provider": "openai", "model": "gpt-4o-mini", "status": 503, "code": "overloaded_error"}
    failed = "openai/gpt-4o-mini failed: The engine is currently overloaded"
    return [
        decoy(
            "old-error",
            use("log", part="gateway", level="error", message=failed, minutes_ago=50.0, attributes=told),
            use("log", part="api", level="error", message="gateway failed: all providers failed", minutes_ago=50.0),
        ),
        decoy("noisy-line", use("log", part="api", level="error", message="database failed: statement timeout")),
        decoy(
            "line-of-another-request",
            use("log", part="gateway", level="error", message=failed, attributes={**told, **_NOISE}),
        ),
        decoy("late-work-off-the-path", exercise=_with_late_work),
        decoy(
            "another-org-refused",
            use(
                "sql",
                statement="insert into public.usage_records (org_id, tokens, requests, provider, model, at) select id, 200000, "
                "1, 'openai', 'gpt-4o-batch', now() from public.organizations where name = 'Initech'",
                undo="delete from public.usage_records where model = 'gpt-4o-batch'",
            ),
            exercise=_after_another_org,
        ),
        decoy("red-status-page", _RED),
        decoy("deployment-coincides", use("deploy", part="api", message="Rename a helper")),
        decoy("variable-coincides", use("env", part="gateway", name="LOG_LEVEL", value="debug")),
        decoy("throttle-cured-by-fallback", use("dial", of="openai", field="mode", value="throttled")),
        decoy(
            "error-cured-by-retry",
            use("http", part="openai", method="POST", status=500, body=_SERVER_ERROR, body_contains=_ONCE, count=1),
            exercise=visit("chat", message=_ONCE),
        ),
        decoy(
            "checkout-fails-chat-does-not",
            use("http", part="stripe", path="/v1/checkout/sessions", status=500, body='{"error":{"type":"api_error"}}'),
            exercise=lambda sandbox: (sandbox.visit("checkout"), sandbox.visit("chat"))[1],
        ),
        decoy("clock-ahead", use("clock", part="gateway", shift_s=120.0)),
        decoy("clock-behind", use("clock", part="api", shift_s=-45.0)),
        decoy(
            "window-throttle-cured",
            use("dial", of="openai", field="mode", value="throttled"),
            exercise=several_visits("chat"),
            ask=since_fault,
            calm=True,
        ),
    ]


def _among_decoys() -> list[Case]:
    """A fault beside something that looks like one."""
    wrong_page = use("http", part="status", path="/anthropic/*", status=200, body=RED_PAGE)
    return [
        fault_case(
            "request.provider_failed.overloaded", "openai", id="fault/red-page-of-another", before=(wrong_page,)
        ),
        fault_case("request.db_failed.grant", id="fault/deployment-coincides", before=(use("deploy", part="gateway"),)),
        fault_case(
            "request.provider_failed.key_invalid",
            "openai",
            id="fault/gateway-clock-ahead",
            before=(use("clock", part="gateway", shift_s=90.0),),
        ),
        fault_case(
            "request.gateway_failed",
            "event",
            id="fault/gateway-clock-behind",
            before=(use("clock", part="gateway", shift_s=-90.0),),
        ),
        fault_case(
            "request.provider_failed.overloaded",
            "openai",
            id="fault/gateway-silent-its-log-tells",
            before=(use("spans", part="gateway", drop=True),),
        ),
        fault_case(
            "request.provider_failed.overloaded",
            "openai",
            id="fault/unsampled-logs-tell",
            before=tuple(use("spans", part=part, unsampled=1.0) for part in ("web", "api", "gateway")),
        ),
        fault_case(
            "request.provider_failed.overloaded",
            "openai",
            id="fault/parents-lost",
            before=(use("spans", part="api", name="fetch *", drop=True),),
        ),
    ]


def _doubles() -> list[Case]:
    def double(name: str, injected: tuple[Injected, ...], codes: tuple[str, ...], **more: Any) -> Case:
        given: dict[str, Any] = {"ask": by_request, "again": fresh_request, "faults": injected}
        return Case(f"double/{name}", PROCEDURE, "double", "confirmed", codes, **{**given, **more})

    provider = "request.provider_failed"
    all_fail = (
        use("dial", of="openai", field="mode", value="throttled"),
        use("dial", of="anthropic", field="mode", value="bad_key"),
        use("dial", of="together", field="mode", value="overloaded"),
    )
    return [
        Case(
            "double/the-whole-chain-fails",
            PROCEDURE,
            "double",
            "confirmed",
            (f"{provider}.rate_limited", f"{provider}.key_invalid", f"{provider}.overloaded"),
            before=all_fail,
            ask=by_request,
            again=fresh_request,
        ),
        double(
            "storm-and-down",
            (Injected(f"{provider}.down", "server_error"),),
            (f"{provider}.down", "request.retry_storm"),
            before=(use("code", part="gateway", attempts=7, no_backoff=True, no_fallback=True),),
        ),
        double(
            "auth-down-masks-provider",
            (Injected("request.auth_failed.down"), Injected(f"{provider}.overloaded")),
            ("request.auth_failed.down",),
        ),
        double(
            "provider-masks-constraint",
            (Injected(f"{provider}.overloaded"), Injected("request.db_failed.constraint")),
            (f"{provider}.overloaded",),
        ),
        double(
            "web-fails-before-the-gateway-is-asked",
            (Injected("request.web_failed"), Injected("request.gateway_unreachable.refused")),
            ("request.web_failed",),
        ),
        double(
            "killed-while-the-provider-hangs",
            (Injected("request.function_killed.timeout"), Injected(f"{provider}.out_of_credit")),
            ("request.function_killed.timeout",),
        ),
        double(
            "cured-provider-and-constraint",
            (Injected("request.db_failed.constraint"),),
            ("request.db_failed.constraint",),
            before=(use("dial", of="openai", field="mode", value="throttled"),),
        ),
        double(
            "window-two-causes",
            (Injected("request.db_failed.constraint"), Injected("request.stripe_failed.request_rejected")),
            ("request.db_failed.constraint", "request.stripe_failed.request_rejected"),
            exercise=lambda sandbox: (several_visits("chat", 9)(sandbox), sandbox.visit("checkout"))[1],
            ask=since_fault,
            again=fresh_checkout,
            calm=True,
        ),
    ]


def _twins() -> list[Case]:
    """What the evidence cannot tell apart: never a guess."""
    hidden = use(
        "sql",
        statement="create policy memberships_hidden on public.memberships as restrictive for select using (false)",
        undo="drop policy memberships_hidden on public.memberships",
    )
    return [
        Case(
            "twin/hidden-by-policy-or-no-member",
            PROCEDURE,
            "blind_spot",
            "could_not_tell",
            before=(hidden,),
            ask=by_request,
        ),
        Case(
            "twin/no-member-or-hidden-by-policy",
            PROCEDURE,
            "blind_spot",
            "could_not_tell",
            ask=by_request,
            exercise=lambda sandbox: sandbox.visit("chat", user=sandbox.people[0]["email"], org="Umbrella Bakery"),
        ),
        Case(
            "twin/lock-or-slow-statement",
            PROCEDURE,
            "blind_spot",
            "confirmed",
            ("request.db_failed",),
            ("postgres",),
            never=("request.db_failed.lock", "request.db_failed.statement_timeout"),
            ask=by_request,
            faults=(Injected("request.db_failed.lock", "statement_timeout"),),
            after=(use("process", part="postgres", action="stop"),),
        ),
    ]


CASES: tuple[Case, ...] = (*_decoys(), *_among_decoys(), *_doubles(), *_twins())
