"""Vercel's REST API: address, token, team, and which project is which part's."""

from runbook_lib.errors import LookError
from runbook_lib.http import Reply
from runbook_lib.model import Status
from runbook_lib.observe import Door
from runbook_lib.sources._asking import need

HELP = (
    "RUNBOOK_VERCEL_TOKEN must belong to a member of the team (Viewer is enough); "
    "check RUNBOOK_VERCEL_TEAM_ID and the project ids too"
)
PROJECTS = {"web": "vercel_web_project", "api": "vercel_api_project"}


class VercelApi:
    """One look's way to Vercel: token, team, the look's deadline."""

    def __init__(self, door: Door) -> None:
        self.door, self.http = door, door.http
        self.url = need(door, "vercel_api_url")
        self.headers = {"Authorization": f"Bearer {need(door, 'vercel_token')}"}
        self.team = door.settings.vercel_team_id

    def get(self, path: str, **params: str | int) -> Reply:
        """A reply within the team."""
        return self.get_own(path, **params, **({"teamId": self.team} if self.team else {}))

    def get_own(self, path: str, **params: str | int) -> Reply:
        """A reply about the token itself, outside any team."""
        return self.http.get(f"{self.url}{path}", params=params, headers=self.headers)


def project_of(door: Door, part: str) -> str:
    """The project's id of a part. Raises LookError(not_configured) for a part that does not run on Vercel, or has none set."""
    if part not in PROJECTS:
        raise LookError(Status.not_configured, f"{part} does not run on Vercel", do_next="ask for web or api")
    return need(door, PROJECTS[part])
