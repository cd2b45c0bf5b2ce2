"""What the rules of 02 have found so far; the order of explanation is the catalogue's."""

from dataclasses import dataclass, field

from runbook_lib.core.model import Finding, Suspect
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE

_LAST_BEFORE_AN_ANSWER = "webhook.handler_slow"


@dataclass
class Judged:
    """The findings, each list in the order in which they were made."""

    faults: list[Finding] = field(default_factory=list)
    also: list[Finding] = field(default_factory=list)
    states: list[Finding] = field(default_factory=list)
    blind: list[Finding] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)

    @property
    def keeps_events(self) -> bool:
        """Whether a fault is found that stands on an event's way before its 2xx."""
        last = CATALOGUE.place(_LAST_BEFORE_AN_ANSWER)
        return any(CATALOGUE.place(found.code) <= last for found in self.faults)
