"""The project's host as a client meets it before PostgREST or Auth see anything: keys, request ids, a paused project."""

from collections.abc import Callable

import httpx
import pytest

from runbook_lib.sandbox.facades.supabase.gateway import create_project_app
from runbook_lib.sandbox.facades.supabase.state import SupabaseState
from runbook_lib.sandbox.world import World

PATH = "/rest/v1/whoami"


@pytest.fixture
def host(supabase_world: World, in_process: Callable[..., httpx.Client]) -> httpx.Client:
    import psycopg

    assert supabase_world.database is not None
    with psycopg.connect(supabase_world.database, autocommit=True) as connection:
        connection.execute("set role postgres")
        connection.execute("create view public.whoami as select current_user::text as role")
    return in_process(create_project_app(supabase_world))


def _role(host: httpx.Client, **headers: str) -> tuple[int, object]:
    answer = host.get(PATH, headers={k.replace("_", "-"): v for k, v in headers.items()})
    body = answer.json()
    return answer.status_code, body[0]["role"] if isinstance(body, list) else body.get("code") or body["message"]


def test_without_a_key_or_with_a_wrong_one_the_gateway_refuses(host: httpx.Client, supabase_world: World) -> None:
    assert _role(host) == (401, "No API key found in request")
    assert _role(host, apikey="nonsense") == (401, "Invalid API key")
    assert host.get(f"{PATH}?apikey={supabase_world.keys.supabase_anon}").json() == [{"role": "anon"}]


def test_every_kind_of_key_stands_for_its_role(host: httpx.Client, supabase_world: World) -> None:
    keys = supabase_world.keys
    for key, role in (
        (keys.supabase_anon, "anon"),
        (keys.supabase_service_role, "service_role"),
        (keys.supabase_publishable, "anon"),
        (keys.supabase_secret, "service_role"),
    ):
        assert _role(host, apikey=key, Authorization=f"Bearer {key}") == (200, role)
    for key, role in ((keys.supabase_publishable, "anon"), (keys.supabase_secret, "service_role")):
        assert _role(host, apikey=key) == (200, role)


def test_a_new_key_as_bearer_is_tolerated_only_when_it_is_the_apikey(host: httpx.Client, supabase_world: World) -> None:
    keys = supabase_world.keys
    assert _role(host, apikey=keys.supabase_publishable, Authorization=f"Bearer {keys.supabase_secret}") == (
        401,
        "PGRST301",
    )


def test_a_users_token_beside_the_service_key_decides(host: httpx.Client, supabase_world: World) -> None:
    from runbook_lib.sandbox.facades.supabase import keys as supabase_keys

    now = int(supabase_world.now().timestamp())
    token = supabase_keys.sign(supabase_world, {"role": "authenticated", "sub": "x", "iat": now, "exp": now + 60})
    assert _role(host, apikey=supabase_world.keys.supabase_service_role, Authorization=f"Bearer {token}") == (
        200,
        "authenticated",
    )


def test_a_secret_key_is_refused_from_a_browser(host: httpx.Client, supabase_world: World) -> None:
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0"}
    assert _role(host, apikey=supabase_world.keys.supabase_secret, **browser)[0] == 401
    assert _role(host, apikey=supabase_world.keys.supabase_publishable, **browser)[0] == 200


def test_legacy_keys_can_be_turned_off(host: httpx.Client, supabase_world: World) -> None:
    supabase_world.state(SupabaseState).legacy_keys_enabled = False
    assert _role(host, apikey=supabase_world.keys.supabase_anon) == (401, "Legacy API keys are disabled")
    assert _role(host, apikey=supabase_world.keys.supabase_publishable) == (200, "anon")


def test_a_revoked_key_is_invalid(host: httpx.Client, supabase_world: World) -> None:
    supabase_world.state(SupabaseState).revoked_keys.add(supabase_world.keys.supabase_secret)
    assert _role(host, apikey=supabase_world.keys.supabase_secret) == (401, "Invalid API key")


def test_every_answer_has_a_request_id_that_the_log_knows(host: httpx.Client, supabase_world: World) -> None:
    answer = host.get("/rest/v1/profiles")
    assert answer.headers["sb-request-id"] == supabase_world.logs[-1].request_id


def test_a_paused_project_answers_540(host: httpx.Client, supabase_world: World) -> None:
    supabase_world.state(SupabaseState).project_status = "INACTIVE"
    assert host.get("/rest/v1/profiles", headers={"apikey": supabase_world.keys.supabase_anon}).status_code == 540


def test_the_public_keys_need_no_key(host: httpx.Client) -> None:
    assert host.get("/auth/v1/.well-known/jwks.json").status_code == 200
