"""The team's own dumps: a folder of files that pg_dump wrote. How old, how large, and whether the newest can be read to its end."""

from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.backups import DumpFile, DumpFolder, NewestDump
from runbook_lib.io.observe import Door, Look
from runbook_lib.io.workspace import PARTIAL, list_files, read_ends
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.recovery.pg_tools import Tools

_SUFFIXES = (".dump", ".backup", ".pgdump", ".sql", ".tar", ".custom")
_UNREADABLE = (".gz", ".zst", ".bz2", ".xz", ".gpg", ".age", ".enc", ".zip")
_MOST = 1000
_PLAIN_END = b"PostgreSQL database dump complete"
_READING_S = 300.0  # the newest dump is read to its end, which is work


def dumps(path: str = "") -> Look[DumpFolder]:
    """The dumps in a folder, or one dump; the newest is read through to its end.

    Args:
        path: a folder or a file; "" is RUNBOOK_BACKUP_FOLDER.

    Statuses: empty (no dump is there), unreachable (no such folder), not_configured (none is named), malformed (only files that
    are packed), partial (only the newest 1,000 files were looked at).
    """

    def fetch(door: Door) -> Answer[DumpFolder]:
        folder = Path(path or require_setting(door, "backup_folder")).expanduser()
        found = list_files(folder)
        named = [row for row in found if row[0].endswith(_SUFFIXES) or folder.is_file()]
        packed = [row[0] for row in found if row[0].endswith(_UNREADABLE)]
        unfinished = [row[0] for row in found if row[0].endswith(PARTIAL)]
        if not named and packed:
            raise LookError(
                Status.malformed,
                f"{len(packed)} files are compressed or encrypted from outside and cannot be read here",
                where=str(folder),
                do_next="unpack the newest one and give it as backup_file",
            )
        if not named:
            left = f"; {len(unfinished)} unfinished" if unfinished else ""
            return Answer(Status.empty, None, f"no dump in {folder}{left}")
        files = [DumpFile(name=name, bytes=size, at=to_iso(from_epoch_s(at))) for name, size, at in named[-_MOST:]]
        place = folder if folder.is_file() else folder / files[-1]["name"]
        newest = _read(Tools(door), place, files[-1])
        value = DumpFolder(folder=str(folder), files=files, unfinished=unfinished, packed=packed, newest=newest)
        if len(named) > _MOST:
            return Answer(Status.partial, value, f"only the newest {_MOST} of {len(named)} files were looked at")
        return Answer(Status.ok, value)

    return Look("dumps", "folder", {"path": path}, fetch, deadline_s=_READING_S, is_work=True)


def _read(tools: Tools, file: Path, row: DumpFile) -> NewestDump:
    """What the newest file is. A file that is no dump is not whole."""
    head, tail = read_ends(file)
    dump: NewestDump = {**row, "format": "none", "entries": 0, "tables_with_data": None, "whole": False, "why": ""}
    if head.startswith(b"PGDMP") or b"toc.dat" in head[:100]:
        dump["format"] = "custom" if head.startswith(b"PGDMP") else "tar"
        try:
            contents = tools.contents(file)
        except LookError as error:
            if error.status != Status.malformed:
                raise
            return {**dump, "why": error.tried}
        dump["entries"], dump["tables_with_data"] = len(contents.entries), len(contents.names("TABLE DATA"))
        dump["at"] = min(row["at"], _made_at(contents.created) or row["at"])
        why = tools.read_through(file)
        return {**dump, "whole": not why, "why": why}
    if b"PostgreSQL database dump" in head:
        whole = _PLAIN_END in tail
        return {**dump, "format": "plain", "whole": whole, "why": "" if whole else "its last line is missing"}
    return {**dump, "why": "it is no dump of pg_dump's" if head else "it has no bytes"}


def _made_at(created: str | None) -> str | None:
    try:
        return to_iso(datetime.fromisoformat(created or "").replace(tzinfo=UTC))
    except ValueError:
        return None
