"""Connections to databases that outlast one statement: a snapshot that is held, a scratch database that is filled.

`sql` asks one question of a database that must not be written to; this is for the work of a restore drill. Every error is
a status, every statement ends with the look, and a session that is not told otherwise cannot write.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status
from runbook_lib.io.http import Deadline
from runbook_lib.io.sql import as_look_error

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[dict[str, Any]]

_CONNECT_S = 5.0


class Databases:
    """Sessions of one look.

    Args:
        deadline: the look's; no statement runs past it.
        ended: set when nobody waits for the look any more; what runs is then cancelled.
    """

    def __init__(self, deadline: Deadline, ended: threading.Event) -> None:
        self.deadline, self._ended = deadline, ended

    @contextlib.contextmanager
    def session(
        self, dsn: str, *, setting: str, writes: bool = False, snapshot: str | None = ""
    ) -> Iterator["Connection"]:
        """A session whose rows are dicts, closed at the end of the block; times, floats and names are told in one fixed way.

        Args:
            dsn: the connection's URL. setting: the variable that holds it, for the error.
            writes: whether it may write; it is then in autocommit.
            snapshot: None: no transaction, each statement sees its own moment; "": one transaction that sees one moment;
                the name of an exported snapshot: one that sees that moment.

        Raises LookError: as `Sql.query` does, for whatever the block itself does not catch.
        """
        import psycopg
        from psycopg.rows import dict_row

        self.deadline.check()
        connection: psycopg.Connection[dict[str, Any]] | None = None
        done = threading.Event()
        try:
            connection = psycopg.connect(
                dsn,
                connect_timeout=max(2, int(min(_CONNECT_S, self.deadline.remaining_s))),
                application_name="nexuscore-runbook",
                prepare_threshold=None,
                autocommit=writes or snapshot is None,
                row_factory=dict_row,
            )
            threading.Thread(target=self._cancel_when_ended, args=(connection, done), daemon=True).start()
            if not writes:
                connection.read_only = True
            if not writes and snapshot is not None:
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                if snapshot:
                    connection.execute(b"set transaction snapshot '" + snapshot.encode() + b"'")
            fixed = self._settings() if writes else {"default_transaction_read_only": "on", **self._settings()}
            for name, value in fixed.items():
                connection.execute("select set_config(%s, %s, false)", (name, value))
            yield connection
        except psycopg.Error as error:
            raise as_look_error(error, connected=connection is not None, setting=setting) from None
        finally:
            done.set()
            if connection is not None:
                connection.close()

    def _settings(self) -> dict[str, str]:
        """What makes two sessions write the same value in the same way, and see rows or an error, never some of the rows."""
        return {
            "statement_timeout": str(max(1, int(self.deadline.remaining_s * 1000))),
            "search_path": "pg_catalog",
            "row_security": "off",
            "TimeZone": "UTC",
            "DateStyle": "ISO, YMD",
            "IntervalStyle": "postgres",
            "extra_float_digits": "1",
            "bytea_output": "hex",
        }

    def _cancel_when_ended(self, connection: "psycopg.Connection[Any]", done: threading.Event) -> None:
        while not done.wait(0.2):
            if self._ended.is_set():
                with contextlib.suppress(Exception):
                    connection.cancel_safe(timeout=2)
                return


def variables_of(dsn: str) -> tuple[str, dict[str, str]]:
    """A connection string without its password, for a program's arguments, and the variables that hold the rest.

    Raises LookError(malformed) for what is no connection string; it is not quoted.
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.Error:
        raise LookError(Status.malformed, "the database's address is no connection string") from None
    password = parts.pop("password", None)
    parts.setdefault("connect_timeout", "5")
    shown = {name: str(value) for name, value in parts.items() if value is not None}
    return make_conninfo("", **shown), {"PGPASSWORD": str(password)} if password else {}
