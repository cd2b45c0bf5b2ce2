"""GitHub's REST API as far as a deployment is judged by it: comparing commits, their checks, open pull requests.

Shapes: GitHub's REST documentation, version 2022-11-28 (tests/specs/github). A repository that a token may not see is a 404.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.facades.github import state as github_state
from runbook_lib.sandbox.facades.github.state import MAIN, NAME, OWNER, Commit, GithubState
from runbook_lib.sandbox.world import World

Handler = Callable[[Request], Awaitable[Response]]
_DOCS = "https://docs.github.com/rest"
_MOST_FILES = 300


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Api:
    def __init__(self, world: World) -> None:
        self.world = world

    def guarded(self, handler: Handler) -> Handler:
        """Check the token, the limit and the repository first; refuse in GitHub's shape."""

        async def answer(request: Request) -> Response:
            try:
                self._admit(request)
                response = await handler(request)
            except _Refused as refused:
                body = {"message": str(refused), "documentation_url": _DOCS, "status": str(refused.status)}
                response = JSONResponse(body, refused.status)
            left = self.world.state(GithubState).calls_left
            response.headers["x-ratelimit-remaining"] = str(5000 if left is None else left)
            response.headers["x-github-request-id"] = hashlib.sha256(str(request.url).encode()).hexdigest()[:16].upper()
            return response

        return answer

    def _admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if token and (scheme.lower() not in ("bearer", "token") or token != self.world.keys.github_token):
            raise _Refused(401, "Bad credentials")
        state = self.world.state(GithubState)
        if state.calls_left is not None:
            if state.calls_left <= 0:
                raise _Refused(403, "API rate limit exceeded")
            state.calls_left -= 1
        if not token or (request.path_params["owner"], request.path_params["name"]) != (OWNER, NAME):
            raise _Refused(404, "Not Found")

    async def repository(self, _: Request) -> Response:
        """The repository, and what the token may do there."""
        row = {
            "id": 712345678,
            "name": NAME,
            "full_name": f"{OWNER}/{NAME}",
            "private": True,
            "default_branch": MAIN,
            "permissions": {"admin": False, "maintain": False, "push": False, "triage": False, "pull": True},
        }
        return JSONResponse(row)

    async def compare(self, request: Request) -> Response:
        """What a head has that a base has not: commits and files."""
        base, dots, head = request.path_params["basehead"].partition("...")
        ours, theirs = (github_state.commits_of(self.world, ref) for ref in (base, head))
        if not dots or ours is None or theirs is None:
            raise _Refused(404, "Not Found")
        held = {commit.sha for commit in ours}
        ahead = [commit for commit in theirs if commit.sha not in held]
        wanted = {commit.sha for commit in theirs}
        behind = [commit for commit in ours if commit.sha not in wanted]
        words = {(False, False): "identical", (True, False): "ahead", (False, True): "behind", (True, True): "diverged"}
        files = list(dict.fromkeys(name for commit in ahead for name in commit.files))
        row = {
            "status": words[bool(ahead), bool(behind)],
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "base_commit": _commit(ours[-1]),
            "merge_base_commit": _commit(next((c for c in reversed(ours) if c.sha in wanted), ours[-1])),
            "commits": [_commit(commit) for commit in ahead][:250],
            "files": [{"filename": name, "status": "modified", "changes": 3} for name in files[:_MOST_FILES]],
        }
        return JSONResponse(row)

    async def commit(self, request: Request) -> Response:
        """One commit, by its sha or a branch that ends in it."""
        return JSONResponse(_commit(self._at(request)))

    async def check_runs(self, request: Request) -> Response:
        """The check runs on a commit."""
        commit = self._at(request)
        usual = [{"name": n, "status": "completed", "conclusion": "success"} for n in github_state.USUAL_CHECKS]
        rows = [
            {
                "id": nth,
                "name": row["name"],
                "head_sha": commit.sha,
                "status": row.get("status", "completed"),
                "conclusion": row.get("conclusion"),
                "html_url": f"https://github.com/{OWNER}/{NAME}/runs/{nth}",
                "started_at": _time(commit),
                "completed_at": _time(commit) if row.get("conclusion") else None,
                "app": {"slug": row.get("app", "github-actions"), "name": row.get("app", "GitHub Actions")},
            }
            for nth, row in enumerate(self.world.state(GithubState).checks.get(commit.sha, usual), 1)
        ]
        return JSONResponse({"total_count": len(rows), "check_runs": rows})

    async def status(self, request: Request) -> Response:
        """The commit statuses, and what they come to together."""
        commit = self._at(request)
        given = self.world.state(GithubState).statuses.get(commit.sha, [])
        rows = [
            {
                "id": nth, "context": row["context"], "state": row["state"], "description": "", "target_url": None,
                "created_at": _time(commit), "updated_at": _time(commit), "creator": {"login": row.get("by", "ci")},
            }
            for nth, row in enumerate(given, 1)
        ]  # fmt: skip
        words = {str(row["state"]) for row in rows}
        whole = "failure" if words & {"failure", "error"} else "success" if words == {"success"} else "pending"
        return JSONResponse({"state": whole, "sha": commit.sha, "total_count": len(rows), "statuses": rows})

    async def pulls(self, request: Request) -> Response:
        """Open pull requests, newest first."""
        if request.query_params.get("state", "open") not in ("open", "all"):
            return JSONResponse([])
        rows = []
        for nth, (branch, title) in enumerate(self.world.state(GithubState).pulls.items(), 41):
            reached = github_state.commits_of(self.world, branch)
            if reached:
                rows.append(
                    {
                        "number": nth,
                        "state": "open",
                        "title": title,
                        "draft": False,
                        "created_at": _time(reached[-1]),
                        "updated_at": _time(reached[-1]),
                        "html_url": f"https://github.com/{OWNER}/{NAME}/pull/{nth}",
                        "head": {"ref": branch, "sha": reached[-1].sha, "repo": {"full_name": f"{OWNER}/{NAME}"}},
                        "base": {"ref": MAIN, "sha": reached[0].sha},
                    }
                )
        return JSONResponse(rows[::-1])

    def _at(self, request: Request) -> Commit:
        reached = github_state.commits_of(self.world, request.path_params["ref"])
        if not reached:
            raise _Refused(422, f"No commit found for SHA: {request.path_params['ref']}")
        return reached[-1]


def _time(commit: Commit) -> str:
    return commit.at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _commit(commit: Commit) -> dict[str, Any]:
    who = {"name": "On call", "email": "oncall@nexuscore.example", "date": _time(commit)}
    return {
        "sha": commit.sha,
        "html_url": f"https://github.com/{OWNER}/{NAME}/commit/{commit.sha}",
        "commit": {"message": commit.message, "author": who, "committer": who},
    }


def create_app(world: World) -> Starlette:
    """`api.github.com`."""
    api = _Api(world)
    root = "/repos/{owner}/{name}"
    reads: list[tuple[str, Handler]] = [
        (root, api.repository),
        (f"{root}/compare/{{basehead}}", api.compare),
        (f"{root}/commits/{{ref}}", api.commit),
        (f"{root}/commits/{{ref}}/check-runs", api.check_runs),
        (f"{root}/commits/{{ref}}/status", api.status),
        (f"{root}/pulls", api.pulls),
    ]
    return Starlette(routes=[Route(path, api.guarded(handler), methods=["GET"]) for path, handler in reads])
