"""Spans as the store keeps them: OpenTelemetry's trace model in plain Python, and one trace as its readers see it.

Field meanings follow opentelemetry/proto/trace/v1/trace.proto. Times are nanoseconds since the epoch, ids are raw bytes
(16 for a trace, 8 for a span), an attribute's value is a Python value of the type it was sent with.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Value = Any  # str | bool | int | float | bytes | list[Value] | dict[str, Value] | None
Attributes = dict[str, Value]

KIND_NAMES = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUS_NAMES = ("unset", "ok", "error")
STATUS_ERROR = 2


@dataclass(slots=True, eq=False)
class Resource:
    """The part that made some spans, as one export named it."""

    attributes: Attributes = field(default_factory=dict)
    schema_url: str = ""

    @property
    def service(self) -> str:
        """`service.name`, or an empty text when the resource has none."""
        name = self.attributes.get("service.name", "")
        return name if isinstance(name, str) else str(name)

    @property
    def named(self) -> Attributes:
        """The attributes as Jaeger keeps them: what names no service is given a name when it is taken in."""
        if self.service:
            return self.attributes
        lacking = "empty" if "service.name" in self.attributes else "missing"
        return {**self.attributes, "service.name": f"{lacking}-service-name"}


@dataclass(slots=True, eq=False)
class Scope:
    """The instrumentation library that made some spans."""

    name: str = ""
    version: str = ""
    attributes: Attributes = field(default_factory=dict)
    schema_url: str = ""


@dataclass(slots=True, eq=False)
class Event:
    """Something that happened at one moment of a span, such as an exception."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Link:
    """A pointer from a span to another one, maybe in another trace."""

    trace_id: bytes
    span_id: bytes
    trace_state: str = ""
    attributes: Attributes = field(default_factory=dict)
    flags: int = 0


@dataclass(slots=True, eq=False)
class Span:
    """One span. `parent_id` is empty for a root; `kind` and `status_code` are OTLP's numbers."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Attributes
    resource: Resource
    scope: Scope
    status_code: int = 0
    status_message: str = ""
    events: list[Event] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    trace_state: str = ""
    flags: int = 0
    count: int = 1  # of condensed history: how many like spans this one stands for

    @property
    def duration_ns(self) -> int:
        """End minus start; negative when the clock of the part ran backwards."""
        return self.end_ns - self.start_ns


class Trace:
    """The spans of one trace that can be seen now, in order of arrival, with what queries ask about the whole."""

    def __init__(self, trace_id: bytes, spans: tuple[Span, ...]) -> None:
        self.trace_id = trace_id
        self.spans = spans

    @cached_property
    def start_ns(self) -> int:
        """Earliest start of any span."""
        return min(s.start_ns for s in self.spans)

    @cached_property
    def end_ns(self) -> int:
        """Latest end of any span."""
        return max(s.end_ns for s in self.spans)

    @property
    def duration_ns(self) -> int:
        """Latest end minus earliest start."""
        return self.end_ns - self.start_ns

    @cached_property
    def root(self) -> Span | None:
        """The span without a parent (the earliest, if there are several), or None while it has not arrived."""
        roots = [s for s in self.spans if not s.parent_id]
        return min(roots, key=lambda s: s.start_ns) if roots else None

    @cached_property
    def by_id(self) -> dict[bytes, Span]:
        """Spans by span id; of several with one id, the first that arrived."""
        found: dict[bytes, Span] = {}
        for span in self.spans:
            found.setdefault(span.span_id, span)
        return found

    @cached_property
    def children(self) -> dict[bytes, list[Span]]:
        """Spans by the id of their parent, whether that parent is here or not."""
        found: dict[bytes, list[Span]] = {}
        for span in self.spans:
            if span.parent_id:
                found.setdefault(span.parent_id, []).append(span)
        return found

    def parent(self, span: Span) -> Span | None:
        """The parent of a span, or None when it has none or it has not arrived."""
        found = self.by_id.get(span.parent_id) if span.parent_id else None
        return None if found is span else found
