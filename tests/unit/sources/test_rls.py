"""03's looks over HTTP, against a server that answers well, badly, slowly or not at all; and a token, judged without being told."""

import base64
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from support.loopback import Loopback, Reply

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.postgres.rls_terms import terms_of
from runbook_lib.sources.supabase import rls as supabase_rls

NOW = datetime.now(UTC)
PAST = Window(NOW - timedelta(hours=1), NOW)
ADA, ACME = "11111111-1111-4111-8111-111111111111", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
CATALOGUE = {
    "version": 170004,
    "tables": [
        {"name": "memberships", "kind": "r", "rls": True, "forced": False, "owner": "postgres", "options": "", "grants": {},
         "column_grants": {}, "columns": ["org_id"]}
    ],
    "policies": [],
    "functions": [],
    "roles": [],
}  # fmt: skip
PERSON = {"id": ADA, "deleted": False, "profile": True, "memberships": [{"org": ACME, "role": "admin"}], "invited": []}
COLUMNS = [{"name": "id", "key": True, "type": "uuid"}, {"name": "org_id", "key": False, "type": "uuid"}]
REFUSAL = {
    "timestamp": int(NOW.timestamp() * 1e6), "event_message": "GET | 500 | /rest/v1/memberships | node",
    "metadata": [{"request": [{"path": "/rest/v1/memberships"}], "response": [{"status_code": 500}]}],
}  # fmt: skip
MANAGEMENT: dict[str, tuple[Callable[[], Look], Any]] = {
    "policies": (supabase_rls.policies, [{"catalogue": CATALOGUE}]),
    "user": (lambda: supabase_rls.user("ada@acme.example"), [PERSON]),
    "organization": (lambda: supabase_rls.organization(ACME), [{"id": ACME, "name": "Acme", "is_hidden": False}]),
    "rows": (lambda: supabase_rls.rows("memberships", ACME, ""), COLUMNS),
    "refusals": (lambda: supabase_rls.refusals("memberships", PAST), {"result": [REFUSAL]}),
}
REST: dict[str, tuple[Callable[[], Look], Any]] = {
    "rest_as_user": (lambda: supabase_rls.rest_as_user("memberships", ACME), [{"org_id": ACME}]),
    "rest_past_rls": (lambda: supabase_rls.rest_past_rls("memberships", ACME), [{"org_id": ACME}]),
    "rest_offers": (lambda: supabase_rls.rest_offers(["memberships"]), [{"org_id": ACME}]),
    "rest_organization": (lambda: supabase_rls.rest_organization(ACME), [{"id": ACME, "name": "Acme"}]),
    "rest_user": (lambda: supabase_rls.rest_user(ADA), []),
}
LOOKS = {**MANAGEMENT, **REST}
MakeLook = Callable[..., Observation]


def answer(name: str) -> Callable[[Any], Reply]:
    body = LOOKS[name][1]
    user = {"id": ADA, "email": "ada@acme.example"}
    return lambda asked: Reply(200, user if "/auth/v1/admin" in asked.path else body)


@pytest.mark.parametrize("name", LOOKS)
class TestEveryLook:
    def test_a_source_in_good_health_is_ok(self, name: str, loopback: Loopback, make_look: MakeLook) -> None:
        loopback.answer = answer(name)
        assert make_look(LOOKS[name][0]()).status == Status.ok

    def test_without_settings_it_says_what_to_set(self, name: str) -> None:
        seen = Observer(active=True, now=NOW, settings=Settings.empty()).together(LOOKS[name][0]())[0]
        assert seen.status == Status.not_configured
        assert "SUPABASE_" in seen.help

    @pytest.mark.parametrize("status_code", [401, 403])
    def test_a_refused_key_is_denied(
        self, name: str, status_code: int, loopback: Loopback, make_look: MakeLook
    ) -> None:
        loopback.answer = lambda _: Reply(status_code, {"message": "Invalid API key"})
        assert make_look(LOOKS[name][0]()).status == Status.denied

    def test_too_many_requests_is_rate_limited(self, name: str, loopback: Loopback, make_look: MakeLook) -> None:
        loopback.answer = lambda _: Reply(429, {"message": "slow down"}, {"Retry-After": "600"})
        assert make_look(LOOKS[name][0]()).status == Status.rate_limited

    def test_where_nothing_listens_it_is_unreachable(self, name: str, closed_port: str, settings_at: Any) -> None:
        seen = Observer(active=True, now=NOW, settings=settings_at(closed_port)).together(LOOKS[name][0]())[0]
        assert seen.status == Status.unreachable

    def test_an_answer_that_never_ends_is_timed_out(self, name: str, loopback: Loopback, make_look: MakeLook) -> None:
        loopback.answer = lambda _: Reply(200, "[", how="silent")
        assert make_look(LOOKS[name][0](), deadline_s=0.2).status == Status.timed_out

    @pytest.mark.parametrize("body", ["<!doctype html><title>Sign in</title>", '[{"id": ', "5", '"text"', "[[]]", "{}"])
    def test_another_answer_is_malformed(self, name: str, body: str, loopback: Loopback, make_look: MakeLook) -> None:
        loopback.answer = lambda _: Reply(200, body)
        assert make_look(LOOKS[name][0]()).status == Status.malformed


@pytest.mark.parametrize(
    "rows", [[{"a": 1}], [{"catalogue": {"tables": 5}}], [{"catalogue": {**CATALOGUE, "policies": [{}]}}]]
)
def test_rows_of_another_shape_are_malformed(rows: Any, loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(201, rows)
    assert make_look(supabase_rls.policies()).status == Status.malformed
    assert make_look(supabase_rls.user("ada")).status == Status.malformed


def test_a_statement_that_the_management_api_refuses_says_why(loopback: Loopback, make_look: MakeLook) -> None:
    words = "Failed to run sql query: ERROR:  42501: permission denied for schema auth\n"
    loopback.answer = lambda _: Reply(400, {"message": words})
    seen = make_look(supabase_rls.user("ada"))
    assert (seen.status, "permission denied for schema auth" in seen.why) == (Status.denied, True)


class TestRest:
    @pytest.mark.parametrize(
        ("status_code", "code"),
        [
            (500, "42P17"),
            (403, "42501"),
            (401, "42501"),
            (401, "PGRST301"),
            (401, "PGRST303"),
            (404, "PGRST205"),
            (406, "PGRST106"),
        ],
    )
    def test_a_refusal_of_postgrests_own_is_an_answer(
        self, status_code: int, code: str, loopback: Loopback, make_look: MakeLook
    ) -> None:
        loopback.answer = lambda _: Reply(status_code, {"code": code, "message": "no", "details": None, "hint": None})
        seen = make_look(supabase_rls.rest_as_user("memberships", ACME))
        assert seen.status == Status.ok
        assert (seen.value["code"], seen.value["status_code"], seen.value["count"]) == (code, status_code, None)

    @pytest.mark.parametrize(
        ("status_code", "code", "status"),
        [(503, "PGRST000", "unreachable"), (503, "PGRST002", "unreachable"), (504, "PGRST003", "unreachable"),
         (500, "57014", "timed_out"), (503, "53300", "unreachable"), (503, "08006", "unreachable")],
    )  # fmt: skip
    def test_a_failure_of_what_lies_behind_it_is_no_refusal(
        self, status_code: int, code: str, status: str, loopback: Loopback, make_look: MakeLook
    ) -> None:
        loopback.answer = lambda _: Reply(status_code, {"code": code, "message": "no", "details": None, "hint": None})
        assert make_look(supabase_rls.rest_as_user("memberships", ACME)).status == status

    def test_a_table_that_is_not_offered_stands_beside_those_that_are(
        self, loopback: Loopback, make_look: MakeLook
    ) -> None:
        refusal = {"code": "PGRST205", "message": "not in the schema cache", "details": None, "hint": None}
        loopback.answer = lambda asked: (
            Reply(404, refusal) if asked.path.endswith("/an%20odd%20name") else Reply(200, [{"x": 1}])
        )
        seen = make_look(supabase_rls.rest_offers(["memberships", "an odd name"]))
        assert [(row["table"], row["code"]) for row in seen.value] == [("memberships", ""), ("an odd name", "PGRST205")]

    def test_where_the_table_has_no_such_column_the_whole_table_is_read(
        self, loopback: Loopback, make_look: MakeLook
    ) -> None:
        refusal = {"code": "42703", "message": "column does not exist", "details": None, "hint": None}
        loopback.answer = lambda asked: (
            Reply(400, refusal) if "org_id" in str(asked.query) else Reply(200, [{"x": 1}, {"x": 2}])
        )
        assert make_look(supabase_rls.rest_past_rls("plans", ACME)).value["count"] == 2

    def test_the_users_token_and_the_key_beside_it_are_what_is_sent(
        self, loopback: Loopback, make_look: MakeLook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user, key = jwt.encode({"sub": ADA}, "x" * 40), "sb_secret_of_the_service_01234"
        monkeypatch.setenv("A_TOKEN", f"Bearer {user}")
        monkeypatch.setenv("A_KEY", key)
        loopback.answer = lambda _: Reply(200, [])
        seen = make_look(supabase_rls.rest_as_user("memberships", ACME, "", "env:A_TOKEN", "env:A_KEY"))
        sent = {name.lower(): value for name, value in loopback.asked[-1].headers.items()}
        assert (sent["authorization"], sent["apikey"]) == (f"Bearer {user}", key)
        assert seen.value["as"] == "user"
        assert user not in json.dumps(seen.as_dict())

    def test_an_unknown_user_is_not_found_and_an_address_without_a_profile_proves_nothing(
        self, loopback: Loopback, make_look: MakeLook
    ) -> None:
        loopback.answer = lambda asked: Reply(404, {"code": 404}) if "/auth/v1" in asked.path else Reply(200, [])
        assert make_look(supabase_rls.rest_user(ADA)).status == Status.not_found
        assert make_look(supabase_rls.rest_user("eve@x.example")).status == Status.partial


class TestOrganizationOverRest:
    @pytest.mark.parametrize(("org", "asked"), [(ACME.upper(), ("id", ACME)), ("Acme, Inc", ("name", "Acme, Inc"))])
    def test_it_is_asked_for_by_id_or_by_name(
        self, org: str, asked: tuple[str, str], loopback: Loopback, make_look: MakeLook
    ) -> None:
        loopback.answer = lambda _: Reply(200, [{"id": ACME, "name": "Acme"}])
        assert make_look(supabase_rls.rest_organization(org)).value == {"id": ACME, "name": "Acme"}
        assert loopback.asked[-1].query[asked[0]] == [f"eq.{asked[1]}"]

    def test_an_empty_list_for_the_anon_key_says_nothing(self, loopback: Loopback, make_look: MakeLook) -> None:
        loopback.answer = lambda _: Reply(200, [])
        assert make_look(supabase_rls.rest_organization(ACME), SUPABASE_SERVICE_ROLE_KEY=ANON).status == Status.denied

    def test_none_is_not_found_and_several_are_no_answer(self, loopback: Loopback, make_look: MakeLook) -> None:
        loopback.answer = lambda _: Reply(200, [])
        assert make_look(supabase_rls.rest_organization("Foo Inc")).status == Status.not_found
        loopback.answer = lambda _: Reply(200, [{"id": ACME, "name": "Acme"}, {"id": ADA, "name": "Acme"}])
        assert make_look(supabase_rls.rest_organization("Acme")).status == Status.partial


def test_the_runbooks_own_requests_are_no_refusals_of_the_users(loopback: Loopback, make_look: MakeLook) -> None:
    ours = {**REFUSAL, "event_message": f"{REFUSAL['event_message']} nexuscore-runbook"}
    other = {
        **REFUSAL,
        "metadata": [{"request": [{"path": "/rest/v1/memberships_old"}], "response": [{"status_code": 500}]}],
    }
    loopback.answer = lambda _: Reply(200, {"result": [REFUSAL, ours, other]})
    assert len(make_look(supabase_rls.refusals("memberships", PAST)).value) == 1


SECRET = "the-projects-own-jwt-secret-0123456789"
REF = "abcdefghijklmnopqrst"
ANON = jwt.encode({"iss": "supabase", "ref": REF, "role": "anon", "exp": 2_000_000_000}, SECRET)
CLAIMS: dict[str, Any] = {
    "iss": f"https://{REF}.supabase.co/auth/v1", "aud": "authenticated", "sub": ADA, "role": "authenticated",
    "email": "ada@acme.example",
}  # fmt: skip


class TestToken:
    @pytest.fixture
    def judge(self, loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
        def run(text: str, **settings: str) -> dict[str, Any]:
            monkeypatch.setenv("A_TOKEN", text)
            given = {
                "SUPABASE_URL": loopback.url, "SUPABASE_ANON_KEY": ANON, "RUNBOOK_SUPABASE_JWT_SECRET": SECRET,
                "RUNBOOK_SUPABASE_PROJECT_REF": REF, **settings,
            }  # fmt: skip
            observer = Observer(active=True, now=NOW, settings=Settings.from_mapping(given))
            seen = observer.together(supabase_rls.token("env:A_TOKEN"))[0]
            assert seen.status == Status.ok, seen.why
            written = json.dumps(seen.as_dict())
            assert text not in written
            assert not [part for part in text.split(".") if len(part) > 12 and part in written]
            return dict(seen.value)

        return run

    def made(self, secret: str = SECRET, **changes: Any) -> str:
        now = int(time.time())
        claims = {**CLAIMS, "iat": now - 60, "exp": now + 3600, **changes}
        return jwt.encode({name: value for name, value in claims.items() if value is not None}, secret)

    def test_a_good_one(self, judge: Any) -> None:
        said = judge(self.made())
        assert (said["kind"], said["role"], said["sub"], said["expired"]) == ("user", "authenticated", ADA, False)
        assert (said["aud_ok"], said["iss_ok"], said["project_ok"]) == (True, True, True)
        assert said["signature"] == {"legacy_secret": "valid", "secret_is_projects": True}

    def test_its_age_is_judged_with_half_a_minute_of_grace(self, judge: Any) -> None:
        now = int(time.time())
        assert judge(self.made(exp=now - 10))["expired"] is False
        assert judge(self.made(exp=now - 60))["expired"] is True
        assert judge(self.made(nbf=now + 60))["not_yet"] is True
        assert judge(self.made(exp="soon"))["expired"] is False

    def test_another_secret_another_project_another_audience(self, judge: Any) -> None:
        assert judge(self.made("x" * 40))["signature"]["legacy_secret"] == "invalid"
        assert judge(self.made(iss="https://zyxwvutsrqponmlkjihg.supabase.co/auth/v1"))["project_ok"] is False
        assert judge(self.made(iss="https://auth.nexuscore.example/auth/v1"))["project_ok"] is None, (
            "a domain of one's own"
        )
        assert judge(self.made(aud=["a", "authenticated"]))["aud_ok"] is True
        assert judge(self.made(aud="a"))["aud_ok"] is False

    def test_a_secret_of_ours_that_does_not_open_the_anon_key_is_told(self, judge: Any) -> None:
        said = judge(self.made(), RUNBOOK_SUPABASE_JWT_SECRET="last-years-secret-0123456789-0123456789")
        assert said["signature"] == {"legacy_secret": "invalid", "secret_is_projects": False}
        said = judge(self.made(), RUNBOOK_SUPABASE_JWT_SECRET="")
        assert said["signature"] == {"legacy_secret": "not_checked"}

    def test_keys_are_no_users_tokens(self, judge: Any) -> None:
        assert judge(ANON)["kind"] == "anon"
        assert judge("sb_publishable_0123456789abcdef")["kind"] == "publishable"
        assert judge("sb_secret_0123456789abcdef")["kind"] == "secret"

    @pytest.mark.parametrize(
        "text",
        ["not-a-token", "a.b.c", "..", "eyJhbGciOiJIUzI1NiJ9", "a.bnVsbA.c", "\x01\x02.\x03.\x04", "é.é.é", "[1]"],
    )
    def test_what_is_no_token_is_other_and_no_traceback(self, judge: Any, text: str) -> None:
        assert judge(text)["kind"] == "other"

    @pytest.mark.parametrize(
        "changes",
        [{"sub": None}, {"sub": 5}, {"sub": ""}, {"role": None}, {"role": {"a": 1}}, {"aud": 5}, {"exp": 1e30}],
    )
    def test_claims_of_odd_types_are_judged_all_the_same(self, judge: Any, changes: dict[str, Any]) -> None:
        now = int(time.time())
        body = (
            base64.urlsafe_b64encode(json.dumps({**CLAIMS, "exp": now + 60, **changes}).encode()).decode().rstrip("=")
        )
        head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")
        said = judge(f"{head}.{body}.c2ln")
        assert said["kind"] == "user"
        assert said["signature"]["legacy_secret"] == "invalid"

    def test_none_is_no_algorithm(self, judge: Any) -> None:
        assert judge(jwt.encode(CLAIMS, None, algorithm="none"))["signature"] == {"algorithm": "invalid"}

    def test_managed_keys_are_looked_up_in_the_projects_list(self, judge: Any, loopback: Loopback) -> None:
        key, other = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        listed = {**json.loads(ECAlgorithm.to_jwk(key.public_key())), "kid": "k1", "alg": "ES256"}
        loopback.answer = lambda _: Reply(200, {"keys": [listed]})

        def signed(by: Any, kid: str) -> str:
            return jwt.encode({**CLAIMS, "exp": int(time.time()) + 60}, by, algorithm="ES256", headers={"kid": kid})

        assert judge(signed(key, "k1"))["signature"] == {"jwks": "valid"}
        assert judge(signed(other, "k1"))["signature"] == {"jwks": "invalid"}
        assert judge(signed(key, "k2"))["signature"] == {"jwks": "unknown_key"}
        for body in ("<html>", {"keys": 5}, {"keys": [{"kid": "k1", "kty": "odd"}]}):
            loopback.answer = lambda _, body=body: Reply(200, body)
            assert judge(signed(key, "k1"))["signature"] == {"jwks": "not_checked"}


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("true", ["true"]),
        ("((a = 1) AND (b = 2))", ["(a = 1)", "(b = 2)"]),
        ("((a = 1) OR ((b = 2) AND (c = 3)))", ["(a = 1) OR ((b = 2) AND (c = 3))"]),
        (
            "(EXISTS ( SELECT 1\n   FROM m\n  WHERE ((m.a = b) AND (m.c = d))))",
            ["EXISTS ( SELECT 1\n   FROM m\n  WHERE ((m.a = b) AND (m.c = d)))"],
        ),
        ("((a = 'x AND (y'::text) AND (b = 2))", ["(a = 'x AND (y'::text)", "(b = 2)"]),
        ('(("a AND b" = 1) AND c)', ['("a AND b" = 1)', "c"]),
        ("((a = 'it''s AND so'::text) AND b)", ["(a = 'it''s AND so'::text)", "b"]),
        ("((x >= 1) AND (x <= 3) AND y)", ["(x >= 1)", "(x <= 3)", "y"]),
    ],
)
def test_terms_are_what_and_joins_at_the_outermost_level(text: str, terms: list[str]) -> None:
    assert terms_of(text) == terms


SPECS = Path(__file__).parents[2] / "specs" / "supabase"


@pytest.mark.parametrize("name", ["policies", "user", "rows"])
def test_sql_goes_to_the_management_api_as_it_specifies_and_values_never_into_the_statement(
    name: str, loopback: Loopback, make_look: MakeLook
) -> None:
    document = json.loads((SPECS / "management-openapi-subset.json").read_text())
    operation = document["paths"]["/v1/projects/{ref}/database/query/read-only"]["post"]
    wanted = operation["requestBody"]["content"]["application/json"]["schema"]
    schema = {
        **document["components"]["schemas"][wanted["$ref"].rpartition("/")[2]],
        "components": document["components"],
    }
    loopback.answer = answer(name)
    make_look(LOOKS[name][0]())
    assert loopback.asked
    for asked in loopback.asked:
        assert asked.method == "POST"
        assert re.fullmatch(r"/v1/projects/[a-z]{20}/database/query/read-only", asked.path)
        body = json.loads(asked.body)
        jsonschema.validate(body, schema)
        assert set(body) <= set(schema["properties"])
        assert "ada@" not in body["query"]
        assert ACME not in body["query"]


def test_a_user_is_asked_of_auth_as_it_specifies(loopback: Loopback, make_look: MakeLook) -> None:
    paths = json.loads((SPECS / "auth-openapi-subset.json").read_text())["paths"]
    loopback.answer = answer("rest_user")
    make_look(supabase_rls.rest_user(ADA))
    (asked,) = [each for each in loopback.asked if each.path.startswith("/auth/v1")]
    assert "get" in paths["/admin/users/{userId}"]
    assert asked.path == f"/auth/v1/admin/users/{ADA}"
