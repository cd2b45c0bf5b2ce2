"""The repository as GitHub knows it: commits by branch, what each touched, the checks on them, open pull requests.

The history is what was deployed (a deployment's commit touches its part's folder) and what was pushed besides.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runbook_lib.sandbox.world import World

OWNER, NAME, MAIN = "nexuscore", "nexuscore", "main"
ROOTS = {"web": "apps/web", "api": "apps/api", "gateway": "apps/llm-gateway"}
USUAL_CHECKS = ("build-and-test", "lint")


@dataclass(frozen=True)
class Commit:
    """One commit and the files that it touches."""

    sha: str
    branch: str
    at: datetime
    message: str
    files: tuple[str, ...]


@dataclass
class GithubState:
    """The dials of this façade.

    pushed: commits that no deployment was made of, or not yet. checks: the check runs of a commit where the two usual good
    ones would not do, by its sha: {"name", "status", "conclusion"}. statuses: commit statuses by sha, as services without
    check runs report them: {"context", "state"}. pulls: open pull requests, by branch: its title.
    """

    pushed: list[Commit] = field(default_factory=list)
    checks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    pulls: dict[str, str] = field(default_factory=lambda: {"usage-export": "Export usage as CSV"})
    calls_left: int | None = None


def history(world: World) -> list[Commit]:
    """Every commit, oldest first; a commit that several parts were deployed from touches the folders of them all."""
    found: dict[str, Commit] = {commit.sha: commit for commit in world.state(GithubState).pushed}
    pushed = set(found)
    for one in sorted(world.deployments, key=lambda deployment: deployment.created_at):
        known = found.get(one.commit_sha)
        if one.commit_sha in pushed:
            continue
        files = (f"{ROOTS[one.part]}/index.ts",) if one.part != "gateway" else (f"{ROOTS[one.part]}/main.py",)
        if known is None:
            found[one.commit_sha] = Commit(one.commit_sha, one.branch, one.created_at, one.message, files)
        elif not set(files) <= set(known.files):
            joined = (*known.files, *files)
            found[one.commit_sha] = Commit(known.sha, known.branch, known.at, known.message, joined)
    return sorted(found.values(), key=lambda commit: commit.at)


def commits_of(world: World, ref: str) -> list[Commit] | None:
    """The commits that a branch or a commit holds, oldest first; None for one that is unknown. A branch other than main
    begins at what main was when its first commit came."""
    commits = history(world)
    named = [commit for commit in commits if commit.branch == ref]
    end = named[-1] if named else next((commit for commit in commits if commit.sha == ref), None)
    if end is None:
        return None
    own = [commit for commit in commits if commit.branch == end.branch and commit.at <= end.at]
    if end.branch == MAIN:
        return own
    return [commit for commit in commits if commit.branch == MAIN and commit.at <= own[0].at] + own
