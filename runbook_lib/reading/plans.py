"""What 01 and 05 both know of plans: which statuses keep an organization out, what a limit is, when it is used up."""

from collections.abc import Mapping
from typing import Any

UNITS = ("tokens", "requests")
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


def units_used_up(used: Mapping[str, Any], limit: Mapping[str, Any]) -> list[str]:
    """The units in which a limit is reached; a limit of None is none."""
    return [unit for unit in UNITS if limit.get(unit) is not None and (used.get(unit) or 0) >= limit[unit]]


def usage_in_words(
    used: Mapping[str, Any], limit: Mapping[str, Any], units: tuple[str, ...] | list[str] = UNITS
) -> str:
    """`81,200 of 100,000 tokens, 301 of 1,000 requests`."""
    return ", ".join(
        f"{used.get(unit) or 0:,} of {limit[unit]:,} {unit}" for unit in units if limit.get(unit) is not None
    )
