"""The causes that procedure 01 can name, of one request and of many, and what would have shown each (see `topics`)."""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub
from runbook_lib.judging.witnesses import Topics
from runbook_lib.procedures.failed_request import topics

ONE, MANY = "one request", "a window of requests"

CATALOGUE = Catalogue(
    "01_failed_request",
    Cause(
        "request.not_found",
        Kind.blind,
        "no such request where it should be, retention and delay considered",
        "Check the id; ask for a time window with a route instead.",
        shown_by="found",
    ),
    Cause(
        "trace.not_found",
        Kind.blind,
        "the request is there, no trace of it is",
        "Raise the sampling rate or keep failed requests (tail sampling); check the exporter and OTEL_EXPORTER_OTLP_ENDPOINT.",
        {
            "not_sampled": Sub("the request's trace context says that it was not sampled"),
            "retention": Sub("the request is older than the trace backend keeps"),
            "not_yet_ingested": Sub(
                "the request is younger than the trace backend's delay", "Wait a minute and run again."
            ),
            "no_context": Sub(
                "the platform saw no trace context on the request", "Give web OpenTelemetry: instrumentation.ts."
            ),
            "lost": Sub("the request had a trace, and the backend holds nothing of it"),
        },
        shown_by="trace",
    ),
    Cause(
        "trace.broken",
        Kind.blind,
        "spans of a part that was called are missing, so the root may lie where nothing was seen",
        "Find out why the part's spans do not arrive; its logs may tell meanwhile.",
        {
            "propagation_lost": Sub(
                "the callee has spans of its own in another trace",
                "List the callee's host in propagateContextUrls, and let nothing strip `traceparent`.",
            ),
            "exporter_silent": Sub(
                "the callee answered and reports no spans at all",
                "Check the part's OTEL_EXPORTER_OTLP_ENDPOINT and its exporter.",
            ),
            "sampled": Sub("the callee samples for itself", "Use a parent-based sampler in every part."),
            "not_reached": Sub(
                "no sign that the callee ever got the call", "Look at the platform's log of the callee."
            ),
        },
        shown_by="trace",
    ),
    Cause(
        "request.unexplained",
        Kind.blind,
        "requests failed, and nothing that was seen says why",
        "Give the runbook read access to the traces and the logs of every part; see coverage for what was not examined.",
        shown_by="found",
    ),
    Cause(
        "request.provider_failed",
        Kind.fault,
        "a model provider failed, and no retry or fallback made it good",
        "Run 04_llm_gateway; switch to another provider or model in the gateway's chain.",
        {
            "down": Sub("it is down: connection refused or 5xx"),
            "rate_limited": Sub(
                "429: it throttles the gateway",
                "Spread the load, ask for a higher limit, or put a second provider in the chain.",
            ),
            "overloaded": Sub("529 or the like: it is overloaded", "Fall back to another provider until it recovers."),
            "key_invalid": Sub(
                "401: it refuses the gateway's key", "Set a valid key on the gateway's platform and redeploy."
            ),
            "access_denied": Sub(
                "403: it denies the gateway's key", "Give the key's project access to this model, or use another key."
            ),
            "out_of_credit": Sub(
                "out of credit, or at the spending limit", "Top up or raise the limit in the provider's console."
            ),
            "model_gone": Sub(
                "the model is not offered (any more)", "Put a model that the provider lists into the gateway's chain."
            ),
            "timeout": Sub("it did not answer in time"),
            "stream_broken": Sub("an error inside the stream, after 200"),
            "content_filtered": Sub(
                "it refuses what is asked for its content policy: the payload's form is right",
                "Look at what was asked; moderate it before it is sent, or use a model with another policy.",
            ),
            "request_rejected": Sub(
                "it rejects the payload: 400, 413, 422", "Look at the payload the gateway builds; our side is wrong."
            ),
        },
        shown_by="inside",
    ),
    Cause(
        "request.db_failed",
        Kind.fault,
        "the database refused or did not answer",
        "Look at the database's own log for this minute.",
        {
            "rls": Sub("a row-level security policy refuses it", "Run 03_supabase_rls with this user, org and table."),
            "grant": Sub("the role lacks a grant", "Grant what the statement needs; 03_supabase_rls names it."),
            "statement_timeout": Sub(
                "statement time-out", "Find the statement's plan; add the index or narrow the query."
            ),
            "lock": Sub(
                "it waited for a lock", "End the transaction that holds the lock (pg_stat_activity, pg_blocking_pids)."
            ),
            "pool": Sub("no connection left", "Find who holds the connections; raise the pool or close idle ones."),
            "read_only": Sub(
                "read-only", "Free disk space or end the read-only override; Supabase sets it when the disk is full."
            ),
            "paused": Sub("the project is paused", "Restore the project in the Supabase dashboard."),
            "schema_cache": Sub(
                "PostgREST's schema cache is stale or does not expose it", "NOTIFY pgrst, 'reload schema'."
            ),
            "constraint": Sub("a constraint refuses the row", "Look at the row the code writes."),
            "schema": Sub("table, column or function missing", "Apply the migrations that the deployed code expects."),
            "timeout": Sub("no answer in time"),
            "down": Sub("no connection, or 5xx"),
        },
        shown_by="inside",
    ),
    Cause(
        "request.web_failed",
        Kind.fault,
        "web raised an exception of its own",
        "Fix or roll back web's deployment; the exception names the place.",
        shown_by="inside",
    ),
    Cause(
        "request.api_failed",
        Kind.fault,
        "the API raised an exception of its own",
        "Fix or roll back the API's deployment; the exception names the place.",
        shown_by="inside",
    ),
    Cause(
        "request.gateway_failed",
        Kind.fault,
        "the gateway raised an exception of its own",
        "Fix or roll back the gateway's deployment; the exception names the place.",
        shown_by="inside",
    ),
    Cause(
        "request.stripe_failed",
        Kind.fault,
        "a call to Stripe failed",
        "Look up the request id in Stripe's log; check Stripe's status page.",
        {
            "key_invalid": Sub("401: Stripe refuses the API's key", "Set a valid STRIPE_SECRET_KEY and redeploy."),
            "access_denied": Sub("403: the restricted key lacks the permission", "Add the permission to the key."),
            "rate_limited": Sub("429"),
            "timeout": Sub("no answer in time"),
            "request_rejected": Sub("Stripe rejects the call", "The parameters are wrong; Stripe's log shows them."),
            "down": Sub("no connection, or 5xx"),
        },
        shown_by="inside",
    ),
    Cause(
        "request.auth_failed",
        Kind.fault,
        "Supabase Auth refused or did not answer",
        "Check Supabase Auth's health.",
        {
            "session_expired": Sub(
                "the session is expired or unknown", "Sign in again; check the refresh of tokens if many are hit."
            ),
            "down": Sub("Auth does not answer"),
        },
        shown_by="inside",
    ),
    Cause(
        "request.gateway_unreachable",
        Kind.fault,
        "the API could not connect to the gateway",
        "Check that the gateway runs (04_llm_gateway) and that the API's address of it is right.",
        {
            "refused": Sub(
                "connection refused or reset: nothing serves there", "Start the gateway; check its port and health."
            ),
            "dns": Sub(
                "the name does not resolve", "Correct the gateway's address in the API's variables and redeploy."
            ),
            "wrong_url": Sub(
                "the address is no address, or something else answers", "Correct the gateway's address and redeploy."
            ),
        },
        shown_by="inside",
    ),
    Cause(
        "request.api_unreachable",
        Kind.fault,
        "web could not connect to the API",
        "Check that the API runs and that web's address of it is right.",
        {
            "refused": Sub("connection refused or reset: nothing serves there"),
            "dns": Sub("the name does not resolve", "Correct the API's address in web's variables and redeploy."),
            "wrong_url": Sub(
                "the address is no address, or something else answers", "Correct the API's address and redeploy."
            ),
        },
        shown_by="inside",
    ),
    Cause(
        "request.function_killed",
        Kind.fault,
        "the platform ended the function",
        "See the platform's log of the function.",
        {
            "timeout": Sub("time limit", "Raise maxDuration, or make the work shorter or asynchronous."),
            "memory": Sub("memory limit", "Raise the function's memory, or find what grows."),
            "no_reply": Sub("it died without a reply", "Look for a crash in the function's log."),
        },
        shown_by="platform",
    ),
    Cause(
        "request.edge_blocked",
        Kind.fault,
        "the platform refused the request before the function",
        "See the project's firewall and protection settings.",
        {
            "firewall": Sub("a firewall rule", "Change the rule, or the request that matches it."),
            "protection": Sub("deployment protection", "Use the production domain, or a bypass token."),
        },
        shown_by="platform",
    ),
    Cause(
        "request.rejected",
        Kind.state,
        "refused by design: bad input; nothing is broken",
        "Nothing to mend; tell the caller what is wrong with the request.",
        shown_by="found",
    ),
    Cause(
        "request.quota_blocked",
        Kind.fault,
        "refused because of the organization's plan",
        "Run 05_quota_enforcement for this organization.",
        {
            "over_limit": Sub(
                "over the plan's limit, and the records agree", "Upgrade the plan or wait for the next period."
            ),
            "past_due": Sub(
                "the subscription is past due, and Stripe agrees", "Have the organization pay the open invoice."
            ),
            "canceled": Sub(
                "the subscription is canceled, and Stripe agrees", "Have the organization subscribe again."
            ),
            "wrongly": Sub(
                "the records do not support the refusal",
                "Run 05_quota_enforcement; correct the plan or status in the database.",
            ),
        },
        shown_by="refusal",
        questions=(ONE,),
    ),
    Cause(
        "request.timeout_inverted",
        Kind.fault,
        "the caller's budget is shorter than its callee's: the callee finished for nobody",
        "Give the caller a longer time-out than its callee's own, or make the callee give up sooner.",
        shown_by="inside",
    ),
    Cause(
        "request.slow",
        Kind.fault,
        "no error; the time went into one span of the critical path, or into retries",
        "Look at that span's operation.",
        shown_by="pace",
        questions=(ONE,),
    ),
    Cause(
        "request.retry_storm",
        Kind.fault,
        "many attempts with no or too little back-off",
        "Use exponential back-off with jitter, and bound the attempts.",
        shown_by="attempts",
        questions=(ONE,),
    ),
    Cause(
        "request.stream_broken",
        Kind.fault,
        "200, then the stream broke",
        "Look at what ended the stream in the part that sent it.",
        shown_by="inside",
    ),
    Cause(
        "request.client_gone",
        Kind.state,
        "the client left before the answer, and nothing else failed",
        "Nothing to mend; if many leave, look at latency.",
        shown_by="found",
    ),
    topics=topics.of_one(),
)


def with_evidence(evidence: Topics) -> Catalogue:
    """The same causes over the evidence of one run."""
    return Catalogue(CATALOGUE.procedure, *CATALOGUE.causes.values(), topics=evidence)
