"""The causes that procedure 09 can name, in the order in which they explain: promises first, then the alerts that should guard
them; and the looks that would have shown each."""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub
from runbook_lib.judging.witnesses import all_of
from runbook_lib.procedures.service_levels.evidence import (
    ALERTS,
    AVAILABILITY,
    LATENCY,
    ROUTES,
    TOPICS,
    TRACE_ROUTES,
    WEBHOOKS,
    no_alerts,
    no_trace_routes,
    nobody_to_tell,
    nothing_to_silence,
    unpromised,
)

_FREEZE = "Stop risky deployments until the budget recovers;"

CATALOGUE = Catalogue(
    "09_service_levels",
    Cause(
        "slo.met",
        Kind.state,
        "the objective is met over the whole period, and nothing burns its budget",
        "Nothing to do; look again next week.",
        shown_by=all_of("promises", "counts"),
    ),
    Cause(
        "slo.availability_missed",
        Kind.fault,
        "more requests failed in the period than the objective allows",
        f"{_FREEZE} run 01_failed_request on the hour that cost most, which the report names.",
        shown_by=all_of("promises", "availability"),
        not_applicable=unpromised(AVAILABILITY),
        questions=(AVAILABILITY,),
    ),
    Cause(
        "slo.latency_missed",
        Kind.fault,
        "more requests were slow in the period than the objective allows",
        f"{_FREEZE} run 01_failed_request on a slow request of the hour that cost most, which the report names.",
        shown_by=all_of("promises", "latency"),
        not_applicable=unpromised(LATENCY),
        questions=(LATENCY,),
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
        shown_by=all_of("promises", "webhooks"),
        not_applicable=unpromised(WEBHOOKS),
        questions=(WEBHOOKS,),
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
        shown_by=all_of("promises", "counts"),
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
            "coarse": Sub(
                "the source knows durations only to the bucket, and the objective lies within one",
                "Add a histogram bucket at the objective's own limit, or count from Tempo, which compares exactly.",
            ),
        },
        shown_by=all_of("promises", "counts"),
    ),
    Cause(
        "slo.too_few_requests",
        Kind.blind,
        "too few requests for a share of them to mean anything",
        "Wait for more traffic, lengthen the period, or lower min_requests knowing what that costs.",
        shown_by=all_of("promises", "counts"),
    ),
    Cause(
        "slo.sampling_biased",
        Kind.blind,
        "the traces keep failures and successes at different rates, so no share of them is the true one",
        "Count before sampling (the collector's span metrics connector, Tempo's metrics generator), or sample at the head and "
        "alike for all.",
        shown_by="second_count",
    ),
    Cause(
        "alert.unrouted",
        Kind.fault,
        "an alert that the team counts on has no way to the people it is meant for",
        "Add what is missing to the rules or to Alertmanager's configuration, and run this notebook again with --active.",
        {
            "no_rule": Sub(
                "there is no rule for the objective, or none of a severity that the routes want",
                "Add the rule: both burn-rate windows in one expression; then reload Prometheus.",
            ),
            "no_route": Sub(
                "the routing tree leads its alerts to somebody else",
                "Correct the matchers of Alertmanager's route; try them with amtool config routes test.",
            ),
            "no_receiver": Sub(
                "the receiver does not exist, or has no integration",
                "Give the receiver an integration (PagerDuty, Slack, webhook) in alertmanager.yml.",
            ),
            "not_sent": Sub(
                "Prometheus is told of no Alertmanager",
                "Set alerting.alertmanagers in prometheus.yml, and look at its service discovery.",
            ),
            "platform": Sub(
                "Vercel or Railway has no rule that tells the channel",
                "Add the notification in the platform's project settings.",
            ),
        },
        shown_by=all_of("promises", "tellers", "sent_on"),
        not_applicable=nobody_to_tell,
        questions=(ALERTS, ROUTES),
    ),
    Cause(
        "alert.rule_broken",
        Kind.fault,
        "a rule is there and cannot do its work",
        "Mend the rule; promtool check rules, promtool test rules.",
        {
            "evaluation": Sub("its evaluation fails"),
            "no_series": Sub(
                "none of the series that it looks at exists",
                "Compare the names and labels in its expression with what the span metrics are called now.",
            ),
            "stale": Sub(
                "it has not been evaluated for long",
                "Look at Prometheus's log and load: its rule group does not run.",
            ),
        },
        shown_by=all_of("promises", "evaluated_rules"),
        not_applicable=no_alerts,
        questions=(ALERTS,),
    ),
    Cause(
        "alert.silenced",
        Kind.fault,
        "an active silence keeps its alerts from everybody",
        "Expire the silence (amtool silence expire <id>) unless whoever set it still needs it.",
        {
            "inhibited": Sub(
                "another alert that fires inhibits it",
                "Mend what the other alert is about, or narrow the inhibit rule with `equal`.",
            ),
        },
        shown_by=all_of("promises", "rules", "routing", "silences", "inhibition"),
        not_applicable=nothing_to_silence,
        questions=(ALERTS, TRACE_ROUTES),
    ),
    Cause(
        "alert.receiver_failing",
        Kind.fault,
        "Alertmanager sends, and the receiver refuses or cannot be reached",
        "Look at Alertmanager's log for the status; renew the receiver's URL or key; then send a test alert again.",
        shown_by=all_of("promises", "delivery"),
        not_applicable=no_trace_routes,
        questions=(TRACE_ROUTES,),
    ),
    Cause(
        "alert.silent",
        Kind.fault,
        "the budget burnt at a rate that should have set off the alert, and it did not",
        "Compare the rule's expression and threshold with the objective: burn rate times (1 - target); look at what its series "
        "lack that ours have.",
        shown_by=all_of("promises", "counts", "rules", "history"),
        not_applicable=no_alerts,
        questions=(ALERTS,),
    ),
    Cause(
        "alert.false",
        Kind.fault,
        "the alert fired although nothing burnt the budget",
        "Raise the threshold to what the objective bears, and require both windows.",
        shown_by=all_of("promises", "counts", "rules", "history"),
        not_applicable=no_alerts,
        questions=(ALERTS,),
    ),
    topics=TOPICS,
)
