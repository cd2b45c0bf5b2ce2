"""Requests since a deployment against as long a time before it, and where the new errors begin. Never on timing alone.

More failures are a deployment's fault only when (1) there was enough traffic on both sides, (2) the difference is no chance,
and (3) so many of the failures begin in this deployment's own code that these alone would be no chance either.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

from runbook_lib.core.model import Observation, Suspect
from runbook_lib.core.percentile import percentile
from runbook_lib.procedures.deployments.reading import Reading, Row, content
from runbook_lib.procedures.deployments.rules import Judged, finding
from runbook_lib.reading import requests as rows
from runbook_lib.reading.logs import lines_of, log_failures
from runbook_lib.reading.spans import Trace, build_traces
from runbook_lib.reading.trace_causes import read_trace

FEWEST = 8  # requests on each side, below which nothing is said of a rate
BY_CHANCE = 0.005
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
class Traffic:
    """Requests on both sides of a deployment. `begins`: where each sampled failing request's failure began."""

    after: tuple[Row, ...]
    before: tuple[Row, ...]
    begins: tuple[Origin, ...] = ()
    durations_ms: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    @property
    def failed_after(self) -> list[Row]:
        """The failing requests since."""
        return [row for row in self.after if rows.is_failed(row)]

    @property
    def failed_before(self) -> list[Row]:
        """The failing requests of the time before."""
        return [row for row in self.before if rows.is_failed(row)]

    @property
    def is_enough(self) -> bool:
        """Whether there is traffic enough on both sides to speak of a rate."""
        return min(len(self.after), len(self.before)) >= FEWEST

    def is_more(self, failing: int | None = None) -> bool:
        """Whether so many failures since (all of them without a number) are more than chance makes of the rate before."""
        count = len(self.failed_after) if failing is None else failing
        return count >= 3 and chance(count, len(self.after), len(self.failed_before), len(self.before)) < BY_CHANCE


def chance(failed: int, of: int, failed_before: int, of_before: int) -> float:
    """Fisher's exact test, one-sided: how likely as many failures as these are when both sides fail alike."""
    total, bad = of + of_before, failed + failed_before
    ways = comb(total, of)
    most = min(of, bad)
    return sum(comb(bad, k) * comb(total - bad, of - k) for k in range(failed, most + 1)) / ways if ways else 1.0


def read_traffic(reading: Reading) -> Traffic:
    """The requests that the serving deployment answered, and those that others answered before."""
    serving = reading.serving
    if serving is None:
        return Traffic((), ())
    since = str(serving["at"])
    after = [s.row for s in rows.rows_of(reading.site.after) if _is_served_by(s.row, str(serving["id"]), since)]
    before = [s.row for s in rows.rows_of(reading.site.before) if not _is_served_by(s.row, str(serving["id"]), since)]
    unique_after = {str(row.get("request_id")): row for row in after}
    unique_before = {str(row.get("request_id")): row for row in before}
    return Traffic(
        tuple(unique_after.values()), tuple(unique_before.values()), tuple(origins(reading, unique_after.values()))
    )


def _is_served_by(row: Row, deployment: str, since: str) -> bool:
    if row.get("deployment_id"):
        return bool(row["deployment_id"] == deployment)
    return str(row.get("at")) >= since


def sample(failing: Sequence[Row], most: int = 6) -> list[Row]:
    """Some of the failing requests, of every kind of request in turn, the newest first: what is looked into one by one."""
    kinds: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(failing, key=lambda row: str(row.get("at")), reverse=True):
        kinds.setdefault(rows.kind_of(row), []).append(row)
    taken: list[Row] = []
    while len(taken) < most and any(kinds.values()):
        taken += [of_kind.pop(0) for of_kind in kinds.values() if of_kind]
    return taken[:most]


def origins(reading: Reading, after: Iterable[Row]) -> list[Origin]:
    """Where each failing request began to fail: by its trace, else by what it logged. One that does not tell is left out."""
    site = reading.site
    traces: dict[str, Trace] = {}
    for look in site.traces:
        if isinstance(look.value, dict) and look.status.has_content:
            for trace in build_traces(look.value):
                traces |= dict.fromkeys((trace.id, *_request_ids(trace)), trace)
    by_trace_id = [look.id for look in site.traces]
    found = []
    for row in after:
        if not rows.is_failed(row):
            continue
        known = traces.get(str(row.get("trace_id") or "")) or traces.get(str(row.get("request_id") or ""))
        origin = _from_trace(known, by_trace_id) if known is not None else None
        origin = origin or _from_logs(row, site.after)
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


def _from_logs(row: Row, looks: Sequence[Observation]) -> Origin | None:
    mine = [
        (line, look)
        for line, look in lines_of(looks)
        if line.get("request_id") == row.get("request_id") and line.get("request_id")
    ]
    for failure in log_failures(mine):
        summary = str(failure.line.get("message") or "")
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


def judge(reading: Reading, traffic: Traffic) -> Judged:
    """Whether requests fail more since the serving deployment, and whether that is its doing."""
    found, site = Judged(), reading.site
    found.add(migrations(reading, traffic))
    if found.faults or not traffic.failed_after:
        return found
    if not traffic.is_enough:
        if traffic.is_more() or len(traffic.failed_after) >= 3:
            found.notes.append(f"{site.name}: {_told(traffic)}: too few requests to speak of a rate")
        return found
    if not traffic.is_more():
        return found
    evidence = [*site.after, *site.before, *site.traces]
    subject = f"{site.name}: {(reading.serving or {}).get('id')}"
    known = [o for o in traffic.begins if not o.is_open]
    own = [o for o in known if o.part == site.part and _is_of_this(o, reading)]
    share = len(own) / len(traffic.begins) if traffic.begins else 0.0
    if own and traffic.is_more(round(share * len(traffic.failed_after))):
        summary = f"{site.name}: {_told(traffic)}; {own[0].summary[:200]}"
        found.faults.append(finding("deploy.error_rate_up", subject, summary, evidence))
    elif known and len(known) >= len(traffic.begins) / 2 and not own:
        summary = f"{site.name}: {_told(traffic)}, and they begin elsewhere: {known[0].summary[:200]}"
        found.states.append(finding("deploy.errors_elsewhere", subject, summary, evidence))
    else:
        why = f"{_told(traffic)}; where they begin could not be told"
        if traffic.begins:
            why = f"{_told(traffic)}; whether the code or what it calls is at fault is not told: {traffic.begins[0].summary[:160]}"
        found.open.append(
            Suspect(
                "deploy.error_rate_up", subject, why,
                "the trace backend or the part's log for one of these requests: run 01 with its id",
            )
        )  # fmt: skip
    return found


def _is_of_this(origin: Origin, reading: Reading) -> bool:
    """Whether the failing span says that it belongs to another deployment than the one that serves."""
    serving = reading.serving or {}
    mine = {str(serving.get("id")), str(serving.get("commit") or "")[:7], ""}
    others = {str(row["id"]) for row in reading.rows} | {str(row.get("commit") or "")[:7] for row in reading.rows}
    return origin.of_deployment in mine or origin.of_deployment not in others


def migrations(reading: Reading, traffic: Traffic) -> Judged:
    """A schema that the code expects and the database does not have: requests say so, and so does the database."""
    found, site = Judged(), reading.site
    for missed in dict.fromkeys(o.missed for o in traffic.begins if o.missed is not None):
        name = ".".join(filter(None, missed))
        subject = f"{site.name}: {name}"
        told = next(o.summary for o in traffic.begins if o.missed == missed)
        evidence = [*site.after, *site.traces, *site.schema]
        there = _is_there(site.schema, missed)
        if there is None:
            why = f"requests miss {name}, and the database could not be asked: {told[:160]}"
            found.open.append(
                Suspect("deploy.migration_missing", subject, why, f"the database's catalogue: is there a {name}?")
            )
        elif not there:
            summary = f"{site.name}: the database has no {name}, which requests since this deployment ask for"
            found.faults.append(finding("deploy.migration_missing", subject, summary, evidence))
        else:
            summary = f"{site.name}: requests miss {name}, and the database has it: the API's schema cache is stale"
            found.states.append(finding("deploy.errors_elsewhere", subject, summary, evidence))
    return found


def _is_there(looks: Sequence[Observation], missed: tuple[str, str]) -> bool | None:
    """Whether the database has a table, column or function; None where it could not be asked."""
    for look in looks:
        held: Any = content(look)
        if isinstance(held, dict):
            table, column = missed
            columns = held["tables"].get(table)
            if column:
                return (
                    any(column in each for each in held["tables"].values()) if not table else column in (columns or ())
                )
            return columns is not None or table in held["functions"]
    return None


def _told(traffic: Traffic) -> str:
    """Both rates in words."""
    after, before = len(traffic.failed_after), len(traffic.failed_before)
    return (
        f"{after} of {len(traffic.after)} requests failed since it was made, {before} of {len(traffic.before)} before"
    )


def figures(traffic: Traffic) -> dict[str, Any]:
    """Both sides as figures: requests, failures, share; p95 where durations are known (nearest rank)."""
    return {
        name: {
            "requests": len(side),
            "failed": len(failed),
            "failed_ratio": round(len(failed) / len(side), 4) if side else None,
            "p95_ms": p95_ms(
                [float(row["duration_ms"]) for row in side if row.get("duration_ms") is not None] or durations
            ),
        }
        for name, side, failed, durations in (
            ("before", traffic.before, traffic.failed_before, traffic.durations_ms[1]),
            ("since", traffic.after, traffic.failed_after, traffic.durations_ms[0]),
        )
    }


def p95_ms(values: Sequence[float]) -> float | None:
    """The 95th percentile, nearest rank; None with fewer than `FEWEST` values."""
    return percentile(values, 95) if len(values) >= FEWEST else None
