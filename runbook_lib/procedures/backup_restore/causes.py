"""The causes that procedure 08 can name, in the order in which they explain, and the looks that would have shown each."""

from runbook_lib.core.model import Kind
from runbook_lib.judging.causes import Catalogue, Cause, Sub
from runbook_lib.judging.witnesses import Topics, all_of, any_of, first_of, look, not_used

REHEARSAL, POINT_IN_TIME, COPIES = "a rehearsed restore", "recovery to a moment", "copies of tables"


NO_DUMPS = not_used("dumps", "folder of dumps", "dumps.folder")
NO_MIGRATIONS = not_used("migrations", "repository of its schema", "schema.drift")

TOPICS = Topics(
    {
        "vendor": look("supabase.backups"),
        "schedule": look("supabase.backup_schedule", is_helpful=True),
        "changes": look("supabase.migrations", is_helpful=True),
        "objectives": look("team.recovery_objectives"),
        "dumps": first_of(look("dumps.folder"), NO_DUMPS),
        "backups": all_of("vendor", "dumps"),
        "ages": all_of("vendor", "dumps", "objectives"),
        "ledger": any_of(look("restore.rehearse"), all_of("team.restore_rehearsals", "objectives")),
        "rehearsal": look("restore.rehearse"),
        "returns": any_of("rehearsal", "restore.copies"),
        "recovery": look("restore.point_in_time"),
        "drift": first_of(look("schema.drift"), NO_MIGRATIONS),
        "said": look("team.not_used", is_helpful=True),
    }
)

CATALOGUE = Catalogue(
    "08_backup_restore",
    Cause(
        "backup.none",
        Kind.fault,
        "there is no backup that could be restored",
        "Turn backups on (Supabase: Pro plan or above), and make a dump now: runbook run 08 -p rehearse=true -p keep_in=DIR.",
        {
            "file": Sub(
                "the team's folder of dumps holds none", "Look at the job that makes the dumps; make one by hand now."
            )
        },
        shown_by="backups",
    ),
    Cause(
        "backup.failed",
        Kind.fault,
        "the newest attempt at a backup did not succeed",
        "Make a dump now, and ask Supabase's support why the backup failed.",
        {
            "last": Sub("the newest attempt failed or was cancelled, and none has succeeded since"),
            "stuck": Sub("the newest attempt has been pending for longer than a backup takes"),
            "truncated": Sub(
                "a dump is cut off: it cannot be read to its end",
                "Do not rely on this file; make a new dump, and let the job check pg_dump's exit code and the disk.",
            ),
        },
        shown_by="backups",
    ),
    Cause(
        "backup.empty_file",
        Kind.fault,
        "a dump that holds nothing",
        "Do not rely on this file; make a new dump, and let the job check what it wrote.",
        {
            "no_bytes": Sub("the file has no bytes at all"),
            "no_data": Sub(
                "the dump holds definitions and no rows",
                "Make the dump without --schema-only, by a role that sees past RLS (BYPASSRLS).",
            ),
        },
        shown_by="dumps",
        not_applicable=NO_DUMPS.why,
    ),
    Cause(
        "backup.too_old",
        Kind.fault,
        "the newest backup is older than the RPO allows",
        "Make a dump now (runbook run 08 -p rehearse=true -p keep_in=DIR), then find out why no newer backup was made.",
        {
            "daily": Sub("the newest completed daily backup is too old"),
            "pitr_lags": Sub(
                "point-in-time recovery is on, and its newest recovery point lags behind",
                "WAL is not archived: ask Supabase's support at once, and make a dump meanwhile.",
            ),
            "file": Sub(
                "the newest whole dump in the team's folder is too old", "Look at the job that makes the dumps."
            ),
        },
        shown_by="ages",
    ),
    Cause(
        "backup.shrunk",
        Kind.fault,
        "the newest dump is far smaller than those before it",
        "Compare its table of contents with an older one's (pg_restore --list); look for lost rows in the database itself.",
        shown_by="dumps",
        not_applicable=NO_DUMPS.why,
    ),
    Cause(
        "restore.failed",
        Kind.fault,
        "the backup could not be restored at all",
        "Take an older backup and try it at once: runbook run 08 -p backup_file=FILE.",
        {
            "unreadable": Sub("the file is damaged: its bytes are not what pg_dump wrote"),
            "newer_format": Sub(
                "the dump was made by a newer pg_dump than the pg_restore that is to read it",
                "Install client programs as new as the pg_dump that made it, and set RUNBOOK_PG_BIN.",
            ),
        },
        shown_by="rehearsal",
        questions=(REHEARSAL,),
    ),
    Cause(
        "restore.incomplete",
        Kind.fault,
        "the restore ended, and not everything came back",
        "Read pg_restore's errors in the report; make the dump hold what is missing, and rehearse again.",
        {
            "rows": Sub("rows are missing or differ from the source's at the moment of the dump"),
            "objects": Sub("tables, functions, constraints or other objects are missing or differ"),
            "sql_copy": Sub("the SQL export of chosen tables does not come back as it was"),
            "csv_copy": Sub("the CSV export of chosen tables does not come back as it was"),
        },
        shown_by="returns",
        questions=(REHEARSAL, COPIES),
    ),
    Cause(
        "restore.policies_lost",
        Kind.fault,
        "what protects the rows did not come back: a restored database would be open, or closed to everybody",
        "Restore nothing for users from this backup before the policies are back: apply the repository's SQL for them.",
        {
            "policies": Sub("policies are missing or differ"),
            "rls_off": Sub("row-level security is off where the source has it on"),
            "grants": Sub(
                "grants are missing",
                "Make the dump without --no-acl/--no-privileges; the scratch server must have the same roles.",
            ),
        },
        shown_by="rehearsal",
        questions=(REHEARSAL,),
    ),
    Cause(
        "restore.sequences_behind",
        Kind.fault,
        "a sequence will hand out numbers that rows have already: inserts after a restore would collide",
        "After a restore: select setval(sequence, max(column)); make the dump hold sequence values.",
        shown_by="returns",
        questions=(REHEARSAL, COPIES),
    ),
    Cause(
        "restore.too_slow",
        Kind.fault,
        "the restore took longer than the RTO allows",
        "Restore with more jobs (pg_restore --jobs) or a larger machine, restore what matters first, or use physical backups.",
        shown_by=all_of("rehearsal", "objectives"),
        questions=(REHEARSAL,),
    ),
    Cause(
        "pitr.not_recovered",
        Kind.fault,
        "a rehearsed recovery to the second before a damage did not bring back what was there",
        "Read what the server said while it recovered; check that every WAL segment is archived before it is needed.",
        shown_by="recovery",
        questions=(POINT_IN_TIME,),
    ),
    Cause(
        "pitr.off",
        Kind.fault,
        "the objectives need point-in-time recovery, and it is off",
        "Turn the add-on on in the project's settings, or agree on an RPO that daily backups can keep.",
        shown_by=all_of("vendor", "objectives"),
    ),
    Cause(
        "pitr.window_short",
        Kind.fault,
        "point-in-time recovery does not reach back as far as the objectives ask",
        "Choose a longer retention for the add-on; if it was turned on only lately, wait until its window has grown.",
        shown_by=all_of("vendor", "objectives"),
    ),
    Cause(
        "backup.untested",
        Kind.fault,
        "no restore was rehearsed for longer than the objective allows, so nobody knows whether the backups can be restored",
        "Rehearse one: runbook run 08 -p rehearse=true; it writes the rehearsal down.",
        {
            "never": Sub("no whole rehearsal was ever written down"),
            "long_ago": Sub("the last whole rehearsal lies too far back"),
        },
        shown_by="ledger",
    ),
    Cause(
        "schema.drift",
        Kind.fault,
        "the database's schema is not what the repository's SQL makes",
        "Write the difference down as a migration, or apply the one that is missing; a rebuild from the repository would differ.",
        {
            "not_applied": Sub("the repository has what the database lacks", "Apply the migration that brings it."),
            "only_in_database": Sub(
                "the database has what the repository lacks",
                "Write a migration for it, or remove it from the database.",
            ),
            "differs": Sub("both have it, and differently"),
        },
        shown_by="drift",
        not_applicable=NO_MIGRATIONS.why,
    ),
    topics=TOPICS,
)
