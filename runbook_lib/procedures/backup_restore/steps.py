"""08: would we get it back? Which backups there are and how old; on request, whether they come back whole, and how fast."""

import re
from datetime import timedelta
from typing import Any, ClassVar

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion
from runbook_lib.core.records.backups import ProjectBackups
from runbook_lib.core.records.restores import PointInTimeRehearsal, RestoreRehearsal, TableCopies
from runbook_lib.core.records.schema import SchemaDrift
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.backup_restore import rules
from runbook_lib.procedures.backup_restore.causes import COPIES, POINT_IN_TIME, REHEARSAL
from runbook_lib.procedures.backup_restore.exhibits import (
    aims_table,
    backups_table,
    copies_table,
    differences_table,
    rehearsal_table,
)
from runbook_lib.procedures.backup_restore.reading import Evidence, span
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.sources.postgres import schema_drift
from runbook_lib.sources.recovery import backup_files, pitr_drill, recovery_files, restore_drill, table_copies
from runbook_lib.sources.supabase import backups as supabase_backups
from runbook_lib.sources.supabase import records as supabase
from runbook_lib.sources.team import not_used as team

_TABLE = re.compile(r'(?:[a-z_][a-z0-9_$]*|"[^"]+")\.(?:[a-z_][a-z0-9_$]*|"[^"]+")')
_LOOKED_BACK = timedelta(hours=24)


class BackupRestore(Procedure):
    """Parameters: rehearse, backup_file, keep_in, point_in_time, tables, migrations, backup_folder, rpo, rto.

    Without any of them it only looks, as an audit does. What it does on request it does in the scratch database.
    """

    stem = "08_backup_restore"
    evidence: Evidence
    topics: ClassVar = {
        "not_used": Topic(lambda _: [team.not_used()], is_one=True),
        "objectives": Topic(lambda _: [recovery_files.objectives()], is_one=True),
        "rehearsals": Topic(lambda _: [recovery_files.rehearsals()], is_one=True),
        "backups": Topic(lambda _: [supabase_backups.backups()], is_one=True),
        "schedule": Topic(lambda _: [supabase_backups.schedule()], is_one=True),
        "migrations": Topic(lambda _: [supabase.migrations()], is_one=True),
        "files": Topic(lambda run: [backup_files.dumps(run.folder)], is_one=True),
        "drift": Topic(lambda run: [schema_drift.drift(run.migrations)], is_one=True, waits=True),
        "drill": Topic(lambda run: [restore_drill.rehearse(run.backup_file, run.keep_in)], is_one=True, waits=True),
        "noted": Topic(lambda run: [restore_drill.note(rules.ledger_entry(run.evidence))], is_one=True, waits=True),
        "recovery": Topic(lambda _: [pitr_drill.rehearse()], is_one=True, waits=True),
        "copies": Topic(lambda run: [table_copies.copies(run.tables, run.keep_in)], is_one=True, waits=True),
    }

    def prepare(self) -> None:
        """Read the parameters. Raises UsageError for a span that is none, and for tables that are no `schema.table`."""
        self.backup_file, self.keep_in, self.migrations, self.folder = (
            str(self.parameters.get(name) or "") for name in ("backup_file", "keep_in", "migrations", "backup_folder")
        )
        self.rehearses = bool(self.parameters.get("rehearse")) or bool(self.backup_file)
        self.goes_back = bool(self.parameters.get("point_in_time"))
        self.tables = _tables_of(str(self.parameters.get("tables") or ""))
        asked = {REHEARSAL: self.rehearses, POINT_IN_TIME: self.goes_back, COPIES: bool(self.tables)}
        self.evidence = Evidence(
            self.look.now, given=self._given(), asked=tuple(name for name, wanted in asked.items() if wanted)
        )

    @property
    def window(self) -> Window:
        """The day before the run: what it says is about the present."""
        return Window(self.look.now - _LOOKED_BACK, self.look.now)

    @step("Which backups are there, how old is the newest good one, and when was a restore last rehearsed?")
    def find_the_backups(self) -> Said:
        """The vendor's list, point-in-time recovery, the team's dumps, its objectives and its ledger."""
        _, _, _, backups, *_ = self.ask(
            "not_used", "objectives", "rehearsals", "backups", "schedule", "migrations", "files"
        )
        held = whole_record(backups, ProjectBackups)
        exhibits = [Exhibit("table", "What recovery must achieve", aims_table(self.evidence))]
        if held is None:
            return Said(f"Supabase's backups could not be seen: {backups.status}.", tuple(exhibits))
        exhibits.append(Exhibit("table", "Backups", backups_table(self.evidence)))
        newest = self.diagnose().facts["newest_good_backup_at"]
        point = "on" if held["pitr"] else "off"
        told = f"the newest good one is of {newest}" if newest else "none of them is good"
        return Said(f"{len(held['backups'])} backups, {told}; point-in-time recovery is {point}.", tuple(exhibits))

    @step("Is the database's schema the one that the repository would rebuild?")
    def compare_the_schema(self) -> Said:
        """The repository's SQL run in the scratch database, held against the database."""
        (drift,) = self.ask("drift")
        held = whole_record(drift, SchemaDrift)
        if held is None:
            return Said(f"It could not be compared: {drift.why or drift.status}.")
        shown = (Exhibit("table", "What differs", differences_table(held["differences"])),) if held["count"] else ()
        made = f"{len(held['files'])} files make {sum(held['compared'].values())} objects"
        return Said(f"{made}; {held['count']} of the database's differ from them.", shown)

    @step("Does a backup come back whole, and how fast?")
    def rehearse_the_restore(self) -> Said:
        """On request: dump, restore into the scratch database, compare; the rehearsal is written down."""
        if not self.rehearses:
            return Said("No rehearsal was asked for (rehearse=true, or backup_file=FILE).")
        (drill,) = self.ask("drill")
        held = whole_record(drill, RestoreRehearsal)
        if held is None:
            return Said(f"It could not be rehearsed: {drill.why or drill.status}.")
        self.ask("noted")
        exhibits = [Exhibit("table", "The rehearsal", rehearsal_table(held))]
        if held["compared"] and held["compared"]["schema"]:
            exhibits.append(Exhibit("table", "What differs", differences_table(held["compared"]["schema"])))
        same = held["compared"]["tables_same"] if held["compared"] else 0
        tables = f"{same} of {held['source']['tables']} tables the same"
        return Said(f"{held['backup']['file']}: restored in {span(held['restored_s'])}, {tables}.", tuple(exhibits))

    @step("Does the moment before a mistake come back?")
    def go_back_in_time(self) -> Said:
        """On request: base backup, damage and recovery in servers of the rehearsal's own."""
        if not self.goes_back:
            return Said("No recovery to a moment was asked for (point_in_time=true).")
        (recovery,) = self.ask("recovery")
        held = whole_record(recovery, PointInTimeRehearsal)
        if held is None:
            return Said(f"It could not be rehearsed: {recovery.why or recovery.status}.")
        if not held["recovered"]:
            return Said(f"{held['damaged']} was dropped, and the server did not recover: {held['why']}.")
        came = f"{held['compared'] - len(held['tables'])} of {held['compared']} tables were as they had been"
        return Said(f"{held['damaged']} was dropped; {span(held['recovered_s'])} later {came} at {held['target_at']}.")

    @step("Do chosen tables come back from SQL and from CSV?")
    def copy_the_tables(self) -> Said:
        """On request: export, import into the scratch database, compare."""
        if not self.tables:
            return Said("No tables were chosen (tables=public.organizations,…).")
        (copies,) = self.ask("copies")
        held = whole_record(copies, TableCopies)
        if held is None:
            return Said(f"They could not be copied: {copies.why or copies.status}.")
        shown = Exhibit("table", "Exported and imported", copies_table(held))
        came = {form: sum(row["same"] for row in each["tables"]) for form, each in held["forms"].items()}
        told = ", ".join(f"{count} of {len(self.tables)} the same from {form.upper()}" for form, count in came.items())
        return Said(f"{told}.", (shown,))

    def diagnose(self) -> Conclusion:
        """The verdict."""
        return rules.diagnose(self.evidence)

    def _given(self) -> dict[str, float]:
        given = {}
        for name in ("rpo", "rto"):
            text: Any = self.parameters.get(name) or ""
            if not text:
                continue
            try:
                given[name] = recovery_files.span_s(text)
            except ValueError as error:
                raise UsageError(
                    f"Cannot use this {name.upper()}",
                    where=name,
                    came_back=str(error),
                    do_next="Write it like 30m, 4h or 7d.",
                ) from None
        return given


def _tables_of(text: str) -> list[str]:
    """The chosen tables. Raises UsageError for what is no `schema.table`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if not _TABLE.fullmatch(name)]
    if wrong:
        raise UsageError(
            "Cannot copy these tables",
            where="tables",
            came_back=f"{wrong[0][:60]!r} is no schema.table",
            do_next="Write them like public.organizations,public.memberships.",
        )
    return list(dict.fromkeys(names))
