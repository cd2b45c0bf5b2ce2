"""What procedure 08 shows: objectives with their origins, the backups, a rehearsal's figures, differences."""

from collections.abc import Sequence

from runbook_lib.core.model import Json
from runbook_lib.core.records.backups import DumpFolder, ProjectBackups, Rehearsal
from runbook_lib.core.records.restores import RestoreRehearsal, TableCopies
from runbook_lib.core.records.schema import SchemaDifference
from runbook_lib.judging.answers import whole_record, whole_rows
from runbook_lib.procedures.backup_restore.reading import Evidence, age_s, span

_WORDS = {
    "rpo": "work that may be lost (RPO)",
    "rto": "time that a restore may take (RTO)",
    "rehearsed": "a restore is rehearsed at least every",
    "pitr_window": "point-in-time recovery reaches back",
}


def aims_table(evidence: Evidence) -> Json:
    """What recovery must achieve, and where that stands."""
    rows = []
    for name, words in _WORDS.items():
        aim = evidence.aim(name)
        rows.append([words, "not asked for" if aim.seconds is None else span(aim.seconds), aim.origin])
    return {"columns": ["objective", "is", "from"], "rows": rows}


def backups_table(evidence: Evidence) -> Json:
    """The vendor's backups and its recovery window, the team's dumps, the last rehearsals."""
    rows = [
        *_vendors(evidence, whole_record(evidence.backups, ProjectBackups)),
        *_dumps(evidence, whole_record(evidence.files, DumpFolder)),
        *(
            ["ledger", f"rehearsal of {row['what']}", row["at"], _age(evidence, row["at"]), None, row["outcome"]]
            for row in whole_rows(evidence.rehearsals, Rehearsal)[:5]
        ),
    ]
    return {"columns": ["where", "what", "at", "age_s", "size_bytes", "state"], "rows": rows}


def _vendors(evidence: Evidence, held: ProjectBackups | None) -> list[list[Json]]:
    if held is None:
        return []
    points = (("newest", held["pitr_latest_at"]), ("oldest", held["pitr_earliest_at"])) if held["pitr"] else ()
    return [
        *(["Supabase", f"point in time, {which}", at, _age(evidence, at), None, "on"] for which, at in points),
        *(["Supabase", "daily", row["at"], _age(evidence, row["at"]), None, row["status"]] for row in held["backups"]),
    ]


def _dumps(evidence: Evidence, folder: DumpFolder | None) -> list[list[Json]]:
    """The ten newest, the newest first and with its state."""
    if folder is None:
        return []
    newest, rows = folder["newest"], []
    for row in reversed(folder["files"][-10:]):
        state = "whole" if newest["whole"] else f"not whole: {newest['why']}"
        shown = state if row["name"] == newest["name"] else None
        rows.append(["folder", row["name"], row["at"], _age(evidence, row["at"]), row["bytes"], shown])
    return rows


def _age(evidence: Evidence, at: str | None) -> float | None:
    return None if at is None else age_s(evidence, at)


def rehearsal_table(held: RestoreRehearsal) -> Json:
    """A rehearsal from dump to comparison, with what it left out."""
    backup, restore, compared = held["backup"], held["restore"], held["compared"]
    rows: list[list[Json]] = [
        ["dump", "made now" if backup["fresh"] else "was there", backup["dump_s"], backup["bytes"]],
        ["restore", restore["gave_up"] or f"{restore['error_count']} errors", restore["seconds"], None],
    ]
    if compared is not None:
        tables = f"{compared['tables_same']} of {held['source']['tables']} tables the same, {compared['rows']:,} rows"
        rows += [
            ["contents", tables, compared["seconds"], None],
            ["schema", f"{compared['schema_count']} differences", None, None],
            ["policies", f"{compared['policies'][1]} of {compared['policies'][0]}", None, None],
            ["tables with RLS on", f"{compared['rls'][1]} of {compared['rls'][0]}", None, None],
            ["grants", f"{compared['grants'][1]} of {compared['grants'][0]}", None, None],
            ["sequences behind", str(len(compared["sequences"])), None, None],
        ]
    left_out = ", ".join([*held["source"]["left_out"], *(f"extension {name}" for name in restore["left_out"])])
    rows.append(["left out, where there", left_out or "nothing", None, None])
    return {"columns": ["what", "came to", "took_s", "size_bytes"], "rows": rows}


def differences_table(rows: Sequence[SchemaDifference]) -> Json:
    """Differences of two schemas: as it should be, and as it is."""
    cells = [[row["kind"], row["name"], row["how"], row["wanted"], row["got"]] for row in rows]
    return {"columns": ["kind", "name", "how", "wanted", "got"], "rows": cells}


def copies_table(held: TableCopies) -> Json:
    """Chosen tables, exported and imported again."""
    rows = [
        [
            form,
            row["table"],
            row["wanted_rows"],
            row["got_rows"],
            "the same" if row["same"] else "differs",
            copied["bytes"],
        ]
        for form, copied in held["forms"].items()
        for row in copied["tables"]
    ]
    return {"columns": ["as", "table", "rows", "came back", "contents", "size_bytes"], "rows": rows}
