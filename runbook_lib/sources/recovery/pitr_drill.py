"""The rehearsal of a point-in-time recovery with real WAL: base backup, a damage, and back to the moment before it.

It takes place in two servers of its own: the first is filled with a copy of the source and damaged, the second recovers from
the base backup and the archive. Source and scratch database are only read. Supabase's own recovery cannot be tried without
restoring the project itself, so what is proven is that the data, the extensions and the tools at hand can be recovered so.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.core.clock import to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.restores import PointInTimeRehearsal, TableDifference
from runbook_lib.io.clusters import RunningServer
from runbook_lib.io.observe import Door, Look
from runbook_lib.io.workspace import private_folder, write_then_rename
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.postgres.pg_catalogue import MANAGED
from runbook_lib.sources.recovery.pg_contents import TableSum, sums, tables
from runbook_lib.sources.recovery.pg_tools import SOURCE, Tools, first_line
from runbook_lib.sources.recovery.scratch import ROLE_ATTRIBUTES, as_work

if TYPE_CHECKING:
    from runbook_lib.io.databases import Connection

_OWN = "the rehearsal's own server"
_LONGEST_S = 24 * 3600.0
_ARCHIVED_S = 20.0
_ROLES = f"select quote_ident(rolname) as name, {ROLE_ATTRIBUTES} as attributes from pg_roles where rolname !~ '^pg_'"  # noqa: S608 (constants)
_SETTING = "select current_setting(%s, true) as value"


def rehearse() -> Look[PointInTimeRehearsal]:
    """Whether the moment before a damage comes back.

    Statuses: not_configured (no server programs beside the client's), otherwise as `restore_drill.rehearse`.
    """

    def fetch(door: Door) -> Answer[PointInTimeRehearsal]:
        return as_work(lambda: Answer(Status.ok, _Rehearsal(door).run()))

    return Look("restore", "point_in_time", {}, fetch, deadline_s=_LONGEST_S, is_work=True)


class _Rehearsal:
    """One rehearsal, step by step."""

    def __init__(self, door: Door) -> None:
        self.door, self.tools, self.clusters = door, Tools(door), door.clusters
        self.source = require_setting(door, "database_url")
        names = ("initdb", "postgres", "pg_basebackup", "pg_verifybackup")
        self.paths = {name: self.tools.path(name) for name in names}

    def run(self) -> PointInTimeRehearsal:
        """The whole of it."""
        mode = 0o711 if self.clusters.user else 0o700
        with private_folder(self.door.settings.work_folder, setting="RUNBOOK_WORK_FOLDER", mode=mode) as folder:
            data, archive = self.clusters.make_room(folder, "data"), self.clusters.make_room(folder, "archive")
            base = self.clusters.make_room(folder, "base")
            password = self.clusters.make_server(self.paths["initdb"], data, folder)
            extra = self._extensions()
            settings = {
                "archive_mode": "on",
                "archive_command": f'test ! -f "{archive}/%f" && cp "%p" "{archive}/%f"',
                **extra,
            }
            with self.clusters.run_server(
                self.paths["postgres"], data, password, settings, folder / "first.log"
            ) as first:
                self._must(self.clusters.wait_ready(first), first)
                self._filled(first, folder)
                backup_s = self._backed_up(first, password, base)
                before, target, damaged = self._damaged(first)
            restoring = {"restore_command": f'cp "{archive}/%f" "%p"', "recovery_target_time": target, **extra}
            restoring |= {"recovery_target_action": "promote", "archive_mode": "off"}
            self._signalled(base)
            begun = self.door.deadline.remaining_s
            with self.clusters.run_server(
                self.paths["postgres"], base, password, restoring, folder / "second.log"
            ) as second:
                recovered = self.clusters.wait_ready(second, patience_s=self.door.deadline.remaining_s)
                recovered_s = round(begun - self.door.deadline.remaining_s, 3)
                after = self._sums(second) if recovered else {}
                why = "" if recovered else second.last_words().partition("FATAL:")[2].strip() or second.last_words()
        rows: list[TableDifference] = [
            {"table": name, "wanted_rows": held["rows"], "got_rows": after[name]["rows"] if name in after else None}
            for name, held in sorted(before.items())
            if recovered and after.get(name) != held
        ]
        return {
            "recovered": recovered,
            "why": why,
            "target_at": target,
            "damaged": damaged,
            "tables": rows,
            "compared": len(before),
            "rows": sum(held["rows"] for held in before.values()),
            "base_backup_s": backup_s,
            "recovered_s": recovered_s,
            "at": to_iso(self.door.clock()),
        }

    def _extensions(self) -> dict[str, str]:
        """Where the scratch server, which is at hand as this one is, finds further extensions."""
        scratch = self.door.settings.scratch_database_url
        if scratch is None:
            return {}
        with self.door.databases.session(scratch.get_secret_value(), setting="RUNBOOK_SCRATCH_DATABASE_URL") as session:
            row = session.execute(_SETTING.encode(), ("extension_control_path",)).fetchone()
        return {"extension_control_path": str(row["value"])} if row and row["value"] else {}

    def _filled(self, first: RunningServer, folder: Path) -> None:
        """A copy of the source, with its roles."""
        self.door.tell("copying the source into a server of its own")
        with self.door.databases.session(self.source, setting=SOURCE) as session:
            roles = session.execute(_ROLES.encode()).fetchall()
            version = session.execute(b"select current_setting('server_version_num')::int / 10000 as major").fetchone()
        self.tools.check_age("pg_dump", int(version["major"]) if version else 0)
        with self.door.databases.session(first.dsn(), setting=_OWN, writes=True) as session:
            for role in roles:
                session.execute(f"create role {role['name']} {role['attributes']}".encode())
        copy = folder / "copy.dump"
        with write_then_rename(copy) as draft:
            told = [f"--exclude-schema={name}" for name in MANAGED]
            self.tools.dump(self.source, draft, told, lambda _: None)
        done = self.tools.restore(first.dsn(), copy, ["--jobs=2"], lambda: None)
        if done.gave_up or done.error_count:
            words = done.gave_up or done.errors[0]["message"]
            raise LookError(
                Status.partial,
                f"the copy of the source could not be made: {words}",
                do_next="rehearse a restore first: runbook run 08 -p rehearse=true",
            )
        copy.unlink()

    def _backed_up(self, first: RunningServer, password: str, base: Path) -> float:
        """A base backup, verified."""
        self.door.tell("base backup")
        ran = self.door.programs.run(
            [self.paths["pg_basebackup"], f"--pgdata={base}", "--host=127.0.0.1", f"--port={first.port}", "--username=runbook",
             "--checkpoint=fast", "--no-sync", "--no-password"],
            variables={"PGPASSWORD": password}, user=self.clusters.user,
        )  # fmt: skip
        checked = self.door.programs.run([self.paths["pg_verifybackup"], str(base)], user=self.clusters.user)
        if ran.code or checked.code:
            words = first_line(ran.said if ran.code else checked.said or checked.printed)
            raise LookError(Status.partial, f"the base backup is not whole: {words}")
        return round(ran.elapsed_s + checked.elapsed_s, 3)

    def _damaged(self, first: RunningServer) -> tuple[dict[str, TableSum], str, str]:
        """Something written after the base backup, the moment to come back to, and then the damage; archived all."""
        self.door.tell("damage, and recovery to the moment before it")
        with self.door.databases.session(first.dsn(), setting=_OWN, writes=True) as session:
            session.execute(b"create schema runbook_pitr")
            session.execute(b"create table runbook_pitr.after_backup as select i from generate_series(1, 1000) i")
            before = self._sums(first)
            target = _one(session, "select clock_timestamp()::text as value")
            damaged = max(before, key=lambda name: -1 if name.startswith("runbook_pitr") else before[name]["rows"])
            session.execute(f"drop table {damaged} cascade".encode())
            segment = _one(session, "select pg_walfile_name(pg_switch_wal()) as value")
            begun = self.door.deadline.remaining_s
            while begun - self.door.deadline.remaining_s < _ARCHIVED_S:
                if _one(session, "select coalesce(last_archived_wal, '') as value from pg_stat_archiver") >= segment:
                    break
                self.door.programs.pause(0.05)
        return before, target, damaged

    def _signalled(self, base: Path) -> None:
        """Tell the second server to recover."""
        ran = self.door.programs.run(["/bin/sh", "-c", f": > '{base}/recovery.signal'"], user=self.clusters.user)
        if ran.code:
            raise LookError(Status.denied, first_line(ran.said), where=str(base))

    def _sums(self, running: RunningServer) -> dict[str, TableSum]:
        def connect() -> Any:
            return self.door.databases.session(running.dsn(), setting=_OWN)

        with connect() as session:
            held, version = tables(session), int(_one(session, "select current_setting('server_version_num') as value"))
        return sums(connect, held, version, workers=2, tell=lambda _: None)

    def _must(self, ready: bool, running: RunningServer) -> None:
        if not ready:
            raise LookError(
                Status.not_configured,
                f"a server of the rehearsal's own did not start: {running.last_words()}",
                do_next="see that an unprivileged user can reach and run the programs in RUNBOOK_PG_BIN",
            )


def _one(session: "Connection", statement: str) -> str:
    row = session.execute(statement.encode()).fetchone()
    assert row is not None
    return str(row["value"])
