"""PostgreSQL's own client programs, and what their complaints mean: pg_dump, pg_restore, psql.

What they print is read as PostgreSQL 12 to 18 write it; under LC_ALL=C their words are English.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status
from runbook_lib.core.records.restores import RestoreError
from runbook_lib.io.databases import variables_of
from runbook_lib.io.observe import Door
from runbook_lib.io.programs import ProgramResult
from runbook_lib.io.workspace import free_bytes

SOURCE, SCRATCH = "RUNBOOK_DATABASE_URL", "RUNBOOK_SCRATCH_DATABASE_URL"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
_COPIED = re.compile(r"(?:CONTEXT:\s+)?(COPY \S+, line \d+)")
_FULL = "No space left on device"
_RESTORE_SESSION = "-c synchronous_commit=off -c maintenance_work_mem=128MB -c client_min_messages=warning"
_MOST_ERRORS = 50


class Tools:
    """The client programs of a look, from RUNBOOK_PG_BIN or PATH."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._programs = door.programs

    def path(self, name: str) -> str:
        """Where a program is. Raises LookError(not_configured)."""
        return self._programs.find(name, self._door.settings.pg_bin, setting="RUNBOOK_PG_BIN")

    def version(self, name: str) -> tuple[int, str]:
        """A program's major version, and the whole of it. Raises LookError: not_configured, malformed."""
        ran = self._programs.run([self.path(name), "--version"])
        found = _VERSION.search(ran.printed)
        if ran.code or not found:
            words = first_line(ran.said or ran.printed)
            raise LookError(Status.malformed, f"{name} --version said: {words}", do_next="set RUNBOOK_PG_BIN")
        return int(found[1]), found[0].removeprefix("(PostgreSQL) ")

    def check_age(self, name: str, server_major: int) -> str:
        """The program's version. Raises LookError(not_configured) where it is older than the server: it refuses to dump it."""
        major, whole = self.version(name)
        if major < server_major:
            raise LookError(
                Status.not_configured,
                f"{name} {whole} is older than the server ({server_major}) and refuses it; nothing was written",
                do_next=f"install the client programs of PostgreSQL {server_major} or newer and set RUNBOOK_PG_BIN to "
                "their folder",
            )
        return whole

    def dump(self, dsn: str, into: Path, arguments: Sequence[str], tell: Callable[[int], None]) -> ProgramResult:
        """Dump a database into a file (custom format, uncompressed: it is read at once).

        Args:
            dsn: the database. arguments: what pg_dump is told besides.
            tell: called now and then with the bytes written so far.

        Raises LookError: denied, unreachable, not_configured (version), partial (the disk is full, or it was cut off).
        """
        shown, variables = variables_of(dsn)
        # into a file of its own opening: what is its standard output it only appends to, and then lacks the places of the data
        told = ["--format=custom", "--compress=0", f"--file={into}", "--no-password", *arguments, f"--dbname={shown}"]
        ran = self._programs.run(
            [self.path("pg_dump"), *told],
            variables=variables,
            tick=lambda: tell(into.stat().st_size if into.exists() else 0),
        )
        if ran.code:
            raise dump_error(ran, into)
        return ran

    def restore(self, dsn: str, file: Path, arguments: Sequence[str], tell: Callable[[], None]) -> "RestoreRun":
        """Restore an archive into a database, going on after errors, which are returned."""
        shown, variables = variables_of(dsn)
        command = [self.path("pg_restore"), "--no-password", *arguments, f"--dbname={shown}", str(file)]
        return read_restore(
            self._programs.run(command, variables=variables | {"PGOPTIONS": _RESTORE_SESSION}, tick=tell)
        )

    def run_sql(self, dsn: str, file: Path, tell: Callable[[], None] = lambda: None) -> "RestoreRun":
        """Run a file of SQL with psql, going on after errors, which are returned."""
        shown, variables = variables_of(dsn)
        command = [self.path("psql"), "--no-psqlrc", "--no-password", "--quiet", f"--dbname={shown}"]
        ran = self._programs.run(command, variables=variables | {"PGOPTIONS": _RESTORE_SESSION}, out_of=file, tick=tell)
        return read_psql(ran)

    def contents(self, file: Path) -> "Contents":
        """An archive's table of contents. Raises LookError(malformed) for a file that is no archive, in pg_restore's words."""
        ran = self._programs.run([self.path("pg_restore"), "--list", str(file)])
        if ran.code:
            raise LookError(Status.malformed, first_line(ran.said), where=file.name)
        return read_contents(ran.printed)

    def read_through(self, file: Path) -> str:
        """Why an archive cannot be read to its end, in pg_restore's words; empty where it can."""
        ran = self._programs.run([self.path("pg_restore"), "--file=/dev/null", str(file)])
        return first_line(ran.said) if ran.code else ""


@dataclass(frozen=True)
class Contents:
    """An archive's table of contents: when it was made (as pg_restore prints it, UTC), its entries as (kind, name), and the
    lines by which pg_restore can be told to leave some out."""

    created: str | None
    entries: tuple[tuple[str, str], ...]
    lines: tuple[str, ...]

    def names(self, kind: str) -> list[str]:
        """The names of the entries of a kind (TABLE DATA, POLICY, ACL …)."""
        return [name for entry, name in self.entries if entry == kind]

    def without_extensions(self, missing: Sequence[str]) -> str:
        """The list for `pg_restore --use-list` without these extensions and their comments."""
        return "\n".join(line for line in self.lines if not any(_is_extension(line, name) for name in missing)) + "\n"


@dataclass(frozen=True)
class RestoreRun:
    """How a restore ended. `gave_up`: why it could not go on to the end, else empty. `errors`: at most 50."""

    elapsed_s: float
    gave_up: str
    errors: list[RestoreError]
    error_count: int


_KINDS = (
    "TABLE DATA", "SEQUENCE SET", "ROW SECURITY", "FK CONSTRAINT", "CHECK CONSTRAINT", "DEFAULT ACL", "EVENT TRIGGER",
    "SEQUENCE OWNED BY", "MATERIALIZED VIEW DATA", "MATERIALIZED VIEW", "INDEX ATTACH", "TABLE ATTACH", "FOREIGN TABLE",
)  # fmt: skip


def read_contents(listing: str) -> Contents:
    """What `pg_restore --list` printed."""
    created, entries, lines = None, [], []
    for line in listing.splitlines():
        if line.startswith(";"):
            if "Archive created at" in line:
                created = line.partition("created at ")[2].strip().removesuffix(" UTC").strip() or None
            continue
        if not line.strip():
            continue
        lines.append(line)
        words = line.split(" ", 3)[-1]
        kind = next((known for known in _KINDS if words.startswith(f"{known} ")), words.split(" ", 1)[0])
        rest = words.removeprefix(kind).lstrip().rsplit(" ", 1)[0]  # without the owner, which an extension has none of
        schema, _, name = rest.partition(" ")
        entries.append((kind, name if schema == "-" else f"{schema}.{name}"))
    return Contents(created, tuple(entries), tuple(lines))


def _is_extension(line: str, name: str) -> bool:
    return f" EXTENSION - {name} " in f"{line} " or f" COMMENT - EXTENSION {name}" in line


def read_restore(ran: ProgramResult) -> RestoreRun:
    """What pg_restore's words mean: the errors it went on after, or why it gave up."""
    errors: list[RestoreError] = []
    about, fatal = "", ""
    lines = ran.said.splitlines()
    for line in lines:
        if line.startswith("pg_restore: from TOC entry"):
            about = line.partition("; ")[2].split(" ", 2)[-1]
        elif line.startswith("pg_restore: error: could not execute query: ") or " COPY failed for table " in line:
            errors.append({"about": about, "message": _bare(line)})
        elif line.startswith(("pg_restore: error: ", "pg_restore: fatal: ")):
            fatal = fatal or _bare(line)
        elif errors and (row := _COPIED.match(line)):  # what follows is the row itself, which is nobody's business here
            errors[-1]["message"] += f"; {row[1]}"
    ended = any("errors ignored on restore" in line for line in lines) or not ran.code
    gave_up = "" if ended and not fatal else fatal or first_line(ran.said) or f"it ended with code {ran.code}"
    return RestoreRun(round(ran.elapsed_s, 3), gave_up, errors[:_MOST_ERRORS], len(errors))


def read_psql(ran: ProgramResult) -> RestoreRun:
    """What psql's words mean."""
    found = [line for line in ran.said.splitlines() if "ERROR:" in line or "FATAL:" in line]
    errors = [RestoreError(about="", message=line.partition(": ")[2][:300]) for line in found]
    gave_up = "" if ran.code in (0, 3) else first_line(ran.said) or f"it ended with code {ran.code}"
    return RestoreRun(round(ran.elapsed_s, 3), gave_up, errors[:_MOST_ERRORS], len(errors))


def dump_error(ran: ProgramResult, into: Path) -> LookError:
    """What pg_dump's words mean. What it wrote until then is removed by whoever made the file."""
    words, written = first_line(ran.said), into.stat().st_size if into.exists() else 0
    if _FULL in ran.said:
        left = free_bytes(into.parent)
        return LookError(
            Status.partial,
            f"the disk is full: pg_dump had written {written:,} bytes and {left:,} are free; the unfinished dump was removed",
            where=str(into.parent),
            do_next="free some space, or set RUNBOOK_WORK_FOLDER to a larger disk",
        )
    if "server version mismatch" in ran.said:
        return LookError(
            Status.not_configured,
            f"pg_dump is older than the server and refuses it ({_detail(ran.said) or words}); nothing was written",
            do_next="install client programs as new as the server and set RUNBOOK_PG_BIN to their folder",
        )
    if re.search(r"authentication failed|no password supplied|role .* does not exist|no pg_hba\.conf entry", ran.said):
        return LookError(Status.denied, words, do_next=f"the user or the password in {SOURCE} is not right")
    if "permission denied" in ran.said or "row-level security" in ran.said:
        help_text = f"the role of {SOURCE} must be allowed to read every table and to see past RLS (BYPASSRLS)"
        return LookError(Status.denied, words, do_next=help_text)
    if "connection to server" in ran.said and "failed" in ran.said:
        return LookError(
            Status.unreachable, words, do_next=f"check {SOURCE}: a dump needs a direct or session connection"
        )
    ended = f"was ended by signal {-ran.code}" if ran.code < 0 else f"ended with code {ran.code}"
    return LookError(
        Status.partial,
        f"the dump was cut off after {written:,} bytes: pg_dump {ended}, saying: {words or 'nothing'}; what it wrote was removed",
        do_next="look at the database's log for that minute, and run it again",
    )


def first_line(said: str) -> str:
    """The first complaint in a program's words, without its name before it; cut at 300 characters."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return _bare(next((line for line in lines if "error:" in line), lines[0] if lines else ""))


def _detail(said: str) -> str:
    return next((_bare(line) for line in said.splitlines() if "detail:" in line), "")


def _bare(line: str) -> str:
    return re.sub(r"^\S+: (?:error|fatal|detail|warning): ", "", line.strip()).removeprefix(
        "could not execute query: "
    )[:300]
