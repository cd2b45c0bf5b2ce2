"""Every cause the runbook can name: its code, its kind, what is so, the remedy, and what would have shown it. docs/causes.md is
generated from here.

A narrower sub-code is a third part (`request.db_failed.lock`); its remedy, where it has one, is preferred to the cause's own.
Each procedure's causes stand in its own room. Their order is the order of explanation: what comes first explains what comes later.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runbook_lib.core.model import Finding, Kind, Observation
from runbook_lib.judging.witnesses import Seen, Topics, Witness


@dataclass(frozen=True)
class Cause:
    """One cause code.

    Attributes:
        subcodes: the third part of a narrower code, and what is so in that case.
        shown_by: what would have shown it had it been so: a witness, or the name of a topic of the procedure. None: nobody says.
        not_applicable: why this system cannot have it (a platform that it does not use), from what was seen; empty where it can.
            That a source is not set up is no reason.
        explained_by: codes that explain this one where they are found as well: it is then told under `also`.
        subject_looks: names of the looks that it is about, so that one of them failing is what is so (`gateway.health`).
        questions: what a run must have been asked for this cause to be an answer ("rehearsal"); empty: it always could be.
    """

    code: str
    kind: Kind
    what: str
    remedy: str
    subcodes: Mapping[str, "Sub"] = field(default_factory=dict)
    shown_by: Witness | str | None = None
    not_applicable: Callable[[Seen], str] | None = None
    explained_by: tuple[str, ...] = ()
    subject_looks: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sub:
    """A narrower case of a cause. An empty remedy means the cause's own."""

    what: str
    remedy: str = ""


class Catalogue:
    """The causes of one procedure, by code.

    Args:
        causes: those that it owns: each code belongs to one procedure, where it is drilled and documented.
        also: causes that another procedure owns, and that this one may name as well (a gateway's build fails like web's).
        topics: the evidence that the causes' witnesses name; each procedure has its own, also for causes that it shares.
    """

    def __init__(
        self, procedure: str, *causes: Cause, also: Iterable[Cause] = (), topics: Topics | None = None
    ) -> None:
        self.procedure = procedure
        self.causes = {cause.code: cause for cause in causes}
        self.also = {cause.code: cause for cause in also}
        self.topics = topics or Topics({})
        self._place = {code: place for place, code in enumerate(self._in_order())}

    def find(self, code: str) -> Cause:
        """The cause of a code or sub-code. Raises KeyError for one that is not listed: no rule may name an unknown cause."""
        known = {**self.also, **self.causes}
        if code in known:
            return known[code]
        parent, _, sub = code.rpartition(".")
        cause = known[parent]
        if sub not in cause.subcodes:
            raise KeyError(code)
        return cause

    def all(self) -> list[Cause]:
        """Every cause that it may name, its own first, in the order of explanation."""
        return [*self.causes.values(), *self.also.values()]

    def finding(
        self, code: str, subject: str, summary: str, looks: Iterable[Observation | str | None], remedy: str = ""
    ) -> Finding:
        """A finding of one of its causes: the one way to make one.

        Args:
            looks: what carries it, observations or their ids; repeats and looks that were not made are dropped.
            remedy: where it is narrower than the catalogue's.

        Raises:
            KeyError: the code is not listed.
        """
        made = (each for each in looks if each is not None)
        ids = dict.fromkeys(each if isinstance(each, str) else each.id for each in made)
        return Finding(code, subject, summary, tuple(ids), remedy or self.remedy(code))

    def place(self, code: str) -> int:
        """Where a code stands in the order of explanation. Raises KeyError for one that is not listed."""
        return self._place[code]

    def settle(self, findings: Iterable[Finding]) -> tuple[list[Finding], list[Finding]]:
        """(roots, explained): in the order of explanation, equal places as they came; what another finding explains is no root."""
        ordered = sorted(findings, key=lambda finding: self.place(finding.code))
        found = {finding.code for finding in ordered} | {self.find(finding.code).code for finding in ordered}
        roots: list[Finding] = []
        explained: list[Finding] = []
        for finding in ordered:
            by = set(self.find(finding.code).explained_by)
            (explained if by & found else roots).append(finding)
        return roots, explained

    def _in_order(self) -> Sequence[str]:
        return [
            code for cause in self.all() for code in (cause.code, *(f"{cause.code}.{sub}" for sub in cause.subcodes))
        ]

    def remedy(self, code: str) -> str:
        """What to do about it."""
        cause = self.find(code)
        sub = cause.subcodes.get(code.removeprefix(f"{cause.code}."))
        return (sub.remedy if sub else "") or cause.remedy

    def kind(self, code: str) -> Kind:
        """fault, state, blind or exposure."""
        return self.find(code).kind

    def codes(self) -> list[str]:
        """Every code and sub-code that it owns, the narrower ones after their cause."""
        return [
            code
            for cause in self.causes.values()
            for code in (cause.code, *(f"{cause.code}.{sub}" for sub in cause.subcodes))
        ]
