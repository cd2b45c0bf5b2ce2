"""Who spent it and when it will be used up: shares by model, the pace of the last days, a forecast, a spike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from runbook_lib.core.clock import to_iso
from runbook_lib.procedures.quota_enforcement.account import Account, Group
from runbook_lib.reading.periods import DAY_S, iso_hour
from runbook_lib.reading.plans import UNITS

_PACE_DAYS = 7
_BASELINE_DAYS = 7  # fewer whole days before say nothing
_TIMES_USUAL, _TIMES_HIGHEST = 4.0, 2.0
_LEAST_SHARE = 0.1  # of the plan's limit in one day; what is less harms nobody


@dataclass(frozen=True)
class Spike:
    """The last day against the days before: tokens, what is usual, since when, and which model brought most of the rise."""

    tokens: int
    usual: float
    highest: int
    since: int
    provider: str
    model: str
    share: float


def spike_of(account: Account) -> Spike | None:
    """Whether the last 24 hours are far above every day before: four times the usual, twice the highest, and a tenth of the limit.

    None where not, where no limit is known, and where fewer than seven whole days lie before.
    """
    if account.limit is None:
        return None  # how much of the limit a day took is part of it
    now = account.evidence.now.timestamp()
    days = _days_before(account.groups, now)
    if len(days) <= _BASELINE_DAYS:
        return None
    recent, *before = days
    usual, highest = median(before), max(before)
    limit = account.limit["tokens"]
    floor = limit * _LEAST_SHARE if limit else 0
    if recent < max(_TIMES_USUAL * usual, _TIMES_HIGHEST * highest, floor, 1):
        return None
    fresh = [group for group in account.groups if group.start > now - DAY_S]
    by_model: dict[tuple[str, str], int] = {}
    for group in fresh:
        by_model[group.provider, group.model] = by_model.get((group.provider, group.model), 0) + group.tokens
    (provider, model), tokens = max(by_model.items(), key=lambda each: each[1])
    mine = sorted((group.start, group.tokens) for group in fresh if (group.provider, group.model) == (provider, model))
    highest_hour = max(tokens for _, tokens in mine)
    since = min(start for start, tokens in mine if tokens >= highest_hour / 10)
    return Spike(recent, usual, highest, since, provider, model, tokens / recent)


def spike_in_words(spike: Spike) -> str:
    """The spike in one sentence."""
    times = spike.tokens / spike.usual if spike.usual else 0
    usual = f"{times:.0f} times the usual {spike.usual:,.0f}" if times else "and usually nothing"
    return (
        f"{spike.tokens:,} tokens in the last 24 hours, {usual}; {spike.share:.0%} by {spike.provider}/{spike.model}, "
        f"since {iso_hour(spike.since)} UTC"
    )


def _days_before(groups: Sequence[Group], now: float) -> list[int]:
    """Tokens of each whole 24 hours before now, the newest first, as far back as the first usage lies."""
    if not groups:
        return []
    days = int((now - groups[0].start) // DAY_S)
    found = [0] * (days + 1)
    for group in groups:
        nth = int((now - group.start) // DAY_S)
        if 0 <= nth <= days:
            found[nth] += group.tokens
    return found[:-1] if len(found) > 1 else found


@dataclass(frozen=True)
class Forecast:
    """When a limit will be reached at the pace of the last days; None where not within the period."""

    unit: str
    used: int
    limit: int
    per_day: float
    at_end: float
    reached_at: datetime | None


def forecasts(account: Account) -> list[Forecast]:
    """For each unit that has a limit, at the mean pace of the last seven days (a whole week, so that weekends weigh as they do)."""
    now, period = account.evidence.now, account.period
    begun = max(
        account.groups[0].start if account.groups else now.timestamp(), (now - timedelta(days=_PACE_DAYS)).timestamp()
    )
    days = max((now.timestamp() - begun) / DAY_S, 1 / 24)
    recent = account.used(datetime.fromtimestamp(begun, UTC), now)
    found = []
    for unit in UNITS:
        limit = account.known_limit[unit]
        if limit is None:
            continue
        pace, used = recent[unit] / days, account.used_now[unit]
        left_days = (period.until - now).total_seconds() / DAY_S
        needed_days = (limit - used) / pace if pace > 0 else float("inf")
        reached = now + timedelta(days=needed_days) if 0 < needed_days <= left_days else None
        found.append(Forecast(unit, used, limit, pace, used + pace * left_days, reached))
    return found


def forecast_in_words(forecast: Forecast) -> str:
    """`81,200 of 100,000 tokens; at 4,300 a day reached on 2026-11-27`."""
    told = f"{forecast.used:,} of {forecast.limit:,} {forecast.unit}"
    if forecast.used >= forecast.limit:
        return f"{told}: used up"
    pace = f"at {forecast.per_day:,.0f} a day"
    if forecast.reached_at is None:
        return f"{told}; {pace} {forecast.at_end:,.0f} by the end of the period"
    return f"{told}; {pace} used up on {forecast.reached_at:%Y-%m-%d %H:%M} UTC"


def usage_exhibit(account: Account) -> dict[str, Any]:
    """What the display `usage` draws: cumulated use by hour against the limit, the forecast, and the share of each model."""
    period, now = account.period, account.evidence.now
    hours: dict[int, list[int]] = {}
    models: dict[str, list[int]] = {}
    for group in account.groups:
        if period.since.timestamp() <= group.start < now.timestamp():
            hour = hours.setdefault(group.start, [0, 0])
            hour[0] += group.tokens
            hour[1] += group.requests
            share = models.setdefault(f"{group.provider}/{group.model}", [0, 0, 0])
            share[0] += group.tokens
            share[1] += group.requests
            share[2] += group.without_tokens
    return {
        "period": {"since": to_iso(period.since), "until": to_iso(period.until)},
        "now": to_iso(now),
        "hours": [[start, *values] for start, values in sorted(hours.items())],
        "limits": account.limit or {},
        "forecasts": [
            {
                "unit": each.unit,
                "per_day": each.per_day,
                "at_end": each.at_end,
                "reached_at": to_iso(each.reached_at) if each.reached_at else None,
            }
            for each in forecasts(account)
        ],
        "by": "model",
        "shares": [
            {"name": name, "tokens": tokens, "requests": requests, "without_tokens": without}
            for name, (tokens, requests, without) in sorted(models.items(), key=lambda each: -each[1][0])
        ],
    }
