"""Vercel's REST API as far as a runbook reads it, and the second host that holds the request log.

Routes and shapes: Vercel's OpenAPI document of 2025-10-27, the published SDK 1.28, and the official CLI for the
undocumented ones (tests/specs/vercel). A bad token is a 403 with `invalidToken`, as Vercel has it, not a 401.
"""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.facades.vercel import changes as vercel_changes
from runbook_lib.sandbox.facades.vercel import logs as vercel_logs
from runbook_lib.sandbox.facades.vercel import rows as vercel_rows
from runbook_lib.sandbox.facades.vercel.door import Door, Handler, Refused
from runbook_lib.sandbox.facades.vercel.state import (
    PROJECT_NAMES,
    VercelState,
    deployments_of,
    ms,
    target_of,
)
from runbook_lib.sandbox.world import Deployment, World


class _Api(Door):
    """The routes; every one goes through the door."""

    async def user(self, _: Request) -> Response:
        """Who the token is."""
        return JSONResponse({"user": vercel_rows.user()})

    async def token(self, _: Request) -> Response:
        """The token itself, with when it expires."""
        now, expires_at = ms(self.world.now()), self.state.token_expires_at
        row: dict[str, Any] = {"id": "tok_current", "name": "runbook", "type": "token", "origin": "manual"}
        row["scopes"] = [{"type": "team", "teamId": self.world.ids.vercel_team, "createdAt": 1735689600000}]
        row |= {"activeAt": now, "createdAt": 1735689600000}
        if expires_at:
            row["expiresAt"] = ms(expires_at)
        return JSONResponse({"token": row})

    async def projects(self, request: Request) -> Response:
        """The team's projects; none without the team."""
        self.check_team(request)
        parts = list(PROJECT_NAMES) if self.in_team(request) else []
        rows = [vercel_rows.project(self.world, part) for part in parts]
        pagination = {"count": len(rows), "next": None, "prev": None}
        return JSONResponse({"projects": rows, "pagination": pagination})

    async def project(self, request: Request) -> Response:
        """One project by id or name."""
        return JSONResponse(vercel_rows.project(self.world, self.part(request, request.path_params["project"])))

    async def deployments(self, request: Request) -> Response:
        """Deployments, newest first, filtered, a page at a time by `until`."""
        query = request.query_params
        self.check_team(request)
        named = [query["projectId"]] if "projectId" in query else query.getlist("projectIds")
        parts = [self.part(request, name) for name in named] if named else list(PROJECT_NAMES)
        found = [d for part in parts for d in deployments_of(self.world, part)] if self.in_team(request) else []
        kept = [d for d in found if self._is_wanted(d, request)]
        kept.sort(key=lambda d: d.created_at, reverse=True)
        size = min(100, int(query.get("limit", "20")))
        while size < len(kept) and ms(kept[size].created_at) == ms(kept[size - 1].created_at):
            size += 1  # `until` could not tell the two apart
        page = kept[:size]
        pagination = {
            "count": len(page),
            "next": ms(page[-1].created_at) if len(page) < len(kept) else None,
            "prev": ms(page[0].created_at) if page else None,
        }
        rows = [vercel_rows.listed_deployment(self.world, deployment) for deployment in page]
        return JSONResponse({"deployments": rows, "pagination": pagination})

    def _is_wanted(self, deployment: Deployment, request: Request) -> bool:
        query = request.query_params
        created = ms(deployment.created_at)
        if (states := query.get("state")) and deployment.state not in states.split(","):
            return False
        if "since" in query and created <= int(query["since"]):
            return False
        if "until" in query and created >= int(query["until"]):
            return False
        if (target := query.get("target")) and (target_of(deployment) or "preview") != target:
            return False
        if query.get("sha", deployment.commit_sha) != deployment.commit_sha:
            return False
        if query.get("branch", deployment.branch) != deployment.branch:
            return False
        if query.get("app", PROJECT_NAMES[deployment.part]) != PROJECT_NAMES[deployment.part]:
            return False
        wants_candidates = query.get("rollbackCandidate") == "true"
        return not wants_candidates or vercel_rows.listed_deployment(self.world, deployment)["isRollbackCandidate"]

    async def deployment(self, request: Request) -> Response:
        """One deployment by id or host name."""
        found = self.find(request, request.path_params["deployment"])
        return JSONResponse(vercel_rows.one_deployment(self.world, found))

    async def build_log(self, request: Request) -> Response:
        """What the build wrote."""
        return JSONResponse(build_events(self.world, self.find(request, request.path_params["deployment"])))

    async def variables(self, request: Request) -> Response:
        """A project's variables, without readable values."""
        part = self.part(request, request.path_params["project"])
        rows = [vercel_changes.variable(v, alone=False) for v in self._variables(part)]
        return JSONResponse({"envs": rows})

    async def variable(self, request: Request) -> Response:
        """One variable, with its value unless it is sensitive."""
        part = self.part(request, request.path_params["project"])
        wanted = request.path_params["variable"]
        found = next((v for v in self._variables(part) if vercel_changes.variable_id(v) == wanted), None)
        if found is None:
            raise Refused(404, "not_found", "Environment Variable not found")
        return JSONResponse(vercel_changes.variable(found, alone=True))

    async def shared_variables(self, request: Request) -> Response:
        """The variables that the team shares with a project; none here is shared."""
        self.part(request, request.query_params.get("projectId"))
        return JSONResponse({"data": [], "pagination": {"count": 0, "next": None, "prev": None}})

    def _variables(self, part: str) -> list[Any]:
        return [v for v in self.world.variables if (v.platform, v.part) == ("vercel", part)]

    async def alert_rules(self, request: Request) -> Response:
        """The team's alert rules, of one project or of all, and who is told."""
        wanted = request.query_params.get("projectId")
        rules = vercel_changes.alert_rules(self.world)
        return JSONResponse([rule for rule in rules if wanted in (None, rule["projectId"])])

    async def request_logs(self, request: Request) -> Response:
        """The request log of the second host."""
        query = request.query_params
        part = self.part(request, query.get("projectId"))
        try:
            return JSONResponse(vercel_logs.request_log_page(self.world, part, query))
        except (KeyError, ValueError) as bad:
            raise Refused(400, "bad_request", f"Invalid query parameter: {bad}") from bad


def build_events(world: World, deployment: Deployment) -> list[dict[str, Any]]:
    """A build's log lines: the ones set by hand, else those of a usual build that ends as this one did."""
    lines = deployment.build_log or world.state(VercelState).build_logs.get(deployment.id)
    if lines is None:
        lines = [
            f"Cloning github.com/nexuscore/nexuscore (Branch: {deployment.branch}, Commit: {deployment.commit_sha[:7]})",
            'Running "pnpm install"...',
            'Running "pnpm run build"...',
            *([f"Error: {deployment.error}"] if deployment.error else ["Build Completed in /vercel/output [34s]"]),
        ]
    return [_build_event(deployment, nth, line) for nth, line in enumerate(lines)]


def _build_event(deployment: Deployment, nth: int, text: str) -> dict[str, Any]:
    at = ms(deployment.created_at) + 1000 * nth
    kind = "stderr" if text.startswith("Error") else "stdout"
    payload = {"deploymentId": deployment.id, "id": f"{at}{nth:06d}", "date": at, "serial": f"{nth:06d}", "text": text}
    info = {"type": "build", "name": "bld_nexuscore", "entrypoint": "."}
    return {"type": kind, "created": at, "payload": {**payload, "info": info}}


def _app(routes: list[Route]) -> Starlette:
    async def not_found(_: Request, __: Exception) -> Response:
        return JSONResponse({"error": {"code": "not_found", "message": "Page Not Found"}}, 404)

    return Starlette(routes=routes, exception_handlers={404: not_found, 405: not_found})


def _api_routes(api: _Api) -> list[Route]:
    reads: list[tuple[str, Handler]] = [
        ("/v2/user", api.user),
        ("/v5/user/tokens/current", api.token),
        ("/v10/projects", api.projects),
        ("/v9/projects/{project}", api.project),
        ("/v10/projects/{project}/env", api.variables),
        ("/v1/projects/{project}/env/{variable}", api.variable),
        ("/v1/env", api.shared_variables),
        ("/v6/deployments", api.deployments),
        ("/v7/deployments", api.deployments),
        ("/v13/deployments/{deployment}", api.deployment),
        ("/v3/deployments/{deployment}/events", api.build_log),
        ("/alerts/v2/alert-rules", api.alert_rules),
    ]
    return [Route(path, api.guarded(handler), methods=["GET"]) for path, handler in reads]


def _logs_routes(api: _Api) -> list[Route]:
    return [Route("/api/logs/request-logs", api.guarded(api.request_logs), methods=["GET"])]


def create_app(world: World) -> Starlette:
    """`api.vercel.com`, and of `vercel.com` the request log that the official CLI reads (undocumented), behind one address."""
    api = _Api(world)
    return _app(_api_routes(api) + _logs_routes(api))
