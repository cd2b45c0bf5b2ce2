"""Tempo's HTTP API: address, credentials, and what its answers mean; shared by everything that asks Tempo.

Routes and shapes: grafana/tempo, docs api_docs and pkg/tempopb/tempo.proto.
"""

import math
from base64 import b64encode
from datetime import UTC, datetime
from typing import Never
from urllib.parse import quote

from runbook_lib.core.clock import Window, to_epoch_ns
from runbook_lib.core.model import Answer, Json
from runbook_lib.core.records.traces import TraceSummary
from runbook_lib.io.http import Http, Reply
from runbook_lib.io.observe import Door
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import (
    beyond_retention,
    judge_absence,
    require_list,
    require_setting,
    rows_in,
    whole_number,
)
from runbook_lib.sources.traces.span_table import otlp_value

HELP = "RUNBOOK_TEMPO_TOKEN (and USER, TENANT where it has them) must be allowed to read traces (traces:read)"
FAILED = "status = error || span.http.response.status_code >= 500 || span.http.status_code >= 500"
_LONGEST_SEARCH_S = 168 * 3600  # Tempo's default max_duration of a search


class TempoApi:
    """One look's way to Tempo: address, credentials, the look's deadline."""

    def __init__(self, door: Door) -> None:
        self.door, self.url = door, require_setting(door, "tempo_url")
        self.http: Http = door.http
        settings = door.settings
        token, user = reveal(settings.tempo_token), settings.tempo_user
        self.headers = {"Accept": "application/json"}
        if token and user:
            self.headers["Authorization"] = "Basic " + b64encode(f"{user}:{token}".encode()).decode()
        elif token:
            self.headers["Authorization"] = f"Bearer {token}"
        if settings.tempo_tenant:
            self.headers["X-Scope-OrgID"] = settings.tempo_tenant

    def get(self, path: str, **params: str | int) -> Reply:
        """One read; its status is the caller's to judge."""
        return self.http.get(f"{self.url}{path}", params=params, headers=self.headers)

    def trace(self, trace_id: str) -> Reply | None:
        """The reply that holds a trace, from the second version of the route or the first; None when there is none."""
        for route in ("/api/v2/traces/", "/api/traces/"):
            reply = self.get(route + quote(trace_id, safe=""))
            if reply.status_code != 404:
                return reply.raise_for_status(HELP)
        return None

    def search(self, query: str, window: Window, limit: int, spans_per_trace: int) -> tuple[list[TraceSummary], str]:
        """Summaries, and why they may not be all (empty when they are). Tempo is asked in whole seconds: what lies beside the
        window within them is left out."""
        why, lost = "", beyond_retention(self.door, window, self.door.settings.trace_retention_h)
        end = math.ceil(window.until.timestamp())
        start = max(math.floor(window.since.timestamp()), end - _LONGEST_SEARCH_S)
        # a week to the second is searched whole: the second that rounding costs it is nothing that is missed
        if start > window.since.timestamp() + 1:
            why = "Tempo searches at most 168 h at once: only the last 168 h of the window were searched"
            window = Window(datetime.fromtimestamp(start, UTC), window.until)
        reply = self.get(
            "/api/search",
            q=query,
            start=start,
            end=end,
            limit=limit,
            spss=spans_per_trace,
        )
        found = require_list(reply, HELP).parsed(
            lambda document: [summary_of(t) for t in rows_in(document, "traces", may_lack=True)]
        )
        if len(found) >= limit:
            why = f"the limit of {limit} traces was reached, and Tempo returns the first it finds, not the newest"
        kept = [each for each in found if _overlaps(each, window)]
        return kept, why or (lost if kept else "")

    def judge_absence(
        self, what: str, window: Window | None, *, at: datetime | None = None, one: bool = False
    ) -> Answer[Never]:
        """What it means that a complete answer of Tempo's held nothing."""
        settings = self.door.settings
        return judge_absence(
            self.door,
            what,
            delay_s=settings.trace_delay_s,
            retention_h=settings.trace_retention_h,
            window=window,
            at=at,
            one=one,
            delay_setting="RUNBOOK_TRACE_DELAY_S",
            retention_setting="RUNBOOK_TRACE_RETENTION_H",
        )


def _overlaps(summary: TraceSummary, window: Window) -> bool:
    """Whether a trace lies in the window, or partly; its length is known to the millisecond."""
    start_ns = summary["start_ns"]
    end_ns = start_ns + (summary["duration_ms"] + 1) * 1e6
    return bool(start_ns <= to_epoch_ns(window.until) and end_ns >= to_epoch_ns(window.since))


def summary_of(found: dict[str, Json]) -> TraceSummary:
    """A search result in our shape; ids regain their leading zeros, which Tempo leaves out."""
    sets = found.get("spanSets") or ([found["spanSet"]] if found.get("spanSet") else [])
    stats = found.get("serviceStats") or {}
    spans = {span["spanID"].rjust(16, "0"): span for each in sets for span in each.get("spans") or ()}
    service = str(found.get("rootServiceName", ""))
    return {
        "trace": found["traceID"].lower().rjust(32, "0"),
        "service": "" if service.startswith("<root span") else service,
        "name": str(found.get("rootTraceName", "")),
        "start_ns": whole_number(found.get("startTimeUnixNano", 0)),
        "duration_ms": float(found.get("durationMs", 0)),
        "span_count": sum(whole_number(each.get("spanCount", 0)) for each in stats.values()) if stats else None,
        "error_count": sum(whole_number(each.get("errorCount", 0)) for each in stats.values()) if stats else None,
        "spans": [
            {
                "id": span_id,
                "name": str(span.get("name", "")),
                "start_ns": whole_number(span.get("startTimeUnixNano", 0)),
                "duration_ms": whole_number(span.get("durationNanos", 0)) / 1e6,
                "attributes": {pair["key"]: otlp_value(pair["value"]) for pair in span.get("attributes") or ()},
            }
            for span_id, span in spans.items()
        ],
    }
