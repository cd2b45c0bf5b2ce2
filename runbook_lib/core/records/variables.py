"""Variables: what a value says about itself without being shown, and who holds which. The values stay inside the looks."""

from collections.abc import Mapping

from typing_extensions import TypedDict


class VariableFacts(TypedDict):
    """What a value says about itself.

    `kind`: the vendor's, by prefix (`stripe_secret`), `supabase_jwt`, `jwt`, `url`, `database_url`, `opaque`; `nothing` of an empty
    one. `mode`: live or test. `role`: Supabase's. `ref`: the Supabase project that a key or address names. `expires_at`,
    `issued_at`: as it says itself. `is_local`: of an address alone. `verifies`: whether a JWT's signature is
    RUNBOOK_SUPABASE_JWT_SECRET's; None where that is not set, or the signature is of another sort. `providers`: those that
    LLM_FALLBACK_CHAIN names; None of any other variable. `print`: the same for the same value within one run. `flaws`: empty,
    quoted (stray quotes or white space), placeholder, cut_off.
    """

    kind: str
    mode: str | None
    role: str | None
    ref: str | None
    expires_at: str | None
    issued_at: str | None
    is_local: bool | None
    verifies: bool | None
    providers: list[str] | None
    print: str
    flaws: list[str]


class LocalVariable(TypedDict):
    """A variable that the runbook itself was given. `place`: `.env`, `environment`, or the file that was read."""

    name: str
    place: str
    facts: VariableFacts


class PartAddress(TypedDict):
    """Where a part is said to be. `is_given`: its address was set, not taken from the default, which is this machine.

    `hosts`: the platforms that are named for it, with a token or without.
    """

    is_local: bool
    is_given: bool
    hosts: list[str]


class RunbookSettings(TypedDict):
    """What the runbook was given. `parts`: by part. `service_name`: under which spans are expected. `project_ref`: the Supabase
    project that it looks at. `trace_delay_s`: how late spans may arrive."""

    rows: list[LocalVariable]
    parts: Mapping[str, PartAddress]
    service_name: str | None
    project_ref: str | None
    trace_delay_s: float


class PlatformVariable(TypedDict):
    """A variable of a part on its platform. Only NexusCore's own and NEXT_PUBLIC_ ones are read and judged.

    `environments`: production, preview, development or the platform's own. `branch`: the one that it is narrowed to. `shared`:
    held for several projects or services. `facts`: None where the value is not given back, and `hidden` says why; else "".
    """

    name: str
    id: str
    part: str
    platform: str
    environments: list[str]
    branch: str | None
    type: str
    shared: bool
    updated_at: str | None
    created_at: str | None
    facts: VariableFacts | None
    hidden: str


class VariableName(TypedDict):
    """A variable by its name and when it was changed last."""

    name: str
    updated_at: str | None
    part: str
    platform: str


class VercelVariableName(VariableName):
    """A variable's name on Vercel. `targets`: the environments that get it, all of whose branches where `branch` is None."""

    targets: list[str]
    type: str | None
    created_at: str | None
    branch: str | None


class RailwayVariableName(VariableName):
    """A variable's name on Railway. `shared`: by all services of the environment."""

    created_at: str | None
    sealed: bool
    shared: bool


class FlySecretName(VariableName):
    """A secret's name on Fly.io, which has one environment: `targets` is always None."""

    targets: None
