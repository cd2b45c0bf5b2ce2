"""NexusCore itself: where its parts answer, and what they are told."""

from pydantic import BaseModel

from runbook_lib.settings.field import Text, Url, setting


class NexusCore(BaseModel):
    """NexusCore itself: where its parts answer, and what they are told."""

    web_url: Url = setting(
        "RUNBOOK_WEB_URL",
        default="http://localhost:3000",
        group="NexusCore",
        about="The web app, as a user reaches it.",
    )
    api_url: Url = setting("RUNBOOK_API_URL", default="http://localhost:3001", group="NexusCore", about="The API.")
    gateway_url: Url = setting(
        "RUNBOOK_GATEWAY_URL", default="http://localhost:8000", group="NexusCore", about="The LLM gateway."
    )
    fallback_chain: Text = setting(
        "LLM_FALLBACK_CHAIN", group="NexusCore", about="The gateway's order: provider/model, provider/model …"
    )
    otel_service_name: Text = setting(
        "OTEL_SERVICE_NAME",
        default="nexuscore",
        group="NexusCore",
        about="The service.name of the spans, where all parts share one.",
    )
    otel_endpoint: Url = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", group="NexusCore", about="Where the parts send their spans."
    )
    look_deadline_s: float | None = setting(
        "RUNBOOK_LOOK_DEADLINE_S",
        group="NexusCore",
        about="Seconds that no look may take longer than; by default each look's own deadline, 5 to 60.",
    )
