"""What a variable's value says about itself: its kind, mode, project and expiry. Read inside a look; the value stays there."""

import base64
import hmac
import json
import re
from urllib.parse import urlsplit

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.core.keys import kind_of
from runbook_lib.core.model import Json
from runbook_lib.core.records.variables import VariableFacts
from runbook_lib.io.observe import Door
from runbook_lib.settings import reveal
from runbook_lib.sources.fly.token import expiry_of

_PLACEHOLDER = re.compile(
    r"^(?:<.*>|\[.*\]|\$\{.*\}|change.?me.*|todo|tbd|none|null|undefined|example|placeholder|dummy|secret|your[-_ ].*)$"
    r"|x{4,}|\.{3}|…|(?:^|[-_/])(?:your|my)[-_][\w-]{0,30}(?:key|token|secret|url|project)|placeholder|change.?me",
    re.IGNORECASE,
)
_SUPABASE_HOST = re.compile(r"^([a-z]{20})\.supabase\.(?:co|in)$")
_QUOTES = ("'", '"', "`")


def facts_of(door: Door, name: str, value: str) -> VariableFacts:
    """What a value says, without it."""
    bare = _bare(value)
    facts = VariableFacts(
        kind="opaque",
        mode=_mode(bare),
        role=None,
        ref=None,
        expires_at=None,
        issued_at=None,
        is_local=None,
        verifies=None,
        providers=_providers(bare) if name == "LLM_FALLBACK_CHAIN" else None,
        print=door.fingerprint(bare),
        flaws=[] if bare == value else ["quoted"],
    )
    if not bare:
        return {**facts, "kind": "nothing", "flaws": ["empty"]}
    if claims := jwt_claims(bare):
        return _of_jwt(door, bare, claims, facts)
    kind = kind_of(bare)
    if kind is not None:
        facts["kind"], facts["role"] = kind.name, kind.role
    if facts["kind"] == "url":
        facts = _of_url(bare, facts)
    elif facts["kind"] == "fly":
        facts["expires_at"] = expiry_of(bare)
    if _PLACEHOLDER.search(bare):
        facts["flaws"] = [*facts["flaws"], "placeholder"]
    elif kind is not None and len(bare) < kind.fewest:
        facts["flaws"] = [*facts["flaws"], "cut_off"]
    return facts


def jwt_claims(token: str) -> dict[str, Json]:
    """What a JWT claims, unverified; empty for anything else."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _of_jwt(door: Door, token: str, claims: dict[str, Json], facts: VariableFacts) -> VariableFacts:
    role, ref = claims.get("role"), claims.get("ref")
    is_supabase = claims.get("iss") == "supabase" or role in ("anon", "service_role")
    return {
        **facts,
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


def _of_url(address: str, facts: VariableFacts) -> VariableFacts:
    try:
        host = urlsplit(address).hostname
    except ValueError:
        host = None
    if not host or any(letter.isspace() for letter in address):
        return {**facts, "kind": "opaque"}
    match = _SUPABASE_HOST.match(host)
    local = host in ("localhost", "::1") or host.startswith("127.")
    return {**facts, "ref": match[1] if match else None, "is_local": local}


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
