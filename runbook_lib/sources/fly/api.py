"""Fly.io's APIs: addresses, token, app."""

from urllib.parse import quote

from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door
from runbook_lib.sources.kit.asking import require_list, require_setting

HELP = "RUNBOOK_FLY_TOKEN must be for this app (fly tokens create readonly is enough); check RUNBOOK_FLY_GATEWAY_APP"


class FlyApi:
    """One look's way to Fly: token, app, the look's deadline."""

    def __init__(self, door: Door) -> None:
        self.http = door.http
        self.app = quote(require_setting(door, "fly_gateway_app"), safe="")
        token = require_setting(door, "fly_token")
        self.headers = {"Authorization": token if token.startswith("FlyV1 ") else f"Bearer {token}"}
        self.machines_url, self.api_url = (
            require_setting(door, "fly_machines_url"),
            require_setting(door, "fly_api_url"),
        )

    def get(self, url: str, **params: str | int) -> Reply:
        """A reply. Raises LookError: denied, also where the app is hidden from the token."""
        return require_list(self.http.get(url, params=params, headers=self.headers), HELP)
