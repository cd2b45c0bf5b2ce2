"""Weeks of traffic at the price of a few thousand rows: requests long past, condensed.

Each stretch of time leaves one row for the requests that went well, one for the slow and one for the failed; a row's `count` says
how many it stands for. What metrics are made of counts them so: Tempo's and Jaeger's by the spans, the platforms' by their edges.
A search finds no condensed trace, as a backend that has dropped its old spans and kept its metrics.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.sandbox import environment
from runbook_lib.sandbox.apps.tracing import OLD_NAMES
from runbook_lib.sandbox.store.model import STATUS_ERROR, Resource, Scope, Span, Trace
from runbook_lib.sandbox.system import System
from runbook_lib.sandbox.world import Deployment, RequestRow

_SERVER = 2  # OTLP's number of the kind
_ROUTES = {"web": ("POST", "/chat"), "api": ("POST", "/api/chat"), "gateway": ("POST", "/v1/chat")}
_SCOPES = {"web": "next.js", "api": "next.js", "gateway": "opentelemetry.instrumentation.fastapi"}
_FACTORS = (0.6, 1.0, 0.8, 1.3, 0.9, 1.6, 1.1)  # no two stretches took quite the same


@dataclass(frozen=True)
class Past:
    """What a stretch of the past was like.

    Attributes:
        since_min, until_min: how many minutes ago it began and ended.
        per_min: requests a minute. failed, slow: shares of them.
        ms, slow_ms: how long the ordinary and the slow ones took; the failed ones half as long as the ordinary.
        status: what the failed ones were answered.
        every_s: one row for each so many seconds.
        traced, traced_failed: the share of the requests, and of the failed ones, that left a span.
        at_edge: whether the platform's edge saw them.
    """

    since_min: float
    until_min: float
    per_min: float
    failed: float
    slow: float
    ms: float
    slow_ms: float
    status: int
    every_s: float
    traced: float
    traced_failed: float
    at_edge: bool


class _Whole:
    """Turns shares into whole numbers that add up: what is left over counts next time."""

    def __init__(self) -> None:
        self._rest = 0.0

    def of(self, amount: float) -> int:
        self._rest += amount
        whole = int(self._rest + 1e-9)
        self._rest -= whole
        return whole


def condensed_past(system: System, part: str, past: Past) -> tuple[list[Trace], list[RequestRow]]:
    """The spans and the edge's rows of such a past, by time."""
    writer = _Writer(system, part)
    totals, failures, slows = _Whole(), _Whole(), _Whole()
    kept, kept_failed, kept_slow = _Whole(), _Whole(), _Whole()
    for number, at in enumerate(_moments(system.world.now(), past)):
        amount = past.per_min * past.every_s / 60
        count = totals.of(amount)
        failed, slow = min(count, failures.of(amount * past.failed)), slows.of(amount * past.slow)
        slow = min(slow, count - failed)
        ms = past.ms * _FACTORS[number % len(_FACTORS)]
        writer.write(at, count - failed - slow, kept.of((count - failed - slow) * past.traced), 200, ms, past)
        writer.write(at, slow, kept_slow.of(slow * past.traced), 200, past.slow_ms, past)
        writer.write(at, failed, kept_failed.of(failed * past.traced_failed), past.status, ms / 2, past)
    return writer.traces, writer.rows


def _moments(now: datetime, past: Past) -> Iterator[datetime]:
    at = now - timedelta(minutes=past.since_min) + timedelta(seconds=past.every_s / 2)
    end = now - timedelta(minutes=past.until_min)
    while at < end:
        yield at
        at += timedelta(seconds=past.every_s)


class _Writer:
    """Writes rows of one part in its own words: attribute names, resource, platform."""

    def __init__(self, system: System, part: str) -> None:
        self.traces: list[Trace] = []
        self.rows: list[RequestRow] = []
        self._system, self._part = system, part
        self._process = system.parts[part]
        self._random = random.Random(f"{system.seed}-{part}")
        deployments = [d for d in system.world.deployments if (d.platform, d.part) == (self._process.platform, part)]
        self._deployments = sorted(deployments, key=lambda each: each.created_at)
        self._resources: dict[str, Resource] = {}
        self._scope = Scope(_SCOPES[part])

    def write(self, at: datetime, count: int, traced: int, status: int, ms: float, past: Past) -> None:
        """So many like requests at a moment, of which so many left a span."""
        deployment = self._deployment(at)
        if traced:
            self.traces.append(self._trace(at, traced, status, ms, deployment))
        if count and past.at_edge:
            self.rows.append(self._row(at, count, status, ms, deployment))

    def _deployment(self, at: datetime) -> Deployment:
        earlier = [each for each in self._deployments if each.created_at <= at]
        return (earlier or self._deployments)[-1 if earlier else 0]

    def _resource(self, deployment: Deployment) -> Resource:
        if deployment.id not in self._resources:
            process = self._process
            variables = {**environment.platform_variables(self._system.world, deployment), **process.variables}
            attributes: dict[str, Any] = environment.resource_of(self._part, deployment, variables, process.instance)
            own = {"telemetry.sdk.language": "python"} if self._part == "gateway" else {}
            named = {"service.name": process.variables.get("OTEL_SERVICE_NAME", "nexuscore")}
            self._resources[deployment.id] = Resource({**own, **named, **attributes})
        return self._resources[deployment.id]

    def _trace(self, at: datetime, count: int, status: int, ms: float, deployment: Deployment) -> Trace:
        method, route = _ROUTES[self._part]
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "url.path": route,
            "http.route": route,
            "http.response.status_code": status,
        }
        if self._system.options.semconv == "old":
            attributes = {OLD_NAMES.get(key, key): value for key, value in attributes.items()}
        start_ns = int(at.timestamp() * 1_000_000) * 1000
        trace_id = self._random.randbytes(16)
        span = Span(
            trace_id,
            self._random.randbytes(8),
            b"",
            f"{method} {route}",
            _SERVER,
            start_ns,
            start_ns + int(ms * 1e6),
            attributes,
            self._resource(deployment),
            self._scope,
            status_code=STATUS_ERROR if status >= 500 else 0,
            count=count,
        )
        return Trace(trace_id, (span,))

    def _row(self, at: datetime, count: int, status: int, ms: float, deployment: Deployment) -> RequestRow:
        method, route = _ROUTES[self._part]
        return RequestRow(
            platform=self._process.platform,
            part=self._part,
            request_id="",
            at=at,
            method=method,
            path=route,
            host=f"nexuscore-{self._part}.example",
            status=status,
            duration_ms=ms,
            trace_id=None,
            error=None,
            deployment_id=deployment.id,
            region="iad1",
            count=count,
        )
