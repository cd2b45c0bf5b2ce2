"""Every request to the gateway, once, from its fullest witness.

Three witnesses of the same thing, the fullest first: a request that a whole trace tells of is not read again from a row, nor
one of either from a line. A request is told by its trace id, or by its own id where a line has nothing else.
"""

from collections.abc import Iterable
from dataclasses import replace

from runbook_lib.core.model import Observation
from runbook_lib.core.records.traces import SpanRow
from runbook_lib.judging.answers import rows_of
from runbook_lib.procedures.llm_gateway.calls import Calls, Request
from runbook_lib.procedures.llm_gateway.calls_lines import requests_from_lines
from runbook_lib.procedures.llm_gateway.calls_spans import request_from_rows, requests_from_trace, rows_by_trace
from runbook_lib.reading.spans import traces_in

_UNDER_WAY_S = 60.0


def read_calls(
    tables: Iterable[Observation],
    rows: Iterable[Observation],
    logs: Iterable[Observation] = (),
    now_s: float | None = None,
) -> Calls:
    """The requests of whole traces, of span rows, and of log lines; each once, from its fullest witness.

    Args:
        now_s: when this is read; what nothing has been heard of for a minute before it ended as its last call did.
    """
    found: dict[str, Request] = {}
    for look in tables:
        for trace in traces_in(look):
            for request in requests_from_trace(trace, look.id):
                found.setdefault(request.id, request)
    whole = {identity.partition(":")[0] for identity in found}
    for look in rows:
        for trace_id, spans in rows_by_trace(rows_of(look, SpanRow)).items():
            if trace_id not in whole and (shown_by_rows := request_from_rows(trace_id, spans, look.id)) is not None:
                found.setdefault(shown_by_rows.id, shown_by_rows)
    whole = {identity.partition(":")[0] for identity in found}
    for request in requests_from_lines(logs):
        if request.id not in whole:
            found.setdefault(request.id, request)
    ended = [_ended(each, now_s) for each in found.values()]
    return Calls(tuple(sorted(ended, key=lambda each: each.at_s)))


def _ended(request: Request, now_s: float | None) -> Request:
    """A request whose end nobody tells: under way while its last call is young, else ended as that one did."""
    if request.answered is not None or now_s is None or now_s - request.last.end_s < _UNDER_WAY_S:
        return request
    return replace(request, answered=request.last.ok)
