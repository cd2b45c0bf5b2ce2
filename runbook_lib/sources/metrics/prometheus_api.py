"""Prometheus's HTTP API: address, credentials, envelopes, and matrices as (epoch seconds, number).

Facts: prometheus.io/docs/prometheus/latest/querying/api. Failures are `{"status": "error", "errorType", "error"}` with 400 or 422.
"""

import math
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from runbook_lib.core.model import Json
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import require_list, require_setting, rows_in

T = TypeVar("T")

HELP = "RUNBOOK_PROMETHEUS_TOKEN (and USER where it has one) must be allowed to read metrics and rules"
MOST_POINTS = 11_000  # of one series in one answer
_UNIT_H = {"ms": 1 / 3_600_000, "s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0, "y": 8760.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w|y)")


class PrometheusApi:
    """One look's way to a Prometheus: address, headers, the look's deadline."""

    def __init__(self, door: Door, url: str, headers: dict[str, str], help: str = HELP) -> None:
        self.http, self.url, self.headers, self.help = door.http, url, headers, help

    @classmethod
    def of(cls, door: Door) -> "PrometheusApi":
        """The team's own, as set."""
        settings = door.settings
        token, user = reveal(settings.prometheus_token), settings.prometheus_user
        return cls(door, require_setting(door, "prometheus_url"), authorized(token, user))

    def get(self, path: str, parse: Callable[[Json], T], **params: Any) -> T:
        """What `parse` makes of the answer's `data`. Raises LookError."""
        return self._ask(path, **params).parsed(lambda document: parse(document["data"]))

    def matrix(
        self, query: str, start_s: int, end_s: int, step_s: int
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """(labels, samples) of each series of a range query; a value that is no number is left out."""
        return self.get("/api/v1/query_range", _matrix, query=query, start=start_s, end=end_s, step=step_s)

    def label_values(self, name: str, selector: str, start_s: int, end_s: int) -> list[str]:
        """The values of a label on the series of a selector."""
        params = {"match[]": selector, "start": start_s, "end": end_s}
        return self.get(f"/api/v1/label/{name}/values", lambda data: [str(each) for each in data], **params)

    def retention_h(self) -> float | None:
        """How long samples are kept, by the server itself; None where it does not say (404, or by size alone)."""
        reply = self.http.get(f"{self.url}/api/v1/status/runtimeinfo", headers=self.headers)
        if reply.status_code in (403, 404, 405):
            return None
        text = require_list(reply, self.help).parsed(
            lambda document: str(document["data"].get("storageRetention") or "")
        )
        found = _DURATION.findall(text.split(" or ")[0])
        return sum(float(number) * _UNIT_H[unit] for number, unit in found) or None

    def _ask(self, path: str, **params: Any) -> Reply:
        return require_list(self.http.get(f"{self.url}{path}", params=params, headers=self.headers), self.help)


def authorized(token: str | None, user: str | None) -> dict[str, str]:
    """The headers of a bearer token, or of basic auth where there is a user."""
    if token and user:
        return {"Authorization": "Basic " + b64encode(f"{user}:{token}".encode()).decode()}
    return {"Authorization": f"Bearer {token}"} if token else {}


def label_literal(text: str) -> str:
    """A label's value in a selector, quotes included."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _matrix(data: Json) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    return [
        ({str(key): str(value) for key, value in row["metric"].items()}, _samples(row.get("values") or ()))
        for row in rows_in(data, "result")
    ]


def _samples(values: Sequence[Json]) -> list[tuple[float, float]]:
    return [(float(at), number) for at, text in values if math.isfinite(number := float(text))]
