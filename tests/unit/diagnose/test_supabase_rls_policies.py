"""03 on one user: what the policies say of a row, and whether it is there at all."""

from support.rls_evidence import World, codes, judged, policy
from support.rls_worlds import FALSE, absent, false_term, inserting, restricted, unpolicied, verdict


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
