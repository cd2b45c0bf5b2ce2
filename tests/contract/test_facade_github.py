"""GitHub's façade answers in the vendor's shapes: comparisons, checks, pull requests, refusals; and plans fit their vendors."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import build_schema, parse, validate
from support.deployments import site

from runbook_lib.procedures.deployments.plans import (
    REDEPLOY_MUTATION,
    ROLLBACK_MUTATION,
    redeploy,
    way_back,
    way_forward,
)
from runbook_lib.procedures.deployments.reading import read
from runbook_lib.sandbox.facades.github.app import create_app
from runbook_lib.sandbox.facades.github.state import Commit, GithubState
from runbook_lib.sandbox.world import World

SPEC = "github/rest-handwritten.openapi.json"
SPECS = Path(__file__).parent.parent / "specs"
ROOT = "/repos/nexuscore/nexuscore"


@pytest.fixture
def client(world: World, in_process: Callable[..., httpx.Client]) -> httpx.Client:
    return in_process(create_app(world), headers={"authorization": f"Bearer {world.keys.github_token}"})


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("", "/repos/{owner}/{repo}"),
        (f"/compare/{'1' * 40}...main", "/repos/{owner}/{repo}/compare/{basehead}"),
        ("/commits/main", "/repos/{owner}/{repo}/commits/{ref}"),
        (f"/commits/{'2' * 40}/check-runs", "/repos/{owner}/{repo}/commits/{ref}/check-runs"),
        (f"/commits/{'2' * 40}/status", "/repos/{owner}/{repo}/commits/{ref}/status"),
        ("/pulls", "/repos/{owner}/{repo}/pulls"),
        (f"/compare/{'9' * 40}...main", "/repos/{owner}/{repo}/compare/{basehead}"),
        ("/commits/nowhere/check-runs", "/repos/{owner}/{repo}/commits/{ref}/check-runs"),
    ],
)
def test_every_answer_is_what_the_vendor_promises(
    client: httpx.Client, promised: Callable[..., None], path: str, template: str
) -> None:
    promised(SPEC, "GET", template, client.get(f"{ROOT}{path}"))


def _push(world: World, sha: str, branch: str, *files: str) -> None:
    state = world.state(GithubState)
    state.pushed.append(Commit(sha, branch, world.now() - timedelta(minutes=10 - len(state.pushed)), "m", files))


def test_a_comparison_tells_what_the_branch_has_and_the_commit_has_not(client: httpx.Client, world: World) -> None:
    assert client.get(f"{ROOT}/compare/{'2' * 40}...main").json()["status"] == "identical"
    _push(world, "a" * 40, "main", "apps/web/a.ts")
    ahead = client.get(f"{ROOT}/compare/{'2' * 40}...main").json()
    assert (ahead["status"], ahead["ahead_by"], [f["filename"] for f in ahead["files"]]) == (
        "ahead",
        1,
        ["apps/web/a.ts"],
    )
    behind = client.get(f"{ROOT}/compare/main...{'2' * 40}").json()
    assert (behind["status"], behind["behind_by"]) == ("behind", 1)
    _push(world, "b" * 40, "tab", "apps/web/b.ts")
    _push(world, "c" * 40, "main", "README.md")
    assert client.get(f"{ROOT}/compare/{'b' * 40}...main").json()["status"] == "diverged"


def test_a_private_repository_is_hidden_without_the_right_token(
    world: World, in_process: Callable[..., httpx.Client]
) -> None:
    nobody = in_process(create_app(world))
    assert nobody.get(ROOT).status_code == 404
    wrong = in_process(create_app(world), headers={"authorization": "Bearer github_pat_wrong"})
    assert (wrong.get(ROOT).status_code, wrong.get(ROOT).json()["message"]) == (401, "Bad credentials")


def test_the_rate_limit_ends_in_a_403_that_says_so(client: httpx.Client, world: World) -> None:
    world.state(GithubState).calls_left = 1
    assert client.get(ROOT).headers["x-ratelimit-remaining"] == "0"
    assert client.get(ROOT).json()["message"] == "API rate limit exceeded"


def test_checks_of_a_commit_are_the_usual_ones_unless_told_otherwise(client: httpx.Client, world: World) -> None:
    path = f"{ROOT}/commits/main/check-runs"
    assert {row["conclusion"] for row in client.get(path).json()["check_runs"]} == {"success"}
    world.state(GithubState).checks["2" * 40] = [{"name": "e2e", "status": "in_progress", "conclusion": None}]
    assert [row["name"] for row in client.get(path).json()["check_runs"]] == ["e2e"]


# --- what plans would send is what the vendors take -----------------------------------------------------------------


def _vercel_paths() -> dict[str, Any]:
    files = ("vercel/openapi-2025-10-27-official-subset.json", "vercel/openapi-supplement-2026.json")
    return {path: item for name in files for path, item in json.loads((SPECS / name).read_text())["paths"].items()}


def _forward() -> Any:
    rows = [{**row, "id": "dpl_3", "at": "2026-11-26T08:00:00.000Z"} for row in site().deployments.value[:1]]  # type: ignore[union-attr]
    return read(site(rows=[*rows, *site().deployments.value]))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "plan", [way_back(read(site())), way_forward(_forward()), redeploy(read(site()))], ids=lambda p: p.title
)
def test_a_plan_for_vercel_is_a_request_that_vercel_specifies(plan: Any) -> None:
    (step,) = plan.steps
    line, _, body = step.request.partition("\n")
    method, url = line.split(" ")
    address = httpx.URL(url)
    assert address.host == "api.vercel.com"
    found = [
        item[method.lower()]
        for template, item in _vercel_paths().items()
        if method.lower() in item and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), address.path)
    ]
    assert len(found) == 1
    assert set(address.params.keys()) <= {p["name"] for p in found[0]["parameters"] if p["in"] == "query"}
    if body:
        known = found[0]["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert set(json.loads(body)) <= set(known)


@pytest.mark.parametrize("mutation", [ROLLBACK_MUTATION, REDEPLOY_MUTATION])
def test_a_plan_for_railway_is_a_mutation_of_its_schema(mutation: str) -> None:
    schema = build_schema((SPECS / "railway/schema.graphql").read_text(), assume_valid=True)
    assert validate(schema, parse(mutation)) == []
