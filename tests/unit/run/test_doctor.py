"""doctor: each source configured, reachable, permitted; least permission; keys that expire; what procedures lack."""

import importlib
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.io.observe import Look
from runbook_lib.run import doctor
from runbook_lib.run.doctor import examine_sources
from runbook_lib.run.notebooks import Template, read_template
from runbook_lib.run.targets import Target
from runbook_lib.settings import Settings, variable_names
from runbook_lib.settings.key_rights import KEY_RIGHTS, KEY_VARIABLES


def template(tmp_path: Path, *services: str) -> Template:
    path = tmp_path / "90_x.ipynb"
    path.write_text(json.dumps({"cells": [], "metadata": {"runbook": {"services": services}}}))
    return read_template(path)


def target(**variables: str) -> Target:
    return Target("live", Settings.from_mapping(variables), "here", variables)


def health(source: str, status: Status) -> Look:
    def fetch(_: object) -> Answer:
        if status is Status.ok:
            return Answer(Status.ok, {"expires_at": "2030-01-01T00:00:00Z"})
        raise LookError(status, f"{source} says {status}", do_next=f"give {source} what it needs")

    return Look(source, "health", {}, fetch)


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> dict[str, Status]:
    told: dict[str, Status] = {}
    monkeypatch.setattr(doctor, "token_looks", list)
    monkeypatch.setattr(doctor, "health_looks", lambda: [(name, health(name, status)) for name, status in told.items()])
    return told


@pytest.mark.parametrize(
    ("status", "configured", "reachable", "permitted"),
    [
        (Status.ok, True, True, True),
        (Status.not_configured, False, None, None),
        (Status.unreachable, True, False, None),
        (Status.timed_out, True, False, None),
        (Status.denied, True, True, False),
        (Status.malformed, True, True, True),
    ],
)
def test_each_status_is_told_apart(
    sources: dict[str, Status], status: Status, configured: bool, reachable: bool | None, permitted: bool | None
) -> None:
    sources["tempo"] = status
    (check,) = examine_sources(target(), []).checks
    assert (check.configured, check.reachable, check.permitted) == (configured, reachable, permitted)
    assert check.usable == (status is Status.ok)
    if status is not Status.ok:
        assert check.what_would_help == "give tempo what it needs"


@pytest.mark.parametrize(
    ("services", "ok", "missing"),
    [
        (["Tempo or Jaeger"], ["jaeger"], []),
        (["Tempo or Jaeger"], [], ["Tempo or Jaeger"]),
        (["Vercel", "Railway or Fly.io"], ["vercel", "fly"], []),
        (["Vercel", "Railway or Fly.io"], ["fly"], ["Vercel"]),
        (["The telephone"], [], []),
    ],
)
def test_what_a_procedure_needs_decides_the_exit_code(
    sources: dict[str, Status], tmp_path: Path, services: list[str], ok: list[str], missing: list[str]
) -> None:
    for name in ("tempo", "jaeger", "vercel", "railway", "fly"):
        sources[name] = Status.ok if name in ok else Status.not_configured
    report = examine_sources(target(), [template(tmp_path, *services)])
    assert report.missing.get("90_x", []) == missing
    assert report.exit_code == (1 if missing else 0)


def test_a_key_that_expires_says_when_and_an_expired_one_is_a_failure(sources: dict[str, Status]) -> None:
    def token(seconds: float) -> str:
        return jwt.encode({"role": "anon", "exp": int(time.time() + seconds)}, "x" * 32, algorithm="HS256")

    fresh = examine_sources(target(SUPABASE_ANON_KEY=token(86_400)), [])
    assert (fresh.keys[0]["setting"], fresh.keys[0]["expired"], fresh.exit_code) == ("SUPABASE_ANON_KEY", False, 0)
    stale = examine_sources(target(SUPABASE_ANON_KEY=token(-60)), [])
    assert (stale.keys[0]["expired"], stale.exit_code) == (True, 1)


def judged(name: str, **said: Any) -> Look:
    value = {"name": name, "accepted": "refusal" not in said, "refusal": None, "expires_at": None, **said}
    return Look("vendor", "token", {"name": name}, lambda _: Answer(Status.ok, value))


@pytest.mark.parametrize(
    ("said", "code", "expired", "refused"),
    [
        ({"expires_at": "2099-01-01T00:00:00.000Z"}, 0, False, None),
        ({"expires_at": "2020-01-01T00:00:00.000Z"}, 1, True, None),
        ({"refusal": "rejected"}, 1, False, "rejected"),
        ({"refusal": "expired"}, 1, True, "expired"),
        ({}, 0, False, None),
    ],
)
def test_a_token_that_its_vendor_refuses_or_calls_expired_is_a_failure(
    sources: dict[str, Status],
    monkeypatch: pytest.MonkeyPatch,
    said: dict[str, Any],
    code: int,
    expired: bool,
    refused: str | None,
) -> None:
    monkeypatch.setattr(doctor, "token_looks", lambda: [judged("RUNBOOK_VERCEL_TOKEN", **said)])
    report = examine_sources(target(RUNBOOK_VERCEL_TOKEN="a-token-of-a-team-for-tests"), [])
    (key,) = report.keys
    assert (key["setting"], key["expired"], key["refused"], report.exit_code) == (
        "RUNBOOK_VERCEL_TOKEN",
        expired,
        refused,
        code,
    )


def test_a_source_that_refuses_its_key_is_a_failure_whoever_needs_it(sources: dict[str, Status]) -> None:
    sources["stripe"] = Status.denied
    assert examine_sources(target(), []).exit_code == 1


def test_a_key_that_tells_no_expiry_is_told_of_without_one(sources: dict[str, Status]) -> None:
    report = examine_sources(target(STRIPE_SECRET_KEY="sk_test_51AbCdEfGhIjKlMnOpQrStUv"), [])
    assert [(key["setting"], key["expires_at"]) for key in report.keys] == [("STRIPE_SECRET_KEY", None)]


def test_the_least_permission_of_a_source_is_told_and_no_key_is(sources: dict[str, Status]) -> None:
    sources["vercel"] = Status.denied
    report = examine_sources(target(RUNBOOK_VERCEL_TOKEN="a-token-of-a-team"), [])
    (need,) = [each for each in report.checks[0].needs if each.startswith("RUNBOOK_VERCEL_TOKEN")]
    assert "(set)" in need
    assert "Viewer" in need
    assert "a-token-of-a-team" not in json.dumps(report.as_dict())


def test_every_source_that_has_a_health_look_is_asked() -> None:
    importlib.import_module("runbook_lib.sources.postgres.health")  # a module of that name is no look
    asked = {source for source, _ in doctor.health_looks()}
    assert {"tempo", "jaeger", "vercel", "railway", "fly", "postgres"} <= asked


def test_two_looks_at_one_source_are_told_apart() -> None:
    checks = [doctor.Check("postgres", call, "ok", True, True, True, "", "") for call in ("health", "rls_health")]
    assert [each.name for each in checks] == ["postgres", "postgres (rls)"]


def told_of(**variables: str) -> dict[str, dict[str, Any]]:
    return {key["setting"]: key for key in examine_sources(target(**variables), []).keys}


@pytest.mark.parametrize(
    ("name", "value", "can_write"),
    [
        ("RUNBOOK_RAILWAY_PROJECT_TOKEN", "11111111-2222-4333-8444-555555555555", "yes"),
        ("RUNBOOK_VERCEL_TOKEN", "a-token-of-a-team-for-tests", "cannot be told"),
        ("RUNBOOK_GITHUB_TOKEN", "github_pat_11ABCDEFG0123456789_abcdefghijklmno", "cannot be told"),
        ("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_abcdefghijklmnopqrstuvwx", "yes"),
        ("RUNBOOK_STRIPE_KEY", "rk_live_51AbCdEfGhIjKlMnOpQrStUv", "cannot be told"),
        ("RUNBOOK_STRIPE_KEY", "sk_live_51AbCdEfGhIjKlMnOpQrStUv", "yes"),
        ("RUNBOOK_DATABASE_URL", "postgresql://postgres.abcdefghijklmnopqrst:pw-of-it@db.example/postgres", "yes"),
        ("RUNBOOK_DATABASE_URL", "postgresql://runbook:pw-of-it@db.example/postgres", "cannot be told"),
        ("RUNBOOK_FLY_TOKEN", "fo1_abcdefghijklmnopqrstuvwxyz", "yes"),
        ("RUNBOOK_FLY_TOKEN", "FlyV1 fm2_AAAA", "cannot be told"),
    ],
)
def test_of_each_key_is_told_whether_it_can_write_and_never_what_it_is(
    sources: dict[str, Status], name: str, value: str, can_write: str
) -> None:
    told = told_of(**{name: value})
    assert told[name]["can_write"] == can_write
    assert told[name]["opens"]
    assert told[name]["least"]
    assert value not in json.dumps(told)
    assert "pw-of-it" not in json.dumps(told)


def test_what_a_key_may_do_is_still_told_where_its_vendor_says_when_it_ends(
    sources: dict[str, Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "token_looks", lambda: [judged("RUNBOOK_RAILWAY_PROJECT_TOKEN", refusal="scope")])
    told = told_of(RUNBOOK_RAILWAY_PROJECT_TOKEN="11111111-2222-4333-8444-555555555555")
    assert (told["RUNBOOK_RAILWAY_PROJECT_TOKEN"]["can_write"], told["RUNBOOK_RAILWAY_PROJECT_TOKEN"]["refused"]) == (
        "yes",
        "scope",
    )


def test_every_secret_setting_is_judged() -> None:
    secret = {
        name
        for field, info in Settings.model_fields.items()
        if "SecretStr" in str(info.annotation)
        for name in variable_names(field)[:1]
    }
    assert secret == {row.variable for row in KEY_RIGHTS}


def test_a_key_is_judged_under_each_of_its_names(sources: dict[str, Status]) -> None:
    fields = [name for name, info in Settings.model_fields.items() if "SecretStr" in str(info.annotation)]
    assert {name for field in fields for name in variable_names(field)} == KEY_VARIABLES
    assert told_of(NEXT_PUBLIC_SUPABASE_ANON_KEY="sb_publishable_abcdefghijkl")["NEXT_PUBLIC_SUPABASE_ANON_KEY"][
        "opens"
    ]


def test_a_row_that_takes_every_value_stands_after_the_narrower_ones() -> None:
    for variable in {row.variable for row in KEY_RIGHTS}:
        rows = [row for row in KEY_RIGHTS if row.variable == variable]
        assert [bool(row.begins) for row in rows] == [True] * (len(rows) - 1) + [False], variable


def test_a_weak_secret_is_warned_of_and_not_the_made_up_ones_of_a_sandbox(sources: dict[str, Status]) -> None:
    weak = {"RUNBOOK_DATABASE_URL": "postgresql://postgres:postgres@127.0.0.1:54322/postgres"}
    (warning,) = examine_sources(target(**weak), []).warnings
    assert "RUNBOOK_DATABASE_URL" in warning
    sandbox = Target("sandbox", Settings.from_mapping(weak), "here", weak)
    assert examine_sources(sandbox, []).warnings == ()


def test_what_a_vendor_tells_of_a_key_s_rights_wins_over_what_its_kind_says(
    sources: dict[str, Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    reach = {"name": "RUNBOOK_GITHUB_TOKEN", "can_write": True, "opens": "scopes repo", "expires_at": None}
    look = Look("github", "reach", {}, lambda _: Answer(Status.ok, reach))
    monkeypatch.setattr(doctor, "token_looks", lambda: [look])
    told = told_of(RUNBOOK_GITHUB_TOKEN="ghp_abcdefghijklmnopqrstuvwxyz0123456789")["RUNBOOK_GITHUB_TOKEN"]
    assert (told["can_write"], told["opens"], told["expired"]) == ("yes", "scopes repo", False)
    reach |= {"can_write": None, "opens": "", "expires_at": "2020-01-01T00:00:00.000Z"}
    report = examine_sources(target(RUNBOOK_GITHUB_TOKEN="github_pat_abcdefghijklmnopqrstuvwxyz"), [])
    assert (report.keys[0]["can_write"], report.keys[0]["said_by"], report.exit_code) == ("cannot be told", "github", 1)
