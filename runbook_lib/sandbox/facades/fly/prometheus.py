"""Fly's hosted Prometheus over what its proxy saw: counters and one histogram of the gateway's app."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from runbook_lib.sandbox.facades.prometheus.promql import BadQuery, Counter, Engine, counter_of
from runbook_lib.sandbox.facades.prometheus.promql_vectors import Labels
from runbook_lib.sandbox.world import RequestRow, World

__all__ = ["BUCKETS_S", "BadQuery", "Prometheus"]

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_COUNTS = (
    "fly_edge_http_responses_count",
    "fly_app_http_responses_count",
    "fly_app_http_response_time_seconds_count",
)
_BUCKETS = "fly_app_http_response_time_seconds_bucket"


class Prometheus:
    """One query engine over one world's requests on Fly."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._engine = Engine(self._metrics)

    def query_range(self, text: str, start: datetime, end: datetime, step_s: float) -> list[dict[str, Any]]:
        """A matrix as Prometheus's `result`. Raises BadQuery."""
        return self._engine.query_range(text, start, end, step_s)

    def _metrics(self, metric: str) -> dict[Labels, Counter]:
        grown: dict[Labels, list[tuple[float, float]]] = {}
        for row in (*self.world.condensed, *self.world.requests):
            if row.platform == "fly":
                for labels, amount in self._samples(metric, row):
                    grown.setdefault(labels, []).append((row.at.timestamp(), amount))
        return {labels: counter_of(pairs) for labels, pairs in grown.items()}

    def _samples(self, metric: str, row: RequestRow) -> Iterator[tuple[Labels, float]]:
        own = {"app": self.world.ids.fly_gateway_app, "region": row.region, "status": str(row.status)}
        if metric in _COUNTS:
            yield tuple(sorted(own.items())), float(row.count)
        if metric == _BUCKETS:
            for bound in (*BUCKETS_S, None):
                inside = bound is None or row.duration_ms / 1000 <= bound
                le = "+Inf" if bound is None else f"{bound:g}"
                yield tuple(sorted({**own, "le": le}.items())), float(row.count if inside else 0)
