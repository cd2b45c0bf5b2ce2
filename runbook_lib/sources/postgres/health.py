"""Postgres itself, over RUNBOOK_DATABASE_URL: who is connected, who waits for whom, how it is set. Reads only."""

from collections.abc import Mapping

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.database import (
    DatabaseActivity,
    DatabaseServer,
    DatabaseSession,
    DatabaseSetting,
    DatabaseSettings,
    TableLock,
)
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_moment, require_setting

_ACTIVITY = """
select pid, usename as role, application_name as application, state, wait_event_type, wait_event, backend_start, xact_start,
       query_start, state_change, pg_catalog.pg_blocking_pids(pid) as blocked_by, left(query, 300) as query
from pg_catalog.pg_stat_activity
where coalesce(backend_type, 'client backend') = 'client backend' and usename is not null
  and pid <> pg_catalog.pg_backend_pid()
order by xact_start nulls last, pid
limit 500
"""
# a lock on a relation that keeps out writers or readers, or tells of rows written and not yet committed
_LOCKS = """
select l.pid, c.relname as "table", l.mode, a.usename as role, a.state, a.xact_start
from pg_catalog.pg_locks l
join pg_catalog.pg_class c on c.oid = l.relation
join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and l.granted and c.relkind in ('r', 'p') and c.relnamespace <> 'pg_catalog'::regnamespace
  and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
  and l.mode not in ('AccessShareLock', 'RowShareLock') and l.pid <> pg_catalog.pg_backend_pid()
order by a.xact_start nulls last, l.pid
limit 500
"""
_SETTINGS = """
select name, setting, unit, source
from pg_catalog.pg_settings
where name in ('max_connections', 'superuser_reserved_connections', 'statement_timeout', 'lock_timeout', 'server_version',
               'idle_in_transaction_session_timeout', 'default_transaction_read_only', 'log_lock_waits', 'TimeZone')
"""
_STATE = """
select pg_catalog.pg_is_in_recovery() as in_recovery, current_user as role, pg_catalog.pg_postmaster_start_time() as started_at,
       (select count(*) from pg_catalog.pg_stat_activity
        where coalesce(backend_type, 'client backend') = 'client backend' and usename is not null) as connections
"""
_HELP = "the role needs pg_monitor to see other roles' queries"


def activity() -> Look[DatabaseActivity]:
    """Who is connected and who waits for whom; partial where other roles' queries are hidden from ours."""

    def fetch(door: Door) -> Answer[DatabaseActivity]:
        sessions = [_session(row) for row in door.sql.query(require_setting(door, "database_url"), _ACTIVITY)]
        waiting = [row["pid"] for row in sessions if row["blocked_by"]]
        blocking = sorted({pid for row in sessions for pid in row["blocked_by"]} - set(waiting))
        locks = [_lock(row) for row in door.sql.query(require_setting(door, "database_url"), _LOCKS)]
        value = DatabaseActivity(sessions=sessions, waiting=waiting, blocking=blocking, locks=locks)
        if any(row["query"] == "<insufficient privilege>" for row in sessions):
            return Answer(Status.partial, value, "other roles' queries are hidden from this role", _HELP)
        return Answer(Status.ok, value)

    return Look("postgres", "activity", {}, fetch)


def settings() -> Look[DatabaseSettings]:
    """How it is set."""

    def fetch(door: Door) -> Answer[DatabaseSettings]:
        dsn = require_setting(door, "database_url")
        server = _server(door.sql.query(dsn, _STATE)[0])
        by_name = {
            str(row["name"]): DatabaseSetting(setting=row["setting"], unit=row["unit"], source=row["source"])
            for row in door.sql.query(dsn, _SETTINGS)
        }
        return Answer(Status.ok, {**server, "settings": by_name})

    return Look("postgres", "settings", {}, fetch)


def health() -> Look[DatabaseServer]:
    """Whether it answers, as whom."""

    def fetch(door: Door) -> Answer[DatabaseServer]:
        return Answer(Status.ok, _server(door.sql.query(require_setting(door, "database_url"), _STATE)[0]))

    return Look("postgres", "health", {}, fetch)


def _server(row: Mapping[str, Json]) -> DatabaseServer:
    return DatabaseServer(
        role=row["role"],
        in_recovery=row["in_recovery"],
        started_at=iso_of_moment(row["started_at"]),
        connections=row["connections"],
    )


def _session(row: Mapping[str, Json]) -> DatabaseSession:
    return DatabaseSession(
        pid=row["pid"],
        role=row["role"],
        application=row["application"],
        state=row["state"],
        wait_event_type=row["wait_event_type"],
        wait_event=row["wait_event"],
        backend_start=iso_of_moment(row["backend_start"]),
        xact_start=iso_of_moment(row["xact_start"]),
        query_start=iso_of_moment(row["query_start"]),
        state_change=iso_of_moment(row["state_change"]),
        blocked_by=row["blocked_by"],
        query=row["query"],
    )


def _lock(row: Mapping[str, Json]) -> TableLock:
    return TableLock(
        pid=row["pid"],
        table=row["table"],
        mode=row["mode"],
        role=row["role"],
        state=row["state"],
        xact_start=iso_of_moment(row["xact_start"]),
    )
