"""Supabase's backups of the project, as the Management API tells of them: the daily ones, point-in-time recovery, the schedule.

Supabase tells no sizes. Source: Management API reference and its OpenAPI document (May 2026), /v1/projects/{ref}/database/backups.
"""

from typing import Any

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.backups import BackupSchedule, ProjectBackup, ProjectBackups
from runbook_lib.io.http import status_of
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, number_of, rows_in, text_of
from runbook_lib.sources.supabase.api import ManagementApi

_HELP = "RUNBOOK_SUPABASE_ACCESS_TOKEN needs the database read scope (backups_read) of this project"
_HIGHER_PLAN = 402


def backups() -> Look[ProjectBackups]:
    """The project's backups. A project without any is ok with an empty list."""

    def fetch(door: Door) -> Answer[ProjectBackups]:
        return Answer(Status.ok, ManagementApi(door).get("/database/backups").parsed(_read))

    return Look("supabase", "backups", {}, fetch)


def schedule() -> Look[BackupSchedule]:
    """When the daily backup is made. not_found: the project has no schedule, says the vendor."""

    def fetch(door: Door) -> Answer[BackupSchedule]:
        reply = ManagementApi(door).ask("/database/backups/schedule")
        if reply.status_code == _HIGHER_PLAN:
            return Answer(Status.ok, {"offered": False, "at": None}, "402: the plan has no schedule of its own")
        if reply.status_code == 404:
            return Answer(Status.not_found, None, reply.complaint())
        if status_of(reply.status_code) != Status.ok:
            reply.raise_for_status(_HELP)
        return Answer(Status.ok, reply.parsed(lambda document: BackupSchedule(offered=True, at=_clock(document))))

    return Look("supabase", "backup_schedule", {}, fetch)


def _read(document: dict[str, Any]) -> ProjectBackups:
    window = document["physical_backup_data"]
    found = [_backup(row) for row in rows_in(document, "backups")]
    found.sort(key=lambda row: row["at"], reverse=True)
    return {
        "region": text_of(document, "region"),
        "pitr": _flag(document, "pitr_enabled"),
        "wal": _flag(document, "walg_enabled"),
        "pitr_earliest_at": _moment(window.get("earliest_physical_backup_date_unix")),
        "pitr_latest_at": _moment(window.get("latest_physical_backup_date_unix")),
        "backups": found,
    }


def _backup(row: dict[str, Any]) -> ProjectBackup:
    at = iso_of_text(row["inserted_at"])
    if at is None:
        raise KeyError("inserted_at")
    status = row["status"]
    if not isinstance(status, str):
        raise TypeError("status is no text")
    return {"id": text_of(row, "id"), "at": at, "status": status.lower(), "physical": _flag(row, "is_physical_backup")}


def _flag(row: dict[str, Any], name: str) -> bool:
    value = row[name]
    if not isinstance(value, bool):
        raise TypeError(f"{name} is no truth value")
    return value


def _moment(seconds: Json) -> str | None:
    number = number_of(seconds)
    try:
        return None if number is None else to_iso(from_epoch_s(number))
    except (OverflowError, OSError) as error:
        raise ValueError(f"not a moment: {seconds!r:.40}") from error


def _clock(document: dict[str, Any]) -> str:
    value = document["schedule_for"]
    if not isinstance(value, str):
        raise TypeError("schedule_for is no text")
    return value
