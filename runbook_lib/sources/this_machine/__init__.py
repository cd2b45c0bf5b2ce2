"""Looks at this machine: processes, ports, files, the gateway's own address."""

from runbook_lib.core.permissions import Request, permit
from runbook_lib.sources.kit.permitted import VALUES_OF_VARIABLES, get

permit("environment", *VALUES_OF_VARIABLES)
permit("host", *get("/v1/account"), *VALUES_OF_VARIABLES, programs=("setting:stripe_cli",))
permit("parts", *get("/", "/api/health", "/health", "/openapi.json", "/{path*}"))
permit(
    "webhook",
    *get("/api/health", "/api/stripe/webhook", "/v1/account"),
    Request(
        "POST",
        "/api/stripe/webhook",
        reads_by_post="unsigned, which the route refuses; signed with --active",
    ),
    *VALUES_OF_VARIABLES,
    programs=("setting:stripe_cli",),
)
permit("gateway_image", *get("{path*}"), programs=("docker",))  # the container that it has started itself
