"""The causes that procedure 05 can name, in the order in which they explain, and the looks that would have shown each.

Two forms share them: one organization, and the audit of all. Where the audit looked at some organizations by the hour, what did not
come back of that is told by its rules, beside the sums of all that stand here.
"""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub
from runbook_lib.judging.witnesses import Topics, all_of, any_of, first_of, look, proof
from runbook_lib.procedures.quota_enforcement import proofs

_FAULT, _STATE = Kind.fault, Kind.state
_RERUN = (
    "Find the run in the API's log, correct what stopped it, and run the report again for those days; marked by organization and "
    "hour (meter events' identifier, usage records' `action=set`) it counts nothing twice."
)
_PAY = "Ask the customer to pay the open invoice, or mark it paid; service returns with `invoice.paid`."

TOPICS = Topics(
    {
        "organization": first_of("postgres.organization", "supabase.organization"),
        "organizations": first_of("postgres.organizations", "supabase.organizations"),
        "record": any_of("organization", "organizations"),
        "no_customer": proof("no customer at Stripe is on record", proofs.no_customer),
        "limits": look("team.plan_limits"),
        "hours": first_of("postgres.by_hour", "supabase.by_hour"),
        "sums": first_of("postgres.fleet", "supabase.fleet"),
        "usage": any_of(all_of("organization", "hours"), all_of("organizations", "sums")),
        "customer": any_of(
            all_of("organization", "stripe.customer"),
            all_of("organizations", "stripe.fleet_subscriptions", "stripe.fleet_customers"),
            "no_customer",
        ),
        "likes": any_of(
            all_of("organization", "stripe.customers_of"),
            all_of("organizations", "stripe.fleet_customers"),
            "no_customer",
        ),
        "subscriptions": any_of(
            all_of("organization", "stripe.subscriptions"),
            all_of("organizations", "stripe.fleet_subscriptions"),
            "no_customer",
        ),
        "subscription": all_of("subscriptions", "customer"),
        "use_of_limit": all_of("usage", "limits", "subscriptions"),
        "ledger": any_of(
            all_of(
                "organization",
                "hours",
                "stripe.meters",
                proof("Stripe's ledger was read", proofs.ledger_of_one, "stripe.meter_usage", "stripe.legacy_usage"),
            ),
            all_of(
                "organizations",
                "sums",
                "stripe.meters",
                proof("Stripe's ledger was read", proofs.ledger_of_all, "stripe.fleet_usage", "stripe.fleet_legacy"),
            ),
            all_of("record", proof("no running subscription has a metered price", proofs.nothing_metered)),
            "no_customer",
        ),
        "crossing": proof(
            "it was seen since when a limit is used up",
            proofs.crossings_seen,
            "postgres.crossing",
            "supabase.crossing",
        ),
        "traces": proof(
            "a trace backend holds requests of an organization",
            proofs.traced,
            "tempo.of_org",
            "jaeger.of_org",
            "tempo.refused",
            "jaeger.refused",
        ),
        "log": proof(
            "the platform's log holds requests of the API",
            proofs.refusals_logged,
            "vercel.request_log",
            "railway.http_log",
        ),
        "refusals": any_of("traces", "log"),
        "recorded": first_of("postgres.recorded", "supabase.recorded"),
        "served": any_of(
            all_of("organization", "recorded", "traces"),
            proof(
                "what was served stands in the platform's log, and was counted",
                proofs.served_logged,
                "vercel.request_log",
                "railway.http_log",
                "postgres.recorded",
                "supabase.recorded",
            ),
        ),
        # ways that stand in for one another, where they only tell more
        "backends": first_of("tempo.of_org", "jaeger.of_org"),
        "refused": first_of("tempo.refused", "jaeger.refused"),
        "platforms": first_of("vercel.request_log", "railway.http_log"),
        "lines": look("railway.logs", is_helpful=True),
        "deployments": first_of("vercel.deployments", "railway.deployments"),
        "variables": look("vercel.env_changes", is_helpful=True),
    }
)

CATALOGUE = Catalogue(
    "05_quota_enforcement",
    Cause(
        "customer.missing",
        _FAULT,
        "the customer on record is not at Stripe",
        "Correct billing_customers.stripe_customer_id.",
        {
            "no_id": Sub(
                "a paid plan, and no customer is on record",
                "Create the customer and its subscription, or set the plan to free.",
            ),
            "wrong_mode": Sub(
                "the customer exists in Stripe's other mode",
                "Use the id of this mode's customer, or the other mode's key.",
            ),
        },
        shown_by="customer",
    ),
    Cause(
        "customer.deleted",
        _FAULT,
        "the customer was deleted at Stripe",
        "A deleted customer does not come back: create a new one with a subscription, and write its id to billing_customers.",
        shown_by="customer",
    ),
    Cause(
        "customer.duplicate",
        _FAULT,
        "the organization has two customers at Stripe",
        "Keep the one with the subscription, move what hangs on the other, and delete it.",
        shown_by="likes",
    ),
    Cause(
        "subscription.past_due",
        _FAULT,
        "the subscription's invoice could not be paid",
        _PAY,
        shown_by="subscriptions",
    ),
    Cause(
        "subscription.canceled",
        _FAULT,
        "the subscription has ended",
        "If it should run, start a new one; if not, set the organization's plan to free.",
        shown_by="subscription",
    ),
    Cause(
        "subscription.unpaid",
        _FAULT,
        "Stripe has given up collecting the invoice",
        _PAY,
        shown_by="subscriptions",
    ),
    Cause(
        "subscription.incomplete",
        _FAULT,
        "the first payment is still missing",
        "Have the customer complete the payment within 23 hours of the start.",
        {
            "expired": Sub(
                "the first payment never came, and the subscription is void", "Start a new one with a card that works."
            )
        },
        shown_by="subscription",
    ),
    Cause(
        "subscription.paused",
        _FAULT,
        "the subscription is paused",
        "Resume it in Stripe once a payment method is there.",
        {
            "collection": Sub(
                "its collection is paused: it is active, and its invoices are not collected", "Resume collection."
            )
        },
        shown_by="subscriptions",
    ),
    Cause(
        "subscription.missing",
        _FAULT,
        "a paid plan, and its customer has no subscription",
        "Start the subscription, or set the organization's plan to free.",
        shown_by="subscription",
    ),
    Cause(
        "subscription.multiple",
        _FAULT,
        "two subscriptions run at once",
        "Cancel the one that is not meant, and refund what it took; see which one the metered usage goes to.",
        shown_by="subscriptions",
    ),
    Cause(
        "subscription.status_mismatch",
        _FAULT,
        "database and Stripe disagree on the subscription's status",
        "Stripe is right: write its status to billing_customers, and find out with 02 why the webhook did not.",
        shown_by="subscription",
    ),
    Cause(
        "plan.mismatch",
        _FAULT,
        "database and Stripe disagree on the plan",
        "Decide which is meant; write Stripe's plan to billing_customers or change the subscription's price.",
        shown_by=all_of("record", "subscriptions", "limits"),
    ),
    Cause(
        "limits.missing",
        _FAULT,
        "no limit is known for the plan",
        "Add the plan to the limits file (plan_limits.toml), and check that the API knows it too.",
        shown_by=all_of("record", "limits"),
    ),
    Cause(
        "quota.period_mismatch",
        _FAULT,
        "usage is counted over another period than Stripe bills",
        "Take the period from Stripe's subscription (of the item since basil) and write it to billing_customers.",
        {
            "calendar_month": Sub(
                "no period end is on record for a paying customer, so the calendar month is counted",
                "Fill billing_customers.current_period_end from Stripe; the `customer.subscription.updated` webhook must write it.",
            ),
            "stale": Sub(
                "the period on record has ended at Stripe",
                "Write the running period to billing_customers, and find out with 02 why the webhook did not.",
            ),
            "zone": Sub(
                "the edge on record is off by a time zone",
                "Store period edges as timestamptz in UTC: something wrote a local time without its zone.",
            ),
            "edge": Sub("the edge on record is another one"),
        },
        shown_by=all_of("record", "subscriptions"),
    ),
    Cause(
        "quota.not_enforced",
        _FAULT,
        "the limit is used up, and requests are served all the same",
        "Check that the API runs its quota check on this route and with the plan's own limit; nothing is refunded by itself.",
        shown_by=all_of("use_of_limit", "crossing"),
        explained_by=("quota.period_mismatch", "plan.mismatch"),  # counted over another period, or another limit
    ),
    Cause(
        "quota.blocked_wrongly",
        _FAULT,
        "requests are refused for the plan though usage and subscription allow them",
        "Compare what the API counts with usage_records: rows instead of requests, another period, a limit that differs from the "
        "team's file, a cached status.",
        shown_by=all_of("use_of_limit", "refusals"),
        explained_by=("quota.period_mismatch", "plan.mismatch"),  # counted over another period, or another limit
    ),
    Cause(
        "usage.shifted",
        _FAULT,
        "usage was reported under times that are all off by the same hours, so that it falls into other periods at their edges",
        "Stamp reports with the usage's own time in UTC (epoch seconds), not with a local one.",
        shown_by="ledger",
    ),
    Cause(
        "usage.no_job",
        _FAULT,
        "nothing has ever been reported to Stripe, and no run of a report is to be seen",
        "Set the daily usage report up (a scheduled call of the API) and report the open period.",
        shown_by="ledger",
    ),
    Cause(
        "usage.rejected",
        _FAULT,
        "meter events were accepted and dropped later, so Stripe does not count them",
        "Correct what the error report names and send those hours again under new identifiers, within 35 days.",
        {
            "meter": Sub(
                "there is no active meter of the events' name",
                "Reactivate the meter, or correct the event name; then send those hours again.",
            ),
            "customer": Sub(
                "the events name a customer that Stripe does not have",
                "Correct billing_customers.stripe_customer_id (test and live mode differ); then send those hours again.",
            ),
            "value": Sub("the events' value is no number that Stripe takes"),
        },
        shown_by="ledger",
    ),
    Cause(
        "usage.unreported",
        _FAULT,
        "hours that were never reported lie before hours that were",
        _RERUN,
        shown_by="ledger",
    ),
    Cause(
        "usage.report_stale",
        _FAULT,
        "the daily usage report has not run in time",
        _RERUN,
        shown_by="ledger",
    ),
    Cause(
        "usage.report_partial",
        _FAULT,
        "the report ran and is incomplete",
        _RERUN,
        {
            "broken_off": Sub("it stopped in the middle of a day"),
            "left_out": Sub(
                "it ran for other customers and left this one out",
                "See the run's log for this organization's error; run the report again for it.",
            ),
            "short": Sub(
                "hours were reported with less than was recorded, as when records are written after the report"
            ),
        },
        shown_by="ledger",
    ),
    Cause(
        "usage.double_reported",
        _FAULT,
        "the same quantity was reported for the same hour twice",
        "Take the second events back (meter event adjustments, within 24 hours) or credit the invoice; give reports an identifier "
        "made of organization and hour, and usage records `action=set`.",
        shown_by="ledger",
    ),
    Cause(
        "usage.unrecorded",
        _FAULT,
        "requests were served and left no usage record",
        "Find why the record is not written (its insert fails, or comes after the answer and is lost); traces show its span.",
        shown_by="served",
    ),
    Cause(
        "usage.unmetered",
        _FAULT,
        "usage records hold no tokens",
        "Find why the gateway's answer brings no token count for this provider and model (streams need `include_usage`).",
        shown_by="usage",
    ),
    Cause(
        "usage.spike",
        _FAULT,
        "usage of the last day is far above every day before",
        "Ask the customer whether it is meant; else revoke the key or session that spends it, and set a lower limit.",
        shown_by=all_of("usage", "limits"),
    ),
    Cause(
        "quota.over_limit",
        _STATE,
        "the plan's limit is used up, and requests are refused, as they should be",
        "Offer the customer a larger plan, or wait for the next period; nothing is broken.",
        shown_by="use_of_limit",
    ),
    Cause(
        "quota.within_limits",
        _STATE,
        "usage lies below the plan's limits, and Stripe holds all that is due",
        "Nothing to do.",
        shown_by="use_of_limit",
    ),
    topics=TOPICS,
)
