"""Whether the database's schema is what the repository's SQL makes. Privileges and owners are Supabase's to set and left out."""

from runbook_lib.model import Answer, Status
from runbook_lib.observe import Door, Look
from runbook_lib.sources._asking import need
from runbook_lib.sources._pg_catalogue import MANAGED, catalogue, differences
from runbook_lib.sources._pg_tools import SOURCE
from runbook_lib.sources._repository_schema import BROUGHT, made_of
from runbook_lib.sources._scratch import as_work

_LEFT_OUT = ("grant", "default_grant", "owner", "extension", "event_trigger", "publication", "schema")
_MOST = 200
_LONGEST_S = 300.0


def drift(path: str = "") -> Look:
    """{"path", "files", "differences": [{"kind", "name", "how": missing (from the database) | added | differs, "wanted", "got"}],
    "count", "errors": [{"file", "message"}] met while running the files, "compared": {kind: how many}}.

    Args:
        path: a file of SQL, or a folder of them; "" is RUNBOOK_MIGRATIONS.

    Statuses: not_configured (no path, or no scratch database), unreachable (no such file), malformed (no SQL in it), otherwise as
    `restore_drill.rehearse`. partial: the files ran with errors, so what is missing may be missing for that.
    """

    def compare(door: Door) -> Answer:
        place = path or need(door, "migrations_path")
        with (
            made_of(door, place) as made,
            door.databases.session(need(door, "database_url"), setting=SOURCE) as session,
        ):
            live = catalogue(session, (*MANAGED, *BROUGHT))
        kinds = [kind for kind in made.catalogue if kind not in _LEFT_OUT]
        found = differences(made.catalogue, live, kinds)
        value = {
            "path": place,
            "files": list(made.files),
            "differences": found[:_MOST],
            "count": len(found),
            "errors": list(made.errors),
            "compared": {kind: len(made.catalogue[kind]) for kind in kinds},
        }
        if made.errors:
            first = made.errors[0]
            return Answer(
                Status.partial,
                value,
                f"{len(made.errors)} statements of the files failed in the scratch database, first {first['file']}: "
                f"{first['message']}",
                "make the files run in an empty project in the order of their names",
            )
        return Answer(Status.ok, value)

    def fetch(door: Door) -> Answer:
        return as_work(lambda: compare(door))

    return Look("schema", "drift", {"path": path}, fetch, deadline_s=_LONGEST_S, is_work=True)
