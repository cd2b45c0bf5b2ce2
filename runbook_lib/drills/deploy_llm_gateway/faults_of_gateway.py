"""Faults of any deployment as they come about on the gateway: variants of the same causes, by code."""

import threading
from typing import TYPE_CHECKING

from runbook_lib.drills.kit.fault import Exercise, Result, Variant, no_action, use

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

_NEW = "d" * 40
_ON_FLY, _ON_RAILWAY = {"gateway_platform": "fly"}, {"gateway_platform": "railway"}


def many_visits(action: str = "usage", count: int = 24) -> Exercise:
    """So many users do the same, four at a time; returns what the last one got."""

    def act(sandbox: "Sandbox") -> Result:
        got: list[Result] = []
        work = [threading.Thread(target=lambda: got.append(sandbox.visit(action))) for _ in range(count)]
        for start in range(0, count, 4):
            for thread in work[start : start + 4]:
                thread.start()
            for thread in work[start : start + 4]:
                thread.join()
        return got[-1]

    return act


GATEWAY: dict[str, dict[str, Variant]] = {
    "deploy.repo_not_connected": {
        "gateway": Variant(
            (use("dial", of="RailwayState", field="service_extras.gateway", value={"source": {"repo": None, "image": None}}),),
            no_action,
            _ON_RAILWAY,
        )
    },
    "deploy.checks_failed": {
        "gateway": Variant(
            (
                use("push", commit_sha=_NEW, paths=["apps/llm-gateway/main.py"]),
                use("dial", of="GithubState", field=f"checks.{_NEW}",
                    value=[{"name": "pytest", "status": "completed", "conclusion": "timed_out"}]),
                use("deploy", part="gateway", commit_sha=_NEW),
            ),
            no_action,
        )
    },
    "deploy.env_missing": {
        "gateway": Variant((use("env", part="gateway", name="ANTHROPIC_API_KEY", restart=False),), no_action),
        "gateway_rag": Variant((use("env", part="gateway", name="SUPABASE_SERVICE_ROLE_KEY", restart=False),), no_action),
        "gateway_fly": Variant((use("env", part="gateway", name="OPENAI_API_KEY", restart=False),), no_action, _ON_FLY),
    },
    "deploy.env_stale": {
        "gateway": Variant(
            (use("env", part="gateway", name="LLM_FALLBACK_CHAIN", value="openai/gpt-4o-mini", restart=False),), no_action
        )
    },
    "deploy.build_failed.install": {
        "gateway": Variant(
            (
                use("deploy", part="gateway", state="FAILED", error="Build failed", serve=False, build_log=[
                    "using build driver dockerfile",
                    "[4/5] RUN pip install --no-cache-dir -r requirements.txt",
                    "ERROR: Could not find a version that satisfies the requirement fastapi==9.9.9",
                    'ERROR: failed to build: process "/bin/sh -c pip install" did not complete successfully: exit code: 1',
                ]),
            ),
            no_action,
            _ON_RAILWAY,
        )
    },
    "deploy.build_failed.env": {
        "gateway": Variant(
            (
                use("deploy", part="gateway", state="FAILED", error="Build failed", serve=False, build_log=[
                    "using build driver dockerfile",
                    "[5/6] RUN python -m compileall . && python check_settings.py",
                    "ERROR: Missing required environment variable: GATEWAY_BUILD_KEY",
                ]),
            ),
            no_action,
            _ON_RAILWAY,
        )
    },
    "deploy.not_ready": {
        "gateway": Variant(
            (use("deploy", part="gateway", state="DEPLOYING", serve=False, minutes_ago=60.0),), no_action, _ON_RAILWAY
        ),
        "gateway_fly": Variant(
            (use("deploy", part="gateway", state="running", serve=False, minutes_ago=60.0),), no_action, _ON_FLY
        ),
    },
    "deploy.not_ready.blocked": {
        "gateway": Variant((use("deploy", part="gateway", state="NEEDS_APPROVAL", serve=False),), no_action, _ON_RAILWAY)
    },
    "deploy.wrong_commit.not_deployed": {
        "gateway": Variant(
            (use("push", paths=["apps/llm-gateway/main.py"], message="Retry once more", minutes_ago=40.0),), no_action
        )
    },
    "deploy.wrong_commit.other_branch": {
        "gateway": Variant(
            (
                use("push", branch="hotfix", commit_sha="e" * 40, paths=["apps/llm-gateway/x.py"]),
                use("says", part="gateway", commit_sha="e" * 40),
            ),
            no_action,
            _ON_RAILWAY,
        )
    },
    "deploy.health_failing.no_answer": {
        "gateway": Variant((use("process", part="gateway", action="stop"),), no_action)
    },
    "deploy.health_failing.error": {
        "gateway": Variant((use("http", part="gateway", path="/", status=500, body="Internal Server Error"),), no_action)
    },
    "deploy.health_failing.wrong_answer": {
        "gateway": Variant(
            (use("http", part="gateway", path="/", status=200, body="<html>nginx</html>",
                 headers={"content-type": "text/html"}),),
            no_action,
        )
    },
    "deploy.health_failing.at_deploy": {
        "gateway": Variant(
            (use("deploy", part="gateway", state="FAILED", error="Healthcheck failure", failed_step="HEALTHCHECK", serve=False),),
            no_action,
            _ON_RAILWAY,
        )
    },
    "deploy.error_rate_up": {
        "gateway": Variant(
            (
                use("deploy", part="gateway", commit_sha=_NEW),
                use("code", part="gateway", route="/v1/chat", raise_type="KeyError", raise_message="'choices'"),
            ),
            many_visits("chat", 12),
        )
    },
    "deploy.in_progress": {
        "gateway": Variant((use("deploy", part="gateway", state="BUILDING", serve=False),), no_action, _ON_RAILWAY)
    },
    "deploy.errors_elsewhere": {
        "gateway": Variant(
            (
                use("deploy", part="gateway", commit_sha=_NEW),
                *(use("dial", of=name, field="mode", value="down") for name in ("openai", "anthropic", "together")),
            ),
            many_visits("chat", 12),
        )
    },
}  # fmt: skip
