"""Inserts and updates; the order matters, as each sees what those before it wrote."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]

CALLS: list[Call] = [
    ("insert", "service", lambda c: c.table("orgs").insert({"id": 3, "name": "initech"})),
    (
        "insert, nothing back",
        "service",
        lambda c: c.table("orgs").insert({"id": 4, "name": "hooli"}, returning="minimal"),
    ),
    ("insert counted", "service", lambda c: c.table("orgs").insert({"id": 6, "name": "umbrella"}, count="exact")),
    (
        "insert and choose columns",
        "service",
        lambda c: c.raw(
            "POST",
            "/docs?select=body,rank",
            json={"id": 51, "org_id": 3, "body": "new"},
            headers={"Prefer": "return=representation"},
        ),
    ),
    (
        "insert json and arrays",
        "service",
        lambda c: c.table("docs").insert(
            {"id": 54, "org_id": 3, "body": "j", "tags": ["x", "y z"], "data": {"a": [1, None]}}
        ),
    ),
    ("insert identity", "service", lambda c: c.table("docs").insert({"org_id": 3, "body": "numbered"})),
    ("insert a taken key", "service", lambda c: c.table("orgs").insert({"id": 1, "name": "again"})),
    ("insert a taken name", "service", lambda c: c.table("orgs").insert({"id": 77, "name": "acme"})),
    (
        "insert with a missing parent",
        "service",
        lambda c: c.table("docs").insert({"id": 60, "org_id": 999, "body": "x"}),
    ),
    (
        "insert against a check",
        "service",
        lambda c: c.table("docs").insert({"id": 60, "org_id": 1, "body": "forbidden"}),
    ),
    ("insert null into not null", "service", lambda c: c.table("docs").insert({"id": 60, "org_id": 1, "body": None})),
    ("insert the wrong type", "service", lambda c: c.table("docs").insert({"id": "x", "org_id": 1, "body": "b"})),
    ("update", "service", lambda c: c.table("docs").update({"body": "changed"}).eq("id", 51)),
    ("update none", "service", lambda c: c.table("docs").update({"body": "changed"}).eq("id", 9999)),
    (
        "update, nothing back",
        "service",
        lambda c: c.table("docs").update({"rank": 9}, returning="minimal").eq("id", 51),
    ),
    ("update counted", "service", lambda c: c.table("docs").update({"rank": 8}, count="exact").in_("id", [51, 54])),
    (
        "update with no columns",
        "service",
        lambda c: c.raw("PATCH", "/docs?id=eq.51", json={}, headers={"Prefer": "return=representation"}),
    ),
    ("update an unknown column", "service", lambda c: c.table("docs").update({"colour": 1}).eq("id", 51)),
    ("update to null", "service", lambda c: c.table("docs").update({"rank": None}).eq("id", 51)),
    (
        "insert own",
        "user",
        lambda c: c.table("writable").insert({"id": 7, "owner": "00000000-0000-4000-8000-000000000001"}),
    ),
    ("update own", "user", lambda c: c.table("writable").update({"note": "changed"}).eq("id", 7)),
    ("what is left", "service", lambda c: c.table("docs").select("id,org_id,body,rank,tags,data").order("id")),
]
