"""Every look of every source with what a source in good health answers to it; the tests spoil these answers."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.loopback import Asked

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Status
from runbook_lib.io.observe import Look
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.providers import status_pages
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.stripe import webhooks as stripe_webhooks
from runbook_lib.sources.supabase import backups as supabase_backups
from runbook_lib.sources.supabase import customers as supabase_customers
from runbook_lib.sources.supabase import records as supabase
from runbook_lib.sources.this_machine import parts
from runbook_lib.sources.traces import jaeger, tempo
from runbook_lib.sources.vercel import logs as vercel

SPECS = Path(__file__).parent.parent / "specs"
NOW = datetime.now(UTC)
PAST = Window(NOW - timedelta(hours=3), NOW - timedelta(hours=1))
AT = PAST.since + timedelta(minutes=30)
AT_MS = int(AT.timestamp() * 1000)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
REQUEST = f"x7k2p-{AT_MS}-5f0c2a9b7d1e"


def _sample(name: str) -> Any:
    return json.loads((SPECS / name).read_text())


def _graphql(**data: Any) -> dict[str, Any]:
    return {"data": data}


def _connection(*nodes: Any) -> dict[str, Any]:
    return {"edges": [{"node": node} for node in nodes], "pageInfo": {"hasNextPage": False, "endCursor": None}}


RAILWAY_DEPLOYMENT = {
    "id": "dep-1",
    "createdAt": to_iso(AT - timedelta(days=1)),
    "status": "SUCCESS",
    "statusUpdatedAt": to_iso(AT),
    "canRollback": False,
    "url": None,
    "staticUrl": "gw.up.railway.app",
    "meta": {"commitHash": "abc", "branch": "main", "commitMessage": "Fix", "image": None},
    "diagnosis": None,
}
RAILWAY_LINE = {
    "timestamp": AT.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z",
    "message": "provider failed",
    "severity": "error",
    "attributes": [{"key": "trace_id", "value": f'"{TRACE}"'}, {"key": "attempt", "value": "2"}],
    "tags": {"serviceId": "svc-gateway", "deploymentId": "dep-1", "deploymentInstanceId": "i-1"},
}
RAILWAY_REQUEST = {
    "timestamp": to_iso(AT), "requestId": "rw-1", "method": "POST", "path": "/v1/chat", "host": "gw", "httpStatus": 502,
    "totalDuration": 120, "upstreamErrors": "", "responseDetails": "upstream closed", "edgeRegion": "europe-west4",
    "deploymentId": "dep-1", "deploymentInstanceId": "i-1",
}  # fmt: skip
VERCEL_DEPLOYMENT = {
    "uid": "dpl_1", "id": "dpl_1", "created": AT_MS, "createdAt": AT_MS, "ready": AT_MS + 1, "state": "READY",
    "readyState": "READY", "target": "production", "url": "web-1.vercel.app", "inspectorUrl": "https://vercel.com/x",
    "meta": {"githubCommitSha": "abc", "githubCommitRef": "main", "githubCommitMessage": "Fix"},
}  # fmt: skip
MACHINE = {
    "id": "m1", "name": "gateway-1", "state": "started", "region": "fra", "host_status": "ok", "updated_at": to_iso(AT),
    "image_ref": {"repository": "nexus-gateway", "tag": "v7"},
    "checks": [{"name": "alive", "status": "passing", "output": "ok", "updated_at": to_iso(AT)}],
    "events": [{"type": "start", "status": "started", "source": "flyd", "timestamp": AT_MS}], "config": {},
}  # fmt: skip
PROJECT = {
    "id": "abcdefghijklmnopqrst", "ref": "abcdefghijklmnopqrst", "organization_id": "org", "organization_slug": "org",
    "name": "nexuscore", "status": "ACTIVE_HEALTHY", "region": "eu-central-1", "created_at": "2026-01-05T09:12:44Z",
    "database": {"host": "db", "version": "17.6", "postgres_engine": "17", "release_channel": "ga"},
}  # fmt: skip
SUBSCRIPTION = {
    "id": "sub_1", "object": "subscription", "status": "past_due", "customer": "cus_1", "created": 1790000000,
    "current_period_start": 1790000000, "current_period_end": 1792000000, "cancel_at_period_end": False, "livemode": False,
    "items": {"object": "list", "data": [{"id": "si_1", "quantity": 1, "price": {
        "id": "price_1", "lookup_key": "pro", "nickname": None, "product": "prod_1", "recurring": {"usage_type": "metered"},
    }}]},
}  # fmt: skip
EVENT = {
    "id": "evt_1", "object": "event", "created": int(AT.timestamp()), "type": "invoice.paid", "livemode": False,
    "api_version": "2024-06-20", "pending_webhooks": 0, "request": {"id": "req_1"},
    "data": {"object": {"id": "in_1", "object": "invoice", "customer": "cus_1"}},
}  # fmt: skip
SUBSCRIPTION_EVENT = {**EVENT, "id": "evt_2", "type": "customer.subscription.updated", "data": {"object": SUBSCRIPTION}}
ENDPOINT = {
    "id": "we_1", "object": "webhook_endpoint", "url": "https://api.example/api/stripe/webhook", "status": "enabled",
    "enabled_events": ["invoice.paid"], "api_version": None, "created": 1790000000, "livemode": False,
}  # fmt: skip
STATUSPAGE = {
    "status": {"indicator": "major", "description": "Partial outage"},
    "components": [{"name": "API", "status": "major_outage"}, {"name": "Web", "status": "operational"}],
}
INCIDENTS = {
    "incidents": [
        {
            "id": "i1", "name": "Errors", "status": "resolved", "impact": "major", "created_at": to_iso(AT),
            "resolved_at": to_iso(NOW), "shortlink": "https://s", "components": [{"name": "API"}],
        },
    ]
}  # fmt: skip
VARIABLE = {
    "key": "A",
    "target": ["production"],
    "type": "encrypted",
    "updatedAt": AT_MS,
    "createdAt": AT_MS,
    "value": "s",
}
PLATFORM = {
    "isStable": False,
    "incident": {"id": "i", "message": "m", "status": "IDENTIFIED", "url": "https://x", "createdAt": None},
}
FLY_LINE = {
    "id": "1",
    "type": "log",
    "attributes": {
        "timestamp": to_iso(AT),
        "level": "error",
        "message": '{"trace_id": "t"}',
        "instance": "m1",
        "meta": {"event": {"provider": "app"}},
    },
}
RELEASE = {"id": "r1", "version": 7, "status": "complete", "created_at": to_iso(AT), "image_ref": "i:7"}
STRIPE_CUSTOMER = {
    "id": "cus_1",
    "object": "customer",
    "created": 1790000000,
    "email": "a@b.example",
    "livemode": False,
}
INSTATUS = {
    "page": {"status": "HASISSUES"},
    "activeIncidents": [
        {"id": "1", "name": "n", "started": to_iso(AT), "status": "INVESTIGATING", "impact": "MAJOROUTAGE", "url": "u"}
    ],
}
REPORT = {
    "id": "r1",
    "type": "status_report",
    "attributes": {"title": "Slow", "starts_at": to_iso(AT), "ends_at": None, "aggregate_state": "degraded"},
}
BETTER_STACK = {
    "data": {"attributes": {"aggregate_state": "degraded"}},
    "included": [
        REPORT
    ],
}  # fmt: skip
USAGE = [{"tokens": 10, "requests": 1, "at": to_iso(AT)}, {"tokens": None, "requests": 1, "at": to_iso(AT)}]
CUSTOMER = {
    "org_id": "o1",
    "stripe_customer_id": "cus_1",
    "plan": "pro",
    "status": "active",
    "current_period_end": None,
}


@dataclass(frozen=True)
class Case:
    """A source function, and what a source in good health answers: (pattern of method, path and body) -> body."""

    look: Callable[[], Look]
    answers: dict[str, Any]
    public: bool = False  # needs no key: 401 and 403 are possible and mean nothing that a setting would help
    probe: bool = False  # the HTTP status is data
    absent: Status = Status.denied  # what 404 everywhere means
    loose: bool = False  # documents of another shape can be a legitimate answer
    refusals: bool = False  # what the source refuses is data too: that is what is asked for

    def body(self, asked: Asked) -> Any:
        line = f"{asked.method} {asked.path} {json.dumps(asked.query)} {asked.body.decode(errors='replace')}"
        return next((body for pattern, body in self.answers.items() if re.search(pattern, line)), None)


def _begun_at(sample: Any) -> Any:
    """A search's answer with its traces in the window that is asked for: the sample keeps the day on which it was made."""
    return {**sample, "traces": [{**each, "startTimeUnixNano": str(AT_MS * 1_000_000)} for each in sample["traces"]]}


TEMPO_TRACE, TEMPO_SEARCH = _sample("tempo/sample-trace-v2.json"), _begun_at(_sample("tempo/sample-search.json"))
JAEGER_TRACE = _sample("jaeger/sample-apiv3-trace-scenario.json")
JAEGER = {
    r"/api/v3/services": {"services": ["nexus-web", "nexus-gateway"]},
    r"/api/v3/traces": JAEGER_TRACE,
    r"/api/traces": _sample("jaeger/sample-v1-trace-scenario.json"),
}
REQUEST_LOGS = _sample("vercel/sample-request-logs.json")
DEPLOYMENTS = _graphql(deployments=_connection(RAILWAY_DEPLOYMENT))

CASES: dict[str, Case] = {
    "tempo.trace": Case(lambda: tempo.trace(TRACE, PAST), {r"/api/v2/traces/": TEMPO_TRACE}, absent=Status.not_found),
    "tempo.find_request": Case(lambda: tempo.find_request(REQUEST, PAST), {r"/api/search": TEMPO_SEARCH}),
    "tempo.same_root": Case(lambda: tempo.same_root("POST /api/chat", PAST), {r"/api/search": TEMPO_SEARCH}),
    "tempo.traces_of": Case(
        lambda: tempo.traces_of([TRACE], PAST), {r"/api/v2/traces/": TEMPO_TRACE}, absent=Status.not_found
    ),
    "tempo.window_traces": Case(
        lambda: tempo.window_traces(PAST), {r"/api/search": TEMPO_SEARCH, r"/api/v2/traces/": TEMPO_TRACE}
    ),
    "tempo.health": Case(
        lambda: tempo.health(), {r"/api/search": TEMPO_SEARCH, r"/api/status/buildinfo": {"version": "3.0.0"}}
    ),
    "jaeger.trace": Case(lambda: jaeger.trace(TRACE, PAST), JAEGER, absent=Status.malformed),
    "jaeger.find_request": Case(
        lambda: jaeger.find_request("x7k2p-1795396000123-5f0c2a9b7d1e", PAST), JAEGER, absent=Status.malformed
    ),
    "jaeger.same_root": Case(lambda: jaeger.same_root("POST /api/chat", PAST), JAEGER, absent=Status.malformed),
    "jaeger.traces_of": Case(lambda: jaeger.traces_of([TRACE], PAST), JAEGER, absent=Status.malformed),
    "jaeger.window_traces": Case(lambda: jaeger.window_traces(PAST), JAEGER, absent=Status.malformed),
    "jaeger.health": Case(lambda: jaeger.health(), JAEGER, absent=Status.malformed),
    "vercel.request_log": Case(lambda: vercel.request_log("web", PAST), {r"/api/logs/request-logs": REQUEST_LOGS}),
    "vercel.deployments": Case(
        lambda: vercel.deployments("web", PAST),
        {r"/v7/deployments": {"deployments": [VERCEL_DEPLOYMENT], "pagination": {"count": 1, "next": None, "prev": 1}}},
    ),
    "vercel.env_changes": Case(
        lambda: vercel.env_changes("web"),
        {r"/v10/projects/prj_web/env": {"envs": [VARIABLE]}},
    ),
    "vercel.health": Case(
        lambda: vercel.health(),
        {r"/v2/user": {"user": {"username": "oncall"}}, r"/v9/projects/": {"name": "web"}, r"/v5/user/tokens": {"token": {}}},
        absent=Status.malformed,
    ),
    "railway.logs": Case(
        lambda: railway.logs("gateway", PAST, trace_id=TRACE),
        {r"environmentLogs": _graphql(environmentLogs=[RAILWAY_LINE])},
        absent=Status.malformed
    ),
    "railway.http_log": Case(
        lambda: railway.http_log("gateway", PAST, request_id="rw-1"),
        {r"httpLogs": _graphql(httpLogs=[RAILWAY_REQUEST]), r"deployments\(": DEPLOYMENTS},
        absent=Status.malformed,
    ),
    "railway.deployments": Case(
        lambda: railway.deployments("gateway"), {r"deployments\(": DEPLOYMENTS}, absent=Status.malformed
    ),
    "railway.variables_names": Case(
        lambda: railway.variables_names("gateway"),
        {r"variables\(": _graphql(environment={"variables": _connection(
            {"name": "PORT", "serviceId": "svc-gateway", "updatedAt": to_iso(AT), "createdAt": to_iso(AT), "isSealed": False}
        )})},
        absent=Status.malformed,
    ),
    "railway.incidents": Case(
        lambda: railway.incidents(),
        {r"platformStatus": _graphql(platformStatus=PLATFORM)},
        absent=Status.malformed,
    ),
    "railway.health": Case(
        lambda: railway.health(),
        {r"projectToken": _graphql(projectToken={"name": "runbook", "projectId": "proj-1", "environmentId": "env-1"})},
        absent=Status.malformed,
    ),
    "fly.logs": Case(
        lambda: fly.logs(PAST),
        {
            r'next_token": \["end"': {"data": [], "meta": {}},
            r"/logs": {
                "data": [FLY_LINE],
                "meta": {"next_token": "end"},
            },
        },
    ),
    "fly.machines": Case(lambda: fly.machines(), {r"/machines": [MACHINE]}),
    "fly.releases": Case(
        lambda: fly.releases(),
        {r"/releases": {"releases": [RELEASE]}},
    ),
    "fly.health": Case(
        lambda: fly.health(), {r"/machines": [MACHINE], r"/v1/apps/nexus-gateway ": {"name": "nexus-gateway", "status": "deployed"}}
    ),
    "supabase.project_health": Case(
        lambda: supabase.project_health(),
        {r"/health": [{"name": "db", "status": "ACTIVE_HEALTHY", "healthy": True}], r"/v1/projects/\w+ ": PROJECT},
    ),
    "supabase.migrations": Case(
        lambda: supabase.migrations(), {r"/database/migrations": [{"version": "20260101120000", "name": "init"}]}
    ),
    "supabase_backups.backups": Case(
        lambda: supabase_backups.backups(),
        {
            r"/database/backups ": {
                "region": "eu-central-1", "walg_enabled": True, "pitr_enabled": True,
                "backups": [{"id": 1, "is_physical_backup": True, "status": "COMPLETED", "inserted_at": to_iso(AT)}],
                "physical_backup_data": {
                    "earliest_physical_backup_date_unix": AT_MS // 1000 - 86400,
                    "latest_physical_backup_date_unix": AT_MS // 1000,
                },
            }
        },
    ),
    "supabase_backups.schedule": Case(
        lambda: supabase_backups.schedule(),
        {r"/database/backups/schedule": {"schedule_for": "04:00:00", "updated_at": to_iso(AT)}},
        absent=Status.not_found,
    ),
    "supabase.usage": Case(
        lambda: supabase.usage("o1", PAST),
        {r'usage_records .*"offset": \["[1-9]': [], r"usage_records": USAGE},
        absent=Status.malformed,
        loose=True,
    ),
    "supabase.billing_customer": Case(
        lambda: supabase.billing_customer("o1"), {r"billing_customers": [CUSTOMER]}, absent=Status.malformed, loose=True
    ),
    "supabase.health": Case(
        lambda: supabase.health(), {r"/rest/v1/": [], r"/auth/v1/health": {"name": "GoTrue"}}, probe=True, loose=True
    ),
    "stripe.subscription": Case(
        lambda: stripe.subscription("cus_1"),
        {r"/v1/subscriptions": {"object": "list", "data": [SUBSCRIPTION], "has_more": False}},
        absent=Status.malformed,
    ),
    "stripe.customer": Case(
        lambda: stripe.customer("cus_1"),
        {r"/v1/customers/cus_1": STRIPE_CUSTOMER},
        absent=Status.not_found,
    ),
    "stripe.events": Case(
        lambda: stripe.events(PAST),
        {r"/v1/events": {"object": "list", "data": [EVENT], "has_more": False}},
        absent=Status.malformed,
    ),
    "stripe_webhooks.endpoints": Case(
        lambda: stripe_webhooks.endpoints(),
        {r"/v1/webhook_endpoints": {"object": "list", "data": [ENDPOINT], "has_more": False}},
        absent=Status.malformed,
    ),
    "stripe_webhooks.keys": Case(
        lambda: stripe_webhooks.keys(), {r"/v1/account": {"id": "acct_1", "object": "account"}},
        refusals=True,
    ),
    "stripe_webhooks.deliveries": Case(
        lambda: stripe_webhooks.deliveries(PAST),
        {r"/v1/events": {"object": "list", "data": [EVENT, SUBSCRIPTION_EVENT], "has_more": False}},
        absent=Status.malformed,
    ),
    "stripe_webhooks.last_delivered": Case(
        lambda: stripe_webhooks.last_delivered(),
        {r"/v1/events": {"object": "list", "data": [EVENT], "has_more": True}},
        absent=Status.malformed,
    ),
    "supabase_customers.billing_records": Case(
        lambda: supabase_customers.billing_records(["cus_1"]),
        {r"billing_customers": [CUSTOMER]},
        absent=Status.malformed,
        loose=True,
    ),
    "stripe.health": Case(
        lambda: stripe.health(), {r"/v1/": {"object": "list", "data": [], "has_more": False}}, absent=Status.malformed
    ),
    "parts.probe": Case(lambda: parts.probe("api"), {r"/api/health": {"status": "ok"}}, probe=True, loose=True, public=True),
    "parts.gateway_openapi": Case(
        lambda: parts.gateway_openapi(),
        {r"/openapi.json": {"info": {"title": "gateway", "version": "1"}, "paths": {"/": {}}}},
        probe=True,
        loose=True,
        public=True,
    ),
    "status.statuspage": Case(
        lambda: status_pages.incidents("openai", PAST),
        {r"/summary.json": STATUSPAGE, r"/incidents.json": INCIDENTS},
        public=True,
        absent=Status.malformed,
    ),
    "status.better_stack": Case(
        lambda: status_pages.incidents("together", PAST), {r"/index.json": BETTER_STACK}, public=True, absent=Status.malformed
    ),
    "status.instatus": Case(
        lambda: status_pages.incidents("railway"),
        {r"/summary.json": INSTATUS},
        public=True,
        absent=Status.malformed,
    ),
    "status.stripe": Case(
        lambda: status_pages.incidents("stripe"),
        {r"/current": {"largestatus": "down", "message": "m", "statuses": {"api": "down", "dashboard": "up"}}},
        public=True,
        absent=Status.malformed,
    ),
}  # fmt: skip
