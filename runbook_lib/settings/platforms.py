"""The platforms that run the parts: Vercel, Railway, Fly.io."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, Url, setting


class Platforms(BaseModel):
    """The platforms that run the parts: Vercel, Railway, Fly.io."""

    vercel_api_url: Url = setting(
        "RUNBOOK_VERCEL_API_URL", default="https://api.vercel.com", group="Vercel", about="Vercel's REST API."
    )
    vercel_logs_url: Url = setting(
        "RUNBOOK_VERCEL_LOGS_URL",
        default="https://vercel.com",
        group="Vercel",
        about="The host of the request log, the route the vendor's own command line uses.",
    )
    vercel_token: Secret = setting(
        "RUNBOOK_VERCEL_TOKEN",
        group="Vercel",
        about="A token scoped to the team, with an expiry; the Viewer role is enough.",
    )
    vercel_team_id: Text = setting("RUNBOOK_VERCEL_TEAM_ID", group="Vercel", about="team_…")
    vercel_web_project: Text = setting("RUNBOOK_VERCEL_WEB_PROJECT", group="Vercel", about="prj_… of the web app.")
    vercel_api_project: Text = setting(
        "RUNBOOK_VERCEL_API_PROJECT", group="Vercel", about="prj_… of the API, where it runs on Vercel."
    )
    vercel_log_drain_file: Text = setting(
        "RUNBOOK_VERCEL_LOG_DRAIN_FILE",
        group="Vercel",
        about="A file of log drain entries, one JSON object a line, in place of the request log.",
    )
    vercel_log_retention_h: float = setting(
        "RUNBOOK_VERCEL_LOG_RETENTION_H",
        default=24.0,
        group="Vercel",
        about="Hours the plan keeps request logs: Hobby 1, Pro 24, Enterprise 72.",
    )
    log_delay_s: float = setting(
        "RUNBOOK_LOG_DELAY_S",
        default=30.0,
        group="Vercel",
        about="Seconds from a request to its line in a platform's log.",
    )

    railway_url: Url = setting(
        "RUNBOOK_RAILWAY_URL",
        default="https://backboard.railway.com/graphql/v2",
        group="Railway",
        about="Railway's GraphQL API.",
    )
    railway_token: Secret = setting("RUNBOOK_RAILWAY_TOKEN", group="Railway", about="Account or workspace token.")
    railway_project_token: Secret = setting(
        "RUNBOOK_RAILWAY_PROJECT_TOKEN",
        group="Railway",
        about="Project token: one environment of one project, where it can deploy too; enough, and preferred.",
    )
    railway_project_id: Text = setting("RUNBOOK_RAILWAY_PROJECT_ID", group="Railway", about="Project id.")
    railway_environment_id: Text = setting("RUNBOOK_RAILWAY_ENVIRONMENT_ID", group="Railway", about="Environment id.")
    railway_api_service_id: Text = setting(
        "RUNBOOK_RAILWAY_API_SERVICE_ID", group="Railway", about="Service id of the API, where it runs on Railway."
    )
    railway_gateway_service_id: Text = setting(
        "RUNBOOK_RAILWAY_GATEWAY_SERVICE_ID",
        group="Railway",
        about="Service id of the gateway, where it runs on Railway.",
    )

    fly_machines_url: Url = setting(
        "RUNBOOK_FLY_MACHINES_URL", default="https://api.machines.dev", group="Fly.io", about="The Machines API."
    )
    fly_api_url: Url = setting(
        "RUNBOOK_FLY_API_URL",
        default="https://api.fly.io",
        group="Fly.io",
        about="Logs, releases and hosted Prometheus.",
    )
    fly_token: Secret = setting(
        "RUNBOOK_FLY_TOKEN",
        group="Fly.io",
        about="Reads the whole organization: fly tokens create readonly --expiry 720h (without it, 20 years).",
    )
    fly_org: Text = setting(
        "RUNBOOK_FLY_ORG",
        default="personal",
        group="Fly.io",
        about="The organization's slug, for the hosted Prometheus.",
    )
    fly_gateway_app: Text = setting(
        "RUNBOOK_FLY_GATEWAY_APP", group="Fly.io", about="App name, where the gateway runs on Fly."
    )
