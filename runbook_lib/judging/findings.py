"""What the rules of a procedure find, gathered until the verdict is concluded."""

from dataclasses import dataclass, field

from runbook_lib.core.model import Finding, Suspect
from runbook_lib.judging.causes import Catalogue


@dataclass
class Findings:
    """What was found so far, each list in the order in which it was found; the order of explanation is the catalogue's.

    Attributes:
        faults, also, states, blind, suspects: as a conclusion has them; suspects are what the evidence allows and does not carry.
        notes: sentences that are worth saying and are no finding, for displays.
    """

    faults: list[Finding] = field(default_factory=list)
    also: list[Finding] = field(default_factory=list)
    states: list[Finding] = field(default_factory=list)
    blind: list[Finding] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        """Take in what another rule found."""
        self.faults += other.faults
        self.also += other.also
        self.states += other.states
        self.blind += other.blind
        self.suspects += other.suspects
        self.notes += other.notes

    def settled(self, catalogue: Catalogue) -> "Findings":
        """The same with what other findings explain put under `also`, and the faults in the order in which they explain."""
        roots, explained = catalogue.settle(self.faults)
        return Findings(roots, [*self.also, *explained], self.states, self.blind, self.suspects, self.notes)
