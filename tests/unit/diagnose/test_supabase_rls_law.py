"""03 under the law: what nobody saw is never ruled out, and every cause says what would have shown it."""

from collections.abc import Callable

import pytest
from support.law import silenced, topics_without_a_field
from support.rls_evidence import World, judged, policy, table

from runbook_lib.core.model import Conclusion, CoverageState, Observation, Status
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.supabase_rls.causes import CATALOGUE
from runbook_lib.procedures.supabase_rls.reading import Evidence
from runbook_lib.procedures.supabase_rls.rules import every_table, one_user
from runbook_lib.procedures.supabase_rls.steps import EveryTable, OneUser

NOTHING = [status for status in Status if status not in (Status.ok, Status.partial)]


def denied() -> World:
    """Hidden by a policy that asks something else than membership."""
    return World().deny(judged("read", False, ("(provider = 'mistral')", False)))


def unpolicied() -> World:
    world = World()
    world.policies = world.policies[1:]
    return world.deny()


def left() -> World:
    world = denied()
    assert world.person is not None
    world.person["memberships"] = []
    return world


def recursing() -> World:
    world = World()
    world.seen |= {"statement": {"sqlstate": "42P17", "message": "recursion"}, "visible": None, "hidden": None}
    return world


def opened() -> World:
    world = World()
    world.tables.append(table("notes", rls=False))
    world.policies.append(policy(using="true"))
    return world


WORLDS: dict[str, Callable[[], World]] = {
    "healthy": World,
    "with a token": lambda: World().with_token(),
    "policy false": denied,
    "no policy": unpolicied,
    "no membership": left,
    "recursion": recursing,
    "token refused": lambda: World().with_token().refused_by_rest("PGRST303", "JWT expired"),
}
SOURCES: dict[str, Callable[[Observation], bool]] = {
    "postgres": lambda look: look.source == "postgres",
    "as the user": lambda look: look.call == "as_user",
    "the catalogue": lambda look: look.call == "policies",
    "the user": lambda look: look.call == "user",
    "supabase": lambda look: look.source == "supabase",
    "postgrest": lambda look: look.call.startswith("rest_"),
    "counts": lambda look: look.call == "rest_past_rls",
    "the token": lambda look: look.call == "token",
}


@pytest.mark.parametrize("status", NOTHING)
@pytest.mark.parametrize("world", WORLDS)
def test_where_nothing_is_seen_nothing_is_ruled_out(world: str, status: Status) -> None:
    found = WORLDS[world]()
    assert one_user(silenced(found.evidence(), status)).status != "ruled_out"
    assert every_table(silenced(found.audit(), status)).status == "could_not_tell"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("world", WORLDS)
def test_one_source_alone_never_rules_out_what_it_cannot_show(world: str, source: str) -> None:
    conclusion = one_user(silenced(WORLDS[world]().evidence(), Status.not_configured, SOURCES[source]))
    lets_through = world == "with a token" and source in ("supabase", "postgrest")
    assert conclusion.status != "ruled_out" or lets_through
    assert all(each.by for each in conclusion.coverage if each.state is CoverageState.excluded)


@pytest.mark.parametrize("source", ["postgres", "supabase", "team"])
def test_one_source_alone_never_rules_out_the_audit(source: str) -> None:
    for world in (World(), opened()):
        evidence = silenced(world.audit(), Status.not_configured, lambda look: look.source == source)
        assert every_table(evidence).status != "ruled_out"


def test_a_file_of_the_repository_that_is_not_set_up_leaves_drift_open_unless_the_team_has_none() -> None:
    def asked(*said: str) -> Conclusion:
        world = World()
        world.file = world.catalogue()
        evidence = world.without(file=Status.not_configured).audit()
        assert evidence.not_used is not None
        return every_table(evidence.filed(not_used=_saying(evidence.not_used, *said)))

    assert (asked().status, asked().suspects[0].code) == ("could_not_tell", "rls.drift")
    assert asked("migrations").status == "ruled_out"
    (drift,) = [each for each in asked("migrations").coverage if each.code == "rls.drift"]
    assert drift.state is CoverageState.not_applicable


def test_one_table_that_postgrest_offers_says_nothing_of_the_others() -> None:
    evidence = World().audit()
    assert evidence.offers is not None
    only_one = _with(evidence.offers, Status.ok, evidence.offers.value[:1])
    for offers in (only_one, _with(evidence.offers, Status.partial, evidence.offers.value[:1])):
        conclusion = every_table(evidence.filed(offers=offers))
        assert (conclusion.status, conclusion.suspects[0].code) == ("could_not_tell", "rls.not_exposed")
        (exposed,) = [each for each in conclusion.coverage if each.code == "rls.not_exposed"]
        assert exposed.state is CoverageState.not_examined
    (exposed,) = [each for each in every_table(evidence).coverage if each.code == "rls.not_exposed"]
    assert (exposed.state, evidence.offers.id in exposed.by) == (CoverageState.excluded, True)


@pytest.mark.parametrize("left_out", ["usage_records", "memberships", "anon", "delete"])
def test_a_table_a_role_or_a_command_that_no_stranger_tried_is_not_shut(left_out: str) -> None:
    evidence = World().audit()
    assert evidence.reach is not None
    tried = [row for row in evidence.reach.value["tables"] if left_out not in row.values()]
    reach = _with(evidence.reach, Status.ok, {**evidence.reach.value, "tables": tried})
    conclusion = every_table(evidence.filed(reach=reach))
    assert (conclusion.status, conclusion.suspects[0].code) == ("could_not_tell", "rls.grant_missing")


def test_half_a_catalogue_proves_no_absence() -> None:
    world = World()
    world.file = world.catalogue()
    evidence = world.audit()
    half = {**world.catalogue(), "tables": world.tables[:1], "policies": world.policies[:1]}
    partly = Evidence.filed(
        evidence, catalogues=tuple(_with(each, Status.partial, half) for each in evidence.catalogues)
    )
    conclusion = every_table(partly)
    assert (conclusion.status, conclusion.causes, conclusion.also) == ("could_not_tell", (), ())


def test_why_a_policy_is_false_is_not_said_of_a_user_whom_nobody_looked_up() -> None:
    world = left()
    world.seen["policies"] = [judged("read", False)]
    conclusion = one_user(world.without(user=Status.denied).evidence())
    assert (conclusion.status, conclusion.suspects[0].code) == ("could_not_tell", "rls.no_membership")


def test_nor_where_nobody_could_read_what_it_asks() -> None:
    evidence = silenced(denied().evidence(), Status.denied, lambda look: look.call != "policies")
    conclusion = one_user(evidence)
    assert (conclusion.status, conclusion.suspects[0].code) == ("could_not_tell", "rls.policy_false")


def test_a_view_that_hides_its_rows_for_a_reason_that_nobody_read_is_not_well() -> None:
    world = World()
    world.tables[0] |= {"kind": "v", "rls": False}
    world.deny().seen |= {"hidden": None}
    conclusion = one_user(world.evidence())
    assert (conclusion.status, conclusion.suspects[0].code) == ("could_not_tell", "rls.policy_false")


def test_every_cause_says_what_would_have_shown_it_by_topics_that_are_there() -> None:
    nothing = Seen((), CATALOGUE.topics)
    for cause in CATALOGUE.all():
        assert cause.shown_by is not None, cause.code
        assert not nothing.shown(cause.shown_by).is_shown, f"{cause.code} is shown by nothing"
        assert all(CATALOGUE.find(code) for code in cause.explained_by)


@pytest.mark.parametrize("form", [OneUser, EveryTable])
def test_every_topic_that_is_asked_has_a_place(form: type[OneUser | EveryTable]) -> None:
    assert topics_without_a_field(form, Evidence) == set()


def test_both_forms_have_the_same_steps() -> None:
    assert [(each.name, each.question) for each in OneUser.steps()] == [
        (each.name, each.question) for each in EveryTable.steps()
    ]


def _saying(look: Observation, *names: str) -> Observation:
    return _with(look, Status.ok, list(names))


def _with(look: Observation, status: Status, value: object) -> Observation:
    return Observation(**{**look.__dict__, "status": status, "value": value})
