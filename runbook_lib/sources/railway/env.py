"""Railway: which variables a service has, which services serve, what the token is.

Railway gives values back, rendered, in one answer for the whole service; sealed ones it keeps. They are judged and dropped.
Schema: railwayapp/cli, src/gql/schema.json; a test validates every query against it.
"""

from runbook_lib.core.errors import LookError
from runbook_lib.core.keys import is_nexuscores
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.hosting import RailwayServiceSeen, RailwayServing
from runbook_lib.core.records.keys import KeyJudgement
from runbook_lib.core.records.variables import PlatformVariable
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, read_pages, rows_in, text_of
from runbook_lib.sources.kit.judging import AskedKey, key_arguments
from runbook_lib.sources.railway.api import HELP, RailwayApi, service_of
from runbook_lib.sources.this_machine.variable_facts import facts_of
from runbook_lib.sources.this_machine.variable_values import railway_values

_SEALED = "sealed: Railway never gives it back"


def variables(part: str) -> Look[list[PlatformVariable]]:
    """The variables that the service of `api` or `gateway` gets, never their values. Railway's own RAILWAY_… are left out."""

    def fetch(door: Door) -> Answer[list[PlatformVariable]]:
        api, service = RailwayApi(door), service_of(door, part)
        nodes = _nodes(api, service)
        values = railway_values(api, service)
        times = {str(node["name"]): node for node in nodes}
        names = {name for name in (*values, *times) if not name.startswith("RAILWAY_")}
        rows = [_row(door, name, values.get(name), times.get(name), part) for name in sorted(names)]
        return Answer(Status.ok, rows) if rows else Answer(Status.empty, None, "the service has no variable")

    return Look("railway", "variables", {"part": part}, fetch, deadline_s=20)


def services() -> Look[list[RailwayServiceSeen]]:
    """Every service of the environment."""

    def fetch(door: Door) -> Answer[list[RailwayServiceSeen]]:
        api = RailwayApi(door)
        scope = api.scope()
        reply, _ = api.ask("services", id=scope.environment_id, projectId=scope.project_id)
        return Answer.of(
            reply.parsed(
                lambda document: [
                    _service(edge["node"])
                    for edge in rows_in(document["data"]["environment"]["serviceInstances"], "edges")
                ]
            )
        )

    return Look("railway", "services", {}, fetch)


def token() -> Look[KeyJudgement]:
    """Whether Railway takes the token, for this project and environment.

    Railway's answer to a token that is none and to a thing of somebody else's is the same words, so it is asked twice: for
    what every token of its kind may see, then for the environment.
    """

    def fetch(door: Door) -> Answer[KeyJudgement]:
        api = RailwayApi(door)
        name = "RUNBOOK_RAILWAY_PROJECT_TOKEN" if api.is_project_token else "RUNBOOK_RAILWAY_TOKEN"
        wanted = AskedKey(name, "the token's own query, then the environment's variable names: Viewer is enough")
        try:
            api.ask("token" if api.is_project_token else "workspaces")
        except LookError as error:
            return _refused(wanted, "rejected", error)
        scope = api.scope()
        try:
            api.ask("variables", id=scope.environment_id, projectId=scope.project_id, first=1, after=None)
        except LookError as error:
            return _refused(wanted, "scope", error)
        return wanted.accepted()

    return Look("railway", "token", key_arguments("RUNBOOK_RAILWAY_TOKEN"), fetch)


def _refused(wanted: AskedKey, how: str, error: LookError) -> Answer:
    """A refusal in Railway's words, which come with HTTP 200. Raises the error itself where it is no refusal."""
    if error.status not in (Status.denied, Status.not_found):
        raise error
    value = wanted.accepted().value
    lacks = "access to this project and environment" if how == "scope" else ""
    said = {**(value or {}), "accepted": False, "refusal": how, "lacks": lacks, "code": "Not Authorized"}
    return Answer(Status.ok, said, help=HELP)


def _nodes(api: RailwayApi, service: str) -> list[dict[str, Json]]:
    """The service's own variables as Railway lists them: names and times."""
    scope = api.scope()

    def page(after: str) -> tuple[list[dict[str, Json]], str | None]:
        reply, _ = api.ask(
            "variables", id=scope.environment_id, projectId=scope.project_id, first=100, after=after or None
        )

        def parse(document: Json) -> tuple[list[dict[str, Json]], str | None]:
            listed = document["data"]["environment"]["variables"]
            info = listed["pageInfo"]
            nodes = [edge["node"] for edge in rows_in(listed, "edges")]
            mine = [node for node in nodes if node["serviceId"] == service and str(node["name"])]
            return mine, str(info["endCursor"]) if info["hasNextPage"] else None

        return reply.parsed(parse)

    nodes, _ = read_pages(page, "", 2000)
    return nodes


def _row(door: Door, name: str, value: str | None, node: dict[str, Json] | None, part: str) -> PlatformVariable:
    is_judged = is_nexuscores(name)
    return {
        "name": name,
        "id": name,
        "part": part,
        "platform": "railway",
        "environments": ["production"],
        "branch": None,
        "type": "sealed" if value is None else "plain",
        "shared": node is None,
        "updated_at": _time(node, "updatedAt"),
        "created_at": _time(node, "createdAt"),
        "facts": facts_of(door, name, value) if is_judged and value is not None else None,
        "hidden": _SEALED if value is None else "" if is_judged else "not NexusCore's: not read",
    }


def _time(node: dict[str, Json] | None, key: str) -> str | None:
    """A node's time; one that is none counts as not told."""
    try:
        return iso_of_text(node.get(key)) if node else None
    except (TypeError, ValueError):
        return None


def _service(node: dict[str, Json]) -> RailwayServiceSeen:
    running = rows_in(node, "activeDeployments", may_lack=True)
    newest = max(running, key=lambda each: str(each["createdAt"]), default=None)
    return {
        "id": str(node["serviceId"]),
        "name": str(node["serviceName"]),
        "serving": RailwayServing(
            id=str(newest["id"]),
            at=iso_of_text(newest["createdAt"]),
            state=str(newest["status"]),
            url=text_of(newest, "url"),
        )
        if newest
        else None,
    }
