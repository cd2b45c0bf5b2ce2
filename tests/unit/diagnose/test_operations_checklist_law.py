"""00 under the law: what nobody saw is never ruled out, and every cause says what would have shown it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.checklist import World, facts, judgement, probe
from support.evidence import log_line, look
from support.law import silenced, topics_without_a_field

from runbook_lib.core.model import Conclusion, CoverageState, Kind, Observation, Status
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.operations_checklist.causes import CATALOGUE
from runbook_lib.procedures.operations_checklist.keys import CODES
from runbook_lib.procedures.operations_checklist.reading import Evidence
from runbook_lib.procedures.operations_checklist.rules import diagnose
from runbook_lib.procedures.operations_checklist.steps import OperationsChecklist
from runbook_lib.procedures.operations_checklist.table import CHECKS
from runbook_lib.sources.kit.judging import Refusal

NOTHING = [status for status in Status if status not in (Status.ok, Status.partial)]
SILENT = [Status.not_configured, Status.denied, Status.too_recent, Status.malformed]
SOURCES = ("environment", "vercel", "railway", "openai", "stripe", "supabase", "parts", "tempo", "team")


def state_of(conclusion: Conclusion, code: str) -> CoverageState:
    return next(each.state for each in conclusion.coverage if each.code == code)


def named(conclusion: Conclusion) -> list[str]:
    return [each.code for each in (*conclusion.causes, *conclusion.also)]


def test_every_cause_says_what_would_have_shown_it() -> None:
    seen = Seen([], CATALOGUE.topics)
    for cause in CATALOGUE.all():
        assert cause.shown_by is not None, cause.code
        assert not seen.shown(cause.shown_by).is_shown, cause.code


def test_every_fault_stands_in_a_column_of_the_table() -> None:
    assert set(CHECKS) == {cause.code for cause in CATALOGUE.all() if cause.kind is Kind.fault}


def test_every_refusal_of_a_vendor_has_a_cause() -> None:
    assert set(CODES) == {str(each) for each in Refusal}


def test_every_topic_that_is_asked_is_filed() -> None:
    assert topics_without_a_field(OperationsChecklist, Evidence) == set()


def test_of_a_healthy_system_every_fault_is_excluded_by_a_look() -> None:
    conclusion = diagnose(World().evidence())
    faults = [each for each in conclusion.coverage if CATALOGUE.kind(each.code) is Kind.fault]
    assert [each.code for each in faults if each.state is not CoverageState.excluded or not each.by] == []


@pytest.mark.parametrize("status", NOTHING)
def test_where_nothing_at_all_was_seen_nothing_is_ruled_out(status: Status) -> None:
    assert str(diagnose(silenced(World().evidence(), status)).status) != "ruled_out"


@pytest.mark.parametrize("source", SOURCES)
def test_one_source_alone_rules_nothing_out_and_names_nothing(source: str) -> None:
    conclusion = diagnose(silenced(World().evidence(), Status.not_configured, lambda each: each.source == source))
    assert (str(conclusion.status), named(conclusion)) == ("could_not_tell", [])


NEEDED: dict[str, str] = {
    # what is not to be had -> a cause that it would have shown
    "environment.variables": "env.missing",
    "vercel.variables.web": "env.leaked_to_browser",
    "vercel.serving.api": "env.not_applied",
    "vercel.projects": "target.ambiguous",
    "railway.services": "target.ambiguous",
    "parts.gateway_openapi": "target.impostor",
    "tempo.health": "tracing.unreachable",
    "tempo.window_traces": "tracing.no_spans",
}


@pytest.mark.parametrize("status", SILENT)
@pytest.mark.parametrize("name", NEEDED)
def test_a_cause_whose_look_did_not_answer_is_not_excluded_and_not_named(name: str, status: Status) -> None:
    world = World()
    world.statuses[name] = status
    conclusion = diagnose(world.evidence())
    assert (str(conclusion.status), named(conclusion)) == ("could_not_tell", [])
    assert state_of(conclusion, NEEDED[name]) is CoverageState.not_examined


@pytest.mark.parametrize("status", SILENT)
def test_a_knock_of_ours_that_brought_nothing_is_no_answer_of_the_part(status: Status) -> None:
    world = World()
    world.probes["api"] = [probe("api"), status, probe("api")]
    conclusion = diagnose(world.evidence())
    assert (str(conclusion.status), named(conclusion)) == ("could_not_tell", [])
    assert state_of(conclusion, "target.degraded") is CoverageState.not_examined


def test_a_platform_that_nobody_set_up_is_out_of_use_only_by_the_teams_word() -> None:
    world = World()
    world.elsewhere.append(look("fly", "releases", None, Status.not_configured))
    assert str(diagnose(world.evidence()).status) == "ruled_out"
    world.not_used = []
    conclusion = diagnose(world.evidence())
    assert str(conclusion.status) == "could_not_tell"
    assert [(each.code, each.subject) for each in conclusion.suspects] == [("target.ambiguous", "fly.releases")]
    assert "fly" in {each.source for each in conclusion.not_seen}


def test_a_backend_that_was_asked_for_traces_is_set_up_whatever_its_health_look_says() -> None:
    evidence = World().evidence()
    jaeger = (
        look("jaeger", "health", None, Status.not_configured),
        look("jaeger", "window_traces", None, Status.unreachable, **_asked(evidence)),
    )
    conclusion = diagnose(evidence.filed(traces=(*evidence.traces, *jaeger)))
    assert (str(conclusion.status), named(conclusion)) == ("could_not_tell", [])
    assert state_of(conclusion, "tracing.unreachable") is CoverageState.not_examined


def _token(world: World, status: Status) -> None:
    world.keys.append(look("vercel", "token", None, status, name="RUNBOOK_VERCEL_TOKEN", place="local"))


def test_a_token_that_is_not_set_cannot_be_refused_and_one_that_is_must_be_judged() -> None:
    world = World()
    _token(world, Status.not_configured)
    assert str(diagnose(world.evidence()).status) == "ruled_out"
    world.local.append({"name": "RUNBOOK_VERCEL_TOKEN", "place": ".env", "facts": facts("RUNBOOK_VERCEL_TOKEN")})
    conclusion = diagnose(world.evidence())
    assert str(conclusion.status) == "could_not_tell"
    assert state_of(conclusion, "env.rejected") is CoverageState.not_examined


def test_where_no_key_could_be_read_none_is_taken_for_a_good_one() -> None:
    world = World()
    world.taken = ()
    assert state_of(diagnose(world.evidence()), "env.rejected") is CoverageState.not_examined


@pytest.mark.parametrize("why", ["no answer", "HTTP 418"])
def test_a_refusal_that_does_not_say_why_names_no_variable(why: str) -> None:
    world = World()
    world.keys.append(replace(look("postgres", "health", None, Status.denied), why=why))
    conclusion = diagnose(world.evidence())
    assert (str(conclusion.status), named(conclusion)) == ("could_not_tell", [])


def test_a_provider_key_is_not_called_missing_where_the_chain_that_may_do_without_it_is_hidden() -> None:
    world = World().drop("gateway", "TOGETHER_API_KEY").add("gateway", "LLM_FALLBACK_CHAIN", kind="opaque")
    world.find("gateway", "LLM_FALLBACK_CHAIN").update(facts=None, hidden="sealed")
    conclusion = diagnose(world.evidence())
    assert (str(conclusion.status), named(conclusion)) == ("could_not_tell", [])
    assert [each.subject for each in conclusion.suspects] == ["TOGETHER_API_KEY · gateway · production"]


def test_a_name_of_the_example_is_not_missed_where_a_place_could_not_be_read() -> None:
    world = World()
    world.example.append(look("team", "variable_names", ["OPENAI_API_KEY"], path=".env.example"))
    world.statuses["railway.variables.gateway"] = Status.not_configured
    assert named(diagnose(world.evidence())) == []


def test_an_example_that_was_named_and_not_read_leaves_drift_open() -> None:
    world = World()
    world.example.append(look("team", "variable_names", None, Status.not_found, path=".env.example"))
    assert state_of(diagnose(world.evidence()), "env.drift") is CoverageState.excluded
    world.example[0] = look("team", "variable_names", None, Status.denied, path=".env.example")
    assert state_of(diagnose(world.evidence()), "env.drift") is CoverageState.not_examined


QuietChange = Callable[[World], Any]
NOT_QUIET: dict[str, QuietChange] = {
    "a part's log did not answer": lambda w: w.statuses.update({"railway.http_log.gateway": Status.timed_out}),
    "a part's log is not set up": lambda w: w.statuses.update({"railway.http_log.gateway": Status.not_configured}),
    "a log is a sample": lambda w: w.statuses.update({"railway.http_log.gateway": Status.partial}),
    "no server's clock confirms the window's end": lambda w: w.probes.update(
        {part: [probe(part, date=None)] * 3 for part in w.probes}
    ),
    "every server's clock says another time": lambda w: w.probes.update(
        {part: [probe(part, date="Mon, 23 Nov 2026 07:00:00 GMT")] * 3 for part in w.probes}
    ),
    "nobody tells how late spans may be": lambda w: w.statuses.update({"environment.variables": Status.denied}),
}


@pytest.mark.parametrize("what", NOT_QUIET)
def test_that_nobody_came_needs_logs_that_answered_up_to_a_time_that_a_server_confirms(what: str) -> None:
    world = World()
    world.spans.clear()
    world.requests.update(web=0, api=0, gateway=0)
    assert [each.code for each in diagnose(world.evidence()).states] == ["tracing.quiet"]
    NOT_QUIET[what](world)
    conclusion = diagnose(world.evidence())
    assert (str(conclusion.status), named(conclusion), conclusion.states) == ("could_not_tell", [], ())
    assert state_of(conclusion, "tracing.no_spans") is CoverageState.not_examined


def test_lines_without_a_trace_may_be_requests_and_do_not_prove_that_nobody_came() -> None:
    world = World()
    world.spans["spans"] = [span for span in world.spans["spans"] if span["resource"] != 2]
    evidence = world.evidence()
    fly = look("fly", "logs", [log_line(at=evidence.traffic[0].value[0]["at"], platform="fly")], **_asked(evidence))
    conclusion = diagnose(evidence.filed(traffic=(*evidence.traffic[:2], fly)))
    assert (str(conclusion.status), named(conclusion)) == ("could_not_tell", [])
    assert state_of(conclusion, "tracing.part_silent") is CoverageState.not_examined


def _asked(evidence: Evidence) -> dict[str, Any]:
    return {name: evidence.traffic[0].arguments[name] for name in ("since", "until")}


def test_a_small_sample_of_traces_without_a_part_that_had_traffic_decides_nothing() -> None:
    world = World()
    world.spans["spans"] = [span for span in world.spans["spans"] if span["resource"] != 2]
    evidence = world.evidence()
    health, window = evidence.traces
    conclusion = diagnose(evidence.filed(traces=(health, replace(window, status=Status.partial, why="a sample"))))
    assert (str(conclusion.status), named(conclusion)) == ("could_not_tell", [])


def test_everything_slow_from_here_is_no_parts_fault_and_not_healthy() -> None:
    world = World()
    for part in world.probes:
        world.probes[part] = [probe(part, ms=2500)] * 3
    conclusion = diagnose(world.evidence())
    assert (str(conclusion.status), named(conclusion)) == ("could_not_tell", [])
    assert {each.code for each in conclusion.suspects} == {"target.degraded.slow"}


def test_half_a_list_of_deployments_does_not_tell_since_when_one_serves() -> None:
    world = World()
    world.find("gateway", "OPENAI_API_KEY")["updated_at"] = "2026-11-22T09:00:00.000Z"
    assert named(diagnose(world.evidence())) == ["env.not_applied"]
    world.statuses["railway.deployments.gateway"] = Status.partial
    assert named(diagnose(world.evidence())) == []


def test_one_key_of_many_that_could_not_be_judged_leaves_the_rest_open() -> None:
    world = World()
    world.keys.append(judgement("openai", "OPENAI_API_KEY", "gateway · production"))
    assert str(diagnose(world.evidence()).status) == "ruled_out"
    world.keys[0] = _silent(world.keys[0])
    assert str(diagnose(world.evidence()).status) == "could_not_tell"


def _silent(each: Observation) -> Observation:
    return replace(each, status=Status.not_configured, value=None)


def _without_gateway() -> World:
    world = World()
    world.not_used = ["fly", "railway", "gateway"]
    world.told["parts"] = {
        part: {"is_local": False, "is_given": part != "gateway", "hosts": []} for part in ("web", "api", "gateway")
    }
    world.statuses |= {"railway": Status.not_configured}
    del world.rows["gateway"], world.probes["gateway"], world.requests["gateway"], world.serving["gateway"]
    world.elsewhere = [look("railway", "services", None, Status.not_configured)]
    world.spans["spans"] = [span for span in world.spans["spans"] if span["resource"] != 2]
    return world


def test_a_part_that_the_system_does_not_have_need_not_answer_by_the_teams_word_alone() -> None:
    assert str(diagnose(_without_gateway().evidence()).status) == "ruled_out"
    unsaid = _without_gateway()
    unsaid.not_used = ["fly", "railway"]
    named = _without_gateway()
    named.told["parts"]["gateway"]["hosts"] = ["railway"]
    assert [str(diagnose(world.evidence()).status) for world in (unsaid, named)] == ["could_not_tell"] * 2
