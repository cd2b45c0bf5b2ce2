"""`audits.toml`: which procedures run unattended, on which targets, when, for how long, and what is known and muted.

The file is the team's. What it says is checked whole before anything runs: an unknown key, a procedure that does not exist,
a time that is no cron expression, or a mute without reason is wrong use, with the place and the nearest right word.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json
from runbook_lib.run.audits.cron import Cron

FILE = "audits.toml"
AuditName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,50}$")]
Word = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Mute(_Strict):
    """A finding that is known and is not to make an audit red until a day, with the reason.

    Attributes:
        fingerprint: the finding's, as the verdict and `audit --json` show it.
        until: the last day on which it is muted, UTC.
        target: only there; None means on every target.
    """

    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    until: date
    reason: Word
    target: str | None = None

    def applies(self, fingerprint: str, target: str, today: date) -> bool:
        """Whether it mutes this finding on this target today."""
        return fingerprint == self.fingerprint and self.target in (None, target) and today <= self.until


class Audit(_Strict):
    """One audit of the file.

    Attributes:
        procedures: numbers or names; empty means every one.
        targets: named targets; empty means the one that there is.
        orgs: what procedures with a parameter `org` are run for, one run each; empty: as the procedure's audit form has it.
        parameters: by procedure, its notebook's parameters; what is not named keeps its default.
        when: a cron expression of five fields, in UTC; None: it is not scheduled.
        deadline_s: wall time of each procedure.
        keep_days: how long artifacts and records are kept; None: for good.
        since_last: tell only of what is new or worse than in the last audit of this name.
        doctor: whether `runbook doctor` is part of it.
        active: whether looks that leave a mark are allowed; None: on the sandbox only.
        outputs: where artifacts go, from the file's folder; None: the usual place.
    """

    procedures: list[Word] = Field(default_factory=list)
    targets: list[Word] = Field(default_factory=list)
    orgs: list[Word] = Field(default_factory=list)
    parameters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    when: str | None = None
    deadline_s: Annotated[int, Field(ge=1, le=86_400)] = 600
    keep_days: Annotated[int, Field(ge=1)] | None = None
    since_last: bool = False
    doctor: bool = False
    active: bool | None = None
    outputs: str | None = None


class AuditFile(_Strict):
    """The whole file."""

    audits: dict[AuditName, Audit] = Field(default_factory=dict)
    muted: list[Mute] = Field(default_factory=list)


def read_audit_file(path: Path) -> AuditFile:
    """Read and check the file.

    Raises:
        UsageError: it cannot be read, is no TOML, or says something that cannot be; each problem is named with its place.
    """
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            "There is no audit file", where=str(path), do_next=f"Write one; {FILE} in the repository is an example."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _bad(path, f"{type(error).__name__}: {error}") from error
    try:
        file = AuditFile.model_validate(document)
    except ValidationError as error:
        raise _bad(path, "; ".join(_problem(each) for each in error.errors())) from None
    for name, audit in file.audits.items():
        if audit.when is not None:
            Cron.parse(audit.when, where=f"{path}, audits.{name}.when")
    return file


def find_audit(path: Path, file: AuditFile, name: str) -> Audit:
    """The audit of a name.

    Raises:
        UsageError: no audit has this name; the nearest one is suggested.
    """
    if name in file.audits:
        return file.audits[name]
    near = get_close_matches(name, file.audits, n=1, cutoff=0.5)
    raise UsageError(
        f"There is no audit named {name!r}",
        where=str(path),
        came_back=f"known are {', '.join(file.audits) or 'none'}",
        do_next=f"Did you mean {near[0]}?" if near else "Name procedures, or add it to the file.",
    )


def _problem(error: Mapping[str, Json]) -> str:
    """One problem with its place, and the nearest right key where a key is unknown."""
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{place}: {error['msg']}"
    model = {1: AuditFile, 3: Audit if error["loc"][0] == "audits" else Mute}.get(len(error["loc"]), AuditFile)
    near = get_close_matches(str(error["loc"][-1]), model.model_fields, n=1)
    known = ", ".join(model.model_fields)
    return f"{place}: no such key; " + (f"did you mean {near[0]}?" if near else f"known are {known}")


def _bad(path: Path, problem: str) -> UsageError:
    return UsageError(
        "Cannot use the audit file",
        where=str(path),
        came_back=problem,
        do_next=f"Correct it; {FILE} in the repository is an example.",
    )
