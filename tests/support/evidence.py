"""Hand-made observations and traces for the pure rules: small worlds in which one thing is wrong."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status, observation_id, observation_key
from runbook_lib.procedures.failed_request.reading import Evidence
from runbook_lib.procedures.failed_request.window_reading import WindowEvidence

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
START = NOW - timedelta(minutes=10)
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
REQUEST_ID = "x7k2p-1795424400000-5f0c2a9b7d1e"
SERVICES = ("web", "api", "gateway")


def look(source: str, call: str, value: Any = None, status: Status = Status.ok, **arguments: Any) -> Observation:
    """An observation as the observer would record it."""
    key = observation_key(f"{source}.{call}", arguments, 1)
    identity = observation_id(source, call, key)
    return Observation(
        identity,
        source,
        call,
        arguments,
        1,
        status,
        value,
        "" if status.answered else "no answer",
        "",
        to_iso(START),
        5.0,
    )


def row(part: str = "web", status: int | None = 502, **given: Any) -> dict[str, Any]:
    """A platform's row of the request."""
    base = {
        "request_id": REQUEST_ID if part == "web" else f"{part}-{REQUEST_ID}",
        "at": to_iso(START),
        "method": "POST",
        "path": "/chat" if part == "web" else "/api/chat",
        "host": None,
        "status": status,
        "duration_ms": 900.0,
        "trace_id": TRACE_ID,
        "deployment_id": "dpl_1",
        "error": None,
        "region": None,
        "part": part,
        "platform": "vercel",
        "logs": [],
    }
    return {**base, **given}


def log_line(**given: Any) -> dict[str, Any]:
    """A line of a part's log; the gateway's, in full."""
    base = {
        "at": to_iso(START),
        "level": "info",
        "message": "",
        "trace_id": None,
        "request_id": None,
        "attributes": {},
        "part": "gateway",
        "platform": "railway",
        "deployment_id": None,
        "instance": None,
    }
    return {**base, **given}


@dataclass
class TraceBuilder:
    """Builds a span table span by span; times in milliseconds from START."""

    service_names: str = "several"
    spans: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, name: str, part: str, start: float, end: float, parent: str = "", kind: str = "internal", **given: Any
    ) -> str:
        """Add a span; returns its id. Further words as in the table: status, message, events, trace, scope, attributes, id."""
        identity = given.pop("id", f"{len(self.spans) + 1:016x}")
        own = {key: given.pop(key) for key in ("status", "message", "events", "trace", "scope") if key in given}
        base_ns = int(START.timestamp() * 1e9)
        self.spans.append(
            {
                "trace": TRACE_ID,
                "id": identity,
                "parent": parent,
                "name": name,
                "kind": kind,
                "start_ns": base_ns + int(start * 1e6),
                "end_ns": base_ns + int(end * 1e6),
                "status": "unset",
                "message": "",
                "attributes": given.pop("attributes", {}),
                "resource": SERVICES.index(part),
                "scope": "next.js" if part != "gateway" else "opentelemetry.instrumentation.fastapi",
                **own,
            }
        )
        assert not given, given
        return identity

    def table(self) -> dict[str, Any]:
        """The span table."""
        named = [f"nexus-{part}" if self.service_names == "several" else "nexuscore" for part in SERVICES]
        languages = ["nodejs", "nodejs", "python"]
        resources = [
            {"service.name": name, "telemetry.sdk.language": sdk} for name, sdk in zip(named, languages, strict=True)
        ]
        return {"resources": resources, "spans": self.spans}

    def chat(self, status: int = 502, gateway_status: int | None = None) -> str:
        """UI → API → gateway, each answering `status`; returns the gateway's server span, which runs from 30 to 800 ms."""
        failed = {"status": "error"} if status >= 500 else {}
        inner = status if gateway_status is None else gateway_status
        web = self.add("POST /chat", "web", 0, 900, kind="server", attributes=_http(status, route="/chat"), **failed)
        call = self.add(
            "fetch POST /api/chat",
            "web",
            10,
            890,
            web,
            "client",
            attributes=_http(status, url="http://api.test/api/chat"),
            **failed,
        )
        api = self.add(
            "POST /api/chat", "api", 20, 880, call, "server", attributes=_http(status, route="/api/chat"), **failed
        )
        down = self.add("fetch POST /v1/chat", "api", 25, 850, api, "client", attributes=_http(inner, url="http://gw.test/v1/chat"),
                        **({"status": "error"} if inner >= 400 else {}))  # fmt: skip
        return self.add("POST /v1/chat", "gateway", 30, 800, down, "server", attributes=_http(inner, route="/v1/chat"),
                        **({"status": "error"} if inner >= 500 else {}))  # fmt: skip

    def provider(
        self, parent: str, start: float, end: float, status: int = 200, provider: str = "openai", **said: Any
    ) -> str:
        """An attempt at a model provider; `error` and `message` say what went wrong."""
        attributes = {"gen_ai.provider.name": provider, "gen_ai.request.model": "gpt-4o-mini"}
        if status:
            attributes["http.response.status_code"] = status
        if "error" in said:
            attributes["error.type"] = said["error"]
        is_error = status >= 400 or "error" in said
        return self.add(f"chat {provider}", "gateway", start, end, parent, "client", attributes=attributes, scope="httpx",
                        status="error" if is_error else "unset", message=said.get("message", ""))  # fmt: skip


def _http(status: int, route: str = "", url: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"http.response.status_code": status, "http.request.method": "POST"}
    if route:
        found["http.route"] = route
    if url:
        found["url.full"] = url
    return found


def evidence(
    *rows_: dict[str, Any],
    trace: dict[str, Any] | None = None,
    trace_status: Status = Status.ok,
    logs: list[dict[str, Any]] | None = None,
    log_status: Status = Status.ok,
    traffic: list[dict[str, Any]] | None = None,
    **more: Any,
) -> Evidence:
    """Evidence about one request: its rows, its trace, the parts' lines. Without a trace its look came back not_found."""
    if trace is None and trace_status == Status.ok:
        trace_status = Status.not_found
    request = tuple(
        look(
            "vercel",
            "request_log",
            [each for each in rows_ if each["part"] == part],
            Status.ok if any(r["part"] == part for r in rows_) else Status.not_found,
            part=part,
        )
        for part in ("web", "api")
    )
    lines = [log_line(**each) for each in logs or ()]
    return Evidence(
        now=NOW,
        window=Window(START - timedelta(minutes=5), NOW),
        request_id=REQUEST_ID,
        request=request,
        traces=(look("tempo", "trace", trace, trace_status, trace_id=TRACE_ID),),
        logs=(
            look(
                "railway",
                "logs",
                lines or None,
                (Status.ok if lines else Status.empty) if log_status == Status.ok else log_status,
                part="gateway",
            ),
        ),
        traffic=(
            look(
                "vercel",
                "request_log",
                traffic,
                Status.ok if traffic else Status.empty,
                part="web",
                window="traffic",
            ),
        ),
        **more,
    )


def window(
    *rows_: dict[str, Any],
    table: dict[str, Any] | None = None,
    trace_status: Status | None = None,
    lines: list[dict[str, Any]] | None = None,
    log_status: Status | None = None,
    route: str = "",
    front: Status | None = None,
) -> WindowEvidence:
    """Evidence about a window: what web's and the API's logs hold, whole traces, the gateway's lines; each complete by default.

    `front`, `trace_status`, `log_status`: how the platforms' logs, the trace backend, the gateway's log came back.
    """

    def rows_at(part: str) -> Observation:
        found = [each for each in rows_ if each["part"] == part]
        status = front or (Status.ok if found else Status.empty)
        return look("vercel", "request_log", found if status.has_content else None, status, part=part)

    traced = trace_status or (Status.ok if table else Status.empty)
    logged = log_status or (Status.ok if lines else Status.empty)
    said = [log_line(**each) for each in lines or ()]
    return WindowEvidence(
        now=NOW,
        window=Window(START - timedelta(minutes=5), NOW),
        route=route,
        request=(rows_at("web"), rows_at("api")),
        traces=(look("tempo", "window_traces", table if traced.has_content else None, traced),),
        logs=(look("railway", "logs", said if logged.has_content else None, logged, part="gateway"),),
    )


def failed_chat(**said: Any) -> dict[str, Any]:
    """A chat whose only provider attempt failed."""
    builder = TraceBuilder(said.pop("service_names", "several"))
    builder.provider(builder.chat(), 40, 700, **said)
    return builder.table()
