"""The looks of 06 and 07 with what a source in good health answers to them: projects, deployments, builds, commits, machines."""

from typing import Any

from support.source_cases import AT, AT_MS, MACHINE, PAST, VERCEL_DEPLOYMENT, Case, _connection, _graphql

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Status
from runbook_lib.sources.fly import machines as fly_machines
from runbook_lib.sources.github import github
from runbook_lib.sources.railway import deployments as railway_deployments
from runbook_lib.sources.traces import tempo_deployments
from runbook_lib.sources.vercel import deployments as vercel_deployments

SHA, HEAD = "a" * 40, "b" * 40
PROJECT: dict[str, Any] = {
    "id": "prj_web", "name": "nexuscore-web", "accountId": "team_1", "rootDirectory": "apps/web", "autoAssignCustomDomains": True,
    "link": {"type": "github", "org": "nexuscore", "repo": "nexuscore", "productionBranch": "main"},
    "targets": {"production": {"id": "dpl_1", "alias": ["app.nexuscore.example"], "aliasError": None}},
    "ssoProtection": {"deploymentType": "preview"}, "lastRollbackTarget": None, "enableAffectedProjectsDeployments": True,
    "lastAliasRequest": {"fromDeploymentId": "dpl_0", "toDeploymentId": "dpl_1", "jobStatus": "succeeded", "type": "promote",
                         "requestedAt": AT_MS},
}  # fmt: skip
DETAIL = {
    **VERCEL_DEPLOYMENT, "readyStateReason": "x", "errorStep": "buildStep", "errorCode": "BUILD_FAILED", "alias": ["a.example"],
    "aliasError": None, "readySubstate": "PROMOTED", "checksState": "completed", "checksConclusion": "succeeded",
    "project": {"id": "prj_web", "name": "web"},
}  # fmt: skip
BUILD_LINE = {"type": "stderr", "created": AT_MS, "payload": {"date": AT_MS, "text": "Error: it failed"}}
WHO = {"name": "On call", "email": "oncall@nexuscore.example", "date": to_iso(AT)}
COMMIT = {"sha": HEAD, "html_url": "https://x", "commit": {"message": "m", "author": WHO, "committer": WHO}}
REPOSITORY = {
    "id": 1, "name": "nexuscore", "full_name": "nexuscore/nexuscore", "private": True, "default_branch": "main",
    "permissions": {"admin": False, "push": False, "pull": True},
}  # fmt: skip
COMPARISON = {
    "status": "ahead", "ahead_by": 1, "behind_by": 0, "total_commits": 1, "base_commit": COMMIT, "merge_base_commit": COMMIT,
    "commits": [COMMIT], "files": [{"filename": "apps/web/a.ts", "status": "modified", "changes": 1}],
}  # fmt: skip
CHECK = {
    "id": 1, "name": "lint", "head_sha": SHA, "status": "completed", "conclusion": "failure", "html_url": "https://x",
    "started_at": to_iso(AT), "completed_at": to_iso(AT), "app": {"slug": "github-actions", "name": "GitHub Actions"},
}  # fmt: skip
STATUS = {
    "context": "ci/circleci",
    "state": "error",
    "target_url": None,
    "updated_at": to_iso(AT),
    "creator": {"login": "ci"},
}
PULL = {
    "number": 7, "state": "open", "title": "t", "draft": False, "created_at": to_iso(AT), "updated_at": to_iso(AT),
    "html_url": "https://x", "head": {"ref": "tab", "sha": SHA, "repo": {"full_name": "nexuscore/nexuscore"}},
    "base": {"ref": "main", "sha": HEAD},
}  # fmt: skip
SERVICE = {
    "serviceId": "svc-gateway", "serviceName": "gateway", "rootDirectory": "apps/llm-gateway", "dockerfilePath": "Dockerfile",
    "startCommand": None, "healthcheckPath": "/", "healthcheckTimeout": 300, "numReplicas": 1, "region": "us-east4",
    "sleepApplication": False, "restartPolicyType": "ON_FAILURE", "restartPolicyMaxRetries": 10,
    "source": {"repo": "nexuscore/nexuscore", "image": None},
    "domains": {"serviceDomains": [{"domain": "gw.up.railway.app", "targetPort": 8000}], "customDomains": []},
    "latestDeployment": {"id": "dep-1", "status": "SUCCESS"},
    "activeDeployments": [{"id": "dep-1", "status": "SUCCESS", "deploymentStopped": False,
                           "instances": [{"id": "i", "status": "RUNNING"}]}],
}  # fmt: skip
RAILWAY_DETAIL = {
    "id": "dep-1", "createdAt": to_iso(AT), "status": "CRASHED", "deploymentStopped": True, "diagnosis": {"error": "out of memory"},
    "canRollback": False, "meta": {"commitHash": SHA, "branch": "main"}, "instances": [{"id": "i", "status": "CRASHED"}],
}  # fmt: skip
STEP = {
    "step": "HEALTHCHECK", "createdAt": to_iso(AT), "completedAt": None,
    "payload": {"error": "failed", "attempt": 5, "maxAttempts": 5},
}  # fmt: skip
MACHINES = [
    {
        **MACHINE,
        "config": {
            "env": {"PRIMARY_REGION": "fra", "PORT": "8000"}, "guest": {"memory_mb": 512},
            "services": [{"internal_port": 8000, "autostop": True, "autostart": True, "min_machines_running": 1}],
        },
        "events": [
            {"type": "exit", "status": "stopped", "source": "flyd", "timestamp": AT_MS,
             "request": {"exit_event": {"exit_code": 137, "oom_killed": True, "requested_stop": False}}},
        ],
    }
]  # fmt: skip
SPAN = {"spanID": "1", "startTimeUnixNano": str(AT_MS * 1_000_000), "durationNanos": "41000000"}
FOUND = {
    "traces": [
        {"traceID": "1", "startTimeUnixNano": SPAN["startTimeUnixNano"], "spanSets": [{"spans": [SPAN], "matched": 1}]}
    ]
}

DEPLOYMENT_CASES: dict[str, Case] = {
    "vercel_deployments.project": Case(lambda: vercel_deployments.project("web"), {r"/v9/projects/prj_web": PROJECT}),
    "vercel_deployments.recent": Case(
        lambda: vercel_deployments.recent("web"),
        {r"/v7/deployments": {"deployments": [VERCEL_DEPLOYMENT], "pagination": {"count": 1, "next": None, "prev": 1}}},
    ),
    "vercel_deployments.detail": Case(
        lambda: vercel_deployments.detail("dpl_1", "web"), {r"/v13/deployments/dpl_1": DETAIL}, absent=Status.not_found
    ),
    "vercel_deployments.build_log": Case(
        lambda: vercel_deployments.build_log("dpl_1", "web"),
        {r"/v3/deployments/dpl_1/events": [BUILD_LINE]},
        absent=Status.not_found,
    ),
    "github.compare": Case(
        lambda: github.compare(SHA, "main"),
        {r"/compare/": COMPARISON, r"/repos/nexuscore/nexuscore ": REPOSITORY},
    ),
    "github.checks": Case(
        lambda: github.checks(SHA),
        {r"/check-runs": {"total_count": 1, "check_runs": [CHECK]},
         r"/status": {"state": "failure", "sha": SHA, "total_count": 1, "statuses": [STATUS]}},
    ),
    "github.pulls": Case(lambda: github.pulls(), {r"/pulls": [PULL]}),
    "github.health": Case(
        lambda: github.health(),
        {r"/repos/": REPOSITORY},
    ),
    "railway_deployments.service": Case(
        lambda: railway_deployments.service("gateway"),
        {r"serviceInstance\(": _graphql(serviceInstance=SERVICE), r"variables\(": _graphql(variables={"PORT": "8000", "KEY": "s"})},
        absent=Status.malformed,
    ),
    "railway_deployments.detail": Case(
        lambda: railway_deployments.detail("dep-1", "gateway"),
        {r"deploymentEvents\(": _graphql(deploymentEvents=_connection(STEP)), r"deployment\(": _graphql(deployment=RAILWAY_DETAIL)},
        absent=Status.malformed,
    ),
    "railway_deployments.build_log": Case(
        lambda: railway_deployments.build_log("dep-1", "gateway"),
        {r"buildLogs\(": _graphql(buildLogs=[{"timestamp": to_iso(AT), "message": "ERROR: it failed", "severity": "error"}])},
        absent=Status.malformed,
    ),
    "fly_machines.machines": Case(
        lambda: fly_machines.machines(), {r"/events": MACHINES[0]["events"], r"/machines ": MACHINES}
    ),
    "fly_machines.secret_names": Case(
        lambda: fly_machines.secret_names(),
        {r"/secrets": {"secrets": [{"name": "OPENAI_API_KEY", "digest": "d", "created_at": to_iso(AT), "updated_at": to_iso(AT)}]}},
    ),
    "tempo_deployments.durations": Case(lambda: tempo_deployments.durations("dpl_1", PAST), {r"/api/search": FOUND}),
}  # fmt: skip
