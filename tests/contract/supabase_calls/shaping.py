"""How rows come back: order, ranges, counts."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]

CALLS: list[Call] = [
    ("order desc nulls", "service", lambda c: c.table("docs").select("id").order("rank", desc=True, nullsfirst=False)),
    ("order nulls first", "service", lambda c: c.table("docs").select("id").order("rank", nullsfirst=True)),
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
    ("count exact", "service", lambda c: c.table("docs").select("id", count="exact").order("id").limit(1)),
    (
        "count exact with filter",
        "service",
        lambda c: c.table("docs").select("id", count="exact").eq("org_id", 1).order("id"),
    ),
    ("count head", "service", lambda c: c.table("docs").select("*", count="exact", head=True)),
    ("unacceptable answer", "service", lambda c: c.raw("GET", "/docs", headers={"Accept": "image/png"})),
    ("head", "service", lambda c: c.raw("HEAD", "/docs?id=eq.1")),
]
