"""What tests of rehearsals share: a source with people in it, an empty scratch database, PostgreSQL's programs or false ones."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from runbook_lib.core.model import Observation
from runbook_lib.io.observe import Look, Observer
from runbook_lib.sandbox.postgres import Postgres
from runbook_lib.settings import Settings

_NUMBERS = itertools.count(1)
PEOPLE = (
    "insert into auth.users (id, email) select gen_random_uuid(), 'p' || i || '@example.test' from generate_series(1, 30) i;"
    " insert into public.profiles (id, email) select id, email from auth.users;"
    " insert into public.organizations (name, owner_id) select 'o ' || email, id from public.profiles;"
    " create table public.tickets (id bigserial primary key, mood public.org_role default 'viewer', extra json, price numeric);"
    " insert into public.tickets (extra, price) select '{}', 1.0 from generate_series(1, 50)"
)


@dataclass
class Recovery:
    """A source, a scratch database and the programs; `look` makes a look of them."""

    server: Postgres
    source: str
    scratch: str
    tmp: Path
    told: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, server: Postgres, source: str, tmp: Path) -> "Recovery":
        name = f"scratch_{next(_NUMBERS)}"
        with psycopg.connect(server.dsn(database="template1"), autocommit=True) as connection:
            connection.execute(f"create database {name} template template0")
        made = cls(server, source, server.dsn(database=name), tmp)
        made.sql(PEOPLE)
        return made

    def sql(self, statement: str, dsn: str | None = None) -> list[Any]:
        with psycopg.connect(dsn or self.source, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def settings(self, **more: str) -> Settings:
        folder = self.tmp / "work"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        given = {
            "RUNBOOK_DATABASE_URL": self.source,
            "RUNBOOK_SCRATCH_DATABASE_URL": self.scratch,
            "RUNBOOK_PG_BIN": str(self.server.program("pg_dump").parent),
            "RUNBOOK_WORK_FOLDER": str(folder),
            **more,
        }
        return Settings.from_mapping(given)

    def look(self, look: Look, *, deadline_s: float | None = None, **more: str) -> Observation:
        observer = Observer(active=True, now=datetime.now(UTC), settings=self.settings(**more), deadline_s=deadline_s)
        observer.tell = self.told.append
        return observer.together(look)[0]

    def programs(self, **scripts: str) -> str:
        """A folder of the real programs, some of them replaced by shell scripts; {real} is the real one."""
        folder = self.tmp / f"programs-{next(_NUMBERS)}"
        folder.mkdir()
        for real in self.server.program("pg_dump").parent.iterdir():
            if real.name not in scripts:
                (folder / real.name).symlink_to(real)
        for name, script in scripts.items():
            (folder / name).write_text("#!/bin/sh\n" + script.replace("{real}", str(self.server.program(name))) + "\n")
            (folder / name).chmod(0o755)
        return str(folder)

    def left(self) -> list[str]:
        """What lies in the work folder, and what is in the scratch database."""
        files = [str(path.relative_to(self.tmp)) for path in (self.tmp / "work").rglob("*")]
        rows = self.sql(
            "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' union all"
            " select nspname from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')"
            " union all select extname from pg_extension where extname <> 'plpgsql'"
            " union all select evtname from pg_event_trigger",
            self.scratch,
        )
        return files + [row[0] for row in rows]

    def fingerprint(self) -> list[Any]:
        """What would show that something wrote to the source: each table's rows, their contents, and the last that wrote one.

        Not the counters of pg_stat_user_tables: those arrive up to seconds after what they count.
        """
        tables = self.sql(
            "select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema') order by 1"
        )
        facts = "count(*), coalesce(sum(hashtext(t::text)::bigint), 0), coalesce(max(t.xmin::text::bigint), 0)"
        rows = [(name, *self.sql(f"select {facts} from {name} t")) for (name,) in tables]
        return [*rows, *self.sql("select 'objects', count(*) from pg_class")]


MakeRecovery = Callable[[], Recovery]
