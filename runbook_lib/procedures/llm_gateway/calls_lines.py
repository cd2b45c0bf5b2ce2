"""The gateway's calls as its own lines tell them: a line for each attempt, and one for how the request ended."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.procedures.llm_gateway.calls import Call, Request, classify_call
from runbook_lib.reading.logs import BAD_LEVELS, attribute_of, lines_of, number_of
from runbook_lib.reading.parts import GATEWAY
from runbook_lib.reading.spans import Fault

_PASSED_ON = "all providers failed"


def requests_from_lines(logs: Iterable[Observation]) -> list[Request]:
    """Requests from the gateway's lines: each attempt a line that names its provider, and a line of how the request ended."""
    grouped: dict[str, list[tuple[LogLine, Observation]]] = {}
    for line, observation in lines_of(logs):
        if line["part"] == GATEWAY and (identity := line["trace_id"] or line["request_id"]):
            grouped.setdefault(identity, []).append((line, observation))
    found = []
    for identity, lines in grouped.items():
        lines.sort(key=lambda pair: pair[0]["at"] or "")
        calls = [_of_line(line, observation.id) for line, observation in lines if _provider_of(line)]
        if calls:
            took_ms, answered = _request_line(lines, calls)
            if len(calls) == 1 and calls[0].ok and took_ms is not None and calls[0].duration_ms is None:
                calls = [_timed(calls[0], took_ms)]
            found.append(
                Request(identity, tuple(calls), answered, _org_of(lines), None, lines[0][1].status == Status.ok)
            )
    return found


def _provider_of(line: LogLine) -> str:
    return str(attribute_of(line, "provider") or attribute_of(line, "gen_ai.provider.name") or "").lower()


def _of_line(line: LogLine, observation: str) -> Call:
    message, code = line["message"], str(attribute_of(line, "code") or "")
    status = number_of(attribute_of(line, "status") or attribute_of(line, "upstream_status"))
    model = str(attribute_of(line, "model") or attribute_of(line, "gen_ai.request.model") or "")
    at_s = from_iso(str(line["at"])).timestamp()
    took_ms = attribute_of(line, "duration_ms") or attribute_of(line, "latency_ms")
    duration_ms = float(took_ms) if isinstance(took_ms, int | float) else None
    if line["level"].lower() not in BAD_LEVELS:
        tokens = number_of(attribute_of(line, "output_tokens") or attribute_of(line, "completion_tokens"))
        return Call(
            _provider_of(line), model, at_s, duration_ms=duration_ms, output_tokens=tokens, observation=observation
        )
    error_type = str(attribute_of(line, "error_type") or attribute_of(line, "error.type") or "")
    failed = Fault(status, error_type or code, message, code)
    in_stream = "stream" in code or (status is not None and 200 <= status < 300)
    name, what = classify_call(failed, in_stream)
    return Call(_provider_of(line), model, at_s, name, what, failed, in_stream, duration_ms, observation=observation)


def _request_line(
    lines: Sequence[tuple[LogLine, Observation]], calls: Sequence[Call]
) -> tuple[float | None, bool | None]:
    """How long the whole request took and whether it ended well: by its own line, else by the last call's."""
    took_ms, answered = None, None
    for line, _ in lines:
        if _provider_of(line):
            continue
        status = number_of(attribute_of(line, "status"))
        if attribute_of(line, "method") and status is not None:
            answered = status < 400
            told_ms = attribute_of(line, "duration_ms")
            took_ms = float(told_ms) if isinstance(told_ms, int | float) else None
        elif line["message"].startswith(_PASSED_ON):
            answered = False
    if calls[-1].in_stream:
        return took_ms, False
    return took_ms, (True if calls[-1].ok else None) if answered is None else answered


def _timed(call: Call, took_ms: float) -> Call:
    """A call that was the request's only one, with the request's own time."""
    return replace(call, duration_ms=took_ms, at_s=call.at_s - took_ms / 1000, is_whole_request=True)


def _org_of(lines: Sequence[tuple[LogLine, Observation]]) -> str:
    return next((str(org) for line, _ in lines if (org := attribute_of(line, "org_id"))), "")
