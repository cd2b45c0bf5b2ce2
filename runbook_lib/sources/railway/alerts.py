"""Railway's notification rules: of which events somebody is told, and by which kind of channel.

Facts: railwayapp/cli, src/gql/schema.json. A channel's `config` is a scalar of Railway's own; of it only the kind leaves a look.
"""

from runbook_lib.core.model import Answer, Json
from runbook_lib.core.records.hosting import RailwayAlertRule
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import rows_in, text_of
from runbook_lib.sources.railway.api import RailwayApi

_KINDS = ("webhook", "email", "slack", "discord", "inapp")


def alert_rules() -> Look[list[RailwayAlertRule]]:
    """The project's rules; empty where there is none.

    They belong to the workspace, so a project token does not see them: denied.
    """

    def fetch(door: Door) -> Answer[list[RailwayAlertRule]]:
        api = RailwayApi(door)
        project_id = api.scope().project_id
        reply, _ = api.ask("workspace", id=project_id)
        workspace_id = reply.parsed(lambda document: str(document["data"]["project"]["workspaceId"]))
        reply, _ = api.ask("notification_rules", workspaceId=workspace_id, projectId=project_id)
        rows = reply.parsed(lambda document: [_rule(row) for row in rows_in(document["data"], "notificationRules")])
        return Answer.of(rows)

    return Look("railway", "alert_rules", {}, fetch)


def _rule(row: dict[str, Json]) -> RailwayAlertRule:
    return {
        "id": text_of(row, "id"),
        "types": [str(each) for each in row.get("eventTypes") or ()],
        "severities": [str(each) for each in row.get("severities") or ()],
        "channels": sorted({_kind_of(channel.get("config")) for channel in rows_in(row, "channels", may_lack=True)}),
    }


def _kind_of(config: Json) -> str:
    """The kind of a channel, by the word in its configuration that says it."""
    said = [str(value).lower() for value in config.values()] if isinstance(config, dict) else [str(config).lower()]
    keys = [str(key).lower() for key in config] if isinstance(config, dict) else []
    return next((kind for kind in _KINDS if kind in said or kind in keys), "webhook" if "url" in keys else "unknown")
