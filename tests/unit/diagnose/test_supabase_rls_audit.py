"""03 as an audit: what is open, what is shut to everybody, what differs from the repository; and the matrix of it."""

from typing import Any

import pytest
from support.rls_evidence import ALL, MEMBER, World, codes, policy, table

from runbook_lib.core.model import Conclusion, Status
from runbook_lib.procedures.supabase_rls.audit import access_matrix
from runbook_lib.procedures.supabase_rls.rules import every_table, one_user


def verdict(world: World) -> Conclusion:
    return every_table(world.audit())


def policied(**changes: Any) -> World:
    """A second policy on the table."""
    world = World()
    world.policies.append(policy(name="second", **changes))
    return world


def reached(
    world: World, looks_at: str = "row", true_for: tuple[str, ...] = (), sampled: int = 5, name: str = "second"
) -> World:
    """What Postgres said of a policy in the abstract."""
    world.reach["policies"].append(
        {"table": "usage_records", "name": name, "clause": "using", "looks_at": looks_at, "true_for": list(true_for),
         "sampled": sampled}
    )  # fmt: skip
    return world


def refused(world: World, state: str, message: str, name: str = "usage_records", command: str = "select") -> World:
    """What Postgres said to a stranger's command."""
    said = {"name": name, "role": "authenticated", "command": command, "sqlstate": state, "message": message}
    world.reach["tables"].append(said)
    return world


def test_clean_and_repaired_it_is_ruled_out() -> None:
    conclusion = verdict(World())
    assert (conclusion.status, conclusion.also, conclusion.not_seen) == ("ruled_out", (), ())
    assert conclusion.situation.ongoing is None, "nothing was wrong, so nothing is over"


@pytest.mark.parametrize("missing", [{"sql": Status.denied}, {"reach": Status.timed_out}])
def test_what_was_not_looked_at_is_not_called_closed(missing: dict[str, Status]) -> None:
    conclusion = verdict(World().without(**missing))
    assert conclusion.status == "could_not_tell"
    assert conclusion.suspects[0].deciding_look


class TestOpenTables:
    def test_one_without_rls_is_open_and_says_who_holds_grants(self) -> None:
        world = World()
        world.tables.append(table("notes", rls=False))
        conclusion = verdict(world)
        assert codes(conclusion) == ["rls.disabled"]
        assert "anon and authenticated hold grants" in conclusion.causes[0].summary

    def test_one_whose_policies_nobody_asks_is_told_apart(self) -> None:
        world = World()
        world.tables[0]["rls"] = False
        assert codes(verdict(world)) == ["rls.disabled.policies_unused"]

    def test_one_that_is_granted_to_nobody_is_shut(self) -> None:
        world = World()
        world.tables.append(table("notes", rls=False, grants={"service_role": ALL}, column_grants={}))
        assert verdict(world).status == "ruled_out"

    def test_a_single_granted_column_is_open_too(self) -> None:
        world = World()
        world.tables.append(table("notes", rls=False, grants={}, column_grants={"anon": ["select"]}))
        assert codes(verdict(world)) == ["rls.disabled"]

    @pytest.mark.parametrize("kind", ["v", "m", "f"])
    def test_a_view_with_its_owners_rights_reads_past_the_policies(self, kind: str) -> None:
        world = World()
        world.tables.append(table("all_usage", kind=kind, rls=False))
        assert codes(verdict(world)) == ["rls.disabled.view"]

    def test_a_view_that_asks_as_its_reader_does_not(self) -> None:
        world = World()
        world.tables.append(table("my_usage", kind="v", rls=False, invoker=True))
        assert verdict(world).status == "ruled_out"

    def test_a_role_of_the_api_that_bypasses_rls_is_found_and_the_service_role_is_not(self) -> None:
        world = World()
        world.roles[1]["bypass"] = True
        conclusion = verdict(world)
        assert [(each.code, each.subject) for each in conclusion.causes] == [("rls.disabled.role", "authenticated")]


class TestOpenPolicies:
    @pytest.mark.parametrize("text", ["true", "(true)", "(1 = 1)"])
    def test_one_that_says_true_is_open_even_where_nobody_could_ask(self, text: str) -> None:
        world = policied(using=text).without(reach=Status.unreachable)
        assert codes(verdict(world)) == ["rls.policy_always_true"]

    def test_one_that_the_planner_folds_away_is_open_whatever_its_words(self) -> None:
        world = reached(policied(using="((org_id = org_id) OR (name IS NULL))"), "nothing")
        assert codes(verdict(world)) == ["rls.policy_always_true"]

    def test_one_that_only_asks_whether_somebody_is_signed_in_is_open_to_all_who_are(self) -> None:
        world = reached(policied(using="(auth.uid() IS NOT NULL)"), "session", ("authenticated",))
        assert "everybody who is signed in" in verdict(world).causes[0].summary

    def test_one_that_is_true_of_every_row_for_a_stranger_is_open(self) -> None:
        assert codes(verdict(reached(policied(), "row", ("anon", "authenticated")))) == ["rls.policy_always_true"]

    @pytest.mark.parametrize(
        ("looks_at", "true_for", "sampled"),
        [("row", (), 5), ("row", (), 0), ("unknown", (), 3), ("session", (), 0)],
    )
    def test_one_that_was_seen_to_refuse_is_not(self, looks_at: str, true_for: tuple[str, ...], sampled: int) -> None:
        assert verdict(reached(policied(), looks_at, true_for, sampled)).status == "ruled_out"

    def test_a_restrictive_one_allows_nothing(self) -> None:
        assert verdict(policied(using="true", permissive=False)).status == "ruled_out"

    def test_one_for_the_service_role_alone_is_not(self) -> None:
        only = ["service_role"]
        assert verdict(policied(using="true", roles=only, applies_to=only)).status == "ruled_out"

    def test_one_that_lets_everybody_write_is_open(self) -> None:
        assert codes(verdict(policied(command="insert", using=None, check="true"))) == ["rls.policy_always_true"]

    @pytest.mark.parametrize("name", ["user_metadata", "raw_user_meta_data"])
    def test_one_that_believes_what_users_write_is_found(self, name: str) -> None:
        assert codes(verdict(policied(using=f"(auth.jwt() -> '{name}') ? 'x'"))) == ["rls.trusts_user_metadata"]
        assert verdict(policied(using="(auth.jwt() -> 'app_metadata') ? 'x'")).status == "ruled_out"


class TestShut:
    def test_a_table_without_any_policy_is_found_unless_it_is_locked_on_purpose(self) -> None:
        world = World()
        world.tables.append(table("notes"))
        assert [(each.code, each.subject) for each in verdict(world).causes] == [("rls.no_policy", "notes")]
        world.tables[-1] |= {"grants": {"service_role": ALL}, "column_grants": {}}
        assert verdict(world).status == "ruled_out"

    def test_commands_without_a_policy_beside_one_that_has_are_by_design(self) -> None:
        assert verdict(World()).status == "ruled_out"

    def test_recursion_is_one_finding_with_all_that_it_strikes(self) -> None:
        message = 'infinite recursion detected in policy for relation "memberships"'
        world = refused(World(), "42P17", message)
        world = refused(world, "42P17", message, "memberships")
        (cause,) = verdict(world).causes
        assert (cause.code, cause.subject) == ("rls.policy_recursion", "memberships")
        assert "memberships, usage_records" in cause.summary

    def test_recursion_in_the_catalogue_counts_where_nobody_could_ask(self) -> None:
        world = World().without(reach=Status.unreachable)
        world.policies[1]["refs"] = ["memberships"]
        world.policies[0]["refs"] = ["memberships"]
        assert codes(verdict(world)) == ["rls.policy_recursion"]

    def test_a_grant_that_a_policy_counts_on_is_found_and_one_that_none_does_is_not(self) -> None:
        message = "permission denied for table usage_records"
        world = refused(World(), "42501", message)
        world.tables[0] |= {"grants": {}, "column_grants": {}}
        assert codes(verdict(world)) == ["rls.grant_missing.table"]
        assert verdict(refused(World(), "42501", message, command="delete")).status == "ruled_out"

    def test_a_function_that_many_tables_ask_is_one_finding(self) -> None:
        world = refused(World(), "42501", "permission denied for function is_member")
        world = refused(world, "42501", "permission denied for function is_member", "memberships")
        assert codes(verdict(world)) == ["rls.grant_missing.function"]

    def test_a_schema_that_is_not_exposed_is_found(self) -> None:
        world = World()
        world.past |= {"code": "PGRST106", "message": "Invalid schema: public", "count": None, "status_code": 406}
        assert codes(verdict(world)) == ["rls.not_exposed.schema"]

    def test_each_table_that_the_cache_lacks_is_found_whichever_it_is(self) -> None:
        world = World()
        world.unoffered["usage_records"] = "PGRST205"
        assert [(each.code, each.subject) for each in verdict(world).causes] == [
            ("rls.not_exposed.cache", "usage_records")
        ]


def drifted(world: World, **changes: Any) -> World:
    """The repository has what is live, but for these."""
    world.file = {**World().catalogue(), **changes}
    return world


class TestDrift:
    def test_the_same_catalogue_has_none(self) -> None:
        assert verdict(drifted(World())).status == "ruled_out"

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("policy_extra", lambda world: world.policies.append(policy(name="new"))),
            ("policy_missing", lambda world: world.policies.pop(0)),
            ("policy_changed", lambda world: world.policies[0].update(using=f"({MEMBER} AND (tokens > 0))")),
            ("policy_changed", lambda world: world.policies[0].update(command="all")),
            ("policy_changed", lambda world: world.policies[0].update(permissive=False)),
            ("policy_changed", lambda world: world.policies[0].update(roles=["authenticated"])),
            ("flag", lambda world: world.tables[0].update(forced=True)),
            ("function", lambda world: world.functions[0].update(body="select true")),
            ("table_missing", lambda world: (world.tables.pop(0), world.policies.pop(0))),
        ],
    )
    def test_each_kind_of_difference_has_its_name(self, name: str, change: Any) -> None:
        world = drifted(World())
        change(world)
        found = {each.code for each in (*verdict(world).causes, *verdict(world).also)}
        assert f"rls.drift.{name}" in found

    def test_white_space_in_a_function_is_no_difference(self) -> None:
        world = drifted(World())
        world.functions[0]["body"] = (
            "select exists (select 1\n  from public.memberships where org_id = org and user_id = auth.uid())"
        )
        assert verdict(world).status == "ruled_out"

    def test_a_table_that_the_file_does_not_know_is_left_to_the_other_rules(self) -> None:
        world = drifted(World())
        world.tables.append(table("invoices"))
        world.policies.append(policy("invoices"))
        assert verdict(world).status == "ruled_out"

    def test_a_difference_that_another_finding_is_about_is_not_one_more_cause(self) -> None:
        world = drifted(World())
        world.tables[0]["rls"] = False
        conclusion = verdict(world)
        assert codes(conclusion) == ["rls.disabled.policies_unused"]
        assert [each.code for each in conclusion.also] == ["rls.drift.flag"]

    def test_a_file_that_could_not_be_compared_rules_nothing_out(self) -> None:
        conclusion = verdict(drifted(World()).without(file=Status.not_configured))
        assert conclusion.status == "could_not_tell"
        assert conclusion.suspects[0].subject == "postgres.schema_file"

    def test_it_never_explains_a_denial(self) -> None:
        world = drifted(World())
        world.policies[0]["using"] = f"({MEMBER} AND (tokens > 0))"
        conclusion = one_user(world.evidence())
        assert conclusion.status == "ruled_out"
        assert [each.code for each in conclusion.also] == ["rls.drift.policy_changed"]


class TestMatrix:
    def cell(self, world: World, column: str, row: str = "usage_records") -> dict[str, str]:
        drawn = access_matrix(world.audit())
        return drawn["cells"][drawn["rows"].index(row)][drawn["columns"].index(column)]

    def test_it_has_a_line_a_table_and_a_column_for_each_role_and_command(self) -> None:
        drawn = access_matrix(World().audit())
        assert drawn["rows"] == ["usage_records", "memberships"]
        assert len(drawn["columns"]) == 9
        assert all(len(line) == 9 for line in drawn["cells"])

    @pytest.mark.parametrize(
        ("change", "column", "text", "tone"),
        [
            (lambda world: None, "authenticated select", "by policy", "good"),
            (lambda world: None, "authenticated delete", "no policy", "neutral"),
            (lambda world: None, "service_role", "past RLS", "neutral"),
            (lambda world: world.tables[0].update(rls=False), "anon delete", "open to all", "bad"),
            (lambda world: world.tables[0].update(grants={}, column_grants={}), "anon select", "no grant", "neutral"),
            (lambda world: world.tables[0].update(grants={}), "anon select", "by policy, some columns", "good"),
            (lambda world: world.policies.append(policy(using="true")), "anon select", "always true", "bad"),
            (lambda world: refused(world, "42P17", "recursion"), "authenticated select", "recursion", "bad"),
            (lambda world: refused(world, "42501", "denied"), "authenticated select", "refused 42501", "bad"),
            (lambda world: world.tables[0].update(kind="v"), "anon select", "past RLS", "bad"),
            (lambda world: world.tables[0].update(kind="v", invoker=True), "anon select", "as reader", "good"),
        ],
    )
    def test_each_cell_says_in_a_word_what_is_so(self, change: Any, column: str, text: str, tone: str) -> None:
        world = World()
        change(world)
        assert self.cell(world, column) == {"text": text, "tone": tone}
