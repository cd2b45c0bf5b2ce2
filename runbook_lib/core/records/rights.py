"""Who may do what: what protects schema public, what one user meets there, and what a stranger may do with every table."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class ProtectedTable(TypedDict):
    """A table of schema public, or a view. `kind`: r table, p partitioned, v view, m materialized view, f foreign table.

    `invoker`: a view that asks with the reader's own rights. `grants`: each API role's commands on the table; `column_grants`:
    those on some column of it at least. Both are None where the server has none of the API's roles.
    """

    name: str
    kind: str
    rls: bool
    forced: bool
    owner: str
    grants: dict[str, list[str]] | None
    column_grants: dict[str, list[str]] | None
    columns: list[str]
    invoker: bool


class TablePolicy(TypedDict):
    """A policy. `applies_to`: which of the API's roles it is meant for. `using`, `check`: None where it has no such clause.

    `refs`: tables that it looks into. `helpers`: functions that it calls, and those that they call, as "schema.name".
    """

    table: str
    name: str
    permissive: bool
    command: str
    roles: list[str]
    applies_to: list[str]
    using: str | None
    check: str | None
    refs: list[str]
    helpers: list[str]


class PolicyFunction(TypedDict):
    """A function that a policy calls; `body`: its whole definition, cut at 4,000 characters."""

    name: str
    security_definer: bool
    body: str


class ApiRole(TypedDict):
    """A role of the API. `bypass`, `super`: no policy binds it. `schema`: it may use schema public."""

    name: str
    bypass: bool
    super: bool
    schema: bool


class RightsCatalogue(TypedDict):
    """What protects schema public. `version`: server_version_num. `functions`: those that policies call."""

    version: int
    tables: list[ProtectedTable]
    policies: list[TablePolicy]
    functions: list[PolicyFunction]
    roles: list[ApiRole]


class SchemaFileFound(TypedDict):
    """The repository's schema file is there, and only the scratch server to load it on is lacking."""

    has_file: bool


class Membership(TypedDict):
    """That a user belongs to an organization, as what."""

    org: str
    role: str


class AppUser(TypedDict):
    """A user, seen past RLS. `profile`: whether profiles has a row of theirs. `invited`: organizations they have not yet joined."""

    id: str
    deleted: bool
    profile: bool
    memberships: list[Membership]
    invited: list[str]


class NamedOrganization(TypedDict):
    """An organization by its id and its name."""

    id: str
    name: str


class Refused(TypedDict):
    """What Postgres says to a command: its SQLSTATE and words, both empty where it lets it pass."""

    sqlstate: str
    message: str


class KeyColumn(TypedDict):
    """The column that a row's id is compared with, and its type."""

    column: str
    type: str


class JudgedTerm(TypedDict):
    """A term of a policy for one row: None where it cannot be evaluated; `open`: it rests on a column whose value nobody knows."""

    term: str
    result: bool | None
    open: bool


class JudgedPolicy(TypedDict):
    """What one clause of a policy says of a row. `use`: the command that was asked about, or select for reading.

    `result`: None where it cannot be evaluated, for the reason in `sqlstate` and `message`. `now`: with today's claims of Auth.
    """

    name: str
    permissive: bool
    command: str
    use: str
    clause: Literal["using", "check"]
    result: bool | None
    now: bool | None
    sqlstate: str
    message: str
    terms: list[JudgedTerm]


class QueryAsUser(TypedDict):
    """A query as the user, in a transaction that is rolled back: counts and judgements, and no row's content.

    `subject`: None where the claims name nobody. `past_rls`: rows that are meant, up to 200; None where our own role is under RLS.
    `visible`, `hidden`: of those; None where the read is refused (`hidden` of a view too). `row_org`: of the row that was judged,
    None where it has none. `statement`: of the command as the user; a write is planned only. `id_refused`: why the id that was
    given is not even of the key's type, else empty. `judged`: in words, which row the policies were asked about; None where none.
    """

    role: str
    subject: str | None
    claims_from: Literal["token", "auth"]
    sees_past_rls: bool
    past_rls: int | None
    visible: int | None
    hidden: int | None
    orgs: list[str]
    row_org: str | None
    statement: Refused
    key: KeyColumn
    id_refused: str
    judged: str | None
    policies: list[JudgedPolicy]
    role_refused: NotRequired[bool]  # only where Postgres knows no such role, or the API may not take it


class StrangersCommand(TypedDict):
    """A command on a table as a role, by somebody who belongs to nothing. An empty `sqlstate`: Postgres lets it pass, whatever rows
    it then meets."""

    name: str
    role: str
    command: str
    sqlstate: str
    message: str


class StrangersRows(TypedDict):
    """How many rows of a sample (at most 20) of a table a role sees."""

    name: str
    role: str
    sampled: int
    visible: int


class PolicyInAbstract(TypedDict):
    """What the planner makes of a clause of a policy. `looks_at`: nothing (it never refuses), session, row, or unknown.

    `true_for`: the roles for which it was true of all that it could be asked about; `sampled`: real rows among that.
    """

    table: str
    name: str
    clause: Literal["using", "check"]
    looks_at: Literal["nothing", "session", "row", "unknown"]
    true_for: list[str]
    sampled: int


class StrangersReach(TypedDict):
    """What a signed-in stranger, and what nobody at all may do with each table."""

    tables: list[StrangersCommand]
    rows: list[StrangersRows]
    policies: list[PolicyInAbstract]


class RoleAbilities(TypedDict):
    """Whether our role can do what 03 needs of it."""

    reads_users: bool
    becomes_user: bool
    bypasses_rls: bool


class TokenSignature(TypedDict, total=False):
    """Each verifier's word on a token's signature; only those that its algorithm lets judge are there.

    `secret_is_projects`: whether the legacy secret opens the project's anon key; None where that key is of the newer kind.
    """

    legacy_secret: Literal["valid", "invalid", "not_checked"]
    secret_is_projects: bool | None
    jwks: Literal["valid", "invalid", "unknown_key", "not_checked"]
    algorithm: Literal["invalid"]


class TokenJudgement(TypedDict):
    """What a user's token is; neither it nor its signature is here.

    `kind`: user, anon, service_role, publishable, secret, or other (no JWT). `expired`, `not_yet`: by this machine's clock, 30 s
    allowed. `aud_ok`, `iss_ok`, `project_ok`: None where it cannot be told. `claims`: their names. `apikey_role`: of the key that
    was sent beside it, None without one.
    """

    kind: str
    role: str | None
    sub: str | None
    expires_at: str | None
    expired: bool
    not_yet: bool
    aud_ok: bool | None
    project_ok: bool | None
    iss_ok: bool | None
    is_anonymous: bool
    algorithm: str | None
    claims: list[str]
    signature: TokenSignature
    apikey_role: str | None


class RestRead(TypedDict):
    """What PostgREST answers a read with. `code`: its own or Postgres', empty where it answered with rows. `count`: up to 200, None
    where it refused."""

    status_code: int
    code: str
    message: str
    count: int | None


_Speaker = TypedDict("_Speaker", {"as": Literal["user", "anon"]})  # a word that no class body takes as a name


class RestReadAsUser(RestRead, _Speaker):
    """The read with the user's token (`as` user) or as anybody who has the anon key."""


class RestReadPastRls(RestRead):
    """The read as service_role. `row_org`: the rows' organization, where all are of one."""

    row_org: str | None


class CountedRows(TypedDict):
    """How many of the rows that are meant are there, up to 200. `row_org`: their organization, where all are of one.

    `id_refused`: Postgres' words where the id is not of the column's type, and `count` is None; else empty.
    """

    count: int | None
    row_org: str | None
    id_refused: str


class OfferedTable(TypedDict):
    """What PostgREST answers a read of a table with, as service_role. `code`: its own or Postgres', empty where it answered with
    rows."""

    table: str
    status_code: int
    code: str
    message: str


class RefusedRequest(TypedDict):
    """A request to PostgREST that was refused, with its HTTP status."""

    at: str | None
    path: str
    status: int
