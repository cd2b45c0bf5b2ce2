"""What is in a database's tables: rows counted and a checksum over them that does not depend on their order; sequences.

The checksum is the sum over all rows of a 64-bit hash of the row. Values whose hash would depend on the database they lie
in (enum labels by their OIDs) or would forget something (the scale of a numeric) are hashed as text. Both databases compute
it themselves; only one line a table travels.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from runbook_lib.core.model import Json
from runbook_lib.core.records.restores import SequenceBehind
from runbook_lib.sources.postgres.pg_catalogue import MANAGED

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from runbook_lib.io.databases import Connection

    Connect = Callable[[], AbstractContextManager[Connection]]

# Types whose extended hash is the same in every database and for every spelling of a value.
_HASHED = (
    "boolean", "smallint", "integer", "bigint", "text", "character varying", "uuid", "timestamp with time zone",
    "timestamp without time zone", "date", "bytea", "double precision", "real",
)  # fmt: skip
_OLDEST_WITH_ROW_HASH = 140000

_TABLES = r"""
select format('%%I.%%I', n.nspname, c.relname) as name, greatest(c.relpages, 0)::bigint as pages,
  (select json_agg(json_build_array(quote_ident(a.attname), format_type(a.atttypid, null)) order by a.attname)
   from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname <> all (%(skip)s)
  and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.relpages desc, 1
"""
_SEQUENCES = r"""
select format('%%I.%%I', n.nspname, c.relname) as name, s.last_value::text as last, s.increment_by > 0 as rises,
  format('%%I.%%I', tn.nspname, t.relname) as "table", quote_ident(a.attname) as "column"
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_sequences s on s.schemaname = n.nspname and s.sequencename = c.relname
left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
  and d.deptype in ('a', 'i') and d.refobjsubid > 0
left join pg_class t on t.oid = d.refobjid left join pg_namespace tn on tn.oid = t.relnamespace
left join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where c.relkind = 'S' and n.nspname <> all (%(skip)s)
order by 1
"""


class StoredTable(TypedDict):
    """A table that holds rows. `columns`: [name, type], each; None where it has none."""

    name: str
    pages: int
    columns: list[tuple[str, str]] | None


class TableSum(TypedDict):
    """How many rows a table holds, and the checksum over them: two tables with equal sums hold the same."""

    rows: int
    sum: str


class SequenceState(TypedDict):
    """A sequence. `last`: its last value, None where it was never used. `table`, `column`: what it numbers, None without one."""

    name: str
    last: int | None
    rises: bool
    table: str | None
    column: str | None


def tables(connection: "Connection", skip: Sequence[str] = MANAGED) -> list[StoredTable]:
    """The tables that hold rows, the largest first."""
    rows = connection.execute(_TABLES.encode(), {"skip": list(skip)})
    return [StoredTable(name=row["name"], pages=row["pages"], columns=row["columns"]) for row in rows]


def any_rows(connection: "Connection", stored: Sequence[StoredTable]) -> bool:
    """Whether any of the tables holds a row."""
    for table in stored:
        row = connection.execute(f"select exists (select 1 from only {table['name']}) as some".encode()).fetchone()  # noqa: S608 (quoted by Postgres)
        if row is not None and row["some"]:
            return True
    return False


def checksum_sql(table: StoredTable, version: int) -> str:
    """The statement that counts a table's rows and sums their hashes; for servers from `version` (server_version_num) on."""
    columns = table["columns"] or []
    if version < _OLDEST_WITH_ROW_HASH:
        fields = ", ".join(f"{name}::text" for name, _ in columns)
        hashed = f"hashtextextended(row({fields})::text, 0)" if columns else "0"
    else:
        fields = ", ".join(name if kind in _HASHED else f"{name}::text" for name, kind in columns)
        # hashed once more: the hash of a record is linear in its fields, and their sum would not see values change places
        hashed = f"hashint8extended(hash_record_extended(row({fields}), 0), 0)" if columns else "0"
    return (
        f"select count(*)::bigint as rows, coalesce(sum({hashed}::numeric), 0)::text as sum from only {table['name']}"  # noqa: S608 (names are quoted by Postgres)
    )


def sum_of(connection: "Connection", table: StoredTable, version: int) -> TableSum:
    """What one table holds; for servers from `version` (server_version_num) on."""
    row = connection.execute(checksum_sql(table, version).encode()).fetchone()
    assert row is not None
    return TableSum(rows=row["rows"], sum=row["sum"])


def sums(
    connect: "Connect", wanted: Sequence[StoredTable], version: int, *, workers: int, tell: Callable[[str], None]
) -> dict[str, TableSum]:
    """What tables hold, by their names; several at once, the largest first.

    Args:
        connect: opens a session, one for each worker. wanted: as `tables` lists them.
        version: the lower server_version_num of the two that are compared.

    Raises LookError: what the first session that failed met.
    """
    left: queue.SimpleQueue[StoredTable] = queue.SimpleQueue()
    for table in wanted:
        left.put(table)
    found: dict[str, TableSum] = {}
    broken: list[BaseException] = []

    def work() -> None:
        try:
            with connect() as connection:
                while not broken:
                    table = left.get_nowait()
                    found[table["name"]] = sum_of(connection, table, version)
                    tell(f"{len(found)} of {len(wanted)} tables")
        except queue.Empty:
            return
        except BaseException as error:  # handed to the caller's thread below
            broken.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(workers, len(wanted))))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
    return found


def sequences(connection: "Connection", skip: Sequence[str] = MANAGED) -> dict[str, SequenceState]:
    """The sequences, by their names."""
    rows = connection.execute(_SEQUENCES.encode(), {"skip": list(skip)})
    return {row["name"]: _sequence(row) for row in rows}


def _sequence(row: Mapping[str, Json]) -> SequenceState:
    last = None if row["last"] is None else int(row["last"])
    return SequenceState(name=row["name"], last=last, rises=row["rises"], table=row["table"], column=row["column"])


def behind_their_tables(connection: "Connection", known: Mapping[str, SequenceState]) -> list[SequenceBehind]:
    """The sequences whose next value the column that they number holds already."""
    found: list[SequenceBehind] = []
    for name, sequence in known.items():
        if not sequence["table"] or not sequence["rises"]:
            continue
        statement = f"select max({sequence['column']})::bigint as highest from {sequence['table']}"  # noqa: S608 (quoted by Postgres)
        row = connection.execute(statement.encode()).fetchone()
        highest = row["highest"] if row else None
        if highest is not None and (sequence["last"] or 0) < highest:
            found.append({"sequence": name, "last": sequence["last"], "highest": highest})
    return found
