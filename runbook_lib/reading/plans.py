"""What 01 and 05 both know of plans: which statuses keep an organization out, what a limit is, when it is used up."""

from collections.abc import Sequence
from typing import Literal

from runbook_lib.core.records.usage import PlanLimit, UsedUnits

Unit = Literal["tokens", "requests"]
UNITS: tuple[Unit, ...] = ("tokens", "requests")
UNLIMITED = PlanLimit(tokens=None, requests=None)
UNUSED = UsedUnits(tokens=0, requests=0)
# what a status means for an organization that asks; those not listed let it in
BLOCKING = {
    "past_due": "past_due",
    "unpaid": "unpaid",
    "canceled": "canceled",
    "incomplete": "incomplete",
    "incomplete_expired": "incomplete.expired",
    "paused": "paused",
}
ENDED = ("canceled", "incomplete_expired")


def units_used_up(used: UsedUnits, limit: PlanLimit) -> list[Unit]:
    """The units in which a limit is reached; a limit of None is none."""
    return [unit for unit in UNITS if (most := limit[unit]) is not None and used[unit] >= most]


def usage_in_words(used: UsedUnits, limit: PlanLimit, units: Sequence[Unit] = UNITS) -> str:
    """`81,200 of 100,000 tokens, 301 of 1,000 requests`."""
    return ", ".join(f"{used[unit]:,} of {most:,} {unit}" for unit in units if (most := limit[unit]) is not None)
