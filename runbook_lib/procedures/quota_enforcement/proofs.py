"""What only the content of 05's looks proves: that an organization has nothing at Stripe, that a log or a backend told of requests.

Silence is no proof. A log without refusals counts where it holds any request of the API at all, and a trace backend where it holds
one of the requests in question: an idle one, or one whose spans name no organization, looks the same as a healthy one.
"""

from collections.abc import Iterable, Sequence

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.organizations import OrganizationRecord
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.core.records.subscriptions import AnySubscription, Subscription, SubscriptionInShort
from runbook_lib.judging.answers import whole_record, whole_rows
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.quota_enforcement.account import metered_items_of
from runbook_lib.procedures.quota_enforcement.evidence import known_since, rows_seen
from runbook_lib.reading.plans import ENDED

Proof = Sequence[Observation]
ONE, ALL = ("postgres.organization", "supabase.organization"), ("postgres.organizations", "supabase.organizations")
LOGS = ("vercel.request_log", "railway.http_log")


def no_customer(seen: Seen) -> Proof:
    """No customer at Stripe is on record: of the organization, or of any."""
    for look in seen.of(*ONE):
        one = whole_record(look, OrganizationRecord)
        if one is not None and not one["stripe_customer_id"]:
            return [look]
    for look in seen.of(*ALL):
        everyone = whole_rows(look, OrganizationRecord)
        if everyone and not any(row["stripe_customer_id"] for row in everyone):
            return [look]
    return ()


def nothing_metered(seen: Seen) -> Proof:
    """No running subscription has a price that goes by usage: none of it has to reach Stripe."""
    one = seen.of("stripe.subscriptions") if seen.of(*ONE) else ()
    for look in one:
        current = whole_rows(look, Subscription)[:1]  # the one that counts comes first
        if look.status.answered and not any(_is_metered(row) for row in current):
            return [look]
    for look in seen.of("stripe.fleet_subscriptions"):
        if look.status.answered and not any(_is_metered(row) for row in whole_rows(look, SubscriptionInShort)):
            return [look]
    return ()


def ledger_of_one(seen: Seen) -> Proof:
    """What Stripe holds of the organization's usage was read whole: the meter's hours, usage records' sums, or both."""
    records = [whole_record(look, OrganizationRecord) for look in seen.of(*ONE)]
    customers = {record["stripe_customer_id"] if record else None for record in records}
    hours = [look for look in seen.of("stripe.meter_usage") if look.arguments.get("customer_id") in customers]
    sums = seen.of("stripe.legacy_usage")
    held = [*hours, *(look for look in sums if look.status is Status.ok)]
    return [*hours, *sums] if held and all(look.status.answered for look in (*hours, *sums)) else ()


def ledger_of_all(seen: Seen) -> Proof:
    """What Stripe holds of everybody's usage was read whole."""
    looks = seen.of("stripe.fleet_usage", "stripe.fleet_legacy")
    return looks if looks and all(look.status is Status.ok for look in looks) else ()


def crossings_seen(seen: Seen) -> Proof:
    """Where a limit is used up it was seen since when; where none is, by what is used of it."""
    made = seen.of("postgres.crossing", "supabase.crossing")
    if made:
        asked = {_asked(look) for look in made}
        answered = [look for look in made if look.status.answered]
        return answered if {_asked(look) for look in answered} == asked else ()
    used = seen.of("postgres.by_hour", "supabase.by_hour", "postgres.fleet", "supabase.fleet")
    limits = seen.of("team.plan_limits")
    return _complete((*used, *limits)) if _complete(used) and _complete(limits) else ()


def traced(seen: Seen) -> Proof:
    """A trace backend told of the requests in question: of the organization, or of those that were refused."""
    names = ("tempo.of_org", "jaeger.of_org") if seen.of(*ONE) else ("tempo.refused", "jaeger.refused")
    return [look for look in seen.of(*names) if look.status.answered and look.value]


def refusals_logged(seen: Seen) -> Proof:
    """The access log of every platform that is set up was read for refusals, and one of them holds requests of the API."""
    looks = _logged(seen, ("429", "402"))
    return looks if all(look.status.answered for look in looks) and rows_seen(_of_api(seen), RequestRow) else ()


def served_logged(seen: Seen) -> Proof:
    """The access log was read for what was served, and what all organizations wrote was counted over the same time. Of a log that
    holds more than was read the newest requests are known, and stand for the others."""
    looks = _logged(seen, ("200",))
    if not looks or not rows_seen(_of_api(seen), RequestRow):
        return ()
    counted = [
        look
        for look in seen.of("postgres.recorded", "supabase.recorded")
        if look.status.answered and not look.arguments.get("org_id")
    ]
    since = known_since(looks)
    if any(not look.status.answered for look in looks):
        counted = [look for look in counted if since is not None and look.arguments.get("since") == to_iso(since)]
        return [*looks, *counted] if counted else ()
    return [*looks, *counted] if counted or not rows_seen(looks, RequestRow) else ()


def _logged(seen: Seen, statuses: Sequence[str]) -> Proof:
    """The looks for these statuses into the logs that are set up, where all of them brought something; none where one did not."""
    found: list[Observation] = []
    for name in LOGS:
        looks = [look for look in seen.of(name) if look.arguments.get("status") in statuses]
        set_up = [look for look in looks if look.status is not Status.not_configured]
        if any(not (look.status.answered or look.status.has_content) for look in set_up):
            return ()
        if set_up and {look.arguments["status"] for look in set_up} != set(statuses):
            return ()
        found += set_up
    return found


def _of_api(seen: Seen) -> list[Observation]:
    """Every look into the logs of the API's requests, the runs of its report among them."""
    return list(seen.of(*LOGS))


def _is_metered(subscription: AnySubscription) -> bool:
    return bool(metered_items_of(subscription)) and subscription["status"] not in ENDED


def _asked(look: Observation) -> str:
    return repr(sorted(look.arguments.items()))


def _complete(looks: Iterable[Observation]) -> list[Observation]:
    return [look for look in looks if look.status.answered]
