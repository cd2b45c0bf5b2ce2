"""Jaeger's HTTP API in all its versions: which route, which parameters, how to read the answer.

Facts (jaegertracing/jaeger, jaegerquery): v3 parameters in snake case work on every version; v3 wraps traces in `result`
and says "no hit" with 404; up to v2.18 v3 filters no attributes, and after v2.20 v1 has no search. So a search by attribute
tries v1 first and v3 after it, and every other search the reverse. A route that is gone answers 404 without JSON, or the
page of Jaeger's UI with 200. Spans are asked for raw: clock skew is corrected, and shown, by the diagnosis. v2 before
jaegertracing/jaeger#8217 reads `error=true` as "status is ok" when it keeps spans in memory, and so finds no failure at all:
that none was found counts only where this Jaeger has been seen to find one.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Never
from urllib.parse import quote

import orjson

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.io.http import Http, Reply
from runbook_lib.io.observe import Door
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import beyond_retention, judge_absence, require_reply, require_setting, rows_in
from runbook_lib.sources.traces.jaeger_match import Question, only_failed, traces_with
from runbook_lib.sources.traces.jaeger_v1 import add_v1, headers_as_lists
from runbook_lib.sources.traces.span_table import SpanCollector, no_collections

HELP = "RUNBOOK_JAEGER_TOKEN must be one that the proxy in front of Jaeger accepts for reading"
_MOST_SERVICES = 30
_PROOFS = 5  # traces that show whether errors are found


@dataclass
class _Found:
    """What a search brought: the traces, why they may not be all, and whether they prove that this Jaeger finds errors."""

    table: SpanCollector
    why: str = ""
    shows_errors: bool = False


class JaegerApi:
    """One look's way to Jaeger: address, credentials, the look's deadline."""

    def __init__(self, door: Door) -> None:
        self.door, self.url = door, require_setting(door, "jaeger_url")
        self.http: Http = door.http
        token = reveal(door.settings.jaeger_token)
        self.headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply:
        """One read; its status is the caller's to judge."""
        return self.http.get(f"{self.url}{path}", params=params, headers=self.headers)

    def trace(self, trace_id: str, table: SpanCollector) -> bool:
        """Add one trace to the table; False when Jaeger has none of that id."""
        path = quote(trace_id, safe="")
        reply = self.get(f"/api/v3/traces/{path}", {"raw_traces": "true"})
        if _is_there(reply):
            return _read_v3(table, reply)
        return _read_v1(table, self.get(f"/api/traces/{path}", {"raw": "true"}))

    def services(self) -> tuple[list[str], str]:
        """The services' names, and which version of the API told them."""
        reply, version = self.get("/api/v3/services"), "v3"
        if not _is_there(reply):
            reply, version = self.get("/api/services"), "v1"
        return require_reply(reply, HELP).parsed(lambda document: _names(document, version)), version

    def search(
        self,
        window: Window,
        limit: int,
        attributes: Mapping[str, str],
        service: str | None = None,
        operation: str | None = None,
    ) -> tuple[SpanCollector, str]:
        """Whole traces, each once, and why they may not be all. Jaeger searches one service at a time."""
        names = [service] if service else self.services()[0]
        why = ""
        if len(names) > _MOST_SERVICES:
            why, names = f"only {_MOST_SERVICES} of {len(names)} services were searched", names[:_MOST_SERVICES]
        question = Question(window, limit, dict(attributes), operation)
        found = self._search_each(names, question, attributes)
        if question.is_about_errors and not (found.shows_errors or self._finds_errors(names, window)):
            # What this Jaeger finds or does not find says nothing about errors: its traces are read, and sorted here.
            rest = {key: value for key, value in attributes.items() if key != "error"}
            found = self._search_each(names, question, rest)
        lost = beyond_retention(self.door, window, self.door.settings.trace_retention_h) if found.table.spans else ""
        return found.table, found.why or why or lost

    def _finds_errors(self, names: Sequence[str], window: Window) -> bool:
        """Whether this Jaeger shows, with anything that it remembers, that it finds the spans that failed."""
        kept = timedelta(hours=self.door.settings.trace_retention_h)
        ever = Question(Window(min(window.since, window.until - kept), window.until), _PROOFS, {"error": "true"})
        return any(self._search_each([name], ever, ever.attributes).shows_errors for name in names)

    def _search_each(self, names: Sequence[str], question: Question, asked: Mapping[str, str]) -> "_Found":
        """The traces that match, of each service. asked: the attributes that are left to Jaeger; it may not know them all."""
        whole, seen = _Found(SpanCollector()), set[str]()
        for name in names:
            found = SpanCollector()
            self._search_one(found, name, question, asked)
            traces = {span["trace"] for span in found.spans}
            if len(traces) >= question.limit:
                whole.why = f"the limit of {question.limit} traces of one service was reached"
            matching = traces
            if question.attributes:
                as_asked = traces_with(found, name, asked)
                if traces - as_asked:
                    whole.why = "this Jaeger does not filter by attribute: what it returned was filtered here"
                is_all = asked == question.attributes
                matching = as_asked if is_all else traces_with(found, name, question.attributes)
                whole.shows_errors = whole.shows_errors or bool(matching & only_failed(found, name))
            whole.table.absorb(found, seen | (traces - matching))
            seen |= matching
        return whole

    def _search_one(
        self, table: SpanCollector, service: str, question: Question, attributes: Mapping[str, str]
    ) -> None:
        tags = json.dumps(dict(attributes), sort_keys=True)
        v3: dict[str, str | int] = {
            "query.service_name": service,
            "query.start_time_min": _rfc3339(question.window.since),
            "query.start_time_max": _rfc3339(question.window.until),
            "query.num_traces": question.limit,
            "query.search_depth": question.limit,
            "query.raw_traces": "true",
        }
        v1: dict[str, str | int] = {
            "service": service,
            "start": _microseconds(question.window.since),
            "end": _microseconds(question.window.until),
            "limit": question.limit,
            "raw": "true",
        }
        if question.operation:
            v3["query.operation_name"] = v1["operation"] = question.operation
        if attributes:
            v3["query.attributes"] = v1["tags"] = tags
        ways: list[tuple[str, dict[str, str | int], Callable[[SpanCollector, Reply], bool]]] = [
            ("/api/v3/traces", v3, _read_v3),
            ("/api/traces", v1, _read_v1),
        ]
        first, second = reversed(ways) if attributes else ways
        reply = self.get(first[0], first[1])
        if _is_there(reply):
            first[2](table, reply)
        else:
            second[2](table, self.get(second[0], second[1]))

    def judge_absence(
        self, what: str, window: Window | None, *, at: datetime | None = None, one: bool = False
    ) -> Answer[Never]:
        """What an answer without content comes to: empty, too recent, or out of what Jaeger keeps."""
        settings = self.door.settings
        return judge_absence(
            self.door,
            what,
            delay_s=settings.trace_delay_s,
            retention_h=settings.trace_retention_h,
            window=window,
            at=at,
            one=one,
            delay_setting="RUNBOOK_TRACE_DELAY_S",
            retention_setting="RUNBOOK_TRACE_RETENTION_H",
        )


def _is_there(reply: Reply) -> bool:
    """Whether this version of Jaeger has the route: one that is gone answers no JSON, with 404 or with the UI's page."""
    begins = reply.body.lstrip()[:1]
    return begins == b"{" if reply.status_code in (200, 404, 501) else True


def _read_v3(table: SpanCollector, reply: Reply) -> bool:
    """Add a v3 answer; False for a 404, which is how v3 says that there is no hit."""
    if reply.status_code == 404:
        return False
    reply.raise_for_status(HELP)

    def add(documents: list[dict[str, Any]]) -> None:
        for document in documents:
            table.add_otlp((document["result"] or {}).get("resourceSpans", []))

    first = len(table.spans)
    with no_collections():
        try:
            reply.parsed(lambda document: add([document]))
        except LookError:
            add(_stream(reply))
    headers_as_lists(table.spans[first:])
    return True


def _stream(reply: Reply) -> list[dict[str, Any]]:
    """The documents of an answer in several pieces, one a line. Raises LookError(malformed) where it is none."""
    try:
        documents = [reply.loads(line) for line in reply.body.splitlines() if line.strip()]
    except orjson.JSONDecodeError as error:
        raise reply.malformed(f"not JSON: {error.msg}") from error
    if len(documents) < 2 or any(not isinstance(each, dict) or "result" not in each for each in documents):
        raise reply.malformed("unexpected shape: no traces under `result`")
    return documents


def _read_v1(table: SpanCollector, reply: Reply) -> bool:
    """Add a v1 answer; False where v1 says that there is no such trace."""
    if reply.status_code == 404 and reply.body.lstrip()[:1] == b"{":
        return False
    if reply.status_code == 404:
        raise LookError(
            Status.malformed,
            f"{reply.complaint()}: neither v3 nor v1 of Jaeger's API is there",
            where=reply.where,
            do_next="RUNBOOK_JAEGER_URL must hold Jaeger's base path",
        )
    reply.raise_for_status(HELP)
    first = len(table.spans)
    with no_collections():
        reply.parsed(lambda document: add_v1(table, rows_in(document, "data", may_lack=True)))
    headers_as_lists(table.spans[first:])
    return True


def _names(document: Json, version: str) -> list[str]:
    """The services of an answer, sorted. v3 of 2.13, and before it, leaves the list out when it knows none."""
    found = [] if version == "v3" and document == {} else document["services" if version == "v3" else "data"]
    return sorted(map(_text, found or ()))


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError(f"not a name: {value!r:.40}")
    return value


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
