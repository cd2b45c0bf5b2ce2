"""What procedure 09 has seen, how a look's answer is read, and which looks would have shown which cause."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation
from runbook_lib.core.records.alerts import AlertRouting, AlertRules, TestedAlert
from runbook_lib.core.records.counts import Counts, SlowCounts
from runbook_lib.core.records.deliveries import WebhookCounts
from runbook_lib.core.records.team_files import Objective, Route, ServiceLevels
from runbook_lib.judging.answers import record_of, whole_record
from runbook_lib.judging.evidence import Filed
from runbook_lib.judging.witnesses import Proof, Seen, Topics, any_of, first_of, look, proof

AVAILABILITY, LATENCY, WEBHOOKS = KINDS = ("availability", "latency", "webhooks")
ALERTS, TRACE_ROUTES, ROUTES = "an objective with alerts", "a route from traces", "a route"
EVERYTHING = (*KINDS, ALERTS, TRACE_ROUTES, ROUTES)
_USUAL_DAYS = 30
_COUNTERS = (
    "tempo.service_counts",
    "prometheus.service_counts",
    "jaeger.service_counts",
    "railway.service_counts",
    "fly.service_counts",
    "tempo.raw_counts",
    "jaeger.raw_counts",
)
_TELLERS = {
    "traces": ("prometheus.alert_rules", "alertmanager.routing"),
    "vercel": ("vercel.alert_rules",),
    "railway": ("railway.alert_rules",),
}


@dataclass(frozen=True)
class Evidence(Filed):
    """Everything that was looked at, and what was asked for.

    Attributes:
        until: where the period ends.
        days: its length; 0: as the team's file says.
        only: the objectives that are asked about; empty: all.
    """

    until: datetime
    days: int = 0
    only: tuple[str, ...] = ()
    file: Observation | None = None
    counts: tuple[Observation, ...] = ()
    raw: tuple[Observation, ...] = ()
    webhooks: tuple[Observation, ...] = ()
    changes: tuple[Observation, ...] = ()
    rules: tuple[Observation, ...] = ()
    fired: tuple[Observation, ...] = ()
    tested: tuple[Observation, ...] = ()

    @property
    def levels(self) -> ServiceLevels | None:
        """The team's file; None where it could not be read."""
        return record_of(self.file, ServiceLevels)

    @property
    def window(self) -> Window:
        """The period, up to the last whole minute: a step that is not over yet has not been counted."""
        until = self.until.replace(second=0, microsecond=0)
        promised = self.levels["period_days"] if self.levels else _USUAL_DAYS
        return Window(until - timedelta(days=self.days or int(promised)), until)

    def objectives(self) -> list[Objective]:
        """The objectives that are asked about."""
        objectives = self.levels["objectives"] if self.levels else []
        return [each for each in objectives if not self.only or each["name"] in self.only]

    def routes(self) -> Sequence[Route]:
        """Who is to be told of what, as the team wants it."""
        return self.levels["routes"] if self.levels else ()

    def questions(self) -> tuple[str, ...]:
        """What this run was asked for: everything, or what the objectives are about that it was asked about alone."""
        objectives = self.objectives() if self.only else []
        if not objectives:
            return EVERYTHING
        asked: set[str] = {each["kind"] for each in objectives}
        asked |= {ALERTS} if any(each["alerts"] for each in objectives) else set()
        asked |= {ROUTES} if self.routes() else set()
        asked |= {TRACE_ROUTES} if any(route["from"] == "traces" for route in self.routes()) else set()
        return tuple(each for each in EVERYTHING if each in asked)

    def counting(self, objective: Objective) -> tuple[Observation, ...]:
        """The looks that may have counted for an objective."""
        return counting(objective, (*self.counts, *self.raw, *self.webhooks))


def find(looks: Iterable[Observation], source: str, call: str) -> Observation | None:
    """The look of this source and call; None where it was not made."""
    return next((each for each in looks if (each.source, each.call) == (source, call)), None)


def counting(objective: Objective, looks: Iterable[Observation]) -> tuple[Observation, ...]:
    """Those of some looks that may have counted for an objective."""
    if objective["kind"] == WEBHOOKS:
        return tuple(each for each in looks if each.arguments.get("types") == objective["events"])
    return tuple(each for each in looks if each.arguments.get("service") == objective["service"])


def slow_counts(counts: Counts, objective: Objective) -> SlowCounts | None:
    """How many were slower than a latency objective allows, in an answer that counts requests; None where it does not say."""
    slow = counts["slow"]
    return slow if slow and slow["within_ms"] == objective["within_ms"] else None


def _promises(seen: Seen) -> ServiceLevels | None:
    return next((whole_record(each, ServiceLevels) for each in seen.of("team.service_levels")), None)


def _promised_objectives(seen: Seen) -> list[Objective]:
    promises = _promises(seen)
    return promises["objectives"] if promises else []


def _promised_routes(seen: Seen) -> list[Route]:
    promises = _promises(seen)
    return promises["routes"] if promises else []


def _counted(*kinds: str) -> Proof:
    """That something was counted for each objective of these kinds that was asked about."""

    def looks(seen: Seen) -> Iterable[Observation]:
        proving: list[Observation] = []
        made = seen.of(*_COUNTERS, "stripe.webhook_counts")
        for objective in _promised_objectives(seen):
            asked = _asked(objective, made) if objective["kind"] in kinds else ()
            counted = [each for each in asked if _counts_for(objective, each)]
            if asked and not counted:
                return ()
            proving += counted
        return proving

    return looks


def _asked(objective: Objective, made: Iterable[Observation]) -> list[Observation]:
    """The looks that were made for an objective: those for another limit of latency say that nobody asked about this one."""
    looks = counting(objective, made)
    is_about_limit = objective["kind"] == LATENCY
    return [each for each in looks if not is_about_limit or each.arguments.get("within_ms") == objective["within_ms"]]


def counts_in(look: Observation | None) -> Counts | None:
    """What a look counted by the hour; None where it did not: of webhooks, an answer without events tells the endpoints alone."""
    counts = record_of(look, Counts)
    return counts if counts is not None and "total" in counts else None


def _counts_for(objective: Objective, each: Observation) -> bool:
    if not each.status.answered:
        return False
    if objective["kind"] == WEBHOOKS:  # where nobody may read the endpoints, an event that nobody asks for looks taken
        events = record_of(each, WebhookCounts) if counts_in(each) else None
        return events is not None and bool(events["total"]) and events["uncovered"] is not None
    counts = counts_in(each)
    if counts is None or not counts["total"]:
        return False
    return objective["kind"] != LATENCY or slow_counts(counts, objective) is not None


def _tellers(seen: Seen) -> set[str]:
    """Who is to tell of something, as the team's file names them."""
    tellers = {route["from"] for route in _promised_routes(seen)}
    return tellers | ({"traces"} if any(each["alerts"] for each in _promised_objectives(seen)) else set())


def _told(seen: Seen) -> Iterable[Observation]:
    """The looks at whoever tells, as far as the team's file names them; none where one of them did not answer."""
    found: list[Observation] = []
    for name in (name for teller in sorted(_tellers(seen)) for name in _TELLERS[teller]):
        made = seen.of(name)
        if not made or not all(each.status.answered for each in made):
            return ()
        found += made
    return found


def _sent_on(seen: Seen) -> Iterable[Observation]:
    """The rules, where it is said how many Alertmanagers their alerts go to; the promises, where nobody is to tell from traces.

    Grafana and Mimir answer with rules as Prometheus does, and do not say who is told of them.
    """
    if "traces" not in _tellers(seen):
        return seen.of("team.service_levels")
    return [
        each
        for each in seen.of("prometheus.alert_rules")
        if (rules := whole_record(each, AlertRules)) is not None and rules["alertmanagers"] is not None
    ]


def _evaluated(seen: Seen) -> Iterable[Observation]:
    """The rules, where each of those that guard an objective has been evaluated at least once."""
    names = {name for each in _promised_objectives(seen) for name in each["alerts"]}
    return [
        each
        for each in seen.of("prometheus.alert_rules")
        if (found := whole_record(each, AlertRules)) is not None
        and all(
            rule["health"] != "unknown" and rule["evaluated_at"] for rule in found["rules"] if rule["name"] in names
        )
    ]


def _delivered(seen: Seen) -> Iterable[Observation]:
    """Alertmanager's counters, where each receiver that the team wants was told of something and has refused nothing.

    They tell of the last notification, whenever that was: where a test was sent, its own outcome decides.
    """
    if seen.of("alertmanager.test_alert"):
        return ()
    wanted = [each["to"] for each in _promised_routes(seen) if each["from"] == "traces"]
    return [
        each
        for each in seen.of("alertmanager.routing")
        if wanted and (routing := whole_record(each, AlertRouting)) is not None and _all_delivered(routing, wanted)
    ]


def _all_delivered(routing: AlertRouting, wanted: Sequence[str]) -> bool:
    rows = routing["notifications"] or ()
    return all(
        kinds
        and all(
            any(
                row["integration"] == kind and row["receiver"] in ("", to) and row["sent"] and not row["failed"]
                for row in rows
            )
            for kind in kinds
        )
        for to in wanted
        for kinds in [routing["receivers"].get(to, ())]
    )


def is_heard(test: Observation) -> bool:
    """Whether every integration that a test alert was meant for gave an answer, good or bad."""
    sent = whole_record(test, TestedAlert)
    return sent is not None and bool(sent["expected"]) and not unheard(test)


def unheard(test: Observation) -> list[str]:
    """The integrations that no answer was counted of, good or bad: nobody knows whether the test alert reached them."""
    sent = whole_record(test, TestedAlert)
    if sent is None:
        return []
    taken, refused = sent["taken"] or {}, sent["refused"] or {}
    return [kind for kind in dict.fromkeys(sent["expected"]) if not taken.get(kind) and not refused.get(kind)]


def _is_active(test: Observation) -> bool:
    sent = whole_record(test, TestedAlert)
    return sent is not None and sent["state"] == "active"


def _inhibits_nothing(routing: Observation) -> bool:
    found = whole_record(routing, AlertRouting)
    return found is not None and found["inhibits"] == 0


def unpromised(kind: str) -> Callable[[Seen], str]:
    """For `Cause.not_applicable`: the team promises nothing of this kind."""

    def why(seen: Seen) -> str:
        has_any = any(each["kind"] == kind for each in _promised_objectives(seen))
        return f"the team's file promises nothing about {kind}" if _promises(seen) and not has_any else ""

    return why


def no_alerts(seen: Seen) -> str:
    """For `Cause.not_applicable`: the team counts on no alert."""
    has_any = any(each["alerts"] for each in _promised_objectives(seen))
    return "no objective of the team's file names an alert" if _promises(seen) and not has_any else ""


def no_trace_routes(seen: Seen) -> str:
    """For `Cause.not_applicable`: the team counts on nobody who is told from traces."""
    has_any = any(each["from"] == "traces" for each in _promised_routes(seen))
    return "the team's file names no route from traces" if _promises(seen) and not has_any else ""


def nobody_to_tell(seen: Seen) -> str:
    """For `Cause.not_applicable`: neither alerts nor routes."""
    is_bare = not _promised_routes(seen) and no_alerts(seen)
    return "the team's file names no alert and no route" if is_bare else ""


def nothing_to_silence(seen: Seen) -> str:
    """For `Cause.not_applicable`: neither alerts nor routes from traces."""
    return (
        "the team's file names no alert and no route from traces" if no_alerts(seen) and no_trace_routes(seen) else ""
    )


TOPICS = Topics(
    {
        "promises": look("team.service_levels"),
        "availability": proof("requests were counted for each availability", _counted(AVAILABILITY), *_COUNTERS),
        "latency": proof("slow requests were counted for each latency", _counted(LATENCY), *_COUNTERS),
        "webhooks": proof(
            "Stripe's events were counted and its endpoints read", _counted(WEBHOOKS), "stripe.webhook_counts"
        ),
        "counts": proof(
            "something was counted for each objective", _counted(*KINDS), *_COUNTERS, "stripe.webhook_counts"
        ),
        "second_count": any_of(look("railway.service_counts"), look("fly.service_counts")),
        "tellers": proof(
            "everybody answered who is to tell", _told, *(name for names in _TELLERS.values() for name in names)
        ),
        "sent_on": proof("Prometheus sends its alerts to an Alertmanager", _sent_on, "prometheus.alert_rules"),
        "rules": look("prometheus.alert_rules"),
        "evaluated_rules": proof("each rule was evaluated", _evaluated, "prometheus.alert_rules"),
        "routing": look("alertmanager.routing"),
        "silences": look("alertmanager.silences"),
        "history": look("prometheus.alerts_fired"),
        "delivery": any_of(
            look("alertmanager.test_alert", holding=is_heard, else_why="nothing tells whether the test alert arrived"),
            proof("each receiver took all that it was sent", _delivered, "alertmanager.routing"),
        ),
        "inhibition": any_of(
            look("alertmanager.test_alert", holding=_is_active, else_why="the test alert was never active"),
            look("alertmanager.routing", holding=_inhibits_nothing, else_why="there are rules that inhibit"),
            look(
                "alertmanager.alerts",
                holding=lambda each: each.status.proves_absence,
                else_why="some alert fires, and might inhibit",
            ),
        ),
        # No cause is shown by these as a whole: they say which looks stand in for each other where one is not set up.
        "counters": first_of(*map(look, _COUNTERS)),
        "deployments_of_api": first_of(look("vercel.deployments", part="api"), look("railway.deployments", part="api")),
        "deployments_of_gateway": first_of(look("railway.deployments", part="gateway"), look("fly.releases")),
    }
)
