"""The looks at variables and keys: judged where they are read, a refusal told from not having looked, no value ever leaving."""

import base64
import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from support.loopback import Asked, Loopback, Reply, everything_at

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.http import Deadline
from runbook_lib.io.observe import Door, Look, Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.fly import env as fly_env
from runbook_lib.sources.fly.token import expiry_of
from runbook_lib.sources.providers import provider_keys
from runbook_lib.sources.railway import env as railway_env
from runbook_lib.sources.stripe import keys as stripe_keys
from runbook_lib.sources.supabase import keys as supabase_keys
from runbook_lib.sources.team import team_files
from runbook_lib.sources.this_machine import environment
from runbook_lib.sources.this_machine.variable_facts import facts_of
from runbook_lib.sources.vercel import env as vercel_env

AT_MS = 1_764_000_000_000
REF = "abcdefghijklmnopqrst"
LETTERS = "AbCdEfGhJkLmNpQrStUvWxYz23456789"
CANARY = f"sk-proj-canary{LETTERS}{LETTERS}"
OPAQUE = (
    "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"  # Together's keys have no shape to redact by
)
VERCEL_ENVS = [
    {"id": "e1", "key": "OPENAI_API_KEY", "type": "encrypted", "target": ["production"],
     "value": "sealed-by-vercel", "updatedAt": AT_MS, "createdAt": AT_MS},
    {"id": "e2", "key": "STRIPE_SECRET_KEY", "type": "sensitive",
     "target": ["production", "preview"], "updatedAt": AT_MS, "createdAt": AT_MS},
    {"id": "e3", "key": "NEXT_PUBLIC_SUPABASE_URL", "type": "plain", "target": "production", "value": f"https://{REF}.supabase.co"},
    {"id": "e4", "key": "INTERNAL_THING", "type": "encrypted", "target": ["preview"], "gitBranch": "wip"},
]  # fmt: skip
VERCEL = {
    "/v10/projects/prj_web/env": {"envs": VERCEL_ENVS},
    "/v1/env": {"data": [{"id": "s1", "key": "OTEL_SERVICE_NAME", "type": "encrypted", "target": ["production"]}],
                "pagination": {"count": 1, "next": None, "prev": None}},
    "/v1/projects/prj_web/env/e1": {"id": "e1", "key": "OPENAI_API_KEY", "type": "encrypted", "value": CANARY, "decrypted": True},
    "/v9/projects/prj_web": {"id": "prj_web", "name": "web",
                             "targets": {"production": {"id": "dpl_1", "createdAt": AT_MS, "readyState": "READY"}}},
    "/v9/projects/prj_api": {"id": "prj_api", "name": "api", "targets": {}},
    "/v10/projects": {"projects": [{"id": "prj_web", "name": "web", "targets": {}}], "pagination": {}},
    "/v2/user": {"user": {"username": "oncall"}},
    "/v5/user/tokens/current": {"token": {"expiresAt": AT_MS}},
}  # fmt: skip
RAILWAY = {
    "VariableNames": {"environment": {"variables": {"edges": [
        {"node": {"name": "TOGETHER_API_KEY", "serviceId": "svc-gateway", "updatedAt": "2026-11-01T00:00:00Z"}},
        {"node": {"name": "OPENAI_API_KEY", "serviceId": "svc-gateway", "updatedAt": None, "isSealed": True}},
        {"node": {"name": "OTHERS", "serviceId": "svc-else", "isSealed": False}},
    ], "pageInfo": {"hasNextPage": False, "endCursor": None}}}},
    "Values": {"variables": {"TOGETHER_API_KEY": OPAQUE, "RAILWAY_SERVICE_ID": "svc-gateway", "PORT": "8000"}},
    "Services": {"environment": {"serviceInstances": {"edges": [
        {"node": {"serviceId": "svc-api", "serviceName": "nexuscore-api", "activeDeployments": [
            {"id": "dep", "createdAt": to_iso(datetime.now(UTC)), "status": "SUCCESS", "url": None}]}}]}}},
    "Token": {"projectToken": {"name": "runbook", "projectId": "proj-1", "environmentId": "env-1"}},
}  # fmt: skip
FLY = {
    "/v1/apps/nexus-gateway/secrets": {
        "secrets": [{"name": "OPENAI_API_KEY", "digest": "d", "updated_at": "2026-11-01T00:00:00Z"}]
    },
    "/v1/apps/nexus-gateway/machines": [{"id": "m", "state": "started",
                                         "config": {"env": {"OTEL_SERVICE_NAME": "nexuscore", "PORT": "8000"}}}],
    "/v1/apps/nexus-gateway": {"name": "nexus-gateway", "status": "deployed"},
}  # fmt: skip


@pytest.fixture
def vendors(loopback: Loopback) -> dict[str, Any]:
    """Every vendor in good health behind one address; a test puts another answer in for a path or a query's name."""
    held: dict[str, Any] = {**VERCEL, **FLY, **RAILWAY}

    def answer(asked: Asked) -> Reply:
        name = asked.path
        if asked.method == "POST":
            name = json.loads(asked.body)["query"].split()[1].partition("(")[0]
        found = held.get(name)
        if isinstance(found, Reply):
            return found
        if found is None:
            return Reply(404, {"error": {"code": "not_found", "message": "no such thing"}})
        return Reply(200, {"data": found} if asked.method == "POST" else found)

    loopback.answer = answer
    return held


@pytest.fixture
def see(loopback: Loopback) -> Callable[..., Observation]:
    """`see(look, NAME=value, …)`: what the look brings."""

    def make(look: Look, **more: str) -> Observation:
        variables = {**everything_at(loopback.url), **_providers(loopback.url), **more}
        settings = Settings.from_mapping(variables, places={".env": variables})
        return Observer(now=datetime.now(UTC), settings=settings).together(look)[0]

    return make


def _providers(url: str) -> dict[str, str]:
    return {
        "RUNBOOK_OPENAI_URL": f"{url}/openai",
        "RUNBOOK_ANTHROPIC_URL": f"{url}/anthropic",
        "RUNBOOK_TOGETHER_URL": f"{url}/together",
    }


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


BAD = [
    (Reply(401, {"error": {"message": "no"}}), Status.denied), (Reply(403, {"error": {"message": "no"}}), Status.denied),
    (Reply(429, {}, {"Retry-After": "600"}), Status.rate_limited), (Reply(200, "<!doctype html>"), Status.malformed),
    (Reply(200, '{"a": '), Status.malformed), (Reply(200, "[[]]"), Status.malformed), (Reply(500, "oops"), Status.malformed),
]  # fmt: skip


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


LOCAL = {"platform": "local", "place": ".env"}


def key_look(name: str) -> Look:
    if name in provider_keys.NAMES:
        return provider_keys.check(name, LOCAL, "here")
    if name in stripe_keys.NAMES:
        return stripe_keys.check(name, LOCAL, "here")
    return supabase_keys.check(name, LOCAL, "here", ("SUPABASE_URL", LOCAL))


KEYS = {
    "OPENAI_API_KEY": (CANARY, "/openai/models", {"data": [{"id": "gpt-4o"}]}),
    "ANTHROPIC_API_KEY": (f"sk-ant-api03-{LETTERS}{LETTERS}", "/anthropic/models", {"data": [{"id": "claude"}]}),
    "TOGETHER_API_KEY": (OPAQUE, "/together/models", [{"id": "llama"}]),
    "STRIPE_SECRET_KEY": (f"sk_test_51{LETTERS}", "/v1/balance", {"object": "balance", "livemode": False}),
    "SUPABASE_ANON_KEY": (f"sb_publishable_{LETTERS}", "/auth/v1/settings", {"external": {}}),
    "SUPABASE_SERVICE_ROLE_KEY": (f"sb_secret_{LETTERS}", "/rest/v1/organizations", []),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_taken_says_with_which_permission_that_was_found_out(
    name: str, vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    key, path, body = KEYS[name]
    vendors[path] = body
    seen = see(key_look(name), **{name: key})
    assert (seen.status, seen.value["accepted"], bool(seen.value["permission"])) == (Status.ok, True, True), seen.why


@pytest.mark.parametrize(("code", "refusal"), [(401, "rejected"), (403, "scope")])
@pytest.mark.parametrize("name", KEYS)
def test_a_refusal_is_what_was_asked_for_and_nothing_of_the_key_comes_back_with_it(
    name: str, code: int, refusal: str, vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    key, path, _ = KEYS[name]
    vendors[path] = Reply(
        code, {"error": {"message": f"Incorrect API key provided: {key[:9]}***{key[-4:]}", "code": "no_such_key"}}
    )
    seen = see(key_look(name), **{name: key})
    assert (seen.status, seen.value["refusal"], seen.value["http_status"]) == (Status.ok, refusal, code)
    assert key[-4:] not in json.dumps(seen.as_dict())


@pytest.mark.parametrize(
    ("bad", "status"), [*BAD[2:6], (Reply(503, "busy"), Status.unreachable), (Reply(404, "x"), Status.malformed)]
)
@pytest.mark.parametrize("name", [name for name in KEYS if name != "SUPABASE_SERVICE_ROLE_KEY"])
def test_a_vendor_that_cannot_be_asked_is_not_a_key_that_is_refused(
    name: str, bad: Reply, status: Status, vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    key, path, _ = KEYS[name]
    vendors[path] = bad
    if (name, bad.body) == ("TOGETHER_API_KEY", "[[]]"):
        status = Status.malformed
    if (name, bad.body) == ("SUPABASE_ANON_KEY", "[[]]"):
        return  # any JSON of Auth's is an answer
    assert see(key_look(name), **{name: key}).status == status


def test_a_refusal_of_the_place_that_asks_says_nothing_of_the_key(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    vendors["/openai/models"] = Reply(403, {"error": {"code": "unsupported_country_region_territory", "message": "no"}})
    seen = see(key_look("OPENAI_API_KEY"), OPENAI_API_KEY=CANARY)
    assert seen.status == Status.denied
    assert "the place that asks" in seen.why


def test_a_key_that_may_not_list_models_is_taken_and_says_what_that_leaves_open(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    vendors["/openai/models"] = Reply(403, {"error": {"message": "Missing scopes: api.model.read"}})
    seen = see(key_look("OPENAI_API_KEY"), OPENAI_API_KEY=CANARY)
    assert seen.value["accepted"]
    assert "paid call" in seen.value["lacks"]


def test_a_restricted_stripe_key_tells_everything_that_it_lacks(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    for path in ("customers", "subscriptions", "webhook_endpoints", "events"):
        vendors[f"/v1/{path}"] = {"object": "list", "data": [], "has_more": False}
    look = stripe_keys.check("RUNBOOK_STRIPE_KEY", LOCAL, "here")
    assert see(look, RUNBOOK_STRIPE_KEY=f"rk_test_51{LETTERS}").value["accepted"]
    vendors["/v1/events"] = vendors["/v1/webhook_endpoints"] = Reply(403, {"error": {"message": "no"}})
    said = see(look, RUNBOOK_STRIPE_KEY=f"rk_test_51{LETTERS}").value
    assert (said["refusal"], said["lacks"]) == ("scope", "Events: read, Webhook Endpoints: read")


def test_stripe_tells_an_expired_key_from_an_unknown_one(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    vendors["/v1/balance"] = Reply(401, {"error": {"code": "api_key_expired", "message": "Expired API Key provided"}})
    assert see(key_look("STRIPE_SECRET_KEY"), STRIPE_SECRET_KEY=f"sk_test_51{LETTERS}").value["refusal"] == "expired"


@pytest.mark.parametrize("key", [f"{CANARY}\ninjected: 1", f"{CANARY}…", f"{CANARY}\x00"])
def test_a_key_that_no_header_can_hold_is_never_sent_nor_quoted(
    key: str, vendors: dict[str, Any], see: Callable[..., Observation], loopback: Loopback
) -> None:
    seen = see(key_look("OPENAI_API_KEY"), OPENAI_API_KEY=key)
    assert seen.status == Status.malformed
    assert "canary" not in json.dumps(seen.as_dict())
    assert not loopback.asked


def test_a_key_is_not_sent_over_plain_http_to_elsewhere(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    seen = see(
        key_look("SUPABASE_ANON_KEY"),
        SUPABASE_ANON_KEY=f"sb_publishable_{LETTERS}",
        SUPABASE_URL="http://project.example",
    )
    assert seen.status == Status.malformed
    assert "plain HTTP" in seen.why


TOKENS: dict[str, tuple[Callable[[], Look], str]] = {
    "vercel": (vercel_env.token, "/v2/user"),
    "railway": (railway_env.token, "Token"),
    "fly": (fly_env.token, "/v1/apps/nexus-gateway"),
    "supabase": (supabase_keys.access_token, f"/v1/projects/{REF}"),
}


@pytest.mark.parametrize("name", TOKENS)
def test_the_runbooks_own_tokens_are_judged_alike(
    name: str, vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    look, path = TOKENS[name]
    vendors[f"/v1/projects/{REF}"] = {"name": "nexuscore"}
    assert see(look()).value["accepted"]
    refused = (
        {"errors": [{"message": "Project Token not found"}], "data": None}
        if name == "railway"
        else {"error": {"message": "no"}}
    )
    vendors[path] = Reply(200 if name == "railway" else 401, refused)
    assert see(look()).value["refusal"] == "rejected"
    vendors[path] = Reply(200, "<!doctype html>")
    assert see(look()).status == Status.malformed


def test_a_token_without_access_is_told_from_one_that_is_refused(
    vendors: dict[str, Any], see: Callable[..., Observation]
) -> None:
    vendors["/v9/projects/prj_api"] = Reply(404, {"error": {"code": "not_found", "message": "Project not found"}})
    assert see(vercel_env.token()).value["refusal"] == "scope"
    vendors["VariableNames"] = Reply(200, {"errors": [{"message": "Not Authorized"}], "data": None})
    assert see(railway_env.token()).value["refusal"] == "scope"
    vendors["/v1/apps/nexus-gateway"] = Reply(404, {"error": "app not found"})
    assert see(fly_env.token()).value["refusal"] == "scope"


def test_vercel_tells_until_when_its_token_holds(vendors: dict[str, Any], see: Callable[..., Observation]) -> None:
    assert see(vercel_env.token()).value["expires_at"] == to_iso(datetime.fromtimestamp(AT_MS / 1000, UTC))


def _macaroon(*caveats: tuple[int, Any]) -> str:
    """A Fly macaroon as its MessagePack form is: nonce, location, flat caveats, tail."""

    def pack(value: Any) -> bytes:
        if isinstance(value, bytes):
            return b"\xc4" + bytes([len(value)]) + value
        if isinstance(value, str):
            return bytes([0xA0 + len(value)]) + value.encode()
        if isinstance(value, int):
            return bytes([value]) if value < 128 else b"\xcf" + struct.pack(">Q", value)
        return bytes([0x90 + len(value)]) + b"".join(map(pack, value))

    flat = [item for caveat in caveats for item in caveat]
    return "fm2_" + base64.b64encode(pack([[b"kid", b"rand", 0], "https://api.fly.io/v1", flat, b"tail"])).decode()


def test_a_fly_token_says_itself_when_the_first_of_its_macaroons_ends() -> None:
    ends = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
    long = _macaroon((4, [0, ends + 1000]), (3, [[1, 2]]))
    assert expiry_of(f"FlyV1 {_macaroon((0, [1, 31]), (4, [0, ends]))},{long}") == "2027-01-01T00:00:00.000Z"
    assert expiry_of(_macaroon((0, [1, 31]))) is None


NO_MACAROONS = [
    "", "FlyV1 ", "fm2_", "fm2_!!!", "fo1_abc",
    *("fm2_" + base64.b64encode(body).decode() for body in (
        b"\x9f" * 200, b"\xdd\xff\xff\xff\xff", b"\x94\x90\xa0\x92\x04\xa1x\xc4", b"\xc7\x01\x01", b"\x91" * 5000,
    )),
]  # fmt: skip


@pytest.mark.parametrize("token", NO_MACAROONS)
def test_what_is_no_macaroon_has_no_expiry(token: str) -> None:
    assert expiry_of(token) is None


def facts(name: str, value: str, **variables: str) -> dict[str, Any]:
    return facts_of(Door(Settings.from_mapping(variables), Deadline(1), b"salt"), name, value)


@pytest.mark.parametrize(
    ("value", "kind", "flaws"),
    [
        (f"sk_live_51{LETTERS}", "stripe_secret", []), (f"rk_test_51{LETTERS}", "stripe_restricted", []),
        (f"pk_live_51{LETTERS}", "stripe_publishable", []), (f"whsec_{LETTERS}", "stripe_webhook_secret", []),
        (f"sb_publishable_{LETTERS}", "supabase_publishable", []), (f"sb_secret_{LETTERS}", "supabase_secret", []),
        (CANARY, "openai", []), (f"sk-ant-api03-{LETTERS}{LETTERS}", "anthropic", []), (OPAQUE, "opaque", []),
        (f"https://{REF}.supabase.co", "url", []), ("postgresql://u:p@h:5432/d", "database_url", []), ("ftp://x", "opaque", []),
        ("https://", "opaque", []), ("", "nothing", ["empty"]), ("  ", "nothing", ["empty"]), ('""', "nothing", ["empty"]),
        (f'"{CANARY}"', "openai", ["quoted"]), (f"{CANARY}\n", "openai", ["quoted"]), (" 'x y' ", "opaque", ["quoted"]),
        ("sk-your-openai-api-key-here-aaaaaaaaaaaaaaaaaaaa", "openai", ["placeholder"]), ("changeme", "opaque", ["placeholder"]),
        ("<your key>", "opaque", ["placeholder"]), ("sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "openai", ["placeholder"]),
        ("https://your-project.supabase.co", "url", ["placeholder"]), ("sk-ant-api03-abc", "anthropic", ["cut_off"]),
        ("a.b.c", "opaque", []), (f"gho_{LETTERS}", "github", []),
    ],
)  # fmt: skip
def test_a_value_is_known_by_its_kind_and_its_flaws(value: str, kind: str, flaws: list[str]) -> None:
    said = facts("ANY", value)
    assert (said["kind"], said["flaws"]) == (kind, flaws)


def test_a_legacy_supabase_key_tells_role_project_expiry_and_whether_the_secret_is_its_own() -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=9)
    claims = {"iss": "supabase", "ref": REF, "role": "service_role", "exp": int(ends.timestamp())}
    key = jwt.encode(claims, "the-project-s-own-secret-32-bytes!", algorithm="HS256")
    said = facts("SUPABASE_SERVICE_ROLE_KEY", key, RUNBOOK_SUPABASE_JWT_SECRET="the-project-s-own-secret-32-bytes!")
    assert (said["kind"], said["role"], said["ref"], said["expires_at"], said["verifies"]) == (
        "supabase_jwt", "service_role", REF, to_iso(ends), True,
    )  # fmt: skip
    assert facts("X", key, RUNBOOK_SUPABASE_JWT_SECRET="another-secret-of-at-least-32-bytes")["verifies"] is False
    assert facts("X", key)["verifies"] is None


def test_equal_values_have_one_print_whatever_surrounds_them() -> None:
    assert facts("A", CANARY)["print"] == facts("B", f' "{CANARY}" ')["print"] != facts("A", OPAQUE)["print"]


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
