"""What protects a real Postgres, as a source: the catalogue, a stranger's reach, what a schema file makes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from support.rls_database import ACME, OTHER, change, members_database, see

from runbook_lib.core.model import Status
from runbook_lib.sandbox.facades.supabase.management import create_management_app
from runbook_lib.sandbox.world import World, make_world
from runbook_lib.sources.postgres import rls as postgres_rls
from runbook_lib.sources.supabase import rls as supabase_rls

ROOT = Path(__file__).parents[2]
OWN_SCHEMA = ROOT / "runbook_lib" / "sandbox" / "schema" / "nexuscore.sql"
FIRST_SCHEMA = ROOT / "tests" / "fixtures" / "001_init.sql"


@pytest.fixture
def dsn(new_database: Callable[[], str]) -> str:
    return members_database(new_database)


class TestCatalogue:
    def test_policies_say_what_they_ask_whom_they_bind_and_where_they_look(self, dsn: str) -> None:
        change(dsn, "alter policy memberships_select_member on public.memberships using "
                    "(exists (select 1 from public.memberships m where m.org_id = memberships.org_id)); "
                    "create policy admins on public.api_keys as restrictive for delete to service_role using "
                    "(exists (select 1 from public.organizations o where o.id = api_keys.org_id))")  # fmt: skip
        found = see(postgres_rls.policies(), dsn).value
        by_name = {each["name"]: each for each in found["policies"]}
        assert by_name["usage_records_select_member"]["helpers"] == ["private.is_member"]
        assert by_name["memberships_select_member"]["refs"] == ["memberships"]
        assert by_name["usage_records_select_member"]["refs"] == []
        admins = by_name["admins"]
        assert (admins["permissive"], admins["command"], admins["applies_to"]) == (False, "delete", ["service_role"])
        assert admins["refs"] == ["organizations"]
        assert {each["name"]: each["bypass"] for each in found["roles"]}["service_role"] is True

    def test_helpers_of_helpers_are_followed(self, dsn: str) -> None:
        change(dsn, "create function public.may(org uuid) returns boolean language sql as 'select private.is_member(org)'; "
                    "alter policy usage_records_select_member on public.usage_records using (public.may(org_id))")  # fmt: skip
        found = see(postgres_rls.policies(), dsn).value
        assert [each["name"] for each in found["functions"]] == ["private.is_member", "public.auth_uid", "public.may"]

    def test_the_management_api_gives_the_same(self, dsn: str, served: Callable[[Any], str]) -> None:
        world = make_world(seed=3)
        world.database = dsn
        given = management(world, served(create_management_app(world)))
        assert see(supabase_rls.policies(), "", **given).value == see(postgres_rls.policies(), dsn).value
        mine = see(supabase_rls.user("ADA@acme.example"), "", **given)
        assert mine.value == see(postgres_rls.user("ADA@acme.example"), dsn).value
        assert mine.value["invited"] == [OTHER]
        assert see(supabase_rls.user("eve@x.example"), "", **given).status == Status.not_found
        counted = see(supabase_rls.rows("usage_records", ACME, ""), "", **given)
        assert counted.value == {"count": 5, "row_org": ACME, "id_refused": ""}
        assert see(supabase_rls.rows("nothing", ACME, ""), "", **given).status == Status.not_found
        refused = see(supabase_rls.rows("profiles", "", "'; drop table x"), "", **given)
        assert (refused.status, refused.value["count"]) == (Status.ok, None)
        assert "invalid input syntax for type uuid" in refused.value["id_refused"]
        for org in ("Acme", ACME, ACME.upper(), "Foo Inc", OTHER[:-1] + "c", "'; drop table x"):
            theirs, ours = see(supabase_rls.organization(org), "", **given), see(postgres_rls.organization(org), dsn)
            assert (theirs.status, theirs.value, theirs.why) == (ours.status, ours.value, ours.why)


def management(world: World, url: str) -> dict[str, str]:
    """The settings of the Management API's façade."""
    return {
        "RUNBOOK_SUPABASE_API_URL": url,
        "RUNBOOK_SUPABASE_ACCESS_TOKEN": world.keys.supabase_access_token,
        "RUNBOOK_SUPABASE_PROJECT_REF": world.ids.supabase_ref,
    }


class TestReach:
    @pytest.mark.parametrize(
        ("using", "looks_at", "true_for"),
        [
            ("true", "nothing", ["anon", "authenticated"]),
            ("org_id = org_id", "nothing", ["anon", "authenticated"]),
            ("org_id = org_id or model is null", "row", ["anon", "authenticated"]),
            ("auth.uid() is not null", "session", ["authenticated"]),
            ("auth.role() = 'anon'", "session", ["anon"]),
            ("tokens > 0", "row", ["anon", "authenticated"]),
            ("tokens > 3", "row", []),
            ("private.is_member(org_id)", "row", []),
            ("exists (select 1 from public.memberships m where m.user_id = auth.uid())", "row", []),
        ],
    )
    def test_a_policy_is_asked_in_the_abstract(self, dsn: str, using: str, looks_at: str, true_for: list[str]) -> None:
        change(dsn, f"create policy asked on public.usage_records for select using ({using})")
        (found,) = [each for each in see(postgres_rls.reach(), dsn).value["policies"] if each["name"] == "asked"]
        assert found["looks_at"] == looks_at
        assert found["true_for"] == true_for

    @pytest.mark.parametrize(
        ("using", "true_for"),
        [
            ("id = id or email is null", ["anon", "authenticated"]),
            ("private.allowed()", ["anon", "authenticated"]),
            ("accepted_at is null", []),
            ("role = 'member'", []),
            ("email like '%@acme.example'", []),
            ("org_id::text > '0'", ["anon", "authenticated"]),
        ],
    )
    def test_on_an_almost_empty_table_made_up_rows_tell(self, dsn: str, using: str, true_for: list[str]) -> None:
        change(dsn, "create function private.allowed() returns boolean language plpgsql as 'begin return true; end'; "
                    f"create policy asked on public.invitations for select using ({using})")  # fmt: skip
        (found,) = [each for each in see(postgres_rls.reach(), dsn).value["policies"] if each["name"] == "asked"]
        assert (found["true_for"], found["sampled"]) == (true_for, 1)

    def test_every_table_role_and_command_is_asked(self, dsn: str) -> None:
        change(dsn, "revoke select on public.api_keys from anon")
        found = see(postgres_rls.reach(), dsn).value
        assert len(found["tables"]) == 7 * 2 * 4
        refused = [each for each in found["tables"] if each["sqlstate"]]
        assert [each["command"] for each in refused] == ["select", "update", "delete"], "a change must find its row"
        assert {(each["name"], each["role"], each["message"]) for each in refused} == {
            ("api_keys", "anon", "permission denied for table api_keys")
        }


class TestSchemaFile:
    def test_what_postgres_makes_of_the_file_is_what_is_live(self, dsn: str) -> None:
        found = see(postgres_rls.schema_file(str(OWN_SCHEMA)), dsn, RUNBOOK_SCRATCH_DATABASE_URL=dsn)
        assert found.status == Status.ok, found.why
        live = see(postgres_rls.policies(), dsn).value
        assert found.value["policies"] == live["policies"]
        assert found.value["functions"] == live["functions"]

    def test_nexuscores_first_schema_can_be_loaded(self, dsn: str) -> None:
        found = see(postgres_rls.schema_file(str(FIRST_SCHEMA)), dsn, RUNBOOK_SCRATCH_DATABASE_URL=dsn)
        assert found.status == Status.ok, found.why
        assert {each["name"]: each["refs"] for each in found.value["policies"]}["Memberships readable by members"] == [
            "memberships"
        ]

    def test_a_folder_of_files_is_read_in_the_order_of_their_names(self, dsn: str, tmp_path: Path) -> None:
        (tmp_path / "002_next.sql").write_text("alter policy profiles_select_own on public.profiles using (false);")
        (tmp_path / "001_init.sql").write_text(OWN_SCHEMA.read_text())
        (tmp_path / "notes.txt").write_text("no sql")
        found = see(postgres_rls.schema_file(str(tmp_path)), dsn, RUNBOOK_SCRATCH_DATABASE_URL=dsn)
        assert {each["name"]: each["using"] for each in found.value["policies"]}["profiles_select_own"] == "false"

    def test_a_role_that_may_not_make_databases_is_denied_with_what_to_grant(self, dsn: str) -> None:
        change(dsn, "do $$ begin create role runbook_no_maker login password 'a-password-for-tests'; "
                    "exception when duplicate_object then null; end $$;")  # fmt: skip
        parts = urlsplit(dsn)
        weak = f"postgresql://runbook_no_maker:a-password-for-tests@{parts.hostname}:{parts.port}{parts.path}"
        found = see(postgres_rls.schema_file(str(OWN_SCHEMA)), dsn, RUNBOOK_SCRATCH_DATABASE_URL=weak)
        assert (found.status, "createdb" in found.help) == (Status.denied, True)

    def test_nothing_of_it_stays_and_the_source_is_not_written_to(self, dsn: str, tmp_path: Path) -> None:
        file = tmp_path / "001_init.sql"
        file.write_text(
            "create role a_role_of_the_file; create table public.a_table_of_the_file (id int); commit; begin;"
        )
        held = "select array_agg(datname::text order by 1) from pg_database"
        with psycopg.connect(dsn, autocommit=True) as connection:
            before = connection.execute(held).fetchone()
            assert see(postgres_rls.schema_file(str(file)), dsn, RUNBOOK_SCRATCH_DATABASE_URL=dsn).status == Status.ok
            assert connection.execute(held).fetchone() == before
            assert connection.execute("select to_regclass('public.a_table_of_the_file')").fetchone() == (None,)
            connection.execute("drop role if exists a_role_of_the_file")

    def test_a_file_that_postgres_refuses_is_malformed_with_its_line(self, dsn: str, tmp_path: Path) -> None:
        file = tmp_path / "001_init.sql"
        file.write_text("create table public.a (id int);\ncreate tabel public.b (id int);\n")
        found = see(postgres_rls.schema_file(str(file)), dsn, RUNBOOK_SCRATCH_DATABASE_URL=dsn)
        assert found.status == Status.malformed
        assert "42601, line 2" in found.why

    def test_a_file_that_is_not_there_proves_nothing(self, dsn: str, tmp_path: Path) -> None:
        assert see(postgres_rls.schema_file("/no/such/file.sql"), dsn).status == Status.unreachable
        assert see(postgres_rls.schema_file(str(tmp_path)), dsn).status == Status.malformed
        assert see(postgres_rls.schema_file(), dsn).status == Status.not_configured

    @pytest.mark.parametrize(
        "scratch",
        [
            "postgresql://postgres:x@db.abcdefghijklmnopqrst.supabase.co:5432/postgres",
            "postgresql://u:y@10.0.0.7:5432/scratch",
        ],
    )
    def test_a_server_that_is_in_use_is_no_scratch_server(self, scratch: str) -> None:
        source = "postgresql://postgres:x@10.0.0.7:5432/postgres"
        found = see(postgres_rls.schema_file(str(OWN_SCHEMA)), source, RUNBOOK_SCRATCH_DATABASE_URL=scratch)
        assert found.status == Status.not_configured
        assert "in use" in found.why
        assert found.value == {"has_file": True}
