"""The looks at lists of variables: what each holds is judged where it is read, and no value ever leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.loopback import Loopback, Reply
from support.variable_vendors import BAD, CANARY, OPAQUE, REF

from runbook_lib.core.model import Observation, Status
from runbook_lib.sources.fly import env as fly_env
from runbook_lib.sources.railway import env as railway_env
from runbook_lib.sources.team import team_files
from runbook_lib.sources.this_machine import environment
from runbook_lib.sources.vercel import env as vercel_env

LISTS = {
    "vercel": lambda: vercel_env.variables("web"),
    "vercel serving": lambda: vercel_env.serving("web"),
    "vercel projects": vercel_env.projects,
    "railway": lambda: railway_env.variables("gateway"),
    "railway services": railway_env.services,
    "fly": fly_env.variables,
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_in_good_health_is_ok_and_holds_no_value(
    name: str, vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    seen = see(LISTS[name]())
    assert seen.status == Status.ok, seen.why
    assert not [
        secret
        for secret in (CANARY, OPAQUE, "sealed-by-vercel", REF + ".supabase.co")
        if secret in json.dumps(seen.value)
    ]


def test_vercel_tells_environments_types_branches_and_what_is_hidden(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    rows = {row["name"]: row for row in see(vercel_env.variables("web")).value}
    assert rows["OPENAI_API_KEY"]["facts"]["kind"] == "openai"
    assert (rows["STRIPE_SECRET_KEY"]["environments"], rows["STRIPE_SECRET_KEY"]["facts"]) == (
        ["preview", "production"],
        None,
    )
    assert "never gives it back" in rows["STRIPE_SECRET_KEY"]["hidden"]
    assert rows["NEXT_PUBLIC_SUPABASE_URL"]["facts"]["ref"] == REF
    assert (rows["INTERNAL_THING"]["branch"], rows["INTERNAL_THING"]["facts"]) == ("wip", None)
    assert rows["OTEL_SERVICE_NAME"]["shared"]


def test_only_variables_that_are_nexuscores_are_read(
    vendors: dict[str, Any], see: Callable[..., Observation], loopback: Loopback
) -> None:
    see(vercel_env.variables("web"))
    assert [asked.path for asked in loopback.asked if "/env/e" in asked.path] == ["/v1/projects/prj_web/env/e1"]


def test_without_the_shared_list_a_list_is_partial(vendors: dict[str, Any], see: Callable[..., Observation]) -> None:
    vendors["/v1/env"] = Reply(403, {"error": {"code": "forbidden", "message": "no"}})
    seen = see(vercel_env.variables("web"))
    assert (seen.status, len(seen.value)) == (Status.partial, 4)


def test_where_single_values_may_not_be_read_names_and_times_remain(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    vendors["/v1/projects/prj_web/env/e1"] = Reply(403, {"error": {"code": "forbidden", "message": "no"}})
    rows = {row["name"]: row for row in see(vercel_env.variables("web")).value}
    assert (rows["OPENAI_API_KEY"]["facts"], rows["OPENAI_API_KEY"]["hidden"]) == (
        None,
        "the token may not read values",
    )
    assert rows["OPENAI_API_KEY"]["updated_at"] is not None


def test_railway_leaves_out_its_own_and_other_services_and_keeps_what_is_sealed(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    rows = {row["name"]: row for row in see(railway_env.variables("gateway")).value}
    assert set(rows) == {"TOGETHER_API_KEY", "OPENAI_API_KEY", "PORT"}
    assert rows["TOGETHER_API_KEY"]["facts"]["flaws"] == []
    assert (rows["OPENAI_API_KEY"]["facts"], rows["OPENAI_API_KEY"]["type"]) == (None, "sealed")


def test_fly_tells_secrets_by_name_and_what_fly_toml_sets_in_the_open(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    rows = {row["name"]: row for row in see(fly_env.variables()).value}
    assert rows["OPENAI_API_KEY"]["facts"] is None
    assert rows["OTEL_SERVICE_NAME"]["facts"]["kind"] == "opaque"
    vendors["/v1/apps/nexus-gateway/machines"] = [{"id": "m", "state": "started", "incomplete_config": {}}]
    assert see(fly_env.variables()).status == Status.partial


@pytest.mark.parametrize(("bad", "status"), BAD)
@pytest.mark.parametrize("name", LISTS)
def test_a_bad_answer_to_a_list_has_its_status(
    name: str, bad: Reply, status: Status, loopback: Loopback, see: Callable[..., Observation]
) -> None:
    loopback.answer = lambda _: bad
    assert see(LISTS[name]()).status == status


@pytest.mark.parametrize("name", LISTS)
def test_no_answer_that_holds_values_is_ever_quoted(
    name: str, vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    for key in (
        "/v10/projects/prj_web/env",
        "/v1/projects/prj_web/env/e1",
        "Values",
        "/v1/apps/nexus-gateway/machines",
    ):
        vendors[key] = Reply(
            200,
            f'{{"data":{{"variables":["{OPAQUE}"]}},"envs":"{OPAQUE}","value":{{"x":"{OPAQUE}"}},"config":"{OPAQUE}"}}',
        )
    seen = see(LISTS[name]())
    assert OPAQUE not in json.dumps(seen.as_dict())


def test_what_the_runbook_was_given_is_told_by_place_and_without_values(see: Callable[..., Observation]) -> None:
    seen = see(environment.variables(), OPENAI_API_KEY=CANARY, NEXT_PUBLIC_EXTRA=OPAQUE, HOME="/somewhere")
    rows = {row["name"]: row for row in seen.value["rows"]}
    assert (rows["OPENAI_API_KEY"]["place"], rows["OPENAI_API_KEY"]["facts"]["kind"]) == (".env", "openai")
    assert "NEXT_PUBLIC_EXTRA" in rows
    assert "HOME" not in rows
    assert {"is_local": True, "is_given": True}.items() <= seen.value["parts"]["web"].items()
    assert not [secret for secret in (CANARY, OPAQUE) if secret in json.dumps(seen.as_dict())]


def test_the_names_of_an_env_example_are_read_and_its_values_are_not(
    tmp_path: Path, see: Callable[..., Observation]
) -> None:
    path = tmp_path / ".env.example"
    path.write_text(f"# a comment\n#OLD=1\nOPENAI_API_KEY={CANARY}\nexport MAIL_FROM = x\n\nnot an assignment\n")
    seen = see(team_files.variable_names(str(path)))
    assert seen.value == ["MAIL_FROM", "OPENAI_API_KEY"]
    assert see(team_files.variable_names(str(tmp_path / "none"))).status == Status.malformed


def test_what_vercel_is_asked_and_answers_here_is_in_its_specification(
    vendors: dict[str, Any], see: Callable[..., Observation], loopback: Loopback
) -> None:
    specification = json.loads(
        (Path(__file__).parents[2] / "specs/vercel/openapi-2025-10-27-official-subset.json").read_text()
    )["paths"]
    for look in (vercel_env.variables("web"), vercel_env.serving("web"), vercel_env.projects(), vercel_env.token()):
        see(look)
    unspecified = {"/v5/user/tokens/current"}
    for asked in loopback.asked:
        parts = asked.path.split("/")
        found = [
            path for path in specification
            if len(path.split("/")) == len(parts)
            and all(a == b or a.startswith("{") for a, b in zip(path.split("/"), parts, strict=True))
        ]  # fmt: skip
        assert found or asked.path in unspecified, asked.path
        if found:
            declared = {each["name"] for each in specification[found[0]]["get"].get("parameters") or []}
            assert set(asked.query) <= declared, asked.path
