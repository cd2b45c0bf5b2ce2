"""00 where something could not be looked at: never healthy, always named; and what is slow from here only."""

from dataclasses import replace

import pytest
from support.checklist import World, page, probe, said
from support.evidence import look
from support.verdicts import codes

from runbook_lib.core.model import Status
from runbook_lib.procedures.operations_checklist.rules import diagnose

UNSEEN = [
    "vercel.variables.web", "vercel.variables.api", "railway.variables.gateway", "vercel.serving.web",
    "railway.deployments.gateway", "tempo.window_traces",
]  # fmt: skip


@pytest.mark.parametrize(
    "status", [Status.denied, Status.timed_out, Status.malformed, Status.rate_limited, Status.unreachable]
)
@pytest.mark.parametrize("name", UNSEEN)
def test_what_could_not_be_seen_is_never_healthy_and_is_named(name: str, status: Status) -> None:
    world = World()
    world.statuses[name] = status
    conclusion = diagnose(world.evidence())
    assert str(conclusion.status) == "could_not_tell"
    source, call, *_ = name.split(".")
    assert (source, call, str(status)) in {(each.source, each.call, each.status) for each in conclusion.not_seen}
    assert [suspect.deciding_look for suspect in conclusion.suspects if suspect.deciding_look]


def test_a_fault_is_confirmed_beside_a_blind_spot() -> None:
    world = World().drop("api", "STRIPE_WEBHOOK_SECRET")
    world.statuses["railway.variables.gateway"] = Status.unreachable
    conclusion = diagnose(world.evidence())
    assert (str(conclusion.status), codes(conclusion)) == ("confirmed", ["env.missing"])
    assert [each.source for each in conclusion.not_seen] == ["railway"]


def test_a_name_that_a_list_which_is_not_whole_lacks_is_a_suspect_and_no_fault() -> None:
    world = World().drop("web", "NEXT_PUBLIC_SUPABASE_ANON_KEY")
    world.statuses["vercel.variables.web"] = Status.partial
    conclusion = diagnose(world.evidence())
    assert (str(conclusion.status), [each.code for each in conclusion.suspects]) == ("could_not_tell", ["env.missing"])


def test_a_sample_of_traces_and_requests_is_enough_and_no_blind_spot() -> None:
    evidence = World().evidence()
    sampled = tuple(replace(each, status=Status.partial, why="a sample") for each in evidence.traffic)
    traces = (evidence.traces[0], replace(evidence.traces[1], status=Status.partial, why="a sample"))
    conclusion = diagnose(replace(evidence, traffic=sampled, traces=traces))
    assert (str(conclusion.status), conclusion.not_seen) == ("ruled_out", ())


def test_a_key_that_nobody_could_judge_is_not_taken_for_a_good_one() -> None:
    world = World()
    world.keys.append(
        look("openai", "key", None, Status.unreachable, name="OPENAI_API_KEY", place="gateway · production")
    )
    assert said(world) == ("could_not_tell", [])


def test_where_nothing_at_all_can_be_reached_our_own_network_is_suspected() -> None:
    world = World()
    for part in world.probes:
        world.probes[part] = [Status.unreachable] * 3
    world.statuses |= dict.fromkeys(("vercel", "railway", "tempo", "parts"), Status.unreachable)
    world.taken = ()
    conclusion = diagnose(world.evidence())
    assert str(conclusion.status) == "could_not_tell"
    assert {each.code for each in conclusion.suspects} >= {"target.down.unreachable"}


@pytest.mark.parametrize(("others_ms", "expected"), [(100.0, ["target.degraded.slow"] * 3), (2000.0, [])])
def test_slow_parts_are_told_from_a_slow_way_there_by_what_else_answers(others_ms: float, expected: list[str]) -> None:
    world = World()
    for part in world.probes:
        world.probes[part] = [probe(part, ms=2500 + index) for index in range(3)]
    world.pages += [replace(page(vendor), elapsed_ms=others_ms) for vendor in ("vercel", "railway", "fly")]
    assert said(world)[1] == expected


def test_a_knock_that_times_out_beside_other_looks_that_do_is_no_flapping() -> None:
    world = World()
    world.probes["web"] = [probe("web"), Status.timed_out, probe("web")]
    assert said(world) == ("confirmed", ["target.degraded.flapping"])
    world.keys.append(
        look("together", "key", None, Status.timed_out, name="TOGETHER_API_KEY", place="gateway · production")
    )
    assert said(world) == ("could_not_tell", [])


def test_a_part_that_nobody_says_where_it_runs_is_not_ruled_out() -> None:
    world = World()
    world.statuses["vercel.variables.api"] = Status.not_configured
    conclusion = diagnose(world.evidence())
    assert str(conclusion.status) == "could_not_tell"
    assert "vercel" in {each.source for each in conclusion.not_seen}
