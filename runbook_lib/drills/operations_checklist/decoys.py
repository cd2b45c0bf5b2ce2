"""Look-alikes, two faults at once, and blind spots of 00: each source in turn cannot be seen, while all is well and while not."""

from runbook_lib.drills.kit.blind import deadline, hide
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Step, use
from runbook_lib.drills.operations_checklist.cases import API_ON_RAILWAY, FLY, LOGS_ONLY, case

_OPENAI_ELSEWHERE = (
    '{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported",'
    '"param":null,"type":"request_forbidden"}}'
)


def _decoy(name: str, *steps: Step, codes: tuple[str, ...] = (), **more: object) -> Case:
    return case(f"checklist/decoy/{name}", "decoy", "ruled_out", codes, before=steps, **more)


def _decoys() -> list[Case]:
    supabase_url = "NEXT_PUBLIC_SUPABASE_URL"
    return [
        _decoy(
            "red-status-page", use("incident", vendor="vercel"), use("incident", vendor="openai", impact="critical")
        ),
        _decoy("two-names-agree", use("env", part="api", name="SUPABASE_URL", value=lambda s: s.env[supabase_url])),
        _decoy(
            "changed-before-the-deployment",
            use("variable", part="api", name="STRIPE_SECRET_KEY", minutes_ago=60 * 24 * 20.0),
        ),
        _decoy(
            "another-live-project",
            use("http", part="vercel", path="/v10/projects", status=200, body=_METABASE),
        ),
        _decoy("noisy-log", use("log", part="api", level="error", message="401 invalid api key for OPENAI_API_KEY")),
        _decoy(
            "provider-is-throttling",
            use("dial", of="openai", field="mode", value="throttled"),
            use("dial", of="anthropic", field="mode", value="insufficient_quota"),
        ),
        _decoy(
            "key-may-not-list-models",
            use("http", part="openai", path="/v1/models", status=403, body=_NO_LIST),
        ),
        _decoy("preview-of-a-branch-failed", use("deploy", part="web", state="ERROR", branch="wip", serve=False)),
        _decoy("token-expires-in-a-year", use("token_expiry", in_s=365 * 86_400.0)),
    ]


_METABASE = (
    '{"projects":[{"id":"prj_x","name":"metabase","targets":{"production":{"id":"dpl_x","createdAt":1764000000000,'
    '"readyState":"READY","url":"x.vercel.app"}}}],"pagination":{"count":1,"next":null,"prev":null}}'
)
_NO_LIST = (
    '{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: api.model.read.",'
    '"type":"invalid_request_error","param":null,"code":null}}'
)


def _doubles() -> list[Case]:
    def double(name: str, first: Injected, second: Injected, *codes: str) -> Case:
        return case(f"checklist/double/{name}", "double", "confirmed", codes, faults=(first, second))

    return [
        double(
            "gateway-down-and-secret-missing", Injected("target.down.unreachable"), Injected("env.missing"),
            "target.down.unreachable", "env.missing",
        ),
        double(
            "leak-and-conflict", Injected("env.leaked_to_browser", "new_name"), Injected("env.conflict"),
            "env.leaked_to_browser", "env.conflict",
        ),
        double(
            "missing-at-two-parts", Injected("env.missing"), Injected("env.missing", "web"), "env.missing",
        ),
        double(
            "live-elsewhere-and-narrow-key", Injected("target.ambiguous"), Injected("env.insufficient_scope"),
            "target.ambiguous", "env.insufficient_scope",
        ),
    ]  # fmt: skip


def _blind(name: str, status: str, *steps: Step, codes: tuple[str, ...] = (), **more: object) -> Case:
    return case(f"checklist/blind/{name}", "blind_spot", status, codes, before=steps, **more)


def _blind_spots() -> list[Case]:
    cannot = "could_not_tell"
    missing = (Injected("env.missing"),)
    rejected = ("env.rejected",)
    return [
        # Vercel: the lists of two parts
        _blind("vercel/unreachable", cannot, hide("vercel", "unreachable"), not_seen=("vercel",)),
        _blind("vercel/hanging", cannot, hide("vercel", "hanging"), not_seen=("vercel",), settings=deadline(4)),
        _blind("vercel/malformed", cannot, hide("vercel", "mislabelled"), not_seen=("vercel",)),
        _blind("vercel/throttled", cannot, use("dial", of="VercelState", field="calls_left", value=0), not_seen=("vercel",)),
        _blind(
            "vercel/token-refused", "confirmed",
            hide("vercel", "denied"),
            codes=rejected, not_seen=("vercel",),
        ),
        _blind(
            "vercel/values-denied", "ruled_out", use("http", part="vercel", path="/v1/projects/*/env/*", status=403, body="{}"),
            codes=("env.values_hidden",),
        ),
        _blind(
            "vercel/shared-list-denied", cannot,
            use("http", part="vercel", path="/v1/env", status=403, body="{}"), not_seen=("vercel",),
            faults=(Injected("env.missing"),),
        ),
        _blind("vercel/slow", "ruled_out", hide("vercel", "slow", latency_s=0.6)),
        # Railway: the gateway's list
        _blind("railway/unreachable", cannot, hide("railway", "unreachable"), not_seen=("railway",)),
        _blind("railway/malformed", cannot, hide("railway", "mislabelled"), not_seen=("railway",)),
        _blind(
            "railway/token-refused", "confirmed", hide("railway", "denied"),
            codes=rejected, not_seen=("railway",),
        ),
        _blind("railway/unreachable/fault", "confirmed", hide("railway", "unreachable"), not_seen=("railway",),
               faults=missing, codes=("env.missing",)),
        _blind("fly/unreachable", cannot, hide("fly", "unreachable"), not_seen=("fly",), options=FLY),
        _blind("fly/empty", "confirmed", use("http", part="fly", path="*/secrets", status=200, body='{"secrets":[]}'),
               codes=("env.missing",), options=FLY),
        # vendors: the keys cannot be judged
        *(
            _blind(f"{vendor}/down", cannot, hide(vendor, "down"), not_seen=(vendor,))
            for vendor in ("supabase", "openai", "anthropic")
        ),
        _blind("stripe/unreachable", cannot, hide("stripe", "unreachable"), not_seen=("stripe",)),
        _blind("together/hanging", cannot, hide("together", "hanging"), not_seen=("together",), settings=deadline(4)),
        _blind("openai/refuses-this-place", cannot,
               use("http", part="openai", path="/v1/models", status=403, body=_OPENAI_ELSEWHERE), not_seen=("openai",)),
        _blind("supabase-management/unreachable", cannot, hide("supabase-management", "unreachable"),
               not_seen=("supabase",)),
        # traces and logs
        _blind("tempo/malformed", cannot, hide("tempo", "mislabelled"), not_seen=("tempo",)),
        _blind("tempo/denied", "confirmed", hide("tempo", "denied", body="no credentials"), codes=("env.missing",),
               not_seen=("tempo",)),
        _blind("traces-not-configured", cannot, options=LOGS_ONLY),
        _blind("logs/unreachable", "ruled_out", use("http", part="vercel", path="/api/logs/*", status=503, body=""),
               not_seen=("vercel",)),
        _blind("one-of-two-backends/unreachable", "confirmed", hide("jaeger", "stopped"),
               codes=("tracing.unreachable",), options=API_ON_RAILWAY),
        _blind("status-pages/unreachable", "ruled_out", hide("status", "unreachable"), not_seen=("status",)),
    ]  # fmt: skip


CASES: tuple[Case, ...] = (*_decoys(), *_doubles(), *_blind_spots())
