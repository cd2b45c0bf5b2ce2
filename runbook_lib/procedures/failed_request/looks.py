"""What 01 looks at: for one request, or for a window of them, as far as its ids and its time are known so far."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.core.clock import Window
from runbook_lib.core.records.project import BillingCustomer
from runbook_lib.core.records.traces import Span
from runbook_lib.io.observe import Look
from runbook_lib.reading.periods import billing_period
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.postgres import health as postgres
from runbook_lib.sources.providers import status_pages
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.supabase import records as supabase
from runbook_lib.sources.team import team_files
from runbook_lib.sources.traces import jaeger, tempo
from runbook_lib.sources.vercel import logs as vercel

_BEFORE, _AFTER = timedelta(seconds=30), timedelta(minutes=2)
_TRAFFIC = timedelta(hours=1)
_CHANGES = timedelta(hours=2)
_BESIDE_CALL = timedelta(seconds=2)


@dataclass(frozen=True)
class RequestSearch:
    """Which request is looked for: its ids, empty where unknown, and its time, None while unknown. Without an id: all of the
    window, and of the route unless that is empty. `pasted` are lines of the platform's log that somebody copied."""

    now: datetime
    window: Window
    request_id: str
    trace_id: str
    at: datetime | None
    route: str = ""
    pasted: str | None = None

    @property
    def is_one(self) -> bool:
        """Whether one request is looked for, by its id or its trace's."""
        return bool(self.request_id or self.trace_id)

    @property
    def around(self) -> Window:
        """The half minute before one request to two minutes after it; the window while its time is unknown."""
        if not self.is_one or self.at is None:
            return self.window
        return Window(self.at - _BEFORE, max(min(self.now, self.at + _AFTER), self.at))

    @property
    def around_traffic(self) -> Window:
        """The hour before one request and the hour after it; of many, their window."""
        if not self.is_one:
            return self.window
        middle = self.at or self.window.until
        return Window(middle - _TRAFFIC, min(self.now, middle + _TRAFFIC))

    def requests(self) -> list[Look]:
        """The platforms' request logs; for one request also the trace backends' search by its id."""
        if not self.is_one:
            search = self.route or None
            return [
                vercel.request_log("web", self.window, search=search, pasted=self.pasted),
                vercel.request_log("api", self.window, search=search),
                railway.http_log("gateway", self.window),
            ]
        if not self.request_id:
            return [
                vercel.request_log("web", self.window, search=self.trace_id, pasted=self.pasted),
                vercel.request_log("api", self.window, search=self.trace_id),
            ]
        return [
            vercel.request_log("web", self.window, request_id=self.request_id, pasted=self.pasted),
            vercel.request_log("api", self.window, request_id=self.request_id),
            tempo.find_request(self.request_id, self.window, at=self.at),
            jaeger.find_request(self.request_id, self.window, at=self.at),
        ]

    def traces(self) -> list[Look]:
        """Of one request its whole trace, from either backend, none without a trace id; else whole traces of the window."""
        if self.is_one:
            return [each.trace(self.trace_id, self.window, at=self.at) for each in (tempo, jaeger) if self.trace_id]
        return _whole_traces(self.window, self.route)

    def traces_before(self) -> list[Look]:
        """Whole traces of as long a time before the window."""
        before = Window(self.window.since - (self.window.until - self.window.since), self.window.since)
        return _whole_traces(before, self.route)

    def logs(self) -> list[Look]:
        """What the parts wrote: lines that carry the request's or the trace's id, or all of the window."""
        if not self.is_one:
            return [railway.logs("gateway", self.window), railway.logs("api", self.window), fly.logs(self.window)]
        trace_id, request_id = self.trace_id or None, self.request_id or None
        return [
            vercel.request_log("web", self.around),
            vercel.request_log("api", self.around),
            railway.logs("gateway", self.around, trace_id=trace_id, request_id=request_id),
            railway.logs("api", self.around, trace_id=trace_id, request_id=request_id),
            fly.logs(self.around, self.trace_id or self.request_id),
        ]

    def changes(self) -> list[Look]:
        """Deployments of every part, and changed variables, from two hours before."""
        before = Window((self.at or self.window.since) - _CHANGES, self.window.until)
        return [
            vercel.deployments("web", before),
            vercel.deployments("api", before),
            vercel.env_changes("web"),
            vercel.env_changes("api"),
            railway.deployments("gateway"),
            railway.deployments("api"),
            fly.releases(),
        ]


def request_log_of(part: str, around: Window) -> list[Look]:
    """The request log of a part, on whichever platform it runs."""
    if part == "gateway":
        return [railway.http_log("gateway", around)]  # Fly.io has no such log
    return [vercel.request_log(part, around)]


def traces_like(root: Span, around: Window) -> list[Look]:
    """Traces that begin as one does."""
    return [backend.same_root(root["name"], around) for backend in (tempo, jaeger)]


def of_silent_callee(part: str, call: Span, now: datetime) -> list[Look]:
    """What a part reported during a call beneath which it left no span: its spans in other traces, its platform's rows."""
    around = around_call(call["start_ns"], call["end_ns"], now)
    return [
        tempo.window_traces(around, limit=50),
        jaeger.window_traces(around, limit=50),
        *request_log_of(part, around),
        *([fly.logs(around)] if part == "gateway" else []),
    ]


def of_gateways_platform(complained: datetime, now: datetime) -> list[Look]:
    """What the gateway's platform saw in the seconds before somebody complained of the gateway."""
    around = Window(complained - timedelta(seconds=5), max(min(now, complained + timedelta(seconds=2)), complained))
    return [*request_log_of("gateway", around), fly.logs(around)]


def customer_of(org_id: str) -> list[Look]:
    """An organization's plan, and who it is at Stripe."""
    return [supabase.billing_customer(org_id)]


def quota_of(org_id: str, plan: BillingCustomer | None, at: datetime) -> list[Look]:
    """Usage and limits of an organization in the period of a moment, and its subscription; `plan`: None where it is not known."""
    ends_at = plan["current_period_end"] if plan is not None else None
    looks: list[Look] = [supabase.usage(org_id, billing_period(ends_at, at)), team_files.plan_limits()]
    if plan is not None and plan["stripe_customer_id"]:
        looks.append(stripe.subscription(plan["stripe_customer_id"]))
    return looks


def of_what_lies_behind(codes: Iterable[str], providers: Iterable[str], window: Window) -> list[Look]:
    """Locks and connections where the database failed; the vendor's status page where a vendor did."""
    named = tuple(codes)
    looks: list[Look] = []
    if any(code.startswith("request.db_failed") for code in named):
        looks += [postgres.activity(), supabase.project_health()]
    looks += [status_pages.incidents(provider, window) for provider in providers]
    if any(code.startswith("request.stripe_failed") for code in named):
        looks.append(status_pages.incidents("stripe", window))
    return looks


def _whole_traces(window: Window, route: str) -> list[Look]:
    return [backend.window_traces(window, route or None) for backend in (tempo, jaeger)]


def around_call(start_ns: int, end_ns: int, now: datetime) -> Window:
    """A call's time with two seconds on either side, but not beyond now."""
    start = datetime.fromtimestamp(start_ns / 1e9, now.tzinfo) - _BESIDE_CALL
    end = datetime.fromtimestamp(end_ns / 1e9, now.tzinfo) + _BESIDE_CALL
    return Window(start, max(start + timedelta(seconds=1), min(now, end)))
