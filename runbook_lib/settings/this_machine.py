"""The machine on which the runbook runs, where it is a developer's: the Stripe CLI, and what the local API was given."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, setting


class ThisMachine(BaseModel):
    """The machine on which the runbook runs, where it is a developer's: the Stripe CLI, and what the local API was given."""

    host_processes: Text = setting(
        "RUNBOOK_HOST_PROCESSES",
        default="all",
        group="This machine",
        about="Whose processes are looked at: all, none (the API runs elsewhere), or session:ID, those of one session.",
    )
    stripe_cli: Text = setting(
        "RUNBOOK_STRIPE_CLI",
        default="stripe",
        group="This machine",
        about="The Stripe CLI's command, to ask it for its version and its signing secret.",
    )
    stripe_cli_config: Text = setting(
        "RUNBOOK_STRIPE_CLI_CONFIG",
        group="This machine",
        about="The CLI's own settings file, where it is not the usual one.",
    )
    stripe_cli_key: Secret = setting(
        "STRIPE_API_KEY",
        group="This machine",
        about="The key with which the CLI is started, where it is not logged in.",
    )
    api_env_file: Text = setting(
        "RUNBOOK_API_ENV_FILE",
        group="This machine",
        about="The local API's .env file, or its folder: then Next.js' order of .env files is kept.",
    )
