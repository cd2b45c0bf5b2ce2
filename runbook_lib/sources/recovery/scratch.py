"""The scratch database: proven to be another one than the source and empty, held for one run, and emptied again.

What is restored into it is taken out at the end, whatever ended the work. A mark left first tells the remains of a run that
was killed from what somebody else keeps there: the mark is only ever made in a database that was found empty.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.io.observe import Door
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.recovery.pg_tools import SCRATCH, SOURCE

if TYPE_CHECKING:
    from runbook_lib.io.databases import Connection

Made = TypeVar("Made")

MARK = "runbook_scratch"
_HELD = 7_021_608  # the advisory lock's key: one rehearsal at a time
_THIS = "select oid from pg_database where datname = current_database()"
_STATE = """
select current_database()::text as database, current_setting('server_version_num')::int as version,
  pg_encoding_to_char(encoding) as encoding, pg_is_in_recovery() as in_recovery,
  exists (select from pg_namespace where nspname = 'runbook_scratch') as is_ours,
  has_database_privilege(current_database(), 'create') as may_create
from pg_database where datname = current_database()
"""
_HOLDS = r"""
with own as (
  select oid, nspname from pg_namespace n where nspname !~ '^pg_' and nspname <> 'information_schema'
    and not exists (select 1 from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
)
select name from (
  select 'schema ' || nspname as name, 2 as place from own where nspname <> 'public'
  union all select format('%I.%I', own.nspname, relname), 1 from pg_class c join own on own.oid = relnamespace
    where not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  union all select format('%I.%I()', own.nspname, proname), 3 from pg_proc p join own on own.oid = pronamespace
    where not exists (select 1 from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
) found order by place, 1
"""


# what a role must be for its objects, policies and grants to be restored: never one that may log in
ROLE_ATTRIBUTES = """'nologin' || case when rolsuper then ' superuser' else '' end
  || case when rolbypassrls then ' bypassrls' else '' end"""


@dataclass(frozen=True)
class Scratch:
    """The scratch database while it is held: its address, its name, server_version_num, and the roles of its server."""

    dsn: str
    database: str
    version: int
    encoding: str
    roles: frozenset[str]
    extensions: frozenset[str]


@contextlib.contextmanager
def scratch(door: Door) -> Iterator[Scratch]:
    """The scratch database of RUNBOOK_SCRATCH_DATABASE_URL, empty at the beginning and at the end of the block.

    Raises LookError(not_configured): it is not set, is the source itself, is not empty, or may not be written to; nothing was
    touched. Otherwise as `databases` does.
    """
    dsn = require_setting(door, "scratch_database_url")
    _refuse_the_source(door, dsn)
    with door.databases.session(dsn, setting=SCRATCH, writes=True) as guard:
        if not _one(guard, f"select pg_try_advisory_lock({_HELD}) as got")["got"]:
            raise _refused("another rehearsal uses the scratch database at this moment", "wait until it is over")
        state = _one(guard, _STATE)
        if state["is_ours"] and not state["in_recovery"]:
            _empty(guard)
        _must_be_empty(guard, state)
        guard.execute(f"create schema {MARK}".encode())
        try:
            yield Scratch(
                dsn,
                str(state["database"]),
                int(state["version"]),
                str(state["encoding"]),
                frozenset(str(row["rolname"]) for row in guard.execute(b"select rolname from pg_roles")),
                frozenset(str(row["name"]) for row in guard.execute(b"select name from pg_available_extensions")),
            )
        finally:
            _empty(guard)


def usable_scratch(door: Door) -> str:
    """The name of the scratch database, if it could be used; nothing is touched. Raises LookError as `scratch` does."""
    dsn = require_setting(door, "scratch_database_url")
    _refuse_the_source(door, dsn)
    with door.databases.session(dsn, setting=SCRATCH, snapshot=None) as session:
        state = _one(session, _STATE)
        if not state["is_ours"]:
            _must_be_empty(session, state)
        return str(state["database"])


def _must_be_empty(session: "Connection", state: dict[str, Any]) -> None:
    if state["in_recovery"] or not state["may_create"]:
        raise _refused("the scratch database cannot be written to by this role", "use its owner or a superuser")
    held = [row["name"] for row in session.execute(_HOLDS.encode())]
    if held:
        raise _refused(
            f"the scratch database {state['database']} is not empty: {len(held)} things are in it, first {held[0]}",
            "name an empty database; nothing is ever overwritten or removed that this runbook did not put there",
        )


def as_work(work: Callable[[], Answer[Made]]) -> Answer[Made]:
    """What work brings. Raises LookError as it does, but never one that would prove an absence: work that met something
    missing was not done, and says nothing about the backup. Work that took too long says what would give it longer."""
    try:
        return work()
    except LookError as error:
        if error.status == Status.timed_out and not error.do_next:
            error.do_next = "give it longer: run with a longer --deadline, and raise RUNBOOK_WORK_DEADLINE_S"
        if not Status(error.status).answered:
            raise
        raise LookError(Status.malformed, error.tried, where=error.where, do_next=error.do_next) from error


def check_roles(held: Scratch, wanted: Mapping[str, str]) -> None:
    """Raise LookError(not_configured) where roles are missing on the scratch server: their policies and grants would be lost.

    Args:
        wanted: the attributes of each role by its name, as `create role` takes them.
    """
    missing = sorted(wanted.keys() - held.roles)
    if missing:
        statements = " ".join(f'create role "{name}" {wanted[name]};' for name in missing)
        raise _refused(
            f"the scratch server lacks the roles {', '.join(missing)}, without which policies and grants cannot be restored",
            f"on the scratch server run: {statements}",
        )


def _refuse_the_source(door: Door, dsn: str) -> None:
    """Two addresses may name one database: a lock taken through one is then held against the other."""
    source = door.settings.database_url
    if source is None:
        return
    key = secrets.randbelow(2**62)
    sessions = door.databases
    with (
        sessions.session(source.get_secret_value(), setting=SOURCE) as one,
        sessions.session(dsn, setting=SCRATCH, snapshot=None) as other,
    ):
        _one(one, f"select pg_advisory_xact_lock({key})::text as locked")
        if not _one(other, f"select pg_try_advisory_lock({key}) as got")["got"]:
            raise _refused(
                "RUNBOOK_SCRATCH_DATABASE_URL is the source itself; nothing was touched", "name another database"
            )


def _empty(guard: "Connection") -> None:
    """Take out everything: it was empty when the mark was made. The mark goes last."""
    guard.execute(b"select set_config('statement_timeout', '0', false), set_config('lock_timeout', '20s', false)")
    for kind, catalogue, name in (
        ("event trigger", "pg_event_trigger", "evtname"),
        ("publication", "pg_publication", "pubname"),
        ("subscription", f"pg_subscription where subdbid = ({_THIS})", "subname"),
    ):  # fmt: skip
        for row in _rows(guard, f"select quote_ident({name}) as name from {catalogue}"):  # noqa: S608 (constants)
            guard.execute(f"drop {kind} {row['name']}".encode())
    guard.execute(b"select lo_unlink(oid) from pg_largeobject_metadata")
    schemas = "nspname !~ '^pg_' and nspname not in ('information_schema', 'public', 'runbook_scratch')"
    for row in _rows(guard, f"select quote_ident(nspname) as name from pg_namespace where {schemas}"):  # noqa: S608 (constants)
        guard.execute(f"drop schema if exists {row['name']} cascade".encode())
    for row in _rows(guard, "select quote_ident(extname) as name from pg_extension where extname <> 'plpgsql'"):
        guard.execute(f"drop extension if exists {row['name']} cascade".encode())
    guard.execute(b"drop schema if exists public cascade")
    guard.execute(b"create schema public authorization pg_database_owner")
    guard.execute(b"grant usage on schema public to public")
    guard.execute(f"drop schema if exists {MARK} cascade".encode())


def _one(connection: "Connection", statement: str) -> dict[str, Any]:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row


def _rows(connection: "Connection", statement: str) -> list[dict[str, Any]]:
    return connection.execute(statement.encode()).fetchall()


def _refused(why: str, do_next: str) -> LookError:
    return LookError(Status.not_configured, why, do_next=do_next)
