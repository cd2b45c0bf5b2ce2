"""SQL within one look: read-only, under the look's deadline, every error a status."""

import re
from collections.abc import Sequence
from typing import Any

from runbook_lib.errors import LookError
from runbook_lib.http import Deadline
from runbook_lib.model import Json, Status

_CONNECT_S = 5.0
_REFUSED = re.compile(
    r"authentication failed|no pg_hba\.conf entry|role .* does not exist|permission denied|not permitted", re.I
)
_SECRET = re.compile(r"(?<=://)[^/@\s]*@|\bpassword=\S+", re.I)


class Sql:
    """Queries of one look. Each runs in a transaction of its own that cannot write and ends with the look's deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline

    def query(self, dsn: str, statement: str, parameters: Sequence[Any] = ()) -> list[dict[str, Json]]:
        """The rows of one statement as dicts.

        Raises LookError: unreachable, denied, timed_out (statement_timeout is the deadline), not_found (no such table or
        function), malformed for any other error, with its SQLSTATE.
        """
        import psycopg  # here, for a run that asks no database should not pay for it
        from psycopg.rows import dict_row

        self.deadline.check()
        connection: psycopg.Connection[dict[str, Any]] | None = None
        try:
            connection = psycopg.connect(
                dsn,
                connect_timeout=max(2, int(min(_CONNECT_S, self.deadline.remaining_s))),
                application_name="nexuscore-runbook",
                prepare_threshold=None,  # a transaction pooler forgets prepared statements
                row_factory=dict_row,
            )
            connection.read_only = True
            left_ms = max(1, int(self.deadline.remaining_s * 1000))
            with connection.transaction():
                connection.execute("select set_config('statement_timeout', %s, true)", (str(left_ms),))
                return connection.execute(statement.encode(), parameters or None).fetchall()
        except psycopg.Error as error:
            raise as_look_error(
                error, connected=connection is not None
            ) from None  # its words may hold the address's password
        finally:
            if connection is not None:
                connection.close()


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
