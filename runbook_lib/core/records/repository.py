"""What GitHub tells of the repository: a branch against a commit, checks, pull requests."""

from typing_extensions import TypedDict


class Comparison(TypedDict):
    """What a branch has that a commit has not.

    `status`: identical, ahead, behind or diverged, as the branch is to the commit. `head`: the branch's sha. `files`: the first
    300; `files_cut` says that there may be more.
    """

    status: str
    ahead_by: float
    behind_by: float
    head: str
    head_at: str | None
    files: list[str]
    files_cut: bool
    commit: str
    branch: str


class CommitCheck(TypedDict):
    """A check run or status of a commit.

    `state`: passed, failed, running or skipped. `conclusion`: in GitHub's words, None while it runs. `by`: who made it.
    """

    name: str
    state: str
    conclusion: str | None
    by: str | None
    url: str | None
    ended_at: str | None


class PullRequest(TypedDict):
    """An open pull request. `at`: when it was last changed. `fork`: it comes from another repository."""

    number: float
    title: str | None
    branch: str
    commit: str
    at: str | None
    url: str | None
    draft: bool
    fork: bool


class RepositoryAccess(TypedDict):
    """The repository that GitHub's token sees. `branch`: its default."""

    repository: str
    branch: str | None
    may_read: bool
