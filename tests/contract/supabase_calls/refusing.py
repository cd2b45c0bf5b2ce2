"""What is refused: unknown names, bad grammar, missing rights, policies, tokens, bodies."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]


def _raised(client: Any, code: str) -> Any:
    """An insert whose trigger raises this SQLSTATE."""
    return client.raw("POST", "/failing", json={"code": code})


CALLS: list[Call] = [
    ("no such table", "service", lambda c: c.table("nothing_like_it").select("*")),
    ("almost a table", "service", lambda c: c.table("doc").select("*")),
    ("no such column", "service", lambda c: c.table("docs").select("colour")),
    ("no such filter column", "service", lambda c: c.table("docs").select("id").eq("colour", 1)),
    ("no such operator", "service", lambda c: c.raw("GET", "/docs?id=noop.1")),
    ("no operator", "service", lambda c: c.raw("GET", "/docs?id=1")),
    ("unclosed logic", "service", lambda c: c.raw("GET", "/docs?and=(id.eq.1,id.eq.2")),
    ("wrong type", "service", lambda c: c.table("docs").select("id").eq("id", "x")),
    ("wrong uuid", "service", lambda c: c.table("writable").select("id").eq("owner", "not-a-uuid")),
    ("operator that the type lacks", "service", lambda c: c.table("docs").select("id").like("id", "1")),
    ("schema not exposed", "service", lambda c: c.schema("private_things").table("secrets").select("*")),
    ("schema named", "service", lambda c: c.schema("public").table("orgs").select("id").order("id")),
    ("not granted", "user", lambda c: c.table("ungranted").select("*")),
    ("not granted to anonymous", "anon", lambda c: c.table("ungranted").select("*")),
    ("not granted without a token", "nobody", lambda c: c.table("ungranted").select("*")),
    ("column not granted", "anon", lambda c: c.table("people").select("email")),
    ("column granted", "anon", lambda c: c.table("people").select("id").order("id")),
    ("star over a column not granted", "anon", lambda c: c.table("people").select("*")),
    ("closed by RLS", "user", lambda c: c.table("closed").select("*")),
    ("closed by RLS, service", "service", lambda c: c.table("closed").select("*")),
    ("own rows", "user", lambda c: c.table("writable").select("*")),
    ("rows of another", "other", lambda c: c.table("writable").select("*")),
    ("policy recursion", "user", lambda c: c.table("looped").select("*")),
    ("policy recursion, anonymous", "anon", lambda c: c.table("looped").select("*")),
    ("insert closed by RLS", "user", lambda c: c.table("closed").insert({"id": 5, "note": "x"})),
    (
        "insert for another",
        "user",
        lambda c: c.table("writable").insert({"id": 5, "owner": "00000000-0000-4000-8000-000000000002"}),
    ),
    (
        "insert, anonymous",
        "anon",
        lambda c: c.table("writable").insert({"id": 5, "owner": "00000000-0000-4000-8000-000000000001"}),
    ),
    ("update of another's", "other", lambda c: c.table("writable").update({"note": "stolen"}).eq("id", 1)),
    (
        "update to another",
        "user",
        lambda c: c.table("writable").update({"owner": "00000000-0000-4000-8000-000000000002"}).eq("id", 1),
    ),
    ("token of no key", "forged", lambda c: c.table("orgs").select("id")),
    ("token expired", "expired", lambda c: c.table("orgs").select("id")),
    ("token not yet valid", "early", lambda c: c.table("orgs").select("id")),
    ("token of another audience", "outsider", lambda c: c.table("orgs").select("id")),
    ("token of this audience among others", "member", lambda c: c.table("orgs").select("id").order("id")),
    ("policy calls what is not granted", "user", lambda c: c.table("guarded").select("*")),
    (
        "policy calls what is not granted, counted past RLS",
        "service",
        lambda c: c.table("guarded").select("*").limit(200),
    ),
    ("policy reads with the caller's rights", "user", lambda c: c.table("spiral").select("*").eq("id", 1).limit(200)),
    ("token is no token", "garbled", lambda c: c.table("orgs").select("id")),
    ("token of an unknown role", "unknown_role", lambda c: c.table("orgs").select("id")),
    ("token of a forbidden role", "superuser", lambda c: c.table("orgs").select("id")),
    ("token without a role", "roleless", lambda c: c.table("ungranted").select("id")),
    (
        "body is no json",
        "service",
        lambda c: c.raw("POST", "/orgs", content="{", headers={"Content-Type": "application/json"}),
    ),
    (
        "body is empty",
        "service",
        lambda c: c.raw("POST", "/orgs", content="", headers={"Content-Type": "application/json"}),
    ),
    ("unknown column in a body", "service", lambda c: c.table("orgs").insert({"id": 9, "colour": "red"})),
    ("raise", "service", lambda c: _raised(c, "P0001")),
    ("raise with a status", "service", lambda c: _raised(c, "PT402")),
    ("raise out of resources", "service", lambda c: _raised(c, "53100")),
    ("raise insufficient privilege", "user", lambda c: _raised(c, "42501")),
    ("raise insufficient privilege, anonymous", "anon", lambda c: _raised(c, "42501")),
    ("raise undefined function", "user", lambda c: _raised(c, "42883")),
    ("raise lock not available", "user", lambda c: _raised(c, "55P03")),
    ("raise shutting down", "user", lambda c: _raised(c, "57P03")),
    ("raise statement timeout", "anon", lambda c: _raised(c, "57014")),
    ("deep path", "service", lambda c: c.raw("GET", "/docs/1/2")),
]
