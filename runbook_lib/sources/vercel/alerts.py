"""Vercel's alert rules: of what a project's team is told, and where.

The route is the one that the vendor's own command line uses (`vercel alerts`); it is undocumented and may change without notice.
"""

from runbook_lib.core.model import Answer, Json
from runbook_lib.core.records.hosting import VercelAlertRule
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_list, rows_in, text_of
from runbook_lib.sources.vercel.api import HELP, VercelApi, project_of


def alert_rules(part: str) -> Look[list[VercelAlertRule]]:
    """The rules of a part's project."""

    def fetch(door: Door) -> Answer[list[VercelAlertRule]]:
        vercel, project = VercelApi(door), project_of(door, part)
        reply = vercel.get("/alerts/v2/alert-rules", projectId=project)
        rows = require_list(reply, HELP).parsed(lambda document: [_rule(row) for row in rows_in(document)])
        return Answer.of(rows)

    return Look("vercel", "alert_rules", {"part": part}, fetch)


def _rule(row: dict[str, Json]) -> VercelAlertRule:
    told = [each for each in row.get("notifications") or () if isinstance(each, dict)]
    channels = sorted(
        {name.removesuffix("s") if name == "webhooks" else name for each in told for name, to in each.items() if to}
    )
    return {
        "id": str(row["id"]),
        "name": text_of(row, "name"),
        "types": [str(each["type"]) for each in rows_in(row, "alertTypes", may_lack=True)],
        "channels": channels,
    }
