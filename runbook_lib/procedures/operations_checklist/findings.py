"""A finding of 00, and the row of the table in which it stands."""

from collections.abc import Iterable
from dataclasses import dataclass

from runbook_lib.core.model import Finding, Observation
from runbook_lib.procedures.operations_checklist.causes import CATALOGUE


@dataclass(frozen=True)
class Found:
    """A finding with the part in whose row it stands; an empty part stands in all of them."""

    part: str
    finding: Finding

    @property
    def code(self) -> str:
        """The finding's code."""
        return self.finding.code

    @property
    def cause(self) -> str:
        """The code of its cause, without what is narrower."""
        return CATALOGUE.find(self.finding.code).code


def report_finding(
    part: str, code: str, subject: str, summary: str, looks: Iterable[Observation | None], how: str = ""
) -> Found:
    """A finding of the catalogue; `how` says for this very case what to do, and is put before the catalogue's remedy."""
    remedy = f"{how} {CATALOGUE.remedy(code)}" if how else ""
    return Found(part, CATALOGUE.finding(code, subject, summary, looks, remedy))
