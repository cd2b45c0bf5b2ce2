"""Row-level security as a source, against a real Postgres: the query as the user, each term, a stranger's reach, a schema file."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import psycopg
import pytest

from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.sandbox.facades.supabase.management import create_management_app
from runbook_lib.sandbox.world import World, make_world
from runbook_lib.settings import Settings
from runbook_lib.sources.postgres import rls as postgres_rls
from runbook_lib.sources.supabase import rls as supabase_rls

ADA, BOB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ACME, OTHER = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
ROOT = Path(__file__).parents[2]
OWN_SCHEMA = ROOT / "runbook_lib" / "sandbox" / "schema" / "nexuscore.sql"
FIRST_SCHEMA = ROOT / "tests" / "fixtures" / "001_init.sql"
ROWS = f"""
insert into auth.users (id, email) values ('{ADA}', 'Ada@acme.example'), ('{BOB}', 'bob@other.example');
insert into public.profiles (id, email) values ('{ADA}', 'ada@acme.example'), ('{BOB}', 'bob@other.example');
insert into public.organizations (id, name, owner_id) values ('{ACME}', 'Acme', '{ADA}'), ('{OTHER}', 'Other', '{BOB}');
insert into public.memberships values ('{ACME}', '{ADA}', 'admin'), ('{OTHER}', '{BOB}', 'owner');
insert into public.usage_records (org_id, tokens, provider) select '{ACME}', n, 'openai' from generate_series(1, 5) n;
insert into public.usage_records (org_id, tokens, provider) values ('{OTHER}', 7, 'openai');
insert into public.invitations (org_id, email, token) values ('{OTHER}', 'ADA@acme.example', 'open');
"""


@pytest.fixture
def dsn(new_database: Callable[[], str]) -> str:
    made = new_database()
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(ROWS.encode())
    return made


def change(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def see(look: Look, dsn: str, **more: str) -> Observation:
    settings = Settings.from_mapping({"RUNBOOK_DATABASE_URL": dsn, **more})
    return Observer(now=datetime.now(UTC), settings=settings).together(look)[0]


def as_ada(
    dsn: str, table: str = "usage_records", command: str = "select", row: str = "", org: str = ACME
) -> dict[str, Any]:
    seen = see(postgres_rls.as_user("ada@acme.example", org, table, command, row), dsn)
    assert seen.status == Status.ok, (seen.status, seen.why)
    return dict(seen.value)


def token(monkeypatch: pytest.MonkeyPatch, **claims: Any) -> str:
    made = jwt.encode({"sub": ADA, "role": "authenticated", "aud": "authenticated", **claims}, "x" * 40)
    monkeypatch.setenv("A_TOKEN", made)
    return "env:A_TOKEN"


class TestAsUser:
    def test_a_member_sees_the_organizations_rows_and_each_policy_is_true(self, dsn: str) -> None:
        seen = as_ada(dsn)
        assert (seen["visible"], seen["hidden"], seen["past_rls"], seen["role"]) == (5, 0, 5, "authenticated")
        assert [(each["name"], each["result"]) for each in seen["policies"]] == [("usage_records_select_member", True)]
        assert seen["row_org"] == ACME

    def test_in_another_organization_every_row_is_hidden_and_the_term_is_false(self, dsn: str) -> None:
        seen = as_ada(dsn, org=OTHER)
        assert (seen["visible"], seen["hidden"], seen["judged"]) == (0, 1, "a row that is hidden from the user")
        (policy,) = seen["policies"]
        assert policy["terms"] == [{"term": "private.is_member(org_id)", "result": False, "open": False}]

    def test_the_false_term_among_true_ones_is_told(self, dsn: str) -> None:
        change(dsn, "alter policy usage_records_select_member on public.usage_records using "
                    "(private.is_member(org_id) and provider like 'a%' and tokens > 0)")  # fmt: skip
        (policy,) = as_ada(dsn)["policies"]
        assert [each["result"] for each in policy["terms"]] == [True, False, True]
        assert "~~" in policy["terms"][1]["term"]

    def test_null_counts_as_false(self, dsn: str) -> None:
        change(dsn, "alter policy usage_records_select_member on public.usage_records using (requests > 0)")
        assert as_ada(dsn)["policies"][0]["result"] is False

    def test_without_an_organization_the_users_own_are_meant(self, dsn: str) -> None:
        seen = as_ada(dsn, org="")
        assert (seen["orgs"], seen["past_rls"]) == ([ACME], 5)

    def test_one_row_by_its_id(self, dsn: str) -> None:
        with psycopg.connect(dsn) as connection:
            row = connection.execute("select id::text from public.usage_records where tokens = 7").fetchone()
        assert row is not None
        seen = as_ada(dsn, row=row[0], org="")
        assert (seen["past_rls"], seen["visible"], seen["row_org"]) == (1, 0, OTHER)

    def test_an_id_that_is_none_of_the_columns_type_is_told_in_postgres_words(self, dsn: str) -> None:
        seen = as_ada(dsn, row="'; drop table public.profiles; --")
        assert "invalid input syntax for type uuid" in seen["id_refused"]
        assert seen["past_rls"] == 0

    def test_what_a_rows_id_is_compared_with_is_told(self, dsn: str) -> None:
        assert as_ada(dsn)["key"] == {"column": "id", "type": "uuid"}
        assert as_ada(dsn, "memberships")["key"] == {"column": "user_id", "type": "uuid"}

    def test_recursion_is_the_statements_refusal(self, dsn: str) -> None:
        change(dsn, "alter policy memberships_select_member on public.memberships using "
                    "(exists (select 1 from public.memberships m where m.org_id = memberships.org_id))")  # fmt: skip
        seen = as_ada(dsn, "memberships")
        assert seen["statement"]["sqlstate"] == "42P17"
        assert seen["policies"][0]["sqlstate"] == "42P17"

    @pytest.mark.parametrize("command", ["insert", "update", "delete"])
    def test_a_write_meets_its_grant_and_writes_nothing(self, dsn: str, command: str) -> None:
        change(dsn, "create policy everything on public.usage_records for all using (true)")
        assert as_ada(dsn, command=command)["statement"]["sqlstate"] == ""
        change(dsn, f"revoke {command} on public.usage_records from authenticated")
        seen = as_ada(dsn, command=command)
        assert seen["statement"] == {"sqlstate": "42501", "message": "permission denied for table usage_records"}
        with psycopg.connect(dsn) as connection:
            assert connection.execute("select count(*), sum(tokens) from public.usage_records").fetchone() == (6, 22)

    def test_an_insert_is_judged_on_the_row_that_this_user_would_write_with_the_columns_defaults(
        self, dsn: str
    ) -> None:
        change(dsn, "alter table public.invitations add column status text default 'draft', add column nth serial, "
                    "add column note text, add column loud text generated always as (upper(email)) stored; "
                    "create policy invite on public.invitations for insert with check "
                    "(private.is_member(org_id) and invited_by = auth.uid() and status = 'draft' and note = 'x')")  # fmt: skip
        seen = as_ada(dsn, "invitations", "insert")
        (policy,) = [each for each in seen["policies"] if each["use"] == "insert"]
        assert [(each["result"], each["open"]) for each in policy["terms"]] == [
            (True, False), (True, False), (True, False), (False, True),
        ]  # fmt: skip
        with psycopg.connect(dsn) as connection:
            assert connection.execute("select last_value, is_called from public.invitations_nth_seq").fetchone() == (
                1,
                True,
            )

    def test_a_view_is_counted_and_a_table_that_is_not_there_is_not_found(self, dsn: str) -> None:
        change(dsn, "create view public.mine with (security_invoker = true) as select * from public.usage_records; "
                    "grant select on public.mine to authenticated")  # fmt: skip
        assert as_ada(dsn, "mine")["visible"] == 5
        seen = see(postgres_rls.as_user("ada@acme.example", ACME, "nothing", "select", ""), dsn)
        assert (seen.status, "public.nothing" in seen.why) == (Status.not_found, True)

    def test_names_that_need_quotes_and_per_cent_signs_are_no_trouble(self, dsn: str) -> None:
        change(
            dsn,
            f"""create table public."Odd ""Name" (id int primary key, org_id uuid, "a%b" text);
            insert into public."Odd ""Name" values (1, '{ACME}', '50%');
            alter table public."Odd ""Name" enable row level security; grant all on public."Odd ""Name" to authenticated;
            create policy "50% of it" on public."Odd ""Name" for select using ("a%b" like '5%' and private.is_member(org_id));""",
        )
        seen = as_ada(dsn, 'Odd "Name')
        assert (seen["visible"], seen["policies"][0]["result"]) == (1, True)

    def test_claims_come_from_the_token_and_todays_are_asked_beside(
        self, dsn: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change(dsn, "alter policy usage_records_select_member on public.usage_records using "
                    "(auth.jwt() -> 'app_metadata' ->> 'org' = org_id::text); "
                    f"update auth.users set raw_app_meta_data = '{json.dumps({'org': ACME})}' where id = '{ADA}'")  # fmt: skip
        seen = see(
            postgres_rls.as_user("", ACME, "usage_records", "select", "", token(monkeypatch, app_metadata={})), dsn
        )
        assert seen.value["claims_from"] == "token"
        assert [(each["result"], each["now"]) for each in seen.value["policies"]] == [(False, True)]

    def test_a_role_that_postgres_does_not_know_is_told(self, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = see(
            postgres_rls.as_user("", ACME, "usage_records", "select", "", token(monkeypatch, role="nobody")), dsn
        )
        assert seen.value["role_refused"] is True
        assert seen.value["statement"]["sqlstate"] == "22023"

    def test_nobody_by_that_name_is_not_found(self, dsn: str) -> None:
        assert (
            see(postgres_rls.as_user("eve@x.example", "", "memberships", "select", ""), dsn).status == Status.not_found
        )

    def test_no_rows_content_leaves_the_look(self, dsn: str) -> None:
        change(dsn, "update public.usage_records set model = 'a-very-secret-model-name'")
        assert "a-very-secret-model-name" not in json.dumps(as_ada(dsn, org=OTHER))


class TestWeakRole:
    """A role of ours that may do less than 03 needs: said, never mistaken for an answer."""

    @pytest.fixture
    def weak(self, dsn: str) -> str:
        change(dsn, "do $$ begin create role runbook_rls_weak login password 'a-password-for-tests'; "
                    "exception when duplicate_object then null; end $$; "
                    "grant usage on schema auth, public to runbook_rls_weak; grant select on auth.users to runbook_rls_weak; "
                    "grant select on all tables in schema public to runbook_rls_weak; "
                    "revoke authenticated from runbook_rls_weak")  # fmt: skip
        parts = urlsplit(dsn)
        return f"postgresql://runbook_rls_weak:a-password-for-tests@{parts.hostname}:{parts.port}{parts.path}"

    def test_one_that_may_not_become_the_user_is_denied_with_what_to_grant(self, weak: str) -> None:
        seen = see(postgres_rls.as_user("ada@acme.example", ACME, "usage_records", "select", ""), weak)
        assert seen.status == Status.denied
        assert "grant authenticated" in seen.help
        assert "a-password-for-tests" not in json.dumps(seen.as_dict())

    def test_one_that_is_under_rls_itself_does_not_say_how_many_rows_there_are(self, dsn: str, weak: str) -> None:
        change(dsn, "grant authenticated to runbook_rls_weak")
        seen = see(postgres_rls.as_user("ada@acme.example", ACME, "usage_records", "select", ""), weak)
        assert (seen.value["sees_past_rls"], seen.value["past_rls"]) == (False, None)

    def test_one_that_is_under_rls_itself_does_not_say_that_an_organization_is_not_there(self, weak: str) -> None:
        seen = see(postgres_rls.organization("Acme"), weak)
        assert (seen.status, "BYPASSRLS" in seen.help) == (Status.denied, True)

    def test_doctor_says_what_is_lacking(self, dsn: str, weak: str) -> None:
        assert see(postgres_rls.rls_health(), dsn).status == Status.ok
        seen = see(postgres_rls.rls_health(), weak)
        assert seen.status == Status.denied
        assert "become the role authenticated" in seen.why
        assert "past row-level security" in seen.why

    def test_a_user_is_never_absent_because_a_table_is(self, dsn: str) -> None:
        change(dsn, "drop table public.invitations")
        assert see(postgres_rls.user("ada@acme.example"), dsn).status == Status.malformed


class TestOrganization:
    @pytest.mark.parametrize("org", ["Acme", ACME, ACME.upper()])
    def test_it_is_found_by_its_id_or_its_name(self, dsn: str, org: str) -> None:
        seen = see(postgres_rls.organization(org), dsn)
        assert (seen.status, seen.value) == (Status.ok, {"id": ACME, "name": "Acme"})

    @pytest.mark.parametrize("org", ["Foo Inc", "00000000-0000-4000-8000-000000000000", "acm%", "' or true --"])
    def test_one_that_there_is_not_is_not_found_in_words(self, dsn: str, org: str) -> None:
        seen = see(postgres_rls.organization(org), dsn)
        assert (seen.status, seen.why) == (Status.not_found, "no organization has this id or name")

    def test_a_name_that_two_have_is_no_answer(self, dsn: str) -> None:
        change(dsn, "update public.organizations set name = 'Acme'")
        seen = see(postgres_rls.organization("Acme"), dsn)
        assert (seen.status, ACME in seen.why, OTHER in seen.why) == (Status.partial, True, True)

    def test_without_the_table_nothing_is_said_of_it(self, dsn: str) -> None:
        change(dsn, "drop table public.organizations cascade")
        assert see(postgres_rls.organization("Acme"), dsn).status == Status.malformed


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
