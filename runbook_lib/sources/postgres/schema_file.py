"""The repository's SQL, and the scratch server on which it may be tried: what Postgres makes of it is read, nothing of it stays."""

from pathlib import Path
from urllib.parse import urlsplit

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status
from runbook_lib.io.observe import Door
from runbook_lib.io.workspace import list_files
from runbook_lib.settings import reveal
from runbook_lib.sources.postgres.schema_stub import STUB

_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
_VENDORS = (".supabase.co", ".supabase.com", ".supabase.in")
_SCRATCH_HELP = (
    "set RUNBOOK_SCRATCH_DATABASE_URL to a throw-away Postgres where the runbook may make a database and drop it again; "
    "`runbook sandbox up` has one, in its settings file"
)
_MOST_BYTES = 8 * 1024 * 1024
_FILE_HELP = "give the path of packages/database/sql/001_init.sql, or of the folder that it lies in"


def scripts_of(door: Door, path: str) -> dict[str, str]:
    """The texts of a file, or of a folder's .sql files in the order of their names (seeds left out), by name; before them what
    every Supabase project has already.

    Raises LookError: unreachable where there is no such path, malformed where no SQL is in it; neither proves anything.
    """
    place = Path(path).expanduser()
    try:
        names = sorted(name for name, _, _ in list_files(place))
        chosen = names if place.is_file() else [n for n in names if n.endswith(".sql") and not n.startswith("seed")]
        files = {name: place if place.is_file() else place / name for name in chosen}
        texts = {name: door.read_text(file, max_bytes=_MOST_BYTES) for name, file in files.items()}
    except LookError as error:
        status = Status.malformed if error.status == Status.not_found else Status(error.status)
        raise LookError(status, error.tried, where=error.where, do_next=_FILE_HELP) from error
    if not texts:
        raise LookError(Status.malformed, "no .sql file is there", where=path, do_next=_FILE_HELP)
    return {"what a project has": STUB, **texts}


def scratch_server(door: Door) -> str:
    """The scratch server's address. Raises LookError(not_configured) without one, and where it is the examined server itself."""
    given, examined = reveal(door.settings.scratch_database_url), reveal(door.settings.database_url)
    if not given:
        raise LookError(Status.not_configured, "RUNBOOK_SCRATCH_DATABASE_URL is not set", do_next=_SCRATCH_HELP)
    host, port = _server(given)
    is_same = examined is not None and _server(examined) == (host, port)
    if host.endswith(_VENDORS) or (is_same and host not in _THIS_MACHINE):
        raise LookError(
            Status.not_configured, "RUNBOOK_SCRATCH_DATABASE_URL names a server that is in use", do_next=_SCRATCH_HELP
        )
    return given


def _server(dsn: str) -> tuple[str, int]:
    parts = urlsplit(dsn)
    return parts.hostname or "", parts.port or 5432
