"""A statement that ran into its time-out: was it slow, or did it wait for a lock? PostgREST says the same of both.

A lock on the statement's table that conflicts with it, held since before the request ended, tells; so does a session that
waits at that table now. A transaction that wrote to the table and is still open may hold the very row: then both stay
possible. Where Postgres could not be asked, only the cause that both share is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from runbook_lib.core.model import Finding, Observation, Suspect
from runbook_lib.core.records.database import DatabaseActivity, DatabaseSession, TableLock
from runbook_lib.judging.answers import record_of
from runbook_lib.procedures.failed_request.causes import CATALOGUE

STATEMENT_TIMEOUT = "request.db_failed.statement_timeout"
_LOCK = "request.db_failed.lock"
# Lock modes that keep out a read, and those that keep out a write (PostgreSQL, table 13.2).
_KEEPS_OUT_READS = frozenset({"AccessExclusiveLock"})
_KEEPS_OUT_WRITES = _KEEPS_OUT_READS | {"ShareLock", "ShareRowExclusiveLock", "ExclusiveLock"}
_WROTE = "RowExclusiveLock"
_LOOK = "the database's log with log_lock_waits on, or pg_blocking_pids while it waits; a role in pg_monitor"


def settle_timeouts(
    faults: Sequence[Finding], behind: Sequence[Observation], until: str
) -> tuple[list[Finding], list[Suspect]]:
    """The faults with each statement time-out under the code that the evidence carries, and suspects where it carries none.

    Args:
        behind: looks at the database; empty before it was asked, and then nothing changes.
        until: the end of the time in question (ISO): what began later does not count.
    """
    looks = [look for look in behind if look.source == "postgres" and look.call == "activity"]
    activity = record_of(looks[-1], DatabaseActivity) if looks else None
    kept: list[Finding] = []
    suspects: list[Suspect] = []
    for finding in faults:
        if finding.code != STATEMENT_TIMEOUT or not looks:
            kept.append(finding)
        elif activity is None:
            kept.append(CATALOGUE.finding("request.db_failed", finding.subject, _unasked(finding), finding.evidence))
        else:
            settled = _settle(finding, looks[-1], activity, until)
            kept += [each for each in settled if isinstance(each, Finding)]
            suspects += [each for each in settled if isinstance(each, Suspect)]
    return kept, suspects


def _settle(finding: Finding, look: Observation, activity: DatabaseActivity, until: str) -> list[Finding | Suspect]:
    operation, _, table = finding.subject.partition(" ")
    table, writes = (table, operation != "SELECT") if table else ("", True)
    wrong_modes = _KEEPS_OUT_WRITES if writes else _KEEPS_OUT_READS
    for lock in _locks(activity, table, until):
        if lock["mode"] in wrong_modes:
            summary = f"{finding.summary}; {_holder(lock)} holds {lock['mode']} on {lock['table']}"
            return [CATALOGUE.finding(_LOCK, finding.subject, summary, [*finding.evidence, look.id])]
    for session in _waiting(activity, table):
        summary = f"{finding.summary}; others wait for the same now: pid {session['pid']} for {session['blocked_by']}"
        return [CATALOGUE.finding(_LOCK, finding.subject, summary, [*finding.evidence, look.id])]
    if writes and (writers := [_holder(lock) for lock in _locks(activity, table, until) if lock["mode"] == _WROTE]):
        why = f"{finding.summary}; {', '.join(writers[:3])} wrote to it and has not ended"
        return [
            Suspect(_LOCK, finding.subject, why, _LOOK),
            Suspect(STATEMENT_TIMEOUT, finding.subject, "or the statement itself took too long", _LOOK),
        ]
    if not look.status.answered:
        return [CATALOGUE.finding("request.db_failed", finding.subject, _unasked(finding), [*finding.evidence, look])]
    return [replace(finding, evidence=(*finding.evidence, look.id))]


def _locks(activity: DatabaseActivity, table: str, until: str) -> Iterator[TableLock]:
    """The locks on the table (on any, where it is not known) of transactions that had begun by then."""
    for lock in activity["locks"]:
        if (not table or lock["table"] == table) and (lock["xact_start"] or "~") < until:
            yield lock


def _waiting(activity: DatabaseActivity, table: str) -> Iterator[DatabaseSession]:
    """The sessions that wait for another one with a statement that names the table."""
    for session in activity["sessions"]:
        if session["blocked_by"] and table and table in (session["query"] or ""):
            yield session


def _holder(lock: TableLock) -> str:
    return f"pid {lock['pid']} ({lock['role'] or 'unknown role'}, {lock['state'] or 'unknown state'})"


def _unasked(finding: Finding) -> str:
    return f"{finding.summary}; whether it was slow or waited for a lock could not be asked"
