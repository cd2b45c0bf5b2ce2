"""The primitives on variables, second homes, incidents and tokens act on the wire, and healing takes them back."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.up(f"variables-{uuid.uuid4().hex[:6]}", foreground=True, traffic=False) as made:
        yield made


@pytest.fixture(autouse=True)
def healed(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.heal()


def vercel(sandbox: Sandbox, path: str) -> Any:
    env = sandbox.env
    answer = httpx.get(
        f"{env['RUNBOOK_VERCEL_API_URL']}{path}",
        params={"teamId": env["RUNBOOK_VERCEL_TEAM_ID"]},
        headers={"Authorization": f"Bearer {env['RUNBOOK_VERCEL_TOKEN']}"},
        trust_env=False,
    )
    return answer.json()


def variable(sandbox: Sandbox, name: str) -> dict[str, Any]:
    rows = vercel(sandbox, f"/v10/projects/{sandbox.env['RUNBOOK_VERCEL_API_PROJECT']}/env")["envs"]
    return next(row for row in rows if row["key"] == name)


def test_a_variable_is_listed_otherwise_until_healed(sandbox: Sandbox) -> None:
    before = variable(sandbox, "STRIPE_SECRET_KEY")
    sandbox.inject(
        "variable", part="api", name="STRIPE_SECRET_KEY", targets=["production"], kind="sensitive", minutes_ago=5
    )
    changed = variable(sandbox, "STRIPE_SECRET_KEY")
    assert (changed["target"], changed["type"], changed["value"]) == (["production"], "sensitive", "")
    assert changed["updatedAt"] > before["updatedAt"]
    sandbox.heal()
    assert variable(sandbox, "STRIPE_SECRET_KEY") == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "NO_SUCH", "kind": "plain"},
        {"name": "STRIPE_SECRET_KEY"},
        {"name": "STRIPE_SECRET_KEY", "targets": ["moon"]},
    ],
)
def test_a_variable_that_cannot_be_changed_like_that_is_refused(sandbox: Sandbox, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        sandbox.inject("variable", part="api", **arguments)


def test_a_supabase_key_of_another_sort_is_a_jwt_that_says_so(sandbox: Sandbox) -> None:
    sandbox.inject(
        "supabase_key", part="api", name="SUPABASE_SERVICE_ROLE_KEY", expires_in_s=-60.0, ref="other", restart=False
    )
    row = variable(sandbox, "SUPABASE_SERVICE_ROLE_KEY")
    project = sandbox.env["RUNBOOK_VERCEL_API_PROJECT"]
    value = vercel(sandbox, f"/v1/projects/{project}/env/{row['id']}")["value"]
    claims = jwt.decode(value, options={"verify_signature": False})
    assert (claims["ref"], claims["role"]) == ("other", "service_role")
    assert claims["exp"] < datetime.now(UTC).timestamp()


def test_a_token_that_expires_tells_when_and_is_refused_afterwards(sandbox: Sandbox) -> None:
    sandbox.inject("token_expiry", in_s=600.0)
    assert vercel(sandbox, "/v5/user/tokens/current")["token"]["expiresAt"] > datetime.now(UTC).timestamp() * 1000
    sandbox.inject("token_expiry", in_s=-1.0)
    assert vercel(sandbox, "/v2/user")["error"]["invalidToken"]
    sandbox.heal()
    assert "expiresAt" not in vercel(sandbox, "/v5/user/tokens/current")["token"]


def test_a_second_home_is_a_deployment_on_the_other_platform(sandbox: Sandbox) -> None:
    def services() -> list[str]:
        env = sandbox.env
        query = (
            "query S($id: String!) { environment(id: $id) { serviceInstances { edges { node "
            "{ serviceName activeDeployments { id } } } } } }"
        )
        answer = httpx.post(
            env["RUNBOOK_RAILWAY_URL"],
            json={"query": query, "variables": {"id": env["RUNBOOK_RAILWAY_ENVIRONMENT_ID"]}},
            headers={"Authorization": f"Bearer {env['RUNBOOK_RAILWAY_TOKEN']}"},
            trust_env=False,
        ).json()
        nodes = [edge["node"] for edge in answer["data"]["environment"]["serviceInstances"]["edges"]]
        return [node["serviceName"] for node in nodes if node["activeDeployments"]]

    assert services() == ["nexuscore-gateway"]
    sandbox.inject("second_home", part="api", platform="railway")
    assert services() == ["nexuscore-api", "nexuscore-gateway"]
    sandbox.heal()
    assert services() == ["nexuscore-gateway"]
    with pytest.raises(UsageError):
        sandbox.inject("second_home", part="api", platform="vercel")


def test_an_incident_is_on_the_vendors_page_until_healed(sandbox: Sandbox) -> None:
    def open_incidents() -> list[str]:
        page = httpx.get(f"{sandbox.env['RUNBOOK_VERCEL_STATUS_URL']}/api/v2/incidents.json", trust_env=False).json()
        return [each["name"] for each in page["incidents"]]

    sandbox.inject("incident", vendor="vercel", name="Errors of functions")
    assert open_incidents() == ["Errors of functions"]
    sandbox.heal()
    assert open_incidents() == []
