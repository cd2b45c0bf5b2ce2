"""Tempo's values of a tag, as `resource.service.name`: /api/v2/search/tag/{tag}/values."""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.tempo_search import Reader, in_range
from runbook_lib.sandbox.store.traceql import Attribute, TraceqlError, getter
from runbook_lib.sandbox.store.traceql.lexer import tokens
from runbook_lib.sandbox.store.web import BadRequestError, unsigned

_READ = frozenset({"start", "end"})


def values(request: Request, store: Store, traces: Reader) -> dict[str, Any]:
    """`{"tagValues":[{"type","value"}]}` of a scoped attribute, sorted. Raises BadRequestError."""
    if others := sorted(set(request.query_params) - _READ):
        raise BadRequestError(
            f"the sandbox's Tempo narrows tag values by time alone, though Tempo may by {', '.join(others)}"
        )
    read = getter(_attribute(request.path_params["tag"]))
    start_s, end_s = unsigned(request, "start", 0), unsigned(request, "end", 0)
    found = (read(span, trace) for trace in in_range(store, traces, start_s, end_s) for span in trace.spans)
    listed = sorted({pair for value in found for pair in _told(value)})
    return {
        "tagValues": [{"type": kind, "value": text} for kind, text in listed],
        "metrics": {"completedJobs": 1, "totalJobs": 1},
    }


def _told(value: Any) -> Iterator[tuple[str, str]]:
    """Type and text of a value, or of each of an array."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, bool):
            yield "bool", str(one).lower()
        elif isinstance(one, int | float):
            yield type(one).__name__, str(one)
        elif isinstance(one, str):
            yield "string", one


def _attribute(tag: str) -> Attribute:
    try:
        field = tokens(tag)[0].value
    except TraceqlError as error:
        raise BadRequestError(f"invalid tag name: {error}") from None
    if not isinstance(field, Attribute):
        raise BadRequestError(f"tag name is not a scoped attribute: {tag}")
    return field
