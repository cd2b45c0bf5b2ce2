"""The sandbox's Supabase Auth, driven by supabase-py and held against the vendor's own specification of it."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from jsonschema import Draft202012Validator
from jwt import PyJWK
from supabase import ClientOptions, create_client
from supabase_auth.errors import AuthApiError

from runbook_lib.sandbox.facades.supabase import keys as supabase_keys
from runbook_lib.sandbox.facades.supabase.gateway import create_project_app
from runbook_lib.sandbox.facades.supabase.state import SupabaseState
from runbook_lib.sandbox.world import World

SPEC = "supabase/auth-openapi-subset.json"
CLAIMS = json.loads((Path(__file__).parent.parent / "specs" / "supabase" / "jwt-claims.schema.json").read_text())
MAIL, PASSWORD = "ann@acme.test", "correct-horse"


@pytest.fixture
def host(supabase_world: World, in_process: Callable[..., httpx.Client]) -> httpx.Client:
    """The project's host, asked with the anon key."""
    return in_process(create_project_app(supabase_world), headers={"apikey": supabase_world.keys.supabase_anon})


@pytest.fixture
def client(host: httpx.Client, supabase_world: World) -> Callable[[str], Any]:
    """`client(key)`: a supabase-py client with this key."""
    return lambda key: create_client("http://127.0.0.1", key, ClientOptions(httpx_client=host))


@pytest.fixture
def admin(client: Callable[[str], Any], supabase_world: World) -> Any:
    return client(supabase_world.keys.supabase_service_role)


@pytest.fixture
def ann(admin: Any) -> Any:
    """A confirmed user with a password."""
    return admin.auth.admin.create_user({"email": MAIL, "password": PASSWORD, "email_confirm": True}).user


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def _sign_in(host: httpx.Client) -> httpx.Response:
    return host.post("/auth/v1/token?grant_type=password", json={"email": MAIL, "password": PASSWORD})


def test_signing_in_gives_a_token_with_the_claims_that_supabase_documents(
    client: Any, ann: Any, supabase_world: World
) -> None:
    session = (
        client(supabase_world.keys.supabase_anon)
        .auth.sign_in_with_password({"email": MAIL, "password": PASSWORD})
        .session
    )
    claims = _claims(session.access_token)
    Draft202012Validator(CLAIMS).validate(claims)
    assert claims["sub"] == ann.id
    assert (claims["role"], claims["aud"], claims["aal"]) == ("authenticated", "authenticated", "aal1")
    assert claims["iss"] == f"https://{supabase_world.ids.supabase_ref}.supabase.co/auth/v1"
    assert claims["exp"] - claims["iat"] == 3600


def test_the_answers_are_what_the_specification_promises(host: httpx.Client, ann: Any, promised: Any) -> None:
    answer = _sign_in(host)
    promised(SPEC, "post", "/token", answer)
    token = answer.json()["access_token"]
    promised(SPEC, "get", "/user", host.get("/auth/v1/user", headers={"Authorization": f"Bearer {token}"}))
    promised(SPEC, "get", "/health", host.get("/auth/v1/health"))
    promised(SPEC, "get", "/settings", host.get("/auth/v1/settings"))


def test_the_admins_answers_are_what_the_specification_promises(
    host: httpx.Client, ann: Any, supabase_world: World, promised: Any
) -> None:
    headers = {"Authorization": f"Bearer {supabase_world.keys.supabase_service_role}"}
    listed = host.get("/auth/v1/admin/users?page=&per_page=", headers=headers)
    promised(SPEC, "get", "/admin/users", listed)
    assert [user["email"] for user in listed.json()["users"]] == [MAIL]
    promised(SPEC, "get", "/admin/users/{userId}", host.get(f"/auth/v1/admin/users/{ann.id}", headers=headers))


def test_the_user_of_a_token_can_read_rows_that_their_policy_allows(
    client: Any, ann: Any, supabase_world: World
) -> None:
    mine = client(supabase_world.keys.supabase_anon)
    mine.auth.sign_in_with_password({"email": MAIL, "password": PASSWORD})
    mine.table("profiles").insert({"id": ann.id, "email": MAIL}).execute()
    assert [row["email"] for row in mine.table("profiles").select("*").execute().data] == [MAIL]
    assert client(supabase_world.keys.supabase_anon).table("profiles").select("*").execute().data == []


def test_a_refresh_token_works_once_and_its_session_ends_when_it_is_used_again(host: httpx.Client, ann: Any) -> None:
    first = _sign_in(host).json()["refresh_token"]
    path = "/auth/v1/token?grant_type=refresh_token"
    renewed = host.post(path, json={"refresh_token": first})
    assert renewed.status_code == 200
    again = host.post(path, json={"refresh_token": first})
    assert (again.status_code, again.json()["error_code"]) == (400, "refresh_token_already_used")
    then = host.post(path, json={"refresh_token": renewed.json()["refresh_token"]})
    assert then.json()["error_code"] == "refresh_token_not_found"


def test_after_signing_out_the_token_still_verifies_and_its_session_is_gone(
    client: Any, ann: Any, supabase_world: World
) -> None:
    mine = client(supabase_world.keys.supabase_anon)
    token = mine.auth.sign_in_with_password({"email": MAIL, "password": PASSWORD}).session.access_token
    mine.auth.sign_out()
    with pytest.raises(AuthApiError) as refused:
        client(supabase_world.keys.supabase_anon).auth.get_user(token)
    assert (refused.value.status, refused.value.code) == (403, "session_not_found")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"sub": "00000000-0000-4000-8000-00000000dead"}, 403, "user_not_found"),
        ({"sub": None}, 403, "bad_jwt"),
        ({"sub": "somebody"}, 400, "bad_jwt"),
        ({"exp": 1}, 403, "bad_jwt"),
        ({"session_id": "00000000-0000-4000-8000-00000000beef"}, 403, "session_not_found"),
    ],
)
def test_a_token_that_does_not_fit_is_refused_by_name(
    host: httpx.Client, ann: Any, supabase_world: World, change: dict[str, Any], status: int, code: str
) -> None:
    claims = {k: v for k, v in {**_claims(_sign_in(host).json()["access_token"]), **change}.items() if v is not None}
    token = supabase_keys.sign(supabase_world, claims)
    answer = host.get("/auth/v1/user", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["error_code"], answer.json()["code"]) == (status, code, status)
    assert answer.headers["x-sb-error-code"] == code
    newer = {"Authorization": f"Bearer {token}", "X-Supabase-Api-Version": "2024-01-01"}
    assert host.get("/auth/v1/user", headers=newer).json()["code"] == code


def test_wrong_credentials_unknown_users_and_missing_tokens_are_told_apart(
    host: httpx.Client, ann: Any, supabase_world: World
) -> None:
    wrong = host.post("/auth/v1/token?grant_type=password", json={"email": MAIL, "password": "no"})
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, "invalid_credentials")
    assert (host.get("/auth/v1/user").status_code, host.get("/auth/v1/user").json()["error_code"]) == (
        401,
        "no_authorization",
    )
    user = {"Authorization": f"Bearer {supabase_world.keys.supabase_anon}"}
    assert host.get("/auth/v1/admin/users", headers=user).json()["error_code"] == "not_admin"
    service = {"Authorization": f"Bearer {supabase_world.keys.supabase_service_role}"}
    missing = host.get("/auth/v1/admin/users/00000000-0000-4000-8000-00000000dead", headers=service)
    assert (missing.status_code, missing.json()["error_code"]) == (404, "user_not_found")


def test_signing_up_signs_in_only_when_addresses_need_no_confirmation(client: Any, supabase_world: World) -> None:
    first = client(supabase_world.keys.supabase_anon).auth.sign_up({"email": "new@acme.test", "password": PASSWORD})
    assert first.session is not None
    supabase_world.state(SupabaseState).auth.autoconfirm = False
    second = client(supabase_world.keys.supabase_anon).auth.sign_up({"email": "later@acme.test", "password": PASSWORD})
    assert second.session is None
    with pytest.raises(AuthApiError) as refused:
        client(supabase_world.keys.supabase_anon).auth.sign_in_with_password(
            {"email": "later@acme.test", "password": PASSWORD}
        )
    assert refused.value.code == "email_not_confirmed"
    with pytest.raises(AuthApiError) as taken:
        client(supabase_world.keys.supabase_anon).auth.sign_up({"email": "new@acme.test", "password": PASSWORD})
    assert taken.value.code == "user_already_exists"


def test_the_admin_changes_and_deletes_users(admin: Any, ann: Any) -> None:
    changed = admin.auth.admin.update_user_by_id(
        ann.id, {"app_metadata": {"org": "acme"}, "user_metadata": {"theme": "dark"}}
    ).user
    assert changed.app_metadata == {"provider": "email", "providers": ["email"], "org": "acme"}
    assert admin.auth.admin.get_user_by_id(ann.id).user.user_metadata == {"theme": "dark"}
    admin.auth.admin.delete_user(ann.id)
    assert admin.auth.admin.list_users() == []


def test_a_rotated_signing_key_signs_new_tokens_and_its_public_half_verifies_them(
    host: httpx.Client, ann: Any, supabase_world: World
) -> None:
    old = _sign_in(host).json()["access_token"]
    for key in supabase_keys.signing_keys(supabase_world):
        key.status = {"in_use": "previously_used", "standby": "in_use"}.get(key.status, key.status)
    new = _sign_in(host).json()["access_token"]
    published = {key["kid"]: key for key in host.get("/auth/v1/.well-known/jwks.json").json()["keys"]}
    header = jwt.get_unverified_header(new)
    assert header["alg"] == "ES256"
    jwt.decode(new, PyJWK(published[header["kid"]]), algorithms=["ES256"], audience="authenticated")
    for token in (old, new):
        assert host.get("/auth/v1/user", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert host.get("/rest/v1/profiles", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    legacy = next(key for key in supabase_keys.signing_keys(supabase_world) if key.algorithm == "HS256")
    legacy.status = "revoked"
    refused = host.get("/rest/v1/profiles", headers={"Authorization": f"Bearer {old}"})
    assert (refused.status_code, refused.json()["code"]) == (401, "PGRST301")


def test_tokens_end_with_their_lifetime(
    host: httpx.Client, ann: Any, supabase_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = _sign_in(host).json()["access_token"]
    later = supabase_world.now() + timedelta(hours=2)
    monkeypatch.setattr(type(supabase_world), "now", lambda _: later)
    answer = host.get("/rest/v1/profiles", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (401, "PGRST303", "JWT expired")
