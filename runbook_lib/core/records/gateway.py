"""What the gateway is told: its chain, and its platform's variables as far as they may be shown."""

from collections.abc import Mapping

from typing_extensions import TypedDict


class ChainSetting(TypedDict):
    """LLM_FALLBACK_CHAIN as this machine's settings write it; the gateway's own may differ."""

    chain: str


class RailwayPlace(TypedDict):
    """Where the gateway's variables are changed on Railway."""

    project_id: str
    environment_id: str
    service_id: str


class FlyPlace(TypedDict):
    """Where the gateway's variables are changed on Fly.io."""

    app: str


class GatewaySettings(TypedDict):
    """The gateway's variables by its platform.

    `platform`: railway or fly. `values`: of its own `LLM_…` variables that are no secret; one that the platform hides is not
    there. `names`: of all variables. `same_key`: by provider, whether the gateway's key is the one set here; None where one of
    the two is not to be seen, and no provider at all where the platform shows no secret.
    """

    platform: str
    values: Mapping[str, str]
    names: list[str]
    same_key: Mapping[str, bool | None]


class RailwayGatewaySettings(GatewaySettings):
    """The gateway's variables on Railway."""

    place: RailwayPlace


class FlyGatewaySettings(GatewaySettings):
    """The gateway's variables on Fly.io. `changed`: when each secret was set last, by its name."""

    place: FlyPlace
    changed: Mapping[str, str | None]
