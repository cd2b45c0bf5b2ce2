"""What Stripe holds of reported usage: by meters, and by the usage records that came before them."""

from collections.abc import Mapping

from typing_extensions import TypedDict


class Meter(TypedDict):
    """A billing meter. `status`: active or inactive. `formula`: how its events are added up."""

    id: str
    event_name: str
    name: str | None
    status: str
    formula: str | None
    deactivated_at: str | None


MeterHour = tuple[int, float]  # start in epoch s, quantity; a short row, for there are many


ReportedTotals = dict[
    str, float | None
]  # by customer (a meter's) or by item (usage records'); None: Stripe knows it not


class UsageRecordTotal(TypedDict):
    """What usage records of an item add up to in one period. `invoice`: None for the open period; so is its `until`."""

    total: int
    invoice: str | None
    since: str | None
    until: str | None


class DroppedEvents(TypedDict):
    """A report of meter events that were accepted and dropped later. `codes`: how many for which reason.

    `since`, `until`: the time that was validated. `examples`: identifiers of some events.
    """

    at: str | None
    since: str | None
    until: str | None
    count: int
    codes: Mapping[str, int]
    examples: list[str]
