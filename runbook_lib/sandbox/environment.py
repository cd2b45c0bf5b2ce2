"""The variables of web, API and gateway, their deployments, and the settings that point the runbook at them."""

import random
import secrets
import string
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from runbook_lib.sandbox.options import Options
from runbook_lib.sandbox.stripe_cli import StripeCli
from runbook_lib.sandbox.world import Deployment, Variable, World

CHAIN = "openai/gpt-4o-mini, anthropic/claude-haiku-4-5-20251001, together/meta-llama/Llama-3.3-70B-Instruct-Turbo"
PARTS = ("web", "api", "gateway")
TARGETS = ("production", "preview")
_PORTS = {"api": "3001", "gateway": "8000"}
_MESSAGES = [
    "Show the plan next to the organization's name",
    "Usage page: group by model",
    "Gateway: log the provider of every answer",
    "Bump stripe-node",
    "Chat: keep the draft when the page reloads",
    "Invite by e-mail: tell who invited",
]


def variables_of(world: World, options: Options, part: str) -> dict[str, str]:
    """What a part's platform holds for it, by name."""
    keys, at = world.keys, world.endpoints
    named = f"nexus-{part}" if options.service_names == "several" else "nexuscore"
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": at["otlp"], "OTEL_SERVICE_NAME": named}
    if options.platform_of(part) == "railway":
        traced["PORT"] = _PORTS[part]  # else Railway makes up one, and sends its health check there
    public = {
        "NEXT_PUBLIC_SUPABASE_URL": at["supabase"],
        "NEXT_PUBLIC_SUPABASE_ANON_KEY": keys.supabase_anon,
        "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY": keys.stripe_publishable,
    }
    if part == "web":
        return {**traced, **public, "NEXT_PUBLIC_API_URL": at["api"]}
    if part == "api":
        return {
            **traced,
            **public,
            "SUPABASE_SERVICE_ROLE_KEY": keys.supabase_service_role,
            "STRIPE_SECRET_KEY": keys.stripe_secret,
            "STRIPE_WEBHOOK_SECRET": keys.stripe_webhook_secret,
            "STRIPE_API_BASE": at["stripe"],
            "CRON_SECRET": keys.cron_secret,
            "LLM_GATEWAY_URL": at["gateway"],
        }
    return {
        **traced,
        "OPENAI_API_KEY": keys.openai,
        "ANTHROPIC_API_KEY": keys.anthropic,
        "TOGETHER_API_KEY": keys.together,
        "OPENAI_BASE_URL": f"{at['openai']}/v1",
        "ANTHROPIC_BASE_URL": at["anthropic"],
        "TOGETHER_BASE_URL": f"{at['together']}/v1",
        "LLM_FALLBACK_CHAIN": CHAIN,
        "SUPABASE_URL": at["supabase"],
        "SUPABASE_SERVICE_ROLE_KEY": keys.supabase_service_role,
    }


def variable_rows(platform: str, part: str, variables: Mapping[str, str], at: datetime) -> list[Variable]:
    """The same as the platform lists them."""
    return [
        Variable(platform, part, key, value, TARGETS, at, "plain" if key.startswith("NEXT_PUBLIC_") else "encrypted")
        for key, value in variables.items()
    ]


def platform_variables(world: World, deployment: Deployment) -> dict[str, str]:
    """What the platform itself puts into a part's environment."""
    if deployment.platform == "vercel":
        project = world.ids.vercel_web_project if deployment.part == "web" else world.ids.vercel_api_project
        return {
            "VERCEL": "1",
            "VERCEL_ENV": "production",
            "VERCEL_REGION": "iad1",
            "VERCEL_URL": deployment.url.removeprefix("https://"),
            "VERCEL_DEPLOYMENT_ID": deployment.id,
            "VERCEL_PROJECT_ID": project,
            "VERCEL_GIT_COMMIT_SHA": deployment.commit_sha,
            "VERCEL_GIT_COMMIT_REF": deployment.branch,
        }
    if deployment.platform == "railway":
        services = {"api": world.ids.railway_api_service, "gateway": world.ids.railway_gateway_service}
        return {
            "RAILWAY_PROJECT_ID": world.ids.railway_project,
            "RAILWAY_ENVIRONMENT_ID": world.ids.railway_environment,
            "RAILWAY_ENVIRONMENT_NAME": "production",
            "RAILWAY_SERVICE_ID": services[deployment.part],
            "RAILWAY_DEPLOYMENT_ID": deployment.id,
            "RAILWAY_GIT_COMMIT_SHA": deployment.commit_sha,
        }
    return {"FLY_APP_NAME": world.ids.fly_gateway_app, "FLY_REGION": "iad", "FLY_IMAGE_REF": deployment.id}


def resource_of(part: str, deployment: Deployment, variables: Mapping[str, str], instance: str) -> dict[str, str]:
    """The resource attributes of a part's spans: @vercel/otel's on Vercel, the SDK's own elsewhere."""
    node = {"telemetry.sdk.language": "nodejs", "process.runtime.name": "nodejs", "process.runtime.version": "22.11.0"}
    if deployment.platform == "vercel":
        return {
            **node,
            "cloud.provider": "vercel",
            "cloud.region": "iad1",
            "deployment.environment.name": "production",
            "env": "production",
            "service.version": deployment.id,
            "vercel.runtime": "nodejs",
            "vercel.region": "iad1",
            "vercel.host": variables["VERCEL_URL"],
            "vercel.sha": deployment.commit_sha,
            "vercel.deployment_id": deployment.id,
            "vercel.project_id": variables["VERCEL_PROJECT_ID"],
        }
    own = node if part == "api" else {"process.runtime.name": "cpython", "process.runtime.version": "3.11.9"}
    return {
        **own,
        "service.instance.id": instance,
        "service.version": deployment.commit_sha[:7],
        "deployment.environment.name": "production",
        "host.name": instance,
    }


def new_deployment(
    world: World,
    platform: str,
    part: str,
    *,
    at: datetime,
    state: str = "",
    commit_sha: str = "",
    branch: str = "main",
    message: str = "",
    error: str | None = None,
    build_log: list[str] | None = None,
    failed_step: str | None = None,
    rng: random.Random | None = None,
) -> Deployment:
    """A deployment in the platform's shapes, not yet added to the world. `state` "": the platform's word for a good one."""
    rng = rng or random.Random(secrets.randbits(64))
    letters = string.ascii_letters + string.digits

    def some(alphabet: str, count: int) -> str:
        return "".join(rng.choice(alphabet) for _ in range(count))

    good = {"vercel": "READY", "railway": "SUCCESS", "fly": "complete"}[platform]
    ids = {
        "vercel": f"dpl_{some(letters, 28)}",
        "railway": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "fly": f"registry.fly.io/{world.ids.fly_gateway_app}:deployment-{some('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 26)}",
    }
    urls = {
        "vercel": f"https://nexuscore-{part}-{some(string.ascii_lowercase + string.digits, 9)}-nexuscore.vercel.app",
        "railway": f"https://nexuscore-{part}-production.up.railway.app",
        "fly": f"https://{world.ids.fly_gateway_app}.fly.dev",
    }
    return Deployment(
        platform=platform,
        part=part,
        id=ids[platform],
        created_at=at,
        state=state or good,
        commit_sha=commit_sha or some("0123456789abcdef", 40),
        branch=branch,
        message=message or rng.choice(_MESSAGES),
        url=urls[platform],
        variables={v.key: v.value for v in world.variables if (v.platform, v.part) == (platform, part)},
        error=error,
        build_log=build_log,
        failed_step=failed_step,
    )


def past_commits(rng: random.Random) -> list[tuple[str, str, float]]:
    """What was deployed in the last weeks, oldest first: commit, message, age in hours. One push deploys every part."""
    ages_h = (rng.uniform(380, 420), rng.uniform(180, 220), rng.uniform(30, 60))
    return [
        (f"{rng.getrandbits(160):040x}", message, age)
        for age, message in zip(ages_h, rng.sample(_MESSAGES, 3), strict=True)
    ]


def past_deployments(
    world: World, platform: str, part: str, now: datetime, commits: list[tuple[str, str, float]], rng: random.Random
) -> list[Deployment]:
    """Three good deployments of the last weeks, oldest first; the newest is the one that serves, and is days old."""
    made = [
        new_deployment(world, platform, part, at=now - timedelta(hours=age), commit_sha=sha, message=said, rng=rng)
        for sha, said, age in commits
    ]
    if platform == "railway":
        for deployment in made[:-1]:
            deployment.state = "REMOVED"
    return made


def preview_deployment(world: World, part: str, now: datetime, commit_sha: str, rng: random.Random) -> Deployment:
    """A pull request's preview of a part on Vercel, older than what serves."""
    at = now - timedelta(hours=70)
    return new_deployment(
        world,
        "vercel",
        part,
        at=at,
        commit_sha=commit_sha,
        branch="usage-export",
        message="Export usage as CSV",
        rng=rng,
    )


def runbook_settings(world: World, options: Options, database_url: str, limits_file: str) -> dict[str, str]:
    """The settings that point the runbook at this sandbox, as a live system's `.env` has them."""
    keys, ids, at = world.keys, world.ids, world.endpoints
    settings = {
        "RUNBOOK_WEB_URL": at["web"],
        "RUNBOOK_API_URL": at["api"],
        "RUNBOOK_GATEWAY_URL": at["gateway"],
        "NEXT_PUBLIC_SUPABASE_URL": at["supabase"],
        "NEXT_PUBLIC_SUPABASE_ANON_KEY": keys.supabase_anon,
        "SUPABASE_SERVICE_ROLE_KEY": keys.supabase_service_role,
        "RUNBOOK_SUPABASE_API_URL": at["supabase-management"],
        "RUNBOOK_SUPABASE_ACCESS_TOKEN": keys.supabase_access_token,
        "RUNBOOK_SUPABASE_PROJECT_REF": ids.supabase_ref,
        "RUNBOOK_SUPABASE_JWT_SECRET": keys.supabase_jwt_secret,
        "RUNBOOK_DATABASE_URL": database_url,
        "STRIPE_SECRET_KEY": keys.stripe_secret,
        "STRIPE_WEBHOOK_SECRET": keys.stripe_webhook_secret,
        "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY": keys.stripe_publishable,
        "RUNBOOK_STRIPE_API_URL": at["stripe"],
        "RUNBOOK_STRIPE_KEY": keys.stripe_restricted,
        "OPENAI_API_KEY": keys.openai,
        "ANTHROPIC_API_KEY": keys.anthropic,
        "TOGETHER_API_KEY": keys.together,
        "RUNBOOK_OPENAI_URL": f"{at['openai']}/v1",
        "RUNBOOK_ANTHROPIC_URL": f"{at['anthropic']}/v1",
        "RUNBOOK_TOGETHER_URL": f"{at['together']}/v1",
        "RUNBOOK_OPENAI_STATUS_URL": f"{at['status']}/openai",
        "RUNBOOK_ANTHROPIC_STATUS_URL": f"{at['status']}/anthropic",
        "RUNBOOK_TOGETHER_STATUS_URL": f"{at['status']}/together",
        "RUNBOOK_VERCEL_STATUS_URL": f"{at['status']}/vercel",
        "RUNBOOK_RAILWAY_STATUS_URL": f"{at['status']}/railway",
        "RUNBOOK_FLY_STATUS_URL": f"{at['status']}/fly",
        "RUNBOOK_SUPABASE_STATUS_URL": f"{at['status']}/supabase",
        "RUNBOOK_STRIPE_STATUS_URL": f"{at['status']}/stripe",
        "LLM_FALLBACK_CHAIN": CHAIN,
        "OTEL_EXPORTER_OTLP_ENDPOINT": at["otlp"],
        "OTEL_SERVICE_NAME": "nexuscore",
        "RUNBOOK_GITHUB_API_URL": at["github"],
        "RUNBOOK_GITHUB_TOKEN": keys.github_token,
        "RUNBOOK_GITHUB_REPO": "nexuscore/nexuscore",
        "RUNBOOK_VERCEL_API_URL": at["vercel"],
        "RUNBOOK_VERCEL_LOGS_URL": at["vercel"],
        "RUNBOOK_VERCEL_TOKEN": keys.vercel_token,
        "RUNBOOK_VERCEL_TEAM_ID": ids.vercel_team,
        "RUNBOOK_VERCEL_WEB_PROJECT": ids.vercel_web_project,
        "RUNBOOK_TRACE_DELAY_S": "2",
        "RUNBOOK_LOG_DELAY_S": "1",
        "RUNBOOK_PLAN_LIMITS": limits_file,
    }
    if options.api_platform == "vercel":
        settings["RUNBOOK_VERCEL_API_PROJECT"] = ids.vercel_api_project
    if "railway" in (options.api_platform, options.gateway_platform):
        settings |= {
            "RUNBOOK_RAILWAY_URL": f"{at['railway']}/graphql/v2",
            "RUNBOOK_RAILWAY_TOKEN": keys.railway_token,
            "RUNBOOK_RAILWAY_PROJECT_ID": ids.railway_project,
            "RUNBOOK_RAILWAY_ENVIRONMENT_ID": ids.railway_environment,
        }
    if options.api_platform == "railway":
        settings["RUNBOOK_RAILWAY_API_SERVICE_ID"] = ids.railway_api_service
    if options.gateway_platform == "railway":
        settings["RUNBOOK_RAILWAY_GATEWAY_SERVICE_ID"] = ids.railway_gateway_service
    else:
        settings |= {
            "RUNBOOK_FLY_MACHINES_URL": at["fly"],
            "RUNBOOK_FLY_API_URL": at["fly"],
            "RUNBOOK_FLY_TOKEN": keys.fly_token,
            "RUNBOOK_FLY_GATEWAY_APP": ids.fly_gateway_app,
        }
    platforms = ("vercel", options.api_platform, options.gateway_platform)
    unused = ["dumps", *(name for name in ("fly", "railway") if name not in platforms)]
    settings["RUNBOOK_NOT_USED"] = ",".join(unused)
    if options.trace_backend != "none":
        settings |= {"RUNBOOK_PROMETHEUS_URL": at["prometheus"], "RUNBOOK_ALERTMANAGER_URL": at["alertmanager"]}
    if options.trace_backend in ("tempo", "both"):
        settings["RUNBOOK_TEMPO_URL"] = at["tempo"]
    if options.trace_backend in ("jaeger", "both"):
        settings["RUNBOOK_JAEGER_URL"] = at["jaeger"]
    return settings


def machine_settings(api_url: str, session: int) -> dict[str, str]:
    """What a runbook on this machine is told of it: only processes of the sandbox's own session are its."""
    return {
        "RUNBOOK_API_URL": api_url,
        "RUNBOOK_HOST_PROCESSES": f"session:{session}",
        "RUNBOOK_WEBHOOK_DELAY_S": "1",
    }


def workshop_settings(cli: StripeCli, api_env_file: Path) -> dict[str, str]:
    """A developer's machine: where the Stripe CLI, its login and the API's .env file are."""
    return {
        "RUNBOOK_STRIPE_CLI": str(cli.command),
        "RUNBOOK_STRIPE_CLI_CONFIG": str(cli.config),
        "RUNBOOK_API_ENV_FILE": str(api_env_file),
    }
