"""Supabase's keys and tokens in the sandbox's world."""

import time
from typing import Any

import jwt
import pytest

from runbook_lib.sandbox.facades.supabase import keys as supabase_keys
from runbook_lib.sandbox.facades.supabase.keys import TokenError
from runbook_lib.sandbox.facades.supabase.state import SupabaseState
from runbook_lib.sandbox.world import World, make_world


@pytest.fixture
def world() -> World:
    return make_world(seed=3)


def _refused(world: World, token: str) -> tuple[str, str]:
    with pytest.raises(TokenError) as refused:
        supabase_keys.check_claims(world, supabase_keys.decode(world, token))
    return refused.value.kind, refused.value.message


def test_a_token_is_known_by_the_key_that_signed_it(world: World) -> None:
    claims = {"sub": "x", "role": "authenticated"}
    hs256, es256 = supabase_keys.signing_keys(world)
    for key in (hs256, es256):
        assert supabase_keys.decode(world, supabase_keys.sign(world, claims, key)) == claims
    es256.status = "revoked"
    assert _refused(world, supabase_keys.sign(world, claims, es256))[0] == "key"


def test_legacy_keys_without_a_key_id_verify_too(world: World) -> None:
    assert supabase_keys.decode(world, world.keys.supabase_anon)["role"] == "anon"


@pytest.mark.parametrize("token", ["", "abc", "a.b", "a.b.c", "!!.!!.!!"])
def test_what_is_no_token_is_refused(world: World, token: str) -> None:
    assert _refused(world, token)[0] in ("parts", "key")


def test_tokens_of_another_secret_algorithm_or_key_id_are_refused_alike(world: World) -> None:
    claims = {"sub": "x"}
    secret = world.keys.supabase_jwt_secret
    for token in (
        jwt.encode(claims, "y" * 40, algorithm="HS256"),
        jwt.encode(claims, secret * 2, algorithm="HS512"),  # shorter than 64 bytes no library signs without a warning
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, secret, algorithm="HS256", headers={"kid": "another"}),
    ):
        assert _refused(world, token) == ("key", "No suitable key or wrong key type")


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": -60}, "JWT expired"),
        ({"nbf": 60}, "JWT not yet valid"),
        ({"iat": 60}, "JWT issued at future"),
        ({"exp": "soon"}, "The JWT 'exp' claim must be a number"),
    ],
)
def test_claims_are_checked_with_thirty_seconds_of_skew(world: World, claims: dict[str, Any], message: str) -> None:
    now = int(time.time())
    told = {k: now + v if isinstance(v, int) else v for k, v in claims.items()}
    assert _refused(world, supabase_keys.sign(world, told)) == ("claims", message)
    near = {k: now + v // 6 for k, v in claims.items() if isinstance(v, int)}
    supabase_keys.check_claims(world, supabase_keys.decode(world, supabase_keys.sign(world, near)))


def test_the_same_world_has_the_same_keys_and_publishes_no_secret(world: World) -> None:
    again = make_world(seed=3)
    assert supabase_keys.jwks(world) == supabase_keys.jwks(again)
    assert [set(key) & {"d", "k"} for key in supabase_keys.jwks(world)["keys"]] == [set()]


def test_an_api_key_is_known_until_it_is_revoked_or_legacy_keys_are_off(world: World) -> None:
    state, keys = world.state(SupabaseState), world.keys
    assert supabase_keys.api_key(world, "sb_secret_other") is None
    state.legacy_keys_enabled = False
    assert supabase_keys.api_key(world, keys.supabase_anon) is None
    assert supabase_keys.api_key(world, keys.supabase_publishable) is not None
    state.revoked_keys.add(keys.supabase_publishable)
    assert supabase_keys.api_key(world, keys.supabase_publishable) is None
