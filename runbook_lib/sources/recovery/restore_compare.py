"""What a database held at one moment, and how what came back from a backup differs from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from runbook_lib.core.records.restores import ComparedTable, RestoreComparison, SequenceBehind
from runbook_lib.io.observe import Door
from runbook_lib.sources.postgres.pg_catalogue import MANAGED, Rows, catalogue, differences
from runbook_lib.sources.recovery.pg_contents import (
    SequenceState,
    StoredTable,
    TableSum,
    any_rows,
    behind_their_tables,
    sequences,
    sums,
    tables,
)
from runbook_lib.sources.recovery.pg_tools import SCRATCH
from runbook_lib.sources.recovery.scratch import MARK, ROLE_ATTRIBUTES, Scratch

if TYPE_CHECKING:
    from runbook_lib.io.databases import Connection

WORKERS = 2
MOST_DIFFERENCES = 200
_STATE = """
select current_database()::text as database, current_setting('server_version_num')::int as version,
  pg_encoding_to_char(encoding) as encoding, pg_database_size(oid)::bigint as bytes,
  (select coalesce(sum(pg_table_size(c.oid)), 0)::bigint from pg_class c where c.relkind in ('r', 'm')) as table_bytes
from pg_database where datname = current_database()
"""
_ROLES = rf"""
with own as (
  select oid, nspacl, nspowner from pg_namespace
  where nspname !~ '^pg_' and nspname <> 'information_schema' and nspname <> all (%(skip)s)
)
select rolname::text as name, {ROLE_ATTRIBUTES} as attributes from pg_roles where oid in (
  select nspowner from own union select relowner from pg_class where relnamespace in (select oid from own)
  union select proowner from pg_proc where pronamespace in (select oid from own)
  union select unnest(polroles) from pg_policy
  union select (aclexplode(relacl)).grantee from pg_class where relnamespace in (select oid from own)
  union select (aclexplode(nspacl)).grantee from own
) and rolname !~ '^pg_'
"""  # noqa: S608 (constants)


class DatabaseState(TypedDict):
    """A database's name, server_version_num, encoding, and sizes: of everything, and of the tables without their indexes."""

    database: str
    version: int
    encoding: str
    bytes: int
    table_bytes: int


@dataclass(frozen=True)
class SourceContents:
    """What the source held at the moment of the snapshot."""

    state: DatabaseState
    catalogue: dict[str, dict[str, str]]
    sequences: dict[str, SequenceState]
    tables: list[StoredTable]
    roles: dict[str, str]
    has_rows: bool


def contents_of(session: "Connection") -> SourceContents:
    """What is in a database at the session's one moment."""
    return SourceContents(
        state_of(session),
        catalogue(_asking(session)),
        sequences(session),
        tables(session),
        {row["name"]: row["attributes"] for row in session.execute(_ROLES.encode(), {"skip": list(MANAGED)})},
        any_rows(session, tables(session)),
    )


def state_of(session: "Connection") -> DatabaseState:
    """The state of the session's database."""
    row = session.execute(_STATE.encode()).fetchone()
    assert row is not None
    return DatabaseState(
        database=row["database"],
        version=row["version"],
        encoding=row["encoding"],
        bytes=row["bytes"],
        table_bytes=row["table_bytes"],
    )


def _asking(session: "Connection") -> Rows:
    return lambda statement, parameters: session.execute(statement.encode(), parameters)


def compare(
    door: Door,
    place: Scratch,
    held: SourceContents,
    wanted: Mapping[str, TableSum] | None,
    in_file: Sequence[str] | None,
) -> RestoreComparison:
    """Schema, sequences and, for a fresh dump, contents, each as the databases themselves compute them.

    Args:
        place: where the backup was restored. held: what the source held.
        wanted: the source's checksums of the moment of the dump; None for a dump that is older, of which less can be said.
        in_file: the tables whose rows an older dump holds; None where that is not known.
    """
    begun = door.deadline.remaining_s

    def connect() -> Any:
        return door.databases.session(place.dsn, setting=SCRATCH)

    with connect() as session:
        got_catalogue = catalogue(_asking(session), (*MANAGED, MARK))
        got_sequences = sequences(session)
        behind = behind_their_tables(session, got_sequences)
        there = tables(session, (*MANAGED, MARK))
    found = differences(held.catalogue, got_catalogue)
    got = sums(
        connect, there, min(held.state["version"], place.version), workers=WORKERS,
        tell=lambda text: door.tell(f"compare: {text}"),
    )  # fmt: skip
    if wanted is not None:
        behind += _behind_the_source(held.sequences, got_sequences, {row["sequence"] for row in behind})
    rows = _rows(wanted, got) if wanted is not None else _counts(held.tables, got, in_file)
    return {
        "schema": found[:MOST_DIFFERENCES],
        "schema_count": len(found),
        "tables": [row for row in rows if not row["same"]],
        "tables_same": sum(row["same"] for row in rows),
        "rows": sum(each["rows"] for each in got.values()),
        "sequences": behind,
        "policies": [len(held.catalogue["policy"]), len(got_catalogue["policy"])],
        "rls": [_protected(held.catalogue), _protected(got_catalogue)],
        "grants": [_granted(held.catalogue), _granted(got_catalogue)],
        "source_has_rows": held.has_rows,
        "exact": wanted is not None,
        "seconds": round(begun - door.deadline.remaining_s, 3),
    }


def _rows(wanted: Mapping[str, TableSum], got: Mapping[str, TableSum]) -> list[ComparedTable]:
    """Each table's rows as they should be and as they are; same: count and checksum agree."""
    return [
        {
            "table": name,
            "wanted_rows": wanted[name]["rows"],
            "got_rows": got[name]["rows"] if name in got else None,
            "same": got.get(name) == wanted[name],
        }
        for name in sorted(wanted)
    ]


def _counts(
    held: Sequence[StoredTable], got: Mapping[str, TableSum], in_file: Sequence[str] | None
) -> list[ComparedTable]:
    """Of an older file only this can be said: which tables the source has that did not come back, or whose data it never held."""
    rows: list[ComparedTable] = []
    for table in held:
        name = table["name"]
        left_out = in_file is not None and name.replace('"', "") not in in_file
        rows.append(
            {"table": name, "wanted_rows": None, "got_rows": got[name]["rows"] if name in got else None,
             "same": name in got and not left_out, "left_out": left_out}
        )  # fmt: skip
    return rows


def _behind_the_source(
    held: Mapping[str, SequenceState], got: Mapping[str, SequenceState], known: set[str]
) -> list[SequenceBehind]:
    """Sequences whose restored value lies before the source's at the snapshot."""
    return [
        {"sequence": name, "last": got[name]["last"], "highest": highest}
        for name, sequence in held.items()
        if name in got
        and name not in known
        and sequence["rises"]
        and (highest := sequence["last"] or 0) > (got[name]["last"] or 0)
    ]


def _protected(held: dict[str, dict[str, str]]) -> int:
    """Tables with row-level security on."""
    return sum(text.startswith("enabled true") for text in held["rls"].values())


def _granted(held: dict[str, dict[str, str]]) -> int:
    """Grants to roles: what a restore without privileges loses. What everybody may by default comes back without them."""
    return sum(not name.endswith(" to public") for name in held["grant"])
