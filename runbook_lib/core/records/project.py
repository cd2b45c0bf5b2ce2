"""A Supabase project: how it is, its keys, the migrations that were applied, and what its own tables record."""

from typing_extensions import TypedDict


class ProjectService(TypedDict):
    """One of a project's services as Supabase sees it; `error`: None where it tells of none."""

    name: str
    status: str
    error: str | None


class ProjectHealth(TypedDict):
    """A project as Supabase sees it. `status` INACTIVE: it is paused, and `services` is empty. `version`: of Postgres."""

    name: str | None
    status: str
    region: str | None
    version: str | None
    services: list[ProjectService]


class ProjectKey(TypedDict):
    """What a key says about itself, without its value, unverified.

    `kind`: jwt (the legacy anon and service-role keys), publishable, secret, or unknown. `ref`: of the project it was made for.
    """

    kind: str
    role: str | None
    ref: str | None
    expires_at: str | None


class ProjectAnswers(TypedDict):
    """Which HTTP status REST and Auth answer the anon key with, and what the keys are: None where a key is not set."""

    rest: int | None
    auth: int | None
    anon_key: ProjectKey | None
    service_role_key: ProjectKey | None


class Migration(TypedDict):
    """A migration that was applied. `at`: from its version, None where that is no time. `what`: in words."""

    version: str
    name: str | None
    at: str | None
    what: str
    platform: str


class RecordedUsage(TypedDict):
    """What an organization used in a window, by the application's own records. `first_at`, `last_at`: None without a record.

    `without_tokens`, `without_requests`: how many records lack the figure.
    """

    tokens: int
    requests: int
    records: int
    without_tokens: int
    without_requests: int
    first_at: str | None
    last_at: str | None


class BillingCustomer(TypedDict):
    """An organization's row of billing_customers."""

    org_id: str
    stripe_customer_id: str | None
    plan: str | None
    status: str | None
    current_period_end: str | None
