"""The span table: what every trace backend's answer becomes, written for a hundred thousand spans.

OTLP's JSON comes in two spellings: Tempo's (ids in base64, enums by name, 64-bit integers as text) and OTLP's own, which Jaeger
speaks (ids in hex, enums by number). Both are read here, by the look of each value, so no reader has to say which one it has.
"""

import gc
from array import array
from binascii import a2b_base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import orjson

from runbook_lib.core.model import Json
from runbook_lib.core.records.traces import Attributes, MatchedSpan, Span, SpanEvent, SpanTable, TraceSummary
from runbook_lib.io.http import Reply
from runbook_lib.sources.kit.asking import whole_number

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
_KIND: dict[Json, str] = {None: "unspecified"}
_KIND |= dict(enumerate(KINDS)) | {f"SPAN_KIND_{name.upper()}": name for name in KINDS}
_STATUS: dict[Json, str] = {None: "unset"}
_STATUS |= dict(enumerate(STATUSES)) | {f"STATUS_CODE_{name.upper()}": name for name in STATUSES}
_HEX_DIGITS = {32: 32, 24: 32, 16: 16, 12: 16, 0: 0}  # length as written -> length in hex; 24 and 12 are base64
_TEXTS: tuple[Literal["name", "message", "scope"], ...] = ("name", "message", "scope")
_TIMES: tuple[Literal["start_ns", "end_ns"], ...] = ("start_ns", "end_ns")
_NO_STATUS: dict[str, Json] = {}


class _HexIds(dict[str, str]):
    """An id as written -> the id in hex, each worked out once. Raises ValueError for what is no id."""

    def __missing__(self, written: str) -> str:
        length = len(written)
        digits = _HEX_DIGITS.get(length)
        if digits is None:
            raise ValueError(f"not a span or trace id: {written[:40]!r}")
        if length in (24, 12):
            found = a2b_base64(written).hex()
        else:
            found = written.lower()
            if length:
                int(found, 16)
        if len(found) != digits:
            raise ValueError(f"not a span or trace id: {written[:40]!r}")
        if digits == 16 and found == "0000000000000000":
            found = ""
        self[written] = found
        return found


@contextmanager
def no_collections() -> Iterator[None]:
    """Hold the cycle collector: parsed JSON has no cycles, and looking for them takes four times as long as parsing it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class SpanCollector:
    """Collects spans from any number of answers into one table; equal resources are kept once."""

    def __init__(self) -> None:
        self.resources: list[Attributes] = []
        self.spans: list[Span] = []
        self._resource_index: dict[bytes, int] = {}
        self._ids = _HexIds()

    def table(self) -> SpanTable:
        """The table's JSON-safe form; shares its lists."""
        return SpanTable(resources=self.resources, spans=self.spans)

    @property
    def end_ns(self) -> int:
        """The latest end of any span; 0 without spans."""
        return max((span["end_ns"] for span in self.spans), default=0)

    def resource(self, attributes: Attributes) -> int:
        """The index of a resource with these attributes, added when it is new."""
        key = orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
        index = self._resource_index.setdefault(key, len(self.resources))
        if index == len(self.resources):
            self.resources.append(attributes)
        return index

    def hex_id(self, written: str) -> str:
        """An id in hex. Raises ValueError for what is no id."""
        return self._ids[written]

    def absorb(self, other: "SpanCollector", but: set[str]) -> None:
        """Take over another table's spans, except those of the traces in `but`."""
        indexes = [self.resource(attributes) for attributes in other.resources]
        for span in other.spans:
            if span["trace"] not in but:
                self.spans.append({**span, "resource": indexes[span["resource"]]})

    def read(self, reply: Reply, batches: Callable[[Json], Json]) -> None:
        """Take in the list that `batches` finds in the reply's JSON. Raises LookError(malformed) for another shape."""
        with no_collections():
            reply.parsed(lambda document: self.add_otlp(batches(document)))

    def add_otlp(self, resource_spans: Json) -> None:
        """Take in a `resourceSpans` (or `batches`) list in either spelling.

        Raises KeyError, TypeError, ValueError or AttributeError for another shape.
        """
        if not isinstance(resource_spans, list):
            raise TypeError(f"resource spans are a {type(resource_spans).__name__}, not a list")
        ids, kinds, statuses, keep = self._ids, _KIND, _STATUS, self.spans.append
        lowest, highest = -(2**63), 2**63 - 1
        first = len(self.spans)
        with no_collections():
            for batch in resource_spans:
                resource = self.resource(_attributes((batch.get("resource") or {}).get("attributes", ())))
                for scope_spans in batch.get("scopeSpans", ()):
                    scope = (scope_spans.get("scope") or {}).get("name", "")
                    for span in scope_spans.get("spans", ()):
                        get = span.get
                        status = get("status") or _NO_STATUS
                        attributes: dict[str, Json] = {}
                        for pair in get(
                            "attributes", ()
                        ):  # a loop in place: a call for each attribute would double the time
                            value = pair["value"]
                            if "stringValue" in value:
                                attributes[pair["key"]] = value["stringValue"]
                            elif "intValue" in value:
                                number = int(value["intValue"])
                                attributes[pair["key"]] = (
                                    number if lowest <= number <= highest else whole_number(number)
                                )
                            else:
                                attributes[pair["key"]] = _other_value(value)
                        row: Span = {
                            "trace": ids[span["traceId"]],
                            "id": ids[span["spanId"]],
                            "parent": ids[get("parentSpanId", "")],
                            "name": get("name", ""),
                            "kind": kinds[get("kind")],
                            "start_ns": int(get("startTimeUnixNano", 0)),
                            "end_ns": int(get("endTimeUnixNano", 0)),
                            "status": statuses[status.get("code")],
                            "message": status.get("message", ""),
                            "attributes": attributes,
                            "resource": resource,
                            "scope": scope,
                        }
                        if "events" in span:
                            row["events"] = [_event(event) for event in span["events"]]
                        keep(row)
        added = self.spans[first:]
        for text in _TEXTS:  # one pass in C tells whether every one is text
            "".join([row[text] for row in added])
        for time in _TIMES:  # and whether every one is a number of 64 bits
            array("q", [row[time] for row in added])


def _event(event: dict[str, Json]) -> SpanEvent:
    name = event.get("name", "")
    if not isinstance(name, str):
        raise TypeError(f"an event's name is a {type(name).__name__}")
    return {
        "name": name,
        "at_ns": whole_number(event.get("timeUnixNano", 0)),
        "attributes": _attributes(event.get("attributes", ())),
    }


def _attributes(pairs: Json) -> dict[str, Json]:
    """OTLP's list of key and typed value, as a plain dict."""
    return {
        pair["key"]: value["stringValue"] if "stringValue" in (value := pair["value"]) else _other_value(value)
        for pair in pairs
    }


def otlp_value(value: dict[str, Json]) -> Json:
    """A plain value from OTLP's AnyValue in JSON: bytes stay base64 text, a missing value is None."""
    return value["stringValue"] if "stringValue" in value else _other_value(value)


def _other_value(value: dict[str, Json]) -> Json:
    if "intValue" in value:
        return whole_number(value["intValue"])
    if "boolValue" in value:
        return bool(value["boolValue"])
    if "doubleValue" in value:
        number = value["doubleValue"]
        return number if isinstance(number, str) else float(number)  # NaN and the infinities are written as text
    if "arrayValue" in value:
        return [otlp_value(item) for item in (value["arrayValue"] or {}).get("values", ())]
    if "kvlistValue" in value:
        return _attributes((value["kvlistValue"] or {}).get("values", ()))
    return value.get("bytesValue")


def summaries(table: SpanTable, only: set[str] | None = None) -> list[TraceSummary]:
    """One summary a trace, in order of appearance, with the spans whose id is in `only` (None: those that failed)."""
    by_trace: dict[str, list[Span]] = {}
    for span in table["spans"]:
        by_trace.setdefault(span["trace"], []).append(span)
    found = []
    for trace, spans in by_trace.items():
        start_ns, end_ns = min(s["start_ns"] for s in spans), max(s["end_ns"] for s in spans)
        root = next((s for s in spans if not s["parent"]), None)
        matched = [s for s in spans if (s["id"] in only if only is not None else s["status"] == "error")]
        found.append(
            TraceSummary(
                trace=trace,
                service=str(table["resources"][root["resource"]].get("service.name", "")) if root else "",
                name=root["name"] if root else "",
                start_ns=start_ns,
                duration_ms=(end_ns - start_ns) / 1e6,
                span_count=len(spans),
                error_count=sum(s["status"] == "error" for s in spans),
                spans=[_matched(s) for s in matched],
            )
        )
    return found


def _matched(span: Span) -> MatchedSpan:
    return MatchedSpan(
        id=span["id"],
        name=span["name"],
        start_ns=span["start_ns"],
        duration_ms=(span["end_ns"] - span["start_ns"]) / 1e6,
        attributes=span["attributes"],
    )
