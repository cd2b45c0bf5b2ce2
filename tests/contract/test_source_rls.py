"""Row-level security as a source, against a real Postgres: the query as the user, each term, an organization by its name."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import jwt
import psycopg
import pytest
from support.rls_database import ACME, ADA, OTHER, as_ada, change, members_database, see

from runbook_lib.core.model import Status
from runbook_lib.sources.postgres import rls as postgres_rls


@pytest.fixture
def dsn(new_database: Callable[[], str]) -> str:
    return members_database(new_database)


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
