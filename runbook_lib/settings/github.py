"""GitHub: where the commits, their checks and the pull requests are."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, Url, setting


class Github(BaseModel):
    """GitHub: where the commits, their checks and the pull requests are."""

    github_api_url: Url = setting(
        "RUNBOOK_GITHUB_API_URL", default="https://api.github.com", group="GitHub", about="GitHub's REST API."
    )
    github_token: Secret = setting(
        "RUNBOOK_GITHUB_TOKEN",
        group="GitHub",
        about="A fine-grained token of this repository; read of contents, pull requests, checks and commit statuses.",
    )
    github_repo: Text = setting(
        "RUNBOOK_GITHUB_REPO",
        group="GitHub",
        about="owner/name; by default the one that Vercel's project is connected to.",
    )
