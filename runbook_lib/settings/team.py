"""Files of the team's own."""

from pydantic import BaseModel

from runbook_lib.settings.field import Text, named


class TeamFiles(BaseModel):
    """Files of the team's own."""

    plan_limits_file: Text = named(
        "RUNBOOK_PLAN_LIMITS",
        default="plan_limits.toml",
        group="Team files",
        about="Tokens and requests a month by plan.",
    )
    gateway_dockerfile: Text = named(
        "RUNBOOK_GATEWAY_DOCKERFILE",
        group="Team files",
        about="The LLM gateway's Dockerfile in a checkout of NexusCore's repository.",
    )
    service_levels_file: Text = named(
        "RUNBOOK_SERVICE_LEVELS",
        default="service_levels.toml",
        group="Team files",
        about="What the team promises, and who must be told.",
    )
