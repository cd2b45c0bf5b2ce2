"""What procedure 08 has seen, and what recovery must achieve: from the run's parameters, the team's file, or what is usual."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Json, Observation, Status
from runbook_lib.core.records.backups import RecoveryObjectives
from runbook_lib.judging.answers import whole_record
from runbook_lib.judging.evidence import Filed

DAY_S = 86_400.0
USUAL: dict[str, float | None] = {"rpo": DAY_S, "rto": 4 * 3600.0, "rehearsed": 90 * DAY_S, "pitr_window": None}
_SECONDS: Mapping[str, Callable[[RecoveryObjectives], float | None]] = {
    "rpo": lambda wanted: wanted["rpo_s"],
    "rto": lambda wanted: wanted["rto_s"],
    "rehearsed": lambda wanted: wanted["rehearsed_s"],
    "pitr_window": lambda wanted: wanted["pitr_window_s"],
}
PARAMETER, FILE, DEFAULT, UNKNOWN = "a parameter of this run", "the team's file", "no file: what is usual", "unknown"


@dataclass(frozen=True)
class Aim:
    """One objective in seconds and where it comes from. None: none is asked for, or (from UNKNOWN) it could not be read."""

    seconds: float | None
    origin: str


@dataclass(frozen=True)
class Evidence(Filed):
    """Everything that 08 looked at; None where it did not look.

    `given` holds the objectives that are parameters of the run, in seconds; `asked` what it is to do besides looking.
    """

    now: datetime
    given: dict[str, float] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    not_used: Observation | None = None
    objectives: Observation | None = None
    rehearsals: Observation | None = None
    backups: Observation | None = None
    schedule: Observation | None = None
    files: Observation | None = None
    migrations: Observation | None = None
    drift: Observation | None = None
    drill: Observation | None = None
    noted: Observation | None = None
    copies: Observation | None = None
    recovery: Observation | None = None

    def aim(self, name: str) -> Aim:
        """rpo, rto, rehearsed or pitr_window."""
        if name in self.given:
            return Aim(self.given[name], PARAMETER)
        look, wanted = self.objectives, whole_record(self.objectives, RecoveryObjectives)
        if wanted is not None:
            seconds = _SECONDS[name](wanted)
            if seconds is not None:
                return Aim(seconds, f"{FILE} {wanted['file']}")
            return Aim(USUAL[name], DEFAULT.replace("no file", f"{wanted['file']} does not say"))
        if look is None or look.status in (Status.not_found, Status.not_configured):
            return Aim(USUAL[name], DEFAULT)
        return Aim(None, UNKNOWN)


def age_s(evidence: Evidence, at: str) -> float:
    """Seconds from a moment to the run's own."""
    return (evidence.now - from_iso(at)).total_seconds()


def span(seconds: float) -> str:
    """A length of time for a sentence: `26 h`, `4 min`, `3 days`."""
    size = abs(seconds)
    for least, unit_s, unit in ((2 * DAY_S, DAY_S, "days"), (7200, 3600, "h"), (120, 60, "min")):
        if size >= least:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def first_few(names: Iterable[Json], most: int = 5) -> str:
    """Names for a sentence, the first few of many."""
    every = [str(name) for name in names]
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")
