"""Fly.io: what the gateway is told. Fly shows what stands in fly.toml's [env] and only the names of secrets."""

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.gateway import FlyGatewaySettings
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.fly.api import FlyApi
from runbook_lib.sources.kit.asking import iso_of_text, rows_in
from runbook_lib.sources.this_machine.gateway_variables import may_be_shown


def gateway_settings() -> Look[FlyGatewaySettings]:
    """The gateway's variables on Fly, values of those in [env] only. Partial while a host hides its machine's configuration."""

    def fetch(door: Door) -> Answer[FlyGatewaySettings]:
        fly = FlyApi(door)
        machines = fly.get(f"{fly.machines_url}/v1/apps/{fly.app}/machines")
        configs = machines.parsed(lambda document: [row.get("config") for row in rows_in(document)])
        env = machines.parsed(lambda _: _merged(configs))
        secrets = fly.get(f"{fly.machines_url}/v1/apps/{fly.app}/secrets").parsed(
            lambda document: {str(row["name"]): iso_of_text(row.get("updated_at")) for row in _secrets(document)}
        )
        value: FlyGatewaySettings = {
            "platform": "fly",
            "values": may_be_shown(env),
            "names": sorted({*env, *secrets}),
            "same_key": {},
            "place": {"app": fly.app},
            "changed": secrets,
        }
        if None in configs:
            return Answer(
                Status.partial, value, "a machine's host hides its configuration", "look again when it is back"
            )
        return Answer(Status.ok, value)

    return Look("fly", "gateway_settings", {"part": "gateway"}, fetch)


def _secrets(document: Json) -> list[dict[str, Json]]:
    return rows_in(document, "secrets", may_lack=True) if isinstance(document, dict) else rows_in(document)


def _merged(configs: list[Json]) -> dict[str, str]:
    """The variables that every machine is started with; where two differ, the one listed last."""
    return {str(name): str(text) for config in configs if config for name, text in (config.get("env") or {}).items()}
