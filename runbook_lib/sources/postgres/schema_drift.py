"""Whether the database's schema is what the repository's SQL makes. Privileges and owners are Supabase's to set and left out."""

from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.schema import SchemaDrift
from runbook_lib.io.observe import Door, Look
from runbook_lib.io.sql import SqlSession
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.postgres.pg_catalogue import MANAGED, catalogue, differences
from runbook_lib.sources.postgres.schema_file import scratch_server, scripts_of
from runbook_lib.sources.recovery.scratch import as_work

BROUGHT = ("auth", "storage", "extensions")  # by Supabase, and rebuilt with a project
_LEFT_OUT = ("grant", "default_grant", "owner", "extension", "event_trigger", "publication", "schema")
_MOST = 200
_LONGEST_S = 60.0


def drift(path: str = "") -> Look[SchemaDrift]:
    """How the database differs from what the SQL makes; what is missing is missing from the database.

    Args:
        path: a file of SQL, or a folder of them; "" is RUNBOOK_MIGRATIONS.

    Statuses: not_configured (no path, or no scratch server), unreachable (no such path), malformed (no SQL in it, or Postgres
    refuses it: its name, line and SQLSTATE), otherwise as the database answers.
    """

    def fetch(door: Door) -> Answer[SchemaDrift]:
        return as_work(lambda: _compare(door, path or require_setting(door, "migrations_path")))

    return Look("schema", "drift", {"path": path}, fetch, deadline_s=_LONGEST_S, is_work=True)


def _compare(door: Door, place: str) -> Answer[SchemaDrift]:
    scripts = scripts_of(door, place)
    made = door.sql.run_in_scratch(scratch_server(door), scripts, _catalogue)
    live = door.sql.run_rolled_back(require_setting(door, "database_url"), _catalogue)
    kinds = [kind for kind in made if kind not in _LEFT_OUT]
    found = differences(made, live, kinds)
    value: SchemaDrift = {
        "path": place,
        "files": list(scripts)[1:],
        "differences": found[:_MOST],
        "count": len(found),
        "compared": {kind: len(made[kind]) for kind in kinds},
    }
    return Answer(Status.ok, value)


def _catalogue(session: SqlSession) -> dict[str, dict[str, str]]:
    """Everything that is the repository's, every name written in full."""
    session.rows("select pg_catalog.set_config('search_path', 'pg_catalog', true)")
    return catalogue(session.rows, (*MANAGED, *BROUGHT))
