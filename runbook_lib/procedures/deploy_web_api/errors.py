"""From requests that failed since a deployment to the traces that tell where they began: 06 and 07 follow them alike."""

from collections.abc import Callable

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation
from runbook_lib.io.observe import Look
from runbook_lib.procedures.deployments.traffic import Traffic, sample
from runbook_lib.sources.traces import jaeger, tempo

See = Callable[..., list[Observation]]
_MOST = 4


def traces_of_failing(see: See, traffic: Traffic, window: Window) -> tuple[Observation, ...]:
    """Whole traces of some requests that failed since. Vercel's log tells the trace; Railway's tells an id of its own, which
    stands on the spans of the part that it was passed to. A backend that is not configured is left out."""
    failing = traffic.failed_after
    ids = [str(row["trace_id"]) for row in sample([row for row in failing if row.get("trace_id")])]
    if not ids:
        wanted = [str(row["request_id"]) for row in sample([row for row in failing if row.get("request_id")], _MOST)]
        looks: list[Look] = [tempo.find_request(each, window) for each in wanted]
        looks += [jaeger.find_request(each, window) for each in wanted]
        found = _configured(see(*looks)) if looks else []
        ids = [
            str(row["trace"])
            for look in found
            if look.status.has_content and isinstance(look.value, list)
            for row in look.value
        ]
        if not ids:
            return tuple(look for look in found if not look.status.answered)
    wanted = list(dict.fromkeys(ids))
    return tuple(_configured(see(tempo.traces_of(wanted, window), jaeger.traces_of(wanted, window))))


def _configured(looks: list[Observation]) -> list[Observation]:
    return [look for look in looks if str(look.status) != "not_configured"]
