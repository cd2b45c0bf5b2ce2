"""Hand-made observations for the rules of 08: fresh backups that were tried; then one thing changes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.evidence import NOW, look

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Conclusion, Observation, Status
from runbook_lib.procedures.backup_restore.causes import COPIES, POINT_IN_TIME, REHEARSAL
from runbook_lib.procedures.backup_restore.reading import Evidence
from runbook_lib.procedures.backup_restore.rules import diagnose

HOUR = 3600.0


def ago(hours: float) -> str:
    """The moment so many hours before the run."""
    return to_iso(NOW - timedelta(hours=hours))


def backups(*attempts: tuple[float, str], pitr: tuple[float, float] | None = None, **more: Any) -> Observation:
    """Supabase's answer: (hours ago, status) of each attempt, and (reaches back, lags) in hours where recovery is on."""
    value = {
        "region": "eu", "wal": True, "pitr": pitr is not None,
        "pitr_earliest_at": ago(pitr[0]) if pitr else None, "pitr_latest_at": ago(pitr[1]) if pitr else None,
        "backups": [{"id": str(n), "at": ago(age), "status": said, "physical": True} for n, (age, said) in enumerate(attempts)],
        **more,
    }  # fmt: skip
    return look("supabase", "backups", value)


def drift(*rows: dict[str, Any], status: Status = Status.ok) -> Observation:
    """The comparison with the repository's SQL, which brought these differences."""
    value = {
        "path": "sql",
        "files": ["001_init.sql"],
        "differences": list(rows),
        "count": len(rows),
        "compared": {"table": 8},
    }
    return look("schema", "drift", value, status, path="")


AIMS = {
    "file": "recovery_objectives.toml",
    "rpo_s": 24 * HOUR,
    "rto_s": 4 * HOUR,
    "rehearsed_s": 90 * 24 * HOUR,
    "pitr_window_s": None,
}
REHEARSED = [{"at": ago(300), "outcome": "whole", "restored_s": 40.0, "what": "postgres: nightly.dump"}]
CLEAN = Evidence(
    NOW,
    not_used=look("team", "not_used", ["dumps", "migrations"]),
    objectives=look("team", "recovery_objectives", AIMS),
    rehearsals=look("team", "restore_rehearsals", REHEARSED),
    backups=backups((6, "completed"), (30, "completed")),
    schedule=look("supabase", "backup_schedule", {"offered": False, "at": None}),
    files=look("dumps", "folder", None, Status.not_configured, path=""),
    migrations=look("supabase", "migrations", [], Status.empty),
    drift=drift(),
)


ASKED = {"drill": REHEARSAL, "recovery": POINT_IN_TIME, "copies": COPIES}


def verdict(**changed: Any) -> Conclusion:
    """The verdict on clean evidence with these changes; a look at work means that the run was asked for it."""
    asked = tuple(words for topic, words in ASKED.items() if topic in changed)
    return diagnose(replace(CLEAN, asked=asked, **changed))


def also(conclusion: Conclusion) -> list[str]:
    """The codes of what is true as well."""
    return [finding.code for finding in conclusion.also]


def folder(*files: tuple[str, float, int], **newest: Any) -> Observation:
    """The team's dumps: (name, hours ago, bytes), oldest first; what is said of the newest."""
    rows = [{"name": name, "at": ago(age), "bytes": size} for name, age, size in files]
    told = {"format": "custom", "entries": 90, "tables_with_data": 8, "whole": True, "why": "", **rows[-1], **newest}
    return look(
        "dumps", "folder", {"folder": "/b", "files": rows, "unfinished": [], "packed": [], "newest": told}, path="/b"
    )


def difference(kind: str, name: str, how: str = "missing", **more: Any) -> dict[str, Any]:
    """One object of a schema that differs."""
    return {"kind": kind, "name": name, "how": how, "wanted": "x", "got": None, **more}


def drill(*schema: dict[str, Any], exact: bool = True, **changed: Any) -> Observation:
    """A rehearsal whose comparison brought these differences."""
    compared = {
        "schema": list(schema), "schema_count": len(schema), "tables": [], "tables_same": 8, "rows": 120, "sequences": [],
        "policies": [10, 10], "rls": [7, 7], "grants": [40, 40], "source_has_rows": True, "exact": exact, "seconds": 0.1,
    }  # fmt: skip
    value: dict[str, Any] = {
        "backup": {
            "fresh": exact,
            "file": "x.dump",
            "bytes": 9000,
            "tables_with_data": 8,
            "dump_s": 0.1,
            "kept_as": None,
            "pg_dump": "18.6" if exact else None,
        },
        "source": {"database": "postgres", "version": 180006, "bytes": 9_000_000, "tables": 8, "left_out": []},
        "restore": {"seconds": 0.4, "gave_up": "", "error_count": 0, "errors": [], "left_out": []},
        "restored_s": 0.5,
        "at": ago(0),
        "compared": compared,
    }
    for name, part in changed.items():
        value[name] = {**value[name], **part} if isinstance(part, dict) and value.get(name) else part
    return look("restore", "rehearse", value)
