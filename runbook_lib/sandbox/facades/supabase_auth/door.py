"""What every handler of Supabase Auth stands on: its errors, its connections, and who a request is.

Source: supabase/auth internal/api (read November 2026).
"""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runbook_lib.sandbox.facades.supabase import keys as supabase_keys
from runbook_lib.sandbox.facades.supabase import logs as supabase_logs
from runbook_lib.sandbox.facades.supabase.pool import Pool, PoolTimeout, connect_auth
from runbook_lib.sandbox.facades.supabase.state import AuthSettings, SupabaseState
from runbook_lib.sandbox.facades.supabase_auth import users
from runbook_lib.sandbox.world import World

_VERSION = "2024-01-01"
_ADMIN_ROLES = ("service_role", "supabase_admin")


@dataclass(eq=False)
class AuthError(Exception):
    """An answer that is an error, in GoTrue's words."""

    status: int
    code: str
    message: str


class AuthDoor:
    """One Auth server's shared ground."""

    def __init__(self, world: World, pool: Pool | None = None) -> None:
        self.world = world
        self.pool = pool or Pool(world, connect_auth)

    async def answer_error(self, request: Request, error: Exception) -> Response:
        """An error in the shape of the API version that was asked for; logged."""
        assert isinstance(error, AuthError)
        level = "error" if error.status >= 500 else "warning"
        supabase_logs.auth_event(self.world, f"{error.status}: {error.message}", error.status, error.code, level)
        headers = {"x-sb-error-code": error.code}
        if request.headers.get("x-supabase-api-version", "") >= _VERSION:
            headers["x-supabase-api-version"] = _VERSION
            return JSONResponse({"code": error.code, "message": error.message}, error.status, headers)
        body = {"code": error.status, "error_code": error.code, "msg": error.message}
        return JSONResponse(body, error.status, headers)

    @property
    def settings(self) -> AuthSettings:
        """The project's Auth settings."""
        return self.world.state(SupabaseState).auth

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[AsyncConnection]:
        """A connection; a database in trouble is Auth's unexpected failure."""
        try:
            async with self.pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            raise AuthError(500, "unexpected_failure", "Database error querying schema") from error

    def claims(self, request: Request) -> dict[str, Any]:
        """The claims of the bearer token, which must be ours and in time."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")
        try:
            claims = supabase_keys.decode(self.world, token.strip())
        except supabase_keys.TokenError as error:
            why = "token is malformed" if error.kind == "parts" else "signature is invalid"
            message = f"invalid JWT: unable to parse or verify signature, {why}"
            raise AuthError(403, "bad_jwt", message) from error
        if claims.get("exp", self.world.now().timestamp() + 1) <= self.world.now().timestamp():
            message = "invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired"
            raise AuthError(403, "bad_jwt", message)
        return claims

    def require_admin(self, request: Request) -> None:
        """Refuse whoever is not the service role."""
        if self.claims(request).get("role") not in _ADMIN_ROLES:
            raise AuthError(403, "not_admin", "User not allowed")

    async def require_user(self, connection: AsyncConnection, request: Request) -> tuple[users.User, dict[str, Any]]:
        """The user and the claims of a user's token whose session lives."""
        claims = self.claims(request)
        if not claims.get("sub"):
            raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
        if not is_uuid(claims["sub"]):
            raise AuthError(400, "bad_jwt", "invalid claim: sub claim must be a UUID")
        user = await users.find_by_id(connection, claims["sub"])
        if user is None:
            raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        session_id = claims.get("session_id")
        if session_id and session_id not in self.world.state(SupabaseState).sessions:
            raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return user, claims

    async def require_existing(self, connection: AsyncConnection, user_id: str) -> users.User:
        """The user with this id, who must exist."""
        user = await users.find_by_id(connection, user_id)
        if user is None:
            raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        return user

    def check_password(self, password: str) -> str:
        """The password, when it is long enough."""
        least = self.settings.minimum_password_length
        if len(password) < least:
            raise AuthError(422, "weak_password", f"Password should be at least {least} characters.")
        return password

    def hash_checked(self, password: str) -> str:
        """The hash of a password that is long enough."""
        return users.hash_password(self.check_password(password))


async def json_body(request: Request) -> dict[str, Any]:
    """The request's JSON object; empty without a body."""
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise AuthError(400, "bad_json", "Could not parse request body as JSON")
    return body


def email_of(value: Any) -> str:
    """The address in lower case, when it is one."""
    name, at, host = str(value or "").partition("@")
    if not (name and at and "." in host):
        raise AuthError(400, "validation_failed", "Unable to validate email address: invalid format")
    return str(value).lower()


def is_uuid(value: Any) -> bool:
    """Whether this is a UUID."""
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True
