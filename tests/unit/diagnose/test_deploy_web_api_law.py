"""What 06 may rule out: by looks that would have shown it, by each of them, and never because nobody looked."""

from typing import Any

import pytest
from support.deployments import (
    NOW,
    OLD,
    ago,
    answered,
    deployment,
    evidence,
    raised,
    request_row,
    site,
    traffic,
    unanswered,
    unseen,
    variable,
    variables,
)
from support.evidence import look
from support.law import silenced, topics_without_a_field

from runbook_lib.core.model import Conclusion, Status
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.deploy_llm_gateway import causes as gateway_causes
from runbook_lib.procedures.deploy_llm_gateway.evidence import Evidence as GatewayEvidence
from runbook_lib.procedures.deploy_llm_gateway.steps import DeployLlmGateway
from runbook_lib.procedures.deploy_web_api import causes as web_api_causes
from runbook_lib.procedures.deploy_web_api.rules import diagnose
from runbook_lib.procedures.deploy_web_api.steps import DeployWebApi
from runbook_lib.procedures.deployments.evidence import Evidence
from runbook_lib.procedures.deployments.reading import Site


def judged(one: Site, **how: Any) -> Conclusion:
    return diagnose(evidence(one), NOW, **how)


def said(one: Site, **how: Any) -> tuple[str, list[str]]:
    """The status, and what it names."""
    conclusion = judged(one, **how)
    named = {"confirmed": conclusion.causes, "ruled_out": conclusion.states, "could_not_tell": conclusion.suspects}
    return str(conclusion.status), [each.code for each in named[str(conclusion.status)]]


def test_every_cause_says_what_would_have_shown_it() -> None:
    for catalogue in (web_api_causes.CATALOGUE, gateway_causes.CATALOGUE):
        for cause in catalogue.all():
            assert cause.shown_by is not None, cause.code
            assert Seen((), catalogue.topics).shown(cause.shown_by).missing, cause.code


SEEN = ["project", "variables", "deployments", "detail", "probe", "checks", "compare", "pulls", "previews", "after"]


@pytest.mark.parametrize("name", SEEN)
@pytest.mark.parametrize(
    "status", [Status.unreachable, Status.denied, Status.timed_out, Status.malformed, Status.rate_limited]
)
def test_a_look_without_an_answer_never_rules_anything_out(name: str, status: Status) -> None:
    conclusion = judged(unanswered(site(), name, status))
    assert str(conclusion.status) == "could_not_tell"
    assert str(status) in {each.status for each in conclusion.not_seen}
    assert conclusion.suspects
    assert all(suspect.deciding_look for suspect in conclusion.suspects)


def without_github() -> Site:
    one = site()
    for name in ("checks", "compare", "pulls"):
        one = unanswered(one, name, Status.not_configured)
    return one


def test_github_that_nobody_set_up_leaves_open_what_only_it_would_show() -> None:
    conclusion = judged(without_github())
    assert str(conclusion.status) == "could_not_tell"
    assert {each.source for each in conclusion.not_seen} == {"github"}
    wanted = {each.code for each in conclusion.coverage if str(each.state) == "not_examined"}
    assert wanted == {
        "deploy.checks_failed",
        "deploy.wrong_commit.not_deployed",
        "deploy.wrong_commit.other_branch",
        "deploy.preview_disabled.none_made",
    }


def test_a_team_that_says_that_it_has_no_github_gets_an_answer() -> None:
    said_so = look("team", "not_used", ["github"])
    conclusion = diagnose(evidence(without_github(), not_used=said_so), NOW)
    assert (str(conclusion.status), conclusion.not_seen) == ("ruled_out", ())


def test_a_platform_that_is_not_set_up_is_no_gap_beside_another_where_the_part_runs() -> None:
    nothing = [unseen("railway", name, Status.not_configured) for name in ("service", "variables_names", "deployments")]
    elsewhere = Site("api", "railway", project=nothing[0], variables=nothing[1], deployments=nothing[2])
    conclusion = diagnose(evidence(site(), elsewhere), NOW)
    assert (str(conclusion.status), conclusion.not_seen) == ("ruled_out", ())
    refused = elsewhere.seen(project=unseen("railway", "service", Status.denied))
    assert str(diagnose(evidence(site(), refused), NOW).status) == "could_not_tell"


def test_a_part_that_nobody_configured_could_not_be_told() -> None:
    nothing = [unseen("vercel", name, Status.not_configured) for name in ("project", "env_changes", "recent")]
    one = Site("api", "vercel", project=nothing[0], variables=nothing[1], deployments=nothing[2])
    assert str(judged(one).status) == "could_not_tell"
    assert str(diagnose(evidence(site("web"), one), NOW).status) == "could_not_tell"


@pytest.mark.parametrize("alone", [*SEEN, None])
def test_one_look_alone_rules_nothing_out(alone: str | None) -> None:
    one = site()
    for name in SEEN:
        if name != alone:
            one = unanswered(one, name, Status.not_configured)
    assert str(judged(one).status) == "could_not_tell"
    empty = Site("api", "vercel", **({alone: getattr(site(), alone)} if alone else {}))
    assert str(judged(empty).status) == "could_not_tell"


def test_a_preview_is_not_asked_what_only_production_has() -> None:
    rows = [
        deployment("dpl_new", ago(days=2), target=None, branch="x"),
        deployment("dpl_old", ago(days=14), OLD, target=None),
    ]
    one = site(target="preview", rows=rows, probe=None, after=())
    assert said(one) == ("ruled_out", [])


def test_that_nobody_came_since_is_no_sign_of_health() -> None:
    before = [request_row(n, deployment_id="dpl_old") for n in range(20)]
    assert said(site(**traffic([], before))) == ("could_not_tell", ["deploy.error_rate_up"])
    quiet = site(after=(look("vercel", "request_log", None, Status.empty),))
    assert said(quiet)[0] == "could_not_tell"


def test_an_old_deployment_whose_requests_fail_now_is_suspected_for_nothing_tells_of_the_time_before() -> None:
    failing = [raised(n) for n in range(6)] + [request_row(n + 20) for n in range(20)]
    one = site(after=(answered("vercel", "request_log", failing),))
    assert said(one) == ("could_not_tell", ["deploy.error_rate_up"])
    now_and_then = [raised(0), *(request_row(n + 20) for n in range(20))]
    assert said(site(after=(answered("vercel", "request_log", now_and_then),))) == ("ruled_out", [])


def test_a_busy_parts_log_is_a_sample_of_its_newest_requests() -> None:
    newest = look("vercel", "request_log", [request_row(n) for n in range(500)], Status.partial)
    assert said(site(after=(newest,))) == ("ruled_out", [])
    few = look("vercel", "request_log", [request_row(n) for n in range(20)], Status.partial)
    assert said(site(after=(few,)))[0] == "could_not_tell"


def test_which_deployment_serves_is_never_guessed_where_the_project_cannot_be_seen() -> None:
    """The newest good one would make the variable stale; the project may well serve another."""
    changed = [
        *variables("api"),
        variable("LOG_LEVEL", targets=["production"], updated_at=ago(hours=3)),
    ]
    assert said(site(project=unseen("vercel", "project"), variables=changed))[0] == "could_not_tell"


@pytest.mark.parametrize("status", [Status.empty, Status.not_configured, Status.denied, Status.partial])
def test_sources_that_say_nothing_rule_nothing_out(status: Status) -> None:
    seen = evidence(site("web"), site())
    assert str(diagnose(silenced(seen, status), NOW).status) == "could_not_tell"
    for source in {each.source for each in seen.all()}:
        alone = silenced(seen, status, lambda each, source=source: each.source == source)
        assert str(diagnose(alone, NOW).status) != "ruled_out", source


def test_everything_that_is_asked_has_its_place_in_the_evidence() -> None:
    assert topics_without_a_field(DeployWebApi, Evidence) == set()
    assert topics_without_a_field(DeployLlmGateway, GatewayEvidence) == set()
