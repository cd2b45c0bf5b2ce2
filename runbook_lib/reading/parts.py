"""Which part of NexusCore a span belongs to, and which part it calls, by what the span itself says.

All parts may share one service.name, so the name only helps where it tells; kind, host, route, instrumentation scope,
runtime, `vercel.*`, `gen_ai.*` and `db.*` decide.
"""

import re
from urllib.parse import urlsplit

from runbook_lib.core.records.traces import Attributes, Span
from runbook_lib.reading.spans import Trace, first

WEB, API, GATEWAY = "web", "api", "gateway"
DATABASE, AUTH, STRIPE, PROVIDER, OTHER = "database", "auth", "stripe", "provider", "other"

_PROVIDER_HOSTS = (("openai", "openai"), ("anthropic", "anthropic"), ("together", "together"))
_PROVIDER_NAMES = {"openai": "openai", "anthropic": "anthropic", "together": "together", "together_ai": "together"}
_SUPABASE_HOST = re.compile(r"(?:^|\.)supabase\.(?:co|in)$")


def part_of(span: Span, resource: Attributes) -> str:
    """web, api, gateway, or other: the part whose process reported this span."""
    attributes = span["attributes"]
    name = _from_service_name(str(resource.get("service.name", "")), str(resource.get("service.namespace", "")))
    if name:
        return name
    runtime = str(resource.get("telemetry.sdk.language", "") or resource.get("process.runtime.name", ""))
    scope = span["scope"].lower()
    if _is_gateway_scope(scope) or (runtime in ("python", "cpython") and "vercel.request_id" not in attributes):
        return GATEWAY
    if "gen_ai.provider.name" in attributes or "gen_ai.system" in attributes:
        return GATEWAY
    if _is_next(scope, attributes, resource):
        return API if _is_api_route(span, resource) else WEB
    route = _route(span)
    if route.startswith("/v1/chat"):
        return GATEWAY
    if route.startswith("/api/"):
        return API
    return OTHER


def parts_of(trace: Trace) -> dict[str, str]:
    """Part by span id. What one process reports belongs to one part, so a span that does not tell takes its process's."""
    direct: dict[str, str] = {}
    votes: dict[int, dict[str, int]] = {}
    cache: dict[tuple[int, str, str, str], str] = {}
    for span in trace.spans:
        key = (span["resource"], span["scope"], span["kind"], _route(span))
        part = cache.get(key)
        if part is None or part == OTHER:
            part = part_of(span, trace.resource(span))
            cache[key] = part
        direct[span["id"]] = part
        if part != OTHER and span["kind"] == "server":
            tally = votes.setdefault(span["resource"], {})
            tally[part] = tally.get(part, 0) + 1
    winners = {index: max(tally, key=lambda part: tally[part]) for index, tally in votes.items()}
    return {span["id"]: winners.get(span["resource"], direct[span["id"]]) for span in trace.spans}


def callee_of(span: Span) -> tuple[str, str] | None:
    """What a client span calls: (kind, name), as (provider, openai), (database, memberships), (stripe, …), (gateway, host).

    None for a span that is no call. A call whose target the span does not tell is (other, host or name).
    """
    attributes = span["attributes"]
    provider = first(attributes, "provider")
    if provider:
        lowered = str(provider).lower().replace("-", "_").split(".")[-1]
        return PROVIDER, _PROVIDER_NAMES.get(lowered, lowered)
    host, path = _target(attributes)
    if first(attributes, "db_system"):
        return DATABASE, str(first(attributes, "db_table") or first(attributes, "db_operation") or "postgres")
    if span["kind"] not in ("client", "producer"):
        return None
    if host.endswith("stripe.com") or attributes.get("rpc.system") == "stripe" or _says(span, attributes, "stripe"):
        return STRIPE, "api.stripe.com"
    if path.startswith("/auth/v1") or _says(span, attributes, "supabase.auth", "supabase-auth", "gotrue"):
        return AUTH, "supabase auth"
    if path.startswith("/rest/v1"):
        return DATABASE, path.removeprefix("/rest/v1").strip("/").split("?")[0] or "rest"
    for mark, provider_name in _PROVIDER_HOSTS:
        if mark in host:
            return PROVIDER, provider_name
    if path.startswith(("/v1/chat", "/v1/complet")) or "gateway" in host:
        return GATEWAY, host or "gateway"
    if path.startswith("/api/"):
        return API, host or "api"
    if _SUPABASE_HOST.search(host):
        return DATABASE, host
    return OTHER, host or span["name"]


def _says(span: Span, attributes: Attributes, *words: str) -> bool:
    """Whether scope, peer.service or the span's name names one of these."""
    said = f"{span['scope']} {attributes.get('peer.service', '')} {span['name']}".lower()
    return any(word in said for word in words)


def _from_service_name(service: str, namespace: str) -> str:
    """A part where the service's name tells it apart; nothing where one name serves all."""
    words = set(re.split(r"[^a-z0-9]+", f"{service} {namespace}".lower()))
    if words & {"gateway", "llm"}:
        return GATEWAY
    if words & {"api", "backend"}:
        return API
    if words & {"web", "frontend", "ui"}:
        return WEB
    return ""


def _is_gateway_scope(scope: str) -> bool:
    return any(word in scope for word in ("fastapi", "asgi", "starlette", "httpx", "openai", "anthropic"))


def _is_next(scope: str, attributes: Attributes, resource: Attributes) -> bool:
    return (
        scope.startswith("next")
        or "@vercel/otel" in scope
        or any(name.startswith(("vercel.", "next.")) for name in attributes)
        or str(resource.get("telemetry.sdk.language", "")) in ("nodejs", "webjs")
        or any(name.startswith("vercel.") for name in resource)
    )


def _is_api_route(span: Span, resource: Attributes) -> bool:
    project = (
        f"{resource.get('vercel.project_name', '')} {resource.get('vercel.host', '')} {resource.get('vercel.url', '')}"
    )
    if re.search(r"\bapi\b", project.lower()):
        return True
    if span["kind"] == "client":
        return False
    return _route(span).startswith("/api/")


def _route(span: Span) -> str:
    attributes = span["attributes"]
    route = first(attributes, "route") or first(attributes, "path")
    if isinstance(route, str) and route:
        return route
    return next((word for word in span["name"].split() if word.startswith("/")), "")


def _target(attributes: Attributes) -> tuple[str, str]:
    """Host and path of a call; empty where the span does not say."""
    url = first(attributes, "url")
    parts = urlsplit(str(url) if "://" in str(url) else f"//{url}") if url else None
    host = str((parts.hostname if parts else None) or first(attributes, "host") or "").lower()
    path = str((parts.path if parts else None) or first(attributes, "path") or "")
    return host, path
