"""Railway: what the gateway is told. Values of secrets stay inside the look: only whether a key is the one set here leaves it."""

import hmac
from collections.abc import Mapping

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.gateway import RailwayGatewaySettings
from runbook_lib.io.observe import Door, Look
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.railway.api import RailwayApi
from runbook_lib.sources.this_machine.gateway_variables import may_be_shown


def gateway_settings() -> Look[RailwayGatewaySettings]:
    """The gateway's variables on Railway. A sealed variable's value is not told."""

    def fetch(door: Door) -> Answer[RailwayGatewaySettings]:
        api = RailwayApi(door)
        service, scope = require_setting(door, "railway_gateway_service_id"), api.scope()
        reply, _ = api.ask(
            "values",
            projectId=scope.project_id,
            environmentId=scope.environment_id,
            serviceId=service,
        )
        held = reply.parsed(lambda document: _variables(document["data"]["variables"]))
        value: RailwayGatewaySettings = {
            "platform": "railway",
            "values": may_be_shown(held),
            "names": sorted(held),
            "same_key": {vendor: _same(door, held, vendor) for vendor in ("openai", "anthropic", "together")},
            "place": {
                "project_id": scope.project_id,
                "environment_id": scope.environment_id,
                "service_id": service,
            },
        }
        return Answer(Status.ok, value) if held else Answer(Status.empty, None, "the gateway has no variables")

    return Look("railway", "gateway_settings", {"part": "gateway"}, fetch)


def _variables(document: Json) -> dict[str, str]:
    if not isinstance(document, dict):
        raise TypeError("variables are no object")
    return {str(name): "" if value is None else str(value) for name, value in document.items()}


def _same(door: Door, held: Mapping[str, str], vendor: str) -> bool | None:
    ours, theirs = reveal(getattr(door.settings, f"{vendor}_key")), held.get(f"{vendor.upper()}_API_KEY")
    return hmac.compare_digest(ours.encode(), theirs.encode()) if ours and theirs else None
