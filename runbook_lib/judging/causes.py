"""Every cause the runbook can name: its code, its kind, what is so, and the remedy. docs/causes.md is generated from here.

A narrower sub-code is a third part (`request.db_failed.lock`); its remedy, where it has one, is preferred to the cause's own.
Each procedure's causes stand in a module of their own, beside its rules.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runbook_lib.core.model import Kind


@dataclass(frozen=True)
class Cause:
    """One cause code. `subcodes` maps the third part to what is so in that narrower case."""

    code: str
    kind: Kind
    what: str
    remedy: str
    subcodes: Mapping[str, "Sub"] = field(default_factory=dict)


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
    """

    def __init__(self, procedure: str, *causes: Cause, also: Iterable[Cause] = ()) -> None:
        self.procedure = procedure
        self.causes = {cause.code: cause for cause in causes}
        self.also = {cause.code: cause for cause in also}

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
