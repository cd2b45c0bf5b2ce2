"""Looks at GitHub."""

from runbook_lib.core.permissions import permit
from runbook_lib.sources.kit.permitted import get

permit(
    "github",
    *get(
        "/repos/{owner}/{repository}",
        "/repos/{owner}/{repository}/commits/{commit}/check-runs",
        "/repos/{owner}/{repository}/commits/{commit}/status",
        "/repos/{owner}/{repository}/compare/{commits*}",
        "/repos/{owner}/{repository}/pulls",
    ),
)
