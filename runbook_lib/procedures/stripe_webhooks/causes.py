"""The causes that procedure 02 can name."""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub

CATALOGUE = Catalogue(
    "02_stripe_webhooks",
    Cause(
        "webhook.cli_not_running",
        Kind.fault,
        "no Stripe CLI listens on this machine, and nothing else brings events to a local API",
        "Start it and leave it running: stripe listen --forward-to localhost:3001/api/stripe/webhook --events ….",
    ),
    Cause(
        "webhook.cli_auth_expired",
        Kind.fault,
        "Stripe refuses the CLI: its login has expired, was never made, or its key is no key any more",
        "Log in again with `stripe login`, then start `stripe listen` again.",
    ),
    Cause(
        "webhook.cli_not_forwarding",
        Kind.fault,
        "the CLI listens and prints, and forwards to nobody: it was started without --forward-to",
        "Start it again with --forward-to.",
    ),
    Cause(
        "webhook.cli_wrong_target",
        Kind.fault,
        "the CLI forwards to another place than the API's webhook",
        "Start it again with the API's own address.",
        {
            "host": Sub("to another host, or from a container to the container's own localhost"),
            "port": Sub("to another port than the API's"),
            "path": Sub("to the right server, and another path than /api/stripe/webhook"),
        },
    ),
    Cause(
        "webhook.cli_wrong_mode",
        Kind.fault,
        "the CLI listens where the API's events are not raised",
        "Start it in the mode and account of the API's key; `stripe whoami` tells which it is in.",
        {
            "live": Sub(
                "it listens to live mode and the API's key is a test key, or the reverse",
                "Start it again without --live and with a test key (for a live API: with --live).",
            ),
            "account": Sub(
                "it is logged in to another account than the API's key belongs to",
                "Log in to the API's account: stripe login, or --api-key with a key of it.",
            ),
        },
    ),
    Cause(
        "webhook.address_family",
        Kind.fault,
        "events are sent to 127.0.0.1 and the API listens on ::1 only, or the reverse",
        "Forward to `localhost`, which tries both, or let the API listen on 127.0.0.1 (next dev -H 127.0.0.1).",
    ),
    Cause(
        "webhook.endpoint_missing",
        Kind.fault,
        "no webhook endpoint of the account points at the API",
        "Make one in Stripe's dashboard (Developers, Webhooks) with the API's address and /api/stripe/webhook.",
        {
            "wrong_url": Sub(
                "one points at the API's host, and not at its webhook",
                "Correct the endpoint's URL in Stripe's dashboard: the path is /api/stripe/webhook.",
            )
        },
    ),
    Cause(
        "webhook.endpoint_disabled",
        Kind.fault,
        "the endpoint is disabled: by hand, or by Stripe after days of failures",
        "Enable it in Stripe's dashboard, then resend what was missed: Stripe does not do so by itself.",
    ),
    Cause(
        "webhook.event_not_enabled",
        Kind.fault,
        "the endpoint or the CLI does not ask for an event that billing lives on",
        "Add the missing events to the endpoint, or to --events.",
    ),
    Cause(
        "webhook.api_not_running",
        Kind.fault,
        "nothing answers where the API should be",
        "Start the API (port 3001), or correct RUNBOOK_API_URL.",
        {
            "silent": Sub("something takes connections there and does not answer", "Restart the API; it hangs."),
            "platform": Sub(
                "its platform answers in its place: no function, no instance, no deployment",
                "Run 06_deploy_web_api: the deployment behind the address does not serve.",
            ),
        },
    ),
    Cause(
        "webhook.port_taken",
        Kind.fault,
        "something else answers at the API's address; what accepts an unsigned event is not NexusCore's API",
        "Stop what has the port (lsof -nP -iTCP:3001 -sTCP:LISTEN names it) and start the API there.",
    ),
    Cause(
        "webhook.route_missing",
        Kind.fault,
        "the API is there, and has no POST /api/stripe/webhook (404 or 405)",
        "Deploy the branch that has the route; look at rewrites, basePath and middleware.",
    ),
    Cause(
        "webhook.auth_in_front",
        Kind.fault,
        "a redirect or a login stands before the handler; Stripe follows no redirect and has no session",
        "Let /api/stripe/webhook past the middleware or the platform's protection; its signature is its authentication.",
    ),
    Cause(
        "webhook.secret_missing",
        Kind.fault,
        "the API has no STRIPE_WEBHOOK_SECRET",
        "Set STRIPE_WEBHOOK_SECRET for the API and restart it.",
    ),
    Cause(
        "webhook.secret_stale_process",
        Kind.fault,
        "the configured STRIPE_WEBHOOK_SECRET is right, and the running API has not got it: it started before",
        "Restart the API (on a platform: deploy again), so that it reads the secret.",
    ),
    Cause(
        "webhook.secret_mismatch",
        Kind.fault,
        "the API verifies with another secret than the one Stripe signs with; the CLI's and each endpoint's differ",
        "Put the secret that signs (stripe listen --print-secret, or the endpoint's) into STRIPE_WEBHOOK_SECRET and restart.",
    ),
    Cause(
        "webhook.body_altered",
        Kind.fault,
        "the body is parsed before its signature is checked: compact JSON verifies, the same JSON with spaces does not",
        "Verify the raw bytes: `await request.text()` before any JSON parser, and no body-parsing middleware before it.",
    ),
    Cause(
        "webhook.clock_skew",
        Kind.fault,
        "the API's clock is ahead by more than the tolerance of 300 s, so fresh events look old",
        "Set the clock of the API's machine (time synchronisation); a container takes its host's.",
    ),
    Cause(
        "webhook.handler_failing",
        Kind.fault,
        "the handler answers 5xx",
        "Look at the exception in the API's log; 01_failed_request takes the request's id.",
    ),
    Cause(
        "webhook.handler_slow",
        Kind.fault,
        "the handler takes longer than Stripe (10 s) or the CLI (30 s) waits",
        "Answer 2xx first and do the work afterwards.",
    ),
    Cause(
        "webhook.received_not_applied",
        Kind.fault,
        "the event was answered with 200, and billing_customers does not say what it says",
        "Let the handler act on the event; then resend it: stripe events resend evt_….",
    ),
    Cause(
        "webhook.out_of_order",
        Kind.fault,
        "an older event arrived after a newer one and overwrote what that had said",
        "Compare the event's `created` with what is stored, or fetch the object from Stripe; then resend the newest event.",
    ),
    Cause(
        "webhook.missed",
        Kind.fault,
        "the event was raised before the CLI listened; nobody delivers it later",
        "Resend it: stripe events resend evt_….",
    ),
    Cause(
        "webhook.duplicate_endpoint",
        Kind.fault,
        "two ways lead to the same webhook, so that each event comes twice, signed with two secrets",
        "Delete or disable one endpoint, or end one of the CLIs.",
    ),
    Cause(
        "webhook.api_version_mismatch",
        Kind.fault,
        "events come in another API version than the one the API is written for",
        "Make the endpoint anew with the pinned version, or start the CLI without --latest.",
    ),
    Cause(
        "webhook.event_not_found",
        Kind.blind,
        "Stripe knows no such event in this account and mode; events are kept for 30 days",
        "Check the id, and that RUNBOOK_STRIPE_KEY is of the same account and mode.",
    ),
    Cause(
        "webhook.other_mode",
        Kind.blind,
        "the runbook's key sees another mode or account than the API's key belongs to, so its endpoints are not the API's",
        "Give RUNBOOK_STRIPE_KEY a restricted key of the API's account and mode.",
    ),
    Cause(
        "webhook.no_events",
        Kind.state,
        "Stripe raised no billing event in the window, so none could arrive",
        "To try it: stripe trigger invoice.paid.",
    ),
    Cause(
        "webhook.customer_unknown",
        Kind.state,
        "events came for customers that no organization has; `stripe trigger` makes such",
        "Nothing, where the events were triggered by hand.",
    ),
)
