"""What the sandbox's façades share: secrets, ids, deployments, variables, requests, logs of one NexusCore.

A World lives in the supervisor's memory and is touched by its one event loop only. Façades read it and answer
in their vendor's wire format; edges and parts feed it with what really happened.
"""

import base64
import hashlib
import random
import secrets
import string
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import jwt

from runbook_lib.sandbox.facades.providers.provider_state import ProviderState, make_providers

T = TypeVar("T")


@dataclass
class Keys:
    """Every secret of this sandbox, with the shapes the vendors give theirs."""

    supabase_jwt_secret: str
    supabase_anon: str
    supabase_service_role: str
    supabase_publishable: str
    supabase_secret: str
    supabase_access_token: str
    stripe_secret: str
    stripe_restricted: str
    stripe_publishable: str
    stripe_webhook_secret: str
    openai: str
    anthropic: str
    together: str
    vercel_token: str
    railway_token: str
    railway_project_token: str
    fly_token: str
    cron_secret: str

    @property
    def github_token(self) -> str:
        """A fine-grained token of GitHub's that may read the repository."""
        digest = hashlib.sha512(self.vercel_token.encode()).hexdigest()
        return f"github_pat_11{digest[:20].upper()}_{digest[20:79]}"


@dataclass
class Ids:
    """Names and ids of this sandbox's accounts, in the vendors' shapes."""

    supabase_ref: str
    vercel_team: str
    vercel_web_project: str
    vercel_api_project: str
    railway_project: str
    railway_environment: str
    railway_api_service: str
    railway_gateway_service: str
    fly_org: str
    fly_gateway_app: str
    stripe_account: str


@dataclass
class Deployment:
    """One deployment of a part on a platform. `state` is in the platform's own words (READY, SUCCESS, …).

    `build_log`, `failed_step` and `instances`: what the platform tells of these where its usual words would not do.
    """

    platform: str
    part: str
    id: str
    created_at: datetime
    state: str
    commit_sha: str
    branch: str
    message: str
    url: str
    variables: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    build_log: list[str] | None = None
    failed_step: str | None = None
    instances: list[str] | None = None


@dataclass
class Variable:
    """A variable as a platform holds it."""

    platform: str
    part: str
    key: str
    value: str
    targets: tuple[str, ...]
    updated_at: datetime
    kind: str = "encrypted"


@dataclass
class RequestRow:
    """One request as a platform's edge saw it.

    `status` -1: the function died without a reply. `trace_id` None: it carried no trace context.
    """

    platform: str
    part: str
    request_id: str
    at: datetime
    method: str
    path: str
    host: str
    status: int
    duration_ms: float
    trace_id: str | None
    error: str | None
    deployment_id: str
    region: str
    user_agent: str = ""
    count: int = 1  # of condensed history: how many like requests this one stands for


@dataclass
class LogLine:
    """One line a part wrote, or the platform wrote about it."""

    platform: str
    part: str
    at: datetime
    level: str
    message: str
    request_id: str | None = None
    trace_id: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    deployment_id: str = ""
    instance: str = ""


@dataclass
class World:
    """One sandbox's shared state: `endpoints` maps parts to base URLs, `database` is the superuser's DSN.

    `providers` holds how openai, anthropic and together behave; `state(Kind)` is a façade's own memory.
    """

    keys: Keys
    ids: Ids
    deployments: list[Deployment] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    requests: deque[RequestRow] = field(default_factory=lambda: deque(maxlen=50_000))
    condensed: list[RequestRow] = field(default_factory=list)  # history that metrics alone count, by time
    logs: deque[LogLine] = field(default_factory=lambda: deque(maxlen=100_000))
    endpoints: dict[str, str] = field(default_factory=dict)
    database: str | None = None
    providers: dict[str, ProviderState] = field(default_factory=dict)
    states: dict[type, object] = field(default_factory=dict)

    def state(self, kind: type[T]) -> T:
        """A façade's own memory of this kind, made empty on first use."""
        if kind not in self.states:
            self.states[kind] = kind()
        return cast(T, self.states[kind])

    def now(self) -> datetime:
        """The one clock of all façades."""
        return datetime.now(UTC)

    def current_deployment(self, platform: str, part: str) -> Deployment | None:
        """The newest deployment of a part that serves, or None."""
        serving = {"READY", "SUCCESS", "started", "complete"}
        found = [d for d in self.deployments if (d.platform, d.part) == (platform, part) and d.state in serving]
        return max(found, key=lambda d: d.created_at, default=None)


def make_world(seed: int | None = None) -> World:
    """A world with fresh secrets and ids; the same ones for the same seed, unguessable without one."""
    rng: random.Random = random.Random(seed) if seed is not None else secrets.SystemRandom()
    keys = _make_keys(rng, ref := _letters(rng, 20, string.ascii_lowercase))
    providers = make_providers(keys.openai, keys.anthropic, keys.together)
    return World(keys=keys, ids=_make_ids(rng, ref), providers=providers)


def _letters(rng: random.Random, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _make_keys(rng: random.Random, ref: str) -> Keys:
    jwt_secret = _letters(rng, 40)

    def legacy(role: str) -> str:
        claims = {"iss": "supabase", "ref": ref, "role": role, "iat": 1767225600, "exp": 2082758400}
        return jwt.encode(claims, jwt_secret, algorithm="HS256")

    macaroon = base64.b64encode(rng.randbytes(48)).decode()
    return Keys(
        supabase_jwt_secret=jwt_secret,
        supabase_anon=legacy("anon"),
        supabase_service_role=legacy("service_role"),
        supabase_publishable=f"sb_publishable_{_letters(rng, 31)}",
        supabase_secret=f"sb_secret_{_letters(rng, 31)}",
        supabase_access_token=f"sbp_{rng.randbytes(20).hex()}",
        stripe_secret=f"sk_test_51{_letters(rng, 97)}",
        stripe_restricted=f"rk_test_51{_letters(rng, 97)}",
        stripe_publishable=f"pk_test_51{_letters(rng, 97)}",
        stripe_webhook_secret=f"whsec_{rng.randbytes(32).hex()}",
        openai=f"sk-proj-{_letters(rng, 64)}",
        anthropic=f"sk-ant-api03-{_letters(rng, 80)}",
        together=rng.randbytes(32).hex(),
        vercel_token=_letters(rng, 24),
        railway_token=_uuid(rng),
        railway_project_token=_uuid(rng),
        fly_token=f"FlyV1 fm2_{macaroon}",
        cron_secret=_letters(rng, 32),
    )


def _make_ids(rng: random.Random, ref: str) -> Ids:
    return Ids(
        supabase_ref=ref,
        vercel_team=f"team_{_letters(rng, 24)}",
        vercel_web_project=f"prj_{_letters(rng, 28)}",
        vercel_api_project=f"prj_{_letters(rng, 28)}",
        railway_project=_uuid(rng),
        railway_environment=_uuid(rng),
        railway_api_service=_uuid(rng),
        railway_gateway_service=_uuid(rng),
        fly_org="personal",
        fly_gateway_app=f"nexus-gateway-{_letters(rng, 4, string.ascii_lowercase)}",
        stripe_account=f"acct_1{_letters(rng, 15)}",
    )
