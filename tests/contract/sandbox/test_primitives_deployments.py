"""What is pushed, and what a platform says of a deployment, a project or a machine, shows on the wire; healing undoes it."""

import threading
from pathlib import Path
from typing import Any

import pytest
from support.sandbox_eyes import Eyes

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import Sandbox

REPOSITORY = "/repos/nexuscore/nexuscore"


def _vercel(eyes: Eyes, path: str, **query: str) -> Any:
    env = eyes.sandbox.env
    headers = {"Authorization": f"Bearer {env['RUNBOOK_VERCEL_TOKEN']}"}
    answer = eyes.get("vercel", path, headers=headers, params={"teamId": env["RUNBOOK_VERCEL_TEAM_ID"], **query})
    answer.raise_for_status()
    return answer.json()


def _github(eyes: Eyes, path: str) -> Any:
    headers = {"Authorization": f"Bearer {eyes.sandbox.env['RUNBOOK_GITHUB_TOKEN']}"}
    answer = eyes.get("github", f"{REPOSITORY}{path}", headers=headers)
    answer.raise_for_status()
    return answer.json()


def _deployments(eyes: Eyes, part: str) -> list[dict[str, Any]]:
    project = eyes.sandbox.env[f"RUNBOOK_VERCEL_{part.upper()}_PROJECT"]
    found: list[dict[str, Any]] = _vercel(eyes, "/v7/deployments", projectId=project)["deployments"]
    return found


def test_a_push_moves_the_branch_and_tells_the_files_it_touches(sandbox: Sandbox, eyes: Eyes) -> None:
    before = _deployments(eyes, "api")[0]["meta"]["githubCommitSha"]
    assert _github(eyes, f"/compare/{before}...main")["status"] == "identical"
    sha = sandbox.inject("push", paths=["apps/api/route.ts"], message="Faster")
    compared = _github(eyes, f"/compare/{before}...main")
    assert (compared["status"], compared["commits"][-1]["sha"]) == ("ahead", sha)
    assert [file["filename"] for file in compared["files"]] == ["apps/api/route.ts"]
    sandbox.heal()
    assert _github(eyes, f"/compare/{before}...main")["status"] == "identical"


def test_a_pull_request_is_open_for_a_branch_that_was_pushed(sandbox: Sandbox, eyes: Eyes) -> None:
    sha = sandbox.inject("push", branch="new-tab", pull=True)
    assert sha in {row["head"]["sha"] for row in _github(eyes, "/pulls")}
    sandbox.heal()
    assert sha not in {row["head"]["sha"] for row in _github(eyes, "/pulls")}


def test_one_push_was_deployed_on_every_part(eyes: Eyes) -> None:
    commits = {
        part: [d["meta"]["githubCommitSha"] for d in _deployments(eyes, part) if d.get("target") == "production"]
        for part in ("web", "api")
    }
    assert commits["web"] == commits["api"]
    assert len(set(commits["web"])) == 3


@pytest.mark.parametrize(("said", "field", "shown"), [
    ({"state": "BUILDING"}, "readyState", "BUILDING"),
    ({"state": "ERROR", "error": "exit 1"}, "errorMessage", "exit 1"),
    ({"fields": {"readySubstate": "STAGED"}}, "readySubstate", "STAGED"),
    ({"commit_sha": "a" * 40}, "meta", None),
])  # fmt: skip
def test_a_platform_says_something_else_of_a_deployment(
    sandbox: Sandbox, eyes: Eyes, said: dict[str, Any], field: str, shown: Any
) -> None:
    before = _deployments(eyes, "web")[0]
    sandbox.inject("says", part="web", of="newest", **said)
    after = _vercel(eyes, f"/v13/deployments/{before['uid']}")
    assert (after[field] if shown else after["meta"]["githubCommitSha"]) == (shown or "a" * 40)
    sandbox.heal()
    assert _deployments(eyes, "web")[0] == before


def test_production_is_handed_over_and_the_part_runs_from_the_other_deployment(sandbox: Sandbox, eyes: Eyes) -> None:
    newest, _, older, _ = _deployments(eyes, "api")
    sandbox.inject("hand_over", part="api")
    project = _vercel(eyes, f"/v9/projects/{sandbox.env['RUNBOOK_VERCEL_API_PROJECT']}")
    assert project["targets"]["production"]["id"] == older["uid"]
    assert (project["autoAssignCustomDomains"], project["lastAliasRequest"]["type"]) == (False, "rollback")
    sandbox.heal()
    project = _vercel(eyes, f"/v9/projects/{sandbox.env['RUNBOOK_VERCEL_API_PROJECT']}")
    assert project["targets"]["production"]["id"] == newest["uid"]


def test_production_can_only_be_handed_over_where_vercel_has_it(sandbox: Sandbox) -> None:
    with pytest.raises(UsageError, match="does not run on Vercel"):
        sandbox.inject("hand_over", part="gateway")


def test_a_file_of_the_repository_is_another_one_until_healed(sandbox: Sandbox) -> None:
    file = Path(sandbox.env["RUNBOOK_GATEWAY_DOCKERFILE"])
    before = file.read_text("utf-8")
    sandbox.inject("repository_file", path="apps/llm-gateway/Dockerfile", text="FROM scratch\n")
    assert file.read_text("utf-8") == "FROM scratch\n"
    sandbox.inject("repository_file", path="apps/llm-gateway/Dockerfile")
    assert not file.exists()
    sandbox.heal()
    assert file.read_text("utf-8") == before
    with pytest.raises(UsageError, match="must lie in the repository"):
        sandbox.inject("repository_file", path="../../elsewhere", text="x")


def test_a_variable_is_narrowed_to_one_target_and_keeps_its_value(sandbox: Sandbox, eyes: Eyes) -> None:
    project = sandbox.env["RUNBOOK_VERCEL_API_PROJECT"]

    def targets() -> Any:
        rows = _vercel(eyes, f"/v10/projects/{project}/env")["envs"]
        return next(row["target"] for row in rows if row["key"] == "STRIPE_SECRET_KEY")

    assert targets() == ["production", "preview"]
    sandbox.inject("env", part="api", name="STRIPE_SECRET_KEY", targets=["preview"], restart=False)
    assert targets() == ["preview"]
    sandbox.heal()
    assert targets() == ["production", "preview"]


def test_a_machine_of_flys_changes_ends_and_is_added() -> None:
    with Sandbox.up("machines-on-fly", traffic=False, gateway_platform="fly", foreground=True) as sandbox:
        eyes = Eyes(sandbox)

        def machines() -> list[dict[str, Any]]:
            headers = {"Authorization": sandbox.env["RUNBOOK_FLY_TOKEN"]}
            path = f"/v1/apps/{sandbox.env['RUNBOOK_FLY_GATEWAY_APP']}/machines"
            found: list[dict[str, Any]] = eyes.get("fly", path, headers=headers).json()
            return found

        (before,) = machines()
        sandbox.inject("machine", nth=1, region="fra", state="stopped", autostop="stop")
        sandbox.inject("machine", exits=3, out_of_memory=True, exit_code=137, check="critical")
        first, second = machines()
        assert (second["region"], second["state"]) == ("fra", "stopped")
        exits = [event for event in first["events"] if event["type"] == "exit"]
        assert exits[0]["request"]["exit_event"] | {"exited_at": ""} == {
            "exit_code": 137, "oom_killed": True, "requested_stop": False, "exited_at": "",
        }  # fmt: skip
        assert first["checks"][0]["status"] == "critical"
        sandbox.heal()
        assert [m["id"] for m in machines()] == [before["id"]]
        assert machines()[0]["checks"][0]["status"] == "passing"
        eyes.http.close()


def test_a_deployment_takes_over_without_losing_a_request(sandbox: Sandbox) -> None:
    """Requests that come while the part is exchanged wait for the new one, as on the platforms."""
    got: list[int | None] = []
    visitors = [
        threading.Thread(target=lambda: got.extend(sandbox.visit("home")["status"] for _ in range(6))) for _ in range(3)
    ]
    for visitor in visitors:
        visitor.start()
    made = sandbox.inject("deploy", part="web", commit_sha="d" * 40)
    for visitor in visitors:
        visitor.join()
    assert made
    assert set(got) == {200}
