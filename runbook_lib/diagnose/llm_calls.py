"""The gateway's calls to model providers, request by request, from whole traces, from rows of spans, and from log lines.

Three witnesses of the same thing, the fullest first: a request that a whole trace tells of is not read again from a row, nor
one of either from a line. A request is told by its trace id, or by its own id where a line has nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbook_lib.clock import from_epoch_s, from_iso, to_iso
from runbook_lib.diagnose.attempts import Attempt, find_series
from runbook_lib.diagnose.classify import Named, classify_provider, is_timeout
from runbook_lib.diagnose.logs import BAD_LEVELS, Line, field_of, lines_of, number_of
from runbook_lib.diagnose.parts import GATEWAY, PROVIDER, callee_of
from runbook_lib.diagnose.spans import Fault, Span, Trace, build_traces, fault, first, http_status
from runbook_lib.model import Observation, Status

_PREFIX = "request.provider_failed."
_PASSED_ON = "all providers failed"
_UNDER_WAY_S = 60.0
_NO_SKEW_S = 0.1


@dataclass(frozen=True)
class Call:
    """One attempt of one model. Times in epoch seconds; None where the witness does not tell.

    failure: what `classify` calls it (throttled, bad_key, …); empty for a call that went well.
    """

    provider: str
    model: str
    at_s: float
    failure: str = ""
    what: str = ""
    fault: Fault | None = None
    in_stream: bool = False
    duration_ms: float | None = None
    gap_s: float | None = None
    output_tokens: int | None = None
    first_chunk_s: float | None = None
    observation: str = ""

    @property
    def ok(self) -> bool:
        """It went well."""
        return not self.failure

    @property
    def target(self) -> str:
        """provider/model, as a chain writes it."""
        return f"{self.provider}/{self.model}".rstrip("/")

    @property
    def end_s(self) -> float:
        """When it ended, as far as that is known."""
        return self.at_s + (self.duration_ms or 0) / 1000


@dataclass(frozen=True)
class Request:
    """One request to the gateway and the calls that it made, in order. answered: None where nothing tells how it ended."""

    id: str
    calls: tuple[Call, ...]
    answered: bool | None
    org: str = ""
    own_ms: float | None = None  # the gateway's own time: its span without its calls and the waits between them
    is_whole: bool = True  # False: a line or a row may be missing, so what was not tried cannot be told

    @property
    def at_s(self) -> float:
        """When its first call began."""
        return self.calls[0].at_s

    @property
    def failed(self) -> bool:
        """It did not end well."""
        return self.answered is False

    @property
    def last(self) -> Call:
        """The call that decided how it ended."""
        return self.calls[-1]


@dataclass(frozen=True)
class Calls:
    """Every request that was seen, by time."""

    requests: tuple[Request, ...]

    @property
    def all(self) -> list[Call]:
        """Every call, by time."""
        return sorted((call for request in self.requests for call in request.calls), key=lambda call: call.at_s)

    @property
    def failing(self) -> list[Request]:
        """The requests that did not end well."""
        return [request for request in self.requests if request.failed]

    def within(self, since_s: float, until_s: float) -> "Calls":
        """The requests that began in a time."""
        return Calls(tuple(each for each in self.requests if since_s <= each.at_s <= until_s))


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
        if look.status.has_content and isinstance(look.value, dict):
            for trace in build_traces(look.value):
                for request in _of_trace(trace, look.id):
                    found.setdefault(request.id, request)
    whole = {identity.partition(":")[0] for identity in found}
    for look in rows:
        if look.status.has_content and isinstance(look.value, list):
            for trace_id, spans in _by_trace(look.value).items():
                if trace_id not in whole and (shown := _of_rows(trace_id, spans, look.id)) is not None:
                    found.setdefault(shown.id, shown)
    whole = {identity.partition(":")[0] for identity in found}
    for told in _of_lines(logs):
        if told.id not in whole:
            found.setdefault(told.id, told)
    ended = [_ended(each, now_s) for each in found.values()]
    return Calls(tuple(sorted(ended, key=lambda each: each.at_s)))


def _ended(request: Request, now_s: float | None) -> Request:
    """A request whose end nobody tells: under way while its last call is young, else ended as that one did."""
    if request.answered is not None or now_s is None or now_s - request.last.end_s < _UNDER_WAY_S:
        return request
    return replace(request, answered=request.last.ok)


def _of_trace(trace: Trace, observation: str) -> list[Request]:
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
    named = _classified(_with_code(failed, attributes), is_stream) if failed is not None else None
    return Call(
        attempt.callee,
        attempt.model,
        span["start_ns"] / 1e9,
        named.code.removeprefix(_PREFIX) if named else "",
        named.what if named else "",
        failed,
        is_stream and is_last,  # what broke before its first piece was passed on was tried again
        attempt.duration_ms,
        attempt.gap_s,
        _tokens(attributes),
        _seconds(attributes.get("gen_ai.response.time_to_first_chunk")),
        observation,
    )


def _classified(failed: Fault, in_stream: bool) -> Named:
    """The failure's name. An answer that the gateway itself gave up reading is a time-out, not the provider's error."""
    if in_stream and is_timeout(failed):
        return classify_provider(replace(failed, http_status=None))
    return classify_provider(failed, in_stream=in_stream)


def _with_code(failed: Fault, attributes: Mapping[str, Any]) -> Fault:
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


def _by_trace(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault(str(row["trace"]), []).append(row)
    return grouped


def _of_rows(trace_id: str, rows: Sequence[Mapping[str, Any]], observation: str) -> Request | None:
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
        result = _classified(failed, in_stream) if failed is not None else None
        before = found[-1] if found else None
        at_s = row["start_ns"] / 1e9
        found.append(
            Call(
                callee[1] if callee else "",
                str(first(row["attributes"], "model", "") or ""),
                at_s,
                result.code.removeprefix(_PREFIX) if result else "",
                result.what if result else "",
                failed,
                in_stream and row is calls[-1],
                row["duration_ms"],
                max(0.0, at_s - before.end_s) if before else None,
                _tokens(row["attributes"]),
                _seconds(row["attributes"].get("gen_ai.response.time_to_first_chunk")),
                observation,
            )
        )
    handler = _handler(servers, calls)
    status = http_status(_as_span(handler)) if handler is not None else None
    answered = (status < 400 if status is not None else found[-1].ok) and not found[-1].in_stream
    own_ms = None
    if handler is not None:
        own_ms = max(0.0, handler["duration_ms"] - (found[-1].end_s - found[0].at_s) * 1000)
        outermost = max(servers, key=lambda row: float(row["duration_ms"]))
        found = list(_on_time(found, _skew_s(_times(_as_span(outermost)), _times(_as_span(handler)))))
    org = next((str(held) for row in rows if (held := first(row["attributes"], "org"))), "")
    return Request(trace_id, tuple(found), answered, org, own_ms)


def _handler(servers: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    begins, ends = calls[0]["start_ns"], max(row["start_ns"] + row["duration_ms"] * 1e6 for row in calls)
    around = [
        row
        for row in servers
        if row["start_ns"] <= begins + 1e6 and row["start_ns"] + row["duration_ms"] * 1e6 >= ends - 1e6
    ]
    return min(around, key=lambda row: float(row["duration_ms"]), default=None)


def _as_span(row: Mapping[str, Any]) -> Span:
    """A row in the form that the readers of spans take."""
    attributes = dict(row["attributes"])
    return {
        "trace": str(row["trace"]),
        "id": str(row["id"]),
        "parent": "",
        "name": str(row.get("name", "")),
        "kind": str(attributes.get("kind", "client")),
        "start_ns": row["start_ns"],
        "end_ns": int(row["start_ns"] + row["duration_ms"] * 1e6),
        "status": str(attributes.get("status", "unset")),
        "message": "",
        "attributes": attributes,
        "resource": 0,
        "scope": "",
    }


def _of_lines(logs: Iterable[Observation]) -> list[Request]:
    """Requests from the gateway's lines: each attempt a line that names its provider, and a line of how the request ended."""
    grouped: dict[str, list[tuple[Line, Observation]]] = {}
    for line, observation in lines_of(logs):
        if str(line.get("part")) == GATEWAY and (identity := _request_of(line)):
            grouped.setdefault(identity, []).append((line, observation))
    found = []
    for identity, lines in grouped.items():
        lines.sort(key=lambda pair: str(pair[0].get("at")))
        calls = [_of_line(line, observation.id) for line, observation in lines if _provider_of(line)]
        if calls:
            took_ms, answered = _request_line(lines, calls)
            if len(calls) == 1 and calls[0].ok and took_ms is not None and calls[0].duration_ms is None:
                calls = [_timed(calls[0], took_ms)]
            found.append(
                Request(identity, tuple(calls), answered, _org_of(lines), None, lines[0][1].status == Status.ok)
            )
    return found


def _request_of(line: Line) -> str:
    return str(field_of(line, "trace_id") or field_of(line, "request_id") or "")


def _provider_of(line: Line) -> str:
    return str(field_of(line, "provider") or field_of(line, "gen_ai.provider.name") or "").lower()


def _of_line(line: Line, observation: str) -> Call:
    message, code = str(line.get("message") or ""), str(field_of(line, "code") or "")
    status = number_of(field_of(line, "status") or field_of(line, "upstream_status"))
    model = str(field_of(line, "model") or field_of(line, "gen_ai.request.model") or "")
    at_s = from_iso(str(line["at"])).timestamp()
    took_ms = field_of(line, "duration_ms") or field_of(line, "latency_ms")
    duration_ms = float(took_ms) if isinstance(took_ms, int | float) else None
    if str(line.get("level", "")).lower() not in BAD_LEVELS:
        tokens = number_of(field_of(line, "output_tokens") or field_of(line, "completion_tokens"))
        return Call(
            _provider_of(line), model, at_s, duration_ms=duration_ms, output_tokens=tokens, observation=observation
        )
    error_type = str(field_of(line, "error_type") or field_of(line, "error.type") or "")
    failed = Fault(status, error_type or code, message, code)
    in_stream = "stream" in code or (status is not None and 200 <= status < 300)
    named = _classified(failed, in_stream)
    name = named.code.removeprefix(_PREFIX)
    return Call(
        _provider_of(line), model, at_s, name, named.what, failed, in_stream, duration_ms, observation=observation
    )


def _request_line(lines: Sequence[tuple[Line, Observation]], calls: Sequence[Call]) -> tuple[float | None, bool | None]:
    """How long the whole request took and whether it ended well: by its own line, else by the last call's."""
    took_ms, answered = None, None
    for line, _ in lines:
        if _provider_of(line):
            continue
        status = number_of(field_of(line, "status"))
        if field_of(line, "method") and status is not None:
            answered = status < 400
            held = field_of(line, "duration_ms")
            took_ms = float(held) if isinstance(held, int | float) else None
        elif str(line.get("message") or "").startswith(_PASSED_ON):
            answered = False
    if calls[-1].in_stream:
        return took_ms, False
    return took_ms, (True if calls[-1].ok else None) if answered is None else answered


def _timed(call: Call, took_ms: float) -> Call:
    """A call that was the request's only one, with the request's own time."""
    return replace(call, duration_ms=took_ms, at_s=call.at_s - took_ms / 1000)


def _org_of(lines: Sequence[tuple[Line, Observation]]) -> str:
    return next((str(org) for line, _ in lines if (org := field_of(line, "org_id"))), "")


def _tokens(attributes: Mapping[str, Any]) -> int | None:
    held = attributes.get("gen_ai.usage.output_tokens", attributes.get("gen_ai.usage.completion_tokens"))
    return number_of(held)


def _seconds(held: Any) -> float | None:
    try:
        return float(held)
    except (TypeError, ValueError):
        return None


def iso_of(moment_s: float) -> str:
    """ISO 8601 of epoch seconds."""
    return to_iso(from_epoch_s(moment_s))
