"""The daily usage report: does Stripe hold what was used, and if not, is it late, lost, dropped, or there twice?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.core.records.meters import DroppedEvents, Meter, MeterHour, UsageRecordTotal
from runbook_lib.core.records.organizations import PayingOrganization
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.judging.answers import rows_of, whole_rows
from runbook_lib.procedures.quota_enforcement import ledgers
from runbook_lib.procedures.quota_enforcement.account import Account, meter_of
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE
from runbook_lib.procedures.quota_enforcement.evidence import rows_seen
from runbook_lib.procedures.quota_enforcement.ledgers import Buckets, Reconciled, Total
from runbook_lib.reading.periods import DAY_S, HOUR_S, in_words, iso_hour, moment, told_hours

_REJECTED = {
    "no_meter": "meter",
    "archived_meter": "meter",
    "meter_event_customer_not_found": "customer",
    "meter_event_no_customer_defined": "customer",
    "meter_event_invalid_value": "value",
    "meter_event_value_too_many_digits": "value",
}
_JOB_LOOK = "the API's log of the last day: whether the report ran, and what it said of this organization (log access to the API)"
_EVENTS_LOOK = "the meter's events in Stripe's dashboard, with their identifiers, for these hours (a login to Stripe)"


@dataclass(frozen=True)
class Run:
    """One run of the report as the platform's log has it."""

    at: datetime
    status: int
    words: str

    @property
    def is_good(self) -> bool:
        """It answered with a 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Reports:
    """What the ledgers say. `onset`: the first hour that is wrong, epoch s."""

    findings: tuple[Finding, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    meter: Reconciled | None = None
    totals: tuple[tuple[str, float, Total], ...] = ()
    onset: int | None = None


@dataclass
class _Found:
    findings: list[Finding] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    hours: list[int] = field(default_factory=list)


def is_reported(account: Account) -> bool:
    """Whether usage of this organization must reach Stripe: it has a running subscription with a metered price."""
    return bool(account.metered_items) and not account.has_ended


def runs_of(account: Account) -> list[Run]:
    """The runs of the report that the platform's log tells of, oldest first."""
    runs = []
    for row in rows_of(account.look("runs"), RequestRow):
        at, status = moment(row["at"]), row["status"]
        if at is not None and status is not None:
            runs.append(Run(at, status, "; ".join(line["message"] for line in row["logs"])))
    return sorted(runs, key=lambda run: run.at)


def meter_reading(account: Account) -> Reconciled | None:
    """The meter against the records, by the hour; None where no meter was seen, or what was used was not."""
    look = account.look("meter_usage")
    if look is None or not look.status.answered or not account.has_answered("by_hour"):
        return None
    since = _since(look)
    recorded = {start: tokens for start, tokens in account.hours.items() if start >= since}
    return ledgers.reconcile(recorded, _by_start(look), account.settled.timestamp())


def _by_start(look: Observation | None) -> dict[int, float]:
    """What a meter counted, by the start of its hours."""
    hours: list[MeterHour] = whole_rows(look, tuple)
    return dict(hours)


def _since(look: Observation) -> int:
    """The first hour that the look asked about, and that lies in it whole."""
    since = moment(look.arguments.get("since"))
    assert since is not None
    start = int(since.timestamp())
    return start + -start % HOUR_S


def report_findings(account: Account) -> Reports:
    """Judge both ledgers. A ledger that says the same as the other is not judged twice."""
    if not is_reported(account):
        return Reports()
    found = _Found()
    meter = meter_reading(account)
    if meter is not None:
        _judge_meter(account, meter, found)
    totals = []
    for look in _sums(account):
        if account.has_answered("by_hour"):
            item, total = str(look.arguments.get("item_id")), _open_total(look)
            recorded = _of_period(account, account.hours)
            reading = ledgers.reconcile_total(recorded, total, account.settled.timestamp())
            totals.append((item, total, reading))
            if _is_only_ledger(account) or (meter is not None and total != _metered_total(account)):
                _judge_total(account, look, total, reading, recorded, found)
    onset = min(found.hours, default=None)
    return Reports(tuple(found.findings), tuple(found.suspects), meter, tuple(totals), onset)


def _sums(account: Account) -> list[Observation]:
    """The usage records that were read: a ledger of its own where the account has no meter."""
    return [look for look in account.evidence.legacy if look.status is Status.ok]


def _is_only_ledger(account: Account) -> bool:
    """Whether Stripe has no meter that could say it by the hour."""
    return (
        account.has_answered("meters")
        and meter_of(whole_rows(account.look("meters"), Meter), account.metered_items) is None
    )


def _open_total(look: Observation) -> float:
    return float(next((row["total"] for row in rows_of(look, UsageRecordTotal) if row["invoice"] is None), 0))


def _of_period(account: Account, buckets: Buckets) -> dict[int, float]:
    since = account.period.since.timestamp()
    return {start: quantity for start, quantity in buckets.items() if start >= since - since % HOUR_S}


def _judge_meter(account: Account, meter: Reconciled, found: _Found) -> None:
    cited = account.cite("by_hour", "meter_usage", "meters")
    unit = "hours" if meter.unit_s == HOUR_S else "days"
    if meter.shift_s:
        way = "after" if meter.shift_s > 0 else "before"
        words = f"every report stands {in_words(timedelta(seconds=meter.shift_s))} {way} its usage"
        found.findings.append(CATALOGUE.finding("usage.shifted", account.subject, words, cited))
        found.hours += meter.reported
        return
    if meter.missing or meter.overdue:
        _judge_absent(account, meter, cited, found)
    if meter.short:
        gap = meter.quantity(meter.short) - sum(meter.reported[start] for start in meter.short)
        words = (
            f"{len(meter.short)} {unit} lack {gap:,.0f} tokens at Stripe: {told_hours(list(meter.short), meter.unit_s)}"
        )
        found.findings.append(CATALOGUE.finding("usage.report_partial.short", account.subject, words, cited))
        found.hours += meter.short
    if meter.double:
        words = (
            f"{meter.quantity(meter.double):,.0f} tokens of {len(meter.double)} {unit} stand at Stripe twice: "
            f"{told_hours(list(meter.double), meter.unit_s)}"
        )
        found.findings.append(CATALOGUE.finding("usage.double_reported", account.subject, words, cited))
        found.hours += meter.double
    if meter.excess:
        more = sum(meter.reported[start] - meter.recorded.get(start, 0) for start in meter.excess)
        words = (
            f"Stripe holds {more:,.0f} tokens more than was recorded: {told_hours(list(meter.excess), meter.unit_s)}"
        )
        found.suspects += _too_much(account, words)
        found.hours += meter.excess


def _too_much(account: Account, words: str) -> list[Suspect]:
    """More is reported than recorded, and no multiple of it: reported twice in parts, or records that are gone."""
    return [
        Suspect(code, account.subject, words, _EVENTS_LOOK) for code in ("usage.double_reported", "usage.unrecorded")
    ]


def _judge_absent(account: Account, meter: Reconciled, cited: list[str], found: _Found) -> None:
    """Buckets of which Stripe holds nothing: dropped after they were accepted, never reported, or the report is late."""
    absent = sorted((*meter.missing, *meter.overdue))
    found.hours += absent
    amount = f"{meter.quantity(absent):,.0f} tokens"
    errors = account.look("errors")
    code, words = _rejected(account, absent[0])
    if code:
        what = f"{amount} did not count: {words}; {told_hours(absent, meter.unit_s)}"
        found.findings.append(CATALOGUE.finding(code, account.subject, what, [*cited, *account.cite("errors")]))
        return
    if errors is None or not errors.status.answered:
        where = told_hours(absent, meter.unit_s)
        why = f"Stripe holds nothing of {amount} ({where}), and its reports of dropped events were not seen"
        look = (
            f"stripe meter_errors: {(errors.help or errors.why) if errors is not None else 'run this procedure again'}"
        )
        for each in ("usage.unreported", "usage.rejected"):
            found.suspects.append(Suspect(each, account.subject, why, look))
        return
    if meter.missing:
        lost = list(meter.missing)
        words = f"{meter.quantity(lost):,.0f} tokens were never reported, though later ones were: {told_hours(lost, meter.unit_s)}"
        found.findings.append(CATALOGUE.finding("usage.unreported", account.subject, words, cited))
    if meter.overdue:
        _judge_late(account, list(meter.overdue), meter, cited, found)


def _metered_total(account: Account) -> float:
    """What the meter holds of the period."""
    return sum(_of_period(account, _by_start(account.look("meter_usage"))).values())


def _rejected(account: Account, oldest: int) -> tuple[str, str]:
    """The code and the words where Stripe says that it dropped events since then, or the meter takes none; empty where not."""
    errors = account.look("errors")
    counts: dict[str, int] = {}
    for report in whole_rows(errors, DroppedEvents):
        at = moment(report["at"])
        if at is not None and at.timestamp() >= oldest:
            for code, count in report["codes"].items():
                counts[code] = counts.get(code, 0) + count
    if counts:
        most = max(counts, key=lambda code: counts[code])
        told = ", ".join(f"{code} {count} times" for code, count in counts.items())
        sub = _REJECTED.get(most)
        return f"usage.rejected.{sub}" if sub else "usage.rejected", f"Stripe dropped events: {told}"
    meter = meter_of(whole_rows(account.look("meters"), Meter), account.metered_items)
    if meter and meter["status"] == "inactive" and errors is not None and errors.status.answered:
        return (
            "usage.rejected.meter",
            f"the meter {meter['event_name']} is inactive since {meter['deactivated_at']}",
        )
    return "", ""


def _judge_late(
    account: Account,
    overdue: list[int],
    meter: Reconciled | None,
    cited: list[str],
    found: _Found,
    until: int | None = None,
) -> None:
    """Nothing newer than a moment stands at Stripe though it should: the report is late, or it ran and left something out."""
    oldest, unit_s = overdue[0], meter.unit_s if meter else HOUR_S
    amount = meter.quantity(overdue) if meter else sum(account.hours.get(start, 0) for start in overdue)
    told = f"{amount:,.0f} tokens since {iso_hour(oldest)} UTC are not at Stripe"
    runs, others = runs_of(account), _others_until(account)
    cited = [*cited, *account.cite("runs"), *(look.id for look in account.evidence.peers if look.status.answered)]
    due = datetime.fromtimestamp(
        oldest - oldest % DAY_S + DAY_S, UTC
    )  # the run that should have reported it comes after
    ran = [run for run in runs if run.at >= due]
    left_out = [run for run in ran if _left_out(run, account)]
    if others is not None and others > oldest:
        words = f"{told}, while other customers' usage is reported up to {iso_hour(others)} UTC"
        found.findings.append(CATALOGUE.finding("usage.report_partial.left_out", account.subject, words, cited))
        return
    daily = account.evidence.report_within >= timedelta(days=1)
    newest = meter.reported_until if meter and meter.reported else until
    if left_out:
        words = f"{told}, though the report ran at {left_out[-1].at:%Y-%m-%d %H:%M} UTC ({left_out[-1].words})"
        found.findings.append(CATALOGUE.finding("usage.report_partial.left_out", account.subject, words, cited))
        return
    if not _others_are_known(account):
        why = f"{told}; whether the report ran for others could not be seen"
        for code in ("usage.report_stale", "usage.report_partial.left_out"):
            found.suspects.append(Suspect(code, account.subject, why, _JOB_LOOK))
        return
    if newest is not None and daily and unit_s == HOUR_S and (newest - 1) // DAY_S == overdue[-1] // DAY_S:
        words = f"{told}: the report of {iso_hour(oldest)[:10]} stopped after {iso_hour(newest)[11:]} UTC"
        found.findings.append(CATALOGUE.finding("usage.report_partial.broken_off", account.subject, words, cited))
        return
    if ran and ran[-1].is_good:
        why = f"{told}, though the report says that all went well at {ran[-1].at:%Y-%m-%d %H:%M} UTC ({ran[-1].words})"
        for code in ("usage.rejected", "usage.report_partial.left_out"):
            found.suspects.append(Suspect(code, account.subject, why, _EVENTS_LOOK))
        return
    if newest is None and not runs and not _ever_summed(account):
        _judge_never(account, amount, cited, found)
        return
    failed = [run for run in runs if not run.is_good]
    last = (
        f"; its last run, at {failed[-1].at:%Y-%m-%d %H:%M} UTC, answered {failed[-1].status} ({failed[-1].words})"
        if failed
        else ""
    )
    found.findings.append(CATALOGUE.finding("usage.report_stale", account.subject, told + last, cited))


def _judge_never(account: Account, amount: float, cited: list[str], found: _Found) -> None:
    """Nothing stands at Stripe, and no run is to be seen: there is no report, as far as log and usage records were seen whole."""
    asked = account.look("meter_usage") or account.evidence.legacy[0]
    since = moment(asked.arguments.get("since"))
    begun = f" since {since:%Y-%m-%d}" if since else ""
    words = f"nothing of {amount:,.0f} tokens was ever reported{begun}, and no run of the report is to be seen"
    if account.has_answered("runs") and _ever_summed(account) is False:
        found.findings.append(CATALOGUE.finding("usage.no_job", account.subject, words, cited))
        return
    for code in ("usage.no_job", "usage.report_stale"):
        found.suspects.append(
            Suspect(code, account.subject, f"{words}, and not all was seen that could tell", _JOB_LOOK)
        )


def _left_out(run: Run, account: Account) -> bool:
    """Whether a run says itself that it reported fewer customers than there are, or names this one as failed."""
    counted = re.search(r"\b(\d+) of (\d+) (?:customers|organi[sz]ations|orgs)\b", run.words)
    if counted is not None:
        return 0 < int(counted[1]) < int(counted[2])
    names_it = account.org_id in run.words or (bool(account.customer_id) and account.customer_id in run.words)
    return names_it and re.search(r"fail|error", run.words, re.I) is not None


def _others_until(account: Account) -> int | None:
    """The end of the newest hour that any other customer's usage is reported up to; None where none is, or none was seen."""
    if account.evidence.in_fleet:
        return int(account.evidence.others_until) if account.evidence.others_until is not None else None
    hours: list[MeterHour] = rows_seen(account.evidence.peers, tuple)
    ends = [start + HOUR_S for start, quantity in hours if quantity]
    return max(ends, default=None)


def _others_are_known(account: Account) -> bool:
    """Whether it was seen how others fared: in an audit always; else by the ledgers of all that were chosen, by the report's own
    runs where no meter tells it, or because there are no others."""
    if account.evidence.in_fleet:
        return True
    if not account.has_answered("payers"):
        return False
    if account.evidence.peers:
        return all(look.status.answered for look in account.evidence.peers)
    return not whole_rows(account.look("payers"), PayingOrganization) or account.has_answered("runs")


def _ever_summed(account: Account) -> bool | None:
    """Whether any usage was ever reported by usage records; None where they were not all seen."""
    if any(row["total"] for look in _sums(account) for row in rows_of(look, UsageRecordTotal)):
        return True
    return False if all(look.status.answered for look in account.evidence.legacy) else None


def _judge_total(
    account: Account, look: Observation, total: float, reading: Total, recorded: Buckets, found: _Found
) -> None:
    """Usage records: one sum for the period against what was recorded in it."""
    cited = [*account.cite("by_hour", "subscriptions"), look.id]
    held = f"Stripe's usage records hold {total:,.0f} of {sum(recorded.values()):,.0f} tokens of the period"
    if reading.kind == "late":
        settled = account.settled.timestamp()
        until = reading.until or 0
        overdue = [s for s, q in sorted(recorded.items()) if q and s >= until and s + HOUR_S <= settled]
        if overdue:
            found.hours += overdue
            _judge_late(account, overdue, None, cited, found, reading.until)
    elif reading.kind == "missing":
        words = f"{held}; what is missing is exactly {told_hours(list(reading.starts))}"
        found.findings.append(CATALOGUE.finding("usage.unreported", account.subject, words, cited))
        found.hours += reading.starts
    elif reading.kind == "double":
        words = f"{held}; what is too much is exactly {told_hours(list(reading.starts))}, reported twice"
        found.findings.append(CATALOGUE.finding("usage.double_reported", account.subject, words, cited))
        found.hours += reading.starts
    elif reading.kind == "short":
        why = f"{held}, and no day or hour explains what is missing"
        for code in ("usage.report_partial.short", "usage.unreported"):
            found.suspects.append(Suspect(code, account.subject, why, _EVENTS_LOOK))
    elif reading.kind == "excess":
        found.suspects += _too_much(account, f"{held}, and no day or hour explains what is too much")


def ledger_rows(reports: Reports) -> Iterator[list[Any]]:
    """A table of the days: recorded, reported, what is so."""
    meter = reports.meter
    if meter is None:
        return
    kinds = {
        start: kind
        for kind in ("late", "overdue", "missing", "short", "double", "excess")
        for start in getattr(meter, kind)
    }
    days: dict[int, list[Any]] = {}
    for start in sorted({*meter.recorded, *meter.reported}):
        row = days.setdefault(start - start % DAY_S, [0, 0, set()])
        row[0] += meter.recorded.get(start, 0)
        row[1] += meter.reported.get(start, 0)
        if start in kinds:
            row[2].add(kinds[start])
    for day, (recorded, reported, said) in sorted(days.items()):
        yield [iso_hour(day)[:10], recorded, reported, reported - recorded, ", ".join(sorted(said)) or "agrees"]
