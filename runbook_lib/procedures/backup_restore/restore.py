"""What a rehearsal carries: did everything come back, with what protects it, numbered on, and in time?"""

from collections.abc import Sequence

from runbook_lib.core.model import Finding, Observation, Suspect
from runbook_lib.core.records.restores import (
    ComparedTable,
    RestoreComparison,
    RestoredBackup,
    RestoreError,
    RestoreOutcome,
    RestoreRehearsal,
    SequenceBehind,
)
from runbook_lib.core.records.schema import SchemaDifference
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.backup_restore.causes import CATALOGUE
from runbook_lib.procedures.backup_restore.reading import Evidence, first_few, span

_PROTECTING = ("policy", "rls", "grant")
_PASSED_OVER = ("owner", "default_grant", "extension", *_PROTECTING)
_CUT_OFF = ("end of file", "could not read from input file", "unexpected end", "could not find block")


def judge_drill(evidence: Evidence) -> tuple[list[Finding], list[Suspect]]:
    """The findings of the rehearsal, the worst first; nothing where none ran, or none came to an end."""
    look, held = evidence.drill, whole_record(evidence.drill, RestoreRehearsal)
    if held is None or look is None:
        return [], []
    backup, restore, compared = held["backup"], held["restore"], held["compared"]
    if compared is None:
        return [_gave_up(backup, restore, look)], []
    faults: list[Finding] = []
    empty = _empty(backup, compared, look)
    if empty is not None:
        return [empty], []
    missing = {row["name"] for row in compared["schema"] if row["kind"] == "table" and row["how"] == "missing"}
    faults += _rows(backup, restore, compared, missing, look)
    objects, suspects = _objects(backup, restore, compared, look)
    faults += objects
    lost, doubtful = _protection(backup, compared, missing, look)
    faults += lost
    suspects += doubtful
    faults += sequences_behind(compared["sequences"], backup["file"], look)
    rto = evidence.aim("rto")
    if rto.seconds is not None and held["restored_s"] > rto.seconds:
        took = span(held["restored_s"])
        what = f"from the file to a restored database it took {took}; the RTO is {span(rto.seconds)} ({rto.origin})"
        faults.append(CATALOGUE.finding("restore.too_slow", backup["file"], what, [look, evidence.objectives]))
    return faults, suspects


def _gave_up(backup: RestoredBackup, restore: RestoreOutcome, look: Observation) -> Finding:
    """The restore did not come to an end."""
    words, name = restore["gave_up"], backup["file"]
    if backup["bytes"] == 0:
        return CATALOGUE.finding("backup.empty_file.no_bytes", name, "the dump has no bytes", [look])
    if "unsupported version" in words:
        return CATALOGUE.finding("restore.failed.newer_format", name, f"pg_restore cannot read it: {words}", [look])
    if any(sign in words for sign in _CUT_OFF):
        return CATALOGUE.finding(
            "backup.failed.truncated", name, f"the dump cannot be read to its end: {words}", [look]
        )
    return CATALOGUE.finding("restore.failed.unreadable", name, f"pg_restore gave up: {words}", [look])


def _empty(backup: RestoredBackup, compared: RestoreComparison, look: Observation) -> Finding | None:
    """Nothing came back although the source has rows."""
    if compared["rows"] or not compared["source_has_rows"]:
        return None
    what = f"the dump has {backup['bytes']:,} bytes and brought back not one row, while the source has some"
    return CATALOGUE.finding("backup.empty_file.no_data", backup["file"], what, [look])


def _rows(
    backup: RestoredBackup,
    restore: RestoreOutcome,
    compared: RestoreComparison,
    missing: set[str],
    look: Observation,
) -> list[Finding]:
    """Rows that did not come back; a table that is missing altogether is an object that is missing."""
    wrong = [row for row in compared["tables"] if row["table"] not in missing]
    if not wrong:
        return []
    told = first_few(_row_words(row) for row in wrong)
    return [CATALOGUE.finding("restore.incomplete.rows", backup["file"], f"{told}{_errors(restore)}", [look])]


def _row_words(row: ComparedTable) -> str:
    if row["wanted_rows"] is None:
        return f"{row['table']} without its rows, which the dump does not hold"
    if row["wanted_rows"] == row["got_rows"]:
        return f"{row['table']} with other contents ({row['got_rows']:,} rows, another checksum)"
    return f"{row['table']} with {row['got_rows'] or 0:,} of {row['wanted_rows']:,} rows"


def _objects(
    backup: RestoredBackup, restore: RestoreOutcome, compared: RestoreComparison, look: Observation
) -> tuple[list[Finding], list[Suspect]]:
    """Objects that are missing or differ. Of an older file a difference may be younger than the file: only an error decides."""
    differing = [row for row in compared["schema"] if row["kind"] not in _PASSED_OVER]
    if compared["exact"]:
        if not differing:
            return [], []
        what = f"{len(differing)} objects are missing or differ: {first_few(map(_object_words, differing))}{_errors(restore)}"
        return [CATALOGUE.finding("restore.incomplete.objects", backup["file"], what, [look])], []
    lacking = [row for row in differing if row["how"] == "missing"]
    errors = [error for error in restore["errors"] if not _concerns_rows(error)]
    if errors:
        what = f"{restore['error_count']} errors while restoring{_errors(restore)}"
        return [CATALOGUE.finding("restore.incomplete.objects", backup["file"], what, [look])], []
    if not lacking:
        return [], []
    why = f"{first_few(map(_object_words, lacking))}: either the dump leaves it out, or it is younger than the dump"
    look_again = (
        "make a dump now by the same command and try that: runbook run 08 -p backup_file=FILE; whoever runs the job"
    )
    return [], [Suspect("restore.incomplete.objects", backup["file"], why, look_again)]


def _object_words(row: SchemaDifference) -> str:
    return f"{row['kind']} {row['name']} {row['how']}"


def _concerns_rows(error: RestoreError) -> bool:
    return "COPY failed for table" in error["message"]


def _errors(restore: RestoreOutcome) -> str:
    return f"; pg_restore: {restore['errors'][0]['message']}" if restore["errors"] else ""


def _protection(
    backup: RestoredBackup, compared: RestoreComparison, missing: set[str], look: Observation
) -> tuple[list[Finding], list[Suspect]]:
    """Policies, RLS flags and grants. What protected a table that is itself missing is not counted again."""
    faults: list[Finding] = []
    doubtful: list[Suspect] = []
    changed = [
        row
        for row in compared["schema"]
        if row["kind"] in _PROTECTING and row["how"] != "added" and not any(_is_of(row, name) for name in missing)
    ]
    for kind, sub, count in (
        ("policy", "policies", compared["policies"]),
        ("rls", "rls_off", compared["rls"]),
        ("grant", "grants", compared["grants"]),
    ):
        mine = [row for row in changed if row["kind"] == kind and not _is_stricter(row)]
        code, name = f"restore.policies_lost.{sub}", backup["file"]
        if not mine:
            continue
        what = f"{len(mine)} of the source's are missing or differ: {first_few(row['name'] for row in mine)}"
        if compared["exact"] or (count[0] and not count[1]):
            faults.append(CATALOGUE.finding(code, name, what, [look]))
        else:
            again = "make a dump now by the same command and try that: runbook run 08 -p backup_file=FILE"
            doubtful.append(Suspect(code, name, f"{what}; they may be younger than the dump", again))
    return faults, doubtful


def _is_of(row: SchemaDifference, table: str) -> bool:
    """Whether a policy, an RLS flag or a grant is a table's: `public.t.read_own`, `public.t`, `column public.t.id to anon`."""
    name = row["name"].removeprefix("table ").removeprefix("column ").partition(" to ")[0]
    return name == table or name.startswith(f"{table}.")


def _is_stricter(row: SchemaDifference) -> bool:
    return row["kind"] == "rls" and "enabled false" in (row["wanted"] or "")


def sequences_behind(behind: Sequence[SequenceBehind], subject: str, look: Observation) -> list[Finding]:
    """Sequences that would hand out numbers again."""
    if not behind:
        return []
    told = first_few(
        f"{row['sequence']} stands at {row['last'] or 'its start'}, the highest number is {row['highest']}"
        for row in behind
    )
    return [CATALOGUE.finding("restore.sequences_behind", subject, told, [look])]
