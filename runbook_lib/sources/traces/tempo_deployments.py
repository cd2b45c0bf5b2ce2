"""Tempo: how long the requests took that one deployment served."""

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Answer, Status
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import window_arguments
from runbook_lib.sources.traces.tempo_api import TempoApi
from runbook_lib.sources.traces.traceql import any_equal

_NAMES = ("resource.vercel.deployment_id", "resource.service.version", "resource.deployment.id")


def durations(deployment: str, window: Window, limit: int = 200) -> Look[list[float]]:
    """Durations in ms of the requests (server spans) of a deployment in a window, as far as the limit goes: [ms]. Where spans
    do not tell their deployment, none are found, and that proves nothing."""

    def fetch(door: Door) -> Answer[list[float]]:
        tempo = TempoApi(door)
        found, _ = tempo.search(f"{{ ({any_equal(_NAMES, deployment)}) && kind = server }}", window, limit, 3)
        took = sorted(round(span["duration_ms"], 2) for trace in found for span in trace["spans"])
        if not took:
            return tempo.judge_absence("request of this deployment", window)
        return Answer(Status.ok, took)

    return Look(
        "tempo",
        "durations",
        {"deployment": deployment, **window_arguments(window), "limit": limit},
        fetch,
        deadline_s=15,
    )
