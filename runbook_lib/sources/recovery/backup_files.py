"""The team's own dumps: a folder of files that pg_dump wrote. How old, how large, and whether the newest can be read to its end."""

from datetime import UTC, datetime
from pathlib import Path

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.io.observe import Door, Look
from runbook_lib.io.workspace import PARTIAL, ends_of, listing
from runbook_lib.sources.kit.asking import need
from runbook_lib.sources.recovery.pg_tools import Tools

_SUFFIXES = (".dump", ".backup", ".pgdump", ".sql", ".tar", ".custom")
_UNREADABLE = (".gz", ".zst", ".bz2", ".xz", ".gpg", ".age", ".enc", ".zip")
_MOST = 1000
_PLAIN_END = b"PostgreSQL database dump complete"
_READING_S = 300.0  # the newest dump is read to its end, which is work


def dumps(path: str = "") -> Look:
    """The dumps in a folder, or one dump: {"folder", "files": [{"name", "bytes", "at"}] oldest first, "unfinished": names that end
    in .partial, "packed": names that are compressed or encrypted and so not read, "newest": {"name", "bytes", "at", "format"
    (custom, tar, plain, none), "entries", "tables_with_data" (None for plain SQL), "whole", "why"}}.

    Args:
        path: a folder or a file; "" is RUNBOOK_BACKUP_FOLDER.

    `at` is when the file was last written, or, where the dump itself says that it is older, when it was made. The newest is read
    through to its end. empty: no dump is there; unreachable: no such folder; not_configured: none is named.
    """

    def fetch(door: Door) -> Answer:
        folder = Path(path or need(door, "backup_folder")).expanduser()
        found = listing(folder)
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
        files: list[dict[str, Json]] = [
            {"name": name, "bytes": size, "at": to_iso(from_epoch_s(at))} for name, size, at in named[-_MOST:]
        ]
        place = folder if folder.is_file() else folder / str(files[-1]["name"])
        newest = _read(Tools(door), place, files[-1])
        value: dict[str, Json] = {
            "folder": str(folder), "files": files, "unfinished": unfinished, "packed": packed, "newest": newest,
        }  # fmt: skip
        if len(named) > _MOST:
            return Answer(Status.partial, value, f"only the newest {_MOST} of {len(named)} files were looked at")
        return Answer(Status.ok, value)

    return Look("dumps", "folder", {"path": path}, fetch, deadline_s=_READING_S, is_work=True)


def _read(tools: Tools, file: Path, row: dict[str, Json]) -> dict[str, Json]:
    """What the newest file is. A file that is no dump is not whole; why stands in `why`."""
    head, tail = ends_of(file)
    told: dict[str, Json] = {**row, "format": "none", "entries": 0, "tables_with_data": None, "whole": False, "why": ""}
    if head.startswith(b"PGDMP") or b"toc.dat" in head[:100]:
        told["format"] = "custom" if head.startswith(b"PGDMP") else "tar"
        try:
            contents = tools.contents(file)
        except LookError as error:
            if error.status != Status.malformed:
                raise
            return {**told, "why": error.tried}
        told |= {"entries": len(contents.entries), "tables_with_data": len(contents.names("TABLE DATA"))}
        told["at"] = min(str(row["at"]), _made_at(contents.created) or str(row["at"]))
        why = tools.read_through(file)
        return {**told, "whole": not why, "why": why}
    if b"PostgreSQL database dump" in head:
        whole = _PLAIN_END in tail
        return {**told, "format": "plain", "whole": whole, "why": "" if whole else "its last line is missing"}
    return {**told, "why": "it is no dump of pg_dump's" if head else "it has no bytes"}


def _made_at(created: str | None) -> str | None:
    try:
        return to_iso(datetime.fromisoformat(created or "").replace(tzinfo=UTC))
    except ValueError:
        return None
