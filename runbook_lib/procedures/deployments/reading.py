"""One part on one platform, read: which deployment is judged, which serves, which would be gone back to."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.deployments import RailwayService, VercelProject
from runbook_lib.core.records.machines import MachineState
from runbook_lib.core.records.parts import PartAnswer
from runbook_lib.core.records.variables import FlySecretName, RailwayVariableName, VercelVariableName
from runbook_lib.judging.answers import record_of, rows_of
from runbook_lib.procedures.deployments.deployed import Deployed, deployments_in

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


def answer_in_words(probe: Observation) -> str:
    """The HTTP status with which a part answered, or why the look has none."""
    answer = record_of(probe, PartAnswer)
    return str(probe.status if answer is None else answer["status_code"])


def is_whole(look: Observation | None) -> bool:
    """Whether a look was made and answered completely, so that what it does not hold is not there."""
    return look is not None and look.status.answered


@dataclass(frozen=True)
class SetVariable:
    """A variable that is set. `targets`: the environments that get it, of one `branch` alone where there is one; None: all."""

    name: str
    updated_at: str | None = None
    targets: tuple[str, ...] | None = None
    branch: str | None = None


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
    rows: tuple[Deployed, ...]
    judged: Deployed | None
    serving: Deployed | None
    back: Deployed | None
    skipped: tuple[Deployed, ...] = ()

    @property
    def vercel_project(self) -> VercelProject | None:
        """How it is set up on Vercel; None where that was not seen, and elsewhere."""
        return record_of(self.site.project, VercelProject) if self.site.platform == "vercel" else None

    @property
    def railway_service(self) -> RailwayService | None:
        """How it is set up on Railway; None where that was not seen, and elsewhere."""
        return record_of(self.site.project, RailwayService) if self.site.platform == "railway" else None

    @property
    def machines(self) -> list[MachineState]:
        """Its machines on Fly.io; none elsewhere."""
        return rows_of(self.site.project, MachineState) if self.site.platform == "fly" else []

    @property
    def project(self) -> VercelProject | RailwayService | None:
        """How it is set up; None where that was not seen, and on Fly, which shows machines."""
        return self.vercel_project or self.railway_service

    @property
    def repository(self) -> str | None:
        """The repository that it is built from, where that was seen; else the one that the team named is asked."""
        return (self.project["repository"] if self.project else None) or None

    @property
    def is_of_images(self) -> bool:
        """Whether what is deployed is a ready image, of which the platform tells no commit."""
        service = self.railway_service
        return self.site.platform == "fly" or (service is not None and bool(service["image"]))

    @property
    def variables(self) -> list[SetVariable]:
        """The variables that are set; on Fly the secrets, and in the open what the machines' configuration holds."""
        if self.site.platform == "vercel":
            return [
                SetVariable(row["name"], row["updated_at"], tuple(row["targets"]), row["branch"])
                for row in rows_of(self.site.variables, VercelVariableName)
            ]
        if self.site.platform == "railway":
            named = rows_of(self.site.variables, RailwayVariableName)
            return [SetVariable(row["name"], row["updated_at"]) for row in named]
        secrets = rows_of(self.site.variables, FlySecretName)
        names = {name for machine in self.machines for name in machine["env"]}
        return [
            *(SetVariable(row["name"], row["updated_at"]) for row in secrets),
            *(SetVariable(name) for name in sorted(names)),
        ]

    @property
    def variable_looks(self) -> list[Observation | None]:
        """The looks that tell of variables."""
        return [self.site.variables, self.site.project] if self.site.platform == "fly" else [self.site.variables]

    @property
    def has_all_variables(self) -> bool:
        """Whether a variable that is not among them is not set: every look was read whole, and no machine hides its own."""
        hidden = any(not machine["config_complete"] for machine in self.machines)
        return all(is_whole(look) for look in self.variable_looks) and not hidden

    @property
    def branch(self) -> str:
        """The branch that the target is made of."""
        if self.site.target != "production":
            return (self.judged.branch if self.judged else None) or ""
        of_project = self.vercel_project["branch"] if self.vercel_project else None
        return of_project or (self.serving.branch if self.serving else None) or "main"

    @property
    def patience(self) -> timedelta:
        """How long a deployment may take: three times the longest of the recent ones, ten minutes at least."""
        took = [
            from_iso(row.ready_at) - from_iso(row.at)
            for row in self.rows
            if row.ready_at and row.word in ("ready", "superseded")
        ]
        return max([SHORTEST_PATIENCE, *(3 * each for each in took if each < timedelta(hours=1))])

    def age(self, row: Deployed, now: datetime) -> timedelta:
        """How long ago a deployment was made."""
        return now - from_iso(row.at)


def read(site: Site) -> Reading:
    """Tell the deployments of a site apart."""
    rows = deployments_in(site.platform, site.deployments, (site.detail, site.served))
    mine = [row for row in rows if _is_of(row, site) and not row.is_skipped]
    judged = next((row for row in rows if site.asked and site.asked in (row.id, row.url)), None)
    if judged is None and not site.asked:
        judged = mine[0] if mine else None
    skipped = tuple(row for row in rows if _is_of(row, site) and row.is_skipped)
    reading = Reading(site, tuple(mine), judged, None, None, skipped)
    serving = judged if site.target != "production" else _serving(reading, rows)
    return replace(reading, serving=serving, back=_back(mine, serving))


def _is_of(row: Deployed, site: Site) -> bool:
    return site.platform != "vercel" or (row.target or "preview") == site.target


def _serving(reading: Reading, rows: list[Deployed]) -> Deployed | None:
    """The deployment that serves production: as the platform says, else the newest good one."""
    named: list[str] = []
    if reading.site.platform == "vercel":
        project = reading.vercel_project  # which one serves is the project's to say: the newest good one is a guess
        if project is None or not project["serving"]:
            return None
        named = [project["serving"]]
    elif reading.railway_service is not None:
        named = [each["id"] for each in reading.railway_service["serving"]]
    if named:
        return next((row for row in rows if row.id in named), None)
    return next((row for row in reading.rows if row.word in ("ready", "crashed")), None)


def _back(mine: list[Deployed], serving: Deployed | None) -> Deployed | None:
    """The newest deployment before the serving one that was good and is of another commit."""
    if serving is None:
        return None
    for row in mine:
        is_good = row.at < serving.at and row.word in ("ready", "superseded")
        if is_good and row.is_other_than(serving) and row.can_be_gone_back_to:
            return row
    return None
