"""What organizations used, by NexusCore's own records, and what their plans allow."""

from typing_extensions import TypedDict

# start in epoch s, provider, model, tokens, requests, records, records without tokens; a short row, for there are many
UsageHour = tuple[int, str | None, str | None, int, int, int, int]


class LimitCrossing(TypedDict):
    """When a limit was reached, to the millisecond, and what was recorded later; the last two are None where nothing was."""

    at: str | None
    records_after: int
    tokens_after: int
    first_after_at: str | None
    last_after_at: str | None


class UsedUnits(TypedDict):
    """How much was used of what a plan limits."""

    tokens: int
    requests: int


class PeriodUsage(UsedUnits):
    """What an organization used in its period. `without_tokens`: how many of its records hold none.

    `settled_tokens`: from the full hour from which Stripe's ledger counts, up to what must have been reported. `recent_tokens`: of
    the newest part of the period. `last_at`: of its newest record.
    """

    records: int
    without_tokens: int
    settled_tokens: int
    recent_tokens: int
    last_at: str | None


UsageByOrganization = dict[str, PeriodUsage]  # by id; one that used nothing is left out


class UsageRecordCount(TypedDict):
    """How many usage records there are of a window, and of how many organizations."""

    records: int
    orgs: int


class PlanLimit(TypedDict):
    """What a plan allows in a billing period; None: no limit."""

    tokens: int | None
    requests: int | None


PlanLimits = dict[str, PlanLimit]  # by the plan's name
