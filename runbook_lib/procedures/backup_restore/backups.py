"""Are there backups, young enough, whole and tried? What the vendor's list, the team's folder and its ledger carry."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.core.records.backups import DumpFolder, NewestDump, ProjectBackup, ProjectBackups, Rehearsal
from runbook_lib.core.records.restores import RestoreRehearsal
from runbook_lib.judging.answers import whole_record, whole_rows
from runbook_lib.procedures.backup_restore.causes import CATALOGUE
from runbook_lib.procedures.backup_restore.reading import DAY_S, Evidence, age_s, span

_USABLE = ("completed", "archived")
_FAILED = ("failed", "cancelled")
_STUCK_S = 12 * 3600.0
PITR_LAG_S = 3600.0  # WAL leaves every few minutes; an hour without a recovery point is a stall, whatever the RPO
_USUAL_WINDOW_S = 7 * DAY_S  # the shortest retention that the add-on is sold with
_NEARLY = 0.95
_SHRUNK_TO = 0.5
_BEFORE_IT = 3  # fewer older dumps are no measure


@dataclass
class BackupFindings:
    """What rules found: causes, what only follows from them, and what stays open. `good_at`: the newest point to go back to."""

    faults: list[Finding] = field(default_factory=list)
    also: list[Finding] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    good_at: str | None = None


def judge_vendor(evidence: Evidence) -> BackupFindings:
    """Supabase's daily backups and point-in-time recovery against the objectives."""
    judged = BackupFindings()
    look, held = evidence.backups, whole_record(evidence.backups, ProjectBackups)
    if held is None or look is None:
        return judged
    attempts = held["backups"]
    usable = [row for row in attempts if row["status"] in _USABLE]
    daily_at = usable[0]["at"] if usable else None
    point_at = held["pitr_latest_at"] if held["pitr"] else None
    judged.good_at = max(filter(None, (daily_at, point_at)), default=None)
    failed = _failed(evidence, look, attempts)
    if held["pitr"]:
        judged.also += failed
        _judge_pitr(evidence, look, held, daily_at, judged)
        return judged
    judged.faults += failed
    follows = judged.also if failed else judged.faults
    rpo = evidence.aim("rpo")
    if daily_at is None:
        what = f"{len(attempts)} attempts are listed, none of them completed" if attempts else "the list is empty"
        follows.append(
            CATALOGUE.finding("backup.none", "Supabase", f"{what}, and point-in-time recovery is off", [look])
        )
    elif rpo.seconds is not None and age_s(evidence, daily_at) > rpo.seconds:
        old = (
            f"the newest completed backup is {span(age_s(evidence, daily_at))} old, and the RPO is {span(rpo.seconds)}"
        )
        follows.append(
            CATALOGUE.finding("backup.too_old.daily", "Supabase", f"{old} ({rpo.origin})", [look, evidence.objectives])
        )
    _judge_off(evidence, look, judged)
    return judged


def _failed(evidence: Evidence, look: Observation, attempts: Sequence[ProjectBackup]) -> list[Finding]:
    """The newest attempt, where nothing has succeeded since."""
    newest = attempts[0] if attempts else None
    if newest is None:
        return []
    if newest["status"] in _FAILED:
        since = sum(row["status"] in _FAILED for row in _until_success(attempts))
        what = f"the backup of {newest['at']} is {newest['status']}" + (f", {since} in a row" if since > 1 else "")
        return [CATALOGUE.finding("backup.failed.last", "Supabase", what, [look])]
    if newest["status"] == "pending" and age_s(evidence, newest["at"]) > _STUCK_S:
        what = f"the backup of {newest['at']} has been pending for {span(age_s(evidence, newest['at']))}"
        return [CATALOGUE.finding("backup.failed.stuck", "Supabase", what, [look])]
    return []


def _until_success(attempts: Sequence[ProjectBackup]) -> list[ProjectBackup]:
    """The attempts since the last one that succeeded."""
    since = []
    for row in attempts:
        if row["status"] in _USABLE:
            break
        since.append(row)
    return since


def _judge_pitr(
    evidence: Evidence, look: Observation, held: ProjectBackups, daily_at: str | None, judged: BackupFindings
) -> None:
    rpo, window = evidence.aim("rpo"), evidence.aim("pitr_window")
    latest_at, earliest_at = held["pitr_latest_at"], held["pitr_earliest_at"]
    if latest_at is None:
        why = "point-in-time recovery is on, and Supabase tells no recovery point"
        dashboard = (
            "the project's page Database → Backups → Point in time, by somebody who may see the project's settings"
        )
        code = "backup.too_old.pitr_lags" if daily_at else "backup.none"
        judged.suspects.append(Suspect(code, "Supabase", why, dashboard))
        return
    limit = PITR_LAG_S if rpo.seconds is None else min(PITR_LAG_S, rpo.seconds)
    lag = age_s(evidence, latest_at)
    if lag > limit:
        what = f"the newest recovery point is {span(lag)} old, and no more than {span(limit)} is to be expected"
        judged.faults.append(
            CATALOGUE.finding("backup.too_old.pitr_lags", "Supabase", what, [look, evidence.objectives])
        )
    wanted = window.seconds if window.seconds is not None else _USUAL_WINDOW_S
    reach = None if earliest_at is None else age_s(evidence, earliest_at)
    if reach is not None and reach < wanted * _NEARLY:
        origin = window.origin if window.seconds is not None else "the add-on's shortest retention"
        what = f"recovery reaches back {span(reach)}, and {span(wanted)} are wanted ({origin})"
        judged.faults.append(CATALOGUE.finding("pitr.window_short", "Supabase", what, [look, evidence.objectives]))


def _judge_off(evidence: Evidence, look: Observation, judged: BackupFindings) -> None:
    """Point-in-time recovery is off: a fault only where the objectives cannot be kept without it."""
    rpo, window = evidence.aim("rpo"), evidence.aim("pitr_window")
    if window.seconds is not None:
        why = f"recovery to any moment of the last {span(window.seconds)} is wanted ({window.origin})"
    elif rpo.seconds is not None and rpo.seconds < DAY_S:
        why = f"the RPO is {span(rpo.seconds)} ({rpo.origin}), and daily backups are up to a day old"
    else:
        return
    judged.faults.append(
        CATALOGUE.finding("pitr.off", "Supabase", f"{why}; point-in-time recovery is off", [look, evidence.objectives])
    )


def judge_folder(evidence: Evidence) -> BackupFindings:
    """The team's own dumps: the newest one's age, wholeness, size and contents."""
    judged = BackupFindings()
    look = evidence.files
    if look is None or look.status == Status.not_configured:
        return judged
    if look.status.proves_absence:
        what = look.why or "no dump is there"
        judged.faults.append(
            CATALOGUE.finding("backup.none.file", str(look.arguments.get("path") or "the folder"), what, [look])
        )
        return judged
    held = whole_record(look, DumpFolder)
    if held is None:
        return judged
    files, newest = held["files"], held["newest"]
    name, at = newest["name"], newest["at"]
    spoilt = _spoilt(newest, name, look)
    judged.faults += spoilt
    if not spoilt:
        judged.good_at = at
    rpo = evidence.aim("rpo")
    if rpo.seconds is not None and age_s(evidence, at) > rpo.seconds:
        what = f"it is {span(age_s(evidence, at))} old, and the RPO is {span(rpo.seconds)} ({rpo.origin})"
        (judged.also if spoilt else judged.faults).append(
            CATALOGUE.finding("backup.too_old.file", name, what, [look, evidence.objectives])
        )
    before = [row["bytes"] for row in files if row["name"] != name and row["at"] <= at]
    if not spoilt and len(before) >= _BEFORE_IT:
        usual = statistics.median(before)
        if newest["bytes"] < usual * _SHRUNK_TO:
            what = f"it has {newest['bytes']:,} bytes; the {len(before)} before it have {usual:,.0f} (median)"
            judged.faults.append(CATALOGUE.finding("backup.shrunk", name, what, [look]))
    return judged


def _spoilt(newest: NewestDump, name: str, look: Observation) -> list[Finding]:
    if newest["bytes"] == 0:
        return [CATALOGUE.finding("backup.empty_file.no_bytes", name, "the newest dump has no bytes", [look])]
    if not newest["whole"]:
        return [
            CATALOGUE.finding(
                "backup.failed.truncated", name, f"the newest dump cannot be read to its end: {newest['why']}", [look]
            )
        ]
    if newest["tables_with_data"] == 0:
        what = f"the newest dump holds {newest['entries']} definitions and the rows of no table"
        return [CATALOGUE.finding("backup.empty_file.no_data", name, what, [look])]
    return []


def judge_rehearsals(evidence: Evidence) -> list[Finding]:
    """When a restore was last rehearsed whole; a rehearsal in this run answers for itself."""
    look, aim = evidence.rehearsals, evidence.aim("rehearsed")
    is_rehearsed_now = whole_record(evidence.drill, RestoreRehearsal) is not None
    if look is None or not look.status.answered or aim.seconds is None or is_rehearsed_now:
        return []
    rows = whole_rows(look, Rehearsal)
    whole = [row for row in rows if row["outcome"] == "whole"]
    if not whole:
        what = look.why or f"{len(rows)} rehearsals are written down, none of them whole"
        return [CATALOGUE.finding("backup.untested.never", "restore", what, [look, evidence.objectives])]
    age = (evidence.now - from_iso(whole[0]["at"])).total_seconds()
    if age <= aim.seconds:
        return []
    what = f"the last whole rehearsal was {span(age)} ago; every {span(aim.seconds)} one is due ({aim.origin})"
    return [CATALOGUE.finding("backup.untested.long_ago", "restore", what, [look, evidence.objectives])]
