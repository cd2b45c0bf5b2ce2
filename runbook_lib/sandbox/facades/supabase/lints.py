"""Supabase's advisors: the record of a lint, and a finding of it in the vendor's shape.

Names, titles, levels and words are the vendor's, the queries are our own; both are held against the vendor's CLI
(`supabase db advisors`) in tests/contract/test_supabase_advisors.py.
"""

from dataclasses import dataclass
from typing import Any

EXPOSED = "n.nspname = 'public'"
API_ROLES = "(has_table_privilege('anon', c.oid, 'select') or has_table_privilege('authenticated', c.oid, 'select'))"
TABLES = "pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
NOT_OF_EXTENSION = "not exists (select 1 from pg_catalog.pg_depend d where d.objid = {oid} and d.deptype = 'e')"


@dataclass(frozen=True)
class Lint:
    """One lint: its page at the vendor, its words, and the query that finds its objects.

    The query gives (schema, name, kind, more, key, extra): `more` fills the detail, `key` ends the cache key (None: schema and
    name), `extra` is added to the metadata; the last three may be missing. `category` is SECURITY or PERFORMANCE.
    """

    page: str
    title: str
    level: str
    category: str
    description: str
    detail: str
    sql: str

    @property
    def name(self) -> str:
        """The lint's name: its page without the number."""
        return self.page[5:]


def finding(lint: Lint, row: dict[str, Any]) -> dict[str, Any]:
    """One finding in the vendor's shape."""
    schema, name, more = row["schema"], row["name"], row.get("more") or ""
    return {
        "name": lint.name,
        "title": lint.title,
        "level": lint.level,
        "facing": "EXTERNAL",
        "categories": [lint.category],
        "description": lint.description,
        "detail": lint.detail.format(schema=schema, name=name, more=more),
        "remediation": f"https://supabase.com/docs/guides/database/database-linter?lint={lint.page}",
        "metadata": {"schema": schema, "name": name, "type": row["kind"], **(row.get("extra") or {})},
        "cache_key": f"{lint.name}_{row.get('key') or f'{schema}_{name}'}".replace("rls_initplan", "rls_init_plan"),
    }
