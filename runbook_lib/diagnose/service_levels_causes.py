"""The causes that procedure 09 can name: objectives first, then the alerts that should guard them."""

from runbook_lib.diagnose.causes import Catalogue, Cause, Sub
from runbook_lib.model import Kind

_FREEZE = "Stop risky deployments until the budget recovers;"

CATALOGUE = Catalogue(
    "09_service_levels",
    Cause(
        "slo.met",
        Kind.state,
        "the objective is met over the whole period, and nothing burns its budget",
        "Nothing to do; look again next week.",
    ),
    Cause(
        "slo.availability_missed",
        Kind.fault,
        "more requests failed in the period than the objective allows",
        f"{_FREEZE} run 01_failed_request on the hour that cost most, which the report names.",
    ),
    Cause(
        "slo.latency_missed",
        Kind.fault,
        "more requests were slow in the period than the objective allows",
        f"{_FREEZE} run 01_failed_request on a slow request of the hour that cost most, which the report names.",
    ),
    Cause(
        "slo.webhook_missed",
        Kind.fault,
        "more of Stripe's events were not taken than the objective allows",
        "Run 02_stripe_webhooks; then resend what was lost: stripe events resend <evt_…>.",
        {
            "no_endpoint": Sub(
                "no enabled endpoint asks for these events: none is delivered, whatever Stripe's pending counts say",
                "Enable the endpoint, or add the event types to it: Stripe dashboard, Developers, Webhooks; then resend what "
                "was lost.",
            ),
        },
    ),
    Cause(
        "slo.budget_burning",
        Kind.fault,
        "the budget is not gone yet, and is being spent faster than the period can bear",
        "Find what fails now: run 01_failed_request on the last hour.",
        {
            "fast": Sub("at a rate that is worth waking somebody: 14.4 times over an hour, or 6 times over six hours"),
            "slow": Sub(
                "at a rate that is worth a ticket: 3 times over a day, or 1 times over three days",
                "Open a ticket; run 01_failed_request on the last day, and mend what leads its list.",
            ),
        },
    ),
    Cause(
        "slo.no_data",
        Kind.blind,
        "nothing was counted, or too little of the period: that is never met",
        "Point the runbook at a source that counts: RUNBOOK_TEMPO_URL, RUNBOOK_PROMETHEUS_URL, RUNBOOK_JAEGER_URL, or the "
        "platform's metrics.",
        {
            "nothing": Sub("every source answered, and none counted a single request"),
            "unseen": Sub("no source that counts could be asked"),
            "retention": Sub(
                "the source forgets before the period is over",
                "Keep span metrics for the whole period (Prometheus), raise the backend's retention, or shorten the period.",
            ),
            "gap": Sub(
                "for some time nothing was counted although there must have been requests",
                "Find out whether the exporter or the part itself was silent then; the platform's own metrics know.",
            ),
        },
    ),
    Cause(
        "slo.too_few_requests",
        Kind.blind,
        "too few requests for a share of them to mean anything",
        "Wait for more traffic, lengthen the period, or lower min_requests knowing what that costs.",
    ),
)
