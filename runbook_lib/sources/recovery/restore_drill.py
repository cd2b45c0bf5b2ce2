"""The rehearsal of a restore: dump the source, or take a dump that is there; restore it into the scratch database; compare.

The source is only read, in one snapshot: schema, sequences and checksums are those of the very moment that the dump holds, so
that a database which goes on changing makes no false difference.
"""

import contextlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runbook_lib.core.clock import to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.backups import Rehearsal, WrittenDown
from runbook_lib.core.records.restores import RestoredBackup, RestoreRehearsal, RestoreTools
from runbook_lib.io.observe import Door, Look
from runbook_lib.io.workspace import (
    append_line,
    free_bytes,
    make_kept_folder,
    private_folder,
    read_ends,
    write_then_rename,
)
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.postgres.pg_catalogue import MANAGED
from runbook_lib.sources.recovery.pg_contents import StoredTable, TableSum, sums
from runbook_lib.sources.recovery.pg_tools import SCRATCH, SOURCE, RestoreRun, Tools
from runbook_lib.sources.recovery.restore_compare import WORKERS, SourceContents, compare, contents_of, state_of
from runbook_lib.sources.recovery.scratch import Scratch, as_work, check_roles, scratch, usable_scratch

if TYPE_CHECKING:
    from runbook_lib.io.databases import Connection

_LONGEST_S = 24 * 3600.0
_ROOM = 1.2  # an uncompressed dump is about as large as the tables without their indexes


def rehearse(backup_file: str = "", keep_in: str = "") -> Look[RestoreRehearsal]:
    """Whether a backup comes back whole, and how fast.

    Args:
        backup_file: a dump to try; "" makes a fresh one of the source.
        keep_in: a folder in which a fresh dump is kept once it is whole; "" removes it.

    Statuses: not_configured (no scratch database, or one that is the source, is not empty, lacks roles; tools missing or too
    old), denied (password, or keep_in may not be written to), unreachable, partial (the dump was cut off, or the disk is full),
    malformed (the file is no dump), and unreachable where the file is not there. In each case nothing is left behind.
    """

    def fetch(door: Door) -> Answer[RestoreRehearsal]:
        return as_work(lambda: _Rehearsal(door, backup_file, keep_in).run())

    arguments = {"backup_file": backup_file, "keep_in": keep_in}
    return Look("restore", "rehearse", arguments, fetch, deadline_s=_LONGEST_S, is_work=True)


def note(entry: Rehearsal) -> Look[WrittenDown]:
    """Write a rehearsal down in the team's ledger, RUNBOOK_RESTORE_LEDGER."""

    def fetch(door: Door) -> Answer[WrittenDown]:
        path = require_setting(door, "restore_ledger_file")
        append_line(Path(path).expanduser(), json.dumps(entry, sort_keys=True))
        return Answer(Status.ok, {"written": path})

    return Look("restore", "note", {"entry": entry}, fetch)


def health() -> Look[RestoreTools]:
    """Whether a restore could be rehearsed; touches nothing."""

    def fetch(door: Door) -> Answer[RestoreTools]:
        require_setting(door, "scratch_database_url")
        tools = Tools(door)
        with door.databases.session(require_setting(door, "database_url"), setting=SOURCE) as source:
            major = state_of(source)["version"] // 10000
        dump, restore = (tools.check_age(name, major) for name in ("pg_dump", "pg_restore"))
        return as_work(
            lambda: Answer(
                Status.ok, RestoreTools(pg_dump=dump, pg_restore=restore, server=major, scratch=usable_scratch(door))
            )
        )

    return Look("restore", "health", {}, fetch)


class _Rehearsal:
    """One rehearsal, step by step."""

    def __init__(self, door: Door, backup_file: str, keep_in: str) -> None:
        self.door, self.backup_file, self.keep_in = door, backup_file, keep_in
        self.tools = Tools(door)
        self.source = require_setting(door, "database_url")

    def run(self) -> Answer[RestoreRehearsal]:
        """The whole of it."""
        if self.backup_file:
            read_ends(Path(self.backup_file).expanduser())
        base = self.door.settings.work_folder
        with scratch(self.door) as place, private_folder(base, setting="RUNBOOK_WORK_FOLDER") as folder:
            if self.backup_file:
                with self.door.databases.session(self.source, setting=SOURCE) as session:
                    held = contents_of(session)
                check_roles(place, held.roles)
                file = Path(self.backup_file).expanduser()
                backup = self._found(file)
                return self._tried(place, folder, held, file, backup, None)
            kept = make_kept_folder(self.keep_in) if self.keep_in else folder
            with self.door.databases.session(self.source, setting=SOURCE) as session:
                held = contents_of(session)
                check_roles(place, held.roles)
                name = f"{held.state['database']}-{self.door.clock():%Y%m%dT%H%M%SZ}.dump"
                backup, wanted = self._dumped(session, held, place, kept / name)
            return self._tried(place, folder, held, kept / name, backup, wanted)

    def _dumped(
        self, session: "Connection", held: SourceContents, place: Scratch, into: Path
    ) -> tuple[RestoredBackup, dict[str, TableSum]]:
        """Dump the snapshot into a file that takes its name when it is whole, while the source sums the same snapshot."""
        version = self.tools.check_age("pg_dump", held.state["version"] // 10000)
        self._check_room(held.state["table_bytes"], into.parent)
        row = session.execute(b"select pg_export_snapshot() as name").fetchone()
        assert row is not None
        snapshot = str(row["name"])
        summing = _Summing(self.door, self.source, snapshot, held.tables, min(held.state["version"], place.version))
        total = held.state["table_bytes"]
        arguments = [f"--snapshot={snapshot}", *(f"--exclude-schema={name}" for name in MANAGED)]
        with write_then_rename(into) as draft:
            ran = self.tools.dump(
                self.source,
                draft,
                arguments,
                lambda done: self.door.tell(f"dump: {_mb(done)} of about {_mb(total)} MB"),
            )
            if not draft.stat().st_size:
                raise LookError(Status.partial, "pg_dump ended well and wrote nothing; the empty file was removed")
        wanted = summing.result()
        contents = self.tools.contents(into)
        return {
            "fresh": True,
            "file": into.name,
            "bytes": into.stat().st_size,
            "tables_with_data": len(contents.names("TABLE DATA")),
            "dump_s": round(ran.elapsed_s, 3),
            "kept_as": str(into) if self.keep_in else None,
            "pg_dump": version,
        }, wanted

    def _check_room(self, bytes_wanted: int, folder: Path) -> None:
        free = free_bytes(folder)
        if free < bytes_wanted * _ROOM:
            raise LookError(
                Status.partial,
                f"the disk has no room for the dump: about {_mb(bytes_wanted * _ROOM)} MB are needed, {_mb(free)} MB are free; "
                "nothing was written",
                where=str(folder),
                do_next="free some space, or set RUNBOOK_WORK_FOLDER to a larger disk",
            )

    def _found(self, file: Path) -> RestoredBackup:
        """A dump that somebody made."""
        head, _ = read_ends(file)
        with_data: int | None = None
        if head.startswith(b"PGDMP"):
            with contextlib.suppress(LookError):  # one that cannot be read is told by the restore
                with_data = len(self.tools.contents(file).names("TABLE DATA"))
        return {
            "fresh": False, "file": file.name, "bytes": file.stat().st_size, "tables_with_data": with_data, "dump_s": None,
            "kept_as": str(file), "pg_dump": None,
        }  # fmt: skip

    def _tried(
        self,
        place: Scratch,
        folder: Path,
        held: SourceContents,
        file: Path,
        backup: RestoredBackup,
        wanted: dict[str, TableSum] | None,
    ) -> Answer[RestoreRehearsal]:
        """Restore a file and compare what came out of it with what the source held."""
        begun = self.door.deadline.remaining_s
        restored, left_out = self._restored(place, folder, file, held)
        restored_s = round(begun - self.door.deadline.remaining_s, 3)
        came = None if restored.gave_up else compare(self.door, place, held, wanted, self._data_of(file))
        value: RestoreRehearsal = {
            "backup": backup,
            "source": {
                "database": held.state["database"],
                "version": held.state["version"],
                "bytes": held.state["bytes"],
                "tables": len(held.tables),
                "left_out": sorted(set(MANAGED)),
            },
            "restore": {
                "seconds": restored.elapsed_s,
                "gave_up": restored.gave_up,
                "error_count": restored.error_count,
                "errors": restored.errors,
                "left_out": left_out,
            },
            "compared": came,
            "restored_s": restored_s,
            "at": to_iso(self.door.clock()),
        }
        return Answer(Status.ok, value)

    def _restored(self, place: Scratch, folder: Path, file: Path, held: SourceContents) -> tuple[RestoreRun, list[str]]:
        head, _ = read_ends(file)

        def tell() -> None:
            self.door.tell(f"restore: {self._size_of(place)} of about {_mb(held.state['bytes'])} MB")

        if not head.startswith(b"PGDMP"):
            if b"PostgreSQL database dump" not in head:
                raise LookError(Status.malformed, "the file is no dump of pg_dump's", where=file.name)
            return self.tools.run_sql(place.dsn, file, tell), []
        try:
            contents = self.tools.contents(file)
        except LookError as error:
            return RestoreRun(0.0, error.tried, [], 0), []
        missing = sorted(
            {name for kind, name in contents.entries if kind == "EXTENSION" and name not in place.extensions}
        )
        listed = folder / "entries.list"
        listed.write_text(contents.without_extensions(missing), "utf-8")
        arguments = [f"--use-list={listed}", f"--jobs={WORKERS}"]
        return self.tools.restore(place.dsn, file, arguments, tell), missing

    def _size_of(self, place: Scratch) -> str:
        with self.door.databases.session(place.dsn, setting=SCRATCH, snapshot=None) as session:
            row = session.execute(b"select pg_database_size(current_database())::bigint as bytes").fetchone()
        return _mb(row["bytes"] if row else 0)

    def _data_of(self, file: Path) -> list[str] | None:
        head, _ = read_ends(file)
        return self.tools.contents(file).names("TABLE DATA") if head.startswith(b"PGDMP") else None


class _Summing:
    """The source's checksums of one snapshot, computed beside the dump."""

    def __init__(self, door: Door, dsn: str, snapshot: str, wanted: Sequence[StoredTable], version: int) -> None:
        self._found: dict[str, TableSum] = {}
        self._broken: BaseException | None = None

        def work() -> None:
            try:
                self._found = sums(
                    lambda: door.databases.session(dsn, setting=SOURCE, snapshot=snapshot), wanted, version, workers=1,
                    tell=lambda _: None,
                )  # fmt: skip
            except BaseException as error:  # handed to whoever asks for the result
                self._broken = error

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def result(self) -> dict[str, TableSum]:
        """The sums, once they are there. Raises what the source refused with."""
        self._thread.join()
        if self._broken is not None:
            raise self._broken
        return self._found


def _mb(count: float) -> str:
    return f"{count / 1e6:,.0f}"
