"""03 on one user: what refuses everybody before a policy is asked, and what is said where Postgres could not be."""

import pytest
from support.rls_evidence import World, codes, policy, table
from support.rls_worlds import inserting, out, statement, verdict

from runbook_lib.core.model import Status
from runbook_lib.procedures.supabase_rls.rules import one_user


class TestGrants:
    def test_table_and_column_are_told_apart_by_the_catalogue(self) -> None:
        refused = "permission denied for table usage_records"
        world = statement(World(), "42501", refused)
        world.tables[0]["grants"]["authenticated"] = []
        assert codes(verdict(world)) == ["rls.grant_missing.column"]
        world.tables[0]["column_grants"]["authenticated"] = []
        assert codes(verdict(world)) == ["rls.grant_missing.table"]

    def test_without_the_catalogue_they_are_not(self) -> None:
        world = World().with_token().refused_by_rest("42501", "permission denied for table usage_records")
        assert codes(verdict(world.without(sql=Status.unreachable))) == ["rls.grant_missing"]

    def test_a_table_below_the_policy_is_named_instead_of_the_one_asked_about(self) -> None:
        world = statement(World(), "42501", "permission denied for table memberships")
        world.tables[1] |= {"grants": {}, "column_grants": {}}
        assert verdict(world).causes[0].subject == "authenticated: select on memberships"

    def test_a_refusal_by_a_policy_is_no_grant(self) -> None:
        world = inserting(check=False)
        world.seen["statement"] = {"sqlstate": "", "message": ""}
        world.with_token().refused_by_rest(
            "42501", 'new row violates row-level security policy for table "usage_records"'
        )
        assert codes(verdict(world)) == ["rls.policy_false"]

    def test_the_catalogue_alone_suffices(self) -> None:
        world = World().without(as_user=Status.unreachable)
        world.tables[0]["grants"]["authenticated"] = ["insert"]
        world.tables[0]["column_grants"]["authenticated"] = ["insert"]
        assert codes(verdict(world)) == ["rls.grant_missing.table"]


class TestRecursion:
    def test_it_is_about_the_table_that_postgres_names_and_told_beside_a_missing_membership(self) -> None:
        world = statement(out(World()), "42P17", 'infinite recursion detected in policy for relation "memberships"')
        conclusion = verdict(world)
        assert codes(conclusion) == ["rls.policy_recursion", "rls.no_membership"]
        assert conclusion.causes[0].subject == "memberships"

    def test_postgrests_word_is_enough(self) -> None:
        world = (
            World()
            .with_token()
            .refused_by_rest("42P17", 'infinite recursion detected in policy for relation "memberships"')
        )
        assert codes(verdict(world.without(sql=Status.unreachable))) == ["rls.policy_recursion"]

    @pytest.mark.parametrize(
        ("refs", "recurses"),
        [
            ({"memberships": ["memberships"]}, True),
            ({"memberships": ["organizations"], "organizations": ["memberships"]}, True),
            ({"memberships": ["organizations"]}, False),
            ({}, False),
        ],
    )
    def test_a_circle_in_the_catalogue_is_enough_where_nobody_can_ask(
        self, refs: dict[str, list[str]], recurses: bool
    ) -> None:
        world = World().without(as_user=Status.not_configured)
        world.tables.append(table("organizations"))
        world.policies = [policy(refs=["memberships"])]
        world.policies += [policy(name, refs=refs.get(name, [])) for name in ("memberships", "organizations")]
        assert codes(verdict(world)) == (["rls.policy_recursion"] if recurses else [])

    def test_a_circle_through_a_table_without_rls_is_none(self) -> None:
        world = World().without(as_user=Status.not_configured)
        world.tables[1]["rls"] = False
        world.policies = [policy(refs=["memberships"]), policy("memberships", refs=["memberships"])]
        assert verdict(world).causes == ()

    def test_a_circle_that_postgres_did_not_refuse_is_none(self) -> None:
        world = World()
        world.policies = [policy(refs=["memberships"]), policy("memberships", refs=["memberships"])]
        assert verdict(world).status == "ruled_out"


class TestExposure:
    @pytest.mark.parametrize(
        ("code", "known", "sub"),
        [("PGRST106", True, "schema"), ("PGRST205", True, "cache"), ("PGRST205", False, "no_table")],
    )
    def test_what_postgrest_does_not_offer_is_held_against_postgres(self, code: str, known: bool, sub: str) -> None:
        world = World()
        world.rest |= {"code": code, "message": "not here", "count": None, "status_code": 404}
        world.tables = world.tables if known else world.tables[1:]
        assert codes(verdict(world)) == [f"rls.not_exposed.{sub}"]

    def test_without_the_catalogue_it_is_not_said_why(self) -> None:
        world = World().without(sql=Status.unreachable)
        world.rest |= {"code": "PGRST205", "message": "not here", "count": None, "status_code": 404}
        assert codes(verdict(world)) == ["rls.not_exposed"]

    def test_postgres_and_postgrest_that_contradict_each_other_settle_nothing(self) -> None:
        world = World().with_token()
        world.rest["count"] = 0
        conclusion = verdict(world)
        assert conclusion.status == "could_not_tell"
        assert "same project" in conclusion.suspects[0].deciding_look


class TestWithoutPostgres:
    def test_a_denial_that_postgrest_shows_is_explained_by_the_membership(self) -> None:
        world = out(World().with_token()).without(sql=Status.unreachable, api=Status.ok)
        world.missing.pop("api")
        world.rest |= {"as": "user", "count": 0}
        evidence = world.without(sql=Status.unreachable).evidence()
        assert one_user(evidence).status == "could_not_tell", "no catalogue says what the policies ask"

    def test_by_name_alone_it_is_a_suspicion(self) -> None:
        world = out(World()).without(as_user=Status.unreachable)
        conclusion = verdict(world)
        assert conclusion.status == "could_not_tell"
        assert conclusion.suspects[0].code == "rls.no_membership"

    def test_with_the_users_token_at_postgrest_it_is_confirmed(self) -> None:
        world = out(World()).without(as_user=Status.unreachable).with_token()
        world.rest["count"] = 0
        assert codes(verdict(world)) == ["rls.no_membership"]

    def test_rows_that_postgrest_shows_the_user_clear_it(self) -> None:
        world = World().with_token().without(sql=Status.unreachable)
        world.rest["count"] = 3
        conclusion = verdict(world)
        assert conclusion.status == "ruled_out"
        assert {each.source for each in conclusion.not_seen} == {"postgres"}, "the other way is merely not set up"

    def test_an_empty_list_for_the_user_is_no_clean_bill(self) -> None:
        world = World().with_token().without(as_user=Status.unreachable)
        world.rest["count"] = 0
        assert verdict(world).status == "could_not_tell"
