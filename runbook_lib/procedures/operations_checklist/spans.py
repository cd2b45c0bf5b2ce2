"""What the trace backends hold of the window, and the requests of which they should: one part's trail at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import NamedTuple

from runbook_lib.core.clock import Window, from_epoch_s, from_iso, to_epoch_ns, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.parts import PartAnswer
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.core.records.traces import Attributes, SpanTable
from runbook_lib.judging.answers import record_of, rows_of, whole_record
from runbook_lib.procedures.operations_checklist.reading import PARTS, settings_in
from runbook_lib.reading.logs import LINE_LOGS
from runbook_lib.reading.parts import parts_of
from runbook_lib.reading.request_rows import REQUEST_LOGS
from runbook_lib.reading.spans import Trace, traces_in

_ENOUGH_TRACES = 20  # in so many whole traces of a sample a part that is called shows itself
_ENOUGH_REQUESTS = 3  # so many without a span, and it is no chance
_WELL_AFTER = timedelta(minutes=1)
_STRETCH_REQUESTS = 15  # so many requests leave fewer traces than a search returns at most
_CLOCKS_AGREE = timedelta(minutes=1)
_KEPT_READ = 8  # a run reads its two backends' answers several times over


@dataclass(frozen=True)
class Spans:
    """What the backends hold of the window.

    Attributes:
        newest_ns: by part, the names that its spans came under, each with when its newest span began.
        traces: how many whole traces were read; `is_all` whether they are all there are: every backend that is set up answered
            for the whole window. A search that came back at its limit holds any of them, not the newest.
        looks: the looks they come from, those of backends that are not set up left out.
    """

    newest_ns: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    traces: int = 0
    is_all: bool = False
    looks: tuple[Observation, ...] = ()

    @property
    def parts(self) -> set[str]:
        """The parts of which there is a span."""
        return {part for part in self.newest_ns if part in PARTS}

    @property
    def names(self) -> dict[str, set[str]]:
        """The parts by the name that their spans came under."""
        names: dict[str, set[str]] = {}
        for part, services in self.newest_ns.items():
            for service in services:
                names.setdefault(service, set()).add(part)
        return names

    def name_of(self, part: str) -> str | None:
        """The name of a part's newest spans: what it was called before is over. None without a span of it."""
        services = self.newest_ns.get(part) or {}
        return max(services, key=lambda service: services[service], default=None)

    def last_at(self, part: str) -> datetime | None:
        """When a part's newest span that was read began; None without one."""
        newest = max((self.newest_ns.get(part) or {}).values(), default=None)
        return None if newest is None else from_epoch_s(newest / 1e9)


class Trail(StrEnum):
    """What the window says of a part's spans."""

    arrives = "its spans arrive"
    silent = "it had traffic, and no span of it arrived"
    silent_since = "it has had traffic since its last span"
    idle = "no request of it came"
    unknown = "it cannot be told"


@dataclass(frozen=True)
class PartsTrail:
    """A part's trail, the looks that tell it, how many requests came without a span, and since when."""

    trail: Trail
    looks: tuple[Observation, ...] = ()
    requests: int = 0
    since: datetime | None = None


@dataclass(frozen=True)
class Stretch:
    """The last part of the window, whose traces tell by what they lack: all of them were read, or a sample that is large enough."""

    since: datetime
    is_whole: bool


class Logged(NamedTuple):
    """A request, or a line that may belong to one, by a platform's log. `status` None where the log does not tell."""

    at: str | None
    status: int | None = None


@dataclass(frozen=True)
class Arrivals:
    """The looks at spans and at traffic, and what the window's end can be held against.

    Attributes:
        local: what the runbook was told: how late spans may arrive.
        traces, traffic: the looks at trace backends and at the platforms' logs.
        probes: knocks, each answered with a server's own time.
    """

    local: Observation | None
    traces: tuple[Observation, ...]
    traffic: tuple[Observation, ...]
    probes: tuple[Observation, ...] = ()

    @cached_property
    def spans(self) -> Spans:
        """The spans of the window, by part and service.name. What spans say tells their part; only where they do not, their name.

        Spans that began after the run did are left out: they are of our own knocking.
        """
        set_up = {look.source for look in self.traces if look.status != Status.not_configured}
        looks = [look for look in self.traces if look.call == "window_traces" and look.source in set_up]
        newest: dict[str, dict[str, int]] = {}
        for look in looks:
            for part, service, at_ns in _spans_in(look):
                known = newest.setdefault(part, {})
                known[service] = max(known.get(service, 0), at_ns)
        begins = min((str(look.arguments["since"]) for look in looks), default="")
        is_all = bool(looks) and all(look.status.answered for look in looks if look.arguments["since"] == begins)
        return Spans(newest, len(_traces_in(looks)), is_all, tuple(looks))

    @property
    def are_none(self) -> bool:
        """Whether every backend that is set up says that it holds no span of the window."""
        return self.spans.is_all and not self.spans.traces

    def logs_of(self, part: str) -> list[Observation]:
        """The looks at a part's traffic, those that are not set up left out."""
        mine = [look for look in self.traffic if look.arguments.get("part", "gateway") == part]
        return [look for look in mine if look.status != Status.not_configured]

    def requests_of(self, part: str) -> int:
        """How many requests of a part the logs tell of that are old enough to have left spans."""
        return sum(len(self._due(requests_in(look))) for look in self.logs_of(part))

    def trail_of(self, part: str) -> PartsTrail:
        """What the window says of a part's spans. "No request came" needs logs that answered; a sample never proves it."""
        spans, logs = self.spans, self.logs_of(part)
        looks = (*spans.looks, *logs)
        if self._youngest is None:
            return PartsTrail(Trail.unknown)
        last = spans.last_at(part)
        if last is None:
            requests = self.requests_of(part)
            if requests and spans.traces and (spans.is_all or spans.traces >= _ENOUGH_TRACES):
                return PartsTrail(Trail.silent, looks, requests)
            is_idle = bool(logs) and all(look.status.answered and not self._may_be_due(look) for look in logs)
            return PartsTrail(Trail.idle, tuple(logs)) if is_idle else PartsTrail(Trail.unknown, looks, requests)
        if last + _WELL_AFTER >= self._youngest:
            return PartsTrail(Trail.arrives, tuple(look for look in spans.looks if look.status.has_content))
        if self._after(last + _WELL_AFTER, logs) >= _ENOUGH_REQUESTS:
            return self._since(last, logs) or PartsTrail(Trail.unknown, looks)
        is_told = bool(logs) and all(look.status.answered or look.status.has_content for look in logs)
        return PartsTrail(Trail.arrives, looks) if is_told else PartsTrail(Trail.unknown, looks)

    @property
    def in_doubt(self) -> Window | None:
        """The stretch whose traces would tell whether a part fell silent, where a sample leaves that open: the last minute of what
        is due, or as long as the busiest log needs for a few requests. None where nothing is open."""
        youngest, looks = self._youngest, self.spans.looks
        parts = [part for part in PARTS if self.spans.last_at(part)]
        if youngest is None or not any(self.trail_of(part).trail is Trail.unknown for part in parts):
            return None
        begins = max((each for part in PARTS if (each := self._few_requests_ago(part))), default=youngest)
        first = min(from_iso(str(look.arguments["since"])) for look in looks)
        return Window(max(first, min(begins, youngest - _WELL_AFTER)), youngest)

    def _few_requests_ago(self, part: str) -> datetime | None:
        requests = self._due([each for look in self.logs_of(part) for each in requests_in(look)])
        moments = sorted((each.at for each in requests if each.at), reverse=True)
        return from_iso(moments[_STRETCH_REQUESTS - 1]) if len(moments) >= _STRETCH_REQUESTS else None

    def _since(self, last: datetime, logs: Sequence[Observation]) -> PartsTrail | None:
        """That a part is silent since a moment after the newest span of it that was read; None where what was read may not hold
        its newest."""
        for stretch in self._stretches:
            if last >= stretch.since and not stretch.is_whole:
                continue
            after = self._after(max(stretch.since, last + _WELL_AFTER), logs)
            if after >= _ENOUGH_REQUESTS:
                return PartsTrail(Trail.silent_since, (*self.spans.looks, *logs), after, max(stretch.since, last))
        return None

    @cached_property
    def _stretches(self) -> list[Stretch]:
        """The stretches of the window that tell, the longest first."""
        looks = self.spans.looks
        begins = sorted({str(look.arguments["since"]) for look in looks})
        return [each for since in begins if (each := _stretch(since, looks)) is not None]

    @property
    def is_quiet(self) -> bool:
        """Whether there is no span because nobody came: every part's log says so, up to an end that a server's clock confirms."""
        idle = all(self.trail_of(part).trail is Trail.idle for part in PARTS)
        return self.are_none and idle and bool(self.clocks)

    @property
    def clocks(self) -> tuple[Observation, ...]:
        """The knocks whose answers carry a server's time that agrees with ours."""
        return tuple(look for look in self.probes if _agrees(look))

    @property
    def _youngest(self) -> datetime | None:
        """Requests up to here should have left spans; None where nobody tells how late those may be."""
        settings = settings_in(self.local)
        ends = [str(look.arguments["until"]) for look in (*self.traces, *self.traffic) if look.arguments.get("until")]
        if settings is None or not ends:
            return None
        return from_iso(max(ends)) - timedelta(seconds=settings["trace_delay_s"])

    def _due(self, requests: Sequence[Logged]) -> list[Logged]:
        """Those that are old enough that their spans would have arrived."""
        youngest = self._youngest
        if youngest is None:
            return []
        return [each for each in requests if each.at and from_iso(each.at) <= youngest]

    def _may_be_due(self, look: Observation) -> bool:
        """Whether a log holds anything that may be a request which should have left spans; a line may be one."""
        return bool(self._due([*requests_in(look), *_lines_in(look)]))

    def _after(self, since: datetime, logs: Sequence[Observation]) -> int:
        """How many requests came after a moment, and were answered by the part itself."""
        later = to_iso(since)
        requests = [each for look in logs for each in requests_in(look)]
        return len(self._due([each for each in requests if (each.at or "") > later and 0 < (each.status or 200) < 500]))


def requests_in(look: Observation) -> list[Logged]:
    """The requests that a log tells of: of a log of lines, those that belong to one."""
    if look.call in REQUEST_LOGS:
        return [Logged(row["at"], row["status"]) for row in rows_of(look, RequestRow)]
    return [Logged(line["at"]) for line in rows_of(look, LogLine) if line["trace_id"]]


def _lines_in(look: Observation) -> list[Logged]:
    """Every line of a log of lines."""
    return [Logged(line["at"]) for line in rows_of(look, LogLine)] if look.call in LINE_LOGS else []


class _Same:
    """A look as the very object that it is, so that what was read of it can be kept."""

    def __init__(self, look: Observation) -> None:
        self.look = look

    def __hash__(self) -> int:
        return id(self.look)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.look is self.look


@lru_cache(maxsize=_KEPT_READ)
def _read(kept: _Same, ends_ns: int) -> tuple[frozenset[str], tuple[tuple[str, str, int], ...]]:
    """The traces that a look holds, and when the newest span of each part under each name began: (part, service.name, ns)."""
    newest: dict[tuple[str, str], int] = {}
    traces, all_of_them = set[str](), traces_in(kept.look)
    nameless = [_without_name(each) for each in all_of_them[0].resources] if all_of_them else []  # one table's, shared
    for trace in all_of_them:
        spans = [span for span in trace.spans if span["start_ns"] <= ends_ns]
        if spans:
            traces.add(trace.id)
        parts = parts_of(Trace(trace.id, trace.spans, nameless))
        if not all(parts[span["id"]] in PARTS for span in spans):
            parts = {id_: part if parts[id_] not in PARTS else parts[id_] for id_, part in parts_of(trace).items()}
        for span in spans:
            key = parts[span["id"]], str(trace.resource(span).get("service.name", ""))
            newest[key] = max(newest.get(key, 0), span["start_ns"])
    return frozenset(traces), tuple((part, service, at_ns) for (part, service), at_ns in newest.items())


def _is_read(look: Observation) -> bool:
    return record_of(look, SpanTable) is not None


def _spans_in(look: Observation) -> tuple[tuple[str, str, int], ...]:
    return _read(_Same(look), _ends_ns(look))[1]


def _traces_in(looks: Sequence[Observation]) -> set[str]:
    return {each for look in looks for each in _read(_Same(look), _ends_ns(look))[0]}


def _stretch(since: str, looks: Sequence[Observation]) -> Stretch | None:
    """The stretch from a moment on, where every backend told of it: with all that it holds, or together with a large sample."""
    telling: list[Observation] = []
    for source in dict.fromkeys(look.source for look in looks):
        own = [look for look in looks if look.source == source and str(look.arguments["since"]) <= since]
        whole = [look for look in own if look.status.answered]
        sample = [look for look in own if look.arguments["since"] == since and _is_read(look)]
        if not whole and not sample:
            return None
        telling += (whole or sample)[-1:]
    is_whole = all(look.status.answered for look in telling)
    is_telling = is_whole or len(_traces_in(telling)) >= _ENOUGH_TRACES
    return Stretch(from_iso(since), is_whole) if is_telling else None


def _without_name(resource: Attributes) -> Attributes:
    return {name: value for name, value in resource.items() if name != "service.name"}


def _agrees(look: Observation) -> bool:
    """Whether there is an answer, with a server's time that is ours, within what clocks that are kept differ by."""
    answer = whole_record(look, PartAnswer)
    try:
        theirs = parsedate_to_datetime(answer["date"] if answer is not None and answer["date"] else "")
        return abs(theirs - from_iso(look.at)) <= _CLOCKS_AGREE
    except (TypeError, ValueError):
        return False


def _ends_ns(look: Observation) -> int:
    return to_epoch_ns(from_iso(str(look.arguments["until"])))
