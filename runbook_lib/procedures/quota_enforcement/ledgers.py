"""Two ledgers of the same usage, bucket by bucket: what is late, what is lost, what stands there twice.

Recorded and reported quantities come by full hours (epoch seconds). A job may report by the hour, or a day at a time: under the
day's begin, or under the moment of its run on the next day. The reading under which the ledgers differ least is taken.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from runbook_lib.reading.periods import DAY_S, HOUR_S

Buckets = Mapping[int, float]
_ZONES = (*range(-14, 0), *range(1, 15))  # hours by which a local time can differ from UTC


@dataclass(frozen=True)
class Reconciled:
    """How two ledgers agree. Lists hold the starts of buckets, oldest first.

    Attributes:
        unit_s: the width of a bucket: an hour or a day.
        shift_s: by how much the reports' times are off, where all of them are and by the same; else 0.
        reported_until: the end of the newest bucket that holds a report; None where there is none.
        matched: how many buckets agree.
        late: recorded and not reported, newer than every report.
        overdue: those of `late` that should have been reported by now.
        missing: recorded and not reported, though newer ones were.
        short: reported with less than was recorded.
        double: reported with exactly twice what was recorded, or three times.
        excess: reported with more, and not a multiple.
        recorded, reported: the quantities of the buckets.
    """

    unit_s: int
    reported_until: int | None
    shift_s: int = 0
    matched: int = 0
    late: tuple[int, ...] = ()
    overdue: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    short: tuple[int, ...] = ()
    double: tuple[int, ...] = ()
    excess: tuple[int, ...] = ()
    recorded: Buckets = field(default_factory=dict)
    reported: Buckets = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Nothing differs but what is not due yet."""
        return not (self.shift_s or self.overdue or self.missing or self.short or self.double or self.excess)

    @property
    def differing(self) -> int:
        """How many buckets differ."""
        return len(self.overdue) + len(self.missing) + len(self.short) + len(self.double) + len(self.excess)

    def quantity(self, starts: Iterable[int]) -> float:
        """What was recorded in these buckets."""
        return sum(self.recorded.get(start, 0) for start in starts)


def reconcile(recorded: Buckets, reported: Buckets, settled: float) -> Reconciled:
    """Compare by the hour and by the day, and take the reading that differs least; by the hour where both do.

    Args:
        recorded, reported: quantity by the start of a full hour.
        settled: what ended before this moment (epoch s) should have been reported.
    """
    readings = [_compare(recorded, reported, settled, HOUR_S)]
    if _is_daily(reported):
        daily = _by_day(recorded)
        readings.append(_compare(daily, _by_day(reported), settled, DAY_S))
        shifted = {start - DAY_S: quantity for start, quantity in _by_day(reported).items()}
        readings.append(_compare(daily, shifted, settled, DAY_S))
    best = min(readings, key=lambda reading: (_wrong(reading), reading.unit_s))
    if (best.missing or best.short or best.overdue) and (best.excess or best.double):
        for hours in _ZONES:
            moved = {start - hours * HOUR_S: quantity for start, quantity in reported.items()}
            other = replace(_compare(recorded, moved, settled, HOUR_S), shift_s=hours * HOUR_S)
            if other.matched > 1 and _wrong(other) < _wrong(best) / 10:
                best = other
    return best


def _wrong(reading: Reconciled) -> float:
    """How much quantity stands wrong: what differs, whichever way."""
    wrong = (*reading.missing, *reading.short, *reading.double, *reading.excess, *reading.overdue)
    return sum(abs(reading.recorded.get(start, 0) - reading.reported.get(start, 0)) for start in wrong)


def _is_daily(reported: Buckets) -> bool:
    """Whether no UTC day holds more than one report."""
    days = [start // DAY_S for start, quantity in reported.items() if quantity]
    return bool(days) and len(days) == len(set(days))


def _by_day(buckets: Buckets) -> dict[int, float]:
    days: dict[int, float] = {}
    for start, quantity in buckets.items():
        day = start - start % DAY_S
        days[day] = days.get(day, 0) + quantity
    return days


def _compare(recorded: Buckets, reported: Buckets, settled: float, unit_s: int) -> Reconciled:
    held = {start: quantity for start, quantity in reported.items() if quantity}
    newest = max(held, default=None)
    kinds: dict[str, list[int]] = {kind: [] for kind in ("late", "overdue", "missing", "short", "double", "excess")}
    matched = 0
    for start in sorted({*held, *(start for start, quantity in recorded.items() if quantity)}):
        is_due = start + unit_s <= settled
        kind = _kind_of(recorded.get(start, 0), held.get(start, 0), newest is None or start > newest)
        if kind == "short" and start == newest and not is_due:
            kind = "late"  # the newest bucket may have been reported before it ended
        if not kind:
            matched += 1
            continue
        kinds[kind].append(start)
        if kind == "late" and is_due:
            kinds["overdue"].append(start)
    until = None if newest is None else newest + unit_s
    found = {kind: tuple(starts) for kind, starts in kinds.items()}
    return Reconciled(unit_s, until, 0, matched, recorded=dict(recorded), reported=dict(held), **found)


def _kind_of(recorded: float, reported: float, is_newest: bool) -> str:
    """How one bucket differs; empty where it does not."""
    if recorded == reported:
        return ""
    if not reported:
        return "late" if is_newest else "missing"
    if reported < recorded:
        return "short"
    return "double" if recorded and reported in (2 * recorded, 3 * recorded) else "excess"


@dataclass(frozen=True)
class Total:
    """How a ledger that holds one sum for a period agrees with what was recorded in it.

    Attributes:
        kind: agrees, late (all up to a bucket), missing or double (the quantity of one day, or of everything), short, excess.
        until: the end of what was reported, where that can be told.
        starts: the buckets that are missing or double, where only one reading fits.
    """

    kind: str
    until: int | None = None
    starts: tuple[int, ...] = ()


def reconcile_total(recorded: Buckets, total: float, settled: float) -> Total:
    """What one sum tells: recorded up to which bucket, or less or more than that by which day.

    Args:
        recorded: quantity by the start of a full hour, of the period only.
        total: what was reported for the period.
        settled: what ended before this moment should have been reported.
    """
    hours = sorted(start for start, quantity in recorded.items() if quantity)
    due = sum(recorded[start] for start in hours if start + HOUR_S <= settled)
    running, ends = 0.0, []
    for start in hours:
        running += recorded[start]
        ends.append((running, start + HOUR_S))
    if total == 0:
        return Total("late" if due else "agrees")
    reached = next((until for quantity, until in reversed(ends) if quantity == total), None)
    if reached is not None:
        return Total("late" if total < due else "agrees", reached)
    if due <= total <= running:
        return Total("agrees")  # the newest hour was reported before it ended
    days = _by_day(recorded)
    at_midnight = {}
    for quantity, until in ends:
        at_midnight[-(-until // DAY_S) * DAY_S] = quantity  # the last hour of each day wins
    fits = [
        ("missing" if quantity > total else "double", day)
        for until, quantity in at_midnight.items()
        for day, amount in days.items()
        if day < until and abs(quantity - total) == amount and amount and quantity >= due
    ]
    if total > running and any(total == 2 * quantity for quantity, _ in ends if quantity >= due):
        return Total("double", starts=tuple(hours))
    if len(set(fits)) == 1:
        kind, day = fits[0]
        return Total(kind, starts=tuple(start for start in hours if start - start % DAY_S == day))
    return Total("short" if total < due else "excess")
