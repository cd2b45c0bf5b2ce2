"""03 on one user: who they are, and what they belong to; clean, broken, repaired, could-not-look."""

from collections.abc import Callable

import pytest
from support.rls_evidence import ACME, ADA, MEMBER, OTHER, World, codes, judged, policy
from support.rls_worlds import (
    FALSE,
    by_roles,
    elsewhere,
    false_term,
    inserting,
    out,
    restricted,
    stale,
    statement,
    unpolicied,
    verdict,
)

from runbook_lib.core.model import Status

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
