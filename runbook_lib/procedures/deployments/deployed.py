"""One deployment of any platform: what its list and its own page tell of it, put together; its state in one set of words.

The platforms' states become: building, ready, failed, crashed, canceled, blocked, skipped, superseded (it served once).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from runbook_lib.core.model import Observation
from runbook_lib.core.records.deployments import (
    DeploymentRow,
    FlyRelease,
    RailwayDeployment,
    RailwayDeploymentDetail,
    VercelDeployment,
    VercelDeploymentDetail,
)
from runbook_lib.judging.answers import record_of, rows_of

_WORDS = {
    **dict.fromkeys(("QUEUED", "INITIALIZING", "BUILDING", "WAITING", "DEPLOYING", "PENDING", "RUNNING"), "building"),
    **dict.fromkeys(("READY", "SUCCESS", "SLEEPING", "COMPLETE", "SUCCEEDED"), "ready"),
    **dict.fromkeys(("ERROR", "FAILED", "INTERRUPTED"), "failed"),
    **dict.fromkeys(("BLOCKED", "NEEDS_APPROVAL"), "blocked"),
    **dict.fromkeys(("REMOVED", "REMOVING", "SUPERSEDED", "DEAD"), "superseded"),
    "CRASHED": "crashed",
    "CANCELED": "canceled",
    "CANCELLED": "canceled",
    "SKIPPED": "skipped",
    "DELETED": "skipped",
}


@dataclass(frozen=True)
class Deployed:
    """A deployment or release, as in core/records/deployments; what its platform has no word for is None.

    Attributes:
        can_roll_back: whether the platform takes it for a rollback; None where that was not told.
        reason, diagnosis: the platform's words on how it ended.
    """

    id: str
    at: str
    state: str
    part: str
    platform: str
    commit: str | None = None
    branch: str | None = None
    url: str | None = None
    target: str | None = None
    error: str | None = None
    ready_at: str | None = None
    can_roll_back: bool | None = None
    image: str | None = None
    inspect_url: str | None = None
    reason: str | None = None
    error_code: str | None = None
    alias_error: str | None = None
    substate: str | None = None
    checks_conclusion: str | None = None
    out_of_memory: str | None = None
    project: str | None = None
    diagnosis: str | None = None

    @property
    def word(self) -> str:
        """Its state in our words; unknown for one that nobody knows."""
        return _WORDS.get(self.state.upper(), "unknown")

    @property
    def short_commit(self) -> str:
        """The beginning of its commit; empty where that is not known."""
        return (self.commit or "")[:9]

    @property
    def is_skipped(self) -> bool:
        """Whether it was left out on purpose: an ignored build step, or nothing of the part was touched."""
        said = f"{self.reason or ''} {self.error or ''}".lower()
        return self.word == "skipped" or (self.word == "canceled" and ("ignored build step" in said or "skipp" in said))

    @property
    def can_be_gone_back_to(self) -> bool:
        """Whether the platform takes it: Vercel and Railway say so of each; Fly takes any image it still has."""
        return bool(self.image) if self.platform == "fly" else self.can_roll_back is not False

    def is_other_than(self, serving: "Deployed") -> bool:
        """Whether it is of another commit or image than the one that serves."""
        if self.commit and serving.commit:
            return self.commit != serving.commit
        if self.image and serving.image:
            return self.image != serving.image
        return self.id != serving.id


def deployments_in(platform: str, listed: Observation | None, whole: Iterable[Observation | None]) -> list[Deployed]:
    """The deployments of a list and of looks at one of them whole, newest first."""
    known = {row.id: row for row in _LISTS_OF[platform](listed)}
    for look in whole:
        if platform == "vercel" and (detail := record_of(look, VercelDeploymentDetail)) is not None:
            known[detail["id"]] = _whole_of_vercel(detail)
        elif platform == "railway" and (page := record_of(look, RailwayDeploymentDetail)) is not None:
            known[page["id"]] = _whole_of_railway(page, known.get(page["id"]))
    return sorted(known.values(), key=lambda row: row.at, reverse=True)


def _listed(row: DeploymentRow) -> Deployed:
    """What every platform's list tells."""
    return Deployed(
        id=row["id"],
        at=row["at"],
        state=row["state"],
        part=row["part"],
        platform=row["platform"],
        commit=row["commit"],
        branch=row["branch"],
        url=row["url"],
        target=row["target"],
        error=row["error"],
        ready_at=row["ready_at"],
    )


def _on_vercel(listed: Observation | None) -> list[Deployed]:
    return [_of_vercel(row) for row in rows_of(listed, VercelDeployment)]


def _of_vercel(row: VercelDeployment) -> Deployed:
    return replace(_listed(row), can_roll_back=row["can_roll_back"], inspect_url=row["inspect_url"])


def _whole_of_vercel(row: VercelDeploymentDetail) -> Deployed:
    return replace(
        _of_vercel(row),
        reason=row["reason"],
        error_code=row["error_code"],
        alias_error=row["alias_error"],
        substate=row["substate"],
        checks_conclusion=row["checks_conclusion"],
        out_of_memory=row["out_of_memory"],
        project=row["project"],
    )


def _on_railway(listed: Observation | None) -> list[Deployed]:
    return [
        replace(_listed(row), can_roll_back=row["can_roll_back"], image=row["image"])
        for row in rows_of(listed, RailwayDeployment)
    ]


def _whole_of_railway(row: RailwayDeploymentDetail, listed: Deployed | None) -> Deployed:
    """Its own page tells no address and not when it was ready: those are the list's."""
    return replace(
        listed or Deployed(row["id"], row["at"], row["state"], row["part"], row["platform"]),
        at=row["at"],
        state=row["state"],
        commit=row["commit"],
        branch=row["branch"],
        image=row["image"],
        can_roll_back=row["can_roll_back"],
        diagnosis=row["diagnosis"],
    )


def _on_fly(listed: Observation | None) -> list[Deployed]:
    return [replace(_listed(row), image=row["image"]) for row in rows_of(listed, FlyRelease)]


_LISTS_OF = {"vercel": _on_vercel, "railway": _on_railway, "fly": _on_fly}
