"""A search that came back at its limit holds any traces of the window: none of 00's rules takes its newest for the newest."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from support.checklist import NOW, World
from support.evidence import START, TraceBuilder, look

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.procedures.operations_checklist.reading import Evidence
from runbook_lib.procedures.operations_checklist.rules import diagnose
from runbook_lib.procedures.operations_checklist.spans import PARTS, Arrivals, Trail
from runbook_lib.procedures.operations_checklist.traces import arrivals_in

WINDOW = Window(NOW - timedelta(minutes=30), NOW)
YOUNGEST = NOW - timedelta(seconds=30)  # World's trace_delay_s


def table(*minutes_ago: float, without: str = "") -> dict[str, Any]:
    """Whole traces through every part, begun so many minutes before the window's end; a part may be missing in them."""
    spans: list[dict[str, Any]] = []
    for number, minutes in enumerate(minutes_ago):
        one = TraceBuilder()
        one.chat(200)
        later_ns = int((NOW - timedelta(minutes=minutes) - START).total_seconds() * 1e9)
        for span in one.spans:
            moved = {"start_ns": span["start_ns"] + later_ns, "end_ns": span["end_ns"] + later_ns}
            spans.append({**span, **moved, "trace": f"{number:032x}"})
    resources = TraceBuilder().table()["resources"]
    return {"resources": resources, "spans": [each for each in spans if PARTS[each["resource"]] != without]}


def traces(value: Any, status: Status, since: datetime = WINDOW.since, until: datetime = NOW) -> Observation:
    """What Tempo brings of a stretch of the window."""
    return look("tempo", "window_traces", value, status, since=to_iso(since), until=to_iso(until))


def log(part: str, *minutes_ago: float) -> Observation:
    """A platform's log: one request at each of these times."""
    source, call = ("railway", "http_log") if part == "gateway" else ("vercel", "request_log")
    rows = [{"at": to_iso(NOW - timedelta(minutes=each)), "part": part, "status": 200} for each in minutes_ago]
    return look(source, call, rows, part=part, since=to_iso(WINDOW.since), until=to_iso(NOW))


def evidence(*seen: Observation, every_minutes: float = 1.0) -> Evidence:
    """A healthy system with these looks at its traces, and requests of each part at a steady pace."""
    usual = World().evidence()
    moments = [each * every_minutes for each in range(1, int(29 / every_minutes))]
    wide, *narrow = seen
    return usual.filed(
        traces=(usual.traces[0], wide), newest=tuple(narrow), traffic=tuple(log(part, *moments) for part in PARTS)
    )


def trail(seen: Evidence, part: str = "gateway") -> Trail:
    return arrivals_in(seen).trail_of(part).trail


def status_and_codes(seen: Evidence) -> tuple[str, list[str]]:
    conclusion = diagnose(seen)
    return str(conclusion.status), [each.code for each in conclusion.causes]


def test_the_newest_of_a_sample_does_not_show_that_spans_still_arrive() -> None:
    seen = evidence(traces(table(*range(10, 30)), Status.partial))
    assert trail(seen) is Trail.unknown
    assert status_and_codes(seen) == ("could_not_tell", [])


def test_a_span_of_the_last_minute_shows_it_whatever_the_sample_left_out() -> None:
    assert trail(evidence(traces(table(1.0, 20, 25), Status.partial))) is Trail.arrives


def test_the_stretch_in_doubt_holds_a_few_requests_and_at_least_a_minute() -> None:
    wide = traces(table(*range(10, 30)), Status.partial)
    assert arrivals_in(evidence(wide)).in_doubt == Window(NOW - timedelta(minutes=15), YOUNGEST)
    busy = evidence(wide, every_minutes=0.02)
    assert arrivals_in(busy).in_doubt == Window(YOUNGEST - timedelta(minutes=1), YOUNGEST)


def test_nothing_is_in_doubt_where_every_trace_was_read_or_the_newest_is_young() -> None:
    assert arrivals_in(evidence(traces(table(10, 20), Status.ok))).in_doubt is None
    assert arrivals_in(evidence(traces(table(1.0, 20), Status.partial))).in_doubt is None


def test_a_second_look_at_the_windows_end_clears_a_part_that_speaks() -> None:
    wide = traces(table(*range(10, 30)), Status.partial)
    seen = evidence(wide, traces(table(1.0, 3, 5), Status.ok, NOW - timedelta(minutes=15), YOUNGEST))
    assert trail(seen) is Trail.arrives
    assert status_and_codes(seen) == ("ruled_out", [])


def test_a_part_that_fell_silent_behind_a_sample_is_found_by_the_second_look() -> None:
    wide = traces(table(*range(10, 30)), Status.partial)
    narrow = traces(table(*range(1, 8), without="gateway"), Status.ok, NOW - timedelta(minutes=15), YOUNGEST)
    seen = evidence(wide, narrow)
    assert (trail(seen), trail(seen, "web")) == (Trail.silent_since, Trail.arrives)
    conclusion = diagnose(seen)
    (cause,) = conclusion.causes
    assert (cause.code, cause.subject) == ("tracing.part_silent", "gateway")
    assert narrow.id in cause.evidence


def test_a_large_sample_of_the_last_minute_without_a_part_tells_and_a_small_one_does_not() -> None:
    wide = traces(table(*range(10, 30)), Status.partial)
    since = YOUNGEST - timedelta(minutes=1)
    for count, expected in ((25, Trail.silent_since), (8, Trail.unknown)):
        minutes = [1.4 - each * 0.02 for each in range(count)]
        narrow = traces(table(*minutes, without="gateway"), Status.partial, since, YOUNGEST)
        assert trail(evidence(wide, narrow, every_minutes=0.1)) is expected, count


def test_a_second_look_that_did_not_come_back_leaves_it_open() -> None:
    wide = traces(table(*range(10, 30)), Status.partial)
    narrow = traces(None, Status.timed_out, NOW - timedelta(minutes=15), YOUNGEST)
    assert trail(evidence(wide, narrow)) is Trail.unknown


def test_a_second_look_of_one_backend_says_nothing_where_the_other_is_out_of_sight() -> None:
    wide = traces(table(*range(10, 30)), Status.partial)
    narrow = traces(table(*range(1, 8), without="gateway"), Status.ok, NOW - timedelta(minutes=15), YOUNGEST)
    hidden = replace(traces(None, Status.unreachable), source="jaeger")
    seen = evidence(wide, narrow)
    arrivals = Arrivals(seen.local, (wide, hidden, narrow), seen.traffic, seen.probes)
    assert arrivals.trail_of("gateway").trail is Trail.unknown
