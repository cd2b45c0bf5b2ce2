"""A Prometheus that scrapes the trace backend's span metrics and evaluates the team's alerting rules over them, for real.

Names and labels: Tempo's metrics generator (traces_spanmetrics_calls_total, …_latency_bucket). Routes and shapes: Prometheus's HTTP
API v1 (query, query_range, series, label values, rules, alerts, alertmanagers, runtimeinfo). `ALERTS` is what the rules came to
at any moment, so that history tells what fired.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.facades.prometheus.promql import BadQuery, Counter, Engine, Unanswerable, counter_of, matches
from runbook_lib.sandbox.facades.prometheus.promql_vectors import Labels, Numbers, Vector
from runbook_lib.sandbox.facades.prometheus.state import PrometheusState, Rule
from runbook_lib.sandbox.store.model import Span
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.world import World

BUCKETS_S = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.02, 2.05, 2.5, 4.1, 8.19, 16.4)
_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES = ("UNSET", "OK", "ERROR")
_EVALUATED_S = 60.0  # the rules' interval
_CALLS = "traces_spanmetrics_calls_total"
_COUNT = "traces_spanmetrics_latency_count"
_BUCKET = "traces_spanmetrics_latency_bucket"
_STAYS_S = 5.0


class SpanMetrics:
    """The span metrics of one store as counters, and the rules over them."""

    def __init__(self, world: World, store: Store) -> None:
        self.world, self.store = world, store
        self.engine = Engine(self.counters, self._gauges)
        self._held: dict[str, dict[Labels, Counter]] = {}
        self._held_for: tuple[float, int, int] = (0.0, 0, 0)
        self._alerts: tuple[object, list[dict[str, Any]]] | None = None

    @property
    def state(self) -> PrometheusState:
        """The dials."""
        return self.world.state(PrometheusState)

    def counters(self, metric: str) -> dict[Labels, Counter]:
        """The counters of a metric, by labels; a few seconds old at most."""
        key = (self.world.now().timestamp() // _STAYS_S, self.store.span_count, len(self.store.condensed))
        if key != self._held_for:
            self._held, self._held_for = {}, key
        if metric not in self._held:
            self._held[metric] = self._count(metric)
        return self._held[metric]

    def _count(self, metric: str) -> dict[Labels, Counter]:
        if metric not in (_CALLS, _COUNT, _BUCKET):
            return {}
        grown: dict[Labels, list[tuple[float, float]]] = {}
        for trace in self.store.counted_traces():
            for span in trace.spans:
                for labels in self._labels(metric, span):
                    grown.setdefault(labels, []).append((span.end_ns / 1e9, float(span.count)))
        return {labels: counter_of(pairs) for labels, pairs in grown.items()}

    def _labels(self, metric: str, span: Span) -> list[Labels]:
        own = (
            ("service", span.resource.service),
            ("span_kind", f"SPAN_KIND_{_KINDS[span.kind]}"),
            ("span_name", span.name),
            ("status_code", f"STATUS_CODE_{_STATUSES[span.status_code]}"),
        )
        if metric != _BUCKET:
            return [own]
        seconds = span.duration_ns / 1e9
        return [
            (("le", "+Inf" if bound is None else f"{bound:g}"), *own)
            for bound in (*BUCKETS_S, None)
            if bound is None or seconds <= bound
        ]

    def _gauges(self, metric: str, moments: Numbers) -> Vector:
        if metric != "ALERTS":
            return {}
        found: Vector = {}
        for rule in self.state.rules:
            try:
                states = self.states_of(rule, moments)
            except BadQuery:
                continue
            for state, held in states.items():
                labels = {"__name__": "ALERTS", "alertname": rule["alert"], "alertstate": state, **rule["labels"]}
                found[tuple(sorted(labels.items()))] = np.where(held, 1.0, np.nan)
        return found

    def states_of(self, rule: Rule, moments: Numbers) -> dict[str, Any]:
        """At which moments a rule was pending, and at which it fired. Raises BadQuery."""
        for_s = float(rule["for_s"])
        steps = max(1, round(for_s / _EVALUATED_S)) if for_s else 0
        first = np.floor(moments[0] / _EVALUATED_S) * _EVALUATED_S - (steps + 1) * _EVALUATED_S
        grid = np.arange(first, moments[-1] + _EVALUATED_S, _EVALUATED_S)
        vector = self.engine.evaluate(rule["expr"], grid)
        holds = np.zeros(grid.shape, dtype=bool)
        for values in vector.values():
            holds |= ~np.isnan(values)
        # A rule fires when it has held at each evaluation for the whole of `for`.
        run = np.concatenate(([0], np.cumsum(holds)))
        ends = np.arange(1, len(run))
        firing = holds & (run[ends] - run[np.maximum(0, ends - steps - 1)] >= np.minimum(ends, steps + 1))
        at = np.clip(np.searchsorted(grid, moments, side="right") - 1, 0, len(grid) - 1)
        return {"pending": (holds & ~firing)[at], "firing": firing[at]}

    def alerts_now(self) -> list[dict[str, Any]]:
        """The alerts that are pending or firing, as Prometheus lists them; broken rules have none. Evaluated once a second."""
        now = self.world.now().timestamp()
        key = (int(now), len(self.store.condensed), repr(self.state.rules))
        if self._alerts is None or self._alerts[0] != key:
            self._alerts = (key, self._evaluated(now))
        return self._alerts[1]

    def _evaluated(self, now: float) -> list[dict[str, Any]]:
        moments = now - np.arange(180, -1, -1) * _EVALUATED_S
        found = []
        for rule in self.state.rules:
            try:
                states = self.states_of(rule, moments)
            except BadQuery:
                continue
            for state in ("firing", "pending"):
                if states[state][-1]:
                    quiet = np.flatnonzero(~(states["firing"] | states["pending"]))
                    since = moments[quiet[-1] + 1] if len(quiet) else moments[0]
                    found.append(
                        {
                            "labels": {"alertname": rule["alert"], **rule["labels"]},
                            "annotations": dict(rule["annotations"]),
                            "state": state,
                            "activeAt": datetime.fromtimestamp(float(since), UTC).isoformat().replace("+00:00", "Z"),
                            "value": "1e+00",
                        }
                    )
        return found


def span_metrics(world: World, store: Store) -> SpanMetrics:
    """The one Prometheus of a world."""
    kept = world.state(_Kept)
    if kept.metrics is None or kept.metrics.store is not store:
        kept.metrics = SpanMetrics(world, store)
    return kept.metrics


@dataclass
class _Kept:
    metrics: SpanMetrics | None = None


def create_app(world: World, store: Store) -> Starlette:
    """Prometheus's HTTP API."""
    metrics = span_metrics(world, store)

    def query(request: Request) -> Response:
        def run() -> dict[str, Any]:
            at = _time(request, "time", world)
            number = metrics.engine.scalar(_text(request), at)
            if number is not None:
                return {"resultType": "scalar", "result": [at.timestamp(), number]}
            return {"resultType": "vector", "result": metrics.engine.query(_text(request), at)}

        return _plain(run)

    def query_range(request: Request) -> Response:
        def run() -> dict[str, Any]:
            start, end = _time(request, "start"), _time(request, "end")
            if end < start:
                raise BadQuery('invalid parameter "end": end timestamp must not be before start time')
            return {
                "resultType": "matrix",
                "result": metrics.engine.query_range(_text(request), start, end, _step(request)),
            }

        return _plain(run)

    def series(request: Request) -> Response:
        return _plain(lambda: _series(metrics, request.query_params.getlist("match[]")))

    def label_values(request: Request) -> Response:
        def run() -> list[str]:
            wanted = request.query_params.getlist("match[]") or [_CALLS, _BUCKET]
            name = request.path_params["name"]
            return sorted({labels[name] for labels in _series(metrics, wanted) if name in labels})

        return _plain(run)

    def rules(_request: Request) -> Response:
        return _data({"groups": [_group(metrics)]})

    def alertmanagers(_request: Request) -> Response:
        url = f"{world.endpoints.get('alertmanager', 'http://alertmanager')}/api/v2/alerts"
        return _data(
            {"activeAlertmanagers": [{"url": url}] * metrics.state.has_alertmanager, "droppedAlertmanagers": []}
        )

    def runtimeinfo(_request: Request) -> Response:
        return _data(
            {"startTime": "2026-01-01T00:00:00Z", "storageRetention": metrics.state.keeps, "reloadConfigSuccess": True}
        )

    both = ["GET", "POST"]
    return Starlette(
        routes=[
            Route("/api/v1/query", query, methods=both),
            Route("/api/v1/query_range", query_range, methods=both),
            Route("/api/v1/series", series, methods=both),
            Route("/api/v1/label/{name}/values", label_values),
            Route("/api/v1/rules", rules),
            Route("/api/v1/alertmanagers", alertmanagers),
            Route("/api/v1/status/runtimeinfo", runtimeinfo),
        ]
    )


def _group(metrics: SpanMetrics) -> dict[str, Any]:
    now = metrics.world.now()
    evaluated = (now - timedelta(seconds=metrics.state.rules_age_s)).isoformat().replace("+00:00", "Z")
    active = metrics.alerts_now()
    rows = []
    for rule in metrics.state.rules:
        health, error = "ok", ""
        try:
            metrics.engine.evaluate(rule["expr"], np.array([now.timestamp()]))
        except BadQuery as bad:
            health, error = "err", str(bad)
        labels = {"alertname": rule["alert"], **rule["labels"]}
        own = [alert for alert in active if alert["labels"] == labels]
        rows.append(
            {
                "state": own[0]["state"] if own else "inactive",
                "name": rule["alert"],
                "query": rule["expr"],
                "duration": rule["for_s"],
                "keepFiringFor": 0,
                "labels": rule["labels"],
                "annotations": rule["annotations"],
                "alerts": own,
                "health": health,
                **({"lastError": error} if error else {}),
                "evaluationTime": 0.001,
                "lastEvaluation": evaluated,
                "type": "alerting",
            }
        )
    return {
        "name": "nexuscore-slo",
        "file": "/etc/prometheus/rules/nexuscore-slo.yaml",
        "interval": _EVALUATED_S,
        "limit": 0,
        "rules": rows,
        "evaluationTime": 0.01,
        "lastEvaluation": evaluated,
    }


def _series(metrics: SpanMetrics, wanted: list[str]) -> list[dict[str, str]]:
    if not wanted:
        raise BadQuery("no match[] parameter provided")
    found = []
    for text in wanted:
        selector = metrics.engine.selector(text)
        for labels in metrics.counters(selector.metric):
            if matches(dict(labels), selector.matchers):
                found.append({"__name__": selector.metric, **dict(labels)})
    return found


def _text(request: Request) -> str:
    return request.query_params.get("query", "")


def _time(request: Request, name: str, world: World | None = None) -> datetime:
    """A moment that was asked for; now where none was, if that is allowed."""
    text = request.query_params.get(name, "")
    if not text and world is not None:
        return world.now()
    try:
        return (
            datetime.fromtimestamp(float(text), UTC)
            if text.replace(".", "", 1).isdigit()
            else datetime.fromisoformat(text)
        )
    except (ValueError, OverflowError) as bad:
        raise BadQuery(f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp') from bad


def _step(request: Request) -> float:
    text = request.query_params.get("step", "")
    try:
        return float(text.removesuffix("s"))
    except ValueError as bad:
        raise BadQuery(f'invalid parameter "step": cannot parse "{text}" to a valid duration') from bad


def _plain(run: Callable[[], Any]) -> Response:
    try:
        return _data(run())
    except Unanswerable as bad:
        return JSONResponse({"status": "error", "errorType": "execution", "error": str(bad)}, 422)
    except BadQuery as bad:
        return JSONResponse({"status": "error", "errorType": "bad_data", "error": str(bad)}, 400)


def _data(data: Any) -> Response:
    return JSONResponse({"status": "success", "data": data})
