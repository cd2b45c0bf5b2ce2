"""Supabase Auth's admin: the users, as the service role lists, makes, changes and deletes them."""

from typing import Any

from psycopg import AsyncConnection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runbook_lib.sandbox.facades.supabase_auth import users
from runbook_lib.sandbox.facades.supabase_auth.door import AuthDoor, AuthError, email_of, is_uuid, json_body
from runbook_lib.sandbox.facades.supabase_auth.sessions import end


class AuthAdmin(AuthDoor):
    """The handlers below /admin."""

    async def list_users(self, request: Request) -> Response:
        """A page of users, newest first; an empty `page=` or `per_page=` means the default."""
        self.require_admin(request)
        number = _whole(request.query_params.get("page"), 1)
        size = _whole(request.query_params.get("per_page"), 50)
        async with self.database() as connection:
            found, total = await users.page(connection, number, size)
        headers = {"x-total-count": str(total)}
        return JSONResponse({"users": [users.user_row(u) for u in found], "aud": "authenticated"}, headers=headers)

    async def create_user(self, request: Request) -> Response:
        """A new user, made by the admin."""
        self.require_admin(request)
        body = await json_body(request)
        if not body.get("email"):
            raise AuthError(400, "validation_failed", "Cannot create a user without either an email or phone")
        email = email_of(body["email"])
        password = self.check_password(str(body["password"])) if body.get("password") else None
        async with self.database() as connection:
            if await users.find_by_email(connection, email):
                message = "A user with this email address has already been registered"
                raise AuthError(422, "email_exists", message)
            user = await users.insert(
                connection,
                email=email,
                password=password,
                confirmed_at=self.world.now() if body.get("email_confirm") else None,
                role=body.get("role") or "authenticated",
                app_metadata=body.get("app_metadata"),
                user_metadata=body.get("user_metadata"),
                user_id=body.get("id"),
            )
        return JSONResponse(users.user_row(user))

    async def get_user(self, request: Request) -> Response:
        """One user."""
        self.require_admin(request)
        async with self.database() as connection:
            return JSONResponse(users.user_row(await self._named(connection, request)))

    async def change_user(self, request: Request) -> Response:
        """Change a user."""
        self.require_admin(request)
        body = await json_body(request)
        async with self.database() as connection:
            user = await self._named(connection, request)
            await users.change(connection, user["id"], self._changes(user, body))
            user = await self.require_existing(connection, user["id"])
        return JSONResponse(users.user_row(user))

    def _changes(self, user: users.User, body: dict[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if body.get("email"):
            changes["email"] = email_of(body["email"])
        if body.get("role"):
            changes["role"] = body["role"]
        if body.get("password"):
            changes["encrypted_password"] = self.hash_checked(str(body["password"]))
        if body.get("email_confirm"):
            changes["email_confirmed_at"] = self.world.now()
        for name, column in (("app_metadata", "raw_app_meta_data"), ("user_metadata", "raw_user_meta_data")):
            if body.get(name) is not None:
                changes[column] = users.merge_metadata(user[column], body[name])
        return changes

    async def delete_user(self, request: Request) -> Response:
        """Delete a user, or only mark it when a soft delete was asked for."""
        self.require_admin(request)
        body = await json_body(request)
        async with self.database() as connection:
            user = await self._named(connection, request)
            if body.get("should_soft_delete"):
                await users.change(connection, user["id"], {"deleted_at": self.world.now()})
            else:
                await users.delete(connection, user["id"])
        end(self.world, user["id"], None, "global")
        return JSONResponse({})

    async def _named(self, connection: AsyncConnection, request: Request) -> users.User:
        user_id = request.path_params["id"]
        if not is_uuid(user_id):
            raise AuthError(404, "validation_failed", "user_id must be an UUID")
        user = await users.find_by_id(connection, user_id)
        if user is None:
            raise AuthError(404, "user_not_found", "User not found")
        return user


def _whole(value: str | None, otherwise: int) -> int:
    return int(value) if value and value.isdigit() and int(value) > 0 else otherwise
