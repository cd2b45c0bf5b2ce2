"""The words everything speaks: Status, Observation, Finding, Suspect, Unseen, Situation, Verdict. Frozen, and without effects."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Generic

from typing_extensions import TypeVar  # Python 3.11's own takes no default

Brought = TypeVar("Brought", default=Any, covariant=True)

Json = Any  # what json.loads returns; a recursive alias would cost every reader more than it tells


class Status(StrEnum):
    """What a look came back with. Only `empty` and `not_found` prove that something is absent."""

    ok = "ok"
    empty = "empty"
    not_found = "not_found"
    partial = "partial"
    too_recent = "too_recent"
    out_of_retention = "out_of_retention"
    denied = "denied"
    rate_limited = "rate_limited"
    unreachable = "unreachable"
    timed_out = "timed_out"
    malformed = "malformed"
    not_configured = "not_configured"
    not_recorded = "not_recorded"

    @property
    def answered(self) -> bool:
        """A complete answer came back, with or without content."""
        return self in (Status.ok, Status.empty, Status.not_found)

    @property
    def proves_absence(self) -> bool:
        """A complete answer that says: there is no such thing."""
        return self in (Status.empty, Status.not_found)

    @property
    def has_content(self) -> bool:
        """There is something to read, though it may not be all."""
        return self in (Status.ok, Status.partial)


class Kind(StrEnum):
    """What a cause code stands for, and so which verdict it can carry (docs/causes.md)."""

    fault = "fault"
    state = "state"
    blind = "blind"
    exposure = "exposure"


class VerdictStatus(StrEnum):
    """The three things a verdict can say."""

    confirmed = "confirmed"
    ruled_out = "ruled_out"
    could_not_tell = "could_not_tell"


@dataclass(frozen=True)
class Answer(Generic[Brought]):
    """What a look's fetch returns: a status, a JSON-safe value, and the source's own words where there is trouble.

    `Brought` is the value's record (core/records). None: nothing came.
    """

    status: Status
    value: Brought | None = None
    why: str = ""
    help: str = ""  # what would help: a permission, a setting, a wait

    @staticmethod
    def of(value: Brought) -> "Answer[Brought]":  # type: ignore[misc] # covariant: it is only handed on
        """ok where there is content, empty where the value is an empty list, dict, text or None."""
        return Answer(Status.ok if value or value in (0, False) else Status.empty, value)


@dataclass(frozen=True)
class Observation:
    """One look at one thing, as it is recorded: redacted, and once through JSON."""

    id: str
    source: str
    call: str
    arguments: Mapping[str, Json]
    nth: int
    status: Status
    value: Json
    why: str
    help: str
    at: str
    elapsed_ms: float

    def as_dict(self) -> dict[str, Json]:
        """The record's form, one line of observations.jsonl."""
        return {**self.__dict__, "arguments": dict(self.arguments), "status": str(self.status)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Json]) -> "Observation":
        """Read a line of observations.jsonl. Raises KeyError or ValueError where it is none."""
        return cls(**{**data, "status": Status(data["status"])})


def canonical_json(value: Json) -> bytes:
    """One spelling for one value: sorted keys, no spaces, UTF-8. What hashes are taken over."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()


def observation_key(call: str, arguments: Mapping[str, Json], nth: int) -> str:
    """The identity of a look in a record: name, arguments, and the how-manieth time; threads do not matter."""
    return hashlib.sha256(canonical_json([call, dict(arguments), nth])).hexdigest()


def observation_id(source: str, call: str, key: str) -> str:
    """A short id for reading and citing, the same in every replay."""
    return f"{source}.{call}-{key[:8]}"


def fingerprint(procedure: str, code: str, subject: str) -> str:
    """Stable across runs: procedure, code, subject; no time, no id of the run."""
    return hashlib.sha256(canonical_json([procedure, code, subject])).hexdigest()[:16]


@dataclass(frozen=True)
class Finding:
    """One thing that is so: a cause code, the very object it is about, one sentence, what carries it, what to do."""

    code: str
    subject: str
    summary: str
    evidence: tuple[str, ...] = ()
    remedy: str | None = None

    def as_dict(self, procedure: str) -> dict[str, Json]:
        """The verdict's form, with the fingerprint."""
        return {
            "code": self.code,
            "subject": self.subject,
            "summary": self.summary,
            "evidence": sorted(set(self.evidence)),
            "remedy": self.remedy,
            "fingerprint": fingerprint(procedure, self.code, self.subject),
        }


@dataclass(frozen=True)
class Suspect:
    """A cause the evidence allows but does not carry, and the look that would decide it: what, by whom, with which permission."""

    code: str
    subject: str
    why: str
    deciding_look: str


class CoverageState(StrEnum):
    """What a run came to about one cause. Only `found` and `excluded` rest on looks; `not_examined` never becomes `ruled_out`."""

    found = "found"
    excluded = "excluded"
    not_applicable = "not_applicable"
    not_examined = "not_examined"


@dataclass(frozen=True)
class Covered:
    """What came of one cause of the procedure: by which looks (their ids), and why where it was not examined or cannot be."""

    code: str
    state: CoverageState
    by: tuple[str, ...] = ()
    why: str = ""

    def as_dict(self) -> dict[str, Json]:
        """The verdict's form."""
        return {"code": self.code, "state": str(self.state), "by": sorted(set(self.by)), "why": self.why}


@dataclass(frozen=True)
class Unseen:
    """A look that proves nothing: where, its status, the source's words, and what would help."""

    source: str
    call: str
    status: str
    why: str
    what_would_help: str


@dataclass(frozen=True)
class Change:
    """Something that changed before the trouble: a deployment, a variable, a migration, a vendor's incident."""

    at: str
    what: str
    where: str


@dataclass(frozen=True)
class Situation:
    """The first minute's questions. None where it could not be told."""

    ongoing: bool | None = None
    onset: str | None = None
    last_seen: str | None = None
    requests_failed: int | None = None
    orgs_affected: int | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Conclusion:
    """What diagnosis says, before anything about the run is added. Pure: the same observations give the same conclusion."""

    status: VerdictStatus
    causes: tuple[Finding, ...] = ()
    also: tuple[Finding, ...] = ()
    states: tuple[Finding, ...] = ()
    blind: tuple[Finding, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    not_seen: tuple[Unseen, ...] = ()
    coverage: tuple[Covered, ...] = ()
    situation: Situation = field(default_factory=Situation)
    facts: Mapping[str, Json] = field(default_factory=dict)  # for displays: tree, attempts, deployments, links

    def judged(self, procedure: str) -> dict[str, Json]:
        """The part of the verdict that is hashed: what was said, free of times."""
        return {
            "status": str(self.status),
            "causes": [finding.as_dict(procedure) for finding in self.causes],
            "also": [finding.as_dict(procedure) for finding in self.also],
            "states": [finding.as_dict(procedure) for finding in self.states],
            "blind": [finding.as_dict(procedure) for finding in self.blind],
            "suspects": [asdict(suspect) for suspect in self.suspects],
            "coverage": [each.as_dict() for each in self.coverage],
            "not_seen": [asdict(unseen) for unseen in self.not_seen],
        }


def verdict_sha256(judged: Mapping[str, Json]) -> str:
    """The hash that a replay must reach again: over status, causes, also, states, blind, suspects, coverage and not_seen.

    A verdict of schema 1 has no coverage; its hash is over the rest.
    """
    keys = ("status", "causes", "also", "states", "blind", "suspects", "coverage", "not_seen")
    return hashlib.sha256(canonical_json({key: judged[key] for key in keys if key in judged})).hexdigest()


@dataclass(frozen=True)
class Verdict:
    """The conclusion with everything about the run that reached it: what verdict.json holds (schema 2)."""

    procedure: str
    incident: str
    run: str
    target: str
    parameters: Mapping[str, Json]
    window: Mapping[str, str]
    conclusion: Conclusion
    looked_at: tuple[Mapping[str, Json], ...]
    first_evidence_s: float | None
    verdict_s: float
    started_at: str
    runbook_version: str
    library_sha256: str

    @property
    def status(self) -> VerdictStatus:
        """confirmed, ruled_out or could_not_tell."""
        return self.conclusion.status

    def as_dict(self) -> dict[str, Json]:
        """verdict.json."""
        judged = self.conclusion.judged(self.procedure)
        situation = asdict(self.conclusion.situation)
        situation["changes"] = list(situation["changes"])
        return {
            "schema": 2,
            "procedure": self.procedure,
            "incident": self.incident,
            "run": self.run,
            "target": self.target,
            "parameters": dict(self.parameters),
            "window": dict(self.window),
            **judged,
            "looked_at": [dict(look) for look in self.looked_at],
            "situation": situation,
            "first_evidence_s": self.first_evidence_s,
            "verdict_s": self.verdict_s,
            "started_at": self.started_at,
            "runbook_version": self.runbook_version,
            "library_sha256": self.library_sha256,
            "verdict_sha256": verdict_sha256(judged),
        }
