"""One part on one platform, read: which deployment is judged, which serves, which would be gone back to; in one set of words.

The platforms' states become: building, ready, failed, crashed, canceled, blocked, skipped, superseded (it served once).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.judging.answers import object_of

Row = Mapping[str, Any]

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
SHORTEST_PATIENCE = timedelta(minutes=10)
NAMES = {"vercel": "Vercel", "railway": "Railway", "fly": "Fly.io"}


@dataclass(frozen=True)
class Site:
    """Everything that was seen of one part on one platform; None or empty where it was not looked at.

    Attributes:
        project: how it is set up (vercel.project, railway.service, fly.machines).
        deployments: those of the target, newest first. previews: those of pull requests.
        detail: the judged deployment whole. served: the one that serves, where it is another.
        after, before: requests since the deployment (of the last hour where it is old), and of the time before it.
        traces: whole traces of requests that failed since. schema: what the database has of what was missed.
    """

    part: str
    platform: str
    target: str = "production"
    asked: str = ""  # the deployment that was asked for, by id or address
    commit: str = ""  # the commit that should be live, where somebody said so
    project: Observation | None = None
    variables: Observation | None = None
    deployments: Observation | None = None
    detail: Observation | None = None
    served: Observation | None = None
    build_log: Observation | None = None
    compare: Observation | None = None
    checks: Observation | None = None
    pulls: Observation | None = None
    previews: Observation | None = None
    probe: Observation | None = None
    after: tuple[Observation, ...] = ()
    before: tuple[Observation, ...] = ()
    traces: tuple[Observation, ...] = ()
    schema: tuple[Observation, ...] = ()

    def looks(self) -> Iterator[Observation]:
        """Every observation, in the order in which a person would look."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Observation):
                yield value
            elif isinstance(value, tuple):
                yield from value

    def seen(self, **looks: Any) -> "Site":
        """The same with these looks, by the names of its fields."""
        return replace(self, **looks)

    @property
    def name(self) -> str:
        """`api on Vercel`."""
        return f"{self.part} on {NAMES[self.platform]}"

    @property
    def is_configured(self) -> bool:
        """Whether the runbook knows this part on this platform: something other than not_configured came back."""
        looked = [look for look in (self.project, self.deployments, self.variables) if look is not None]
        return any(look.status not in (Status.not_configured, Status.not_recorded) for look in looked)


def word(row: Row | None) -> str:
    """A deployment's state in our words; "" without a deployment, "unknown" for a state that nobody knows."""
    return _WORDS.get(str(row["state"]).upper(), "unknown") if row else ""


def content(look: Observation | None) -> Any:
    """What a look brought; None where it brought nothing to read."""
    return look.value if look is not None and look.status.has_content else None


def rows_in(look: Observation | None) -> list[Row]:
    """The rows that a look brought, all of them or some; empty where it brought none."""
    held = content(look)
    return [row for row in held if isinstance(row, dict)] if isinstance(held, list) else []


def is_whole(look: Observation | None) -> bool:
    """Whether a look was made and answered completely, so that what it does not hold is not there."""
    return look is not None and look.status.answered


@dataclass(frozen=True)
class Reading:
    """The deployments of a site, told apart.

    Attributes:
        rows: those of the target, newest first, without the ones that were skipped on purpose.
        judged: the one that was asked for, else the newest.
        serving: the one that production's requests get; of a preview, the judged one.
        back: the one to go back to: the newest good one before the serving one, of another commit.
        skipped: those that were left out on purpose.
    """

    site: Site
    rows: tuple[Row, ...]
    judged: Row | None
    serving: Row | None
    back: Row | None
    skipped: tuple[Row, ...] = ()

    @property
    def project(self) -> Row:
        """How it is set up; empty where that was not seen, and on Fly, which shows machines."""
        return object_of(self.site.project)

    @property
    def repository(self) -> str | None:
        """The repository that it is built from, where that was seen; else the one that the team named is asked."""
        return str(self.project.get("repository") or "") or None

    @property
    def is_of_images(self) -> bool:
        """Whether what is deployed is a ready image, of which the platform tells no commit."""
        return self.site.platform == "fly" or bool(self.project.get("image"))

    @property
    def variables(self) -> list[Row]:
        """The variables that are set; on Fly the secrets, and in the open what the machines' configuration holds."""
        rows = rows_in(self.site.variables)
        if self.site.platform != "fly":
            return rows
        names = {str(name) for machine in rows_in(self.site.project) for name in machine.get("env") or ()}
        return [*rows, *({"name": name, "updated_at": None, "targets": None} for name in sorted(names))]

    @property
    def variable_looks(self) -> list[Observation | None]:
        """The looks that tell of variables."""
        return [self.site.variables, self.site.project] if self.site.platform == "fly" else [self.site.variables]

    @property
    def has_all_variables(self) -> bool:
        """Whether a variable that is not among them is not set: every look was read whole, and no machine hides its own."""
        hidden = self.site.platform == "fly" and any(
            not machine.get("config_complete") for machine in rows_in(self.site.project)
        )
        return all(is_whole(look) for look in self.variable_looks) and not hidden

    @property
    def branch(self) -> str:
        """The branch that the target is made of."""
        if self.site.target != "production":
            return str((self.judged or {}).get("branch") or "")
        return str(self.project.get("branch") or (self.serving or {}).get("branch") or "main")

    @property
    def patience(self) -> timedelta:
        """How long a deployment may take: three times the longest of the recent ones, ten minutes at least."""
        took = [
            from_iso(str(row["ready_at"])) - from_iso(str(row["at"]))
            for row in self.rows
            if row.get("ready_at") and row.get("at") and word(row) in ("ready", "superseded")
        ]
        return max([SHORTEST_PATIENCE, *(3 * each for each in took if each < timedelta(hours=1))])

    def age(self, row: Row, now: datetime) -> timedelta:
        """How long ago a deployment was made."""
        return now - from_iso(str(row["at"]))


def read(site: Site) -> Reading:
    """Tell the deployments of a site apart."""
    listed = rows_in(site.deployments)
    extra = [row for look in (site.detail, site.served) if (row := object_of(look)) and row.get("id")]
    known = {str(row["id"]): {**row} for row in listed}
    for row in extra:
        known[str(row["id"])] = {**known.get(str(row["id"]), {}), **row}
    rows = sorted(known.values(), key=lambda row: str(row.get("at")), reverse=True)
    mine = [row for row in rows if _is_of(row, site) and not _is_skipped(row)]
    judged = next((row for row in rows if site.asked and site.asked in (row["id"], row.get("url"))), None)
    if judged is None and not site.asked:
        judged = mine[0] if mine else None
    serving = judged if site.target != "production" else _serving(site, rows, mine)
    skipped = tuple(row for row in rows if _is_of(row, site) and _is_skipped(row))
    return Reading(site, tuple(mine), judged, serving, _back(mine, serving), skipped)


def _is_of(row: Row, site: Site) -> bool:
    if site.platform != "vercel":
        return True
    return (row.get("target") or "preview") == site.target


def _is_skipped(row: Row) -> bool:
    """Whether it was left out on purpose: an ignored build step, or nothing of the part was touched."""
    said = f"{row.get('reason') or ''} {row.get('error') or ''}".lower()
    return word(row) == "skipped" or (word(row) == "canceled" and ("ignored build step" in said or "skipp" in said))


def _serving(site: Site, rows: list[dict[str, Any]], mine: list[dict[str, Any]]) -> Row | None:
    """The deployment that serves production: as the platform says, else the newest good one."""
    project = content(site.project)
    if site.platform == "vercel" and not isinstance(project, dict):
        return None  # which one serves is the project's to say: the newest good one is a guess
    named: list[str] = []
    if isinstance(project, dict):
        if site.platform == "vercel":
            named = [str(project["serving"])] if project.get("serving") else []
            if not named:
                return None
        elif site.platform == "railway":
            named = [str(each["id"]) for each in project.get("serving") or ()]
    if named:
        return next((row for row in rows if row["id"] in named), None)
    return next((row for row in mine if word(row) in ("ready", "crashed")), None)


def _back(mine: list[dict[str, Any]], serving: Row | None) -> Row | None:
    """The newest deployment before the serving one that was good and is of another commit."""
    if serving is None:
        return None
    for row in mine:
        is_older = str(row.get("at")) < str(serving.get("at"))
        if is_older and word(row) in ("ready", "superseded") and _is_other(row, serving) and _may_go_back(row):
            return row
    return None


def _is_other(row: Row, serving: Row) -> bool:
    for name in ("commit", "image"):
        if row.get(name) and serving.get(name):
            return bool(row[name] != serving[name])
    return bool(row["id"] != serving["id"])


def _may_go_back(row: Row) -> bool:
    """Whether the platform takes it: Vercel and Railway say so of each; Fly takes any image it still has."""
    return bool(row.get("can_roll_back", True)) if row.get("platform") != "fly" else bool(row.get("image"))
