"""What procedure 05 has seen of one organization, filed by topic, and how a look's value is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.judging.answers import rows_of
from runbook_lib.judging.evidence import Filed
from runbook_lib.reading.periods import moment

Record = TypeVar("Record")
Looks = tuple[Observation, ...]
ROUTE = "/api/chat"
DAILY = timedelta(hours=26)


def pick(looks: Iterable[Observation]) -> Observation | None:
    """Of several ways to the same answer the first that answered, else one with something, else the first; None without any."""
    made = list(looks)
    answered = [look for look in made if look.status.answered] or [look for look in made if look.status.has_content]
    return next(iter(answered or made), None)


def rows_seen(looks: Iterable[Observation], record: type[Record]) -> list[Record]:
    """Every row that came back, of incomplete answers too: for what is positive where it is there, and no proof where it is not."""
    return [row for look in looks for row in rows_of(look, record)]


def known_since(log: Iterable[Observation]) -> datetime | None:
    """From when on a log was read whole, where it holds more than was read: it brings the newest first. None where all of it was
    read, or nothing."""
    oldest: list[datetime] = []
    for look in log:
        if look.status is Status.partial:
            times = [at for row in rows_of(look, RequestRow) if (at := moment(row["at"])) is not None]
            if not times:
                return None
            oldest.append(min(times))
    return max(oldest, default=None)


@dataclass(frozen=True)
class Evidence(Filed):
    """Everything that was looked at for one organization. A topic of several looks holds several ways, or several parts.

    Attributes:
        now: the moment that the run is about.
        window: what was asked of requests; ledgers and limits go by the billing period.
        route: the metered route.
        report_within: what is older must have been reported.
        in_fleet: it is one of many in an audit, in which all ledgers were seen; others_until is then up to when (epoch s) others'
            usage is at Stripe, None where nobody's is.
    """

    now: datetime
    window: Window
    org: str = ""
    route: str = ROUTE
    report_within: timedelta = DAILY
    record: Looks = ()
    limits: Observation | None = None
    meters: Observation | None = None
    subscriptions: Observation | None = None
    customer: Observation | None = None
    customers_of: Observation | None = None
    by_hour: Looks = ()
    recorded: Looks = ()
    requests: Looks = ()
    everybody: Looks = ()  # how many records all organizations wrote in the window
    refusals: Looks = ()  # the platforms' logs of 402 and 429, whoever's
    served: Looks = ()  # and of what was answered with a 200
    lines: Looks = ()  # the API's own lines on refusals
    attributed: Looks = ()  # whom of all the traces tell that was refused
    legacy: Looks = ()
    meter_usage: Observation | None = None
    runs: Observation | None = None
    payers: Looks = ()
    peers: Looks = ()
    errors: Looks = ()
    changes: Looks = ()
    events: Observation | None = None
    crossings: Looks = ()
    others_until: float | None = None
    in_fleet: bool = False

    def look(self, topic: str) -> Observation | None:
        """The look of a topic that counts."""
        held = getattr(self, topic)
        return pick(held) if isinstance(held, tuple) else held
