"""What the vendors that hold variables and take keys answer in good health; the keys are made up."""

from datetime import UTC, datetime

from support.loopback import Reply

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Status

AT_MS = 1_764_000_000_000
REF = "abcdefghijklmnopqrst"
LETTERS = "AbCdEfGhJkLmNpQrStUvWxYz23456789"
CANARY = f"sk-proj-canary{LETTERS}{LETTERS}"
OPAQUE = (
    "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"  # Together's keys have no shape to redact by
)
VERCEL_ENVS = [
    {"id": "e1", "key": "OPENAI_API_KEY", "type": "encrypted", "target": ["production"],
     "value": "sealed-by-vercel", "updatedAt": AT_MS, "createdAt": AT_MS},
    {"id": "e2", "key": "STRIPE_SECRET_KEY", "type": "sensitive",
     "target": ["production", "preview"], "updatedAt": AT_MS, "createdAt": AT_MS},
    {"id": "e3", "key": "NEXT_PUBLIC_SUPABASE_URL", "type": "plain", "target": "production", "value": f"https://{REF}.supabase.co"},
    {"id": "e4", "key": "INTERNAL_THING", "type": "encrypted", "target": ["preview"], "gitBranch": "wip"},
]  # fmt: skip
VERCEL = {
    "/v10/projects/prj_web/env": {"envs": VERCEL_ENVS},
    "/v1/env": {"data": [{"id": "s1", "key": "OTEL_SERVICE_NAME", "type": "encrypted", "target": ["production"]}],
                "pagination": {"count": 1, "next": None, "prev": None}},
    "/v1/projects/prj_web/env/e1": {"id": "e1", "key": "OPENAI_API_KEY", "type": "encrypted", "value": CANARY, "decrypted": True},
    "/v9/projects/prj_web": {"id": "prj_web", "name": "web",
                             "targets": {"production": {"id": "dpl_1", "createdAt": AT_MS, "readyState": "READY"}}},
    "/v9/projects/prj_api": {"id": "prj_api", "name": "api", "targets": {}},
    "/v10/projects": {"projects": [{"id": "prj_web", "name": "web", "targets": {}}], "pagination": {}},
    "/v2/user": {"user": {"username": "oncall"}},
    "/v5/user/tokens/current": {"token": {"expiresAt": AT_MS}},
}  # fmt: skip
RAILWAY = {
    "VariableNames": {"environment": {"variables": {"edges": [
        {"node": {"name": "TOGETHER_API_KEY", "serviceId": "svc-gateway", "updatedAt": "2026-11-01T00:00:00Z"}},
        {"node": {"name": "OPENAI_API_KEY", "serviceId": "svc-gateway", "updatedAt": None, "isSealed": True}},
        {"node": {"name": "OTHERS", "serviceId": "svc-else", "isSealed": False}},
    ], "pageInfo": {"hasNextPage": False, "endCursor": None}}}},
    "Values": {"variables": {"TOGETHER_API_KEY": OPAQUE, "RAILWAY_SERVICE_ID": "svc-gateway", "PORT": "8000"}},
    "Services": {"environment": {"serviceInstances": {"edges": [
        {"node": {"serviceId": "svc-api", "serviceName": "nexuscore-api", "activeDeployments": [
            {"id": "dep", "createdAt": to_iso(datetime.now(UTC)), "status": "SUCCESS", "url": None}]}}]}}},
    "Token": {"projectToken": {"name": "runbook", "projectId": "proj-1", "environmentId": "env-1"}},
}  # fmt: skip
FLY = {
    "/v1/apps/nexus-gateway/secrets": {
        "secrets": [{"name": "OPENAI_API_KEY", "digest": "d", "updated_at": "2026-11-01T00:00:00Z"}]
    },
    "/v1/apps/nexus-gateway/machines": [{"id": "m", "state": "started",
                                         "config": {"env": {"OTEL_SERVICE_NAME": "nexuscore", "PORT": "8000"}}}],
    "/v1/apps/nexus-gateway": {"name": "nexus-gateway", "status": "deployed"},
}  # fmt: skip
# what a vendor may answer instead, and the status that a look then has
BAD = [
    (Reply(401, {"error": {"message": "no"}}), Status.denied), (Reply(403, {"error": {"message": "no"}}), Status.denied),
    (Reply(429, {}, {"Retry-After": "600"}), Status.rate_limited), (Reply(200, "<!doctype html>"), Status.malformed),
    (Reply(200, '{"a": '), Status.malformed), (Reply(200, "[[]]"), Status.malformed), (Reply(500, "oops"), Status.malformed),
]  # fmt: skip
