"""Postgres: the names of what the schema `public` holds, read from the catalogue, past every grant and policy."""

from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.schema import SchemaNames
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_setting

_COLUMNS = """
select c.relname as "table", a.attname as "column"
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where n.nspname = 'public' and c.relkind in ('r', 'p', 'v', 'm', 'f')
order by c.relname, a.attnum
"""
_FUNCTIONS = """
select distinct p.proname as name
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname = 'public' order by p.proname
"""


def names() -> Look[SchemaNames]:
    """What is there by name."""

    def fetch(door: Door) -> Answer[SchemaNames]:
        dsn = require_setting(door, "database_url")
        tables: dict[str, list[str]] = {}
        for row in door.sql.query(dsn, _COLUMNS):
            tables.setdefault(str(row["table"]), []).append(str(row["column"]))
        functions = [str(row["name"]) for row in door.sql.query(dsn, _FUNCTIONS)]
        return Answer(Status.ok, SchemaNames(tables=tables, functions=functions))

    return Look("postgres", "names", {}, fetch)
