"""Backups that exist: the vendor's, the team's own dumps, what recovery must achieve, and when a restore was last rehearsed."""

from typing import Literal

from typing_extensions import TypedDict


class ProjectBackup(TypedDict):
    """One backup in Supabase's list. `status`: completed, failed, pending, removed, archived or cancelled."""

    id: str | None
    at: str
    status: str
    physical: bool


class ProjectBackups(TypedDict):
    """A project's backups, newest first, and point-in-time recovery (`pitr`) with its window: None where the vendor tells none.

    A list without any means that there is none only where `pitr` is off.
    """

    region: str | None
    pitr: bool
    wal: bool
    pitr_earliest_at: str | None
    pitr_latest_at: str | None
    backups: list[ProjectBackup]


class BackupSchedule(TypedDict):
    """When the daily backup is made, "HH:MM:SS" (UTC). Not `offered`: the plan has no choice, and `at` is None."""

    offered: bool
    at: str | None


class DumpFile(TypedDict):
    """A dump in the team's folder. `at`: when it was last written."""

    name: str
    bytes: int
    at: str


class NewestDump(DumpFile):
    """The newest dump, read through to its end. `at` is when it was made, where the dump itself says that that was earlier.

    `format`: custom, tar, plain or none (no dump at all). `tables_with_data`: None where it is not known (plain SQL).
    `why`: why it is not whole, else empty.
    """

    format: Literal["custom", "tar", "plain", "none"]
    entries: int
    tables_with_data: int | None
    whole: bool
    why: str


class DumpFolder(TypedDict):
    """The dumps in a folder, oldest first. `unfinished`: names that end in .partial. `packed`: compressed or encrypted from
    outside, and so not read."""

    folder: str
    files: list[DumpFile]
    unfinished: list[str]
    packed: list[str]
    newest: NewestDump


class RecoveryObjectives(TypedDict):
    """What recovery must achieve, by the team's file; None for what the file leaves out."""

    file: str
    rpo_s: float | None
    rto_s: float | None
    rehearsed_s: float | None
    pitr_window_s: float | None


class Rehearsal(TypedDict):
    """A rehearsed restore in the team's ledger. `restored_s` and `what` are None where the line, written by hand, lacks them."""

    at: str
    outcome: Literal["whole", "not whole"]
    restored_s: float | None
    what: str | None


class WrittenDown(TypedDict):
    """Where a rehearsal was written down: the ledger's path."""

    written: str
