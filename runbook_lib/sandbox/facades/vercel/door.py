"""What Vercel checks before it answers: the token, the rate limit, the team; and how it refuses."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runbook_lib.sandbox.facades.vercel.state import TEAM_SLUG, VercelState, find_deployment, ms, part_of_project
from runbook_lib.sandbox.world import Deployment, World

Handler = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """An answer other than 200, in Vercel's error shape."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message, **more}}


class Door:
    """The token, the rate limit and the team, checked before any route answers."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def state(self) -> VercelState:
        """The façade's dials."""
        return self.world.state(VercelState)

    def guarded(self, handler: Handler) -> Handler:
        """Check the token and the limit first; say refusals in Vercel's shape; add the limit headers."""

        async def answer(request: Request) -> Response:
            try:
                self._check_token(request)
                self._count_call()
                response = await handler(request)
            except Refused as refused:
                response = JSONResponse(refused.body, refused.status)
            self._add_limits(response)
            return response

        return answer

    def _check_token(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            message = "The request is missing an authentication token"
            raise Refused(403, "forbidden", message, missingToken=True)
        expires_at = self.state.token_expires_at
        if token != self.world.keys.vercel_token or (expires_at and expires_at <= self.world.now()):
            raise Refused(403, "forbidden", "Not authorized", invalidToken=True)

    def _count_call(self) -> None:
        if self.state.calls_left is None:
            return
        if self.state.calls_left <= 0:
            limit = {"total": self.state.calls_limit, "remaining": 0, "reset": ms(self.world.now()) // 1000 + 60}
            raise Refused(429, "rate_limited", "Too many requests", limit=limit)
        self.state.calls_left -= 1

    def _add_limits(self, response: Response) -> None:
        left = self.state.calls_limit if self.state.calls_left is None else self.state.calls_left
        response.headers["x-ratelimit-limit"] = str(self.state.calls_limit)
        response.headers["x-ratelimit-remaining"] = str(left)
        response.headers["x-ratelimit-reset"] = str(int((self.world.now() + timedelta(seconds=60)).timestamp()))
        if response.status_code == 429:
            response.headers["retry-after"] = "60"

    def part(self, request: Request, id_or_name: str | None) -> str:
        """The part of a project; 404 without the team that owns it, as for a project that is not there."""
        self.check_team(request)
        part = part_of_project(self.world, id_or_name or "")
        if part is None or not self.in_team(request):
            raise Refused(404, "not_found", "Project not found")
        return part

    def in_team(self, request: Request) -> bool:
        """Whether the call names the team that owns everything here."""
        query = request.query_params
        return (
            self.world.ids.vercel_team in (query.get("teamId"), query.get("ownerId")) or query.get("slug") == TEAM_SLUG
        )

    def check_team(self, request: Request) -> None:
        """Refuse a call that names another team."""
        query = request.query_params
        named = query.get("teamId") or query.get("ownerId") or query.get("slug")
        if named and not self.in_team(request):
            raise Refused(403, "forbidden", "You don't have permission to access this resource.")

    def find(self, request: Request, id_or_url: str) -> Deployment:
        """The deployment with this id or host name; 404 without its team."""
        self.check_team(request)
        found = find_deployment(self.world, id_or_url)
        if found is None or not self.in_team(request):
            raise Refused(404, "not_found", "The deployment could not be found")
        return found
