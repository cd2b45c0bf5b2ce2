"""What both forms of 05 ask alike: the looks that name no organization, and the parameters."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from runbook_lib.core.clock import Window, parse_time, parse_window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json
from runbook_lib.core.records.usage import UsedUnits
from runbook_lib.io.observe import Look
from runbook_lib.procedures.base import Procedure, Topic
from runbook_lib.procedures.quota_enforcement.account import Account
from runbook_lib.procedures.quota_enforcement.evidence import ROUTE, known_since
from runbook_lib.sources.postgres import usage as postgres_usage
from runbook_lib.sources.postgres.usage import Way
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.stripe import usage as stripe_usage
from runbook_lib.sources.team import team_files
from runbook_lib.sources.traces import jaeger_orgs, tempo_orgs
from runbook_lib.sources.vercel import logs as vercel

FIND = "Which organization is it, and do its record, Stripe and the limits file agree?"
ADD_UP = "What did it use in its billing period, and who asked?"
REPORT = "Has the daily usage report run, and does Stripe hold what was used?"
LIMIT = "Is the limit enforced, and rightly?"

BACK = timedelta(days=29)  # what ledgers and spikes are judged by: four weeks and a day
_LONGEST_NAME = 256
_RUNS = timedelta(hours=23, minutes=55)  # a log that keeps a day is asked for a little less
_CHANGES = timedelta(hours=26)


class QuotaEnforcement(Procedure):
    """Parameters: org (id, name or Stripe customer; empty: all), since, until, route, job, report_within."""

    stem = "05_quota_enforcement"
    topics: ClassVar = {
        "limits": Topic(lambda _: [team_files.plan_limits()], is_one=True),
        "meters": Topic(lambda _: [stripe_usage.meters()], is_one=True),
        "everybody": Topic(
            lambda run: [postgres_usage.recorded(run.counted)],
            otherwise=lambda run: [postgres_usage.recorded(run.counted, way="management")],
        ),
        "attributed": Topic(lambda run: [tempo_orgs.refused(run.window), jaeger_orgs.refused(run.window)]),
        "refusals": Topic(lambda run: log_of_refusals(run.window, run.route)),
        "served": Topic(
            lambda run: [
                vercel.request_log("api", run.window, search=run.route, status="200"),
                railway.http_log("api", run.window, status="200"),
            ]
        ),
        "runs": Topic(
            lambda run: [vercel.request_log("api", Window(run.window.until - _RUNS, run.window.until), search=run.job)],
            is_one=True,
        ),
        "changes": Topic(lambda run: log_of_changes(Window(run.window.until - _CHANGES, run.window.until))),
    }

    def prepare(self) -> None:
        """Read the parameters. Raises UsageError for times that are none and for a name too long to be one."""
        now = self.look.now
        self.org = organization_of(self.parameters)
        if len(self.org) > _LONGEST_NAME or "\x00" in self.org:
            raise UsageError(
                "Cannot look for this organization",
                where="org",
                came_back=f"it is {len(self.org)} characters long, or holds characters that no name has",
                do_next="Give the organization's id, its name, or its Stripe customer (cus_…).",
            )
        self._window = parse_window(
            str(self.parameters.get("since") or "24h"), str(self.parameters.get("until") or "now"), now=now
        )
        self.job = str(self.parameters.get("job") or "usage-report")
        self.route = str(self.parameters.get("route") or ROUTE)
        self.report_within = _span(str(self.parameters.get("report_within") or "26h"), now)

    @property
    def window(self) -> Window:
        """What was asked of requests; ledgers and limits go by billing periods."""
        return self._window

    @property
    def counted(self) -> Window:
        """The part of the window in which records are counted against the log of what was served: where the log holds more than was
        read, only the newest requests are known, and the records of that time are held against them."""
        since = known_since(self.evidence.served)
        return Window(since, self.window.until) if since is not None else self.window


def organization_of(parameters: Mapping[str, Json]) -> str:
    """The organization that a run is asked about; empty: all of them."""
    return str(parameters.get("org") or "").strip()


def log_of_refusals(window: Window, route: str) -> list[Look]:
    """What the platforms' logs hold of refusals, whoever's they were."""
    return [
        vercel.request_log("api", window, search=route, status="429"),
        vercel.request_log("api", window, search=route, status="402"),
        railway.http_log("api", window, status="429"),
        railway.http_log("api", window, status="402"),
    ]


def log_of_changes(window: Window) -> list[Look]:
    """What was deployed and which variables were changed."""
    return [vercel.deployments("api", window), vercel.env_changes("api"), railway.deployments("api")]


def crossing_of(account: Account, window: Window, before: UsedUnits, way: Way = "database") -> Look:
    """When an organization's limit was reached, and what was recorded since; see `verdict.limit_hour`."""
    return postgres_usage.crossing(account.org_id, window, before, account.known_limit, way=way)


def _span(text: str, now: datetime) -> timedelta:
    """How long `26h` or `2d` is. Raises UsageError for anything else, and for no time at all."""
    if not re.fullmatch(r"0*[1-9]\d{0,5}\s*[smhd]", text.strip(), re.ASCII):
        raise UsageError(
            "Cannot read this span of time",
            where=f"report_within={text[:40]!r}",
            came_back="it is not like `26h` or `2d`, or no time at all",
            do_next="Give how old usage may be before it must have been reported: 26h for a daily report, 2h for an hourly one.",
        )
    return now - parse_time(text, now=now, name="report_within")
