"""The faults of 06: what can go wrong between a push and a request that is answered, of web and API."""

from typing import Any

from runbook_lib.drills.deploy_llm_gateway.faults_of_gateway import GATEWAY, many_visits
from runbook_lib.drills.kit.fault import Fault, Variant, alias, fault, no_action, use

_UNDEFINED = ("TypeError", "Cannot read properties of undefined (reading 'plan')")
_NEW = "d" * 40
_API_ON_RAILWAY = {"api_platform": "railway"}


def _failed_build(code: str, error: str, *log: str, part: str = "web", **more: Any) -> Fault:
    step = use("deploy", part=part, state="ERROR", error=error, serve=False, build_log=list(log), **more)
    return fault(code, step, by=no_action)


_CLONED = "Cloning github.com/nexuscore/nexuscore (Branch: main, Commit: ddddddd)"
_BUILDS = (
    _failed_build(
        "deploy.build_failed.compile",
        'Command "pnpm run build" exited with 1',
        _CLONED,
        'Running "pnpm run build"...',
        "warning: 3 deprecated subdependencies found",
        "./app/usage/page.tsx:41:17",
        "Type error: Property 'plan' does not exist on type 'Organization'.",
        " ELIFECYCLE  Command failed with exit code 1.",
        'Error: Command "pnpm run build" exited with 1',
    ),
    _failed_build(
        "deploy.build_failed.install",
        'Command "pnpm install" exited with 1',
        _CLONED,
        'Running "pnpm install"...',
        ' ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with "frozen-lockfile" because pnpm-lock.yaml is not up to date',
        'Error: Command "pnpm install" exited with 1',
        part="api",
    ),
    _failed_build(
        "deploy.build_failed.resources",
        'Command "pnpm run build" exited with SIGKILL',
        _CLONED,
        'Running "pnpm run build"...',
        "Creating an optimized production build ...",
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        'Error: Command "pnpm run build" exited with SIGKILL',
    ),
    _failed_build(
        "deploy.build_failed.env",
        'Command "pnpm run build" exited with 1',
        _CLONED,
        'Running "pnpm run build"...',
        "Error: Missing required environment variable: NEXT_PUBLIC_SENTRY_DSN",
        'Error: Command "pnpm run build" exited with 1',
    ),
)
_PREVIEWS = (
    fault(
        "deploy.preview_disabled.switched_off",
        use("dial", of="VercelState", field="project_extras.web", value={"previewDeploymentsDisabled": True}),
        by=no_action,
    ),
    fault(
        "deploy.preview_disabled.none_made",
        use("says", part="web", of="preview", minutes_ago=60.0 * 24 * 40),
        use("push", branch="new-tab", paths=["apps/web/app/tab.tsx"], pull=True, minutes_ago=60.0),
        by=no_action,
    ),
)
_NOT_READY = (
    fault(
        "deploy.not_ready.blocked",
        use("deploy", part="web", state="BLOCKED", error="Deployment is awaiting approval", serve=False),
        by=no_action,
    ),
    fault(
        "deploy.not_ready.paused",
        use("dial", of="VercelState", field="project_extras.api", value={"paused": True}),
        use("http", part="api-edge", status=503, body="This deployment is temporarily paused\n\nDEPLOYMENT_PAUSED\n"),
        by=no_action,
    ),
    fault(
        "deploy.not_ready.none",
        use("dial", of="VercelState", field="project_extras.web", value={"targets": {}}),
        use("dial", of="VercelState", field="undeployed", value=["web"]),
        use("edge", part="web", missing=True),
        by=no_action,
    ),
    fault(
        "deploy.not_ready.crashed",
        use("says", part="api", of="serving", state="CRASHED", instances=["CRASHED"], error="exited with code 1"),
        use("process", part="api", action="kill"),
        by=no_action,
        needs=_API_ON_RAILWAY,
    ),
)  # fmt: skip
_ALIASES = (
    fault(
        "deploy.alias_stale.rolled_back",
        use("hand_over", part="web"),
        use("deploy", part="web", commit_sha=_NEW, serve=False),
        by=no_action,
    ),
    fault(
        "deploy.alias_stale.staged",
        use("deploy", part="web", commit_sha=_NEW, serve=False),
        use("says", part="web", of="newest", fields={"readySubstate": "STAGED", "aliasAssigned": False}),
        by=no_action,
    ),
    fault(
        "deploy.alias_stale.failed",
        use("deploy", part="api", commit_sha=_NEW, serve=False),
        use("says", part="api", of="newest", fields={
            "readySubstate": "STAGED", "aliasAssigned": False,
            "aliasError": {"code": "forbidden", "message": "The domain api.nexuscore.example is not verified"}}),
        by=no_action,
    ),
    fault("deploy.alias_stale.missing", use("edge", part="web", missing=True), by=no_action),
)  # fmt: skip
_COMMITS = (
    fault(
        "deploy.wrong_commit.not_deployed",
        use("push", paths=["apps/api/app/api/usage/route.ts"], message="Usage by model", minutes_ago=30.0),
        by=no_action,
    ),
    fault("deploy.wrong_commit.older", use("hand_over", part="web", by="promote"), by=no_action),
    fault(
        "deploy.wrong_commit.other_branch",
        use("push", branch="hotfix", commit_sha="e" * 40, paths=["apps/api/lib/x.ts"]),
        use("says", part="api", commit_sha="e" * 40),
        by=no_action,
    ),
)
_HEALTH = (
    fault("deploy.health_failing.no_answer", use("process", part="web", action="stop"), by=no_action),
    fault(
        "deploy.health_failing.error",
        use("code", part="api", route="/api/health", raise_type=_UNDEFINED[0], raise_message=_UNDEFINED[1]),
        by=no_action,
    ),
    fault(
        "deploy.health_failing.wrong_answer",
        use("http", part="api", path="/api/health", status=200, body="<html>Welcome</html>",
            headers={"content-type": "text/html"}),
        by=no_action,
    ),
    fault(
        "deploy.health_failing.at_deploy",
        use("deploy", part="api", state="FAILED", error="Healthcheck failure", failed_step="HEALTHCHECK", serve=False),
        by=no_action,
        needs=_API_ON_RAILWAY,
    ),
)  # fmt: skip
_ERRORS = Fault(
    "deploy.error_rate_up",
    {
        "api": Variant(
            (
                use("deploy", part="api", commit_sha=_NEW),
                use("code", part="api", route="/api/usage", raise_type=_UNDEFINED[0], raise_message=_UNDEFINED[1]),
            ),
            many_visits("usage", 16),
        ),
        "web": Variant(
            (
                use("deploy", part="web", commit_sha=_NEW),
                use("code", part="web", route="/dashboard", raise_type=_UNDEFINED[0], raise_message=_UNDEFINED[1],
                    recorded_as="attributes"),
            ),
            many_visits("dashboard", 16),
        ),
    },
)  # fmt: skip

_OF_WEB_AND_API: tuple[Fault, ...] = (
    fault(
        "deploy.repo_not_connected",
        use("dial", of="VercelState", field="project_extras.web", value={"link": None}),
        by=no_action,
    ),
    alias("deploy.preview_disabled", _PREVIEWS[0]),
    *_PREVIEWS,
    fault(
        "deploy.checks_failed",
        use("push", commit_sha=_NEW, paths=["apps/web/a.ts"]),
        use("dial", of="GithubState", field=f"checks.{_NEW}", value=[
            {"name": "build-and-test", "status": "completed", "conclusion": "failure"},
            {"name": "lint", "status": "completed", "conclusion": "success"}]),
        use("deploy", part="web", commit_sha=_NEW, serve=False),
        by=no_action,
        platform=Variant((
            use("deploy", part="api", commit_sha=_NEW, serve=False),
            use("says", part="api", of="newest", fields={"checksConclusion": "failed"}),
        ), no_action),
    ),
    fault("deploy.env_missing", use("env", part="api", name="STRIPE_WEBHOOK_SECRET", restart=False), by=no_action,
          web=Variant((use("env", part="web", name="NEXT_PUBLIC_SUPABASE_URL", restart=False),), no_action)),
    fault(
        "deploy.env_missing.other_target",
        use("env", part="api", name="STRIPE_SECRET_KEY", targets=["preview"], restart=False),
        by=no_action,
    ),
    fault("deploy.env_stale", use("env", part="web", name="NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", value="pk_test_another",
                                  restart=False), by=no_action),
    alias("deploy.build_failed", _BUILDS[0]),
    *_BUILDS,
    fault("deploy.canceled", use("deploy", part="web", state="CANCELED", serve=False), by=no_action),
    fault("deploy.not_ready", use("deploy", part="web", state="BUILDING", serve=False, minutes_ago=50.0), by=no_action,
          queued=Variant((use("deploy", part="api", state="QUEUED", serve=False, minutes_ago=15.0),), no_action)),
    *_NOT_READY,
    alias("deploy.alias_stale", _ALIASES[1]),
    *_ALIASES,
    alias("deploy.wrong_commit", _COMMITS[0]),
    *_COMMITS,
    fault("deploy.protection_on", use("edge", part="web", protect=True), by=no_action,
          settings=Variant((
              use("dial", of="VercelState", field="project_extras.api", value={"ssoProtection": {"deploymentType": "all"}}),
              use("edge", part="api", protect=True)), no_action)),
    alias("deploy.health_failing", _HEALTH[2]),
    *_HEALTH,
    _ERRORS,
    fault(
        "deploy.migration_missing",
        use("deploy", part="api", commit_sha=_NEW),
        use("sql", statement="alter table public.usage_records rename column requests to requests_v1"),
        by=many_visits("usage", 6),
        table=Variant((
            use("deploy", part="api", commit_sha=_NEW),
            use("sql", statement="alter table public.usage_records rename to usage_records_v1; notify pgrst, 'reload schema'"),
        ), many_visits("usage", 6)),
    ),
    fault("deploy.in_progress", use("deploy", part="web", state="BUILDING", serve=False), by=many_visits("chat", 12)),
    fault("deploy.rolled_back", use("hand_over", part="web"), by=many_visits("dashboard", 12)),
    fault(
        "deploy.errors_elsewhere",
        use("deploy", part="api", commit_sha=_NEW),
        use("dial", of="openai", field="mode", value="down"),
        use("dial", of="anthropic", field="mode", value="down"),
        use("dial", of="together", field="mode", value="down"),
        by=many_visits("chat", 12),
    ),
)  # fmt: skip

FAULTS: tuple[Fault, ...] = tuple(
    Fault(known.code, {**known.variants, **GATEWAY.get(known.code, {})}) for known in _OF_WEB_AND_API
)
