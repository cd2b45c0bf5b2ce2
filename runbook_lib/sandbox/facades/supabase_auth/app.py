"""The sandbox's Supabase Auth (GoTrue): sign-in, refresh, the user, sign-out, sign-up, and the admin's users.

Users are rows of `auth.users` in the sandbox's own Postgres. Errors come in GoTrue's two shapes: with the header
`X-Supabase-Api-Version: 2024-01-01` `{code, message}`, without it `{code, error_code, msg}`.
Source: supabase/auth openapi.yaml and internal/api (read November 2026).
"""

from typing import Any

from psycopg import AsyncConnection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.facades.supabase import keys as supabase_keys
from runbook_lib.sandbox.facades.supabase import logs as supabase_logs
from runbook_lib.sandbox.facades.supabase_auth import users
from runbook_lib.sandbox.facades.supabase_auth.admin import AuthAdmin
from runbook_lib.sandbox.facades.supabase_auth.door import AuthDoor, AuthError, email_of, json_body
from runbook_lib.sandbox.facades.supabase_auth.sessions import (
    RefreshRefused,
    end,
    open_session,
    token_answer,
    turn_over,
)
from runbook_lib.sandbox.world import World


def create_app(world: World) -> Starlette:
    """Supabase Auth without its gateway, rooted at `/`."""
    service = AuthService(world)
    admin = AuthAdmin(world, service.pool)
    routes = [
        Route("/health", service.health),
        Route("/settings", service.offer),
        Route("/.well-known/jwks.json", service.jwks),
        Route("/token", service.token, methods=["POST"]),
        Route("/signup", service.signup, methods=["POST"]),
        Route("/logout", service.logout, methods=["POST"]),
        Route("/user", service.user),
        Route("/user", service.update_user, methods=["PUT"]),
        Route("/admin/users", admin.list_users),
        Route("/admin/users", admin.create_user, methods=["POST"]),
        Route("/admin/users/{id}", admin.get_user),
        Route("/admin/users/{id}", admin.change_user, methods=["PUT"]),
        Route("/admin/users/{id}", admin.delete_user, methods=["DELETE"]),
    ]
    return Starlette(routes=routes, exception_handlers={AuthError: service.answer_error})


class AuthService(AuthDoor):
    """The handlers of a user's own matters."""

    async def health(self, _: Request) -> Response:
        """Who this is."""
        about = "GoTrue is a user registration and authentication API"
        return JSONResponse({"version": "v2.180.0", "name": "GoTrue", "description": about})

    async def offer(self, _: Request) -> Response:
        """What a sign-in page may offer."""
        settings = self.settings
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
        return JSONResponse(supabase_keys.jwks(self.world), headers={"cache-control": "public, max-age=600"})

    async def token(self, request: Request) -> Response:
        """Sign in with a password, or turn a refresh token over."""
        grant, body = request.query_params.get("grant_type"), await json_body(request)
        async with self.database() as connection:
            if grant == "password":
                user = await self._sign_in(connection, str(body.get("email", "")), str(body.get("password", "")))
                session = open_session(self.world, user)
                await users.change(connection, user["id"], {"last_sign_in_at": self.world.now()})
            elif grant == "refresh_token":
                try:
                    session = turn_over(self.world, str(body.get("refresh_token", "")))
                except RefreshRefused as refused:
                    raise _refresh_error(refused) from refused
                user = await self.require_existing(connection, session.user_id)
            else:
                raise AuthError(400, "invalid_credentials", "unsupported_grant_type")
            user = await self.require_existing(connection, user["id"])
        supabase_logs.auth_event(self.world, "Login" if grant == "password" else "token_refreshed", 200, None)
        return JSONResponse(token_answer(self.world, user, session))

    async def _sign_in(self, connection: AsyncConnection, email: str, password: str) -> users.User:
        user = await users.find_by_email(connection, email)
        if user is None or not users.password_fits(password, user["encrypted_password"]):
            raise AuthError(400, "invalid_credentials", "Invalid login credentials")
        if user["banned_until"] and user["banned_until"] > self.world.now():
            raise AuthError(400, "user_banned", "User is banned")
        if user["email_confirmed_at"] is None:
            raise AuthError(400, "email_not_confirmed", "Email not confirmed")
        return user

    async def signup(self, request: Request) -> Response:
        """Register an e-mail address; with autoconfirm this signs in as well."""
        if self.settings.signup_disabled:
            raise AuthError(422, "signup_disabled", "Signups not allowed for this instance")
        body = await json_body(request)
        email, password = self._credentials(body)
        confirmed = self.world.now() if self.settings.autoconfirm else None
        async with self.database() as connection:
            if await users.find_by_email(connection, email):
                raise AuthError(422, "user_already_exists", "User already registered")
            metadata = body.get("data") or {}
            user = await users.insert(
                connection, email=email, password=password, confirmed_at=confirmed, user_metadata=metadata
            )
        if confirmed is None:
            return JSONResponse(users.user_row(user))
        return JSONResponse(token_answer(self.world, user, open_session(self.world, user)))

    async def logout(self, request: Request) -> Response:
        """End this session, the others, or all."""
        async with self.database() as connection:
            user, claims = await self.require_user(connection, request)
        end(self.world, user["id"], claims.get("session_id"), request.query_params.get("scope", "global"))
        return Response(status_code=204)

    async def user(self, request: Request) -> Response:
        """The user of the bearer token."""
        async with self.database() as connection:
            user, _ = await self.require_user(connection, request)
        return JSONResponse(users.user_row(user))

    async def update_user(self, request: Request) -> Response:
        """Change one's own password or metadata."""
        body = await json_body(request)
        async with self.database() as connection:
            user, _ = await self.require_user(connection, request)
            changes: dict[str, Any] = {}
            if "data" in body:
                changes["raw_user_meta_data"] = users.merge_metadata(user["raw_user_meta_data"], body["data"] or {})
            if body.get("password"):
                changes["encrypted_password"] = self.hash_checked(str(body["password"]))
            await users.change(connection, user["id"], changes)
            user = await self.require_existing(connection, user["id"])
        return JSONResponse(users.user_row(user))

    def _credentials(self, body: dict[str, Any]) -> tuple[str, str]:
        if not body.get("password"):
            raise AuthError(400, "validation_failed", "Signup requires a valid password")
        return email_of(body.get("email")), self.check_password(str(body["password"]))


def _refresh_error(refused: RefreshRefused) -> AuthError:
    if refused.already_used:
        return AuthError(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
    return AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
