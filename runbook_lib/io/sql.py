"""SQL within one look: read-only, under the look's deadline, every error a status.

One thing is not read-only, and cannot reach what is examined: a database of our own on a scratch server, made, filled and
dropped within the look. What Postgres makes of a schema file can only be seen where Postgres has read it.
"""

import contextlib
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Json, Status
from runbook_lib.core.permissions import NotPermittedError
from runbook_lib.io.http import Deadline
from runbook_lib.io.room import VALUE_BYTES, Share

_CONNECT_S = 5.0
# What a look may say: nothing that ends its transaction, or makes another one of it. `stream` sends each statement by the extended
# protocol, in which the server itself refuses a second one in the same message, however it is hidden.
_READS = re.compile(r"[\s(]*(?:select|with|values|table|explain|show)\b", re.I)
_RESETS = re.compile(r"\s*reset\s+role\s*;?\s*", re.I)
_REFUSED = re.compile(
    r"authentication failed|no pg_hba\.conf entry|role .* does not exist|permission denied|not permitted", re.I
)
T = TypeVar("T")
_SECRET = re.compile(r"(?<=://)[^/@\s]*@|\bpassword=\S+", re.I)


class Sql:
    """Queries of one look. Each runs in a transaction of its own that cannot write and ends with the look's deadline."""

    def __init__(self, deadline: Deadline, share: Share | None = None) -> None:
        self.deadline = deadline
        self._share = share or Share()

    def query(self, dsn: str, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Json]]:
        """The rows of one statement as dicts.

        Raises LookError: unreachable, denied, timed_out (statement_timeout is the deadline), not_found (no such table or
        function), malformed for any other error, with its SQLSTATE.
        """
        return self.run_rolled_back(dsn, lambda session: session.rows(statement, parameters))

    def run_rolled_back(self, dsn: str, work: Callable[["SqlSession"], T]) -> T:
        """What `work` finds in one transaction that sees one moment, cannot write, and is rolled back whatever happens.

        Raises LookError as `query` does, for what `work` does not catch itself.
        """
        import psycopg  # here, for a run that asks no database should not pay for it

        self.deadline.check()
        connection: psycopg.Connection[dict[str, Any]] | None = None
        try:
            connection = self._connect(dsn)
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with connection.transaction(force_rollback=True):
                self._bound(connection)
                return work(SqlSession(connection, self._share))
        except psycopg.Error as error:
            raise as_look_error(
                error, connected=connection is not None
            ) from None  # its words may hold the address's password
        finally:
            if connection is not None:
                connection.close()

    def run_in_scratch(self, dsn: str, scripts: Mapping[str, str], work: Callable[["SqlSession"], T]) -> T:
        """What `work` finds after `scripts` ran, in order, in a new database on a scratch server; nothing of it stays.

        The scripts run in one transaction that is rolled back, so that not even a role remains, and the database is dropped.

        Args:
            dsn: a role on the scratch server that may create databases and roles.
            scripts: each one's text by its name, which stands in the error of one that is refused.

        Raises:
            LookError: as `query` does; malformed, with SQLSTATE and line, where Postgres refuses a script.
        """
        import psycopg
        from psycopg.conninfo import make_conninfo
        from psycopg.sql import SQL, Identifier

        self.deadline.check()
        name = f"runbook_scratch_{uuid.uuid4().hex[:12]}"
        keeper: psycopg.Connection[dict[str, Any]] | None = None
        try:
            keeper = self._connect(dsn)
            keeper.autocommit = True
            try:
                keeper.execute(SQL("create database {} template template0").format(Identifier(name)))
            except psycopg.errors.InsufficientPrivilege:
                help_text = (
                    "the role of RUNBOOK_SCRATCH_DATABASE_URL must be allowed to make databases: alter role … createdb"
                )
                raise LookError(Status.denied, "it may not make a database", do_next=help_text) from None
            try:
                connection = self._connect(make_conninfo(dsn, dbname=name))
                try:
                    self._bound(connection)
                    for script_name, script in scripts.items():
                        _run_script(connection, script_name, script)
                    return work(SqlSession(connection, self._share))
                finally:
                    with contextlib.suppress(psycopg.Error):
                        connection.rollback()
                    connection.close()
            finally:
                keeper.execute(SQL("drop database if exists {} with (force)").format(Identifier(name)))
        except psycopg.Error as error:
            raise as_look_error(error, connected=keeper is not None, setting="RUNBOOK_SCRATCH_DATABASE_URL") from None
        finally:
            if keeper is not None:
                keeper.close()

    def _connect(self, dsn: str) -> Any:
        import psycopg
        from psycopg.rows import dict_row

        return psycopg.connect(
            dsn,
            connect_timeout=max(2, int(min(_CONNECT_S, self.deadline.remaining_s))),
            application_name="nexuscore-runbook",
            prepare_threshold=None,  # a transaction pooler forgets prepared statements
            row_factory=dict_row,
        )

    def _bound(self, connection: Any) -> None:
        """Let no statement of this transaction outlive the look."""
        left_ms = max(1, int(self.deadline.remaining_s * 1000))
        connection.execute("select set_config('statement_timeout', %s, true)", (str(left_ms),))


class SqlSession:
    """Statements of one read-only transaction that will be rolled back."""

    def __init__(self, connection: Any, share: Share) -> None:
        self._connection, self._share = connection, share

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Json]]:
        """The rows of a statement; empty where it returns none.

        Rows come one by one and are counted, for a result without end would be held whole before its first row is seen.

        Raises psycopg.Error, and the transaction is lost; LookError(malformed) for more rows than the run has room for;
        NotPermittedError, before anything is sent, for a statement that does not begin as one that reads.
        """
        if _RESETS.fullmatch(statement):
            self._connection.execute(b"reset role")
            return []
        if not _READS.match(statement):
            raise NotPermittedError(
                "A look asks a database by statements that read; this one was not sent",
                where=statement[:200],
                came_back="it begins with none of select, with, values, table, explain, show",
                do_next="This is a bug of the source.",
            )
        found: list[dict[str, Json]] = []
        cursor = self._connection.cursor()
        with contextlib.closing(cursor.stream(statement.encode(), parameters or None)) as rows:
            for row in rows:
                self._share.take(2 * _size_of(row))
                found.append(row)
        return found

    def attempt(self, statement: str, parameters: Sequence[Any] = ()) -> tuple[list[dict[str, Json]], str, str]:
        """(rows, "", ""), or ([], SQLSTATE, the database's words) where it refuses; the transaction goes on."""
        import psycopg

        try:
            with self._connection.transaction():
                return self.rows(statement, parameters), "", ""
        except psycopg.Error as error:
            if not error.sqlstate or error.sqlstate in ("57014", "57P01"):
                raise
            return [], error.sqlstate, " ".join(str(error.diag.message_primary or error).split())[:300]


def _size_of(row: Mapping[str, Any]) -> int:
    """About how many bytes a row takes: each value's own, and its texts."""
    texts = sum(len(value) for value in row.values() if isinstance(value, str | bytes))
    nested = sum(len(repr(value)) * 4 for value in row.values() if isinstance(value, dict | list))
    return VALUE_BYTES * len(row) + texts + nested


def _run_script(connection: Any, name: str, script: str) -> None:
    """Run a file of statements. Raises LookError(malformed) with the line at which Postgres refuses it."""
    import psycopg

    try:
        connection.execute(script.encode())
    except psycopg.Error as error:
        if not error.sqlstate or error.sqlstate in ("57014", "57P01"):
            raise
        position = str(error.diag.statement_position or "")
        line = f", line {script.count(chr(10), 0, int(position)) + 1}" if position.isdigit() else ""
        words = " ".join(str(error.diag.message_primary or error).split())[:300]
        raise LookError(
            Status.malformed, f"Postgres refuses {name}: SQLSTATE {error.sqlstate}{line}: {words}"
        ) from None


def as_look_error(error: Any, *, connected: bool, setting: str = "RUNBOOK_DATABASE_URL") -> LookError:
    """The status of a psycopg error, with the database's own words and SQLSTATE; `setting` is where its address stands."""
    state = error.sqlstate or ""
    words = _SECRET.sub("", " ".join(str(error).split()))[:300]
    why = f"SQLSTATE {state}: {words}" if state else words
    if state in ("28000", "28P01", "42501") or (not connected and _REFUSED.search(words)):
        return LookError(Status.denied, why, do_next=f"the role of {setting} must be allowed to do this")
    if not connected or state[:2] == "08" or state in ("57P01", "57P02", "57P03"):
        return LookError(Status.unreachable, why, do_next=f"check {setting}, and the pooler in front of the database")
    if state == "57014":
        return LookError(Status.timed_out, why, do_next="something holds the database up: look at its locks")
    if state in ("42P01", "42883", "3F000"):
        return LookError(Status.not_found, why)
    return LookError(Status.malformed, why)
