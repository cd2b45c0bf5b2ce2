"""What 04's answer rests on: the gateway as it answers now, and witnesses of its calls in the window.

Whole failed traces beside the rows of the good calls are one witness; the gateway's own lines, where they name its providers and
how long a request took, are another. Neither says anything where no request was seen at all: then the gateway's platform must have
seen traffic, if only what a run sent itself, and none of it a chat; or the backend must have told of calls before.
"""

from collections.abc import Iterable

from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.gateway import GatewaySettings
from runbook_lib.core.records.providers import ModelsOnOffer
from runbook_lib.core.records.traces import SpanRow
from runbook_lib.judging.answers import rows_of, whole_record
from runbook_lib.judging.witnesses import Seen, Topics, Witness, all_of, any_of, first_of, look, proof
from runbook_lib.procedures.llm_gateway.calls import Calls
from runbook_lib.procedures.llm_gateway.calls_reading import read_calls
from runbook_lib.procedures.llm_gateway.edge import is_edge_answer
from runbook_lib.procedures.llm_gateway.normal import SLOW_MARGIN_MS
from runbook_lib.reading.request_rows import logged_requests

_TRACED = ("tempo.failed_traces", "jaeger.failed_traces", "tempo.llm_calls", "jaeger.llm_calls")
_SETTINGS = ("railway.gateway_settings", "fly.gateway_settings")
CHAIN = "LLM_FALLBACK_CHAIN"
_MODELS = ("openai.models", "anthropic.models", "together.models")
LARGE_SAMPLE = 100  # rows
MOST_CALLS, MOST_BEFORE = 500, 200  # rows that are asked for, of the window and of the time before it


def members_of(text: str) -> tuple[str, ...]:
    """A chain's members from the text of its variable; what is no provider/model is left out."""
    return tuple(member for each in text.split(",") if "/" in (member := each.strip()))


def gateway_settings_in(looks: Iterable[Observation]) -> list[tuple[Observation, GatewaySettings]]:
    """The gateway's variables as each platform among the looks holds them, where they were seen in full."""
    asked = [each for each in looks if each.call == "gateway_settings"]
    return [(each, settings) for each in asked if (settings := whole_record(each, GatewaySettings)) is not None]


def gateway_logs(seen: Seen) -> tuple[Observation, ...]:
    """The looks at the gateway's own lines."""
    return (*seen.of("railway.logs", part="gateway"), *seen.of("fly.logs"))


def _answered(looks: Iterable[Observation]) -> list[Observation]:
    return [look for look in looks if look.status.answered]


def _answers(seen: Seen) -> Iterable[Observation]:
    """Our calls that the gateway answered: one of several that is lost on the way is no outage."""
    probes = (probe for probe in seen.of("parts.probe") if probe.status is Status.ok)
    return [probe for probe in probes if not is_edge_answer(probe)]


def _told_by_lines(seen: Seen) -> Iterable[Observation]:
    """The gateway's log, where it names calls that went well and how long they took."""
    heard = _answered(gateway_logs(seen))
    calls = read_calls((), (), heard)
    return heard if any(call.ok and call.duration_ms is not None for call in calls.all) else ()


def _called(seen: Seen) -> Iterable[Observation]:
    """Looks in which calls to providers were seen, good or bad."""
    rows = _with_rows(seen, "tempo.llm_calls", "jaeger.llm_calls", limit=MOST_CALLS)
    return [*_with_rows(seen, "tempo.failed_traces", "jaeger.failed_traces"), *rows] or _told_by_lines(seen)


def _with_rows(seen: Seen, *names: str, **arguments: int) -> list[Observation]:
    return [held for held in seen.of(*names, **arguments) if held.status.has_content and held.value]


def _called_before(seen: Seen) -> Iterable[Observation]:
    """The trace backend's rows of the time before the window, where none is known of the window: it is told of this
    gateway's calls, so that none is an answer."""
    return [] if list(_called(seen)) else _with_rows(seen, "tempo.llm_calls", "jaeger.llm_calls", limit=MOST_BEFORE)


def _quick(seen: Seen) -> Iterable[Observation]:
    """The gateway's log, where every call was over sooner than anything counts as slow, be it the provider's or its own time."""
    heard = list(_told_by_lines(seen))
    took = [call.duration_ms for call in read_calls((), (), heard).all if call.ok]
    return heard if all(ms is not None and ms < SLOW_MARGIN_MS for ms in took) else ()


def _idle(seen: Seen) -> Iterable[Observation]:
    """The request log of the gateway's platform, where it holds traffic and no chat: our own knock is traffic."""
    for log in _answered(seen.of("railway.http_log", part="gateway")):
        rows = [each for each in logged_requests([log]) if each.row["part"] == "gateway"]
        if rows and not any(each.row["method"] == "POST" for each in rows):
            yield log


def _nothing_failed_by_lines(seen: Seen) -> Iterable[Observation]:
    """The gateway's log, where no call in it failed: what did not fail was not repeated."""
    heard = list(_told_by_lines(seen))
    return heard if all(call.ok for call in read_calls((), (), heard).all) else ()


def _chain_known(seen: Seen) -> Iterable[Observation]:
    """Where the gateway's own chain was read; a value that is hidden or set nowhere is not, and ours need not be the gateway's."""
    for asked, settings in gateway_settings_in(seen.of(*_SETTINGS)):
        if settings["values"].get(CHAIN):
            yield asked


def _fell_back(seen: Seen) -> Iterable[Observation]:
    """Looks that show one request that went on to a second provider: there is something to fall back to, and it is used."""
    asked = [request for request in _every_call(seen).requests if len({call.provider for call in request.calls}) > 1]
    shown = {call.observation for request in asked for call in request.calls}
    return [each for each in seen.observations if each.id in shown]


def _every_call(seen: Seen) -> Calls:
    """The calls of the window; what worked before it need not work now."""
    return read_calls(
        _with_rows(seen, "tempo.failed_traces", "jaeger.failed_traces"),
        _with_rows(seen, "tempo.llm_calls", "jaeger.llm_calls", limit=MOST_CALLS),
        _answered(gateway_logs(seen)),
    )


def _timed(seen: Seen) -> Iterable[Observation]:
    """The window's rows of calls, whole or a large sample: slow ones are not looked for by themselves, and few may be missed."""
    rows = seen.of("tempo.llm_calls", "jaeger.llm_calls", limit=MOST_CALLS)
    return [held for held in rows if held.status.answered or len(rows_of(held, SpanRow)) >= LARGE_SAMPLE]


def _members_stand(seen: Seen) -> Iterable[Observation]:
    """Looks that show every member of the chain at work, or on offer to our key: one that is never called shows nowhere else."""
    told = list(_chain_known(seen))
    members = [
        member
        for _, settings in gateway_settings_in(seen.of(*_SETTINGS))
        for member in members_of(settings["values"].get(CHAIN, ""))
    ]
    worked = {call.target: call.observation for call in _every_call(seen).all if call.ok}
    shown = [*told]
    for member in members:
        provider, _, model = member.partition("/")
        lists = [(each, whole_record(each, ModelsOnOffer)) for each in seen.of(f"{provider}.models")]
        offers = [each for each, offered in lists if offered and any(row["id"] == model for row in offered["models"])]
        by = offers or [each for each in seen.observations if each.id == worked.get(member)]
        if not by:
            return ()
        shown += by
    return shown if members else ()


def _arrivals(seen: Seen) -> Iterable[Observation]:
    """A log that would have told of a chat: the platform's of requests, or the gateway's own where it holds any line at all."""
    heard = [each for each in _answered(gateway_logs(seen)) if each.value]
    return [*_answered(seen.of("railway.http_log", part="gateway")), *heard]


def _calls(backend: str, *, before: bool = False) -> Witness:
    """A backend's rows of calls, in the window or before it. A sample is enough: the failed ones are looked for by themselves."""
    return look(f"{backend}.llm_calls", despite_partial=True, limit=MOST_BEFORE if before else MOST_CALLS)


TOPICS = Topics(
    {
        "probe": proof("the gateway answers", _answers, "parts.probe"),
        "description": look("parts.gateway_openapi", is_helpful=True),
        "failed": first_of("tempo.failed_traces", "jaeger.failed_traces"),
        "rows": first_of(_calls("tempo"), _calls("jaeger")),
        "before": first_of(_calls("tempo", before=True), _calls("jaeger", before=True)),
        "platform": first_of("railway.deployments", all_of("fly.machines", "fly.releases")),
        "request_log": first_of("railway.http_log", "fly.machines"),
        "lines": first_of(look("railway.logs", part="gateway"), "fly.logs"),
        "api_lines": first_of(look("railway.logs", part="api"), look("vercel.request_log", part="api")),
        "traced": all_of("failed", "rows"),
        "logged": proof(
            "the gateway's log names its calls and how long they took", _told_by_lines, "railway.logs", "fly.logs"
        ),
        "called": proof("a call to a provider was seen", _called, *_TRACED),
        "arrivals": proof(
            "a log tells of what came to the gateway", _arrivals, "railway.http_log", "railway.logs", "fly.logs"
        ),
        "told_before": proof(
            "the trace backend told of calls before the window", _called_before, "tempo.llm_calls", "jaeger.llm_calls"
        ),
        "idle": any_of(
            proof("the gateway's platform saw traffic, and no chat", _idle, "railway.http_log"),
            all_of("told_before", "arrivals"),
        ),
        "calls": any_of(all_of("traced", "called"), "logged", all_of("traced", "idle")),
        "times": any_of(
            all_of(
                "failed",
                "called",
                proof("the times of its calls were seen", _timed, "tempo.llm_calls", "jaeger.llm_calls"),
                "before",
            ),
            all_of("traced", "idle"),
            proof("every call in the gateway's log was quick", _quick, "railway.logs", "fly.logs"),
        ),
        "repetitions": any_of(
            all_of("traced", any_of("called", "idle")),
            proof("no call failed, by the gateway's log", _nothing_failed_by_lines, "railway.logs", "fly.logs"),
        ),
        "chain": any_of(
            proof("the chain was read", _chain_known, *_SETTINGS),
            proof("a request went on to a second provider", _fell_back, *_TRACED),
        ),
        "members": proof("every member of the chain works or is on offer", _members_stand, *_SETTINGS, *_MODELS),
        "settings": first_of(
            all_of("railway.gateway_settings", "railway.variables_names"), "fly.gateway_settings", "gateway.chain"
        ),
        "our_chain": look("gateway.chain", is_helpful=True),
        "platform_status": look("railway.incidents", is_helpful=True),
    }
)
