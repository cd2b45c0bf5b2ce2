"""Chosen tables exported and imported again, as SQL and as CSV: what comes back is held against what was there.

Types and tables are made from the source's own definitions; constraints and triggers are left out, since tables that were not
chosen are not there. After an import sequences are set to follow the rows, as they must be by hand.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.restores import ComparedTable, CopiedTables, SequenceBehind, TableCopies
from runbook_lib.io.observe import Door, Look
from runbook_lib.io.workspace import make_kept_folder, private_folder, write_then_rename
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.postgres.pg_catalogue import MANAGED
from runbook_lib.sources.recovery.pg_contents import (
    StoredTable,
    TableSum,
    behind_their_tables,
    sequences,
    sum_of,
    tables,
)
from runbook_lib.sources.recovery.pg_tools import SCRATCH, SOURCE, Tools
from runbook_lib.sources.recovery.scratch import Scratch, as_work, scratch

if TYPE_CHECKING:
    from runbook_lib.io.databases import Connection

_LONGEST_S = 24 * 3600.0
_WRITTEN = """
select string_agg(quote_ident(attname), ', ' order by attnum) as columns from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''
"""


def copies(names: Sequence[str], keep_in: str = "") -> Look[TableCopies]:
    """Tables exported as SQL and as CSV, imported into the scratch database and compared.

    Args:
        names: tables, `schema.table`. keep_in: a folder in which the files are kept once they are whole; "" removes them.

    Statuses: not_configured (the source has no such table), otherwise as `restore_drill.rehearse`.
    """

    def fetch(door: Door) -> Answer[TableCopies]:
        return as_work(lambda: Answer(Status.ok, TableCopies(forms=_Copying(door, names, keep_in).run())))

    arguments = {"tables": list(names), "keep_in": keep_in}
    return Look("restore", "copies", arguments, fetch, deadline_s=_LONGEST_S, is_work=True)


class _Copying:
    """One rehearsal of the copies of some tables."""

    def __init__(self, door: Door, names: Sequence[str], keep_in: str) -> None:
        self.door, self.names, self.keep_in = door, list(names), keep_in
        self.tools, self.source = Tools(door), require_setting(door, "database_url")
        self.at = f"{door.clock():%Y%m%dT%H%M%SZ}"  # in the files' names: none of an earlier export is written over

    def run(self) -> dict[str, CopiedTables]:
        """Both forms, one after the other."""
        base = self.door.settings.work_folder
        with (
            scratch(self.door) as place,
            private_folder(base, setting="RUNBOOK_WORK_FOLDER") as folder,
            self.door.databases.session(self.source, setting=SOURCE) as session,
        ):
            chosen, version = self._chosen(session), _version(session)
            self.tools.check_age("pg_dump", version // 10000)
            row = session.execute(b"select pg_export_snapshot() as name").fetchone()
            assert row is not None
            lower = min(version, place.version)
            wanted = {table["name"]: sum_of(session, table, lower) for table in chosen}
            definitions = folder / "definitions.dump"
            told = ["--schema-only", "--section=pre-data", *(f"--exclude-schema={name}" for name in MANAGED)]
            self.tools.dump(self.source, definitions, [*told, "--no-owner", "--no-acl"], lambda _: None)
            self.tools.restore(place.dsn, definitions, ["--no-owner", "--no-acl"], lambda: None)
            kept = make_kept_folder(self.keep_in) if self.keep_in else folder
            forms: dict[str, CopiedTables] = {}
            for form in ("sql", "csv"):
                self.door.tell(f"{form}: {len(chosen)} tables")
                if form == "sql":
                    files = self._dumped(str(row["name"]), chosen, kept)
                    why = self._loaded(place, files)
                else:
                    files = self._written(session, chosen, kept)
                    why = self._read(place, chosen, files)
                compared, behind = self._compared(place, chosen, wanted, lower)
                forms[form] = {
                    "tables": compared,
                    "sequences": behind,
                    "bytes": sum(file.stat().st_size for file in files),
                    "files": [str(file) for file in files] if self.keep_in else [],
                    "why": why,
                }
                self._emptied(place, chosen)
            return forms

    def _chosen(self, session: "Connection") -> list[StoredTable]:
        found = {table["name"]: table for table in tables(session)}
        missing = [name for name in self.names if name not in found]
        if missing:
            raise LookError(
                Status.not_configured,
                f"the source has no table {', '.join(missing)}",
                do_next=f"choose of: {', '.join(sorted(found)[:20])}",
            )
        return [found[name] for name in self.names]

    def _dumped(self, snapshot: str, chosen: list[StoredTable], kept: Path) -> list[Path]:
        """One file of SQL."""
        into = kept / f"tables-{self.at}.sql"
        told = ["--format=plain", "--data-only", f"--snapshot={snapshot}"]
        with write_then_rename(into) as draft:
            named = [f"--table={table['name']}" for table in chosen]
            self.tools.dump(self.source, draft, [*told, *named], lambda _: None)
        return [into]

    def _loaded(self, place: Scratch, files: list[Path]) -> str:
        done = self.tools.run_sql(place.dsn, files[0])
        return done.gave_up or (done.errors[0]["message"] if done.errors else "")

    def _written(self, session: "Connection", chosen: list[StoredTable], kept: Path) -> list[Path]:
        """A file of CSV a table, its columns named in the first line."""
        files = []
        for table in chosen:
            into = kept / (table["name"].replace('"', "").replace("/", "_") + f"-{self.at}.csv")
            with write_then_rename(into) as draft, draft.open("wb") as file:
                statement = (
                    f"copy (select {_columns(session, table)} from {table['name']}) to stdout with (format csv, header)"  # noqa: S608 (quoted by Postgres)
                )
                with session.cursor().copy(statement.encode()) as copy:
                    for block in copy:
                        file.write(block)
            files.append(into)
        return files

    def _read(self, place: Scratch, chosen: list[StoredTable], files: list[Path]) -> str:
        import psycopg

        with self.door.databases.session(place.dsn, setting=SCRATCH, writes=True) as session:
            for table, file in zip(chosen, files, strict=True):
                statement = f"copy {table['name']} ({_columns(session, table)}) from stdin with (format csv, header)"
                try:
                    with file.open("rb") as source, session.cursor().copy(statement.encode()) as copy:
                        while block := source.read(1 << 20):
                            copy.write(block)
                except psycopg.Error as error:
                    return f"{table['name']}: {error.diag.message_primary or type(error).__name__}"
            _follow(session)
        return ""

    def _compared(
        self, place: Scratch, chosen: list[StoredTable], wanted: dict[str, TableSum], version: int
    ) -> tuple[list[ComparedTable], list[SequenceBehind]]:
        with self.door.databases.session(place.dsn, setting=SCRATCH) as session:
            rows: list[ComparedTable] = []
            for table in chosen:
                got, right = sum_of(session, table, version), wanted[table["name"]]
                rows.append(
                    {
                        "table": table["name"],
                        "wanted_rows": right["rows"],
                        "got_rows": got["rows"],
                        "same": got == right,
                    }
                )
            return rows, behind_their_tables(session, sequences(session))

    def _emptied(self, place: Scratch, chosen: list[StoredTable]) -> None:
        with self.door.databases.session(place.dsn, setting=SCRATCH, writes=True) as session:
            names = ", ".join(table["name"] for table in chosen)
            session.execute(f"truncate {names} restart identity".encode())


def _columns(session: "Connection", table: StoredTable) -> str:
    row = session.execute(_WRITTEN.encode(), (table["name"],)).fetchone()
    return str(row["columns"]) if row else "*"


def _follow(session: "Connection") -> None:
    """Set every sequence behind the highest number that its column holds."""
    for row in behind_their_tables(session, sequences(session)):
        session.execute(b"select setval(%s::regclass, %s)", (row["sequence"], row["highest"]))


def _version(session: "Connection") -> int:
    row = session.execute(b"select current_setting('server_version_num')::int as version").fetchone()
    assert row is not None
    return int(row["version"])
