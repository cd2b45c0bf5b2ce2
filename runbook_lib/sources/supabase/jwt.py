"""Reading a user's token inside a look: what it claims, and who would take it. The token itself never leaves here."""

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt import PyJWK

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.core.errors import LookError, UsageError
from runbook_lib.core.model import Json, Status
from runbook_lib.core.records.rights import TokenJudgement, TokenSignature
from runbook_lib.core.secret_ref import resolve
from runbook_lib.io.observe import Door
from runbook_lib.settings import reveal
from runbook_lib.sources.supabase.api import key_facts

SKEW_S = 30  # PostgREST lets a token's times differ from its clock by so much
_ASYMMETRIC = ("ES256", "RS256", "EdDSA")


def token_of(reference: str) -> str:
    """The token behind a reference, without "Bearer". Raises LookError(not_configured) where it points at nothing."""
    try:
        text = resolve(reference)
    except UsageError as error:
        raise LookError(
            Status.not_configured, error.tried, do_next="give the token as env:NAME or file:PATH"
        ) from error
    return text[7:].strip() if text[:7].lower() == "bearer " else text


def claims_of(token: str) -> dict[str, Any]:
    """What a token claims, unverified; empty where it is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def subject_of(token: str) -> str:
    """The user's id in a token; empty where it names none."""
    found = claims_of(token).get("sub")
    return found if isinstance(found, str) else ""


def judge_token(door: Door, token: str, apikey_role: str | None) -> TokenJudgement:
    """What can be said of a token without asking anybody but the project's list of keys."""
    facts, claims = key_facts(token), claims_of(token)
    said: TokenJudgement = {
        "kind": "other", "role": None, "sub": None, "expires_at": None, "expired": False, "not_yet": False, "aud_ok": None,
        "project_ok": None, "iss_ok": None, "is_anonymous": False, "algorithm": None, "claims": sorted(map(str, claims)),
        "signature": {}, "apikey_role": apikey_role,
    }  # fmt: skip
    if facts is not None and facts["kind"] in ("publishable", "secret"):
        return {**said, "kind": facts["kind"], "role": facts["role"]}
    if not claims:
        return said
    role, now = claims.get("role"), door.clock().timestamp()
    is_key = claims.get("iss") == "supabase" and not claims.get("sub")
    header = _header(token)
    algorithm = header.get("alg")
    return {
        **said,
        "kind": str(role) if is_key and role in ("anon", "service_role") else "user",
        "role": role if isinstance(role, str) else None,
        "sub": subject_of(token) or None,
        "expires_at": _iso(claims.get("exp")),
        "expired": _is_number(claims.get("exp")) and claims["exp"] < now - SKEW_S,
        "not_yet": any(_is_number(claims.get(name)) and claims[name] > now + SKEW_S for name in ("nbf", "iat")),
        "aud_ok": None if is_key else "authenticated" in _listed(claims.get("aud")),
        "project_ok": _same_project(door, claims),
        "iss_ok": None if is_key else str(claims.get("iss") or "").endswith("/auth/v1"),
        "is_anonymous": claims.get("is_anonymous") is True,
        "algorithm": algorithm if isinstance(algorithm, str) else None,
        "signature": _signatures(door, token, header),
    }


def _same_project(door: Door, claims: Mapping[str, Any]) -> bool | None:
    """Whether the token was made for this project, by its ref or its issuer; None where neither tells."""
    ref = door.settings.supabase_project_ref
    if not ref:
        return None
    if claims.get("ref"):
        return bool(claims["ref"] == ref)
    host = urlsplit(str(claims.get("iss") or "")).hostname or ""
    return host == f"{ref}.supabase.co" if host.endswith(".supabase.co") else None


def _signatures(door: Door, token: str, header: Mapping[str, Any]) -> TokenSignature:
    """Each verifier's word, and for the secret whether it is the project's own: whether the anon key verifies with it."""
    algorithm = header.get("alg")
    if algorithm == "HS256":
        secret = reveal(door.settings.supabase_jwt_secret)
        if not secret:
            return {"legacy_secret": "not_checked"}
        return {
            "legacy_secret": "valid" if _verifies(token, secret, "HS256") else "invalid",
            "secret_is_projects": _opens_anon_key(door, secret),
        }
    if algorithm not in _ASYMMETRIC:
        return {"algorithm": "invalid"}
    if not door.settings.supabase_url:
        return {"jwks": "not_checked"}
    try:
        reply = door.http.get(f"{door.settings.supabase_url}/auth/v1/.well-known/jwks.json", retry=False)
        keys = reply.raise_for_status().parsed(lambda document: [dict(each) for each in document["keys"]])
    except LookError:
        return {"jwks": "not_checked"}
    key = next((each for each in keys if each.get("kid") == header.get("kid")), None)
    if key is None:
        return {"jwks": "unknown_key"}
    try:
        opened = _verifies(token, PyJWK(key).key, str(algorithm))
    except jwt.PyJWTError:
        return {"jwks": "not_checked"}
    return {"jwks": "valid" if opened else "invalid"}


def _opens_anon_key(door: Door, secret: str) -> bool | None:
    """Whether a secret is the project's: its legacy anon key verifies with it; None where the key is of the newer kind."""
    key = reveal(door.settings.supabase_anon_key) or ""
    return _verifies(key, secret, "HS256") if key_facts(key) and claims_of(key) else None


def _header(token: str) -> dict[str, Any]:
    try:
        return dict(jwt.get_unverified_header(f"{token.rpartition('.')[0]}.AAAA"))
    except jwt.PyJWTError:
        return {}


def _verifies(token: str, key: Any, algorithm: str) -> bool:
    names = ("exp", "aud", "iat", "nbf", "iss", "sub", "jti")
    try:
        jwt.decode(token, key, algorithms=[algorithm], options={f"verify_{name}": False for name in names})  # type: ignore[arg-type] # PyJWT's TypedDict takes no computed keys
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return True


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _iso(seconds: Json) -> str | None:
    try:
        return to_iso(from_epoch_s(seconds)) if _is_number(seconds) else None
    except (ValueError, OverflowError, OSError):
        return None
