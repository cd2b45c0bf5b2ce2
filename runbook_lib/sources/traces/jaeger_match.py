"""Which traces of a Jaeger answer match a question: Jaeger itself may not know, see `jaeger_api`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Json
from runbook_lib.core.records.traces import Attributes, Span
from runbook_lib.sources.traces.span_table import SpanCollector


@dataclass(frozen=True)
class Question:
    """A search: at most `limit` traces of each service, with one span that has all attributes, as equal texts."""

    window: Window
    limit: int
    attributes: dict[str, str] = field(default_factory=dict)
    operation: str | None = None

    @property
    def is_about_errors(self) -> bool:
        """Whether spans that failed are asked for."""
        return self.attributes.get("error") == "true"


def traces_with(table: SpanCollector, service: str, attributes: Mapping[str, str]) -> set[str]:
    """The traces that have a span of this service with all the attributes."""
    return {span["trace"] for span in table.spans if _is_of(table, span, service) and _matches(span, table, attributes)}


def only_failed(table: SpanCollector, service: str) -> set[str]:
    """The traces in which a span of this service failed and none of them was marked as ok: whoever finds them by their errors
    has understood what an error is."""
    mine = [span for span in table.spans if _is_of(table, span, service)]
    return {span["trace"] for span in mine if span["status"] == "error"} - {
        span["trace"] for span in mine if span["status"] == "ok"
    }


def _is_of(table: SpanCollector, span: Span, service: str) -> bool:
    """Whether a span is this service's. One that names none goes under a name of Jaeger's own."""
    return bool(table.resources[span["resource"]].get("service.name", service) == service)


def _matches(span: Span, table: SpanCollector, attributes: Mapping[str, str]) -> bool:
    """Whether a span, its resource or its events have all the attributes, as Jaeger compares them: as equal texts."""
    for key, wanted in attributes.items():
        if key == "error" and (span["status"] == "error") == (wanted == "true"):
            continue
        places: list[Attributes] = [span["attributes"], table.resources[span["resource"]]]
        places += [event["attributes"] for event in span.get("events", ())]
        if not any(key in each and as_text(each[key]) == wanted for each in places):
            return False
    return True


def as_text(value: Json) -> str:
    """An attribute's value as Jaeger compares it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
