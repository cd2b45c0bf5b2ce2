"""Cases of 06 that look like something else: deployments, pushes, checks and errors that are as they should be; two faults."""

from typing import Any

from runbook_lib.drills.deploy_llm_gateway.cases import LATER, after_an_hour
from runbook_lib.drills.deploy_llm_gateway.faults_of_gateway import many_visits
from runbook_lib.drills.deploy_web_api.cases import ON_RAILWAY, PROCEDURE, WELL
from runbook_lib.drills.kit.asking import Parameters
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Result, use
from runbook_lib.sandbox import Sandbox, plain_http

_NEW, _OTHER = "d" * 40, "c" * 40


def _decoy(name: str, *before: Any, **more: Any) -> Case:
    given: dict[str, Any] = {**WELL, "before": (LATER, *before), **more}
    return Case(f"decoy/06/{name}", PROCEDURE, "decoy", "ruled_out", **given)


def _double(name: str, codes: tuple[str, ...], *faults: Injected, **more: Any) -> Case:
    given: dict[str, Any] = {"settle_s": 0.0, "again": after_an_hour, **more}
    return Case(f"double/06/{name}", PROCEDURE, "double", "confirmed", codes, faults=faults, **given)


def _newest(sandbox: Sandbox, part: str) -> str:
    """The id of a part's newest production deployment, as Vercel's list shows it."""
    env = sandbox.env
    rows = plain_http.request(
        "GET",
        f"{env['RUNBOOK_VERCEL_API_URL']}/v7/deployments",
        params={"projectId": env[f"RUNBOOK_VERCEL_{part.upper()}_PROJECT"], "teamId": env["RUNBOOK_VERCEL_TEAM_ID"]},
        headers={"Authorization": f"Bearer {env['RUNBOOK_VERCEL_TOKEN']}"},
        timeout=5,
    ).json()["deployments"]
    return str(rows[0]["uid"])


def _ask_for_the_newest(sandbox: Sandbox, _got: Result, _since: object) -> Parameters:
    return {"part": "web", "deployment": _newest(sandbox, "web")}


def _one_error(sandbox: Sandbox) -> Result:
    """Many requests, of which one fails."""
    many_visits("usage", 12)(sandbox)
    sandbox.inject("code", part="api", route="/api/usage", raise_type="TypeError", raise_message="x", count=1)
    return sandbox.visit("usage")


_VERCELS_OWN = [
    {"name": "build-and-test", "status": "completed", "conclusion": "success"},
    {"name": "Vercel – nexuscore-docs", "status": "completed", "conclusion": "failure", "app": "Vercel"},
    {"name": "e2e", "status": "in_progress", "conclusion": None},
    {"name": "nightly", "status": "completed", "conclusion": "skipped"},
]

DECOYS: tuple[Case, ...] = (
    _decoy("a-good-deployment-with-traffic", use("deploy", part="api", commit_sha=_NEW), exercise=many_visits("usage", 12)),
    _decoy("one-error-among-many", use("deploy", part="api", commit_sha=_NEW), exercise=_one_error),
    _decoy("a-push-that-touches-another-part", use("push", paths=["apps/llm-gateway/main.py", "docs/a.md"], minutes_ago=60.0)),
    _decoy(
        "a-push-of-just-now",
        use("push", paths=["apps/web/app/page.tsx"], minutes_ago=1.0),
        codes=("deploy.in_progress",),
    ),
    _decoy(
        "a-variable-changed-and-deployed",
        use("env", part="web", name="NEXT_PUBLIC_API_URL_NOTE", value="x"),
    ),
    _decoy(
        "a-failed-preview",
        use("deploy", part="web", state="ERROR", branch="usage-export", error="exit 1", serve=False),
    ),
    _decoy(
        "an-ignored-build",
        use("deploy", part="web", state="CANCELED", serve=False),
        use("says", part="web", of="newest",
            fields={"errorMessage": "The Deployment has been canceled as a result of running the command defined in the "
                                    "\"Ignored Build Step\" setting."}),
    ),
    _decoy(
        "checks-that-say-nothing-of-the-code",
        use("dial", of="GithubState", field=f"checks.{_NEW}", value=_VERCELS_OWN),
        use("push", commit_sha=_NEW, paths=["apps/web/a.ts"], minutes_ago=2.0),
        use("deploy", part="web", commit_sha=_NEW),
    ),
    _decoy(
        "protection-of-previews-alone",
        use("dial", of="VercelState", field="project_extras.web",
            value={"ssoProtection": {"deploymentType": "all_except_custom_domains"}}),
    ),
    _decoy("noise-in-the-log", use("log", part="api", level="error", message="TypeError: of no request")),
    _decoy("an-older-failed-build", use("deploy", part="web", state="ERROR", error="exit 1", serve=False, minutes_ago=6000.0)),
    _decoy(
        "a-warning-in-a-good-build",
        use("deploy", part="web", commit_sha=_NEW, build_log=[
            "warning: 4 deprecated subdependencies found", "Compiled with 0 errors", "Build Completed in /vercel/output [41s]"]),
    ),
    _decoy("railway/a-skipped-deployment", use("deploy", part="api", state="SKIPPED", serve=False), options=ON_RAILWAY),
)  # fmt: skip

OPEN: tuple[Case, ...] = (
    Case(
        "decoy/06/asked-while-it-builds", PROCEDURE, "decoy", "could_not_tell",
        ask=_ask_for_the_newest, **{**WELL, "before": (LATER, use("deploy", part="web", state="BUILDING", serve=False))},
    ),
)  # fmt: skip

DOUBLES: tuple[Case, ...] = (
    _double(
        "build-failed-and-variable-missing",
        ("deploy.env_missing", "deploy.build_failed.compile"),
        Injected("deploy.build_failed.compile"),
        Injected("deploy.env_missing"),
    ),
    _double(
        "protection-and-previews",
        ("deploy.protection_on", "deploy.preview_disabled.switched_off"),
        Injected("deploy.preview_disabled.switched_off"),
        Injected("deploy.protection_on"),
    ),
    _double(
        "health-and-checks",
        ("deploy.health_failing.wrong_answer", "deploy.checks_failed"),
        Injected("deploy.checks_failed"),
        Injected("deploy.health_failing.wrong_answer"),
    ),
    _double(
        "canceled-and-stale-variable",
        ("deploy.canceled", "deploy.env_stale"),
        Injected("deploy.canceled"),
        Injected("deploy.env_stale"),
    ),
    _double(
        "repository-and-alias",
        ("deploy.repo_not_connected", "deploy.alias_stale.failed"),
        Injected("deploy.repo_not_connected"),
        Injected("deploy.alias_stale.failed"),
    ),
    _double(
        "errors-of-the-api-while-web-was-deployed-too",
        ("deploy.error_rate_up",),
        Injected("deploy.error_rate_up", "api"),
        before=(use("deploy", part="web", commit_sha=_OTHER),),
        settle_s=1.0,
    ),
)

CASES: tuple[Case, ...] = (*DECOYS, *OPEN, *DOUBLES)
