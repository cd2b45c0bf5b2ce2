"""Which columns are selected."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]

CALLS: list[Call] = [
    ("all rows", "service", lambda c: c.table("docs").select("*").order("id")),
    ("some columns", "service", lambda c: c.table("docs").select("id,body").order("id")),
    ("columns with spaces between", "service", lambda c: c.raw("GET", "/docs?select=id, body&order=id")),
    ("quoted column", "service", lambda c: c.table("docs").select('"id"').eq("id", 1)),
    ("view", "service", lambda c: c.table("doc_titles").select("*").order("id")),
    ("empty select", "service", lambda c: c.raw("GET", "/docs?select=&id=eq.1")),
    ("no select", "service", lambda c: c.raw("GET", "/orgs?id=eq.1")),
]
