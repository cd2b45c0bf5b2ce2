"""What 00 can name, and the looks that would have shown each: the targets, variables and keys, the traces.

Their order is what on-call acts on first: what users feel, then what leaks, then what breaks with the next request or deployment.
"""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub
from runbook_lib.judging.witnesses import all_of, any_of
from runbook_lib.procedures.operations_checklist.witnesses import TOPICS

_F, _S = Kind.fault, Kind.state

CATALOGUE = Catalogue(
    "00_operations_checklist",
    Cause(
        "target.platform_incident",
        _F,
        "The platform's own status page tells of an incident, and our looks at what runs there agree.",
        "Follow the platform's status page; do not redeploy into an incident. Tell users, and look again when it is resolved.",
        shown_by=any_of("answers", "pages"),
        subject_looks=("parts.probe",),
    ),
    Cause(
        "target.down",
        _F,
        "Web, API or gateway does not answer.",
        "Open the part's newest deployment and its log; restart it, or roll back to the deployment before (06, 07).",
        {
            "unreachable": Sub("No connection to its address."),
            "hanging": Sub("It takes the connection and does not answer."),
            "failing": Sub("It, or its platform in its place, answers with a server error."),
            "missing": Sub(
                "The platform has no deployment under its address.",
                "Give the address a deployment again: promote the last good one, or correct the domain.",
            ),
        },
        shown_by="answers",
        subject_looks=("parts.probe",),
    ),
    Cause(
        "target.impostor",
        _F,
        "Something answers 200 at a part's address, and it is not NexusCore.",
        "Correct the address (RUNBOOK_…_URL, the domain, the port); end what listens there in its place.",
        shown_by=all_of("answers", "openapi"),
    ),
    Cause(
        "target.degraded",
        _F,
        "Web, API or gateway answers, and badly or slowly.",
        "Look at a slow or failed request of it with 01; look at its platform's metrics.",
        {
            "slow": Sub("Its own page takes longer than is allowed, several times in a row."),
            "flapping": Sub("Some of several requests in a row fail, others do not."),
            "refusing": Sub(
                "Its own page is refused: 401, 403, 404 or 429.",
                "Take the protection off the production address, or correct the address or route.",
            ),
        },
        shown_by="answers",
        subject_looks=("parts.probe",),
    ),
    Cause(
        "target.ambiguous",
        _F,
        "One part is live on two platforms.",
        "Decide which one serves; take the other's domain and deployment away, and correct who calls it.",
        shown_by="platforms",
    ),
    Cause(
        "env.leaked_to_browser",
        _F,
        "A secret stands in a NEXT_PUBLIC_ variable, which ends up in every browser.",
        "Make a new key and revoke this one now; take the variable away and deploy again, for old bundles still hold it.",
        shown_by="variables",
    ),
    Cause(
        "env.missing",
        _F,
        "A variable that this part needs is not set.",
        "Set it for this target and deploy the part again.",
        {"empty": Sub("It is set to nothing.")},
        shown_by="variables",
    ),
    Cause(
        "env.malformed",
        _F,
        "A variable is set, and is not what its name says.",
        "Copy the right value again and deploy the part again.",
        {
            "not_a_url": Sub("It should be an http(s) address and is none."),
            "other_kind": Sub("It holds a key of another kind, or another vendor's."),
            "placeholder": Sub("It still holds the example's text."),
            "quoted": Sub("Quotes, white space or a line break stand around the value and became part of it."),
            "cut_off": Sub("It is shorter than any key of its vendor."),
        },
        shown_by="variables",
    ),
    Cause(
        "env.expired",
        _F,
        "A key or token is past its expiry.",
        "Make a new key, set it at every place that holds this one, and deploy again.",
        shown_by="judged",
    ),
    Cause(
        "env.project_mismatch",
        _F,
        "A Supabase key belongs to another project than the address, or is signed for another.",
        "Copy address and keys of one project, from one page of its dashboard, and deploy again.",
        {
            "ref": Sub("The key names another project."),
            "signature": Sub(
                "The key's signature is not the project's: made before its JWT secret was changed, or elsewhere."
            ),
        },
        shown_by="variables",
    ),
    Cause(
        "env.rejected",
        _F,
        "A well-formed key, and its vendor does not take it.",
        "Make a new key in the vendor's console, set it at every place that holds this one, and deploy again.",
        shown_by="judged",
    ),
    Cause(
        "env.insufficient_scope",
        _F,
        "The vendor takes the key and refuses it what the runbook or the part needs.",
        "Give the key the permission that is named, or set one that has it.",
        shown_by="judged",
    ),
    Cause(
        "env.conflict",
        _F,
        "Two names for one thing disagree.",
        "Keep one of the two names, with the right value, and take the other away.",
        shown_by="variables",
    ),
    Cause(
        "env.mode_mixed",
        _F,
        "Stripe test and live keys stand side by side.",
        "Set keys of one mode for the whole environment: live in production, test elsewhere.",
        shown_by="variables",
    ),
    Cause(
        "env.not_applied",
        _F,
        "A variable was changed after the running deployment started, which still has the old value.",
        "Deploy the part again; on Fly.io also `fly secrets deploy`.",
        shown_by="applied",
    ),
    Cause(
        "env.drift",
        _F,
        "A target lacks the name of a variable that another target or `.env.example` has.",
        "Set the variable there too, or take it away everywhere if it is no longer read.",
        {
            "environment": Sub("One environment of the same project lacks what production has."),
            "example": Sub("`.env.example` names it, and no target has it."),
        },
        shown_by=all_of("variables", "example"),
    ),
    Cause(
        "tracing.unreachable",
        _F,
        "The trace backend does not answer.",
        "Check RUNBOOK_TEMPO_URL or RUNBOOK_JAEGER_URL, the backend's own health, and the network between.",
        shown_by="backends",
        subject_looks=("tempo.health", "jaeger.health"),
    ),
    Cause(
        "tracing.no_spans",
        _F,
        "The trace backend answers and holds no span, though there was traffic.",
        "Check OTEL_EXPORTER_OTLP_ENDPOINT of each part, and that the collector passes spans on to this backend.",
        shown_by="spans",
    ),
    Cause(
        "tracing.part_silent",
        _F,
        "A part had traffic, and none of its spans arrived.",
        "Check the part's OTEL_EXPORTER_OTLP_ENDPOINT and that its code sets tracing up; read its log for export errors.",
        shown_by="trails",
    ),
    Cause(
        "otel.wrong_service_name",
        _F,
        "Spans arrive under another service.name than the runbook expects them under.",
        "Set OTEL_SERVICE_NAME of the part and deploy it again, or set the runbook's to the name that arrives.",
        {
            "unset": Sub("Spans arrive under the SDK's own default, unknown_service: the part has no name set."),
            "swapped": Sub("A part's spans arrive under another part's name."),
        },
        shown_by="trails",
    ),
    Cause(
        "env.expires_soon",
        _S,
        "A key or token expires within the days asked for.",
        "Make a new key before that date.",
        shown_by="judged",
    ),
    Cause(
        "env.values_hidden",
        _S,
        "The platform does not give values back: only names, environments and times could be compared.",
        "Nothing to do; whether such a key is the right one shows in the part's own traces and logs.",
        shown_by="variables",
    ),
    Cause(
        "tracing.quiet",
        _S,
        "No request came in the window, so no span was to be expected.",
        "Ask for a longer window.",
        shown_by="any_span",
    ),
    topics=TOPICS,
)
