"""The trace backend: Tempo or Jaeger."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, Url, setting


class Traces(BaseModel):
    """The trace backend: Tempo or Jaeger."""

    tempo_url: Url = setting(
        "RUNBOOK_TEMPO_URL", group="Traces", about="Tempo, or a Grafana data source proxy in front of it."
    )
    tempo_token: Secret = setting(
        "RUNBOOK_TEMPO_TOKEN",
        group="Traces",
        about="Bearer token; with RUNBOOK_TEMPO_USER the password of basic auth. Needs: read traces.",
    )
    tempo_user: Text = setting("RUNBOOK_TEMPO_USER", group="Traces", about="User of basic auth (Grafana Cloud).")
    tempo_tenant: Text = setting("RUNBOOK_TEMPO_TENANT", group="Traces", about="X-Scope-OrgID of a multi-tenant Tempo.")
    jaeger_url: Url = setting("RUNBOOK_JAEGER_URL", group="Traces", about="Jaeger's query service, with its base path.")
    jaeger_token: Secret = setting(
        "RUNBOOK_JAEGER_TOKEN", group="Traces", about="Bearer token, where a proxy wants one."
    )
    trace_delay_s: float = setting(
        "RUNBOOK_TRACE_DELAY_S", default=30.0, group="Traces", about="Seconds from a request to its spans being found."
    )
    trace_retention_h: float = setting(
        "RUNBOOK_TRACE_RETENTION_H", default=336.0, group="Traces", about="Hours the trace backend keeps spans."
    )
