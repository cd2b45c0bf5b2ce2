"""Would we get it back? From the backups, the rehearsals and the schema to one verdict.

A backup that was never restored is a hope. The audit says which backups there are, how old, whether they were ever tried; a
rehearsal, on request, says whether what comes back is what was there.
"""

from datetime import timedelta

from runbook_lib.core.clock import from_iso, to_iso
from runbook_lib.core.model import Change, Conclusion, Finding, Json, Situation
from runbook_lib.core.records.backups import Rehearsal
from runbook_lib.core.records.project import Migration
from runbook_lib.core.records.restores import PointInTimeRehearsal, RestoreRehearsal, TableCopies
from runbook_lib.core.records.schema import SchemaDifference, SchemaDrift
from runbook_lib.judging.answers import whole_record, whole_rows
from runbook_lib.judging.concluding import conclude
from runbook_lib.procedures.backup_restore.backups import judge_folder, judge_rehearsals, judge_vendor
from runbook_lib.procedures.backup_restore.causes import CATALOGUE
from runbook_lib.procedures.backup_restore.reading import Evidence, first_few
from runbook_lib.procedures.backup_restore.restore import judge_drill, sequences_behind


def diagnose(evidence: Evidence) -> Conclusion:
    """The verdict on backups, rehearsals and schema."""
    vendor, folder = judge_vendor(evidence), judge_folder(evidence)
    restored, doubtful = judge_drill(evidence)
    faults, explained = CATALOGUE.settle(
        [
            *vendor.faults,
            *folder.faults,
            *restored,
            *judge_recovery(evidence),
            *judge_copies(evidence),
            *judge_rehearsals(evidence),
            *judge_drift(evidence),
        ]
    )
    good_at = max(filter(None, (vendor.good_at, folder.good_at)), default=None)
    return conclude(
        CATALOGUE,
        evidence.all(),
        asked=evidence.asked,
        faults=faults,
        also=[*explained, *vendor.also, *folder.also],
        suspects=[*vendor.suspects, *folder.suspects, *doubtful],
        situation=_situation(evidence, faults, good_at),
        facts=facts_of(evidence, good_at),
    )


def judge_recovery(evidence: Evidence) -> list[Finding]:
    """The rehearsed recovery to a moment: what was there the second before must be there again."""
    look, held = evidence.recovery, whole_record(evidence.recovery, PointInTimeRehearsal)
    if held is None or (held["recovered"] and not held["tables"]):
        return []
    if not held["recovered"]:
        what = f"the server did not recover to {held['target_at']}: {held['why']}"
    else:
        what = (
            f"recovered to {held['target_at']}, but not as it was: {first_few(row['table'] for row in held['tables'])}"
        )
    return [CATALOGUE.finding("pitr.not_recovered", "rehearsal", what, [look])]


def judge_copies(evidence: Evidence) -> list[Finding]:
    """Chosen tables exported and imported, as SQL and as CSV."""
    look, held = evidence.copies, whole_record(evidence.copies, TableCopies)
    if look is None or held is None:
        return []
    faults: list[Finding] = []
    for form, copied in held["forms"].items():
        wrong = [row for row in copied["tables"] if not row["same"]]
        if wrong or copied["why"]:
            words = [f"{row['table']} with {row['got_rows'] or 0:,} of {row['wanted_rows']:,} rows" for row in wrong]
            what = "; ".join(filter(None, (first_few(words), copied["why"])))
            faults.append(
                CATALOGUE.finding(
                    f"restore.incomplete.{form}_copy", first_few(row["table"] for row in copied["tables"]), what, [look]
                )
            )
        else:
            faults += sequences_behind(copied["sequences"], f"{form} copy", look)
    return faults


def judge_drift(evidence: Evidence) -> list[Finding]:
    """What the database has and the repository's SQL does not make, and the reverse; one finding a kind of difference."""
    look, held = evidence.drift, whole_record(evidence.drift, SchemaDrift)
    if held is None:
        return []
    faults = []
    for how, sub, words in (
        ("missing", "not_applied", "in the repository and not in the database"),
        ("added", "only_in_database", "in the database and not in the repository"),
        ("differs", "differs", "in both, and differently"),
    ):
        mine = [row for row in held["differences"] if row["how"] == how]
        if mine:
            named = first_few(f"{row['kind']} {row['name']}" for row in _outermost(mine))
            what = f"{words}: {named}"
            faults.append(CATALOGUE.finding(f"schema.drift.{sub}", held["path"], what, [look]))
    return faults


def _outermost(rows: list[SchemaDifference]) -> list[SchemaDifference]:
    """Without the parts of tables that are themselves named."""
    named = {row["name"] for row in rows if row["kind"] in ("table", "view")}
    return [
        row
        for row in rows
        if row["kind"] in ("table", "view")
        or not any(row["name"].startswith(f"{name}.") or row["name"] == name for name in named)
    ]


def ledger_entry(evidence: Evidence) -> Rehearsal:
    """A rehearsal as the team's ledger keeps it. Raises LookupError where none ran to its end."""
    held = whole_record(evidence.drill, RestoreRehearsal)
    if held is None:
        raise LookupError("no rehearsal to write down")
    lost, doubtful = judge_drill(evidence)
    spoilt = [each for each in lost if each.code != "restore.too_slow"] or doubtful
    return {
        "at": held["at"],
        "outcome": "not whole" if spoilt else "whole",
        "restored_s": held["restored_s"],
        "what": f"{held['source']['database']}: {held['backup']['file']}",
    }


def _situation(evidence: Evidence, faults: list[Finding], good_at: str | None) -> Situation:
    """Since when: the moment at which the newest good backup became older than the RPO; and what would be lost with it."""
    onset = None
    rpo = evidence.aim("rpo")
    if (
        good_at is not None
        and rpo.seconds is not None
        and any(each.code.startswith("backup.too_old") for each in faults)
    ):
        onset = to_iso(from_iso(good_at) + timedelta(seconds=rpo.seconds))
    changes = tuple(
        Change(row["at"], row["what"], row["platform"])
        for row in whole_rows(evidence.migrations, Migration)
        if row["at"] and (good_at is None or row["at"] > good_at)
    )
    return Situation(ongoing=bool(faults) or None, onset=onset, last_seen=None, changes=changes[:20])


def facts_of(evidence: Evidence, good_at: str | None) -> dict[str, Json]:
    """What displays and a postmortem want: the objectives with their origins, the newest good backup, the rehearsal's figures."""
    aims = {name: evidence.aim(name) for name in ("rpo", "rto", "rehearsed", "pitr_window")}
    drill = whole_record(evidence.drill, RestoreRehearsal)
    return {
        "objectives": {name: {"seconds": aim.seconds, "from": aim.origin} for name, aim in aims.items()},
        "newest_good_backup_at": good_at,
        "rehearsal": {
            "restored_s": drill["restored_s"],
            "backup": drill["backup"],
            "compared": {name: value for name, value in (drill["compared"] or {}).items() if name != "schema"},
        }
        if drill
        else None,
    }
