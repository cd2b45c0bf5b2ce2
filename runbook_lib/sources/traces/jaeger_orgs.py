"""Jaeger: the requests of one organization, and those that were refused for a plan, of any."""

from collections.abc import Mapping, Sequence

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.traces import OrgRequest
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import window_arguments
from runbook_lib.sources.traces import org_requests as requests
from runbook_lib.sources.traces.jaeger_api import JaegerApi
from runbook_lib.sources.traces.span_table import SpanCollector

_MOST = 500


def of_org(org_id: str, window: Window) -> Look[list[OrgRequest]]:
    """The requests whose spans name this organization, oldest first; partial above 500."""
    return _look("of_org", [{requests.ORG_ATTRIBUTES[0]: org_id}], window, {"org_id": org_id})


def refused(window: Window) -> Look[list[OrgRequest]]:
    """The requests with an organization that were answered 402 or 429, oldest first; partial above 500."""
    asked = [{name: str(code)} for name in requests.STATUS_ATTRIBUTES for code in requests.REFUSALS]
    return _look("refused", asked, window, {})


def _look(
    call: str, asked: Sequence[Mapping[str, str]], window: Window, arguments: dict[str, str]
) -> Look[list[OrgRequest]]:
    def fetch(door: Door) -> Answer[list[OrgRequest]]:
        jaeger, table, why = JaegerApi(door), SpanCollector(), ""
        for attributes in asked:
            found, reason = jaeger.search(window, _MOST, attributes)
            table.absorb(found, {span["trace"] for span in table.spans})
            why = why or reason
        seen = [
            requests.row_of(
                span["trace"], span["start_ns"], (span["end_ns"] - span["start_ns"]) / 1e6, span["attributes"]
            )
            for span in table.spans
        ]
        meant = set(requests.REFUSALS) if call == "refused" else None
        rows = sorted(
            (row for row in seen if row is not None and (meant is None or row["status"] in meant)),
            key=lambda row: row["at"],
        )
        if why:
            return Answer(Status.partial, rows, why, "narrow the window")
        return Answer(Status.ok, rows) if rows else jaeger.judge_absence("such request", window)

    return Look("jaeger", call, {**arguments, **window_arguments(window)}, fetch, deadline_s=20)
