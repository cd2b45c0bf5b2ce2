"""The sandbox's Supabase Management API (api.supabase.com): the project, its health, SQL, logs and backups.

Answers are held against the vendor's OpenAPI document in tests/contract/test_supabase_management.py.
Source: Management API reference and its OpenAPI document (May 2026).
"""

import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import AsyncConnection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.facades.supabase.log_query import LogQueryRefused, run_log_query
from runbook_lib.sandbox.facades.supabase.management_query import QueryFailed, run_query
from runbook_lib.sandbox.facades.supabase.state import SupabaseState
from runbook_lib.sandbox.world import World

_SERVICES = ("auth", "db", "db_postgres_user", "pooler", "realtime", "rest", "storage", "pg_bouncer")
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(eq=False)
class ManagementError(Exception):
    """An answer that is an error: `{"message": …}`."""

    status: int
    message: str


def create_management_app(world: World) -> Starlette:
    """`https://api.supabase.com`, as far as a runbook asks."""
    service = ManagementService(world)
    project = "/v1/projects/{ref}"
    routes = [
        service.route(project, service.project, "projects:read"),
        service.route(f"{project}/health", service.health, "projects:read"),
        service.route(f"{project}/database/query/read-only", service.read_only_query, "database:read", "POST"),
        service.route(f"{project}/database/migrations", service.migrations, "database:read"),
        service.route(f"{project}/database/backups", service.backups, "database:read"),
        service.route(f"{project}/database/backups/schedule", service.backup_schedule, "database:read"),
        service.route(f"{project}/analytics/endpoints/logs.all", service.logs, "analytics:read"),
    ]
    return Starlette(routes=routes, exception_handlers={ManagementError: _answer_error})


create_app = create_management_app


def _answer_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ManagementError)
    headers = {"Retry-After": "60"} if error.status == 429 else {}
    return JSONResponse({"message": error.message}, error.status, headers)


class ManagementService:
    """One Management API: what it checks before, and its handlers."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def _state(self) -> SupabaseState:
        return self._world.state(SupabaseState)

    def route(self, path: str, handler: Handler, scope: str, method: str = "GET") -> Route:
        """A route behind the token, its scope, the rate limit and the project's ref."""

        async def checked(request: Request) -> Response:
            self._check(request, scope)
            return await handler(request)

        return Route(path, checked, methods=[method])

    def _check(self, request: Request, scope: str) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ManagementError(401, "Unauthorized")
        if token != self._world.keys.supabase_access_token or token in self._state.revoked_keys:
            looks_right = token.startswith("sbp_")
            raise ManagementError(401, "Unauthorized" if looks_right else "JWT could not be decoded")
        left = self._state.management_calls_left
        if left is not None:
            if left <= 0:
                raise ManagementError(429, "ThrottlerException: Too Many Requests")
            self._state.management_calls_left = left - 1
        if self._state.token_scopes is not None and scope not in self._state.token_scopes:
            message = "Your account does not have the necessary privileges to access this endpoint."
            raise ManagementError(403, message)
        if request.path_params.get("ref", self._world.ids.supabase_ref) != self._world.ids.supabase_ref:
            raise ManagementError(404, "Project not found")

    @property
    def _organization(self) -> str:
        return hashlib.sha256(self._world.ids.supabase_ref.encode()).hexdigest()[:20]

    async def project(self, _: Request) -> Response:
        """The project."""
        return JSONResponse(self._project())

    def _project(self) -> dict[str, Any]:
        ref = self._world.ids.supabase_ref
        return {
            "id": ref,
            "ref": ref,
            "organization_id": self._organization,
            "organization_slug": self._organization,
            "name": "nexuscore",
            "region": "eu-central-1",
            "created_at": "2026-01-05T09:12:44.000000Z",
            "status": self._state.project_status,
            "database": {
                "host": f"db.{ref}.supabase.co",
                "version": "18.6",
                "postgres_engine": "18",
                "release_channel": "ga",
            },
        }

    async def health(self, request: Request) -> Response:
        """Each asked service: a look at the database for those that need it, and what `unhealthy` says."""
        asked = [name for value in request.query_params.getlist("services") for name in value.split(",")]
        if not asked or any(name not in _SERVICES for name in asked):
            raise ManagementError(400, "services: Invalid enum value")
        error = await self._database_error()
        return JSONResponse([self._service(name, error) for name in asked])

    def _service(self, name: str, database_error: str | None) -> dict[str, Any]:
        error = self._state.unhealthy.get(name) or (
            database_error if name in ("db", "auth", "rest", "pooler") else None
        )
        body: dict[str, Any] = {"name": name, "healthy": error is None}
        body["status"] = "ACTIVE_HEALTHY" if error is None else "UNHEALTHY"
        if error is not None:
            return {**body, "error": error}
        if name == "auth":
            about = "GoTrue is a user registration and authentication API"
            body["info"] = {"name": "GoTrue", "version": "v2.180.0", "description": about}
        if name == "rest":
            body["info"] = {"db_schema": ",".join(self._state.rest.schemas)}
        return body

    async def _database_error(self) -> str | None:
        if self._world.database is None:
            return "the sandbox has no database"
        try:
            connection = await AsyncConnection.connect(self._world.database, connect_timeout=2)
        except psycopg.Error as error:
            return str(error).strip()
        await connection.close()
        return None

    async def read_only_query(self, request: Request) -> Response:
        """SQL as `supabase_read_only_user`."""
        try:
            body = json.loads(await request.body() or b"{}")
            sql, parameters = body["query"], body.get("parameters")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ManagementError(400, "query: Required") from None
        if not isinstance(sql, str) or not sql:
            raise ManagementError(400, "query: String must contain at least 1 character(s)")
        return JSONResponse(await self._ask(sql, parameters, read_only=True), 201)

    async def _ask(self, sql: str, parameters: list[Any] | None = None, *, read_only: bool) -> list[dict[str, Any]]:
        try:
            return await run_query(self._world, sql, parameters, read_only=read_only)
        except QueryFailed as error:
            raise ManagementError(400, str(error)) from error

    async def migrations(self, _: Request) -> Response:
        """The migrations that were applied with the CLI; none when that table does not exist."""
        with contextlib.suppress(ManagementError):
            sql = "select version, name from supabase_migrations.schema_migrations order by version"
            rows = await self._ask(sql, read_only=False)
            return JSONResponse([{k: v for k, v in row.items() if v is not None} for row in rows])
        return JSONResponse([])

    async def backups(self, _: Request) -> Response:
        """The daily backups, and the window of point-in-time recovery."""
        plan = self._state.backup_plan(self._world.now())
        window = {
            "earliest_physical_backup_date_unix": plan.earliest_at,
            "latest_physical_backup_date_unix": plan.latest_at,
        }
        return JSONResponse(
            {
                "region": "eu-central-1",
                "walg_enabled": plan.walg_enabled,
                "pitr_enabled": plan.pitr_enabled,
                "backups": [
                    {
                        "id": backup.id,
                        "is_physical_backup": backup.is_physical_backup,
                        "status": backup.status,
                        "inserted_at": _iso(backup.inserted_at),
                    }
                    for backup in sorted(plan.backups, key=lambda b: b.inserted_at, reverse=True)
                ],
                "physical_backup_data": {name: int(at.timestamp()) for name, at in window.items() if at is not None},
            }
        )

    async def backup_schedule(self, _: Request) -> Response:
        """When the daily backup is made; 402 where the project's plan lets nobody choose."""
        if self._state.backup_schedule is None:
            raise ManagementError(402, "Feature requires a higher plan")
        return JSONResponse({"schedule_for": self._state.backup_schedule, "updated_at": "2026-05-04T14:40:44+00:00"})

    async def logs(self, request: Request) -> Response:
        """The log query."""
        asked = request.query_params
        try:
            since, until = _instant(asked.get("iso_timestamp_start")), _instant(asked.get("iso_timestamp_end"))
            return JSONResponse({"result": run_log_query(self._world, asked.get("sql"), since, until)})
        except LogQueryRefused as refused:
            return JSONResponse({"result": [], "error": str(refused)})


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise ManagementError(400, "iso_timestamp_start: Invalid datetime") from None
    if found.tzinfo is None:
        raise ManagementError(400, "iso_timestamp_start: Invalid datetime")
    return found
