"""An investigation from logs alone: what the parts wrote about one request, read into the same failures that spans give.

Logs say less than spans: no tree, no durations of calls, and order only by clocks. A deeper part's complaint explains a
shallower one's, so parts are ordered gateway before API before web, and lines within a part by time.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.core.model import Json, Observation
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.requests import RequestLogLine, RequestRow
from runbook_lib.judging.answers import rows_of
from runbook_lib.reading.parts import API, AUTH, DATABASE, GATEWAY, PROVIDER, STRIPE, WEB
from runbook_lib.reading.request_rows import REQUEST_LOGS
from runbook_lib.reading.spans import Fault

LINE_LOGS = ("logs",)  # the looks that bring lines of the parts' logs
UNKNOWN = "unknown"  # a callee that the line does not name
_NO_CONNECTION = re.compile(
    r"ECONN|ENOTFOUND|EAI_AGAIN|fetch failed|ConnectError|Timeout|aborted due|Failed to parse URL|ERR_INVALID_URL"
)
_NAMED_HOSTS = (("supabase", DATABASE), ("stripe", STRIPE), ("gateway", GATEWAY), ("/v1/chat", GATEWAY))
_DEPTH = {GATEWAY: 0, API: 1, WEB: 2}
BAD_LEVELS = frozenset({"error", "warning", "warn", "fatal", "critical", "err"})
_UPSTREAM = re.compile(r"^(database|auth|stripe|gateway|api)\b.{0,3}failed: (.*)$", re.I | re.S)
_CALLEES = {"database": DATABASE, "auth": AUTH, "stripe": STRIPE, "gateway": GATEWAY, "api": API}
_OWN_EXCEPTION = re.compile(r"^([A-Z]\w*(?:\.\w+)*(?:Error|Exception)|[A-Z]\w*Error): (.*)$", re.S)


@dataclass(frozen=True)
class LogFailure:
    """A complaint in a log: who wrote it, about whom, and what it says went wrong."""

    part: str
    callee: tuple[str, str] | None
    fault: Fault
    line: LogLine
    observation_id: str
    model: str = ""


def lines_of(observations: Iterable[Observation]) -> list[tuple[LogLine, Observation]]:
    """Every line of the log looks that brought any, request rows' own lines included."""
    found: list[tuple[LogLine, Observation]] = []
    for observation in observations:
        if observation.call in LINE_LOGS:
            found += [(line, observation) for line in rows_of(observation, LogLine)]
        elif observation.call in REQUEST_LOGS:
            rows = rows_of(observation, RequestRow)
            found += [(_line_of_request(line, row), observation) for row in rows for line in row["logs"]]
    return found


def _line_of_request(line: RequestLogLine, row: RequestRow) -> LogLine:
    """A line that stands in a request's row, as one that carries the request's ids."""
    return LogLine(
        at=line["at"],
        level=line["level"],
        message=line["message"],
        trace_id=row["trace_id"],
        request_id=row["request_id"],
        attributes={},
        part=row["part"],
        platform=row["platform"],
        deployment_id=row["deployment_id"],
        instance=None,
    )


def lines_for(
    lines: Sequence[tuple[LogLine, Observation]], *, trace_id: str, request_ids: set[str]
) -> list[tuple[LogLine, Observation]]:
    """The lines that carry this trace's id or one of these request ids: never those that are merely near in time."""
    return [
        (line, observation)
        for line, observation in lines
        if (trace_id and line["trace_id"] == trace_id) or line["request_id"] in request_ids
    ]


def log_failures(lines: Sequence[tuple[LogLine, Observation]]) -> list[LogFailure]:
    """What went wrong according to the lines of one request, the deepest part first.

    A provider's failure is left out when a later line of the gateway says that a provider answered: it was made good.
    """
    ordered = sorted(lines, key=lambda pair: (_DEPTH.get(pair[0]["part"], 3), pair[0]["at"] or ""))
    answered = [line["at"] for line, _ in ordered if line["at"] and _is_provider_success(line)]
    found: list[LogFailure] = []
    seen: set[tuple[str, str, str]] = set()
    for line, observation in ordered:
        failure = _read(line, observation.id)
        if failure is None:
            continue
        is_provider = failure.callee is not None and failure.callee[0] == PROVIDER
        if is_provider and line["at"] and any(at >= line["at"] for at in answered):
            continue
        key = (failure.part, str(failure.callee), failure.fault.text)
        if key not in seen:
            seen.add(key)
            found.append(failure)
    specific = [each for each in found if each.callee is not None and each.callee[0] not in (GATEWAY, API)]
    if specific:  # "gateway failed" and "all providers failed" only pass on what a deeper line says
        deepest = [each for each in found if each in specific or (each.callee is None and not _passes_on(each))]
        return sorted(deepest, key=lambda each: each not in specific)
    return found


def finished_after(lines: Sequence[tuple[LogLine, Observation]], part: str, moment: str) -> tuple[LogLine, str] | None:
    """The line in which a part says that it answered well after that moment (ISO), and its observation; None without one."""
    for line, observation in lines:
        status = number_of(attribute_of(line, "status"))
        is_own = line["part"] == part and not attribute_of(line, "provider")
        if is_own and status is not None and 200 <= status < 400 and (line["at"] or "") > moment:
            return line, observation.id
    return None


def _read(line: LogLine, observation_id: str) -> LogFailure | None:
    """One line as a failure; None for a line that complains of nothing."""
    if line["level"].lower() not in BAD_LEVELS:
        return None
    part, message = line["part"], line["message"]
    provider = attribute_of(line, "provider") or attribute_of(line, "gen_ai.provider.name")
    error_type = _error_type(line)
    status = number_of(
        attribute_of(line, "status") or attribute_of(line, "upstream_status") or attribute_of(line, "http_status")
    )
    code = str(attribute_of(line, "code") or "")
    if provider:
        fault = Fault(status, code or error_type, message, code)
        return LogFailure(
            part, (PROVIDER, str(provider)), fault, line, observation_id, str(attribute_of(line, "model") or "")
        )
    if match := _UPSTREAM.match(message):
        callee = _CALLEES[match[1].lower()]
        return LogFailure(part, (callee, callee), Fault(status, error_type, match[2], code), line, observation_id)
    if message.startswith("quota:"):
        return None  # a refusal by design; the answer's status tells it
    if message.startswith("auth:"):
        return LogFailure(part, (AUTH, "supabase auth"), Fault(401, code, message, code), line, observation_id)
    raised = _OWN_EXCEPTION.match(message)
    unreached = _unreached(part, f"{error_type} {message}")
    if error_type or raised or unreached:
        error_type = error_type or (raised[1] if raised else "")
        return LogFailure(part, unreached, Fault(None, error_type, message, code), line, observation_id)
    return None


def _unreached(part: str, text: str) -> tuple[str, str] | None:
    """Whom a connection error is about, by what it names; web calls the API alone, the API several: unknown without a name."""
    if not _NO_CONNECTION.search(text):
        return None
    low = text.lower()
    for word, kind in _NAMED_HOSTS:
        if word in low:
            return kind, word
    if part == WEB:
        return API, "api"
    return (UNKNOWN, "") if part == API else None


def _passes_on(failure: LogFailure) -> bool:
    return bool(re.match(r"all providers failed|API answered \d|\w+ answered \d", failure.line["message"]))


def _is_provider_success(line: LogLine) -> bool:
    return bool(attribute_of(line, "provider")) and line["level"].lower() == "info"


def attribute_of(line: LogLine, name: str) -> Json:
    """What was logged beside the message under a name; None where nothing was."""
    return line["attributes"].get(name)


def _error_type(line: LogLine) -> str:
    error = attribute_of(line, "error")
    if isinstance(error, Mapping):
        return str(error.get("type") or error.get("name") or "")
    return str(attribute_of(line, "error.type") or attribute_of(line, "error_type") or "")


def number_of(value: Json) -> int | None:
    """A whole number from a number or its text; None for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
