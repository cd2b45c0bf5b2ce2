"""03 on the token: PostgREST's word outweighs every check of ours; what it takes explains no denial, whoever else refuses it."""

from collections.abc import Callable

import pytest
from support.rls_evidence import BOB, World, codes

from runbook_lib.core.model import Conclusion, Status
from runbook_lib.procedures.supabase_rls.rules import one_user

NO_KEY = "No suitable key or wrong key type"
BAD = {"legacy_secret": "invalid", "secret_is_projects": True}


def verdict(world: World) -> Conclusion:
    return one_user(world.evidence())


def refused(code: str, message: str, **token: object) -> World:
    return World().with_token(**token).refused_by_rest(code, message)


BROKEN: dict[str, Callable[[], World]] = {
    "rls.no_session": lambda: World().with_token(kind="anon", role="anon", sub=None),
    "rls.jwt_expired": lambda: refused("PGRST303", "JWT expired", expired=True),
    "rls.jwt_invalid.form": lambda: refused(
        "PGRST301", "Expected 3 parts in JWT; got 1", kind="other", role=None, sub=None
    ),
    "rls.jwt_invalid.signature": lambda: refused("PGRST301", NO_KEY, signature=BAD),
    "rls.jwt_invalid.key": lambda: refused("PGRST301", NO_KEY, signature={"jwks": "unknown_key"}),
    "rls.jwt_invalid.project": lambda: refused("PGRST301", NO_KEY, project_ok=False, signature=BAD),
    "rls.jwt_invalid.audience": lambda: refused("PGRST303", "JWT not in audience", aud_ok=False),
    "rls.jwt_invalid.not_yet": lambda: refused("PGRST303", "JWT not yet valid", not_yet=True),
    "rls.jwt_no_subject": lambda: World().with_token(sub=None),
    "rls.wrong_role": lambda: World().with_token(role="anon"),
    "rls.wrong_user": lambda: World().with_token(sub=BOB, user=True),
    "rls.service_role_overridden": lambda: World().with_token(apikey_role="service_role"),
}


@pytest.mark.parametrize("code", BROKEN)
def test_broken_it_is_confirmed(code: str) -> None:
    conclusion = verdict(BROKEN[code]())
    assert codes(conclusion) == [code]
    assert conclusion.causes[0].remedy


def test_clean_and_repaired_it_is_ruled_out() -> None:
    conclusion = verdict(World().with_token())
    assert (conclusion.status, conclusion.also) == ("ruled_out", ())


def test_a_key_of_the_newer_kind_in_its_place_is_no_session_either() -> None:
    assert codes(verdict(World().with_token(kind="publishable", role="anon", sub=None))) == ["rls.no_session"]
    assert codes(verdict(World().with_token(kind="secret", role="service_role", sub=None))) == ["rls.wrong_role"]


@pytest.mark.parametrize(
    ("token", "beside"),
    [
        ({"signature": BAD}, "rls.jwt_invalid.signature"),
        ({"signature": {"jwks": "unknown_key"}}, "rls.jwt_invalid.key"),
        ({"project_ok": False}, "rls.jwt_invalid.project"),
        ({"aud_ok": False}, "rls.jwt_invalid.audience"),
    ],
)
def test_a_token_that_postgrest_takes_explains_no_denial_and_the_verifier_that_differs_is_named(
    token: dict[str, object], beside: str
) -> None:
    conclusion = verdict(World().with_token(**token))
    assert conclusion.status == "ruled_out"
    assert [each.code for each in conclusion.also] == [beside]
    assert "PostgREST takes it" in conclusion.also[0].summary


def test_a_token_that_has_run_out_by_our_clock_alone_is_in_force() -> None:
    assert verdict(World().with_token(expired=True)).status == "ruled_out"


def test_a_token_that_has_run_out_by_postgrests_clock_alone_says_so() -> None:
    conclusion = verdict(refused("PGRST303", "JWT expired"))
    assert codes(conclusion) == ["rls.jwt_expired"]
    assert "one of the clocks is wrong" in conclusion.causes[0].summary


class TestWithoutPostgrest:
    """Nobody but us has judged it."""

    def see(self, **token: object) -> Conclusion:
        return verdict(World().with_token(**token).without(rest=Status.unreachable))

    def test_our_clock_is_the_best_there_is(self) -> None:
        assert codes(self.see(expired=True)) == ["rls.jwt_expired"]

    def test_the_projects_own_secret_and_its_list_of_keys_are_enough(self) -> None:
        assert codes(self.see(signature=BAD)) == ["rls.jwt_invalid.signature"]
        assert codes(self.see(signature={"jwks": "unknown_key"})) == ["rls.jwt_invalid.key"]

    def test_a_secret_that_does_not_open_the_projects_own_key_settles_nothing(self) -> None:
        conclusion = self.see(signature={"legacy_secret": "invalid", "secret_is_projects": False})
        assert (conclusion.status, conclusion.suspects[0].code) == ("could_not_tell", "rls.jwt_invalid.signature")
        assert "PostgREST" in conclusion.suspects[0].deciding_look

    def test_an_audience_that_perhaps_nobody_checks_settles_nothing(self) -> None:
        conclusion = self.see(aud_ok=False)
        assert (conclusion.status, conclusion.suspects[0].code) == ("could_not_tell", "rls.jwt_invalid.audience")

    def test_a_good_token_is_still_not_ruled_out(self) -> None:
        assert self.see().status == "could_not_tell"


class TestTogether:
    def test_an_expired_token_does_not_hide_the_missing_membership(self) -> None:
        world = refused("PGRST303", "JWT expired", expired=True)
        assert world.person is not None
        world.person["memberships"] = []
        world.deny({**world.seen["policies"][0], "result": False, "now": False,
                    "terms": [{"term": "private.is_member(org_id)", "result": False, "open": False}]})  # fmt: skip
        assert codes(verdict(world)) == ["rls.jwt_expired", "rls.no_membership"]

    def test_what_denies_the_user_who_was_never_meant_stands_beside(self) -> None:
        world = World().with_token(apikey_role="service_role")
        world.seen["statement"] = {"sqlstate": "42501", "message": "permission denied for schema public"}
        conclusion = verdict(world)
        assert codes(conclusion) == ["rls.service_role_overridden"]
        assert "rls.grant_missing.schema" in [each.code for each in conclusion.also]

    def test_nothing_is_said_of_a_user_whom_nobody_named(self) -> None:
        world = World().with_token(kind="anon", role="anon", sub=None)
        world.person = None
        assert codes(verdict(world)) == ["rls.no_session"]
