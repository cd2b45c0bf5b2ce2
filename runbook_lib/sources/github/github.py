"""GitHub: what a branch has that a deployment has not, the checks on a commit, open pull requests.

Routes and shapes: GitHub's REST documentation, version 2022-11-28. A repository that the token may not see is a 404.
"""

from urllib.parse import quote

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.repository import CommitCheck, Comparison, PullRequest, RepositoryAccess
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, number_of, require_list, require_setting, rows_in, text_of

HELP = (
    "RUNBOOK_GITHUB_TOKEN must be for this repository (a fine-grained one that reads contents, pull requests and checks); "
    "check RUNBOOK_GITHUB_REPO"
)
_MOST_FILES = 300  # GitHub lists no more of a comparison
_PAGE = 100


class GithubApi:
    """One look's way to GitHub: address, token, repository, the look's deadline."""

    def __init__(self, door: Door, repository: str | None = None) -> None:
        self.http = door.http
        self.url = require_setting(door, "github_api_url")
        self.headers = {
            "Authorization": f"Bearer {require_setting(door, 'github_token')}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        wanted = door.settings.github_repo or repository
        if not wanted or wanted.count("/") != 1:
            require_setting(door, "github_repo")
            raise LookError(
                Status.not_configured, "RUNBOOK_GITHUB_REPO is not owner/name", do_next="set it to owner/name"
            )
        self.root = f"{self.url}/repos/{'/'.join(quote(each, safe='') for each in wanted.split('/'))}"

    def get(self, path: str, **params: str | int) -> Reply:
        """A reply of the repository's."""
        return self.http.get(f"{self.root}{path}", params=params, headers=self.headers)


def compare(commit: str, branch: str, repository: str | None = None) -> Look[Comparison]:
    """What a branch has that a commit has not. A commit or branch that the repository does not hold is not_found."""

    def fetch(door: Door) -> Answer[Comparison]:
        github = GithubApi(door, repository)
        both = f"{quote(commit, safe='')}...{quote(branch, safe='')}"
        reply = github.get(f"/compare/{both}")
        if reply.status_code == 404:
            require_list(github.get(""), HELP).parsed(
                lambda document: str(document["full_name"])
            )  # else the repository is hidden
            return Answer(
                Status.not_found, None, f"the repository holds no commit {commit[:12]}, or no branch {branch}"
            )
        reply.raise_for_status(HELP)
        return Answer(Status.ok, reply.parsed(lambda document: _comparison(document, commit, branch)))

    return Look("github", "compare", {"commit": commit, "branch": branch, **_of(repository)}, fetch)


def checks(commit: str, repository: str | None = None) -> Look[list[CommitCheck]]:
    """The checks on a commit, check runs and commit statuses, the failed ones first; empty where the commit has none."""

    def fetch(door: Door) -> Answer[list[CommitCheck]]:
        github = GithubApi(door, repository)
        reply = github.get(f"/commits/{quote(commit, safe='')}/check-runs", per_page=_PAGE)
        if reply.status_code == 422:
            return Answer(Status.not_found, None, f"the repository holds no commit {commit[:12]}")
        rows = require_list(reply, HELP).parsed(
            lambda document: [_check(row) for row in rows_in(document, "check_runs")]
        )
        total = reply.parsed(lambda document: number_of(document.get("total_count")) or 0)
        statuses = require_list(github.get(f"/commits/{quote(commit, safe='')}/status", per_page=_PAGE), HELP)
        rows += statuses.parsed(lambda document: [_status(row) for row in rows_in(document, "statuses")])
        total += statuses.parsed(lambda document: number_of(document.get("total_count")) or 0)
        rows.sort(key=lambda row: (row["state"] != "failed", row["name"]))
        if total > len(rows):
            return Answer(Status.partial, rows, f"{total:g} checks, {len(rows)} of them read")
        return Answer(Status.ok, rows) if rows else Answer(Status.empty, None, "no check ran on this commit")

    return Look("github", "checks", {"commit": commit, **_of(repository)}, fetch)


def pulls(repository: str | None = None) -> Look[list[PullRequest]]:
    """The open pull requests, newest first."""

    def fetch(door: Door) -> Answer[list[PullRequest]]:
        github = GithubApi(door, repository)
        reply = require_list(github.get("/pulls", state="open", per_page=_PAGE), HELP)
        rows = reply.parsed(lambda document: [_pull(row) for row in rows_in(document)])
        if len(rows) >= _PAGE:
            return Answer(Status.partial, rows, "more open pull requests than the 100 that were read")
        return Answer(Status.ok, rows) if rows else Answer(Status.empty, None, "no open pull request")

    return Look("github", "pulls", _of(repository), fetch)


def health() -> Look[RepositoryAccess]:
    """Whether the token sees the repository."""

    def fetch(door: Door) -> Answer[RepositoryAccess]:
        reply = require_list(GithubApi(door).get(""), HELP)
        return Answer(
            Status.ok,
            reply.parsed(
                lambda document: RepositoryAccess(
                    repository=str(document["full_name"]),
                    branch=text_of(document, "default_branch"),
                    may_read=(document.get("permissions") or {}).get("pull") is not False,
                )
            ),
        )

    return Look("github", "health", {}, fetch)


def _number_in(row: dict[str, Json], key: str) -> float:
    """A number that is always told. Raises TypeError where it is not."""
    number = number_of(row[key])
    if number is None:
        raise TypeError(f"{key} is no number")
    return number


def _of(repository: str | None) -> dict[str, Json]:
    return {"repository": repository} if repository else {}


def _comparison(row: dict[str, Json], commit: str, branch: str) -> Comparison:
    files = [str(file["filename"]) for file in rows_in(row, "files", may_lack=True)]
    commits = rows_in(row, "commits", may_lack=True)
    head = commits[-1] if commits else row["merge_base_commit"]
    return {
        "status": str(row["status"]),
        "ahead_by": _number_in(row, "ahead_by"),
        "behind_by": _number_in(row, "behind_by"),
        "head": str(head["sha"]),
        "head_at": iso_of_text(((head.get("commit") or {}).get("committer") or {}).get("date")),
        "files": files[:_MOST_FILES],
        "files_cut": len(files) >= _MOST_FILES,
        "commit": commit,
        "branch": branch,
    }


def _check(row: dict[str, Json]) -> CommitCheck:
    conclusion = text_of(row, "conclusion")
    if conclusion is None:
        state = "running"
    elif conclusion in ("success", "neutral"):
        state = "passed"
    else:
        state = "skipped" if conclusion in ("skipped", "stale") else "failed"
    return {
        "name": str(row["name"]),
        "state": state,
        "conclusion": conclusion,
        "by": text_of(row.get("app") or {}, "name", "slug"),
        "url": text_of(row, "html_url"),
        "ended_at": iso_of_text(row.get("completed_at")),
    }


def _status(row: dict[str, Json]) -> CommitCheck:
    """A commit status, as older services report: success, pending, failure, error."""
    said = str(row["state"])
    return {
        "name": str(row["context"]),
        "state": {"success": "passed", "pending": "running"}.get(said, "failed"),
        "conclusion": said,
        "by": text_of(row.get("creator") or {}, "login"),
        "url": text_of(row, "target_url"),
        "ended_at": iso_of_text(row.get("updated_at")),
    }


def _pull(row: dict[str, Json]) -> PullRequest:
    head, base = row["head"], row.get("base") or {}
    theirs, ours = (text_of(side.get("repo") or {}, "full_name") for side in (head, base))
    return {
        "number": _number_in(row, "number"),
        "title": text_of(row, "title"),
        "branch": str(head["ref"]),
        "commit": str(head["sha"]),
        "at": iso_of_text(row.get("updated_at")),
        "url": text_of(row, "html_url"),
        "draft": row.get("draft") is True,
        "fork": bool(theirs and ours and theirs != ours),
    }
