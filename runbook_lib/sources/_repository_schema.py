"""What Postgres makes of a repository's files of SQL: they are run in the scratch database, and its catalogue is read.

What NexusCore's files stand on and Supabase brings (auth, storage, its extensions' schema) is taken over from the project
itself, definitions only; what stays then is the repository's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import LookError
from runbook_lib.model import Json, Status
from runbook_lib.observe import Door
from runbook_lib.sources._asking import need
from runbook_lib.sources._pg_catalogue import MANAGED, catalogue
from runbook_lib.sources._pg_tools import SCRATCH, SOURCE, Tools
from runbook_lib.sources._scratch import MARK, ROLE_ATTRIBUTES, check_roles, scratch
from runbook_lib.workspace import listing, private_folder

BROUGHT = ("auth", "storage", "extensions")  # by Supabase, and rebuilt with a project
_NAMED = ("anon", "authenticated", "service_role", "authenticator", "postgres", "supabase_auth_admin")  # in such files
_ROLES = f"select rolname::text as name, {ROLE_ATTRIBUTES} as attributes from pg_roles where rolname = any (%s)"  # noqa: S608 (constants)


@dataclass(frozen=True)
class Made:
    """What the files made: their names in order, the catalogue of everything that is the repository's, errors on the way."""

    files: tuple[str, ...]
    catalogue: dict[str, dict[str, str]]
    errors: tuple[dict[str, Json], ...]


def files_of(path: str) -> list[Path]:
    """The .sql files of a path in the order of their names, seeds left out; a file alone is itself.

    Raises LookError: unreachable where there is no such path, malformed where no .sql file is in it.
    """
    place = Path(path).expanduser()
    names = sorted(name for name, _, _ in listing(place) if name.endswith(".sql") and not name.startswith("seed"))
    if not names:
        raise LookError(Status.malformed, "no .sql file is there", where=path)
    return [place] if place.is_file() else [place / name for name in names]


@contextmanager
def made_of(door: Door, path: str) -> Iterator[Made]:
    """What Postgres makes of the files, in the scratch database, which is emptied at the end of the block."""
    files, tools, source = files_of(path), Tools(door), need(door, "database_url")
    base = door.settings.work_folder
    with scratch(door) as place, private_folder(base, setting="RUNBOOK_WORK_FOLDER") as folder:
        with door.databases.session(source, setting=SOURCE) as session:
            named = session.execute(_ROLES.encode(), (list(_NAMED),)).fetchall()
            check_roles(place, {row["name"]: row["attributes"] for row in named})
            there = session.execute(
                b"select nspname from pg_namespace where nspname = any (%s)", (list(BROUGHT),)
            ).fetchall()
        schemas = [f"--schema={row['nspname']}" for row in there]
        if schemas:
            ground = folder / "ground.dump"
            tools.check_age("pg_dump", place.version // 10000)
            tools.dump(source, ground, ["--schema-only", *schemas], lambda _: None)
            tools.restore(
                place.dsn, ground, [], lambda: None
            )  # what stands on the repository's own objects fails, and may
        errors: list[dict[str, Json]] = []
        for file in files:
            done = tools.run_sql(place.dsn, _prepared(file, folder))
            if done.gave_up:
                raise LookError(Status.malformed, f"psql gave up: {done.gave_up}", where=file.name)
            errors += [{"file": file.name, "message": error["message"]} for error in done.errors]
        with door.databases.session(place.dsn, setting=SCRATCH) as session:
            yield Made(
                tuple(file.name for file in files), catalogue(session, (*MANAGED, *BROUGHT, MARK)), tuple(errors)
            )


def _prepared(file: Path, folder: Path) -> Path:
    """The file as psql may run it as a superuser: what only sets the owner back is not needed."""
    prepared = folder / f"run-{file.name}"
    text = file.read_text("utf-8", "replace")
    prepared.write_text(f"set search_path = public, extensions;\n{text}\n", "utf-8")
    return prepared
