"""Railway's GraphQL API, executed on a subset of its official schema.

Failures come as HTTP 200 with `errors[]`, as Railway has them; only a document that does not fit the schema is a 400 and
a used-up limit a 429. An account token goes in `Authorization: Bearer`, a project token in `Project-Access-Token`.
"""

import uuid
from functools import cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    build_schema,
    execute_sync,
    parse,
    validate,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.facades.providers.provider_door import read_json
from runbook_lib.sandbox.facades.railway.root import Root
from runbook_lib.sandbox.facades.railway.state import Caller, RailwayState
from runbook_lib.sandbox.world import World


@cache
def schema() -> GraphQLSchema:
    """The part of Railway's schema that this façade answers."""
    return build_schema((Path(__file__).parent / "schema.graphql").read_text())


@cache
def _read(query: str) -> tuple[DocumentNode | None, tuple[GraphQLError, ...]]:
    """The document, or why it does not fit the schema."""
    try:
        document = parse(query)
    except GraphQLError as bad:
        return None, (bad,)
    errors = tuple(validate(schema(), document))
    return (None, errors) if errors else (document, ())


class _Api:
    def __init__(self, world: World) -> None:
        self.world = world

    async def answer(self, request: Request) -> Response:
        """One GraphQL request."""
        state = self.world.state(RailwayState)
        if state.calls_left is not None:
            if state.calls_left <= 0:
                refused = {"errors": [{"message": "Rate limit exceeded"}]}
                return self._limited(JSONResponse(refused, 429, headers={"retry-after": "60"}))
            state.calls_left -= 1
        body = await read_json(request)
        if body is None or not isinstance(body.get("query"), str):
            return self._limited(JSONResponse({"errors": [{"message": "Must provide query string."}]}, 400))
        document, errors = _read(body["query"])
        if document is None:
            return self._limited(JSONResponse({"errors": [_shown(error) for error in errors]}, 400))
        caller = self._caller(request)
        result = execute_sync(
            schema(),
            document,
            root_value=Root(self.world, caller),
            variable_values=body.get("variables") or {},
            operation_name=body.get("operationName"),
        )
        return self._limited(JSONResponse(_body(result)))

    def _caller(self, request: Request) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token == self.world.keys.railway_token:
            return Caller("account")
        if request.headers.get("project-access-token") == self.world.keys.railway_project_token:
            return Caller("project")
        return Caller("nobody")

    def _limited(self, response: Response) -> Response:
        state = self.world.state(RailwayState)
        left = state.calls_limit if state.calls_left is None else state.calls_left
        reset = int(self.world.now().timestamp()) // 3600 * 3600 + 3600
        response.headers["x-ratelimit-limit"] = str(state.calls_limit)
        response.headers["x-ratelimit-remaining"] = str(left)
        response.headers["x-ratelimit-reset"] = str(reset)
        return response


def _body(result: ExecutionResult) -> dict[str, Any]:
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body = {"errors": [_shown(error) for error in result.errors], **body}
    return body


def _shown(error: GraphQLError) -> dict[str, Any]:
    return {**error.formatted, "extensions": {"code": "INTERNAL_SERVER_ERROR"}, "traceId": str(uuid.uuid4().int)[:19]}


def create_app(world: World) -> Starlette:
    """`backboard.railway.com`."""
    return Starlette(routes=[Route("/graphql/v2", _Api(world).answer, methods=["POST"])])
