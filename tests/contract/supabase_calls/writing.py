"""Inserts, upserts, updates and deletes; the order matters, as each sees what those before it wrote."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]

SINGLE = {"Accept": "application/vnd.pgrst.object+json"}

CALLS: list[Call] = [
    ("insert", "service", lambda c: c.table("orgs").insert({"id": 3, "name": "initech"})),
    (
        "insert, nothing back",
        "service",
        lambda c: c.table("orgs").insert({"id": 4, "name": "hooli"}, returning="minimal"),
    ),
    (
        "insert, headers only",
        "service",
        lambda c: c.raw("POST", "/orgs", json={"id": 5, "name": "pied"}, headers={"Prefer": "return=headers-only"}),
    ),
    ("insert counted", "service", lambda c: c.table("orgs").insert({"id": 6, "name": "umbrella"}, count="exact")),
    (
        "insert and embed",
        "service",
        lambda c: c.raw(
            "POST",
            "/docs?select=id,orgs(name)",
            json={"id": 50, "org_id": 3, "body": "new"},
            headers={"Prefer": "return=representation"},
        ),
    ),
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
        "insert many",
        "service",
        lambda c: c.table("labels").insert([{"id": 3, "name": "green"}, {"id": 4, "name": "grey"}]),
    ),
    (
        "insert many with columns",
        "service",
        lambda c: c.raw(
            "POST",
            '/labels?columns="id"',
            json=[{"id": 5, "name": "x"}, {"id": 6}],
            headers={"Prefer": "return=representation"},
        ),
    ),
    (
        "insert none",
        "service",
        lambda c: c.raw("POST", "/labels", json=[], headers={"Prefer": "return=representation"}),
    ),
    (
        "insert defaults",
        "service",
        lambda c: c.raw(
            "POST",
            "/docs?columns=id,org_id,body,rank",
            json=[{"id": 52, "org_id": 3, "body": "d"}],
            headers={"Prefer": "return=representation, missing=default"},
        ),
    ),
    (
        "insert missing as null",
        "service",
        lambda c: c.raw(
            "POST",
            "/docs?columns=id,org_id,body,rank",
            json=[{"id": 53, "org_id": 3, "body": "d"}],
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
    (
        "insert csv",
        "service",
        lambda c: c.raw(
            "POST",
            "/labels",
            content="id,name\n7,seven\n8,NULL",
            headers={"Content-Type": "text/csv", "Prefer": "return=representation"},
        ),
    ),
    (
        "insert single",
        "service",
        lambda c: c.raw(
            "POST", "/labels", json={"id": 9, "name": "nine"}, headers={**SINGLE, "Prefer": "return=representation"}
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
    ("upsert", "service", lambda c: c.table("orgs").upsert({"id": 3, "name": "initrode"})),
    (
        "upsert ignoring",
        "service",
        lambda c: c.table("orgs").upsert({"id": 3, "name": "ignored"}, ignore_duplicates=True),
    ),
    (
        "upsert on a unique column",
        "service",
        lambda c: c.table("orgs").upsert({"id": 80, "name": "acme", "meta": {"plan": "pro"}}, on_conflict="name"),
    ),
    (
        "upsert on no constraint",
        "service",
        lambda c: c.table("orgs").upsert({"id": 81, "name": "x"}, on_conflict="meta"),
    ),
    (
        "upsert many",
        "service",
        lambda c: c.table("labels").upsert([{"id": 3, "name": "GREEN"}, {"id": 30, "name": "new"}]),
    ),
    (
        "put new",
        "service",
        lambda c: c.raw(
            "PUT", "/labels?id=eq.40", json={"id": 40, "name": "forty"}, headers={"Prefer": "return=representation"}
        ),
    ),
    (
        "put again",
        "service",
        lambda c: c.raw(
            "PUT", "/labels?id=eq.40", json={"id": 40, "name": "40"}, headers={"Prefer": "return=representation"}
        ),
    ),
    ("update", "service", lambda c: c.table("docs").update({"body": "changed"}).eq("id", 50)),
    ("update none", "service", lambda c: c.table("docs").update({"body": "changed"}).eq("id", 9999)),
    (
        "update, nothing back",
        "service",
        lambda c: c.table("docs").update({"rank": 9}, returning="minimal").eq("id", 50),
    ),
    ("update counted", "service", lambda c: c.table("docs").update({"rank": 8}, count="exact").in_("id", [50, 51])),
    (
        "update single of none",
        "service",
        lambda c: c.raw(
            "PATCH", "/docs?id=eq.9999", json={"rank": 1}, headers={**SINGLE, "Prefer": "return=representation"}
        ),
    ),
    (
        "update single of many",
        "service",
        lambda c: c.raw(
            "PATCH", "/docs?id=in.(50,51)", json={"rank": 1}, headers={**SINGLE, "Prefer": "return=representation"}
        ),
    ),
    (
        "nothing was kept of that",
        "service",
        lambda c: c.table("docs").select("id,rank").in_("id", [50, 51]).order("id"),
    ),
    (
        "update with no columns",
        "service",
        lambda c: c.raw("PATCH", "/docs?id=eq.50", json={}, headers={"Prefer": "return=representation"}),
    ),
    ("update an unknown column", "service", lambda c: c.table("docs").update({"colour": 1}).eq("id", 50)),
    (
        "update at most one",
        "service",
        lambda c: c.raw(
            "PATCH", "/docs?id=in.(50,51)", json={"rank": 1}, headers={"Prefer": "handling=strict, max-affected=1"}
        ),
    ),
    ("update to null", "service", lambda c: c.table("docs").update({"rank": None}).eq("id", 50)),
    (
        "insert own",
        "user",
        lambda c: c.table("writable").insert({"id": 7, "owner": "00000000-0000-4000-8000-000000000001"}),
    ),
    ("update own", "user", lambda c: c.table("writable").update({"note": "changed"}).eq("id", 7)),
    ("delete own", "user", lambda c: c.table("writable").delete().eq("id", 7)),
    ("delete", "service", lambda c: c.table("docs").delete().eq("id", 50)),
    ("delete none", "service", lambda c: c.table("docs").delete().eq("id", 50)),
    ("delete counted", "service", lambda c: c.table("docs").delete(count="exact").in_("id", [51, 52])),
    ("delete, nothing back", "service", lambda c: c.table("docs").delete(returning="minimal").eq("id", 53)),
    ("delete a parent", "service", lambda c: c.table("orgs").delete().eq("id", 1)),
    ("what is left", "service", lambda c: c.table("docs").select("id,org_id,body,rank,tags,data").order("id")),
]
