"""A hand-made organization for 05's rules: healthy as it stands; each test changes one thing in it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from support.evidence import look

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.procedures.quota_enforcement.evidence import Evidence

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday
ORG = "13ebd848-65e2-449b-8d7c-89378b2f3c6d"
CUSTOMER = "cus_1"
SINCE, UNTIL = datetime(2026, 11, 8, tzinfo=UTC), datetime(2026, 12, 8, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
HOURS = (2, 9, 14, 21)


def epoch(moment: datetime) -> int:
    """Whole epoch seconds."""
    return int(moment.timestamp())


def usual_usage() -> dict[int, int]:
    """Tokens by hour of four weeks and a day: four hours a day, all of different amounts."""
    day = MIDNIGHT - timedelta(days=28)
    found = {}
    while day <= MIDNIGHT:
        for nth, hour in enumerate(HOURS):
            at = day + timedelta(hours=hour)
            if at < NOW:
                found[epoch(at)] = 50_000 + 1_000 * day.day + 100 * nth + 7 * day.month
        day += timedelta(days=1)
    return found


def subscription(**given: Any) -> dict[str, Any]:
    """A subscription as the look has it."""
    base = {
        "id": "sub_1",
        "status": "active",
        "customer": CUSTOMER,
        "period_start": to_iso(SINCE),
        "period_end": to_iso(UNTIL),
        "cancel_at_period_end": False,
        "canceled_at": None,
        "ended_at": None,
        "created_at": "2026-05-08T00:00:00.000Z",
        "paused": False,
        "plan": "enterprise",
        "items": [
            {"id": "si_1", "lookup_key": "enterprise", "usage_type": "licensed", "meter": None},
            {"id": "si_2", "lookup_key": None, "usage_type": "metered", "meter": None},
        ],
    }
    return {**base, **given}


def request(at: datetime, status: int = 200, **given: Any) -> dict[str, Any]:
    """A request by its span."""
    row = {"trace": f"{epoch(at):032x}{status}", "at": to_iso(at), "ms": 300.0, "status": status}
    return {**row, "route": "/api/chat", "org": ORG, "user": "u1", **given}


@dataclass(frozen=True)
class World:
    """What the looks would bring. `statuses`: looks that bring none of it, by call."""

    record: dict[str, Any] = field(
        default_factory=lambda: {
            "org_id": ORG, "name": "Globex", "has_record": True, "stripe_customer_id": CUSTOMER, "plan": "enterprise",
            "status": "active", "current_period_end": to_iso(UNTIL), "time_zone": "UTC",
        }
    )  # fmt: skip
    limits: dict[str, Any] = field(
        default_factory=lambda: {
            "free": {"tokens": 100_000, "requests": 1_000},
            "pro": {"tokens": 50_000_000, "requests": 500_000},
            "enterprise": {"tokens": 100_000_000, "requests": 1_000_000},
        }
    )  # fmt: skip
    subscriptions: list[dict[str, Any]] = field(default_factory=lambda: [subscription()])
    customer: tuple[Status, Any, str] = (Status.ok, {"id": CUSTOMER}, "")
    others: list[dict[str, Any]] = field(default_factory=list)
    meters: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": "mtr_1", "event_name": "nexus_tokens", "name": "Tokens", "status": "active", "deactivated_at": None}
        ]
    )
    recorded: dict[int, int] = field(default_factory=usual_usage)
    reported: dict[int, float] | None = None  # None: all that was recorded before the last midnight
    legacy: float | None = None  # None: what the meter holds of the period
    groups: list[list[Any]] = field(default_factory=list)  # more usage, as `by_hour` has it
    requests: list[dict[str, Any]] = field(
        default_factory=lambda: [request(NOW - timedelta(hours=n)) for n in range(1, 5)]
    )
    records_in_window: int | None = None
    crossing: dict[str, Any] | None = None
    errors: list[dict[str, Any]] | None = None
    peers: list[dict[int, float]] | None = None
    runs: list[dict[str, Any]] | None = None
    events: list[dict[str, Any]] | None = None
    log: tuple[Observation, ...] = ()  # the platforms' logs: of refusals, of what was served, the API's own lines
    attributed: tuple[Observation, ...] = ()
    everybody: int | None = None
    statuses: dict[str, Status] = field(default_factory=dict)
    now: datetime = NOW
    within: timedelta = timedelta(hours=26)

    def but(self, **changes: Any) -> "World":
        """The same world with something changed."""
        return replace(self, **changes)

    @property
    def held(self) -> dict[int, float]:
        """What the meter holds."""
        if self.reported is not None:
            return self.reported
        return {start: float(tokens) for start, tokens in self.recorded.items() if start < epoch(MIDNIGHT)}

    def see(self, source: str, call: str, value: Any, **arguments: Any) -> Observation:
        """A look's observation: its value, or the status that it has instead."""
        status = self.statuses.get(call)
        if status is not None and not status.has_content:
            return look(source, call, None, status, **arguments)
        return look(source, call, value, status or (Status.ok if value else Status.empty), **arguments)

    def evidence(self) -> Evidence:
        """Everything, as the procedure would have gathered it."""
        window = Window(self.now - timedelta(hours=24), self.now)
        ledger = {"since": to_iso(MIDNIGHT - timedelta(days=29)), "until": to_iso(self.now)}
        rows = [[start, "openai", "gpt-4o", tokens, 1, 1, 0] for start, tokens in self.recorded.items()] + self.groups
        of_period = sum(quantity for start, quantity in self.held.items() if start >= epoch(SINCE))
        total = of_period if self.legacy is None else self.legacy
        served = sum(200 <= row["status"] < 300 for row in self.requests)
        count = served if self.records_in_window is None else self.records_in_window
        status, value, why = self.customer
        customer = replace(look("stripe", "customer", value, self.statuses.get("customer", status)), why=why)
        peers = [
            self.see("stripe", "meter_usage", [list(each) for each in sorted(peer.items())], customer_id=f"cus_{n}")
            for n, peer in enumerate(self.peers or ())
        ]
        return Evidence(
            self.now,
            window,
            "Globex",
            report_within=self.within,
            record=(self.see("postgres", "organization", self.record or None),),
            limits=self.see("team", "plan_limits", self.limits),
            meters=self.see("stripe", "meters", self.meters),
            subscriptions=self.see("stripe", "subscriptions", self.subscriptions),
            customer=customer,
            customers_of=self.see("stripe", "customers_of", self.others),
            by_hour=(self.see("postgres", "by_hour", sorted(rows, key=lambda row: row[0])),),
            recorded=(self.see("postgres", "recorded", {"records": count, "orgs": 1}, org_id=ORG),),
            requests=(
                self.see("tempo", "of_org", self.requests),
                look("jaeger", "of_org", None, Status.not_configured),
            ),
            legacy=(self.see("stripe", "legacy_usage", [{"total": total, "invoice": None}], item_id="si_2"),),
            meter_usage=self.see(
                "stripe",
                "meter_usage",
                [list(each) for each in sorted(self.held.items())],
                customer_id=CUSTOMER,
                **ledger,
            )
            if self.meters
            else None,
            refusals=tuple(each for each in self.log if each.arguments.get("status") in ("429", "402")),
            served=tuple(each for each in self.log if each.arguments.get("status") == "200"),
            lines=tuple(each for each in self.log if each.call == "logs"),
            attributed=self.attributed,
            everybody=()
            if self.everybody is None
            else (self.see("postgres", "recorded", {"records": self.everybody, "orgs": 3}, org_id=""),),
            runs=None if self.runs is None else self.see("vercel", "request_log", self.runs, search="usage-report"),
            crossings=() if self.crossing is None else (self.see("postgres", "crossing", self.crossing),),
            errors=() if self.errors is None else (self.see("stripe", "meter_errors", self.errors),),
            payers=()
            if self.peers is None
            else (self.see("postgres", "payers", [{"stripe_customer_id": f"cus_{n}"} for n in range(len(peers))]),),
            peers=tuple(peers),
            events=None if self.events is None else self.see("stripe", "events", self.events),
        )
