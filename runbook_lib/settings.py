"""Where everything is and which key opens it: NexusCore's own variable names plus `RUNBOOK_…`, read once, never at import.

A target is a place to look at. `live` reads the environment and `.env`; any other NAME reads `.env.NAME` alone, so that a
variable of one system never completes another's; `sandbox` reads the file its sandbox wrote. (A plain pydantic model, for
pydantic-settings reads the environment beside the file for every target, and only logs a line that it cannot read.)
"""

import os
import re
import stat
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from dotenv.main import DotEnv
from dotenv.parser import parse_stream
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from runbook_lib.errors import ConfigError

_HOST_OF_REF = re.compile(r"^([a-z]{20})\.supabase\.(?:co|in)$")


def _none_if_blank(value: object) -> object:
    """A variable that is set to nothing is not set."""
    return None if isinstance(value, str) and not value.strip() else value


def _url(value: object) -> object:
    """An http(s) address without a trailing slash."""
    if not isinstance(value, str) or not value.strip():
        return None
    address = value.strip().rstrip("/")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) address")
    return address


Text = Annotated[str | None, BeforeValidator(_none_if_blank)]
Secret = Annotated[SecretStr | None, BeforeValidator(_none_if_blank)]
Url = Annotated[str | None, BeforeValidator(_url)]


def _named(*names: str, default: Any = None, about: str, group: str) -> Any:
    """A setting, the environment variables it is read from (first that is set), what it is for, and its place in .env.example."""
    return Field(
        default=default,
        validation_alias=AliasChoices(*names),
        description=about,
        json_schema_extra={"group": group, "names": list(names)},
    )


class Settings(BaseModel):
    """Every setting of the runbook. A source whose settings are None answers `not_configured`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    web_url: Url = _named(
        "RUNBOOK_WEB_URL",
        default="http://localhost:3000",
        group="NexusCore",
        about="The web app, as a user reaches it.",
    )
    api_url: Url = _named("RUNBOOK_API_URL", default="http://localhost:3001", group="NexusCore", about="The API.")
    gateway_url: Url = _named(
        "RUNBOOK_GATEWAY_URL", default="http://localhost:8000", group="NexusCore", about="The LLM gateway."
    )
    fallback_chain: Text = _named(
        "LLM_FALLBACK_CHAIN", group="NexusCore", about="The gateway's order: provider/model, provider/model …"
    )
    otel_service_name: Text = _named(
        "OTEL_SERVICE_NAME",
        default="nexuscore",
        group="NexusCore",
        about="The service.name of the spans, where all parts share one.",
    )
    otel_endpoint: Url = _named(
        "OTEL_EXPORTER_OTLP_ENDPOINT", group="NexusCore", about="Where the parts send their spans."
    )

    look_deadline_s: float | None = _named(
        "RUNBOOK_LOOK_DEADLINE_S",
        group="NexusCore",
        about="Seconds that no look may take longer than; by default each look's own deadline, 5 to 60.",
    )

    tempo_url: Url = _named(
        "RUNBOOK_TEMPO_URL", group="Traces", about="Tempo, or a Grafana data source proxy in front of it."
    )
    tempo_token: Secret = _named(
        "RUNBOOK_TEMPO_TOKEN",
        group="Traces",
        about="Bearer token; with RUNBOOK_TEMPO_USER the password of basic auth. Needs: read traces.",
    )
    tempo_user: Text = _named("RUNBOOK_TEMPO_USER", group="Traces", about="User of basic auth (Grafana Cloud).")
    tempo_tenant: Text = _named("RUNBOOK_TEMPO_TENANT", group="Traces", about="X-Scope-OrgID of a multi-tenant Tempo.")
    jaeger_url: Url = _named("RUNBOOK_JAEGER_URL", group="Traces", about="Jaeger's query service, with its base path.")
    jaeger_token: Secret = _named(
        "RUNBOOK_JAEGER_TOKEN", group="Traces", about="Bearer token, where a proxy wants one."
    )
    trace_delay_s: float = _named(
        "RUNBOOK_TRACE_DELAY_S", default=30.0, group="Traces", about="Seconds from a request to its spans being found."
    )
    trace_retention_h: float = _named(
        "RUNBOOK_TRACE_RETENTION_H", default=336.0, group="Traces", about="Hours the trace backend keeps spans."
    )

    vercel_api_url: Url = _named(
        "RUNBOOK_VERCEL_API_URL", default="https://api.vercel.com", group="Vercel", about="Vercel's REST API."
    )
    vercel_logs_url: Url = _named(
        "RUNBOOK_VERCEL_LOGS_URL",
        default="https://vercel.com",
        group="Vercel",
        about="The host of the request log, the route the vendor's own command line uses.",
    )
    vercel_token: Secret = _named(
        "RUNBOOK_VERCEL_TOKEN", group="Vercel", about="A token scoped to the team; the Viewer role is enough."
    )
    vercel_team_id: Text = _named("RUNBOOK_VERCEL_TEAM_ID", group="Vercel", about="team_…")
    vercel_web_project: Text = _named("RUNBOOK_VERCEL_WEB_PROJECT", group="Vercel", about="prj_… of the web app.")
    vercel_api_project: Text = _named(
        "RUNBOOK_VERCEL_API_PROJECT", group="Vercel", about="prj_… of the API, where it runs on Vercel."
    )
    vercel_log_drain_file: Text = _named(
        "RUNBOOK_VERCEL_LOG_DRAIN_FILE",
        group="Vercel",
        about="A file of log drain entries, one JSON object a line, in place of the request log.",
    )
    vercel_log_retention_h: float = _named(
        "RUNBOOK_VERCEL_LOG_RETENTION_H",
        default=24.0,
        group="Vercel",
        about="Hours the plan keeps request logs: Hobby 1, Pro 24, Enterprise 72.",
    )
    log_delay_s: float = _named(
        "RUNBOOK_LOG_DELAY_S",
        default=30.0,
        group="Vercel",
        about="Seconds from a request to its line in a platform's log.",
    )

    railway_url: Url = _named(
        "RUNBOOK_RAILWAY_URL",
        default="https://backboard.railway.com/graphql/v2",
        group="Railway",
        about="Railway's GraphQL API.",
    )
    railway_token: Secret = _named("RUNBOOK_RAILWAY_TOKEN", group="Railway", about="Account or workspace token.")
    railway_project_token: Secret = _named(
        "RUNBOOK_RAILWAY_PROJECT_TOKEN",
        group="Railway",
        about="Project token: one environment of one project; enough, and preferred.",
    )
    railway_project_id: Text = _named("RUNBOOK_RAILWAY_PROJECT_ID", group="Railway", about="Project id.")
    railway_environment_id: Text = _named("RUNBOOK_RAILWAY_ENVIRONMENT_ID", group="Railway", about="Environment id.")
    railway_api_service_id: Text = _named(
        "RUNBOOK_RAILWAY_API_SERVICE_ID", group="Railway", about="Service id of the API, where it runs on Railway."
    )
    railway_gateway_service_id: Text = _named(
        "RUNBOOK_RAILWAY_GATEWAY_SERVICE_ID",
        group="Railway",
        about="Service id of the gateway, where it runs on Railway.",
    )

    fly_machines_url: Url = _named(
        "RUNBOOK_FLY_MACHINES_URL", default="https://api.machines.dev", group="Fly.io", about="The Machines API."
    )
    fly_api_url: Url = _named(
        "RUNBOOK_FLY_API_URL",
        default="https://api.fly.io",
        group="Fly.io",
        about="Logs, releases and hosted Prometheus.",
    )
    fly_token: Secret = _named(
        "RUNBOOK_FLY_TOKEN", group="Fly.io", about="An app-scoped read-only token: fly tokens create readonly."
    )
    fly_gateway_app: Text = _named(
        "RUNBOOK_FLY_GATEWAY_APP", group="Fly.io", about="App name, where the gateway runs on Fly."
    )

    supabase_url: Url = _named(
        "SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL", group="Supabase", about="The project's address."
    )
    supabase_anon_key: Secret = _named(
        "SUPABASE_ANON_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY", group="Supabase", about="Anon or publishable key."
    )
    supabase_service_role_key: Secret = _named(
        "SUPABASE_SERVICE_ROLE_KEY",
        group="Supabase",
        about="Service-role or secret key: sees past RLS; used for counts only.",
    )
    supabase_jwt_secret: Secret = _named(
        "RUNBOOK_SUPABASE_JWT_SECRET",
        group="Supabase",
        about="The legacy JWT secret, only to verify a token's signature.",
    )
    supabase_api_url: Url = _named(
        "RUNBOOK_SUPABASE_API_URL", default="https://api.supabase.com", group="Supabase", about="The Management API."
    )
    supabase_access_token: Secret = _named(
        "RUNBOOK_SUPABASE_ACCESS_TOKEN",
        group="Supabase",
        about="Personal token sbp_…; read scopes: projects, database, analytics.",
    )
    supabase_ref: Text = _named(
        "RUNBOOK_SUPABASE_PROJECT_REF", group="Supabase", about="The project's ref; by default read off its address."
    )
    database_url: Secret = _named(
        "RUNBOOK_DATABASE_URL", group="Supabase", about="postgresql://… of a role that may read the catalogue."
    )

    stripe_api_url: Url = _named(
        "RUNBOOK_STRIPE_API_URL", default="https://api.stripe.com", group="Stripe", about="Stripe's API."
    )
    stripe_key: Secret = _named(
        "RUNBOOK_STRIPE_KEY",
        "STRIPE_SECRET_KEY",
        group="Stripe",
        about="A restricted key rk_…: read customers, subscriptions, events, webhook endpoints, meters.",
    )
    stripe_webhook_secret: Secret = _named(
        "STRIPE_WEBHOOK_SECRET", group="Stripe", about="The API's signing secret whsec_…"
    )
    stripe_publishable_key: Text = _named("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", group="Stripe", about="pk_…")
    stripe_api_version: str = _named(
        "RUNBOOK_STRIPE_API_VERSION", default="2024-06-20", group="Stripe", about="The version NexusCore pins."
    )

    openai_url: Url = _named(
        "RUNBOOK_OPENAI_URL", default="https://api.openai.com/v1", group="LLM providers", about="OpenAI."
    )
    openai_key: Secret = _named("OPENAI_API_KEY", group="LLM providers", about="sk-…")
    anthropic_url: Url = _named(
        "RUNBOOK_ANTHROPIC_URL", default="https://api.anthropic.com/v1", group="LLM providers", about="Anthropic."
    )
    anthropic_key: Secret = _named("ANTHROPIC_API_KEY", group="LLM providers", about="sk-ant-…")
    together_url: Url = _named(
        "RUNBOOK_TOGETHER_URL", default="https://api.together.ai/v1", group="LLM providers", about="Together."
    )
    together_key: Secret = _named("TOGETHER_API_KEY", group="LLM providers", about="Together's key.")
    openai_status_url: Url = _named(
        "RUNBOOK_OPENAI_STATUS_URL", default="https://status.openai.com", group="LLM providers", about="Status page."
    )
    anthropic_status_url: Url = _named(
        "RUNBOOK_ANTHROPIC_STATUS_URL", default="https://status.claude.com", group="LLM providers", about="Status page."
    )
    together_status_url: Url = _named(
        "RUNBOOK_TOGETHER_STATUS_URL", default="https://status.together.ai", group="LLM providers", about="Status page."
    )

    vercel_status_url: Url = _named(
        "RUNBOOK_VERCEL_STATUS_URL", default="https://www.vercel-status.com", group="Status pages", about="Vercel's."
    )
    railway_status_url: Url = _named(
        "RUNBOOK_RAILWAY_STATUS_URL", default="https://status.railway.com", group="Status pages", about="Railway's."
    )
    fly_status_url: Url = _named(
        "RUNBOOK_FLY_STATUS_URL", default="https://status.flyio.net", group="Status pages", about="Fly.io's."
    )
    supabase_status_url: Url = _named(
        "RUNBOOK_SUPABASE_STATUS_URL", default="https://status.supabase.com", group="Status pages", about="Supabase's."
    )
    stripe_status_url: Url = _named(
        "RUNBOOK_STRIPE_STATUS_URL", default="https://status.stripe.com", group="Status pages", about="Stripe's."
    )

    plan_limits_file: Text = _named(
        "RUNBOOK_PLAN_LIMITS",
        default="plan_limits.toml",
        group="Team files",
        about="Tokens and requests a month by plan.",
    )

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str], *, origin: str = "the environment") -> "Settings":
        """Settings from variables; unknown ones are ignored, blank ones count as not set.

        Raises:
            ConfigError: a variable that is set and is not what its name says. The value is never shown.
        """
        given = {name: value for name, value in variables.items() if value.strip()}
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            names = sorted({str(problem["loc"][0]) for problem in error.errors()})
            reasons = "; ".join(sorted({problem["msg"] for problem in error.errors()}))
            raise ConfigError(
                f"Cannot use {', '.join(names)}",
                where=origin,
                came_back=reasons,
                do_next="Correct the variable; .env.example says what each one is.",
            ) from None
        return settings

    @classmethod
    def empty(cls) -> "Settings":
        """No keys and no trace backend: every vendor's source answers not_configured."""
        return cls()

    @cached_property
    def supabase_project_ref(self) -> str | None:
        """The project's ref: set by hand, or the first label of its address."""
        if self.supabase_ref:
            return self.supabase_ref
        match = _HOST_OF_REF.match(urlsplit(self.supabase_url or "").hostname or "")
        return match[1] if match else None

    def secret_values(self) -> list[str]:
        """Every secret's value, for the redactor; of a URL also its password."""
        values = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        passwords = [urlsplit(value).password or "" for value in values if "://" in value]
        return values + [password for password in passwords if password]


def reveal(secret: SecretStr | None) -> str | None:
    """A secret's value, asked for by name; None where it is not set."""
    return None if secret is None else secret.get_secret_value()


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file.

    Raises:
        ConfigError: it cannot be read, or a line of it is no assignment (the line's number is named, not its text).
    """
    try:
        with path.open(encoding="utf-8") as stream:
            for binding in parse_stream(stream):
                if binding.error or (binding.key is not None and binding.value is None):
                    raise ConfigError(
                        "Cannot read a line",
                        where=f"{path.name} line {binding.original.line}",
                        came_back="it is no NAME=value",
                        do_next="Correct or remove that line; quote values that hold spaces or #.",
                    )
        values = DotEnv(path, interpolate=False, encoding="utf-8").dict()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "Cannot read the settings file",
            where=path.name,
            came_back=type(error).__name__,
            do_next="Check that it is a UTF-8 text file that you may read.",
        ) from error
    return {name: value for name, value in values.items() if value is not None}


def readable_by_others(path: Path) -> bool:
    """Whether a file of secrets can be read by users other than its owner."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def live_variables(root: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What target `live` is read from: `.env` in `root`, overridden by the environment."""
    env_file = root / ".env"
    from_file = read_env_file(env_file) if env_file.exists() else {}
    return {
        **from_file,
        **{k: v for k, v in (os.environ if environ is None else environ).items() if v.strip()},
    }


def variable_names(field_name: str) -> list[str]:
    """The environment variables a setting is read from, the preferred one first."""
    extra = Settings.model_fields[field_name].json_schema_extra
    assert isinstance(extra, dict)
    names = extra["names"]
    assert isinstance(names, list)
    return [str(name) for name in names]


def env_example() -> str:
    """The text of .env.example: every setting by group, what it is for, its default; generated, never edited."""
    lines = [
        "# Generated from runbook_lib/settings.py by `make docs`; do not edit. Copy to .env and fill in what you have."
    ]
    group = ""
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        if extra["group"] != group:
            group = str(extra["group"])
            lines += ["", f"# {group}"]
        names = variable_names(name)
        also = f" Also read: {', '.join(names[1:])}." if names[1:] else ""
        default = "" if field.default is None else str(field.default)
        lines += [f"# {field.description}{also}", f"{'# ' if default else ''}{names[0]}={default}"]
    return "\n".join(lines) + "\n"
