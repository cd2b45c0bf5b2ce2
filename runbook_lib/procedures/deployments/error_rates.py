"""Requests since a deployment against as long a time before it, and where the new errors begin. Never on timing alone.

More failures are a deployment's fault only when (1) there was enough traffic on both sides, (2) the difference is no chance,
and (3) so many of the failures begin in this deployment's own code that these alone would be no chance either. That they are not
more is said where enough requests were answered since; where the time before is in no log any more, one in a hundred is usual.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from math import comb
from typing import TypedDict

from runbook_lib.core.model import Observation, Suspect
from runbook_lib.core.percentile import percentile
from runbook_lib.core.records.counts import Counts
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.core.records.schema import SchemaNames
from runbook_lib.judging.answers import record_of
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.deploy_web_api.causes import CATALOGUE
from runbook_lib.procedures.deployments.reading import NAMES, Reading, is_whole
from runbook_lib.procedures.deployments.witnesses import FEWEST
from runbook_lib.reading.logs import lines_of, log_failures
from runbook_lib.reading.request_rows import is_failed, kind_of_request, logged_requests
from runbook_lib.reading.spans import Trace, traces_in
from runbook_lib.reading.trace_causes import read_trace

BY_CHANCE = 0.005
USUAL = 0.01
_WITH_SCHEMA = ("web", "api")  # the parts whose migrations come with their code
_OURS = {"request.web_failed": "web", "request.api_failed": "api", "request.gateway_failed": "gateway"}
_EITHER = ("request.db_failed.constraint", "request.db_failed.grant", "request.db_failed.rls", "request.stripe_failed.rejected",
           "request.provider_failed.request_rejected")  # fmt: skip
_MISSED = re.compile(
    r"(?:relation|table) ['\"]?(?P<table>[\w.]+)['\"]? does not exist"
    r"|column ['\"]?(?P<column>[\w.]+)['\"]? (?:of relation ['\"]?(?P<of>[\w.]+)['\"]? )?does not exist"
    r"|Could not find the table '(?P<table2>[\w.]+)' in the schema cache"
    r"|Could not find the '(?P<column2>\w+)' column of '(?P<of2>[\w.]+)' in the schema cache"
    r"|Could not find the function (?P<function>[\w.]+)"
    r"|function (?P<function2>[\w.]+)\([^)]*\) does not exist",
    re.I,
)


@dataclass(frozen=True)
class Origin:
    """Where one failing request's failure began: `part` of ours, or "" where it was none's own; what the database missed."""

    code: str
    part: str
    summary: str
    is_open: bool = False  # the code or what lies behind it: what was seen does not tell
    missed: tuple[str, str] | None = None  # (table or function, column or "")
    of_deployment: str = ""  # the deployment whose span it was, where the span tells


@dataclass(frozen=True)
class Rate:
    """So many requests, and so many of them failed."""

    requests: int = 0
    failed: int = 0


class RateFigures(TypedDict):
    """One side of a deployment as figures; a share or a duration is None where there are no requests enough to tell it."""

    requests: int
    failed: int
    failed_ratio: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class Traffic:
    """Requests on both sides of a deployment.

    Attributes:
        after, before: the requests by row; none where the platform only counts them.
        since, earlier: both sides as figures.
        begins: where each failing request's failure began, of those of which it is known.
    """

    after: tuple[RequestRow, ...] = ()
    before: tuple[RequestRow, ...] = ()
    since: Rate = Rate()
    earlier: Rate = Rate()
    begins: tuple[Origin, ...] = ()
    durations_ms: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    @property
    def failed_after(self) -> list[RequestRow]:
        """The failing requests since."""
        return [row for row in self.after if is_failed(row)]

    @property
    def is_enough(self) -> bool:
        """Whether there is traffic enough since to speak of a rate."""
        return self.since.requests >= FEWEST

    @property
    def has_baseline(self) -> bool:
        """Whether there is traffic enough before to compare with."""
        return self.earlier.requests >= FEWEST

    def is_more(self, failing: int | None = None) -> bool:
        """Whether so many failures since (all of them without a number) are more than chance makes of the rate before."""
        count = self.since.failed if failing is None else failing
        if count < 3:
            return False
        if not self.has_baseline:
            return at_least(count, self.since.requests) < BY_CHANCE
        return chance(count, self.since.requests, self.earlier.failed, self.earlier.requests) < BY_CHANCE


def at_least(failed: int, of: int) -> float:
    """How likely so many failures or more are where one request in a hundred fails."""
    return 1.0 - sum(comb(of, k) * USUAL**k * (1 - USUAL) ** (of - k) for k in range(failed))


def chance(failed: int, of: int, failed_before: int, of_before: int) -> float:
    """Fisher's exact test, one-sided: how likely as many failures as these are when both sides fail alike."""
    total, bad = of + of_before, failed + failed_before
    ways = comb(total, of)
    most = min(of, bad)
    return sum(comb(bad, k) * comb(total - bad, of - k) for k in range(failed, most + 1)) / ways if ways else 1.0


def read_traffic(reading: Reading) -> Traffic:
    """The requests that the serving deployment answered, and those that others answered before."""
    serving, site = reading.serving, reading.site
    if serving is None:
        return Traffic()
    if site.platform == "fly":
        return Traffic(since=_counted(site.after), earlier=_counted(site.before))
    since = serving.at
    after = [s.row for s in logged_requests(site.after) if _is_served_by(s.row, serving.id, since)]
    before = [s.row for s in logged_requests(site.before) if not _is_served_by(s.row, serving.id, since)]
    unique_after = {row["request_id"]: row for row in after}.values()
    unique_before = {row["request_id"]: row for row in before}.values()
    begins = tuple(origins(reading, unique_after))
    return Traffic(tuple(unique_after), tuple(unique_before), _rate(unique_after), _rate(unique_before), begins)


def _rate(of: Collection[RequestRow]) -> Rate:
    return Rate(len(of), sum(is_failed(row) for row in of))


def _counted(looks: Sequence[Observation]) -> Rate:
    """What the platform's own counters say, of looks that were read whole."""
    counts = [found for look in looks if is_whole(look) and (found := record_of(look, Counts)) is not None]
    return Rate(round(sum(sum(each["total"]) for each in counts)), round(sum(sum(each["failed"]) for each in counts)))


def _is_served_by(row: RequestRow, deployment: str, since: str) -> bool:
    if row["deployment_id"]:
        return row["deployment_id"] == deployment
    return (row["at"] or "") >= since


def sample(failing: Sequence[RequestRow], most: int = 6) -> list[RequestRow]:
    """Some of the failing requests, of every kind of request in turn, the newest first: what is looked into one by one."""
    kinds: dict[tuple[str, str], list[RequestRow]] = {}
    for row in sorted(failing, key=lambda row: row["at"] or "", reverse=True):
        kinds.setdefault(kind_of_request(row), []).append(row)
    taken: list[RequestRow] = []
    while len(taken) < most and any(kinds.values()):
        taken += [of_kind.pop(0) for of_kind in kinds.values() if of_kind]
    return taken[:most]


def origins(reading: Reading, after: Iterable[RequestRow]) -> list[Origin]:
    """Where each failing request began to fail: by its trace, else by what it logged. One that does not tell is left out."""
    site = reading.site
    traces: dict[str, Trace] = {}
    for look in site.traces:
        for trace in traces_in(look):
            traces |= dict.fromkeys((trace.id, *_request_ids(trace)), trace)
    by_trace_id = [look.id for look in site.traces]
    failing = [row for row in after if is_failed(row)]
    logged: dict[str, list[tuple[LogLine, Observation]]] = {}
    for line, look in lines_of(site.after) if failing else ():
        logged.setdefault(line["request_id"] or "", []).append((line, look))
    found = []
    for row in failing:
        known = traces.get(row["trace_id"] or "") or traces.get(row["request_id"])
        origin = _from_trace(known, by_trace_id) if known is not None else None
        origin = origin or _from_logs(logged.get(row["request_id"], ()))
        if origin is not None:
            found.append(origin)
    return found


def _request_ids(trace: Trace) -> list[str]:
    """The platforms' request ids that spans of a trace carry: headers that an edge passed inwards."""
    found = []
    for span in trace.spans:
        for name, value in span["attributes"].items():
            if "request-id" in name or name.endswith("request_id"):
                found += [str(each) for each in (value if isinstance(value, list) else [value])]
    return found


def _from_trace(trace: Trace, evidence: Sequence[str]) -> Origin | None:
    read = read_trace(trace, evidence)
    if not read.faults:
        return None
    first = read.faults[0]
    span = next((f.span for f in read.failures), None)
    resource = trace.resource(span) if span is not None else {}
    deployment = str(resource.get("vercel.deployment_id") or resource.get("service.version") or "")
    return _origin(first.code, first.summary, deployment)


def _from_logs(mine: Sequence[tuple[LogLine, Observation]]) -> Origin | None:
    """Where a request began to fail, by the lines that it wrote."""
    for failure in log_failures(mine):
        summary = failure.line["message"]
        if failure.callee is None:
            return _origin(f"request.{failure.part}_failed", summary, "")
        if failure.callee[0] == "database":
            return _origin("request.db_failed", summary, "")
        return Origin(f"request.{failure.callee[0]}", "", summary)
    return None


def _origin(code: str, summary: str, deployment: str) -> Origin:
    missed = missed_in(summary) if code.startswith("request.db_failed") else None
    if code.startswith("request.stream_broken"):
        return Origin(code, "", summary, is_open=True)
    is_open = code.startswith(_EITHER) or (
        code.startswith("request.db_failed") and code.count(".") == 1 and missed is None
    )
    return Origin(code, _OURS.get(code, ""), summary, is_open, missed, deployment)


def missed_in(text: str) -> tuple[str, str] | None:
    """What of the schema a database's complaint misses: (table or function, column); the column "" where all of it."""
    match = _MISSED.search(text)
    if match is None:
        return None
    held = match.groupdict()
    column = held["column"] or held["column2"]
    if column:
        table, _, name = column.rpartition(".")
        return _bare(held["of"] or held["of2"] or table), name
    return _bare(held["table"] or held["table2"] or held["function"] or held["function2"]), ""


def _bare(name: str | None) -> str:
    return (name or "").removeprefix("public.")


def judge_error_rate(reading: Reading, traffic: Traffic) -> Findings:
    """Whether requests fail more since the serving deployment, and whether that is its doing."""
    found, site = Findings(), reading.site
    has_schema = site.part in _WITH_SCHEMA
    if has_schema:
        found.add(judge_migrations(reading, traffic))
    if found.faults or not any(is_whole(look) or look.status.has_content for look in site.after):
        return found
    evidence = [*site.after, *site.before, *site.traces]
    subject = f"{site.name}: {reading.serving.id if reading.serving else None}"
    if not traffic.is_enough:
        why = f"{rates_in_words(traffic)}: too few requests to speak of a rate"
        found.suspects.append(Suspect("deploy.error_rate_up", subject, why, "look again when more requests have come"))
        return found
    if not traffic.is_more():
        return found
    known = [o for o in traffic.begins if not o.is_open and (has_schema or o.missed is None)]
    own = [o for o in known if o.part == site.part and _is_of_this(o, reading)]
    share = len(own) / len(traffic.begins) if traffic.begins else 0.0
    if own and traffic.has_baseline and traffic.is_more(round(share * traffic.since.failed)):
        summary = f"{site.name}: {rates_in_words(traffic)}; {own[0].summary[:200]}"
        found.faults.append(CATALOGUE.finding("deploy.error_rate_up", subject, summary, evidence))
    elif known and len(known) >= len(traffic.begins) / 2 and not own:
        summary = f"{site.name}: {rates_in_words(traffic)}, and they begin elsewhere: {known[0].summary[:200]}"
        found.states.append(CATALOGUE.finding("deploy.errors_elsewhere", subject, summary, evidence))
    else:
        why, look = _undecided(reading, traffic, is_own=bool(own))
        found.suspects.append(Suspect("deploy.error_rate_up", subject, why, look))
        if has_schema and not traffic.begins:
            found.suspects.append(Suspect("deploy.migration_missing", subject, why, look))
    return found


def _undecided(reading: Reading, traffic: Traffic, *, is_own: bool) -> tuple[str, str]:
    """Why it is not told whether the deployment brought the failures, and what would tell."""
    told, platform = rates_in_words(traffic), NAMES[reading.site.platform]
    if is_own and not traffic.has_baseline:
        why = f"{told}; they begin in it, and nothing tells whether they did before: {traffic.begins[0].summary[:160]}"
        return why, f"{platform}'s log of the time before it, or the same code at the deployment before it"
    look = "the trace backend or the part's log for one of these requests: run 01 with its id"
    if traffic.begins:
        why = f"{told}; whether the code or what it calls is at fault is not told: {traffic.begins[0].summary[:160]}"
        return why, look
    return f"{told}; where they begin could not be told", look


def _is_of_this(origin: Origin, reading: Reading) -> bool:
    """Whether the failing span says that it belongs to another deployment than the one that serves."""
    serving = reading.serving
    mine = {serving.id, (serving.commit or "")[:7], ""} if serving else {""}
    others = {row.id for row in reading.rows} | {(row.commit or "")[:7] for row in reading.rows}
    return origin.of_deployment in mine or origin.of_deployment not in others


def judge_migrations(reading: Reading, traffic: Traffic) -> Findings:
    """A schema that the code expects and the database does not have: requests say so, and so does the database."""
    found, site = Findings(), reading.site
    for missed in dict.fromkeys(o.missed for o in traffic.begins if o.missed is not None):
        name = ".".join(filter(None, missed))
        subject = f"{site.name}: {name}"
        told = next(o.summary for o in traffic.begins if o.missed == missed)
        evidence = [*site.after, *site.traces, *site.schema]
        there = _is_there(site.schema, missed)
        if there is None:
            why = f"requests miss {name}, and the database could not be asked: {told[:160]}"
            found.suspects.append(
                Suspect("deploy.migration_missing", subject, why, f"the database's catalogue: is there a {name}?")
            )
        elif not there:
            summary = f"{site.name}: the database has no {name}, which requests since this deployment ask for"
            found.faults.append(CATALOGUE.finding("deploy.migration_missing", subject, summary, evidence))
        else:
            summary = f"{site.name}: requests miss {name}, and the database has it: the API's schema cache is stale"
            found.states.append(CATALOGUE.finding("deploy.errors_elsewhere", subject, summary, evidence))
    return found


def _is_there(looks: Sequence[Observation], missed: tuple[str, str]) -> bool | None:
    """Whether the database has a table, column or function; None where it could not be asked."""
    for look in looks:
        names = record_of(look, SchemaNames)
        if names is not None:
            table, column = missed
            columns = names["tables"].get(table)
            if column:
                return (
                    any(column in each for each in names["tables"].values()) if not table else column in (columns or ())
                )
            return columns is not None or table in names["functions"]
    return None


def rates_in_words(traffic: Traffic) -> str:
    """Both rates in words."""
    since, earlier = traffic.since, traffic.earlier
    return f"{since.failed} of {since.requests} requests failed since, {earlier.failed} of {earlier.requests} before"


def figures(traffic: Traffic) -> dict[str, RateFigures]:
    """Both sides as figures: requests, failures, share; p95 where durations are known (nearest rank)."""
    return {
        name: RateFigures(
            requests=rate.requests,
            failed=rate.failed,
            failed_ratio=round(rate.failed / rate.requests, 4) if rate.requests else None,
            p95_ms=p95_ms([row["duration_ms"] for row in side if row["duration_ms"] is not None] or durations),
        )
        for name, rate, side, durations in (
            ("before", traffic.earlier, traffic.before, traffic.durations_ms[1]),
            ("since", traffic.since, traffic.after, traffic.durations_ms[0]),
        )
    }


def p95_ms(values: Sequence[float]) -> float | None:
    """The 95th percentile, nearest rank; None with fewer than `FEWEST` values."""
    return percentile(values, 95) if len(values) >= FEWEST else None
