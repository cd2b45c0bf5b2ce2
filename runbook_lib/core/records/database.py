"""A Postgres server at one moment: who is connected, who waits for whom, how it is set, whether it answers."""

from typing_extensions import TypedDict


class DatabaseSession(TypedDict):
    """One connection. Moments are None where nothing of the kind has begun; so is what Postgres hides from our role.

    `blocked_by`: the pids that it waits for. `query`: cut at 300 characters.
    """

    pid: int
    role: str
    application: str | None
    state: str | None
    wait_event_type: str | None
    wait_event: str | None
    backend_start: str | None
    xact_start: str | None
    query_start: str | None
    state_change: str | None
    blocked_by: list[int]
    query: str | None


class TableLock(TypedDict):
    """A lock on a table, held by one that writes to it or keeps others out. `mode` as Postgres names it: RowExclusiveLock."""

    pid: int
    table: str
    mode: str
    role: str | None
    state: str | None
    xact_start: str | None


class DatabaseActivity(TypedDict):
    """Who is connected and who waits for whom, as pids. `blocking`: those that block others and wait for nobody."""

    sessions: list[DatabaseSession]
    waiting: list[int]
    blocking: list[int]
    locks: list[TableLock]


class DatabaseSetting(TypedDict):
    """One setting of the server, as pg_settings tells it. `unit`: None where it has none."""

    setting: str | None
    unit: str | None
    source: str


class DatabaseServer(TypedDict):
    """That the server answers, and as whom. `started_at`: when it was started."""

    role: str
    in_recovery: bool
    started_at: str
    connections: int


class DatabaseSettings(DatabaseServer):
    """How the server is set, by the settings' names."""

    settings: dict[str, DatabaseSetting]
