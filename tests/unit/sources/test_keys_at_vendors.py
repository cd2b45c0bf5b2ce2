"""The looks that show a key to its vendor: a refusal told from not having been asked, no key ever leaving."""

import base64
import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from support.loopback import Loopback, Reply
from support.variable_vendors import AT_MS, BAD, CANARY, LETTERS, OPAQUE, REF

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look
from runbook_lib.sources.fly import env as fly_env
from runbook_lib.sources.fly.token import can_write, expiry_of
from runbook_lib.sources.providers import provider_keys
from runbook_lib.sources.railway import env as railway_env
from runbook_lib.sources.stripe import keys as stripe_keys
from runbook_lib.sources.supabase import keys as supabase_keys
from runbook_lib.sources.vercel import env as vercel_env

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


@pytest.mark.parametrize(
    ("token", "writes"),
    [
        (_macaroon((0, [1, 31]), (4, [0, 9])), True),
        (_macaroon((0, [1, 31]), (4, [0, 9]), (0, [1, 1])), False),  # fly tokens create readonly
        (_macaroon((0, [1, 31]), (13, [[], 1])), None),  # a caveat that is not read here
        (_macaroon((0, [1, 31]), (0, [1, 1])) + "," + _macaroon((4, [0, 9])), False),  # with the proof of a login
        (_macaroon((0, [1, 31]), (0, [1, 1])) + "," + _macaroon((0, [2, 31])), True),
        (_macaroon((0, [1])), None),
        (_macaroon((4, [0, 9])), None),
    ],
)
def test_a_fly_token_says_itself_whether_it_can_write(token: str, writes: bool | None) -> None:
    assert can_write(f"FlyV1 {token}") is writes


@pytest.mark.parametrize("token", NO_MACAROONS)
def test_of_what_is_no_macaroon_it_is_not_known_whether_it_can_write(token: str) -> None:
    assert can_write(token) is None
