"""What 07 may rule out: by looks that would have shown it, by each of them, and never because nobody looked."""

import pytest
from support.deployments import NOW, ago, answered, deployment, evidence, request_row, unanswered, unseen
from support.evidence import look
from support.gateway_sites import built, dockerfile, judged, on_fly, on_railway, said
from support.law import silenced

from runbook_lib.core.model import Status
from runbook_lib.procedures.deploy_llm_gateway.evidence import Evidence
from runbook_lib.procedures.deploy_llm_gateway.rules import diagnose
from runbook_lib.procedures.deployments.reading import Site


@pytest.mark.parametrize("name", ["project", "variables", "deployments", "probe", "after"])
@pytest.mark.parametrize("one", [on_railway(), on_fly()], ids=["railway", "fly"])
@pytest.mark.parametrize("status", [Status.unreachable, Status.denied, Status.timed_out, Status.malformed])
def test_a_look_without_an_answer_never_rules_anything_out(name: str, one: Site, status: Status) -> None:
    conclusion = judged(unanswered(one, name, status))
    assert str(conclusion.status) == "could_not_tell"
    assert str(status) in {each.status for each in conclusion.not_seen}


def test_a_build_that_was_asked_for_and_could_not_be_made_leaves_the_answer_open() -> None:
    away = unseen("gateway_image", "engine", Status.not_configured)
    conclusion = judged(engine=away, may_build=True)
    assert str(conclusion.status) == "could_not_tell"
    assert conclusion.suspects[0].code == "image.build_file.fails"
    assert "gateway_image engine" in conclusion.suspects[0].deciding_look
    engine = look("gateway_image", "engine", {"version": "27"})
    assert said(engine=engine, built=built(), may_build=True) == ("ruled_out", [])


def test_what_only_a_build_shows_holds_nothing_up_where_none_was_asked_for() -> None:
    conclusion = judged()
    assert str(conclusion.status) == "ruled_out"
    states = {each.code: (str(each.state), each.why) for each in conclusion.coverage}
    assert states["image.build_file.fails"] == ("not_examined", "this run was not asked for it")


def no_fly() -> Site:
    nothing = [unseen("fly", name, Status.not_configured) for name in ("machine_states", "secret_names", "releases")]
    return Site("gateway", "fly", project=nothing[0], variables=nothing[1], deployments=nothing[2])


def test_machines_do_not_concern_a_gateway_that_is_seen_to_run_on_railway() -> None:
    conclusion = judged(on_railway(), no_fly())
    assert (str(conclusion.status), conclusion.not_seen) == ("ruled_out", ())
    states = {each.code: str(each.state) for each in conclusion.coverage}
    assert states["machine.host_unreachable"] == "not_applicable"
    assert str(judged(unanswered(on_railway(), "project", Status.denied), no_fly()).status) == "could_not_tell"


def test_regions_that_nobody_could_look_at_leave_the_answer_open() -> None:
    assert said(on_railway(), no_fly())[0] == "ruled_out", "nobody asked for regions"
    conclusion = judged(on_railway(), no_fly(), regions=("fra",))
    assert str(conclusion.status) == "could_not_tell"
    assert [each.code for each in conclusion.suspects] == ["region.missing"]


_NAMES = ["project", "variables", "deployments", "detail", "compare", "checks", "probe", "after", "dockerfile", None]


@pytest.mark.parametrize("alone", _NAMES)
@pytest.mark.parametrize("one", [on_railway(), on_fly()], ids=["railway", "fly"])
def test_one_look_alone_rules_nothing_out(one: Site, alone: str | None) -> None:
    held = {alone: getattr(one, alone)} if alone and alone != "dockerfile" else {}
    only = Site("gateway", one.platform, **held)
    assert str(judged(only, dockerfile=dockerfile() if alone == "dockerfile" else None).status) == "could_not_tell"
    for name in _NAMES:
        if name not in (alone, "dockerfile", None) and getattr(one, str(name)):
            one = unanswered(one, str(name), Status.not_configured)
    file = dockerfile() if alone == "dockerfile" else unseen("gateway_image", "dockerfile", Status.not_configured)
    assert str(judged(one, dockerfile=file).status) == "could_not_tell"


@pytest.mark.parametrize("status", [Status.empty, Status.not_configured, Status.denied, Status.partial])
@pytest.mark.parametrize("one", [on_railway(), on_fly()], ids=["railway", "fly"])
def test_sources_that_say_nothing_rule_nothing_out(one: Site, status: Status) -> None:
    seen = evidence(one, kind=Evidence, dockerfile=dockerfile())
    assert str(diagnose(silenced(seen, status), NOW).status) == "could_not_tell"
    for source in {each.source for each in seen.all()}:
        alone = silenced(seen, status, lambda each, source=source: each.source == source)
        assert str(diagnose(alone, NOW).status) != "ruled_out", source


def test_a_failed_deployment_whose_steps_were_not_read_is_no_build_that_failed() -> None:
    """Railway writes a failed health check into the build's log as well."""
    rows = [
        deployment("bad", ago(hours=1), state="FAILED", platform="railway"),
        deployment("new", ago(days=2), state="SUCCESS", platform="railway"),
    ]
    log = {"lines": 1, "errors": [{"at": None, "line": 1, "text": "Healthcheck failed"}], "last": []}
    one = on_railway(rows=rows, detail=unseen("railway", "detail"), build_log=look("railway", "build_log", log))
    assert said(one) == ("could_not_tell", ["deploy.build_failed"])


def test_a_table_that_the_gateway_misses_is_not_called_elsewhere() -> None:
    lines = [{"at": ago(minutes=9), "level": "error", "message": "database failed: relation rag_chunks does not exist"}]
    rows = [request_row(n, 500, "new", part="gateway", logs=lines) for n in range(6)]
    held = answered("railway", "http_log", [*rows, *(request_row(n + 20, deployment_id="new") for n in range(20))])
    assert said(on_railway(after=(held,))) == ("could_not_tell", ["deploy.error_rate_up"])
