"""How rows come back: order, ranges, counts, kinds of answer."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]

CALLS: list[Call] = [
    ("order desc nulls", "service", lambda c: c.table("docs").select("id").order("rank", desc=True, nullsfirst=False)),
    ("order nulls first", "service", lambda c: c.table("docs").select("id").order("rank", nullsfirst=True)),
    ("order by json path", "service", lambda c: c.raw("GET", "/docs?select=id&order=data->k->>n.desc.nullslast,id")),
    ("order by two", "service", lambda c: c.table("docs").select("id").order("org_id", desc=True).order("id")),
    ("order by no column", "service", lambda c: c.table("docs").select("id").order("nothing")),
    ("order by nonsense", "service", lambda c: c.raw("GET", "/docs?order=id.sideways")),
    ("limit", "service", lambda c: c.table("docs").select("id").order("id").limit(2)),
    ("limit zero", "service", lambda c: c.table("docs").select("id").limit(0)),
    ("limit negative", "service", lambda c: c.table("docs").select("id").limit(-1)),
    ("range", "service", lambda c: c.table("docs").select("id").order("id").range(1, 2)),
    ("range past the end", "service", lambda c: c.table("docs").select("id").order("id").range(50, 60)),
    (
        "range past the end counted",
        "service",
        lambda c: c.table("docs").select("id", count="exact").order("id").range(50, 60),
    ),
    (
        "range at the end counted",
        "service",
        lambda c: c.table("docs").select("id", count="exact").order("id").range(4, 9),
    ),
    ("Range header", "service", lambda c: c.raw("GET", "/docs?select=id&order=id", headers={"Range": "1-2"})),
    ("Range header backwards", "service", lambda c: c.raw("GET", "/docs?select=id", headers={"Range": "5-2"})),
    ("count exact", "service", lambda c: c.table("docs").select("id", count="exact").order("id").limit(1)),
    (
        "count exact with filter",
        "service",
        lambda c: c.table("docs").select("id", count="exact").eq("org_id", 1).order("id"),
    ),
    (
        "count exact with inner embed",
        "service",
        lambda c: c.table("docs").select("id,people!reviewer!inner(id)", count="exact").order("id").limit(1),
    ),
    ("count head", "service", lambda c: c.table("docs").select("*", count="exact", head=True)),
    ("count planned", "service", lambda c: c.table("orgs").select("id", count="planned").order("id")),
    ("count estimated", "service", lambda c: c.table("orgs").select("id", count="estimated").order("id")),
    ("single", "service", lambda c: c.table("docs").select("id,body").eq("id", 1).single()),
    ("single of none", "service", lambda c: c.table("docs").select("id").eq("id", 99).single()),
    ("single of many", "service", lambda c: c.table("docs").select("id").single()),
    ("maybe single", "service", lambda c: c.table("docs").select("id").eq("id", 1).maybe_single()),
    ("csv", "service", lambda c: c.table("docs").select("id,body,tags,published").order("id").csv()),
    ("csv of nothing", "service", lambda c: c.table("docs").select("id").eq("id", 99).csv()),
    (
        "nulls stripped",
        "service",
        lambda c: c.raw("GET", "/docs?id=eq.3", headers={"Accept": "application/vnd.pgrst.array+json;nulls=stripped"}),
    ),
    (
        "object nulls stripped",
        "service",
        lambda c: c.raw("GET", "/docs?id=eq.3", headers={"Accept": "application/vnd.pgrst.object+json;nulls=stripped"}),
    ),
    ("unacceptable answer", "service", lambda c: c.raw("GET", "/docs", headers={"Accept": "image/png"})),
    (
        "second choice of answer",
        "service",
        lambda c: c.raw(
            "GET", "/docs?select=id&id=eq.1", headers={"Accept": "image/png, text/csv;q=0.5, application/json;q=0.9"}
        ),
    ),
    ("empty select", "service", lambda c: c.raw("GET", "/docs?select=&id=eq.1")),
    ("no select", "service", lambda c: c.raw("GET", "/orgs?id=eq.1")),
    ("head", "service", lambda c: c.raw("HEAD", "/docs?id=eq.1")),
    ("options", "service", lambda c: c.raw("OPTIONS", "/docs")),
]
