"""What came to the webhook in the window, as the platforms' logs and the traces tell it; the runbook's own requests left out."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Json, Observation
from runbook_lib.reading.spans import build_traces, duration_ms, http_status

PATH = "/api/stripe/webhook"
_OWN_TRACE = "72756e626f6f6b"  # the runbook's own requests carry it at the head of their trace id
_EVENT = re.compile(r"\bevt_\w{8,}")


@dataclass(frozen=True)
class Arrival:
    """One POST to the webhook. `status` -1 or None: the handler gave no answer. `events`: ids of events it is known to hold."""

    at: str
    status: int | None
    ms: float | None
    words: str
    error: str
    events: tuple[str, ...]
    look: Observation

    @property
    def crashed(self) -> bool:
        """The handler gave no answer, or a 5xx."""
        return self.status is None or self.status >= 500 or self.status < 0

    @property
    def failed(self) -> bool:
        """It was not answered with a 2xx."""
        return self.status is None or not 200 <= self.status < 300


def arrivals_of(looks: Iterable[Observation]) -> list[Arrival]:
    """Every arrival, oldest first; one that several sources tell of stands once for each."""
    found: list[Arrival] = []
    for look in looks:
        if look.status.has_content and isinstance(look.value, dict):
            found += _from_spans(look)
        elif look.status.has_content and isinstance(look.value, list):
            found += _from_rows(look)
    return sorted(found, key=lambda each: each.at)


def _from_rows(look: Observation) -> Iterator[Arrival]:
    for row in look.value:
        if look.call == "logs":
            yield from _from_line(row, look)
            continue
        if row.get("path") != PATH or row.get("method") not in (None, "POST"):
            continue
        if str(row.get("trace_id") or "").startswith(_OWN_TRACE):
            continue
        words = " ".join(str(line.get("message", "")) for line in row.get("logs") or ())
        status = row.get("status")
        yield Arrival(
            str(row["at"]),
            int(status) if status is not None else None,
            row.get("duration_ms"),
            words[:500],
            str(row.get("error") or ""),
            tuple(dict.fromkeys(_EVENT.findall(f"{words} {row}"))),
            look,
        )


def _from_line(line: Mapping[str, Json], look: Observation) -> Iterator[Arrival]:
    """A log line that names an event: it came, and how it ended stands elsewhere."""
    events = tuple(dict.fromkeys(_EVENT.findall(str(line))))
    if events and not any(each.startswith("evt_runbook") for each in events):
        failed = str(line.get("level", "")).lower() in ("error", "fatal")
        yield Arrival(
            str(line["at"]), 500 if failed else 200, None, str(line.get("message", ""))[:500], "", events, look
        )


def _from_spans(look: Observation) -> Iterator[Arrival]:
    for trace in build_traces(look.value):
        if trace.id.startswith(_OWN_TRACE):
            continue
        for span in trace.spans:
            attributes = span["attributes"]
            route = attributes.get("http.route") or attributes.get("url.path") or attributes.get("http.target")
            method = attributes.get("http.request.method") or attributes.get("http.method")
            if span["kind"] != "server" or route != PATH or method not in (None, "POST"):
                continue
            raised = " ".join(
                str(event["attributes"].get("exception.message", ""))
                for other in trace.spans
                for event in other.get("events", ())
            )
            at = to_iso(datetime.fromtimestamp(span["start_ns"] / 1e9, UTC))
            events = tuple(dict.fromkeys(_EVENT.findall(str(attributes))))
            yield Arrival(at, http_status(span), duration_ms(span), raised[:500], "", events, look)
