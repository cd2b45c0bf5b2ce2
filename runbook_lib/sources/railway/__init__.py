"""Looks at Railway."""

from runbook_lib.core.permissions import Request, permit

permit(
    "railway",
    Request(
        "POST",
        "{endpoint*}",  # the whole address of the GraphQL endpoint is a setting
        queries=(
            "BuildLogs",
            "Deployment",
            "DeploymentEvents",
            "Deployments",
            "EnvironmentLogs",
            "HttpLogs",
            "Me",
            "NotificationRules",
            "PlatformStatus",
            "RequestDurations",
            "RequestsByStatus",
            "ServiceInstance",
            "Services",
            "Token",
            "Values",
            "VariableNames",
            "Workspace",
            "Workspaces",
        ),
    ),
)
