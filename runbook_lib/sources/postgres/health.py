"""Postgres itself, over RUNBOOK_DATABASE_URL: who is connected, who waits for whom, how it is set. Reads only."""

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_moment, need

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


def activity() -> Look:
    """Who is connected and who waits for whom: {"sessions": [{"pid", "role", "application", "state", "wait_event_type",
    "wait_event", "backend_start", "xact_start", "query_start", "state_change", "blocked_by": [pid], "query"}], "waiting": [pid],
    "blocking": [pid that blocks and waits for nobody], "locks": [{"pid", "table", "mode", "role", "state", "xact_start"}]}:
    held on tables by those that write or keep others out. Queries are cut at 300 characters; partial where some are hidden."""

    def fetch(door: Door) -> Answer:
        rows = door.sql.query(need(door, "database_url"), _ACTIVITY)
        sessions = [{key: iso_of_moment(value) for key, value in row.items()} for row in rows]
        waiting = [row["pid"] for row in sessions if row["blocked_by"]]
        blocking = sorted({pid for row in sessions for pid in row["blocked_by"]} - set(waiting))
        locks = [
            {key: iso_of_moment(value) for key, value in row.items()}
            for row in door.sql.query(need(door, "database_url"), _LOCKS)
        ]
        value: dict[str, Json] = {"sessions": sessions, "waiting": waiting, "blocking": blocking, "locks": locks}
        if any(row["query"] == "<insufficient privilege>" for row in sessions):
            return Answer(Status.partial, value, "other roles' queries are hidden from this role", _HELP)
        return Answer(Status.ok, value)

    return Look("postgres", "activity", {}, fetch)


def settings() -> Look:
    """How it is set: {"settings": {name: {"setting", "unit", "source"}}, "in_recovery", "role", "started_at", "connections"}."""

    def fetch(door: Door) -> Answer:
        dsn = need(door, "database_url")
        state = door.sql.query(dsn, _STATE)[0]
        rows = door.sql.query(dsn, _SETTINGS)
        named = {str(row["name"]): {key: row[key] for key in ("setting", "unit", "source")} for row in rows}
        return Answer(Status.ok, {"settings": named, **{key: iso_of_moment(value) for key, value in state.items()}})

    return Look("postgres", "settings", {}, fetch)


def health() -> Look:
    """Whether it answers, as whom: {"role", "in_recovery", "started_at", "connections"}."""

    def fetch(door: Door) -> Answer:
        state = door.sql.query(need(door, "database_url"), _STATE)[0]
        return Answer(Status.ok, {key: iso_of_moment(value) for key, value in state.items()})

    return Look("postgres", "health", {}, fetch)
