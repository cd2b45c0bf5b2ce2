"""Vercel's façade answers in Vercel's shapes, from what really happened, and refuses as Vercel does."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from runbook_lib.sandbox.facades.vercel.app import create_app
from runbook_lib.sandbox.facades.vercel.state import VercelState, ms
from runbook_lib.sandbox.world import Deployment

SPEC = "vercel/openapi-2025-10-27-official-subset.json"
NEWER = "vercel/openapi-supplement-2026.json"
SAMPLES = Path(__file__).parent.parent / "specs/vercel"


@pytest.fixture
def client(world, in_process) -> httpx.Client:
    headers = {"authorization": f"Bearer {world.keys.vercel_token}"}
    return in_process(create_app(world), headers=headers, params={"teamId": world.ids.vercel_team})


@pytest.fixture
def logs(world, in_process) -> Any:
    """`logs(**query)`: the request log of the web project over the last hour."""
    client = in_process(create_app(world), headers={"authorization": f"Bearer {world.keys.vercel_token}"})

    def ask(**query: Any) -> httpx.Response:
        now = world.now()
        fixed = {
            "projectId": world.ids.vercel_web_project,
            "ownerId": world.ids.vercel_team,
            "startDate": ms(now - timedelta(hours=1)),
            "endDate": ms(now),
        }
        return client.get("/api/logs/request-logs", params={**fixed, **query})

    return ask


@pytest.mark.parametrize(
    ("spec", "template", "path"),
    [
        (SPEC, "/v2/user", "/v2/user"),
        (SPEC, "/v10/projects", "/v10/projects"),
        (SPEC, "/v9/projects/{idOrName}", "/v9/projects/nexuscore-web"),
        (SPEC, "/v10/projects/{idOrName}/env", "/v10/projects/nexuscore-api/env"),
        (SPEC, "/v6/deployments", "/v6/deployments"),
        (NEWER, "/v7/deployments", "/v7/deployments"),
        (SPEC, "/v13/deployments/{idOrUrl}", "/v13/deployments/dpl_vercelweb2"),
        (SPEC, "/v13/deployments/{idOrUrl}", "/v13/deployments/dpl_vercelweb1.example"),
        (SPEC, "/v3/deployments/{idOrUrl}/events", "/v3/deployments/dpl_vercelweb2/events"),
    ],
)
def test_answers_are_what_the_vendor_promises(client, promised, spec, template, path):
    promised(spec, "GET", template, client.get(path))


def test_request_log_is_what_the_clis_own_route_sends(logs, promised):
    answer = logs()
    promised(NEWER, "GET", "/api/logs/request-logs", answer)
    sample = json.loads((SAMPLES / "sample-request-logs.json").read_text())
    assert answer.json()["rows"][0].keys() == sample["rows"][0].keys()


def test_request_log_finds_one_request_with_its_trace_and_lines(logs):
    rows = logs(requestId="vercel-web-9").json()["rows"]
    assert [(r["statusCode"], r["traceId"], r["logs"][0]["message"]) for r in rows] == [
        (502, f"{9:032x}", "gateway responded 503")
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 10),
        ({"statusCode": "5xx"}, 1),
        ({"statusCode": "200,404"}, 9),
        ({"level": "error"}, 1),
        ({"search": "GATEWAY responded"}, 1),
        ({"search": "nowhere"}, 0),
        ({"deploymentId": "dpl_vercelweb1"}, 0),
        ({"environment": "preview"}, 0),
        ({"branch": "main"}, 10),
        ({"source": "serverless"}, 10),
        ({"source": "static"}, 0),
    ],
)
def test_request_log_filters(logs, query, count):
    assert len(logs(**query).json()["rows"]) == count


def test_request_log_pages_without_losing_or_repeating_a_row(logs, world):
    world.state(VercelState).page_rows = 4
    pages = [logs(page=page).json() for page in range(3)]
    ids = [row["requestId"] for page in pages for row in page["rows"]]
    assert [page["hasMoreRows"] for page in pages] == [True, True, False]
    assert ids == [f"vercel-web-{nth}" for nth in range(9, -1, -1)]


def test_request_log_forgets_what_is_older_than_the_plan_keeps(logs, world):
    world.state(VercelState).retention_h = 5.5 / 60
    assert len(logs().json()["rows"]) == 5


def test_request_log_does_not_show_what_is_not_ingested_yet(logs, world):
    world.state(VercelState).delay_s = 90
    assert len(logs().json()["rows"]) == 9


def test_request_log_keeps_the_projects_apart(logs, world):
    ids = {row["requestId"] for row in logs(projectId=world.ids.vercel_api_project).json()["rows"]}
    assert ids == {f"vercel-api-{nth}" for nth in range(10)}


def test_request_log_refuses_a_window_that_is_no_number(logs):
    assert logs(startDate="yesterday").status_code == 400


def test_deployments_are_filtered_and_paged_by_until(client, world):
    everything = client.get("/v6/deployments", params={"limit": 100}).json()["deployments"]
    pages, until = [], None
    while True:
        query = {"limit": 1, **({"until": until} if until else {})}
        body = client.get("/v7/deployments", params=query).json()
        pages += body["deployments"]
        if (until := body["pagination"]["next"]) is None:
            break
    assert [d["uid"] for d in pages] == [d["uid"] for d in everything]
    assert len(everything) == 4
    only_web = {"projectId": world.ids.vercel_web_project, "sha": "1" * 40}
    assert [d["uid"] for d in client.get("/v7/deployments", params=only_web).json()["deployments"]] == [
        "dpl_vercelweb1"
    ]
    assert client.get("/v7/deployments", params={"state": "ERROR"}).json()["deployments"] == []


def test_rollback_candidates_are_older_production_deployments_that_work(client):
    body = client.get("/v7/deployments", params={"rollbackCandidate": "true"}).json()
    assert {d["uid"] for d in body["deployments"]} == {"dpl_vercelweb1", "dpl_vercelapi1"}


def test_a_failed_build_tells_its_error_in_the_deployment_and_its_log(client, world):
    at = world.now()
    failed = Deployment("vercel", "web", "dpl_bad", at, "ERROR", "b" * 40, "main", "Break it", "https://bad.example")
    failed.error = "Command failed with exit code 1"
    world.deployments.append(failed)
    one = client.get("/v13/deployments/dpl_bad").json()
    assert (one["readyState"], one["errorMessage"]) == ("ERROR", failed.error)
    lines = [event["payload"]["text"] for event in client.get("/v3/deployments/dpl_bad/events").json()]
    assert lines[-1] == "Error: Command failed with exit code 1"
    assert client.get("/v9/projects/nexuscore-web").json()["targets"]["production"]["id"] == "dpl_vercelweb2"


def test_no_route_gives_back_a_sensitive_value(client, world):
    rows = client.get(f"/v10/projects/{world.ids.vercel_web_project}/env").json()["envs"]
    alone = {r["key"]: client.get(f"/v1/projects/nexuscore-web/env/{r['id']}").json() for r in rows}
    assert "value" not in alone["OPENAI_API_KEY"]
    assert alone["STRIPE_SECRET_KEY"]["value"] == "value-of-STRIPE_SECRET_KEY"
    listed = {row["key"]: row["value"] for row in rows}
    assert listed["OPENAI_API_KEY"] == ""
    assert "value-of" not in listed["STRIPE_SECRET_KEY"]
    assert listed["LOG_LEVEL"] == "value-of-LOG_LEVEL"


def test_single_variable_is_what_the_vendor_promises(client, promised):
    for row in client.get("/v10/projects/nexuscore-web/env").json()["envs"]:
        answer = client.get(f"/v1/projects/nexuscore-web/env/{row['id']}")
        promised(SPEC, "GET", "/v1/projects/{idOrName}/env/{id}", answer)


def test_a_bad_token_is_a_403_that_says_so(world, in_process):
    client = in_process(create_app(world))
    bad = client.get("/v2/user", headers={"authorization": "Bearer wrong"})
    assert (bad.status_code, bad.json()["error"]["invalidToken"]) == (403, True)
    assert client.get("/v2/user").json()["error"]["missingToken"] is True


def test_an_expired_token_is_refused_like_a_bad_one(client, world):
    world.state(VercelState).token_expires_at = world.now() + timedelta(days=3)
    expires_at = client.get("/v5/user/tokens/current").json()["token"]["expiresAt"]
    assert expires_at == ms(world.state(VercelState).token_expires_at)
    world.state(VercelState).token_expires_at = world.now() - timedelta(days=1)
    assert client.get("/v2/user").json()["error"]["invalidToken"] is True


def test_team_resources_are_not_found_without_the_team_and_forbidden_with_another(client, world):
    path = "/v9/projects/nexuscore-web"
    assert client.get(path, params={"teamId": ""}).status_code == 404
    assert client.get(path, params={"teamId": "team_other"}).status_code == 403
    assert client.get(path, params={"teamId": "", "slug": "nexuscore"}).status_code == 200


def test_the_rate_limit_counts_down_in_headers_and_ends_in_429(client, world):
    world.state(VercelState).calls_left = 1
    first, second = client.get("/v2/user"), client.get("/v2/user")
    assert (first.status_code, first.headers["x-ratelimit-remaining"]) == (200, "0")
    assert (second.status_code, second.json()["error"]["code"]) == (429, "rate_limited")
    assert second.headers["retry-after"] == "60"


@pytest.mark.parametrize("path", ["/v13/deployments/dpl_none", "/v9/projects/none", "/v99/nothing"])
def test_what_is_not_there_is_a_404_in_the_vendors_shape(client, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
