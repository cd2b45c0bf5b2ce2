"""What a variable's value says about itself: its kind, mode, project and expiry. Read inside a look; the value stays there.

Shapes: the vendors' own key prefixes (Stripe, Supabase, OpenAI, Anthropic, Together, Fly.io; read November 2026) and JWTs.
"""

import base64
import hmac
import json
import re
from typing import Any
from urllib.parse import urlsplit

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.core.model import Json
from runbook_lib.io.observe import Door
from runbook_lib.settings import reveal
from runbook_lib.sources.fly.token import expiry_of

# The variables of NexusCore; their names are its own.
NEXUSCORE = (
    "NEXT_PUBLIC_SUPABASE_URL",
    "NEXT_PUBLIC_SUPABASE_ANON_KEY",
    "SUPABASE_URL",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_ROLE_KEY",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "TOGETHER_API_KEY",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_SERVICE_NAME",
    "LLM_FALLBACK_CHAIN",
)
# The runbook's own that are judged by their shape as well.
RUNBOOKS = (
    "RUNBOOK_STRIPE_KEY",
    "RUNBOOK_SUPABASE_ACCESS_TOKEN",
    "RUNBOOK_DATABASE_URL",
    "RUNBOOK_VERCEL_TOKEN",
    "RUNBOOK_RAILWAY_PROJECT_TOKEN",
    "RUNBOOK_RAILWAY_TOKEN",
    "RUNBOOK_FLY_TOKEN",
    "RUNBOOK_TEMPO_TOKEN",
    "RUNBOOK_JAEGER_TOKEN",
)

_KINDS: tuple[tuple[str, str, int], ...] = (
    # (pattern of its beginning, kind, the fewest characters that the vendor has ever given one)
    (r"sk_(?:live|test)_", "stripe_secret", 24),
    (r"rk_(?:live|test)_", "stripe_restricted", 24),
    (r"pk_(?:live|test)_", "stripe_publishable", 24),
    (r"sk_org_", "stripe_organization", 24),
    (r"whsec_", "stripe_webhook_secret", 24),
    (r"sb_publishable_", "supabase_publishable", 24),
    (r"sb_secret_", "supabase_secret", 24),
    (r"sbp_", "supabase_access_token", 24),
    (r"sk-ant-", "anthropic", 40),
    (r"sk-", "openai", 40),
    (r"tgp_v1_", "together", 24),
    (r"(?:FlyV1 |fm[12][a-z]?_|fo1_)", "fly", 24),
    (r"gh[pousr]_", "github", 30),
    (r"https?://", "url", 0),
    (r"postgres(?:ql)?://", "database_url", 16),
)
_PLACEHOLDER = re.compile(
    r"^(?:<.*>|\[.*\]|\$\{.*\}|change.?me.*|todo|tbd|none|null|undefined|example|placeholder|dummy|secret|your[-_ ].*)$"
    r"|x{4,}|\.{3}|…|(?:^|[-_/])(?:your|my)[-_][\w-]{0,30}(?:key|token|secret|url|project)|placeholder|change.?me",
    re.IGNORECASE,
)
_SUPABASE_HOST = re.compile(r"^([a-z]{20})\.supabase\.(?:co|in)$")
_QUOTES = ("'", '"', "`")


def facts_of(door: Door, name: str, value: str) -> dict[str, Json]:
    """What a value says, without it: {"kind", "mode" (live, test or None), "role", "ref", "expires_at", "issued_at", "is_local",
    "verifies", "providers", "print", "flaws"}.

    kind: the vendor's, by prefix (`stripe_secret`), `supabase_jwt`, `jwt`, `url`, `database_url`, `opaque`. flaws: empty, quoted
    (stray quotes or white space), placeholder, cut_off. ref: the Supabase project that a key or address names. verifies: whether
    a JWT's signature is RUNBOOK_SUPABASE_JWT_SECRET's, None where that is not set or the signature is of another sort.
    providers: those that LLM_FALLBACK_CHAIN names, else None. print: the same for the same value within one run.
    """
    bare = _bare(value)
    facts: dict[str, Json] = {
        "kind": "opaque",
        "mode": _mode(bare),
        "role": None,
        "ref": None,
        "expires_at": None,
        "issued_at": None,
        "is_local": None,
        "verifies": None,
        "providers": _providers(bare) if name == "LLM_FALLBACK_CHAIN" else None,
        "print": door.fingerprint(bare),
        "flaws": [] if bare == value else ["quoted"],
    }
    if not bare:
        return {**facts, "kind": "nothing", "flaws": ["empty"]}
    if claims := jwt_claims(bare):
        return {**facts, **_of_jwt(door, bare, claims)}
    shortest = 0
    for pattern, kind, fewest in _KINDS:
        if re.match(pattern, bare):
            facts["kind"], shortest = kind, fewest
            break
    if facts["kind"] == "url":
        facts |= _of_url(bare)
    elif facts["kind"] == "fly":
        facts["expires_at"] = expiry_of(bare)
    elif facts["kind"].startswith("supabase_"):
        facts["role"] = {"supabase_publishable": "anon", "supabase_secret": "service_role"}.get(facts["kind"])
    if _PLACEHOLDER.search(bare):
        facts["flaws"] = [*facts["flaws"], "placeholder"]
    elif len(bare) < shortest:
        facts["flaws"] = [*facts["flaws"], "cut_off"]
    return facts


def jwt_claims(token: str) -> dict[str, Any]:
    """What a JWT claims, unverified; empty for anything else."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _of_jwt(door: Door, token: str, claims: dict[str, Any]) -> dict[str, Json]:
    role, ref = claims.get("role"), claims.get("ref")
    is_supabase = claims.get("iss") == "supabase" or role in ("anon", "service_role")
    return {
        "kind": "supabase_jwt" if is_supabase else "jwt",
        "role": role if isinstance(role, str) else None,
        "ref": ref if isinstance(ref, str) else None,
        "expires_at": _moment(claims.get("exp")),
        "issued_at": _moment(claims.get("iat")),
        "verifies": _verifies(token, reveal(door.settings.supabase_jwt_secret)) if is_supabase else None,
    }


def _verifies(token: str, secret: str | None) -> bool | None:
    """Whether an HS256 signature is this secret's; None without a secret, and for another algorithm."""
    head, _, signature = token.rpartition(".")
    try:
        header = json.loads(base64.urlsafe_b64decode(head.split(".")[0] + "=="))
        if secret is None or header.get("alg") != "HS256":
            return None
        given = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except (ValueError, AttributeError):
        return None
    return hmac.compare_digest(hmac.new(secret.encode(), head.encode(), "sha256").digest(), given)


def _of_url(address: str) -> dict[str, Json]:
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    if not host or any(letter.isspace() for letter in address):
        return {"kind": "opaque"}
    match = _SUPABASE_HOST.match(host)
    local = host in ("localhost", "::1") or host.startswith("127.")
    return {"ref": match[1] if match else None, "is_local": local}


def _bare(value: str) -> str:
    """The value without the white space and the quotes around it that a careless copy leaves."""
    bare = value.strip()
    while len(bare) > 1 and bare[0] in _QUOTES and bare[-1] == bare[0]:
        bare = bare[1:-1].strip()
    return bare


def _mode(value: str) -> str | None:
    match = re.match(r"[a-z]{2}_(live|test)_", value)
    return match[1] if match else None


def _providers(chain: str) -> list[str]:
    return sorted({link.partition("/")[0].strip().lower() for link in chain.split(",") if link.strip()})


def _moment(epoch_s: Json) -> str | None:
    if isinstance(epoch_s, bool) or not isinstance(epoch_s, int | float):
        return None
    try:
        return to_iso(from_epoch_s(epoch_s))
    except (ValueError, OverflowError, OSError):
        return None
