"""The case that each fault of a procedure makes: its id, its codes, and which of its variants are run."""

from collections.abc import Sequence
from typing import Any

from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.case import Case, Injected


def case_of_fault(procedure: str, prefix: Sequence[str], code: str, variant: str = "", **fields: Any) -> Case:
    """A fault in one variant, confirmed under its own code unless `fields` say otherwise.

    Args:
        prefix: the words before the code in the case's id; empty ones are left out.
    """
    words = (*prefix, code, "" if is_usual(code, variant) else variant)
    given: dict[str, Any] = {
        "id": "/".join(filter(None, words)),
        "procedure": procedure,
        "kind": "fault",
        "status": "confirmed",
        "codes": (code,),
        "faults": (Injected(code, variant),),
    }
    return Case(**{**given, **fields})


def is_usual(code: str, variant: str) -> bool:
    """Whether a variant is the one that goes without saying: the fault's first."""
    return variant in ("", next(iter(faults.find(code).variants)))


def codes_of(*families: str) -> list[str]:
    """The codes of faults whose first part is one of these, in the order in which they are listed."""
    return [code for code in faults.codes() if code.partition(".")[0] in families]


def narrower(code: str) -> list[str]:
    """The codes of faults that are narrower cases of this one."""
    return [other for other in faults.codes() if other.startswith(f"{code}.")]
