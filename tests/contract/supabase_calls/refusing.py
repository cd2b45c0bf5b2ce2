"""What is refused: unknown names, bad grammar, missing rights, policies, tokens, bodies."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]

CALLS: list[Call] = [
    ("no such table", "service", lambda c: c.table("nothing_like_it").select("*")),
    ("almost a table", "service", lambda c: c.table("doc").select("*")),
    ("no such column", "service", lambda c: c.table("docs").select("colour")),
    ("no such filter column", "service", lambda c: c.table("docs").select("id").eq("colour", 1)),
    ("no such operator", "service", lambda c: c.raw("GET", "/docs?id=noop.1")),
    ("no operator", "service", lambda c: c.raw("GET", "/docs?id=1")),
    ("unclosed select", "service", lambda c: c.raw("GET", "/docs?select=id,orgs(name")),
    ("unclosed logic", "service", lambda c: c.raw("GET", "/docs?or=(id.eq.1,id.eq.2")),
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
    ("delete of another's", "other", lambda c: c.table("writable").delete().eq("id", 1)),
    ("token of no key", "forged", lambda c: c.table("orgs").select("id")),
    ("token expired", "expired", lambda c: c.table("orgs").select("id")),
    ("token not yet valid", "early", lambda c: c.table("orgs").select("id")),
    ("token is no token", "garbled", lambda c: c.table("orgs").select("id")),
    ("token of an unknown role", "unknown_role", lambda c: c.table("orgs").select("id")),
    ("token of a forbidden role", "superuser", lambda c: c.table("orgs").select("id")),
    ("token without a role", "roleless", lambda c: c.table("ungranted").select("id")),
    (
        "strict preferences",
        "service",
        lambda c: c.raw("GET", "/orgs", headers={"Prefer": "handling=strict, nonsense=1"}),
    ),
    ("put without key", "service", lambda c: c.raw("PUT", "/orgs", json={"id": 9, "name": "nine"})),
    ("put of another key", "service", lambda c: c.raw("PUT", "/orgs?id=eq.8", json={"id": 9, "name": "nine"})),
    ("put with limit", "service", lambda c: c.raw("PUT", "/orgs?id=eq.9&limit=1", json={"id": 9, "name": "nine"})),
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
    (
        "rows differ in their keys",
        "service",
        lambda c: c.raw("POST", "/orgs", json=[{"id": 9, "name": "n"}, {"id": 10}]),
    ),
    ("unknown column in a body", "service", lambda c: c.table("orgs").insert({"id": 9, "colour": "red"})),
    ("deep path", "service", lambda c: c.raw("GET", "/docs/1/2")),
]
