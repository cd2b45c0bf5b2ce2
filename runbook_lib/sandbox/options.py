"""What a sandbox can be asked to be: the arguments of `up`, checked."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runbook_lib.core.errors import UsageError

_CHOICES = {
    "service_names": ("one", "several"),
    "trace_backend": ("tempo", "jaeger", "both", "none"),
    "semconv": ("new", "old"),
    "uninstrumented": ("nothing", "gateway", "everything"),
    "gateway_platform": ("railway", "fly"),
    "api_platform": ("vercel", "railway"),
    "webhooks": ("endpoint", "cli"),
}


@dataclass(frozen=True)
class Options:
    """How a sandbox is to be set up.

    Attributes:
        standard_ports: web, API and gateway answer on 3000, 3001 and 8000; else on free ports.
        traffic: steady background traffic.
        schema: a file loaded unchanged in place of the sandbox's own NexusCore schema; None is its own.
        service_names: "one" service.name for all parts, or "several" (nexus-web, nexus-api, nexus-gateway).
        trace_backend: which query API the runbook is pointed at; "none" points it at neither.
        semconv: "new" attribute names, or the "old" ones of before 1.24.
        uninstrumented: what runs without OpenTelemetry: no spans, no trace context passed on, no trace ids in its lines.
        gateway_platform, api_platform: where these two run; web is always on Vercel.
        webhooks: how Stripe's events come: to an "endpoint" of the dashboard, or by the real Stripe "cli", as on a developer's
            machine: then the API's own process is what the runbook is pointed at, with a .env file beside it.
        seed: makes secrets, ids, people and traffic repeatable; None makes the secrets unguessable.
        foreground: the sandbox lives no longer than the process that started it.
    """

    standard_ports: bool = False
    traffic: bool = True
    schema: str | None = None
    service_names: str = "one"
    trace_backend: str = "tempo"
    semconv: str = "new"
    uninstrumented: str = "nothing"
    gateway_platform: str = "railway"
    api_platform: str = "vercel"
    webhooks: str = "endpoint"
    seed: int | None = None
    foreground: bool = False

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise UsageError(f"{name} must be one of: {', '.join(allowed)}", came_back=repr(getattr(self, name)))
        if self.schema is not None and not Path(self.schema).is_file():
            raise UsageError("The schema file was not found", where=self.schema)

    def as_dict(self) -> dict[str, Any]:
        """For the supervisor's configuration."""
        return asdict(self)

    def is_instrumented(self, part: str) -> bool:
        """Whether a part runs with OpenTelemetry."""
        return self.uninstrumented not in (part, "everything")

    def platform_of(self, part: str) -> str:
        """Where a part runs."""
        return {"web": "vercel", "api": self.api_platform, "gateway": self.gateway_platform}[part]
