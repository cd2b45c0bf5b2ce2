"""The gateway's calls as spans tell them: whole traces, and rows of provider calls with the server spans above them."""

from collections.abc import Sequence
from dataclasses import replace

from runbook_lib.core.records.traces import Attributes, Span, SpanRow
from runbook_lib.procedures.llm_gateway.calls import Call, Request, classify_call
from runbook_lib.reading.attempts import Attempt, find_series
from runbook_lib.reading.logs import number_of
from runbook_lib.reading.parts import PROVIDER, callee_of
from runbook_lib.reading.spans import Fault, Trace, fault, first, http_status

_NO_SKEW_S = 0.1


def requests_from_trace(trace: Trace, observation: str) -> list[Request]:
    """One request for each handler that called providers."""
    found = []
    for series in find_series(trace):
        if series.attempts[0].kind != PROVIDER:
            continue
        handler = trace.by_id.get(series.caller)
        last = series.attempts[-1]
        calls = tuple(_of_attempt(each, observation, is_last=each is last) for each in series.attempts)
        org = next((str(held) for span in trace.spans if (held := first(span["attributes"], "org"))), "")
        own_ms = _own_ms(handler, series.attempts) if handler is not None else None
        if handler is not None and trace.roots:
            calls = _on_time(calls, _skew_s(_times(trace.roots[0]), _times(handler)))
        found.append(
            Request(f"{trace.id}:{series.caller}", calls, _ended_well(handler, calls), org, own_ms, handler is not None)
        )
    return found


def _ended_well(handler: Span | None, calls: Sequence[Call]) -> bool | None:
    """Whether the handler gave its caller an answer. Without a server span, its last call has to tell."""
    if calls[-1].in_stream:
        return False
    if handler is None or handler["kind"] != "server":
        return True if calls[-1].ok else None  # its span may still be open
    status = http_status(handler)
    if status is None:
        return None if fault(handler) is None and not calls[-1].ok else calls[-1].ok
    return status < 400


def _of_attempt(attempt: Attempt, observation: str, *, is_last: bool) -> Call:
    span = attempt.span
    failed = fault(span)
    attributes = span["attributes"]
    is_stream = failed is not None and failed.http_status is not None and 200 <= failed.http_status < 300
    name, what = classify_call(_with_code(failed, attributes), is_stream) if failed is not None else ("", "")
    return Call(
        attempt.callee,
        attempt.model,
        span["start_ns"] / 1e9,
        name,
        what,
        failed,
        is_stream and is_last,  # what broke before its first piece was passed on was tried again
        attempt.duration_ms,
        attempt.gap_s,
        _tokens(attributes),
        observation,
    )


def _with_code(failed: Fault, attributes: Attributes) -> Fault:
    """The fault with the vendor's own code, which GenAI spans carry in an attribute of their own."""
    code = attributes.get("gen_ai.response.error.code")
    return Fault(failed.http_status, failed.error_type, failed.message, failed.code or str(code or ""))


def _times(span: Span) -> tuple[float, float]:
    return span["start_ns"] / 1e9, span["end_ns"] / 1e9


def _skew_s(outermost: tuple[float, float], handler: tuple[float, float]) -> float:
    """By how much the gateway's clock must be moved so that its work lies within the request that asked for it."""
    lies_within = outermost[0] - _NO_SKEW_S <= handler[0] <= outermost[1] + _NO_SKEW_S
    return 0.0 if lies_within else outermost[0] - handler[0]


def _on_time(calls: Sequence[Call], skew_s: float) -> tuple[Call, ...]:
    """The calls by the clock of whoever saw the request first."""
    return tuple(replace(call, at_s=call.at_s + skew_s) for call in calls) if skew_s else tuple(calls)


def _own_ms(handler: Span, attempts: Sequence[Attempt]) -> float:
    """How long the handler took besides its calls and the waits between them."""
    spent_ns = attempts[-1].span["end_ns"] - attempts[0].span["start_ns"]
    return max(0.0, (handler["end_ns"] - handler["start_ns"] - spent_ns) / 1e6)


def rows_by_trace(rows: Sequence[SpanRow]) -> dict[str, list[SpanRow]]:
    """The rows of each trace."""
    grouped: dict[str, list[SpanRow]] = {}
    for row in rows:
        grouped.setdefault(row["trace"], []).append(row)
    return grouped


def request_from_rows(trace_id: str, rows: Sequence[SpanRow], observation: str) -> Request | None:
    """A request from rows of spans, which know no parents: the gateway's own span is the shortest server span around a call."""
    servers = [row for row in rows if row["attributes"].get("kind") == "server"]
    calls = [row for row in rows if row not in servers]
    named = [row for row in calls if first(row["attributes"], "provider")]
    calls = sorted(named or calls, key=lambda row: row["start_ns"])
    if not calls:
        return None
    found: list[Call] = []
    for row in calls:
        callee = callee_of(_as_span(row))
        status, kind = http_status(_as_span(row)), str(first(row["attributes"], "error_type", "") or "")
        is_bad = row["attributes"].get("status") == "error" or (status is not None and status >= 400)
        failed = Fault(status, kind) if is_bad else None
        in_stream = failed is not None and status is not None and status < 300
        name, what = classify_call(failed, in_stream) if failed is not None else ("", "")
        before = found[-1] if found else None
        at_s = row["start_ns"] / 1e9
        found.append(
            Call(
                callee[1] if callee else "",
                str(first(row["attributes"], "model", "") or ""),
                at_s,
                name,
                what,
                failed,
                in_stream and row is calls[-1],
                row["duration_ms"],
                max(0.0, at_s - before.end_s) if before else None,
                _tokens(row["attributes"]),
                observation,
            )
        )
    handler = _handler(servers, calls)
    status = http_status(_as_span(handler)) if handler is not None else None
    answered = (status < 400 if status is not None else found[-1].ok) and not found[-1].in_stream
    own_ms = None
    if handler is not None:
        own_ms = max(0.0, handler["duration_ms"] - (found[-1].end_s - found[0].at_s) * 1000)
        outermost = max(servers, key=lambda row: row["duration_ms"])
        found = list(_on_time(found, _skew_s(_times(_as_span(outermost)), _times(_as_span(handler)))))
    org = next((str(held) for row in rows if (held := first(row["attributes"], "org"))), "")
    return Request(trace_id, tuple(found), answered, org, own_ms)


def _handler(servers: Sequence[SpanRow], calls: Sequence[SpanRow]) -> SpanRow | None:
    begins, ends = calls[0]["start_ns"], max(row["start_ns"] + row["duration_ms"] * 1e6 for row in calls)
    around = [
        row
        for row in servers
        if row["start_ns"] <= begins + 1e6 and row["start_ns"] + row["duration_ms"] * 1e6 >= ends - 1e6
    ]
    return min(around, key=lambda row: row["duration_ms"], default=None)


def _as_span(row: SpanRow) -> Span:
    """A row in the form that the readers of spans take."""
    attributes = row["attributes"]
    return {
        "trace": row["trace"],
        "id": row["id"],
        "parent": "",
        "name": row["name"],
        "kind": str(attributes.get("kind", "client")),
        "start_ns": row["start_ns"],
        "end_ns": int(row["start_ns"] + row["duration_ms"] * 1e6),
        "status": str(attributes.get("status", "unset")),
        "message": "",
        "attributes": attributes,
        "resource": 0,
        "scope": "",
    }


def _tokens(attributes: Attributes) -> int | None:
    tokens = attributes.get("gen_ai.usage.output_tokens", attributes.get("gen_ai.usage.completion_tokens"))
    return number_of(tokens)
