"""Tempo: the requests of one organization, and those that were refused for a plan, of any; one search each, no whole traces."""

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.traces import OrgRequest
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import window_arguments
from runbook_lib.sources.traces import org_requests as requests
from runbook_lib.sources.traces.tempo_api import TempoApi
from runbook_lib.sources.traces.traceql import any_equal

_SELECT = ", ".join(
    f"span.{name}"
    for name in (
        *requests.ORG_ATTRIBUTES,
        *requests.STATUS_ATTRIBUTES,
        *requests.USER_ATTRIBUTES,
        *requests.ROUTE_ATTRIBUTES,
    )
)
_MOST = 1000


def of_org(org_id: str, window: Window) -> Look[list[OrgRequest]]:
    """The requests whose spans name this organization, oldest first; partial above 1000."""
    of_this = any_equal([f"span.{name}" for name in requests.ORG_ATTRIBUTES], org_id)
    return _look("of_org", f"{{ {of_this} }}", window, {"org_id": org_id})


def refused(window: Window) -> Look[list[OrgRequest]]:
    """Requests with an organization that were answered 402 or 429, oldest first; partial above 1000."""
    codes = [f"span.{name} = {code}" for name in requests.STATUS_ATTRIBUTES for code in requests.REFUSALS]
    return _look("refused", f"{{ {' || '.join(codes)} }}", window, {})


def _look(call: str, query: str, window: Window, arguments: dict[str, str]) -> Look[list[OrgRequest]]:
    def fetch(door: Door) -> Answer[list[OrgRequest]]:
        tempo = TempoApi(door)
        found, why = tempo.search(f"{query} | select({_SELECT})", window, _MOST, 5)
        seen = [
            requests.row_of(trace["trace"], span["start_ns"], span["duration_ms"], span["attributes"])
            for trace in found
            for span in trace["spans"]
        ]
        rows = sorted((row for row in seen if row is not None), key=lambda row: row["at"])
        if why:
            return Answer(Status.partial, rows, why, "narrow the window")
        return Answer(Status.ok, rows) if rows else tempo.judge_absence("such request", window)

    return Look("tempo", call, {**arguments, **window_arguments(window)}, fetch, deadline_s=20)
