"""What only the real PostgREST does is refused by name: a stand-in that passes over a filter would return wrong rows."""

from collections.abc import Callable

import httpx
import pytest

from runbook_lib.sandbox.facades.supabase.gateway import create_project_app
from runbook_lib.sandbox.world import World


@pytest.fixture
def rest(supabase_world: World, in_process: Callable[..., httpx.Client]) -> httpx.Client:
    """The project's host, asked with the service key."""
    key = supabase_world.keys.supabase_service_role
    return in_process(create_project_app(supabase_world), headers={"apikey": key, "Authorization": f"Bearer {key}"})


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("select=id,memberships(role)", "embedded resources"),
        ("select=id,...memberships(role)", "embedded resources"),
        ("select=who:email", "aliases"),
        ("select=id::text", "casts"),
        ("select=data->k", "JSON paths"),
        ("select=id.count()", "aggregates"),
        ("select=count()", "aggregates"),
        ("memberships.role=eq.owner", "columns of embedded resources"),
        ("data->>k=eq.1", "JSON paths"),
        ("or=(id.eq.1,id.eq.2)", "the query parameter or"),
        ("not.and=(id.eq.1,id.eq.2)", "the query parameter not.and"),
        ("and=(id.eq.1,or(email.eq.a,email.eq.b))", "logic within logic"),
        ("and=(not.and(id.eq.1,email.eq.b))", "logic within logic"),
        ("and=(data->k.eq.1)", "JSON paths"),
        ("email=match.^a", "the operator match"),
        ("email=fts(english).word", "the operator fts(english)"),
        ("email=not.cs.{a}", "the operator cs"),
        ("id=eq(any).{1,2}", "the operator eq(any)"),
        ("email=isdistinct.a", "the operator isdistinct"),
        ("order=memberships(role)", "an embedded resource"),
        ("order=data->k", "a JSON path"),
    ],
)
def test_a_query_that_only_postgrest_reads_is_501_and_says_what_it_lacks(
    rest: httpx.Client, asked: str, named: str
) -> None:
    answer = rest.get(f"/rest/v1/profiles?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (501, "SANDBOX")
    assert named in answer.json()["message"]


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Accept", "text/csv"),
        ("Accept", "application/vnd.pgrst.object+json"),
        ("Accept", "application/vnd.pgrst.plan+text, application/json"),
        ("Prefer", "count=planned"),
        ("Prefer", "handling=strict"),
        ("Prefer", "timezone=Europe/Berlin"),
        ("Range", "0-1"),
    ],
)
def test_a_header_that_would_change_the_answer_is_501(rest: httpx.Client, header: str, value: str) -> None:
    answer = rest.get("/rest/v1/profiles?select=id", headers={header: value})
    assert (answer.status_code, answer.json()["code"]) == (501, "SANDBOX")


def test_an_unknown_preference_is_passed_over_as_postgrest_does(rest: httpx.Client) -> None:
    assert rest.get("/rest/v1/profiles?select=id", headers={"Prefer": "nonsense=1"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/rpc/anything", {"json": {}}),
        ("DELETE", "/profiles?id=eq.00000000-0000-4000-8000-000000000001", {}),
        ("PUT", "/profiles?id=eq.00000000-0000-4000-8000-000000000001", {"json": {"email": "x"}}),
        ("POST", "/profiles", {"json": [{"email": "x"}, {"email": "y"}]}),
        ("POST", "/profiles?columns=email", {"json": {"email": "x"}}),
        ("POST", "/profiles?on_conflict=email", {"json": {"email": "x"}}),
        ("POST", "/profiles", {"json": {"email": "x"}, "headers": {"Prefer": "resolution=merge-duplicates"}}),
        ("POST", "/profiles", {"content": "email\nx", "headers": {"Content-Type": "text/csv"}}),
        ("PATCH", "/profiles?id=neq.00000000-0000-4000-8000-000000000001&limit=1", {"json": {"email": "x"}}),
        ("PATCH", "/profiles", {"json": {"email": "x"}, "headers": {"Prefer": "max-affected=1"}}),
    ],
)
def test_a_write_that_only_postgrest_does_is_501_and_writes_nothing(
    rest: httpx.Client, method: str, path: str, more: dict[str, object]
) -> None:
    before = rest.get("/rest/v1/profiles?order=id").json()
    answer = rest.request(method, f"/rest/v1{path}", **more)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (501, "SANDBOX")
    assert rest.get("/rest/v1/profiles?order=id").json() == before
