"""Procedure 06's rules on hand-made evidence: clean, broken, repaired, look-alike, could not look."""

from typing import Any

import pytest
from support.deployments import (
    HEAD,
    NOW,
    OLD,
    ago,
    answered,
    check,
    compared,
    deployment,
    evidence,
    probe,
    project,
    raised,
    request_row,
    site,
    traffic,
    unseen,
    variable,
    variables,
)
from support.evidence import look

from runbook_lib.core.model import Conclusion, Status
from runbook_lib.procedures.deploy_web_api.rules import diagnose
from runbook_lib.procedures.deployments.error_rates import chance
from runbook_lib.procedures.deployments.reading import Site


def judged(one: Site, **how: Any) -> Conclusion:
    return diagnose(evidence(one), NOW, **how)


def said(one: Site, **how: Any) -> tuple[str, list[str]]:
    """The status, and what it names."""
    conclusion = judged(one, **how)
    named = {"confirmed": conclusion.causes, "ruled_out": conclusion.states, "could_not_tell": conclusion.suspects}
    return str(conclusion.status), [each.code for each in named[str(conclusion.status)]]


def test_a_part_that_is_set_up_deployed_and_answers_is_ruled_out() -> None:
    conclusion = judged(site())
    assert (str(conclusion.status), conclusion.states, conclusion.not_seen) == ("ruled_out", (), ())


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no repository": ({"project": project(repository=None)}, "deploy.repo_not_connected"),
    "previews off": ({"project": project(previews_disabled=True)}, "deploy.preview_disabled.switched_off"),
    "a check failed": ({"checks": look("github", "checks", [check("e2e", "failed"), check("lint")])}, "deploy.checks_failed"),
    "a variable is missing": ({"variables": variables("api", without="STRIPE_WEBHOOK_SECRET")}, "deploy.env_missing"),
    "a variable is set for previews": (
        {"variables": [*variables("api", without="STRIPE_SECRET_KEY"),
                       variable("STRIPE_SECRET_KEY", targets=["preview"], updated_at=ago(days=9))]},
        "deploy.env_missing.other_target",
    ),
    "a variable for a branch alone": (
        {"variables": [*variables("api", without="STRIPE_SECRET_KEY"),
                       variable("STRIPE_SECRET_KEY", targets=["production"], branch="staging", updated_at=ago(days=9))]},
        "deploy.env_missing.other_target",
    ),
    "a variable changed since": (
        {"variables": [*variables("api"), variable("LOG_LEVEL", targets=["production"], updated_at=ago(hours=3))]},
        "deploy.env_stale",
    ),
    "canceled": (
        {"rows": [deployment("dpl_3", ago(hours=1), "c" * 40, "CANCELED"), deployment("dpl_new", ago(days=2))]}, "deploy.canceled",
    ),
    "queued for an hour": (
        {"rows": [deployment("dpl_3", ago(hours=1), state="QUEUED", ready_at=None), deployment("dpl_new", ago(days=2))]},
        "deploy.not_ready",
    ),
    "blocked": (
        {"rows": [deployment("dpl_3", ago(hours=1), state="BLOCKED"), deployment("dpl_new", ago(days=2))]},
        "deploy.not_ready.blocked",
    ),
    "paused": ({"project": project(paused=True)}, "deploy.not_ready.paused"),
    "never deployed": ({"project": project(serving=None), "rows": [], "compare": None, "checks": None}, "deploy.not_ready.none"),
    "protected": ({"probe": probe(401, "Authentication Required", None)}, "deploy.protection_on"),
    "protected by its settings": (
        {"project": project(protection="all"), "probe": unseen("parts", "probe", Status.timed_out)}, "deploy.protection_on",
    ),
    "nobody answers": ({"probe": probe(502, "NO_RESPONSE_FROM_FUNCTION", None)}, "deploy.health_failing.no_answer"),
    "an error answers": ({"probe": probe(500, "Internal Server Error", None)}, "deploy.health_failing.error"),
    "something else answers": ({"probe": probe(200, "<html>", None)}, "deploy.health_failing.wrong_answer"),
    "the domain leads nowhere": ({"probe": probe(404, "DEPLOYMENT_NOT_FOUND", None)}, "deploy.alias_stale.missing"),
    "a newer commit was never deployed": (
        {"compare": look("github", "compare", compared("ahead", ("apps/api/x.ts",), "c" * 40))}, "deploy.wrong_commit.not_deployed",
    ),
    "what all parts share was changed": (
        {"compare": look("github", "compare", compared("ahead", ("packages/db/x.ts",), "c" * 40))},
        "deploy.wrong_commit.not_deployed",
    ),
    "of no branch": (
        {"compare": look("github", "compare", compared("diverged", ("README.md",), behind_by=1))},
        "deploy.wrong_commit.other_branch",
    ),
    "a commit that nobody has": (
        {"compare": look("github", "compare", None, Status.not_found)}, "deploy.wrong_commit.other_branch",
    ),
    "an older commit deployed again": (
        {"rows": [deployment("dpl_new", ago(days=2), OLD), deployment("dpl_mid", ago(days=3), HEAD)],
         "compare": look("github", "compare", compared("ahead", ("apps/api/x.ts",), HEAD, commit=OLD))},
        "deploy.wrong_commit.older",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_named_and_nothing_else_is(name: str) -> None:
    changed, code = BROKEN[name]
    assert said(site(**changed)) == ("confirmed", [code])


@pytest.mark.parametrize("name", BROKEN)
def test_every_finding_carries_its_evidence_and_a_remedy(name: str) -> None:
    (cause,) = judged(site(**BROKEN[name][0])).causes
    assert cause.evidence
    assert cause.remedy
    assert cause.subject


def test_the_first_line_that_says_why_is_the_builds_first_error() -> None:
    errors = [
        {"at": None, "line": 4, "text": "Command failed with exit code 1."},
        {"at": None, "line": 3, "text": "Type error: Property 'plan' does not exist on type 'Organization'."},
    ]
    held = {"lines": 9, "errors": errors, "last": []}
    failed = deployment("dpl_3", ago(minutes=9), "c" * 40, "ERROR", error='Command "pnpm run build" exited with 1')
    one = site(
        rows=[failed, deployment("dpl_new", ago(days=2))],
        build_log=look("vercel", "build_log", held),
        detail=look("vercel", "detail", failed),
    )  # fmt: skip
    (cause,) = judged(one).causes
    assert cause.code == "deploy.build_failed.compile"
    assert "Type error: Property 'plan'" in cause.summary
    assert "line 3" in cause.summary


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ERR_PNPM_OUTDATED_LOCKFILE Cannot install with frozen-lockfile", "install"),
        ("ERROR: No matching distribution found for fastapi==9", "install"),
        ("Module not found: Can't resolve '@/lib/plan'", "compile"),
        ("FATAL ERROR: JavaScript heap out of memory", "resources"),
        ("Error: Missing required environment variable: SENTRY_DSN", "env"),
    ],
)
def test_why_a_build_failed_is_told_by_its_first_error(text: str, code: str) -> None:
    failed = deployment("dpl_3", ago(minutes=9), "c" * 40, "ERROR", error="exited with 1")
    held = {"lines": 3, "errors": [{"at": None, "line": 2, "text": text}], "last": []}
    one = site(rows=[failed, deployment("dpl_new", ago(days=2))], build_log=look("vercel", "build_log", held))
    assert said(one) == ("confirmed", [f"deploy.build_failed.{code}"])


def test_a_build_whose_log_is_gone_has_failed_all_the_same() -> None:
    failed = deployment("dpl_3", ago(minutes=9), "c" * 40, "ERROR", error="exited with 1")
    one = site(
        rows=[failed, deployment("dpl_new", ago(days=2))], build_log=unseen("vercel", "build_log", Status.not_found)
    )
    assert said(one) == ("confirmed", ["deploy.build_failed"])


LOOK_ALIKES: dict[str, dict[str, Any]] = {
    "the branch is ahead in another part": {
        "compare": look("github", "compare", compared("ahead", ("apps/web/a.tsx", "README.md"), "c" * 40))
    },
    "an ignored build": {
        "rows": [deployment("dpl_3", ago(hours=1), state="CANCELED", error="Ignored Build Step"),
                 deployment("dpl_new", ago(days=2))]
    },
    "a failed preview": {
        "rows": [deployment("dpl_3", ago(hours=1), state="ERROR", target=None), deployment("dpl_new", ago(days=2))]
    },
    "a failed build before a good one": {
        "rows": [deployment("dpl_new", ago(days=2)), deployment("dpl_x", ago(days=3), state="ERROR")]
    },
    "the platform's own check": {
        "checks": look("github", "checks", [check("Vercel – docs", "failed", "Vercel"), check("e2e", "running")])
    },
    "previews behind a login": {"project": project(protection="prod_deployment_urls_and_all_previews")},
    "a variable changed before": {"variables": variables("api", updated_at=ago(days=2, minutes=1))},
    "SUPABASE_URL in place of the public one": {
        "variables": [*variables("api", without="NEXT_PUBLIC_SUPABASE_URL"),
                      variable("SUPABASE_URL", targets=["production"], updated_at=ago(days=9))]
    },
    "settings that do not tell of previews": {
        "project": project(previews_disabled=None),
        "pulls": look("github", "pulls", None, Status.empty),
    },
    "a pull request of a fork": {
        "project": project(previews_disabled=None),
        "pulls": look("github", "pulls", [{"number": 3, "branch": "x", "commit": "f" * 40, "at": ago(days=3), "fork": True}]),
    },
    "a redirect to sign in": {"probe": probe(307, "", {"status": "ok"})},
}  # fmt: skip


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_what_only_looks_like_a_fault_is_ruled_out(name: str) -> None:
    assert said(site(**LOOK_ALIKES[name])) == ("ruled_out", [])


def test_a_pull_request_whose_commit_was_never_deployed_shows_that_previews_are_off() -> None:
    waiting = {"number": 42, "branch": "new-tab", "commit": "f" * 40, "at": ago(hours=2), "fork": False}
    rows = [deployment("dpl_new", ago(days=2))]
    asked = {"project": project(previews_disabled=None), "pulls": look("github", "pulls", [waiting])}
    one = site(**asked, previews=answered("vercel", "deployments", rows))
    assert said(one) == ("confirmed", ["deploy.preview_disabled.none_made"])
    built = [*rows, deployment("dpl_p", ago(hours=1), "f" * 40, branch="new-tab", target=None)]
    repaired = site(**asked, previews=answered("vercel", "deployments", built))
    assert said(repaired) == ("ruled_out", [])


def test_a_list_without_any_variable_proves_nothing() -> None:
    """A part that was deployed has some; what a token may not see is left out without a word."""
    assert said(site(variables=[])) == ("could_not_tell", ["deploy.env_missing"])


def test_a_canceled_redeploy_of_the_commit_that_serves_is_no_fault() -> None:
    rows = [deployment("dpl_3", ago(hours=1), HEAD, "CANCELED"), deployment("dpl_new", ago(days=2))]
    assert said(site(rows=rows)) == ("ruled_out", [])


def newer(**more: Any) -> list[dict[str, Any]]:
    return [deployment("dpl_3", ago(minutes=30), "c" * 40, **more), deployment("dpl_new", ago(days=2))]


def rolled_back(at: str) -> dict[str, Any]:
    job = {"from": "dpl_3", "to": "dpl_new", "status": "succeeded", "type": "rollback", "at": at}
    return project(rolled_back_to="dpl_new", assigns_domains=False, alias_job=job)


@pytest.mark.parametrize(
    ("held", "row", "expected"),
    [
        (rolled_back(ago(minutes=10)), {}, ("ruled_out", ["deploy.rolled_back"])),
        (rolled_back(ago(hours=5)), {}, ("confirmed", ["deploy.alias_stale.rolled_back"])),
        (project(), {"substate": "STAGED"}, ("confirmed", ["deploy.alias_stale.staged"])),
        (project(assigns_domains=False), {}, ("confirmed", ["deploy.alias_stale.staged"])),
        (project(), {"alias_error": "not verified"}, ("confirmed", ["deploy.alias_stale.failed"])),
        (project(), {}, ("confirmed", ["deploy.alias_stale"])),
        (project(alias_job={"from": "dpl_3", "to": "dpl_new", "status": "succeeded", "type": "promote", "at": ago(minutes=5)}), {},
         ("confirmed", ["deploy.wrong_commit.older"])),
    ],
)  # fmt: skip
def test_why_the_domain_leads_to_an_older_deployment_is_told_apart(
    held: dict[str, Any], row: dict[str, Any], expected: tuple[str, list[str]]
) -> None:
    assert said(site(project=held, rows=newer(**row))) == expected


def test_a_deployment_under_way_is_a_state_of_an_audit_and_open_when_it_was_asked_for() -> None:
    rows = [
        deployment("dpl_3", ago(minutes=2), "c" * 40, "BUILDING", ready_at=None),
        deployment("dpl_new", ago(days=2)),
    ]
    assert said(site(rows=rows)) == ("ruled_out", ["deploy.in_progress"])
    conclusion = judged(site(rows=rows, asked="dpl_3"), is_asked=True)
    assert str(conclusion.status) == "could_not_tell"
    assert [each.code for each in conclusion.suspects] == ["deploy.not_ready"]
    assert conclusion.suspects[0].deciding_look


def test_the_commit_that_was_asked_for_is_held_against_what_serves() -> None:
    assert said(site(commit=HEAD[:9]), is_asked=True) == ("ruled_out", [])
    assert said(site(commit="c" * 9), is_asked=True) == ("confirmed", ["deploy.wrong_commit"])
    assert said(site(commit=OLD[:9]), is_asked=True) == ("confirmed", ["deploy.wrong_commit.older"])


def test_new_errors_of_the_deployments_own_code_are_its_fault() -> None:
    after = [raised(n) for n in range(8)] + [request_row(n + 20) for n in range(12)]
    before = [request_row(n, deployment_id="dpl_old") for n in range(20)]
    conclusion = judged(site(**traffic(after, before)))
    assert [cause.code for cause in conclusion.causes] == ["deploy.error_rate_up"]
    assert "8 of 20" in conclusion.causes[0].summary
    assert conclusion.situation.requests_failed == 8
    (plan,) = conclusion.facts["plans"]
    assert (
        plan["steps"][0]["request"] == "POST https://api.vercel.com/v1/projects/prj_api/rollback/dpl_old?teamId=team_1"
    )
    assert "migrations" in plan["not_undone"]


def test_the_same_rate_before_and_since_is_nobodys_fault() -> None:
    after = [raised(n) for n in range(8)] + [request_row(n + 20) for n in range(12)]
    before = [request_row(n, 500, "dpl_old") for n in range(7)] + [
        request_row(n + 20, 200, "dpl_old") for n in range(13)
    ]
    assert said(site(**traffic(after, before))) == ("ruled_out", [])


def test_one_error_is_chance_and_three_of_four_are_too_few_requests() -> None:
    before = [request_row(n, deployment_id="dpl_old") for n in range(20)]
    assert said(site(**traffic([raised(0), *(request_row(n + 20) for n in range(19))], before))) == ("ruled_out", [])
    few = judged(site(**traffic([raised(n) for n in range(3)] + [request_row(30)], before)))
    assert str(few.status) == "could_not_tell"
    assert "too few requests" in few.suspects[0].why


def test_errors_that_begin_behind_the_part_are_not_the_deployments() -> None:
    after = [raised(n, "gateway failed: all providers failed") for n in range(8)] + [
        request_row(n + 20) for n in range(12)
    ]
    before = [request_row(n, deployment_id="dpl_old") for n in range(20)]
    assert said(site(**traffic(after, before))) == ("ruled_out", ["deploy.errors_elsewhere"])


def test_errors_of_unknown_origin_are_suspected_and_never_named_on_timing_alone() -> None:
    after = [request_row(n, 500) for n in range(8)] + [request_row(n + 20) for n in range(12)]
    before = [request_row(n, deployment_id="dpl_old") for n in range(20)]
    named = ["deploy.error_rate_up", "deploy.migration_missing"]
    assert said(site(**traffic(after, before))) == ("could_not_tell", named)


def test_a_constraint_that_new_code_runs_into_is_open_for_the_database_may_have_changed_as_well() -> None:
    message = 'database failed: duplicate key value violates unique constraint "memberships_pkey"'
    after = [raised(n, message) for n in range(8)] + [request_row(n + 20) for n in range(12)]
    before = [request_row(n, deployment_id="dpl_old") for n in range(20)]
    assert said(site(**traffic(after, before))) == ("could_not_tell", ["deploy.error_rate_up"])


MISSED = "database failed: column usage_records.requests does not exist"


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"usage_records": ["id", "tokens"]}, ("confirmed", ["deploy.migration_missing"])),
        ({"usage_records": ["id", "requests"]}, ("ruled_out", ["deploy.errors_elsewhere"])),
    ],
)
def test_a_column_that_requests_miss_is_missing_when_the_database_says_so_too(
    tables: dict[str, list[str]], expected: tuple[str, list[str]]
) -> None:
    after = [raised(n, MISSED) for n in range(3)] + [request_row(n + 20) for n in range(12)]
    before = [request_row(n, deployment_id="dpl_old") for n in range(20)]
    schema = (look("postgres", "names", {"tables": tables, "functions": []}),)
    assert said(site(**traffic(after, before), schema=schema)) == expected


def test_a_schema_that_could_not_be_looked_at_leaves_it_open() -> None:
    after = [raised(n, MISSED) for n in range(3)] + [request_row(n + 20) for n in range(12)]
    before = [request_row(n, deployment_id="dpl_old") for n in range(20)]
    one = site(**traffic(after, before), schema=(unseen("postgres", "names"),))
    assert said(one) == ("could_not_tell", ["deploy.migration_missing"])
    assert ("postgres", "names") in {(each.source, each.call) for each in judged(one).not_seen}


def test_two_faults_are_both_named_what_hurts_users_first() -> None:
    one = site(
        variables=variables("api", without="STRIPE_SECRET_KEY"),
        checks=look("github", "checks", [check("e2e", "failed")]),
        probe=probe(500, "boom", None),
    )
    assert said(one)[1] == ["deploy.env_missing", "deploy.health_failing.error", "deploy.checks_failed"]


def test_what_another_finding_explains_stands_beside_it() -> None:
    ahead = look("github", "compare", compared("ahead", ("apps/api/x.ts",), "c" * 40))
    conclusion = judged(site(project=project(repository=None), compare=ahead))
    assert [cause.code for cause in conclusion.causes] == ["deploy.repo_not_connected"]
    assert [finding.code for finding in conclusion.also] == ["deploy.wrong_commit.not_deployed"]


def test_chance_is_fishers_exact_test() -> None:
    assert chance(8, 10, 1, 10) == pytest.approx(0.002739, abs=1e-5)
    assert chance(0, 10, 0, 10) == 1.0
    assert chance(3, 3, 0, 300) < 1e-6


def test_a_replayed_verdict_is_the_same_for_the_same_observations() -> None:
    one = site(**BROKEN["canceled"][0])
    assert judged(one).judged("06") == judged(one).judged("06")
    assert answered("vercel", "deployments", []).status == Status.empty


def test_a_deployment_that_nobody_knows_is_not_judged() -> None:
    conclusion = judged(site(asked="dpl_nope", detail=unseen("vercel", "detail", Status.not_found)), is_asked=True)
    assert str(conclusion.status) == "could_not_tell"
    (suspect,) = conclusion.suspects
    assert suspect.subject == "dpl_nope"
    assert "no deployment of api on Vercel" in suspect.why
    assert str(judged(site(asked="dpl_new"), is_asked=True).status) == "ruled_out"


def test_a_failed_deployment_goes_on_from_when_it_was_made() -> None:
    rows = [deployment("dpl_bad", ago(hours=3), state="ERROR"), deployment("dpl_old", ago(days=14), OLD)]
    told = judged(site(rows=rows)).situation
    assert (told.ongoing, told.onset) == (True, ago(hours=3))
    told = judged(site(project=project(repository=None))).situation
    assert (told.ongoing, told.onset) == (True, None)
