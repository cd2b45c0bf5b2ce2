"""What 01's answer rests on: the same names for one request and for a window of them, made of other looks.

What happened inside is told by a trace with the spans of every part that was called, or else by the logs of every part. A
platform's row tells how the request ended, and alone tells what the platform did to it. Nobody who saw nothing tells that nothing
happened: an empty trace backend is no witness, and of a window some request must have been seen to be answered.
"""

from collections.abc import Callable, Iterable, Sequence

from runbook_lib.core.model import Observation
from runbook_lib.judging.witnesses import Seen, Topics, Witness, all_of, any_of, first_of, look, proof
from runbook_lib.procedures.failed_request.pace import pace_of
from runbook_lib.procedures.failed_request.reading import Reading
from runbook_lib.procedures.failed_request.window_reading import WindowReading
from runbook_lib.reading.logs import lines_of, log_failures
from runbook_lib.reading.parts import WEB
from runbook_lib.reading.request_rows import is_failed, is_refused, platform_verdict
from runbook_lib.reading.spans import Trace, http_status
from runbook_lib.reading.trace_causes import unseen_calls

_ROWS = ("vercel.request_log", "railway.http_log")
_TRACES = ("tempo.trace", "jaeger.trace")
_SEARCHES = ("tempo.find_request", "jaeger.find_request")
_LIKES = ("tempo.same_root", "jaeger.same_root")
_WINDOW_TRACES = ("tempo.window_traces", "jaeger.window_traces")
_FOR_THE_PLAN = (402, 429)
_MAY_BE_THE_EDGE = (401, 403, 429)

# Ways to the same thing: what is not configured is no gap beside another way that is.
_EITHER: dict[str, Witness] = {
    "web_lines": look("vercel.request_log", part="web"),
    "api_lines": first_of(look("vercel.request_log", part="api"), look("railway.logs", part="api")),
    "gateway_lines": first_of(look("railway.logs", part="gateway"), "fly.logs"),
    "gateway_requests": first_of(look("railway.http_log", part="gateway"), "fly.logs"),
    "around": first_of(*_WINDOW_TRACES),
    "api_deployments": first_of(look("vercel.deployments", part="api"), look("railway.deployments", part="api")),
    "api_variables": first_of(look("vercel.env_changes", part="api"), look("railway.deployments", part="api")),
    "gateway_deployments": first_of(look("railway.deployments", part="gateway"), "fly.releases"),
}


def of_one(reading: Reading | None = None) -> Topics:
    """The evidence about one request; `reading`: what was read of it, None where only the words are wanted."""

    def read(what: str, prove: Callable[[Reading], Iterable[str]], *helps: str) -> Witness:
        return _read(what, lambda: prove(reading) if reading is not None else (), *helps)

    return Topics(
        {
            **_EITHER,
            "found": read("somebody knows the request", _who_know, *_ROWS, *_TRACES),
            "spans": first_of(*(look(name, holding=_has_spans, else_why="no span of it is there") for name in _TRACES)),
            "search": first_of(*_SEARCHES),
            "likes": first_of(*_LIKES),
            "trace": all_of(
                "spans", read("its trace has the spans of every part that was called", _whole_trace, *_SEARCHES)
            ),
            "own_lines": read("a line of it is in the parts' logs", _own_lines, "railway.logs", "fly.logs"),
            "lines": all_of("web_lines", "api_lines", "gateway_lines", "own_lines"),
            "inside": any_of("trace", "lines"),
            "platform": any_of(
                read("its platform's row says how it ended, and nobody ended it", _ended_itself, *_ROWS), "trace"
            ),
            "refusal": read("it was not refused with 402 or 429", _not_for_the_plan, *_ROWS, *_TRACES),
            "timed": read("it took no longer than its likes", _as_quick_as_usual, *_LIKES),
            "refused": read("it was refused, which is what its user saw", _refused, *_ROWS),
            "pace": any_of("timed", all_of("spans", "timed"), "refused"),
            "attempts": any_of("trace", "refused"),
        }
    )


def of_window(reading: WindowReading | None = None) -> Topics:
    """The evidence about a window of requests; `reading` as in `of_one`."""

    def read(what: str, prove: Callable[[WindowReading], Iterable[str]], *helps: str) -> Witness:
        return _read(what, lambda: prove(reading) if reading is not None else (), *helps)

    return Topics(
        {
            **_EITHER,
            "found": read(
                "a request of the window was seen to end well", lambda seen: seen.answered, *_ROWS, *_WINDOW_TRACES
            ),
            "trace": read(
                "the window's traces have the spans of every part that was called", _whole_traces, *_WINDOW_TRACES
            ),
            "own_lines": read("no line complains without a request's id", _nobodys, "railway.logs", "fly.logs"),
            "lines": all_of("web_lines", "api_lines", "gateway_lines", "own_lines"),
            "inside": all_of("found", any_of("trace", "lines")),
            "platform": all_of("found", "web_lines", "api_lines"),
            # 01 judges neither of many requests: see the causes' questions
            "refusal": all_of("found", "web_lines"),
            "pace": all_of("found", "trace"),
            "attempts": all_of("found", "trace"),
        }
    )


def _has_spans(seen: Observation) -> bool:
    return bool(seen.value)


def _read(what: str, ids: Callable[[], Iterable[str]], *helps: str) -> Witness:
    """A proof by what was read: the observations with these ids."""

    def prove(seen: Seen) -> Sequence[Observation]:
        wanted = set(ids())
        return [each for each in seen.observations if each.id in wanted]

    return proof(what, prove, *helps)


def is_whole(trace: Trace) -> bool:
    """Whether a trace hangs together and no call to a part of ours ends in the dark. What called its root may be a stranger.

    A part reports a request when it is over, and what it did with it or before it: where the request is there, so is that.
    """
    outside = {root["parent"] for root in trace.roots}
    return len(outside) == 1 and not unseen_calls(trace)


def _who_know(reading: Reading) -> Iterable[str]:
    return [*(seen.observation.id for seen in reading.mine), *reading.trace_evidence]


def _whole_trace(reading: Reading) -> Iterable[str]:
    if reading.trace is None or not reading.is_complete or not is_whole(reading.trace.trace):
        return ()
    return reading.trace_evidence


def _own_lines(reading: Reading) -> Iterable[str]:
    return [observation.id for _, observation in reading.my_lines]


def _ended_itself(reading: Reading) -> Iterable[str]:
    """Web's row with an answer that is no failure and no refusal that an edge makes as well."""
    first = reading.outermost
    if first is None or first.row["part"] != WEB or any(platform_verdict(each.row) for each in reading.mine):
        return ()
    is_fine = not is_failed(first.row) and first.row["status"] not in _MAY_BE_THE_EDGE
    return [first.observation.id] if is_fine else ()


def _not_for_the_plan(reading: Reading) -> Iterable[str]:
    """Web's row with a good answer; the row of the API or the gateway with another refusal; or a whole trace in which no part of
    ours refused anybody for a plan."""
    first = reading.outermost
    if first is not None and first.row["part"] == WEB and 0 < (first.row["status"] or 0) < 400:
        return [first.observation.id]
    inner = next((each for each in reversed(reading.mine) if is_refused(each.row)), None)
    if inner is not None and inner.row["part"] != WEB and inner.row["status"] not in _FOR_THE_PLAN:
        return [inner.observation.id]
    told = _whole_trace(reading)
    if reading.trace is None or not told:
        return ()
    answers = [http_status(span) for span in reading.trace.trace.spans if span["kind"] == "server"]
    answers += [each.row["status"] for each in reading.mine]
    return told if not set(answers) & set(_FOR_THE_PLAN) else ()


def _refused(reading: Reading) -> Iterable[str]:
    return [each.observation.id for each in reading.mine[:1] if is_refused(each.row)]


def _as_quick_as_usual(reading: Reading) -> Iterable[str]:
    pace = pace_of(reading)
    if not pace.is_usual:
        return ()
    first = reading.outermost
    return [*pace.looks, *reading.trace_evidence, *([first.observation.id] if first else [])]


def _nobodys(reading: WindowReading) -> Iterable[str]:
    """The logs of the window, where every line that complains carries an id, and so was read with its request."""
    logs = reading.evidence.logs
    complaints = (each.line for each in log_failures(lines_of(logs)))
    if any(not (line["trace_id"] or line["request_id"]) for line in complaints):
        return ()
    return [look.id for look in logs if look.status.answered]


def _whole_traces(reading: WindowReading) -> Iterable[str]:
    """Complete tables of the window's traces, in which no call to a part of ours ends in the dark."""
    if not reading.is_complete or any(unseen_calls(each.trace) for each in reading.judged):
        return ()
    return reading.tables
