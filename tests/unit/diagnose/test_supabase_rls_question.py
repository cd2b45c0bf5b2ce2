"""03 where the question is not clear: an organization that nobody knows, an id that is none; and what goes on at this moment."""

from dataclasses import replace

import pytest
from support.evidence import look
from support.rls_evidence import ACME, ADA, OTHER, ROW, World, codes, judged, policy

from runbook_lib.core.model import Conclusion, Status
from runbook_lib.procedures.supabase_rls.rules import every_table, one_user

UUID_REFUSED = 'invalid input syntax for type uuid: "notauuid"'


def verdict(world: World) -> Conclusion:
    return one_user(world.evidence())


def outside(world: World) -> World:
    """The user is in no organization, and no row is there for the one that was asked for."""
    assert world.person is not None
    world.person["memberships"] = []
    world.seen |= {"past_rls": 0, "visible": 0, "hidden": 0, "judged": None, "row_org": None, "policies": []}
    world.past |= {"count": 0, "row_org": None}
    return world


class TestOrganization:
    @pytest.mark.parametrize("org", ["Foo Inc", "00000000-0000-4000-8000-000000000000"])
    def test_one_that_nobody_knows_is_never_a_missing_membership(self, org: str) -> None:
        world = outside(World(org=org))
        world.organization = None
        conclusion = verdict(world)
        assert (conclusion.status, conclusion.causes, conclusion.states) == ("could_not_tell", (), ())
        (suspect,) = conclusion.suspects
        assert suspect.subject == org
        assert "no organization has this id or name" in suspect.why
        assert "org=" in suspect.deciding_look

    def test_the_organizations_that_the_user_is_in_are_offered_instead(self) -> None:
        world = World(org="Foo Inc")
        world.organization = None
        assert ACME in verdict(world).suspects[0].deciding_look

    def test_one_that_there_is_and_that_the_user_is_not_in_is_a_missing_membership_by_id_or_by_name(self) -> None:
        by_name, by_id = verdict(outside(World(org="Acme"))), verdict(outside(World()))
        assert codes(by_name) == codes(by_id) == ["rls.no_membership"]
        assert by_name.causes[0].subject == by_id.causes[0].subject == f"{ADA} in {ACME}"

    def test_a_name_that_several_have_is_a_question(self) -> None:
        world = outside(World(org="Acme"))
        oldest = look("postgres", "organization", {"id": ACME, "name": "Acme"}, Status.partial)
        world.organization = replace(oldest, why=f"called so: {ACME}, {OTHER}")
        conclusion = verdict(world)
        assert (conclusion.status, OTHER in conclusion.suspects[0].why) == ("could_not_tell", True)

    @pytest.mark.parametrize("org", ["Acme", ACME])
    def test_where_no_way_could_look_it_up_it_is_not_claimed(self, org: str) -> None:
        conclusion = verdict(outside(World(org=org)).without(organization=Status.denied))
        assert (conclusion.status, conclusion.causes) == ("could_not_tell", ())
        assert "could not be looked up" in conclusion.suspects[0].why
        assert ("postgres", "organization") in {(each.source, each.call) for each in conclusion.not_seen}

    def test_a_row_or_a_membership_of_it_proves_it_as_well(self) -> None:
        assert verdict(World().without(organization=Status.denied)).status == "ruled_out"
        world = World().deny(judged("read", False)).without(organization=Status.denied)
        assert world.person is not None
        world.person["memberships"] = []
        assert codes(verdict(world)) == ["rls.no_membership"]

    def test_a_row_that_a_user_would_write_proves_nothing(self) -> None:
        world = outside(World(command="insert", org=OTHER)).without(organization=Status.denied)
        world.policies.append(policy(name="write", command="insert"))
        world.seen |= {"judged": "a row that this user would write", "row_org": OTHER}
        world.seen["policies"] = [judged("write", False, command="insert", use="insert", clause="check")]
        assert verdict(world).status == "could_not_tell"

    def test_where_the_row_was_named_and_seen_its_own_organization_counts(self) -> None:
        world = World(org="Foo Inc", row_id=ROW).deny(judged("read", False))
        world.organization = None
        world.seen["row_org"] = world.past["row_org"] = OTHER
        assert codes(verdict(world)) == ["rls.other_org"]

    def test_what_refuses_everybody_is_confirmed_all_the_same(self) -> None:
        world = outside(World(org="Foo Inc"))
        world.organization = None
        world.seen["statement"] = {"sqlstate": "42501", "message": "permission denied for schema public"}
        assert codes(verdict(world)) == ["rls.grant_missing.schema"]
        unpolicied = outside(World(org="Foo Inc"))
        unpolicied.organization, unpolicied.policies = None, []
        assert codes(verdict(unpolicied)) == ["rls.no_policy"]


class TestRowId:
    def refused(self) -> World:
        world = outside(World(row_id="notauuid"))
        assert world.person is not None
        world.person["memberships"] = [{"org": ACME, "role": "admin"}]
        world.seen |= {"id_refused": UUID_REFUSED, "key": {"column": "id", "type": "uuid"}}
        world.past |= {"status_code": 400, "code": "22P02", "message": UUID_REFUSED, "count": None}
        return world

    def asks_for_another(self, conclusion: Conclusion) -> None:
        assert (conclusion.status, conclusion.states, conclusion.causes) == ("could_not_tell", (), ())
        (suspect,) = conclusion.suspects
        assert "row_id notauuid" in suspect.subject
        assert UUID_REFUSED in suspect.why
        assert "row_id=" in suspect.deciding_look

    def test_one_that_is_of_another_type_says_nothing_about_a_row(self) -> None:
        conclusion = verdict(self.refused())
        self.asks_for_another(conclusion)
        assert "usage_records.id (uuid)" in conclusion.suspects[0].deciding_look
        assert "table=" in conclusion.suspects[0].deciding_look, "it may be a row of another table"

    def test_nor_does_it_with_rls_off_or_in_a_write(self) -> None:
        world = self.refused()
        world.tables[0]["rls"] = False
        self.asks_for_another(verdict(world))
        world = self.refused()
        world.asked["command"] = "insert"
        world.policies.append(policy(name="write", command="insert"))
        self.asks_for_another(verdict(world))

    def test_postgrests_word_is_enough(self) -> None:
        self.asks_for_another(verdict(self.refused().without(as_user=Status.unreachable)))

    def test_a_refusal_of_the_count_is_no_count_of_nothing(self) -> None:
        world = outside(World(row_id=ROW)).without(as_user=Status.unreachable)
        world.past |= {"status_code": 403, "code": "42501", "message": "permission denied", "count": None}
        assert (verdict(world).status, verdict(world).states) == ("could_not_tell", ())


class TestWhatWouldDecide:
    def suspicion(self, **asked: str) -> World:
        world = World(org="", **asked).deny(judged("read", False))
        assert world.person is not None
        world.person["memberships"] = []
        world.seen |= {"orgs": [], "row_org": None}
        world.past["row_org"] = None
        return world

    def test_a_row_or_an_organization_is_asked_for(self) -> None:
        (suspect,) = verdict(self.suspicion()).suspects
        assert "row_id=" in suspect.deciding_look
        assert "org=" in suspect.deciding_look

    def test_a_row_of_anybodys_does_not_say_which_organization_is_meant(self) -> None:
        world = self.suspicion()
        world.seen["row_org"] = OTHER
        assert verdict(world).suspects[0].subject == f"{ADA} in any organization"

    def test_an_organization_is_not_asked_for_where_the_table_has_none(self) -> None:
        world = self.suspicion()
        world.tables[0]["columns"] = ["id", "tokens"]
        (suspect,) = verdict(world).suspects
        assert "row_id=" in suspect.deciding_look
        assert "org=" not in suspect.deciding_look


class TestSituation:
    def test_a_refusal_that_may_be_wrong_goes_on_while_it_holds(self) -> None:
        conclusion = verdict(TestWhatWouldDecide().suspicion())
        assert (conclusion.status, conclusion.situation.ongoing) == ("could_not_tell", True)

    def test_where_nothing_is_wrong_nothing_is_over(self) -> None:
        assert verdict(World()).situation.ongoing is None
        assert every_table(World().audit()).situation.ongoing is None

    def test_where_the_question_is_not_clear_nothing_is_known_to_go_on(self) -> None:
        world = outside(World(org="Foo Inc"))
        world.organization = None
        assert verdict(world).situation.ongoing is None


class TestFile:
    def test_one_that_was_named_and_not_read_leaves_the_answer_open(self) -> None:
        away = look("postgres", "schema_file", None, Status.not_configured)
        for asked, status in ((True, "could_not_tell"), (False, "ruled_out")):
            evidence = replace(World().evidence(), schema_file=away, is_file_asked=asked)
            assert one_user(evidence).status == status
