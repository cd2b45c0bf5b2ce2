"""What came to the webhook in the window, as the platforms' logs and the traces tell it; the runbook's own requests left out."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Observation
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.judging.answers import rows_of
from runbook_lib.reading.logs import LINE_LOGS
from runbook_lib.reading.request_rows import REQUEST_LOGS
from runbook_lib.reading.spans import duration_ms, http_status, traces_in

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
        if look.call in REQUEST_LOGS:
            found += _from_rows(look)
        elif look.call in LINE_LOGS:
            found += _from_lines(look)
        else:
            found += _from_spans(look)
    return sorted(found, key=lambda each: each.at)


def _from_rows(look: Observation) -> Iterator[Arrival]:
    for row in rows_of(look, RequestRow):
        if row["path"] != PATH or row["method"] not in (None, "POST"):
            continue
        if (row["trace_id"] or "").startswith(_OWN_TRACE):
            continue
        words = " ".join(line["message"] for line in row["logs"])
        events = tuple(dict.fromkeys(_EVENT.findall(f"{words} {row}")))
        error = row["error"] or ""
        yield Arrival(row["at"] or "", row["status"], row["duration_ms"], words[:500], error, events, look)


def _from_lines(look: Observation) -> Iterator[Arrival]:
    """Lines that name an event: it came, and how it ended stands elsewhere."""
    for line in rows_of(look, LogLine):
        events = tuple(dict.fromkeys(_EVENT.findall(str(line))))
        if events and not any(each.startswith("evt_runbook") for each in events):
            failed = line["level"].lower() in ("error", "fatal")
            yield Arrival(line["at"] or "", 500 if failed else 200, None, line["message"][:500], "", events, look)


def _from_spans(look: Observation) -> Iterator[Arrival]:
    for trace in traces_in(look):
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
