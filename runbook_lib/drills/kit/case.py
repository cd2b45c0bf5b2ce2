"""A drill's case as data, and the one rule by which its verdict is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.drills.kit.asking import Ask, AskAgain, as_audit
from runbook_lib.drills.kit.fault import Exercise, Step

SandboxKey = tuple[str, tuple[tuple[str, Any], ...]]
KINDS = ("fault", "healthy", "decoy", "double", "blind_spot")


@dataclass(frozen=True)
class Injected:
    """A named fault in one of its variants ("" is the usual one)."""

    code: str
    variant: str = ""


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        id: unique; the kind and what is special about it.
        procedure: the notebook's stem.
        kind: fault, healthy, decoy, double or blind_spot.
        status, codes: what the verdict must say; the first code explains the symptom.
        not_seen: sources that the verdict must name as not seen.
        never: codes that would say more than the evidence carries, though they are narrower than the expected ones.
        faults: injected in this order; the first one's exercise is the user's action.
        before: other injections, before the user acts.
        after: injections after the user acted: what happens to the witnesses.
        exercise: the user's action where it is not the fault's own.
        options: the sandbox's, where they are not the usual ones.
        settings: settings of the runbook that differ from the sandbox's own.
        ask: how on-call asks: the run's parameters, from the sandbox, what the user got, and the moment before the fault;
            by default there are none, as in an audit.
        again: the check after healing: what on-call asks then; the verdict must be ruled_out. None: no such check.
        healed_codes: the states that the verdict after healing must name.
        settle_s: what a person would wait before asking, so that spans and lines have arrived.
        needs: what the machine must have beyond pip's own: stripe-cli (from npm), ipv6-loopback; a case whose needs are not met
            does not run, and says so.
        active: whether looks that leave a mark are allowed; None: as is usual on the sandbox, where they are.
        calm: whether what happened before is made older, and an ordinary hour put in its place.
    """

    id: str
    procedure: str
    kind: str
    status: str
    codes: tuple[str, ...] = ()
    not_seen: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    faults: tuple[Injected, ...] = ()
    before: tuple[Step, ...] = ()
    after: tuple[Step, ...] = ()
    exercise: Exercise | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    ask: Ask = as_audit
    again: AskAgain | None = None
    healed_codes: tuple[str, ...] = ()
    settle_s: float = 1.0
    needs: tuple[str, ...] = ()
    active: bool | None = None
    calm: bool = False

    @property
    def injected(self) -> list[str]:
        """The codes of the faults in it."""
        return [each.code for each in self.faults]

    @property
    def sandbox_key(self) -> SandboxKey:
        """What makes two cases fit the same sandbox: its options, and the procedure, for what one procedure's faults leave in the
        last hour's traces and in the ledgers another one rightly finds."""
        return self.procedure, tuple(sorted(self.options.items()))


@dataclass(frozen=True)
class Got:
    """What a verdict said, as far as a drill compares it."""

    status: str
    codes: tuple[str, ...]
    also: tuple[str, ...] = ()
    not_seen: tuple[str, ...] = ()

    @classmethod
    def of(cls, verdict: Mapping[str, Any]) -> "Got":
        """Read verdict.json: causes for confirmed, states for ruled_out, blind codes for could_not_tell."""
        named = {"confirmed": "causes", "ruled_out": "states", "could_not_tell": "blind"}[verdict["status"]]
        return cls(
            verdict["status"],
            tuple(each["code"] for each in verdict[named]),
            tuple(each["code"] for each in verdict["also"]),
            tuple(dict.fromkeys(each["source"] for each in verdict["not_seen"])),
        )


def is_correct(case: Case, got: Got) -> bool:
    """Whether the verdict is right: its status, its first code (a narrower one counts), the set of its codes.

    What is in `also` neither helps nor harms. A source that the case makes unseen must be named.
    """
    return (
        got.status == case.status
        and (not case.codes or (bool(got.codes) and _fits(got.codes[0], case.codes[0])))
        and all(any(_fits(code, wanted) for wanted in case.codes) for code in got.codes)
        and all(any(_fits(code, wanted) for code in got.codes) for wanted in case.codes)
        and set(case.not_seen) <= set(got.not_seen)
        and not set(case.never) & set(got.codes)
    )


def _fits(code: str, wanted: str) -> bool:
    return code == wanted or code.startswith(f"{wanted}.")


def why_wrong(case: Case, got: Got | None, error: str = "") -> str:
    """In a few words what is wrong with an outcome; empty where nothing is."""
    if error:
        return error
    if got is None:
        return "it brought no verdict"
    if is_correct(case, got):
        return ""
    unnamed = sorted(set(case.not_seen) - set(got.not_seen))
    if got.status == case.status and unnamed:
        return f"does not name {', '.join(unnamed)} as not seen"
    return f"expected {verdict_line(case.status, case.codes)}, got {verdict_line(got.status, got.codes)}"


def verdict_line(status: str, codes: Sequence[str]) -> str:
    """A status with its codes, for a line."""
    return f"{status}: {', '.join(codes)}" if codes else status
