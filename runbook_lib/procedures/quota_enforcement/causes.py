"""The causes that procedure 05 can name: the plan's limits, the daily usage report, the subscription, the customer."""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub

_FAULT, _STATE = Kind.fault, Kind.state
_RERUN = (
    "Find the run in the API's log, correct what stopped it, and run the report again for those days; marked by organization and "
    "hour (meter events' identifier, usage records' `action=set`) it counts nothing twice."
)
_PAY = "Ask the customer to pay the open invoice, or mark it paid; service returns with `invoice.paid`."

CATALOGUE = Catalogue(
    "05_quota_enforcement",
    Cause(
        "quota.within_limits",
        _STATE,
        "usage lies below the plan's limits, and Stripe holds all that is due",
        "Nothing to do.",
    ),
    Cause(
        "quota.over_limit",
        _STATE,
        "the plan's limit is used up, and requests are refused, as they should be",
        "Offer the customer a larger plan, or wait for the next period; nothing is broken.",
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
    ),
    Cause(
        "quota.blocked_wrongly",
        _FAULT,
        "requests are refused for the plan though usage and subscription allow them",
        "Compare what the API counts with usage_records: rows instead of requests, another period, a limit that differs from the "
        "team's file, a cached status.",
    ),
    Cause(
        "quota.not_enforced",
        _FAULT,
        "the limit is used up, and requests are served all the same",
        "Check that the API runs its quota check on this route and with the plan's own limit; nothing is refunded by itself.",
    ),
    Cause(
        "usage.no_job",
        _FAULT,
        "nothing has ever been reported to Stripe, and no run of a report is to be seen",
        "Set the daily usage report up (a scheduled call of the API) and report the open period.",
    ),
    Cause("usage.report_stale", _FAULT, "the daily usage report has not run in time", _RERUN),
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
    ),
    Cause(
        "usage.unreported",
        _FAULT,
        "hours that were never reported lie before hours that were",
        _RERUN,
    ),
    Cause(
        "usage.double_reported",
        _FAULT,
        "the same quantity was reported for the same hour twice",
        "Take the second events back (meter event adjustments, within 24 hours) or credit the invoice; give reports an identifier "
        "made of organization and hour, and usage records `action=set`.",
    ),
    Cause(
        "usage.shifted",
        _FAULT,
        "usage was reported under times that are all off by the same hours, so that it falls into other periods at their edges",
        "Stamp reports with the usage's own time in UTC (epoch seconds), not with a local one.",
    ),
    Cause(
        "usage.unrecorded",
        _FAULT,
        "requests were served and left no usage record",
        "Find why the record is not written (its insert fails, or comes after the answer and is lost); traces show its span.",
    ),
    Cause(
        "usage.unmetered",
        _FAULT,
        "usage records hold no tokens",
        "Find why the gateway's answer brings no token count for this provider and model (streams need `include_usage`).",
    ),
    Cause(
        "usage.spike",
        _FAULT,
        "usage of the last day is far above every day before",
        "Ask the customer whether it is meant; else revoke the key or session that spends it, and set a lower limit.",
    ),
    Cause("subscription.past_due", _FAULT, "the subscription's invoice could not be paid", _PAY),
    Cause(
        "subscription.canceled",
        _FAULT,
        "the subscription has ended",
        "If it should run, start a new one; if not, set the organization's plan to free.",
    ),
    Cause("subscription.unpaid", _FAULT, "Stripe has given up collecting the invoice", _PAY),
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
    ),
    Cause(
        "subscription.multiple",
        _FAULT,
        "two subscriptions run at once",
        "Cancel the one that is not meant, and refund what it took; see which one the metered usage goes to.",
    ),
    Cause(
        "subscription.missing",
        _FAULT,
        "a paid plan, and its customer has no subscription",
        "Start the subscription, or set the organization's plan to free.",
    ),
    Cause(
        "subscription.status_mismatch",
        _FAULT,
        "database and Stripe disagree on the subscription's status",
        "Stripe is right: write its status to billing_customers, and find out with 02 why the webhook did not.",
    ),
    Cause(
        "plan.mismatch",
        _FAULT,
        "database and Stripe disagree on the plan",
        "Decide which is meant; write Stripe's plan to billing_customers or change the subscription's price.",
    ),
    Cause(
        "limits.missing",
        _FAULT,
        "no limit is known for the plan",
        "Add the plan to the limits file (plan_limits.toml), and check that the API knows it too.",
    ),
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
    ),
    Cause(
        "customer.deleted",
        _FAULT,
        "the customer was deleted at Stripe",
        "A deleted customer does not come back: create a new one with a subscription, and write its id to billing_customers.",
    ),
    Cause(
        "customer.duplicate",
        _FAULT,
        "the organization has two customers at Stripe",
        "Keep the one with the subscription, move what hangs on the other, and delete it.",
    ),
)
