"""Vercel's REST API: address, token, team, and which project is which part's."""

from datetime import UTC, datetime

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Json, Status
from runbook_lib.core.records.deployments import VercelDeployment
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door
from runbook_lib.sources.kit.asking import iso_of_ms, require_setting, text_of
from runbook_lib.sources.kit.hosting import VERCEL_PROJECTS

HELP = (
    "RUNBOOK_VERCEL_TOKEN must belong to a member of the team (Viewer is enough); "
    "check RUNBOOK_VERCEL_TEAM_ID and the project ids too"
)


class VercelApi:
    """One look's way to Vercel: token, team, the look's deadline."""

    def __init__(self, door: Door) -> None:
        self.door, self.http = door, door.http
        self.url = require_setting(door, "vercel_api_url")
        self.headers = {"Authorization": f"Bearer {require_setting(door, 'vercel_token')}"}
        self.team = door.settings.vercel_team_id

    def get(self, path: str, **params: str | int) -> Reply:
        """A reply within the team."""
        return self.get_own(path, **params, **({"teamId": self.team} if self.team else {}))

    def get_own(self, path: str, **params: str | int) -> Reply:
        """A reply about the token itself, outside any team."""
        return self.http.get(f"{self.url}{path}", params=params, headers=self.headers)


def project_of(door: Door, part: str) -> str:
    """The project's id of a part. Raises LookError(not_configured) for a part that does not run on Vercel, or has none set."""
    if part not in VERCEL_PROJECTS:
        raise LookError(Status.not_configured, f"{part} does not run on Vercel", do_next="ask for web or api")
    return require_setting(door, VERCEL_PROJECTS[part])


def deployment_row(row: dict[str, Json], part: str) -> VercelDeployment:
    """A deployment of the list's or the single route."""
    meta = row.get("meta") or {}
    return {
        "id": text_of(row, "uid", "id") or missing("uid"),
        "at": iso_of_ms(row.get("createdAt") or row["created"]) or missing("created"),
        "state": text_of(row, "state", "readyState") or missing("state"),
        "commit": text_of(meta, "githubCommitSha", "gitlabCommitSha", "bitbucketCommitSha"),
        "branch": text_of(meta, "githubCommitRef", "gitlabCommitRef", "bitbucketCommitRef"),
        "message": text_of(meta, "githubCommitMessage", "gitlabCommitMessage", "bitbucketCommitMessage"),
        "url": text_of(row, "url"),
        "target": text_of(row, "target"),
        "part": part,
        "platform": "vercel",
        "error": text_of(row, "errorMessage", "errorCode"),
        "ready_at": iso_of_ms(row.get("ready")),
        "inspect_url": text_of(row, "inspectorUrl"),
        "can_roll_back": bool(row.get("isRollbackCandidate")),
    }


def missing(key: str) -> str:
    """Raise KeyError for a key that must be there."""
    raise KeyError(key)


def ms(moment: datetime) -> int:
    """Epoch milliseconds."""
    return round(moment.astimezone(UTC).timestamp() * 1000)
