"""08: would we get it back? Which backups there are and how old; on request, whether they come back whole, and how fast."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from runbook_lib.clock import Window
from runbook_lib.diagnose import backup_restore as rules
from runbook_lib.diagnose.backup_restore_exhibits import (
    aims_table,
    backups_table,
    differences_table,
    rehearsal_table,
)
from runbook_lib.diagnose.backup_restore_reading import Evidence, span, value_of
from runbook_lib.errors import UsageError
from runbook_lib.model import Conclusion
from runbook_lib.observe import Look
from runbook_lib.procedures.base import Exhibit, Procedure, Said, step
from runbook_lib.sources import recovery_files, restore_drill, supabase, supabase_backups

_LOOKED_BACK = timedelta(hours=24)


class BackupRestore(Procedure):
    """Parameters: rehearse, backup_file, keep_in, point_in_time, tables, migrations, backup_folder, rpo, rto.

    Without any of them it only looks, as an audit does. What it does on request it does in the scratch database.
    """

    stem = "08_backup_restore"

    def prepare(self) -> None:
        """Read the parameters. Raises UsageError for a span that is none, and for tables that are no names."""
        self.evidence = Evidence(self.look.now, given=self._given())
        self.backup_file = str(self.parameters.get("backup_file") or "")
        self.rehearses = bool(self.parameters.get("rehearse")) or bool(self.backup_file)

    @property
    def window(self) -> Window:
        """The day before the run: what it says is about the present."""
        return Window(self.look.now - _LOOKED_BACK, self.look.now)

    def foresee(self) -> tuple[Look, ...]:
        """Everything that only looks."""
        return self._first()

    @step("Which backups are there, how old is the newest good one, and when was a restore last rehearsed?")
    def find_the_backups(self) -> Said:
        """The vendor's list, point-in-time recovery, the team's objectives and its ledger."""
        objectives, rehearsals, backups, schedule, migrations = self.see(*self._first())
        self.evidence = replace(
            self.evidence, objectives=objectives, rehearsals=rehearsals, backups=backups, schedule=schedule,
            migrations=migrations,
        )  # fmt: skip
        held = value_of(backups)
        exhibits = [Exhibit("table", "What recovery must achieve", aims_table(self.evidence))]
        if not held:
            return Said(f"Supabase's backups could not be seen: {backups.status}.", tuple(exhibits))
        exhibits.append(Exhibit("table", "Backups", backups_table(self.evidence)))
        newest = self.diagnose().facts["newest_good_backup_at"]
        point = "on" if held["pitr"] else "off"
        told = f"the newest good one is of {newest}" if newest else "none of them is good"
        return Said(f"{len(held['backups'])} backups, {told}; point-in-time recovery is {point}.", tuple(exhibits))

    @step("Does a backup come back whole, and how fast?")
    def rehearse_the_restore(self) -> Said:
        """On request: dump, restore into the scratch database, compare; the rehearsal is written down."""
        if not self.rehearses:
            return Said("No rehearsal was asked for (rehearse=true, or backup_file=FILE).")
        (drill,) = self.see(restore_drill.rehearse(self.backup_file, str(self.parameters.get("keep_in") or "")))
        self.evidence = replace(self.evidence, drill=drill)
        held = value_of(drill)
        if not held:
            return Said(f"It could not be rehearsed: {drill.why or drill.status}.")
        (noted,) = self.see(restore_drill.note(rules.ledger_entry(self.evidence)))
        self.evidence = replace(self.evidence, noted=noted)
        exhibits = [Exhibit("table", "The rehearsal", rehearsal_table(held))]
        if held["compared"] and held["compared"]["schema"]:
            exhibits.append(Exhibit("table", "What differs", differences_table(held["compared"]["schema"])))
        told = f"restored in {span(held['restored_s'])}"
        same = held["compared"]["tables_same"] if held["compared"] else 0
        return Said(
            f"{held['backup']['file']}: {told}, {same} of {held['source']['tables']} tables the same.", tuple(exhibits)
        )

    def diagnose(self) -> Conclusion:
        """The verdict."""
        return rules.diagnose(self.evidence)

    def _first(self) -> tuple[Look, ...]:
        return (
            recovery_files.objectives(),
            recovery_files.rehearsals(),
            supabase_backups.backups(),
            supabase_backups.schedule(),
            supabase.migrations(),
        )

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
