"""Railway's façade executes its official schema, and says no in HTTP 200 as Railway does."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLSchema, build_schema

from runbook_lib.sandbox.facades.railway.app import create_app, schema
from runbook_lib.sandbox.facades.railway.filter import Line, compile_filter
from runbook_lib.sandbox.facades.railway.state import PlatformIncident, RailwayState
from runbook_lib.sandbox.world import Deployment

SPECS = Path(__file__).parent.parent / "specs/railway"
OPERATIONS = {
    found[1]: found[0]
    for found in re.finditer(
        r"^# ---- [^\n]*/(\w+)\n(.*?)(?=^# ----|\Z)", (SPECS / "cli-operations.txt").read_text(), re.M | re.S
    )
}


@pytest.fixture
def ask(world, in_process) -> Any:
    """`ask(query, token="account", **variables)`: the whole answer's JSON."""
    client: httpx.Client = in_process(create_app(world))
    headers = {
        "account": {"authorization": f"Bearer {world.keys.railway_token}"},
        "project": {"project-access-token": world.keys.railway_project_token},
        "nobody": {},
        "wrong": {"authorization": "Bearer 00000000-0000-4000-8000-000000000000"},
    }

    def post(query: str, token: str = "account", **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = client.post("/graphql/v2", json=body, headers=headers[token])
        assert answer.status_code == 200, answer.text
        return answer.json()

    return post


@pytest.fixture
def ids(world) -> dict[str, str]:
    return {
        "projectId": world.ids.railway_project,
        "environmentId": world.ids.railway_environment,
        "serviceId": world.ids.railway_gateway_service,
    }


def test_every_field_argument_and_enum_is_the_official_schemas():
    official: GraphQLSchema = build_schema((SPECS / "schema.graphql").read_text())
    for name, ours in schema().type_map.items():
        theirs = official.type_map[name]
        assert type(theirs) is type(ours), name
        for field, definition in getattr(ours, "fields", {}).items():
            other = theirs.fields[field]
            assert str(other.type) == str(definition.type), f"{name}.{field}"
            arguments = {key: str(value.type) for key, value in getattr(definition, "args", {}).items()}
            assert arguments == {key: str(value.type) for key, value in getattr(other, "args", {}).items()}
        assert set(getattr(ours, "values", {})) == set(getattr(theirs, "values", {})), name


def window(world) -> dict[str, str]:
    return {"startDate": (world.now() - timedelta(hours=1)).isoformat(), "endDate": world.now().isoformat()}


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"EnvironmentInstances"}))
def test_the_official_clis_own_documents_are_answered(ask, world, ids, name):
    token = "project" if name == "ProjectToken" else "account"
    variables = {
        **ids,
        **window(world),
        "deploymentId": "railwaygateway2",
        "id": "railwaygateway2",
        "beforeLimit": 10,
        "measurements": ["CPU_USAGE", "MEMORY_USAGE_GB"],
        "input": ids,
    }
    declared = set(re.findall(r"\$(\w+):", OPERATIONS[name]))
    answer = ask(OPERATIONS[name], token, **{key: variables[key] for key in declared & variables.keys()})
    assert "errors" not in answer
    assert next(iter(answer["data"].values())) not in (None, [], {})


def test_deployments_show_what_serves_and_what_it_replaced(ask, ids):
    query = "query($i: DeploymentListInput!) { deployments(input: $i) { edges { node { id status canRollback } } } }"
    nodes = [edge["node"] for edge in ask(query, i=ids)["data"]["deployments"]["edges"]]
    assert nodes == [
        {"id": "railwaygateway2", "status": "SUCCESS", "canRollback": False},
        {"id": "railwaygateway1", "status": "REMOVED", "canRollback": True},
    ]
    only = ask(query, i={**ids, "status": {"in": ["SUCCESS"]}})["data"]["deployments"]["edges"]
    others = ask(query, i={**ids, "status": {"notIn": ["SUCCESS"]}})["data"]["deployments"]["edges"]
    assert ([e["node"]["id"] for e in only], [e["node"]["id"] for e in others]) == (
        ["railwaygateway2"],
        ["railwaygateway1"],
    )


def test_deployments_are_paged_as_a_relay_connection(ask, ids):
    query = """query($i: DeploymentListInput!, $after: String) { deployments(input: $i, first: 1, after: $after) {
        edges { node { id } } pageInfo { hasNextPage endCursor } } }"""
    first = ask(query, i=ids)["data"]["deployments"]
    second = ask(query, i=ids, after=first["pageInfo"]["endCursor"])["data"]["deployments"]
    assert [page["edges"][0]["node"]["id"] for page in (first, second)] == ["railwaygateway2", "railwaygateway1"]
    assert [page["pageInfo"]["hasNextPage"] for page in (first, second)] == [True, False]


def test_a_failed_deployment_tells_the_step_and_the_error(ask, world):
    failed = Deployment(
        "railway", "gateway", "bad", world.now(), "FAILED", "b" * 40, "main", "x", "", {}, "1/1 replicas never healthy"
    )
    world.deployments.append(failed)
    world.state(RailwayState).failed_steps["bad"] = "HEALTHCHECK"
    query = """{ deploymentEvents(id: "bad") { edges { node { step payload { error } } } }
        deployment(id: "bad") { status diagnosis } }"""
    data = ask(query)["data"]
    last = data["deploymentEvents"]["edges"][-1]["node"]
    assert (last["step"], last["payload"]["error"]) == ("HEALTHCHECK", failed.error)
    assert data["deployment"]["status"] == "FAILED"


def test_log_lines_carry_severity_tags_and_json_attributes(ask, world, ids):
    query = """query($e: String!, $f: String) { environmentLogs(environmentId: $e, filter: $f) {
        timestamp message severity attributes { key value } tags { serviceId deploymentId } } }"""
    (line,) = ask(query, e=ids["environmentId"], f=f"@trace_id:{9:032x} @service:{ids['serviceId']}")["data"][
        "environmentLogs"
    ]
    attributes = {row["key"]: json.loads(row["value"]) for row in line["attributes"]}
    assert (line["message"], line["severity"]) == ("gateway responded 503", "error")
    assert attributes == {"level": "error", "trace_id": f"{9:032x}", "org_id": "org-9"}
    assert line["tags"]["deploymentId"] == "railwaygateway2"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", line["timestamp"])


def test_logs_around_an_anchor_are_limited_on_each_side(ask, world, ids):
    query = """query($e: String!, $at: String, $b: Int, $a: Int) {
        environmentLogs(environmentId: $e, anchorDate: $at, beforeLimit: $b, afterLimit: $a, filter: "answered") { message } }"""
    anchor = (world.now() - timedelta(minutes=5.5)).isoformat()
    rows = ask(query, e=ids["environmentId"], at=anchor, b=2, a=4)["data"]["environmentLogs"]
    assert [row["message"] for row in rows] == [
        "answered 4",
        "answered 4",
        "answered 5",
        "answered 5",
        "answered 6",
        "answered 6",
    ]


def test_logs_older_than_the_plan_keeps_and_younger_than_the_delay_are_not_there(ask, world):
    query = '{ deploymentLogs(deploymentId: "railwaygateway2") { message } }'
    world.state(RailwayState).retention_h = 5.5 / 60
    world.state(RailwayState).delay_s = 90
    assert [row["message"] for row in ask(query)["data"]["deploymentLogs"]] == [f"answered {n}" for n in range(5, 9)]


def test_a_limit_above_the_most_is_refused(ask):
    answer = ask('{ deploymentLogs(deploymentId: "railwaygateway2", limit: 5001) { message } }')
    assert "5000" in answer["errors"][0]["message"]


def test_http_logs_are_the_edges_requests(ask):
    query = """{ httpLogs(deploymentId: "railwaygateway2", filter: "@httpStatus:500..599") {
        requestId httpStatus totalDuration method path upstreamErrors responseDetails } }"""
    (row,) = ask(query)["data"]["httpLogs"]
    assert (row["requestId"], row["httpStatus"], row["totalDuration"]) == ("railway-gateway-9", 502, 49)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True),
        ("RESPONDED", True),
        ('"responded 503"', True),
        ('"503 responded"', False),
        ("-responded", False),
        ("@level:error", True),
        ("-@level:error", False),
        ('@level:"error"', True),
        ("@httpStatus:500..599", True),
        ("@httpStatus:..499", False),
        ("@httpStatus:>=503", True),
        ("@httpStatus:<503", False),
        ("@nothing:1", False),
        ("@level:info OR @httpStatus:503", True),
        ("@level:info AND @httpStatus:503", False),
        ("@level:info @httpStatus:503", False),
        ("(@level:info OR @level:error) -healthy", True),
        ("NOT nowhere", True),
    ],
)
def test_filter_language(text, passes):
    line = Line("gateway responded 503", {"level": "error", "httpStatus": "503"})
    assert compile_filter(text)(line) is passes


@pytest.mark.parametrize("text", ["(", "a OR", "AND b", ")", "(a"])
def test_a_filter_that_cannot_be_read_is_an_error_in_a_200(ask, ids, text):
    query = "query($e: String!, $f: String) { environmentLogs(environmentId: $e, filter: $f) { message } }"
    assert "Invalid filter" in ask(query, e=ids["environmentId"], f=text)["errors"][0]["message"]


def test_http_metrics_count_the_requests_of_the_window(ask, world, ids):
    variables = {**window(world), "s": ids["serviceId"], "e": ids["environmentId"]}
    query = """query($s: String!, $e: String!, $startDate: DateTime!, $endDate: DateTime!) {
        httpMetricsGroupedByStatus(serviceId: $s, environmentId: $e, startDate: $startDate, endDate: $endDate) {
            statusCode samples { ts value } }
        httpDurationMetrics(serviceId: $s, environmentId: $e, startDate: $startDate, endDate: $endDate, stepSeconds: 86400) {
            samples { p50 p99 } } }"""
    data = ask(query, **variables)["data"]
    counts = {row["statusCode"]: sum(s["value"] for s in row["samples"]) for row in data["httpMetricsGroupedByStatus"]}
    assert counts == {200: 9, 502: 1}
    assert data["httpDurationMetrics"]["samples"][-1]["p99"] == 49.0


def test_rollback_brings_back_image_and_variables(ask, world):
    variable = next(v for v in world.variables if (v.platform, v.part, v.key) == ("railway", "gateway", "LOG_LEVEL"))
    old = next(d for d in world.deployments if d.id == "railwaygateway1")
    old.variables = {"LOG_LEVEL": "before"}
    assert ask('mutation { deploymentRollback(id: "railwaygateway1") }')["data"]["deploymentRollback"] is True
    newest = max(
        (d for d in world.deployments if d.part == "gateway" and d.platform == "railway"), key=lambda d: d.created_at
    )
    assert (newest.commit_sha, variable.value) == (old.commit_sha, "before")
    refused = ask(f'mutation {{ deploymentRollback(id: "{newest.id}") }}')
    assert refused["errors"][0]["message"] == "Cannot rollback to this deployment"


def test_bad_and_missing_tokens_are_not_authorized_in_a_200(ask, ids):
    query = "query($e: String!, $s: String!) { serviceInstance(environmentId: $e, serviceId: $s) { id } }"
    for token in ("nobody", "wrong"):
        answer = ask(query, token, e=ids["environmentId"], s=ids["serviceId"])
        assert (answer["data"], answer["errors"][0]["message"]) == (None, "Not Authorized")


def test_a_project_token_is_bound_to_its_environment(ask, ids):
    query = "query($e: String!, $s: String!) { serviceInstance(environmentId: $e, serviceId: $s) { serviceName } }"
    assert "errors" not in ask(query, "project", e=ids["environmentId"], s=ids["serviceId"])
    other = ask(query, "project", e="00000000-0000-4000-8000-000000000000", s=ids["serviceId"])
    assert other["errors"][0]["message"] == "Not Authorized"
    assert ask("{ me { id } }", "project")["errors"][0]["message"] == "Not Authorized"
    assert (
        ask("{ projectToken { environmentId } }", "project")["data"]["projectToken"]["environmentId"]
        == ids["environmentId"]
    )
    assert ask("{ projectToken { id } }", "account")["errors"][0]["message"] == "Project Token not found"


def test_variables_come_back_with_their_values(ask, ids):
    query = """query($projectId: String!, $environmentId: String!, $serviceId: String) {
        variables(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId) }"""
    values = ask(query, **ids)["data"]["variables"]
    assert values["OPENAI_API_KEY"] == "value-of-OPENAI_API_KEY"
    assert values["RAILWAY_SERVICE_ID"] == ids["serviceId"]


def test_platform_status_tells_an_incident_also_without_a_token(ask, world):
    query = "{ platformStatus { isStable incident { message status } } }"
    assert ask(query, "nobody")["data"]["platformStatus"] == {"isStable": True, "incident": None}
    world.state(RailwayState).incident = PlatformIncident("Deploys are slow", "IDENTIFIED")
    told = ask(query, "nobody")["data"]["platformStatus"]
    assert told == {"isStable": False, "incident": {"message": "Deploys are slow", "status": "IDENTIFIED"}}


def test_documents_outside_the_schema_are_a_400_and_the_limit_a_429(world, in_process):
    client = in_process(create_app(world), headers={"authorization": f"Bearer {world.keys.railway_token}"})
    for query in ("{ nothing }", "{ deployments", 7):
        assert client.post("/graphql/v2", json={"query": query}).status_code == 400
    world.state(RailwayState).calls_left = 1
    answers = [client.post("/graphql/v2", json={"query": "{ me { id } }"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].headers["retry-after"] == "60"
    assert answers[0].headers["x-ratelimit-remaining"] == "0"
