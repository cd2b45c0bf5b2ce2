"""Functions over /rpc, and the plan of a query."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]

SINGLE = {"Accept": "application/vnd.pgrst.object+json"}

CALLS: list[Call] = [
    ("call", "service", lambda c: c.rpc("add", {"a": 1, "b": 5})),
    ("call with default", "service", lambda c: c.rpc("add", {"a": 1})),
    ("call by GET", "service", lambda c: c.rpc("add", {"a": 1, "b": 5}, get=True)),
    ("call text", "service", lambda c: c.rpc("shout", {"word": "hé%"})),
    ("call with null", "service", lambda c: c.rpc("shout", {"word": None})),
    ("call without arguments", "service", lambda c: c.rpc("pairs", {})),
    ("call and filter", "service", lambda c: c.rpc("pairs", {}).select("y").eq("x", 2)),
    ("call and filter by what is selected", "service", lambda c: c.rpc("pairs", {}).select("x,y").eq("x", 2)),
    ("call by GET and filter", "service", lambda c: c.raw("GET", "/rpc/pairs?x=eq.2&select=y")),
    ("call for rows", "service", lambda c: c.rpc("docs_of", {"org": 2}).select("id,orgs(name)").order("id")),
    (
        "call for rows, counted",
        "service",
        lambda c: c.rpc("docs_of", {"org": 2}, count="exact").select("id").order("id").limit(1),
    ),
    ("call for rows, single", "service", lambda c: c.rpc("docs_of", {"org": 1}).select("id").eq("id", 1).single()),
    (
        "call for rows, single of many",
        "service",
        lambda c: c.raw("POST", "/rpc/docs_of", json={"org": 2}, headers=SINGLE),
    ),
    ("call for one row", "service", lambda c: c.rpc("one_doc", {"doc": 1}).select("id,body")),
    ("call for one row that is not there", "service", lambda c: c.rpc("one_doc", {"doc": 999}).select("id")),
    ("call for numbers", "service", lambda c: c.rpc("numbers", {"n": 3})),
    ("call as csv", "service", lambda c: c.rpc("pairs", {}).csv()),
    ("call void", "service", lambda c: c.rpc("touch", {"doc": 4})),
    ("call with a json body", "service", lambda c: c.raw("POST", "/rpc/echo", json={"x": [1, 2]})),
    ("call with a json list", "service", lambda c: c.raw("POST", "/rpc/echo", json=[1, 2])),
    ("call variadic by GET", "service", lambda c: c.raw("GET", "/rpc/joined?words=a&words=b")),
    ("call variadic", "service", lambda c: c.rpc("joined", {"words": ["a", "b"]})),
    ("call as somebody", "user", lambda c: c.rpc("whoami", {})),
    ("call as anonymous", "anon", lambda c: c.rpc("whoami", {}, get=True)),
    ("call overloaded", "service", lambda c: c.rpc("over", {"a": 1})),
    ("call nothing", "service", lambda c: c.rpc("nothing_like_it", {"a": 1})),
    ("call nothing without arguments", "service", lambda c: c.rpc("nothing_like_it", {})),
    ("call almost", "service", lambda c: c.rpc("shouts", {"word": "x"})),
    ("call with a wrong argument", "service", lambda c: c.rpc("add", {"a": 1, "c": 2})),
    ("call with a wrong type", "service", lambda c: c.rpc("add", {"a": "x"})),
    ("call a write by GET", "service", lambda c: c.rpc("touch", {"doc": 4}, get=True)),
    ("call with DELETE", "service", lambda c: c.raw("DELETE", "/rpc/add")),
    ("call sets the response", "service", lambda c: c.raw("POST", "/rpc/teapot", json={})),
    ("raise", "service", lambda c: c.rpc("fails", {"code": "P0001"})),
    ("raise with a status", "service", lambda c: c.rpc("fails", {"code": "PT402"})),
    ("raise out of resources", "service", lambda c: c.rpc("fails", {"code": "53100"})),
    ("raise insufficient privilege", "user", lambda c: c.rpc("fails", {"code": "42501"})),
    ("raise insufficient privilege, anonymous", "anon", lambda c: c.rpc("fails", {"code": "42501"})),
    ("raise undefined function", "user", lambda c: c.rpc("fails", {"code": "42883"})),
    ("raise lock not available", "user", lambda c: c.rpc("fails", {"code": "55P03"})),
    ("raise shutting down", "user", lambda c: c.rpc("fails", {"code": "57P03"})),
    ("raise statement timeout", "anon", lambda c: c.rpc("fails", {"code": "57014"})),
    ("explain", "service", lambda c: c.table("orgs").select("id").eq("id", 1).explain(format="json")),
    (
        "explain analyze text",
        "service",
        lambda c: c.raw("GET", "/orgs?id=eq.1", headers={"Accept": "application/vnd.pgrst.plan+text; options=verbose"}),
    ),
]
