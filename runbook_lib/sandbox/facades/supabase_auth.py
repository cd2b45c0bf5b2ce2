"""The sandbox's Supabase Auth (GoTrue): sign-in, refresh, the user, sign-out, sign-up, and the admin's users.

Users are rows of `auth.users` in the sandbox's own Postgres. Errors come in GoTrue's two shapes: with the header
`X-Supabase-Api-Version: 2024-01-01` `{code, message}`, without it `{code, error_code, msg}`.
Source: supabase/auth openapi.yaml and internal/api (read November 2026).
"""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import AsyncConnection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.facades import supabase_auth_users as users
from runbook_lib.sandbox.facades import supabase_keys, supabase_logs
from runbook_lib.sandbox.facades.supabase_auth_sessions import (
    RefreshRefused,
    end,
    open_session,
    token_answer,
    turn_over,
)
from runbook_lib.sandbox.facades.supabase_pool import Pool, PoolTimeout, connect_auth
from runbook_lib.sandbox.facades.supabase_state import AuthSettings, SupabaseState
from runbook_lib.sandbox.world import World

_VERSION = "2024-01-01"
_ADMIN_ROLES = ("service_role", "supabase_admin")


@dataclass(eq=False)
class AuthError(Exception):
    """An answer that is an error, in GoTrue's words."""

    status: int
    code: str
    message: str


def create_app(world: World) -> Starlette:
    """Supabase Auth without its gateway, rooted at `/`."""
    service = AuthService(world)
    routes = [
        Route("/health", service.health),
        Route("/settings", service.settings),
        Route("/.well-known/jwks.json", service.jwks),
        Route("/token", service.token, methods=["POST"]),
        Route("/signup", service.signup, methods=["POST"]),
        Route("/logout", service.logout, methods=["POST"]),
        Route("/user", service.user),
        Route("/user", service.update_user, methods=["PUT"]),
        Route("/admin/users", service.list_users),
        Route("/admin/users", service.create_user, methods=["POST"]),
        Route("/admin/users/{id}", service.get_user),
        Route("/admin/users/{id}", service.change_user, methods=["PUT"]),
        Route("/admin/users/{id}", service.delete_user, methods=["DELETE"]),
    ]
    return Starlette(routes=routes, exception_handlers={AuthError: service.answer_error})


class AuthService:
    """One Auth server: its connections and its handlers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pool = Pool(world, connect_auth)

    async def answer_error(self, request: Request, error: Exception) -> Response:
        """An error in the shape of the API version that was asked for; logged."""
        assert isinstance(error, AuthError)
        level = "error" if error.status >= 500 else "warning"
        supabase_logs.auth_event(self._world, f"{error.status}: {error.message}", error.status, error.code, level)
        headers = {"x-sb-error-code": error.code}
        if request.headers.get("x-supabase-api-version", "") >= _VERSION:
            headers["x-supabase-api-version"] = _VERSION
            return JSONResponse({"code": error.code, "message": error.message}, error.status, headers)
        body = {"code": error.status, "error_code": error.code, "msg": error.message}
        return JSONResponse(body, error.status, headers)

    async def health(self, _: Request) -> Response:
        """Who this is."""
        about = "GoTrue is a user registration and authentication API"
        return JSONResponse({"version": "v2.180.0", "name": "GoTrue", "description": about})

    async def settings(self, _: Request) -> Response:
        """What a sign-in page may offer."""
        settings = self._settings
        return JSONResponse(
            {
                "external": {"email": True, "phone": False, "anonymous_users": False, "github": False},
                "disable_signup": settings.signup_disabled,
                "mailer_autoconfirm": settings.autoconfirm,
                "phone_autoconfirm": False,
                "sms_provider": "",
                "saml_enabled": False,
            }
        )

    async def jwks(self, _: Request) -> Response:
        """The public signing keys."""
        return JSONResponse(supabase_keys.jwks(self._world), headers={"cache-control": "public, max-age=600"})

    async def token(self, request: Request) -> Response:
        """Sign in with a password, or turn a refresh token over."""
        grant, body = request.query_params.get("grant_type"), await _body(request)
        async with self._database() as connection:
            if grant == "password":
                user = await self._sign_in(connection, str(body.get("email", "")), str(body.get("password", "")))
                session = open_session(self._world, user)
                await users.change(connection, user["id"], {"last_sign_in_at": self._world.now()})
            elif grant == "refresh_token":
                try:
                    session = turn_over(self._world, str(body.get("refresh_token", "")))
                except RefreshRefused as refused:
                    raise _refresh_error(refused) from refused
                user = await self._existing(connection, session.user_id)
            else:
                raise AuthError(400, "invalid_credentials", "unsupported_grant_type")
            user = await self._existing(connection, user["id"])
        supabase_logs.auth_event(self._world, "Login" if grant == "password" else "token_refreshed", 200, None)
        return JSONResponse(token_answer(self._world, user, session))

    async def _sign_in(self, connection: AsyncConnection, email: str, password: str) -> users.User:
        user = await users.find_by_email(connection, email)
        if user is None or not users.password_fits(password, user["encrypted_password"]):
            raise AuthError(400, "invalid_credentials", "Invalid login credentials")
        if user["banned_until"] and user["banned_until"] > self._world.now():
            raise AuthError(400, "user_banned", "User is banned")
        if user["email_confirmed_at"] is None:
            raise AuthError(400, "email_not_confirmed", "Email not confirmed")
        return user

    async def signup(self, request: Request) -> Response:
        """Register an e-mail address; with autoconfirm this signs in as well."""
        if self._settings.signup_disabled:
            raise AuthError(422, "signup_disabled", "Signups not allowed for this instance")
        body = await _body(request)
        email, password = self._credentials(body)
        confirmed = self._world.now() if self._settings.autoconfirm else None
        async with self._database() as connection:
            if await users.find_by_email(connection, email):
                raise AuthError(422, "user_already_exists", "User already registered")
            metadata = body.get("data") or {}
            user = await users.insert(
                connection, email=email, password=password, confirmed_at=confirmed, user_metadata=metadata
            )
        if confirmed is None:
            return JSONResponse(users.shown(user))
        return JSONResponse(token_answer(self._world, user, open_session(self._world, user)))

    async def logout(self, request: Request) -> Response:
        """End this session, the others, or all."""
        async with self._database() as connection:
            user, claims = await self._signed_in(connection, request)
        end(self._world, user["id"], claims.get("session_id"), request.query_params.get("scope", "global"))
        return Response(status_code=204)

    async def user(self, request: Request) -> Response:
        """The user of the bearer token."""
        async with self._database() as connection:
            user, _ = await self._signed_in(connection, request)
        return JSONResponse(users.shown(user))

    async def update_user(self, request: Request) -> Response:
        """Change one's own password or metadata."""
        body = await _body(request)
        async with self._database() as connection:
            user, _ = await self._signed_in(connection, request)
            changes: dict[str, Any] = {}
            if "data" in body:
                changes["raw_user_meta_data"] = users.merged(user["raw_user_meta_data"], body["data"] or {})
            if body.get("password"):
                changes["encrypted_password"] = self._hashed(str(body["password"]))
            await users.change(connection, user["id"], changes)
            user = await self._existing(connection, user["id"])
        return JSONResponse(users.shown(user))

    async def list_users(self, request: Request) -> Response:
        """A page of users, newest first; an empty `page=` or `per_page=` means the default."""
        self._admin(request)
        number = _whole(request.query_params.get("page"), 1)
        size = _whole(request.query_params.get("per_page"), 50)
        async with self._database() as connection:
            found, total = await users.page(connection, number, size)
        headers = {"x-total-count": str(total)}
        return JSONResponse({"users": [users.shown(u) for u in found], "aud": "authenticated"}, headers=headers)

    async def create_user(self, request: Request) -> Response:
        """A new user, made by the admin."""
        self._admin(request)
        body = await _body(request)
        if not body.get("email"):
            raise AuthError(400, "validation_failed", "Cannot create a user without either an email or phone")
        email = _email(body["email"])
        password = self._checked(str(body["password"])) if body.get("password") else None
        async with self._database() as connection:
            if await users.find_by_email(connection, email):
                message = "A user with this email address has already been registered"
                raise AuthError(422, "email_exists", message)
            user = await users.insert(
                connection,
                email=email,
                password=password,
                confirmed_at=self._world.now() if body.get("email_confirm") else None,
                role=body.get("role") or "authenticated",
                app_metadata=body.get("app_metadata"),
                user_metadata=body.get("user_metadata"),
                user_id=body.get("id"),
            )
        return JSONResponse(users.shown(user))

    async def get_user(self, request: Request) -> Response:
        """One user."""
        self._admin(request)
        async with self._database() as connection:
            return JSONResponse(users.shown(await self._named(connection, request)))

    async def change_user(self, request: Request) -> Response:
        """Change a user."""
        self._admin(request)
        body = await _body(request)
        async with self._database() as connection:
            user = await self._named(connection, request)
            await users.change(connection, user["id"], self._changes(user, body))
            user = await self._existing(connection, user["id"])
        return JSONResponse(users.shown(user))

    def _changes(self, user: users.User, body: dict[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if body.get("email"):
            changes["email"] = _email(body["email"])
        if body.get("role"):
            changes["role"] = body["role"]
        if body.get("password"):
            changes["encrypted_password"] = self._hashed(str(body["password"]))
        if body.get("email_confirm"):
            changes["email_confirmed_at"] = self._world.now()
        for name, column in (("app_metadata", "raw_app_meta_data"), ("user_metadata", "raw_user_meta_data")):
            if body.get(name) is not None:
                changes[column] = users.merged(user[column], body[name])
        return changes

    async def delete_user(self, request: Request) -> Response:
        """Delete a user, or only mark it when a soft delete was asked for."""
        self._admin(request)
        body = await _body(request)
        async with self._database() as connection:
            user = await self._named(connection, request)
            if body.get("should_soft_delete"):
                await users.change(connection, user["id"], {"deleted_at": self._world.now()})
            else:
                await users.delete(connection, user["id"])
        end(self._world, user["id"], None, "global")
        return JSONResponse({})

    @property
    def _settings(self) -> AuthSettings:
        return self._world.state(SupabaseState).auth

    @contextlib.asynccontextmanager
    async def _database(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.Error, PoolTimeout) as error:
            raise AuthError(500, "unexpected_failure", "Database error querying schema") from error

    def _claims(self, request: Request) -> dict[str, Any]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")
        try:
            claims = supabase_keys.decode(self._world, token.strip())
        except supabase_keys.TokenError as error:
            why = "token is malformed" if error.kind == "parts" else "signature is invalid"
            message = f"invalid JWT: unable to parse or verify signature, {why}"
            raise AuthError(403, "bad_jwt", message) from error
        if claims.get("exp", self._world.now().timestamp() + 1) <= self._world.now().timestamp():
            message = "invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired"
            raise AuthError(403, "bad_jwt", message)
        return claims

    def _admin(self, request: Request) -> None:
        if self._claims(request).get("role") not in _ADMIN_ROLES:
            raise AuthError(403, "not_admin", "User not allowed")

    async def _signed_in(self, connection: AsyncConnection, request: Request) -> tuple[users.User, dict[str, Any]]:
        claims = self._claims(request)
        if not claims.get("sub"):
            raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
        if not _is_uuid(claims["sub"]):
            raise AuthError(400, "bad_jwt", "invalid claim: sub claim must be a UUID")
        user = await users.find_by_id(connection, claims["sub"])
        if user is None:
            raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        session_id = claims.get("session_id")
        if session_id and session_id not in self._world.state(SupabaseState).sessions:
            raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return user, claims

    async def _named(self, connection: AsyncConnection, request: Request) -> users.User:
        user_id = request.path_params["id"]
        if not _is_uuid(user_id):
            raise AuthError(404, "validation_failed", "user_id must be an UUID")
        user = await users.find_by_id(connection, user_id)
        if user is None:
            raise AuthError(404, "user_not_found", "User not found")
        return user

    async def _existing(self, connection: AsyncConnection, user_id: str) -> users.User:
        user = await users.find_by_id(connection, user_id)
        if user is None:
            raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
        return user

    def _credentials(self, body: dict[str, Any]) -> tuple[str, str]:
        if not body.get("password"):
            raise AuthError(400, "validation_failed", "Signup requires a valid password")
        return _email(body.get("email")), self._checked(str(body["password"]))

    def _checked(self, password: str) -> str:
        least = self._settings.minimum_password_length
        if len(password) < least:
            raise AuthError(422, "weak_password", f"Password should be at least {least} characters.")
        return password

    def _hashed(self, password: str) -> str:
        return users.hash_password(self._checked(password))


def _refresh_error(refused: RefreshRefused) -> AuthError:
    if refused.already_used:
        return AuthError(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
    return AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise AuthError(400, "bad_json", "Could not parse request body as JSON")
    return body


def _email(value: Any) -> str:
    name, at, host = str(value or "").partition("@")
    if not (name and at and "." in host):
        raise AuthError(400, "validation_failed", "Unable to validate email address: invalid format")
    return str(value).lower()


def _is_uuid(value: Any) -> bool:
    try:
        uuid.UUID(str(value))
    except ValueError:
        return False
    return True


def _whole(value: str | None, otherwise: int) -> int:
    return int(value) if value and value.isdigit() and int(value) > 0 else otherwise
