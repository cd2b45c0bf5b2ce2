"""Backups and their rehearsal: the tools, the scratch database, the team's own dumps and files."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, setting

_GROUP = "Backup and restore"


class Recovery(BaseModel):
    """Backups and their rehearsal: the tools, the scratch database, the team's own dumps and files."""

    scratch_database_url: Secret = setting(
        "RUNBOOK_SCRATCH_DATABASE_URL",
        group=_GROUP,
        about="postgresql://… of an empty database on a throw-away server, by a superuser or its owner: restores and schema "
        "files may be tried there. Never the source.",
    )
    pg_bin: Text = setting(
        "RUNBOOK_PG_BIN",
        group=_GROUP,
        about="The folder of pg_dump, pg_restore and psql, at least as new as the server; by default those on PATH.",
    )
    work_folder: Text = setting(
        "RUNBOOK_WORK_FOLDER",
        group=_GROUP,
        about="Where a dump lies while it is tried, with room for it; by default the system's temporary folder.",
    )
    work_deadline_s: float = setting(
        "RUNBOOK_WORK_DEADLINE_S",
        default=3600.0,
        group=_GROUP,
        about="Seconds that one rehearsal (dump, restore, compare) may take.",
    )
    backup_folder: Text = setting(
        "RUNBOOK_BACKUP_FOLDER",
        group=_GROUP,
        about="The team's own dumps, where it makes any: a folder of pg_dump files.",
    )
    migrations_path: Text = setting(
        "RUNBOOK_MIGRATIONS",
        group=_GROUP,
        about="The repository's SQL: a file, or a folder whose files are applied in the order of their names.",
    )
    recovery_objectives_file: Text = setting(
        "RUNBOOK_RECOVERY_OBJECTIVES",
        default="recovery_objectives.toml",
        group="Team files",
        about="How much may be lost and how long a restore may take: RPO, RTO, and how often it is rehearsed.",
    )
    restore_ledger_file: Text = setting(
        "RUNBOOK_RESTORE_LEDGER",
        default="restore_drills.jsonl",
        group="Team files",
        about="Where each rehearsed restore is written down, one a line.",
    )
