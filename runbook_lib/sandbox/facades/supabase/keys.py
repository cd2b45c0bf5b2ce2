"""Supabase's keys and tokens: which signing keys there are, what a token must look like, and who a request is.

Legacy `anon` and `service_role` keys are JWTs signed with the project's JWT secret (HS256); user tokens are signed with the key
that is `in_use`: that secret, or an ES256 key whose public half stands in the JWKS.
Source: supabase docs guides/auth/signing-keys and guides/auth/jwt-fields; PostgREST src/PostgREST/Auth/Jwt.hs (read November 2026).
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from runbook_lib.sandbox.facades.supabase.state import SigningKey, SupabaseState, stable_uuid
from runbook_lib.sandbox.world import World

SKEW_S = 30  # PostgREST allows this much between its clock and the token's
_SIGNATURE_ONLY: Any = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class TokenError(Exception):
    """A token that is not accepted. `kind`: parts, key, claims; `message` in PostgREST's words."""

    def __init__(self, kind: str, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details


@dataclass(frozen=True)
class ApiKey:
    """An accepted `apikey`: the Postgres role it stands for, and whether it is a legacy JWT."""

    value: str
    role: str
    legacy: bool


def signing_keys(world: World) -> list[SigningKey]:
    """The project's signing keys; made on first use: the legacy secret in use, an ES256 key standing by."""
    keys = world.state(SupabaseState).signing_keys
    if not keys:
        born = world.now() - timedelta(days=120)
        secret = world.keys.supabase_jwt_secret
        keys.append(SigningKey(stable_uuid(secret, "HS256"), "HS256", "in_use", born, secret=secret))
        keys.append(new_ec_key(world, "standby"))
    return keys


def new_ec_key(world: World, status: str) -> SigningKey:
    """A new ES256 key, derived from the world's secret and the number of keys so far: the same world makes the same keys."""
    count = len(world.state(SupabaseState).signing_keys)
    digest = hashlib.sha512(f"{world.keys.supabase_jwt_secret}/{count}".encode()).digest()
    number = int.from_bytes(digest, "big") % (_P256_ORDER - 1) + 1
    key_id = stable_uuid(world.keys.supabase_jwt_secret, "ES256", str(count))
    return SigningKey(key_id, "ES256", status, world.now(), private_number=number)


def jwks(world: World) -> dict[str, list[dict[str, Any]]]:
    """The public keys, as `/auth/v1/.well-known/jwks.json` gives them; shared secrets never stand there, revoked keys neither."""
    return {"keys": [_jwk(key) for key in signing_keys(world) if key.algorithm == "ES256" and key.status != "revoked"]}


def _jwk(key: SigningKey) -> dict[str, Any]:
    public = json.loads(ECAlgorithm.to_jwk(_private_key(key).public_key()))
    fields = {name: public[name] for name in ("crv", "kty", "x", "y")}
    return {"alg": "ES256", "ext": True, "key_ops": ["verify"], "kid": key.id, "use": "sig", **fields}


def _private_key(key: SigningKey) -> ec.EllipticCurvePrivateKey:
    assert key.private_number is not None
    return ec.derive_private_key(key.private_number, ec.SECP256R1())


def sign(world: World, claims: dict[str, Any], key: SigningKey | None = None) -> str:
    """A JWT over these claims, signed with the key in use (or the one given)."""
    key = key or next(k for k in signing_keys(world) if k.status == "in_use")
    if key.algorithm == "HS256":
        return jwt.encode(claims, key.secret or "", algorithm="HS256", headers={"kid": key.id})
    return jwt.encode(claims, _private_key(key), algorithm="ES256", headers={"kid": key.id})


def decode(world: World, token: str) -> dict[str, Any]:
    """The claims of a token whose signature one of the project's keys made.

    Raises:
        TokenError: kind parts (no JWT at all) or key (no key of ours signed it); in PostgREST's words.
    """
    parts = token.split(".")
    if token == "":
        raise TokenError("parts", "Empty JWT is sent in Authorization header")
    if len(parts) != 3:
        raise TokenError("parts", f"Expected 3 parts in JWT; got {len(parts)}")
    header = _json_part(parts[0])
    refused = TokenError("key", "No suitable key or wrong key type", "None of the keys was able to decode the JWT")
    if header is None:
        raise TokenError("key", "JWT cryptographic operation failed")
    for key in signing_keys(world):
        if key.status == "revoked" or key.algorithm != header.get("alg") or header.get("kid") not in (None, key.id):
            continue
        verifier: Any = key.secret if key.algorithm == "HS256" else _private_key(key).public_key()
        try:
            jwt.decode(token, verifier, algorithms=[key.algorithm], options=_SIGNATURE_ONLY)
        except jwt.InvalidTokenError:
            continue
        claims = _json_part(parts[1])
        if claims is None:
            raise TokenError("claims", "Parsing claims failed")
        return claims
    raise refused


def check_claims(world: World, claims: dict[str, Any]) -> None:
    """Refuse a token by its times and audience, as PostgREST does (30 s of skew allowed; an audience only where one is set).

    Raises:
        TokenError: kind claims.
    """
    now = world.now().timestamp()
    messages = {"exp": "JWT expired", "nbf": "JWT not yet valid", "iat": "JWT issued at future"}
    for name, message in messages.items():
        at = claims.get(name)
        if at is None:
            continue
        if isinstance(at, bool) or not isinstance(at, int | float):
            raise TokenError("claims", f"The JWT '{name}' claim must be a number")
        if at < now - SKEW_S if name == "exp" else at > now + SKEW_S:
            raise TokenError("claims", message)
    wanted, audience = world.state(SupabaseState).rest.jwt_audience, claims.get("aud")
    if wanted and audience is not None and wanted not in (audience if isinstance(audience, list) else [audience]):
        raise TokenError("claims", "JWT not in audience")


def _json_part(part: str) -> dict[str, Any] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def api_key(world: World, value: str) -> ApiKey | None:
    """What an `apikey` stands for, or None when it is none of this project's, revoked, or legacy while those are off."""
    keys = world.keys
    known = {
        keys.supabase_anon: ApiKey(keys.supabase_anon, "anon", True),
        keys.supabase_service_role: ApiKey(keys.supabase_service_role, "service_role", True),
        keys.supabase_publishable: ApiKey(keys.supabase_publishable, "anon", False),
        keys.supabase_secret: ApiKey(keys.supabase_secret, "service_role", False),
    }
    found = known.get(value)
    if found is None or value in world.state(SupabaseState).revoked_keys:
        return None
    return found if world.state(SupabaseState).legacy_keys_enabled or not found.legacy else None


def issuer(world: World) -> str:
    """The `iss` of a user's token: the project's public address, wherever this sandbox happens to listen."""
    return f"https://{world.ids.supabase_ref}.supabase.co/auth/v1"
