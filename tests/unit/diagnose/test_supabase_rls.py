"""03 on one user: membership, policies, grants, recursion, the row; clean, broken, repaired, look-alike, could-not-look."""

from collections.abc import Callable

import pytest
from support.rls_evidence import ACME, ADA, MEMBER, OTHER, ROW, World, codes, judged, policy, table

from runbook_lib.core.model import Conclusion, Status
from runbook_lib.procedures.supabase_rls.rules import one_user

FALSE = judged("read", False)
TRUE = judged("read", True)


def verdict(world: World) -> Conclusion:
    return one_user(world.evidence())


def out(world: World, org: str = "", invited: bool = False) -> World:
    """The user is in no organization, or in another one only."""
    assert world.person is not None
    world.person |= {
        "memberships": [{"org": org, "role": "member"}] if org else [],
        "invited": [ACME] if invited else [],
    }
    return world.deny(FALSE)


def statement(world: World, state: str, message: str) -> World:
    """Postgres refuses the command as the user."""
    world.seen |= {
        "statement": {"sqlstate": state, "message": message}, "visible": None, "hidden": None,
        "policies": [judged("read", None, sqlstate=state, message=message)],
    }  # fmt: skip
    return world


def by_roles(role: str) -> World:
    world = World()
    assert world.person is not None
    world.person["memberships"] = [{"org": ACME, "role": role}]
    term = "exists (select 1 from public.memberships m where m.role = any (array['owner', 'admin']))"
    world.policies[0]["using"] = term
    return world.deny(judged("read", False, (term, False)))


def unpolicied(**changes: object) -> World:
    world = World(**changes)
    world.policies = [each for each in world.policies if each["table"] != "usage_records"]
    return world.deny()


def absent(row_id: str = ROW) -> World:
    world = World(row_id=row_id)
    world.seen |= {"past_rls": 0, "visible": 0, "hidden": 0, "judged": None, "row_org": None, "policies": []}
    world.past |= {"count": 0, "row_org": None}
    return world


def elsewhere() -> World:
    """One row of an organization that the user is not in, who is in another."""
    world = World(row_id=ROW, org="")
    world.seen["row_org"] = OTHER
    world.past["row_org"] = OTHER
    return world.deny(FALSE)


def stale() -> World:
    term = "((auth.jwt() -> 'app_metadata') ? org_id)"
    world = World()
    world.policies[0] |= {"using": term, "helpers": []}
    return world.deny(judged("read", False, (term, False), now=True)).with_token()


def restricted(result: bool = False) -> World:
    world = World()
    world.policies.append(policy(name="hours", permissive=False, using="(tokens > 5)", helpers=[]))
    return world.deny(TRUE, judged("hours", result, ("(tokens > 5)", result), permissive=False))


def false_term() -> World:
    term = f"({MEMBER} AND (provider = 'mistral'))"
    return World().deny(judged("read", False, (MEMBER, True), ("(provider = 'mistral')", False), using=term))


def inserting(check: bool = True, reading: bool = False) -> World:
    world = World(command="insert")
    world.policies.append(policy(name="write", command="insert", using=None, check=MEMBER))
    world.seen["judged"] = "a row that this user would write"
    world.seen["policies"] = [
        judged("write", check, command="insert", use="insert", clause="check"),
        judged("read", reading),
    ]
    return world


BROKEN: dict[str, Callable[[], World]] = {
    "rls.no_membership": lambda: out(World()),
    "rls.invite_pending": lambda: out(World(), invited=True),
    "rls.other_org": elsewhere,
    "rls.role_too_low": lambda: by_roles("member"),
    "rls.stale_claims": stale,
    "rls.no_policy": unpolicied,
    "rls.restrictive_policy": restricted,
    "rls.policy_false": false_term,
    "rls.returning_blocked": inserting,
    "rls.policy_recursion": lambda: statement(
        World(), "42P17", 'infinite recursion detected in policy for relation "memberships"'
    ),
    "rls.policy_recursion.function": lambda: statement(World(), "54001", "stack depth limit exceeded"),
    "rls.grant_missing.schema": lambda: statement(World(), "42501", "permission denied for schema public"),
    "rls.grant_missing.function": lambda: statement(World(), "42501", "permission denied for function is_member"),
}


@pytest.mark.parametrize("code", BROKEN)
def test_broken_it_is_confirmed_with_evidence_subject_and_remedy(code: str) -> None:
    conclusion = verdict(BROKEN[code]())
    assert codes(conclusion) == [code]
    (cause,) = conclusion.causes
    assert all((cause.evidence, cause.remedy, cause.subject))
    assert conclusion.situation.ongoing is True


@pytest.mark.parametrize("command", ["select", "update", "delete"])
def test_clean_and_repaired_it_is_ruled_out(command: str) -> None:
    world = World(command=command)
    world.policies.append(policy(name="change", command=command))
    world.seen["policies"] = [
        judged("read", True, use=use, clause=clause)
        for use, clause in (("select", "using"), (command, "using"), (command, "check"))
    ]
    conclusion = verdict(world)
    assert (conclusion.status, codes(conclusion), conclusion.not_seen) == ("ruled_out", [], ())


def test_clean_with_the_token_it_is_ruled_out() -> None:
    assert verdict(World().with_token()).status == "ruled_out"


@pytest.mark.parametrize(
    "missing", [{"sql": Status.unreachable}, {"as_user": Status.denied}, {"sql": Status.timed_out}]
)
def test_what_could_not_be_looked_at_rules_nothing_out(missing: dict[str, Status]) -> None:
    conclusion = verdict(World().without(**missing))
    assert conclusion.status == "could_not_tell"
    assert conclusion.suspects[0].deciding_look
    assert "postgres" in {each.source for each in conclusion.not_seen}


def test_without_postgrest_nobody_says_that_the_table_is_offered() -> None:
    conclusion = verdict(World().without(rest=Status.unreachable))
    assert (conclusion.status, conclusion.suspects[0].subject) == ("could_not_tell", "supabase.rest_as_user")
    assert codes(verdict(out(World()).without(rest=Status.unreachable))) == ["rls.no_membership"], (
        "what is seen still counts"
    )


def test_a_way_that_is_merely_not_set_up_is_no_gap_where_another_answered() -> None:
    assert verdict(World().without(api=Status.not_configured)).not_seen == ()
    assert {each.status for each in verdict(World().without(api=Status.denied)).not_seen} == {"denied"}


class TestUser:
    def test_one_that_auth_does_not_know_is_unknown(self) -> None:
        world = World()
        world.person = None
        assert codes(verdict(world.without(as_user=Status.not_found))) == ["rls.user_unknown"]

    def test_a_deleted_one_is_told_apart(self) -> None:
        world = World()
        assert world.person is not None
        world.person["deleted"] = True
        assert codes(verdict(world)) == ["rls.user_unknown.deleted"]

    def test_without_a_profile_the_missing_membership_is_a_consequence(self) -> None:
        world = out(World())
        assert world.person is not None
        world.person["profile"] = False
        conclusion = verdict(world)
        assert codes(conclusion) == ["rls.profile_missing"]
        assert "rls.no_membership" in [each.code for each in conclusion.also]

    def test_one_whom_postgres_met_is_not_unknown_because_another_way_answers_with_nothing(self) -> None:
        world = World(user="ada@acme.example").without(user=Status.not_found)
        assert verdict(world).status == "ruled_out"
        assert verdict(world.deny(FALSE)).status == "could_not_tell"
        assert verdict(world).causes == ()

    def test_one_is_not_unknown_because_a_door_answers_everything_with_nothing(self) -> None:
        world = World().without(sql=Status.not_configured, api=Status.not_found)
        conclusion = verdict(world)
        assert (conclusion.status, conclusion.causes) == ("could_not_tell", ())

    def test_one_whom_nobody_could_look_up_is_not_called_unknown(self) -> None:
        world = World().without(sql=Status.unreachable, api=Status.malformed)
        assert verdict(world).status == "could_not_tell"
        assert not verdict(world).causes


class TestMembership:
    def test_a_policy_that_asks_something_else_is_not_explained_by_a_missing_membership(self) -> None:
        world = out(World())
        world.policies[0] |= {"using": "(provider = 'mistral')", "helpers": []}
        world.seen["policies"] = [judged("read", False, ("(provider = 'mistral')", False))]
        assert codes(verdict(world)) == ["rls.policy_false"]

    def test_both_terms_that_are_false_are_named(self) -> None:
        world = out(World())
        world.seen["policies"] = [judged("read", False, (MEMBER, False), ("(provider = 'mistral')", False))]
        conclusion = verdict(world)
        assert codes(conclusion) == ["rls.no_membership", "rls.policy_false"]
        assert "mistral" in conclusion.causes[1].summary
        assert MEMBER not in conclusion.causes[1].summary

    def test_of_several_policies_the_one_that_lacks_least_is_the_cause(self) -> None:
        world = out(World())
        world.policies.append(policy(name="mine", using="(created_by = auth.uid())", helpers=[]))
        world.seen["policies"].append(judged("mine", False, ("(created_by = auth.uid())", False)))
        assert codes(verdict(world)) == ["rls.no_membership"]

    def test_one_true_policy_among_false_ones_allows(self) -> None:
        world = out(World())
        world.seen |= {"visible": 3, "hidden": 0, "policies": [FALSE, judged("mine", True)]}
        assert verdict(world).status == "ruled_out"

    def test_a_member_with_the_role_that_is_asked_for_is_not_too_low(self) -> None:
        assert codes(verdict(by_roles("admin"))) == ["rls.policy_false"]

    def test_an_invitation_to_another_organization_is_none_to_this(self) -> None:
        world = out(World())
        assert world.person is not None
        world.person["invited"] = [OTHER]
        assert codes(verdict(world)) == ["rls.no_membership"]

    def test_in_another_organization_than_the_one_asked_for_is_no_membership_there(self) -> None:
        conclusion = verdict(out(World(), org=OTHER))
        assert codes(conclusion) == ["rls.no_membership"]
        assert conclusion.causes[0].subject == f"{ADA} in {ACME}"
        assert conclusion.situation.orgs_affected == 1


class TestPolicies:
    def test_no_policy_for_the_command_is_told_from_a_false_one(self) -> None:
        conclusion = verdict(unpolicied(command="delete"))
        assert codes(conclusion) == ["rls.no_policy"]
        assert conclusion.causes[0].subject == "delete on usage_records"

    def test_a_change_needs_a_policy_that_lets_the_row_be_found(self) -> None:
        world = unpolicied(command="update")
        world.policies.append(policy(name="change", command="update"))
        conclusion = verdict(world)
        assert conclusion.causes[0].subject == "select on usage_records"

    def test_a_policy_for_another_role_is_none_for_this(self) -> None:
        world = World()
        world.policies[0] |= {"roles": ["service_role"], "applies_to": ["service_role"]}
        assert codes(verdict(world.deny())) == ["rls.no_policy"]

    def test_a_restrictive_policy_alone_allows_nothing(self) -> None:
        world = World()
        world.policies[0]["permissive"] = False
        assert codes(verdict(world.deny(judged("read", True, permissive=False)))) == ["rls.no_policy"]

    def test_a_restrictive_policy_that_holds_is_no_cause(self) -> None:
        world = restricted(True)
        world.seen |= {"visible": 3, "hidden": 0}
        assert verdict(world).status == "ruled_out"

    def test_some_hidden_rows_are_counted_in_the_summary(self) -> None:
        world = false_term()
        world.seen |= {"visible": 1, "hidden": 2}
        assert "2 of 3 rows are hidden" in verdict(world).causes[0].summary

    def test_rows_of_others_are_hidden_rightly_where_nothing_was_named(self) -> None:
        world = World(org="", table="usage_records").deny(FALSE)
        world.seen |= {"visible": 1, "hidden": 2, "orgs": [], "row_org": None}
        assert verdict(world).status == "ruled_out"

    def test_no_rows_where_nothing_was_named_is_a_suspicion(self) -> None:
        world = World(org="").deny(judged("read", False, ("(owner_id = auth.uid())", False)))
        world.seen |= {"orgs": [], "row_org": None}
        conclusion = verdict(world)
        assert conclusion.status == "could_not_tell"
        assert "row_id" in conclusion.suspects[0].deciding_look

    def test_a_policy_that_cannot_be_evaluated_is_a_suspicion(self) -> None:
        conclusion = verdict(World().deny(judged("read", None, sqlstate="22P02", message="invalid input")))
        assert (conclusion.status, conclusion.suspects[0].code) == ("could_not_tell", "rls.policy_false")

    def test_a_term_on_a_column_that_nobody_named_is_a_suspicion(self) -> None:
        world = inserting(check=False)
        world.seen["policies"][0]["terms"] = [{"term": "(status = 'draft')", "result": False, "open": True}]
        conclusion = verdict(world)
        assert (conclusion.status, conclusion.suspects[0].code) == ("could_not_tell", "rls.policy_false")

    def test_with_rls_off_no_policy_is_to_blame(self) -> None:
        world = World()
        world.tables[0]["rls"] = False
        conclusion = verdict(world)
        assert conclusion.status == "ruled_out"
        assert [each.code for each in conclusion.also] == ["rls.disabled.policies_unused"], (
            "an exposure explains no denial"
        )


class TestReturning:
    def test_a_write_that_is_refused_itself_is_not_called_so(self) -> None:
        assert codes(verdict(inserting(check=False))) == ["rls.policy_false"]

    def test_a_row_that_its_writer_may_read_is_no_fault(self) -> None:
        assert verdict(inserting(reading=True)).status == "ruled_out"

    def test_a_restrictive_policy_may_hide_the_written_row_too(self) -> None:
        world = inserting(reading=True)
        world.seen["policies"].append(judged("hours", False, permissive=False))
        assert codes(verdict(world)) == ["rls.returning_blocked"]


class TestRow:
    def test_one_that_is_not_there_is_a_state(self) -> None:
        conclusion = verdict(absent())
        assert (conclusion.status, codes(conclusion)) == ("ruled_out", ["rls.row_absent"])

    def test_one_that_postgrest_counts_past_rls_is_not_absent(self) -> None:
        world = absent()
        world.past["count"] = 1
        assert verdict(world).status == "could_not_tell"

    def test_a_role_of_ours_that_is_under_rls_proves_no_absence(self) -> None:
        world = absent()
        world.seen |= {"sees_past_rls": False, "past_rls": None}
        conclusion = verdict(world)
        assert conclusion.status == "could_not_tell"
        assert "BYPASSRLS" in conclusion.suspects[0].deciding_look

    def test_no_rows_of_an_organization_that_the_user_is_not_in_is_no_membership(self) -> None:
        world = absent("")
        assert world.person is not None
        world.person["memberships"] = []
        assert codes(verdict(world)) == ["rls.no_membership"]


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
