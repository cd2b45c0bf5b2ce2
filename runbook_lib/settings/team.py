"""Files of the team's own."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, setting


class TeamFiles(BaseModel):
    """Files of the team's own."""

    plan_limits_file: Text = setting(
        "RUNBOOK_PLAN_LIMITS",
        default="plan_limits.toml",
        group="Team files",
        about="Tokens and requests a month by plan.",
    )
    gateway_dockerfile: Text = setting(
        "RUNBOOK_GATEWAY_DOCKERFILE",
        group="Team files",
        about="The LLM gateway's Dockerfile in a checkout of NexusCore's repository, or its folder.",
    )
    service_levels_file: Text = setting(
        "RUNBOOK_SERVICE_LEVELS",
        default="service_levels.toml",
        group="Team files",
        about="What the team promises, and who must be told.",
    )
    not_used: Text = setting(
        "RUNBOOK_NOT_USED",
        group="Team files",
        about="What this system does not have (fly, dumps, …): only what stands here is left out of a verdict; names by commas.",
    )
    docker_folder: Text = setting(
        "RUNBOOK_DOCKER_FOLDER",
        group="Team files",
        about="The folder of the docker command, where PATH does not have it; the gateway's image is built with it.",
    )
    docker_answer_s: float = setting(
        "RUNBOOK_DOCKER_ANSWER_S",
        default=20.0,
        group="Team files",
        about="Seconds that a container of the gateway has to answer after its start.",
    )
    docker_host: Secret = setting("DOCKER_HOST", group="Team files", about="Docker's own: where its engine is.")
