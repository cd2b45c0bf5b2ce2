"""The causes of 04, in the order of explanation: the gateway is degraded, or a provider is down."""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub
from runbook_lib.judging.witnesses import all_of
from runbook_lib.procedures.llm_gateway.topics import TOPICS

CATALOGUE = Catalogue(
    "04_llm_gateway",
    Cause(
        "gateway.down",
        Kind.fault,
        "the gateway does not answer, or did not in the window: nothing listens, or its platform answers in its place",
        "Open its platform's deployment log; restart it, or roll back to the last deployment that served.",
        shown_by=all_of("probe", "calls"),
        subject_looks=("parts.probe",),
    ),
    Cause(
        "gateway.unhealthy",
        Kind.fault,
        "the gateway answers, and badly",
        "Look at its own log and its last deployment; roll back if the trouble began with it.",
        {
            "errors": Sub(
                "requests fail inside the gateway itself, not at a provider",
                "Read the exception's place in its log; roll back if it came with the last deployment.",
            ),
            "slow": Sub(
                "the time goes into the gateway itself, not into its calls",
                "Look at its CPU and memory, at what blocks its event loop, and at its number of instances.",
            ),
        },
        shown_by=all_of("probe", "calls", "times"),
    ),
    Cause(
        "gateway.egress_broken",
        Kind.fault,
        "the gateway cannot reach a provider that answers from elsewhere",
        "From the gateway's host, ask the provider's address (curl -sS <base>/models); then its egress rules and proxy.",
        {
            "refused": Sub("the connection is refused or cut on the way"),
            "dns": Sub(
                "the provider's name does not resolve there",
                "Check the resolver of the gateway's host, and the host name in its base URL.",
            ),
            "wrong_address": Sub(
                "the gateway asks at an address that is none, or not this provider's",
                "Correct the gateway's base URL for this provider, or unset it to use the vendor's own.",
            ),
        },
        shown_by="calls",
    ),
    Cause(
        "gateway.timeout_too_short",
        Kind.fault,
        "the gateway gives up on calls that a healthy provider would have answered in its usual time",
        "Raise the gateway's time-out above the usual p99 of its models, and the API's time-out above that.",
        shown_by="calls",
    ),
    Cause(
        "gateway.retry_without_backoff",
        Kind.fault,
        "failed calls are repeated without an exponential wait",
        "Wait 0.5 s × 2^n with full jitter between attempts, obey Retry-After, and make at most three.",
        {
            "immediate": Sub("the next attempt follows at once"),
            "constant": Sub("the wait does not grow from attempt to attempt"),
        },
        shown_by="repetitions",
    ),
    Cause(
        "gateway.no_fallback",
        Kind.fault,
        "there is nothing to fall back to: the chain has one member",
        "Add a member of another provider to LLM_FALLBACK_CHAIN; the plan says which.",
        {
            "one_provider": Sub(
                "every member of the chain is a model of one provider, so what befalls the provider befalls all of them"
            )
        },
        shown_by="chain",
    ),
    Cause(
        "gateway.fallback_not_firing",
        Kind.fault,
        "the chain has further members, and they were not tried",
        "Switch LLM_FALLBACK_CHAIN by hand now (see the plan); then look at what the gateway falls back on.",
        shown_by="calls",
    ),
    Cause(
        "gateway.wrong_model_configured",
        Kind.fault,
        "a model is configured that never existed for this key",
        "Correct the model's name in LLM_FALLBACK_CHAIN; the plan names what the provider offers.",
        shown_by=all_of("calls", "members"),
    ),
    Cause(
        "gateway.all_providers_failing",
        Kind.fault,
        "every member of the chain was tried, and every provider failed",
        "See what each of them says below; what they have in common (network, clock, deployment) comes first.",
        shown_by="calls",
    ),
    Cause(
        "provider.down",
        Kind.fault,
        "the provider answers with server errors, or not at all",
        "Move it to the end of LLM_FALLBACK_CHAIN (see the plan) until its status page says that it is well.",
        {
            "no_answer": Sub(
                "it takes the call and does not answer within a time that is ample for it",
                "Move it to the end of the chain (see the plan); a shorter time-out makes the fallback quicker.",
            )
        },
        shown_by="calls",
        subject_looks=("openai.reach", "anthropic.reach", "together.reach"),
    ),
    Cause(
        "provider.overloaded",
        Kind.fault,
        "the provider says that it is overloaded",
        "Fall back to another provider or a smaller model, and back off; this passes.",
        shown_by="calls",
    ),
    Cause(
        "provider.rate_limited",
        Kind.fault,
        "the provider throttles the gateway's key",
        "Spread the load, obey Retry-After, or have the limit raised; meanwhile put another provider first (see the plan).",
        shown_by="calls",
    ),
    Cause(
        "provider.slow",
        Kind.fault,
        "the provider takes several times its usual time for as many output tokens",
        "Put another provider or a quicker model first (see the plan) until it is quick again.",
        shown_by=all_of("calls", "times"),
    ),
    Cause(
        "provider.key_invalid",
        Kind.fault,
        "the provider refuses the gateway's key",
        "Set a valid key in the gateway's variables and deploy it again; find out who revoked or replaced the old one.",
        shown_by=all_of("calls", "members"),
    ),
    Cause(
        "provider.access_denied",
        Kind.fault,
        "the provider knows the gateway's key and denies it this call",
        "Check the key's project, permissions and region in the provider's console.",
        shown_by=all_of("calls", "members"),
    ),
    Cause(
        "provider.out_of_credit",
        Kind.fault,
        "the account behind the gateway's key is out of credit",
        "Add credit, or correct the payment method, in the provider's console. Retrying does not help.",
        {
            "spending_limit": Sub(
                "a spending limit that the customer has set is reached",
                "Raise or remove the spending limit in the provider's console, or wait for the next period.",
            )
        },
        shown_by="calls",
    ),
    Cause(
        "provider.model_gone",
        Kind.fault,
        "a model that worked before, or is known to be retired, is no longer offered",
        "Replace it in LLM_FALLBACK_CHAIN by one that the provider offers (see the plan).",
        shown_by="calls",
    ),
    Cause(
        "provider.request_rejected",
        Kind.fault,
        "the provider rejects what the gateway sends: the payload's form, or its size",
        "Look at the provider's words and at the last change of the gateway's requests. Another provider would refuse it too.",
        shown_by="calls",
    ),
    Cause(
        "provider.content_filtered",
        Kind.fault,
        "the provider refuses what is asked, or what it would answer, for its content policy",
        "Look at what was asked; moderate it before it is sent, or put a model with another policy into the chain.",
        shown_by="calls",
    ),
    Cause(
        "provider.stream_broken",
        Kind.fault,
        "the provider began to answer, then sent an error inside the stream",
        "Nothing can fall back once a stream has begun: let the client ask again, or buffer the first pieces.",
        shown_by="calls",
    ),
    Cause(
        "gateway.idle",
        Kind.state,
        "the gateway made no call in the window, so only our own probes speak",
        "Nothing to mend; ask about a window with traffic.",
        shown_by="calls",
    ),
    Cause(
        "gateway.calls_not_seen",
        Kind.blind,
        "requests reach the gateway, and neither a trace nor a log line tells of its calls to the providers",
        "Trace the gateway's provider calls (gen_ai spans), or log a line for each attempt: provider, model, status.",
        shown_by="calls",
    ),
    topics=TOPICS,
)
