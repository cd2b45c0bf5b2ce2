"""Vercel's request rows, from three spellings: the request log's rows, log-drain entries, and lines somebody pasted.

What a spelling does not tell is None. `status` is -1 where the function died without an answer, whatever the proxy then told the
client. `error` is the first message of level error or fatal, or what the firewall did.
"""

import re
from collections.abc import Iterable, Sequence

import orjson

from runbook_lib.core.model import Json
from runbook_lib.core.records.requests import RequestLogLine, VercelRequest
from runbook_lib.sources.kit.asking import iso_of_ms, iso_of_text, number_of, rows_in, text_of, whole_number_of

_ID_IN_TEXT = re.compile(r"\b[a-z0-9]{1,16}-\d{13}-[0-9a-f]{6,32}\b", re.ASCII)
_REPORTED_MS = re.compile(r"^REPORT .*?\bDuration: (\d+(?:\.\d+)?) ms", re.MULTILINE)
_BAD = ("error", "fatal")


def _of_an_id(request_id: str, part: str) -> VercelRequest:
    """A request of which nothing but its id is known."""
    return VercelRequest(
        request_id=request_id,
        at=None,
        method=None,
        path=None,
        host=None,
        status=None,
        duration_ms=None,
        trace_id=None,
        deployment_id=None,
        error=None,
        region=None,
        part=part,
        platform="vercel",
        logs=[],
        environment=None,
        branch=None,
        source=None,
    )


def from_request_log(row: dict[str, Json], part: str) -> VercelRequest:
    """A row of the request-logs route. Raises KeyError, TypeError or ValueError for another shape."""
    at = iso_of_text(row["timestamp"])
    logs = [
        RequestLogLine(at=at, level=str(log.get("level", "")), message=str(log.get("message", "")))
        for log in rows_in(row, "logs", may_lack=True)
    ]
    sources = [str(event["source"]) for event in rows_in(row, "events", may_lack=True) if event.get("source")]
    return VercelRequest(
        request_id=str(row["requestId"]),
        at=at,
        method=text_of(row, "requestMethod"),
        path=text_of(row, "requestPath"),
        host=text_of(row, "domain"),
        status=whole_number_of(row.get("statusCode")),
        duration_ms=None,
        trace_id=text_of(row, "traceId"),
        deployment_id=text_of(row, "deploymentId"),
        error=_first_error(logs),
        region=None,
        part=part,
        platform="vercel",
        logs=logs,
        environment=text_of(row, "environment"),
        branch=text_of(row, "branch"),
        source=sources[0] if sources else None,
    )


def from_drain(entries: Iterable[dict[str, Json]], part: str) -> list[VercelRequest]:
    """Drain entries gathered into one row a request, in order of time. Entries without a request id are left out."""
    gathered: dict[str, list[dict[str, Json]]] = {}
    for entry in entries:
        if request_id := text_of(entry, "requestId") or _id_of_proxy(entry):
            gathered.setdefault(request_id, []).append(entry)
    rows = [
        _from_entries(request_id, sorted(of_one, key=lambda e: e["timestamp"]), part)
        for request_id, of_one in gathered.items()
    ]
    return sorted(rows, key=lambda row: row["at"] or "")


def _id_of_proxy(entry: dict[str, Json]) -> str | None:
    vercel_id = text_of(entry.get("proxy") or {}, "vercelId")
    return vercel_id.rpartition("::")[2] if vercel_id else None


def _from_entries(request_id: str, entries: list[dict[str, Json]], part: str) -> VercelRequest:
    proxies = [entry["proxy"] for entry in entries if entry.get("proxy")]
    proxy: dict[str, Json] = proxies[0] if proxies else {}
    first = entries[0]
    logs = [
        RequestLogLine(
            at=iso_of_ms(entry["timestamp"]), level=str(entry.get("level", "")), message=str(entry["message"])
        )
        for entry in entries
        if entry.get("message")
    ]
    codes = [code for entry in entries if (code := whole_number_of(entry.get("statusCode"))) is not None]
    answered = -1 if -1 in codes else whole_number_of(proxy.get("statusCode")) or max(codes, default=None)
    durations = [float(found) for log in logs for found in _REPORTED_MS.findall(log["message"])]
    sources = [source for entry in entries if (source := text_of(entry, "source"))]
    blocked = text_of(proxy, "wafAction")
    return VercelRequest(
        request_id=request_id,
        at=iso_of_ms(number_of(proxy.get("timestamp")) or first["timestamp"]),
        method=text_of(proxy, "method"),
        path=text_of(proxy, "path") or text_of(first, "path"),
        host=text_of(proxy, "host") or text_of(first, "host"),
        status=answered,
        duration_ms=durations[-1] if durations else None,
        trace_id=next((found for entry in entries if (found := text_of(entry, "traceId"))), None),
        deployment_id=text_of(first, "deploymentId"),
        error=_first_error(logs) or (f"FIREWALL: {blocked}" if blocked in ("deny", "challenge") else None),
        region=text_of(first, "executionRegion") or text_of(proxy, "lambdaRegion", "region"),
        part=part,
        platform="vercel",
        logs=logs,
        environment=text_of(first, "environment"),
        branch=text_of(first, "branch"),
        source="firewall" if "firewall" in sources else (sources[-1] if sources else None),
    )


def from_text(text: str, part: str, *, may_be_plain: bool = True) -> tuple[list[VercelRequest], int]:
    """Rows from a drain file or from pasted text, and how many lines told nothing.

    Understood: request-log rows and drain entries as JSON, one a line or in arrays or under `rows`; and plain lines, which go
    to the request whose id they hold, or to the only one that was named (unless the text may not hold plain lines).
    """
    entries: list[dict[str, Json]] = []
    plain: list[str] = []
    for document in _documents(text, plain):
        entries += _entries(document)
    drained = [entry for entry in entries if "requestMethod" not in entry and "timestamp" in entry]
    listed = [entry for entry in entries if "requestMethod" in entry and "requestId" in entry]
    rows = {row["request_id"]: row for row in from_drain(drained, part)}
    rows |= {row["request_id"]: row for row in (from_request_log(entry, part) for entry in listed)}
    unread = len(entries) - len(drained) - len(listed)
    if not may_be_plain:
        return list(rows.values()), unread + len(plain)
    named = [(_ID_IN_TEXT.search(line), line) for line in plain]
    ids = list(rows) or list(dict.fromkeys(match[0] for match, _ in named if match))
    for match, line in named:
        request_id = match[0] if match else (ids[0] if len(ids) == 1 else None)
        if request_id is None:
            unread += 1
            continue
        row = rows.setdefault(request_id, _of_an_id(request_id, part))
        level = "error" if re.search(r"\b(?:error|fatal|exception)\b", line, re.IGNORECASE) else "info"
        row["logs"].append(RequestLogLine(at=row["at"], level=level, message=line))
        row["error"] = row["error"] or _first_error(row["logs"])
    return list(rows.values()), unread


def _documents(text: str, plain: list[str]) -> list[Json]:
    """The JSON documents of a text: the whole of it, or its lines; lines that are none are added to `plain`."""
    try:
        return [orjson.loads(text)]
    except orjson.JSONDecodeError:
        found = []
    for line in filter(str.strip, text.splitlines()):
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            plain.append(line)
    return found


def _entries(document: Json) -> list[dict[str, Json]]:
    if isinstance(document, dict) and isinstance(document.get("rows"), list):
        document = document["rows"]
    return [each for each in (document if isinstance(document, list) else [document]) if isinstance(each, dict)]


def _first_error(logs: Sequence[RequestLogLine]) -> str | None:
    return next((log["message"] for log in logs if log["level"] in _BAD), None)
