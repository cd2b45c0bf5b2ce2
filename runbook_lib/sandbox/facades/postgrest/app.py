"""The sandbox's PostgREST: HTTP to SQL on the sandbox's own Postgres, with its roles and row-level security.

Every request is one transaction: the role of its token is taken on, the claims and headers are set, one statement runs. What the
token, the database or the grammar refuses is answered as PostgREST answers it. It reads and writes what NexusCore and the runbook
ask (`query`); functions, embedded resources, deletes and the like are 501. Held against the real PostgREST in
tests/contract/test_supabase_rest.py.
"""

import json
from typing import Any
from urllib.parse import parse_qsl

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.facades.postgrest.cache import SchemaCache, Snapshot
from runbook_lib.sandbox.facades.postgrest.errors import (
    RestError,
    connection_failed,
    from_postgres,
    no_schema_cache,
    pool_timed_out,
    token_refused,
    unsupported,
)
from runbook_lib.sandbox.facades.postgrest.headers import check_answer_kind, preferences, profile
from runbook_lib.sandbox.facades.postgrest.openapi import describe
from runbook_lib.sandbox.facades.postgrest.plan import Asked, Plan, plan_table
from runbook_lib.sandbox.facades.postgrest.run import Context, run
from runbook_lib.sandbox.facades.supabase import keys as supabase_keys
from runbook_lib.sandbox.facades.supabase import logs as supabase_logs
from runbook_lib.sandbox.facades.supabase.pool import Pool, PoolTimeout, connect_postgrest
from runbook_lib.sandbox.facades.supabase.state import SupabaseState
from runbook_lib.sandbox.world import World

_METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]


def create_app(world: World) -> Starlette:
    """PostgREST without its gateway, rooted at `/`: `/table`, `/` for the description."""
    service = RestService(world)
    routes = [
        Route("/", service.root, methods=["GET", "HEAD"]),
        Route("/rpc/{function}", service.call, methods=_METHODS),
        Route("/{table}", service.table, methods=_METHODS),
        Route("/{rest:path}", service.answer_nowhere, methods=_METHODS),
    ]
    return Starlette(routes=routes, exception_handlers={RestError: _answer_error})


def _answer_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RestError)
    return error.response()


class RestService:
    """One PostgREST: its pool, its schema cache and its handlers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pool = Pool(world, connect_postgrest)
        self._cache = SchemaCache(world)

    async def root(self, request: Request) -> Response:
        """The OpenAPI description of what the cache knows."""
        self._identify(request)
        snapshot = await self._snapshot()
        schema, _ = profile(request.method, dict(request.headers), snapshot.settings)
        body = describe(snapshot, schema, f"{self._world.ids.supabase_ref}.supabase.co")
        return JSONResponse(body, media_type="application/openapi+json; charset=utf-8")

    async def answer_nowhere(self, _: Request) -> Response:
        """Any other path."""
        raise RestError(404, "PGRST125", "Invalid path specified in request URL")

    async def table(self, request: Request) -> Response:
        """A request on a table or view."""
        claims, role = self._identify(request)
        snapshot = await self._snapshot()
        headers = {key.lower(): value for key, value in request.headers.items()}
        schema, named = profile(request.method, headers, snapshot.settings)
        if "range" in headers and request.method in ("GET", "HEAD"):
            raise unsupported("the Range header")
        check_answer_kind(headers.get("accept"))
        asked = Asked(
            method=request.method,
            schema=schema,
            query=parse_qsl(request.url.query, keep_blank_values=True),
            body=await request.body(),
            content_type=headers.get("content-type", "application/json"),
            preferences=preferences(request.headers.getlist("prefer")),
        )
        plan = plan_table(asked, snapshot, request.path_params["table"])
        plan.names_schema = named
        context = Context(role, claims, request.method, request.url.path, headers)
        return await self._run(context, asked, plan, snapshot)

    async def call(self, request: Request) -> Response:
        """A function call: refused."""
        self._identify(request)
        raise unsupported("functions over /rpc")

    async def _run(self, context: Context, asked: Asked, plan: Plan, snapshot: Snapshot) -> Response:
        settings = self._world.state(SupabaseState).rest
        try:
            async with self._pool.connection() as connection:
                return await run(connection, context, asked, plan, snapshot)
        except PoolTimeout:
            raise self._logged(pool_timed_out()) from None
        except psycopg.Error as error:
            if error.sqlstate is None and isinstance(error, psycopg.OperationalError):
                raise self._logged(connection_failed(error)) from error
            raise from_postgres(error, context.role != settings.anonymous_role) from error

    async def _snapshot(self) -> Snapshot:
        try:
            return await self._cache.current()
        except PoolTimeout:
            raise self._logged(pool_timed_out()) from None
        except psycopg.Error as error:
            raise self._logged(no_schema_cache()) from error

    def _logged(self, error: RestError) -> RestError:
        """The same error, after PostgREST's own log has it: Postgres never saw what went wrong here."""
        supabase_logs.rest_failure(self._world, f"{error.code}: {error.message}")
        return error

    def _identify(self, request: Request) -> tuple[dict[str, Any], str]:
        """Who asks: the claims and the Postgres role of the bearer token, or the anonymous role without one."""
        anonymous = self._world.state(SupabaseState).rest.anonymous_role
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return {"role": anonymous}, anonymous
        try:
            claims = supabase_keys.decode(self._world, token.strip())
            supabase_keys.check_claims(self._world, claims)
        except supabase_keys.TokenError as error:
            code = "PGRST303" if error.kind == "claims" else "PGRST301"
            raise token_refused(code, error.message, error.details) from error
        role = claims.get("role", anonymous)
        role = role if isinstance(role, str) else json.dumps(role)
        return {**claims, "role": role}, role
