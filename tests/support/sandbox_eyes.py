"""Eyes for what a running sandbox shows on the wire."""

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from runbook_lib.sandbox import Sandbox

FETCH = "@vercel/otel/fetch"
"""The scope of the spans with which one part calls another."""


@dataclass
class SeenSpan:
    """One span as Tempo answers it, attributes flattened."""

    id: str
    parent: str
    name: str
    scope: str
    kind: str
    service: str
    is_error: bool
    message: str
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)


class Eyes:
    """Looks at a sandbox from the outside, as anybody with its settings can."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(timeout=10, trust_env=False)

    def get(self, part: str, path: str, **options: Any) -> httpx.Response:
        return self.http.get(f"{self.sandbox.endpoints[part]}{path}", **options)

    def spans(self, trace_id: str) -> list[SeenSpan]:
        answer = self.get("tempo", f"/api/v2/traces/{trace_id}")
        if answer.status_code == 404:
            return []
        return [
            _seen(span, scope, resource)
            for resource in answer.json()["trace"]["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]

    def trace(
        self, request_id: str, until: Callable[[list[SeenSpan]], bool] = lambda spans: _is_whole(spans)
    ) -> list[SeenSpan]:
        """The spans of a request, once they satisfy `until`; what there is after thirty seconds otherwise."""
        found: list[SeenSpan] = []
        for _ in range(300):
            query = {
                "q": f'{{ span.vercel.request_id = "{request_id}" }}',
                "start": int(time.time()) - 7200,
                "end": int(time.time()) + 7200,
            }
            hits = self.get("tempo", "/api/search", params=query).json()["traces"]
            found = self.spans(hits[0]["traceID"].rjust(32, "0")) if hits else []
            if found and until(found):
                return found
            time.sleep(0.1)
        return found

    def request_row(self, request_id: str, project: str = "RUNBOOK_VERCEL_WEB_PROJECT") -> dict[str, Any]:
        """The row of Vercel's request log."""
        env, now = self.sandbox.env, int(time.time() * 1000)
        query = {
            "projectId": env[project],
            "ownerId": env["RUNBOOK_VERCEL_TEAM_ID"],
            "startDate": now - 3_600_000,
            "endDate": now + 60_000,
            "requestId": request_id,
        }
        headers = {"Authorization": f"Bearer {env['RUNBOOK_VERCEL_TOKEN']}"}
        (row,) = self.get("vercel", "/api/logs/request-logs", params=query, headers=headers).json()["rows"]
        return dict(row)


def _is_whole(spans: list[SeenSpan]) -> bool:
    """There is a root, an end, every parent, and what every part that was called did: parts send their spans apart."""
    ids, parents = {span.id for span in spans}, {span.parent for span in spans}
    calls = [span for span in spans if span.scope == FETCH and not span.is_error]
    ended = any(span.name.startswith("INSERT") or span.is_error for span in spans)
    return (
        ended
        and any(not span.parent for span in spans)
        and all(span.parent in ids for span in spans if span.parent)
        and all(call.id in parents for call in calls)
    )


def _seen(span: dict[str, Any], scope: dict[str, Any], resource: dict[str, Any]) -> SeenSpan:
    named = _flat(resource["resource"].get("attributes", []))
    return SeenSpan(
        id=base64.b64decode(span["spanId"]).hex(),
        parent=base64.b64decode(span.get("parentSpanId", "")).hex(),
        name=span["name"],
        scope=scope["scope"]["name"],
        kind=span["kind"].removeprefix("SPAN_KIND_").lower(),
        service=named["service.name"],
        is_error=span.get("status", {}).get("code") == "STATUS_CODE_ERROR",
        message=span.get("status", {}).get("message", ""),
        start_ns=int(span["startTimeUnixNano"]),
        end_ns=int(span["endTimeUnixNano"]),
        attributes=_flat(span.get("attributes", [])),
        resource=named,
        events=[{"name": e["name"], **_flat(e.get("attributes", []))} for e in span.get("events", [])],
    )


def _flat(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for item in attributes:
        ((kind, value),) = item["value"].items()
        flat[item["key"]] = int(value) if kind == "intValue" else value
    return flat
