"""What the sandbox's Supabase remembers beyond its database: the project's settings, keys in force and backups.

Every field is a dial for drills as well: change it, and the façades answer as the vendor would under that setting.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakSet

from psycopg import AsyncConnection


@dataclass
class SigningKey:
    """One JWT signing key. `status`: in_use, standby, previously_used or revoked; `algorithm`: HS256 or ES256."""

    id: str
    algorithm: str
    status: str
    created_at: datetime
    private_number: int | None = None
    secret: str | None = None


@dataclass
class Backup:
    """One daily backup as the Management API lists it. `status`: COMPLETED, FAILED, PENDING, REMOVED, ARCHIVED, CANCELLED."""

    id: int
    inserted_at: datetime
    status: str = "COMPLETED"
    is_physical_backup: bool = True


@dataclass
class BackupPlan:
    """The project's backups: the daily list, and point-in-time recovery with its window (unix seconds; None: no window)."""

    backups: list[Backup] = field(default_factory=list)
    pitr_enabled: bool = False
    walg_enabled: bool = True
    earliest_at: datetime | None = None
    latest_at: datetime | None = None


@dataclass
class RestSettings:
    """PostgREST's configuration. The database overrides it: `alter role authenticator set pgrst.db_schemas = …`."""

    schemas: list[str] = field(default_factory=lambda: ["public", "graphql_public"])
    extra_search_path: list[str] = field(default_factory=lambda: ["public", "extensions"])
    anonymous_role: str = "anon"
    jwt_audience: str | None = None
    max_rows: int | None = 1000
    pool_size: int = 10
    pool_wait_s: float = 10.0


@dataclass
class AuthSettings:
    """Supabase Auth's configuration."""

    token_lifetime_s: int = 3600
    minimum_password_length: int = 6
    autoconfirm: bool = True
    signup_disabled: bool = False


@dataclass
class Session:
    """One signed-in session of Auth. `refresh_token` is the newest; older ones in `spent` answer "already used"."""

    id: str
    user_id: str
    refresh_token: str
    created_at: datetime
    spent: set[str] = field(default_factory=set)


@dataclass
class SupabaseState:
    """The dials of one sandbox's Supabase project.

    `project_status` is the vendor's word (ACTIVE_HEALTHY, INACTIVE for a paused one …). `unhealthy` maps a service
    (auth, db, rest …) to what its health check says. `token_scopes` None means that the access token may do everything; else
    the scopes it has (`database:read`, `projects:read` …). `management_calls_left` None means no rate limit.
    `backup_schedule` None: the plan has none of its own; else HH:MM:SS.
    `prepared_database` is the database in which `authenticator` was given its password. `connections` are those to Postgres that
    somebody still holds.
    """

    rest: RestSettings = field(default_factory=RestSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    backups: BackupPlan | None = None
    backup_schedule: str | None = None
    signing_keys: list[SigningKey] = field(default_factory=list)
    legacy_keys_enabled: bool = True
    project_status: str = "ACTIVE_HEALTHY"
    unhealthy: dict[str, str] = field(default_factory=dict)
    token_scopes: set[str] | None = None
    management_calls_left: int | None = None
    revoked_keys: set[str] = field(default_factory=set)
    sessions: dict[str, Session] = field(default_factory=dict)
    prepared_database: str | None = None
    connections: "WeakSet[AsyncConnection]" = field(default_factory=WeakSet)

    def backup_plan(self, now: datetime) -> BackupPlan:
        """The backups as set, or, where nothing was set, seven healthy daily ones ending in the night before `now`."""
        if self.backups is None:
            last = now.replace(hour=3, minute=12, second=44, microsecond=0)
            last = last if last < now else last - timedelta(days=1)
            self.backups = BackupPlan(
                [Backup(id=1000 - age, inserted_at=last - timedelta(days=age)) for age in range(7)]
            )
        return self.backups


def stable_uuid(*parts: str) -> str:
    """A UUID that is the same for the same parts: ids of things the vendor numbers itself."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(parts)))
