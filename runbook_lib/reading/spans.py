"""A trace as a tree: spans by id, children in order, what is missing, and what each span says went wrong.

Spans stay those of the span table that the sources return: a trace of a hundred thousand spans is indexed, not copied. Attribute
names are read in their old and new spellings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runbook_lib.core.model import Json, Observation
from runbook_lib.core.records.traces import Attributes, Span, SpanTable
from runbook_lib.judging.answers import record_of

TRACE_TABLES = ("trace", "traces_of", "window_traces", "failed_traces")  # the looks that bring a span table
NAMES: Mapping[str, tuple[str, ...]] = {
    # what is meant: its names, the present one first (OpenTelemetry semantic conventions, 2026)
    "http_status": ("http.response.status_code", "http.status_code"),
    "http_method": ("http.request.method", "http.method"),
    "route": ("http.route", "next.route"),
    "url": ("url.full", "http.url"),
    "path": ("url.path", "http.target", "http.path"),
    "host": ("server.address", "net.peer.name", "http.host", "net.host.name", "peer.service"),
    "db_system": ("db.system.name", "db.system"),
    "db_code": ("db.response.status_code", "db.postgresql.error_code", "error.code"),
    "db_statement": ("db.query.text", "db.statement", "db.query.summary"),
    "db_operation": ("db.operation.name", "db.operation"),
    "db_table": ("db.collection.name", "db.sql.table"),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("gen_ai.request.model", "gen_ai.response.model"),
    "error_type": ("error.type", "exception.type"),
    "error_message": ("error.message", "exception.message"),
    "attempt": ("http.request.resend_count", "http.resend_count", "gen_ai.request.attempt", "retry.attempt"),
    "request_id": ("vercel.request_id", "railway.request_id", "fly.request_id", "http.request.header.x-vercel-id"),
    "org": ("nexuscore.org_id", "app.org_id", "org_id", "enduser.org_id", "tenant.id"),
}


def first(attributes: Attributes, meaning: str, default: Json = None) -> Json:
    """The attribute of this meaning under the first of its names that is there; lists of one (old header style) unwrapped."""
    for name in NAMES[meaning]:
        if name in attributes:
            value = attributes[name]
            return value[0] if isinstance(value, list) and value else value
    return default


def http_status(span: Span) -> int | None:
    """The HTTP status on the span, or None."""
    value = first(span["attributes"], "http_status")
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def duration_ms(span: Span) -> float:
    """How long the span took, in milliseconds, by its own clock."""
    return (span["end_ns"] - span["start_ns"]) / 1e6


@dataclass(frozen=True)
class Fault:
    """What a span says went wrong, gathered from status, exception events and attributes. Empty texts where it does not say."""

    http_status: int | None = None
    error_type: str = ""
    message: str = ""
    code: str = ""  # SQLSTATE, PGRST…, or a vendor's error code

    @property
    def text(self) -> str:
        """Everything it says, for matching words."""
        return f"{self.error_type} {self.code} {self.message}".strip()


def exceptions(span: Span) -> list[dict[str, str]]:
    """Exceptions from span events and from attributes: `{type, message}`, in the order in which they happened."""
    found = [
        {
            "type": str(event["attributes"].get("exception.type", "")),
            "message": str(event["attributes"].get("exception.message", "")),
        }
        for event in span.get("events", ())
        if event["name"] == "exception" or "exception.type" in event["attributes"]
    ]
    attributes = span["attributes"]
    if not found and ("exception.type" in attributes or "exception.message" in attributes):
        found = [
            {
                "type": str(attributes.get("exception.type", "")),
                "message": str(attributes.get("exception.message", "")),
            }
        ]
    return found


def fault(span: Span) -> Fault | None:
    """What went wrong on this span, or None where it says nothing did.

    A server span is failed by a 5xx, not by a 4xx; a client span by both, as the conventions have it. An exception event
    on a span whose status is ok was handled there, and is no fault.
    """
    attributes = span["attributes"]
    status = http_status(span)
    raised = exceptions(span)
    error_type = str(first(attributes, "error_type", "") or "")
    failed = (
        span["status"] == "error"
        or bool(error_type)
        or (status is not None and status >= (400 if span["kind"] == "client" else 500))
        or (bool(raised) and span["status"] != "ok" and not (status is not None and status < 400))
        or attributes.get("error") in (True, "true")
    )
    if not failed:
        return None
    message = str(first(attributes, "error_message", "") or "") or span["message"]
    if raised:
        error_type = error_type if error_type and not error_type.isdigit() else raised[-1]["type"] or error_type
        message = message or raised[-1]["message"]
        if raised[-1]["message"] and raised[-1]["message"] not in message:
            message = f"{message}: {raised[-1]['message']}" if message else raised[-1]["message"]
    code = str(first(attributes, "db_code", "") or "")
    return Fault(status, error_type, message, code)


@dataclass
class Trace:
    """The spans of one trace as a tree.

    `missing_parents` maps the id of a parent that nobody reported to the spans that name it. Roots are the spans without
    parent and those whose parent is missing, in order of start.
    """

    id: str
    spans: Sequence[Span]
    resources: Sequence[Attributes]
    by_id: dict[str, Span] = field(default_factory=dict)
    children: dict[str, list[Span]] = field(default_factory=dict)
    roots: list[Span] = field(default_factory=list)
    missing_parents: dict[str, list[Span]] = field(default_factory=dict)

    def resource(self, span: Span) -> Attributes:
        """The resource attributes of the process that reported the span."""
        index = span["resource"]
        return self.resources[index] if 0 <= index < len(self.resources) else {}

    def children_of(self, span: Span) -> list[Span]:
        """Children in order of start."""
        return self.children.get(span["id"], [])

    def parent_of(self, span: Span) -> Span | None:
        """The parent, or None where there is none or nobody reported it."""
        return self.by_id.get(span["parent"])

    def ancestors(self, span: Span) -> Iterable[Span]:
        """From the parent up to the root; a cycle in bad data ends the walk."""
        seen = {span["id"]}
        current = self.parent_of(span)
        while current is not None and current["id"] not in seen:
            seen.add(current["id"])
            yield current
            current = self.parent_of(current)


def build_trace(trace_id: str, tables: Iterable[SpanTable]) -> Trace | None:
    """One trace's tree from one or more span tables (the same trace from two backends is merged by span id).

    Returns:
        The tree, or None where no table holds a span of this trace. An empty `trace_id` takes every span.
    """
    by_id: dict[str, Span] = {}
    resources: list[Attributes] = []
    for table in tables:
        offset = len(resources)
        resources.extend(table["resources"])
        for span in table["spans"]:
            if trace_id and span["trace"] != trace_id:
                continue
            if span["id"] not in by_id:
                by_id[span["id"]] = _shifted(span, offset) if offset else span
    if not by_id:
        return None
    return _tree(trace_id, by_id, resources)


def _shifted(span: Span, offset: int) -> Span:
    """A copy of a span whose resource index counts from the joined list."""
    copy = span.copy()
    copy["resource"] = span["resource"] + offset
    return copy


def traces_in(look: Observation) -> list[Trace]:
    """Every trace that a look brought; none where it looked for something else."""
    table = record_of(look, SpanTable) if look.call in TRACE_TABLES else None
    return build_traces(table) if table is not None else []


def build_traces(table: SpanTable) -> list[Trace]:
    """Every trace of a span table, as trees, in order of first appearance."""
    grouped: dict[str, dict[str, Span]] = {}
    for span in table["spans"]:
        grouped.setdefault(span["trace"], {})[span["id"]] = span
    return [_tree(trace_id, by_id, table["resources"]) for trace_id, by_id in grouped.items()]


def _tree(trace_id: str, by_id: dict[str, Span], resources: Sequence[Attributes]) -> Trace:
    ordered = sorted(by_id.values(), key=lambda span: span["start_ns"])
    trace = Trace(trace_id or ordered[0]["trace"], ordered, resources, by_id)
    children, missing = trace.children, trace.missing_parents
    for span in ordered:
        parent = span["parent"]
        if parent and parent in by_id and parent != span["id"]:
            children.setdefault(parent, []).append(span)
            continue
        trace.roots.append(span)
        if parent and parent != span["id"]:
            missing.setdefault(parent, []).append(span)
    return trace
