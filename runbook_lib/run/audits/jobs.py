"""What an audit runs: every procedure on every target, for every org where the procedure asks for one. All checked first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json
from runbook_lib.run.audits.file import Audit
from runbook_lib.run.home import Home
from runbook_lib.run.notebooks import Template, find_template, templates
from runbook_lib.run.parameters import declared_parameters
from runbook_lib.run.runner import prepare
from runbook_lib.run.targets import refuse_unconfigured, resolve_target

DOCTOR = "doctor"


@dataclass(frozen=True)
class Job:
    """One run of an audit.

    Attributes:
        procedure: the notebook's stem, or `doctor`.
        target: the target's name.
        org: the org it is for; empty where the procedure's audit form decides.
        parameters: of the notebook; what is not named keeps its default.
        procedures: of a doctor's job, the procedures whose needs are examined.
    """

    procedure: str
    target: str
    org: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    procedures: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two jobs of two audits the same one."""
        return (self.target, self.procedure, self.org)

    @property
    def name(self) -> str:
        """For a line: the procedure, and the org where there is one."""
        return f"{self.procedure} {self.org}".rstrip()


@dataclass(frozen=True)
class Plan:
    """An audit that may begin: its name, what it runs, where its outputs go, and what it was told."""

    name: str
    audit: Audit
    jobs: tuple[Job, ...]
    home: Home

    @property
    def incident(self) -> str:
        """The incident that its artifacts belong to."""
        return f"audit-{self.name}"

    @property
    def folder(self) -> Path:
        """Where the audit's artifacts and records are."""
        return self.home.outputs / self.incident


def plan_audit(name: str, audit: Audit, home: Home, environ: Mapping[str, str] | None = None) -> Plan:
    """Everything that an audit will run, checked: procedures, parameters, targets, secrets.

    Args:
        environ: where targets are read from; None means this process's environment.

    Raises:
        UsageError: something in it cannot be; nothing ran.
    """
    chosen = [find_template(home, each) for each in audit.procedures] or templates(home)
    given = _parameters(audit, home, chosen)
    targets = audit.targets or [resolve_target(home, None, environ).name]
    jobs: list[Job] = []
    for target in dict.fromkeys(targets):
        refuse_unconfigured(home, resolve_target(home, target, environ), environ)
        if audit.doctor:
            jobs.append(Job(DOCTOR, target, procedures=tuple(template.stem for template in chosen)))
        for template in chosen:
            jobs += [_job(template, target, org, given) for org in _orgs(template, audit)]
    for job in jobs:
        if job.procedure != DOCTOR:
            prepare(
                job.procedure, job.parameters, from_text=False, target=job.target, incident="audit", home=home,
                environ=environ,
            )  # fmt: skip
    return Plan(name, audit, tuple(jobs), home)


def _job(template: Template, target: str, org: str, given: Mapping[str, Mapping[str, Json]]) -> Job:
    parameters = {**given.get(template.stem, {}), **({"org": org} if org else {})}
    return Job(template.stem, target, org, parameters)


def _orgs(template: Template, audit: Audit) -> Sequence[str]:
    asks = any(parameter.name == "org" for parameter in declared_parameters(template))
    return list(dict.fromkeys(audit.orgs)) if asks and audit.orgs else [""]


def _parameters(audit: Audit, home: Home, chosen: Sequence[Template]) -> dict[str, Mapping[str, Json]]:
    """Parameters by stem. Raises UsageError for those of a procedure that is no part of the audit."""
    found: dict[str, Mapping[str, Json]] = {}
    for asked, values in audit.parameters.items():
        stem = find_template(home, asked).stem
        if stem not in {template.stem for template in chosen}:
            raise UsageError(
                f"There are parameters for {stem}, which this audit does not run",
                where="parameters",
                do_next="Add it to the audit's procedures, or remove its parameters.",
            )
        found[stem] = values
    return found
