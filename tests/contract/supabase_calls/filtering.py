"""Which rows: every filter, and several at once."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]

CALLS: list[Call] = [
    ("eq", "service", lambda c: c.table("docs").select("id").eq("id", 1)),
    ("neq", "service", lambda c: c.table("docs").select("id").neq("id", 1).order("id")),
    (
        "gt gte lt lte",
        "service",
        lambda c: c.table("docs").select("id").gt("id", 0).gte("id", 1).lt("id", 4).lte("id", 3).order("id"),
    ),
    ("like", "service", lambda c: c.table("docs").select("id").like("body", "%words%").order("id")),
    ("like star", "service", lambda c: c.table("docs").select("id").like("body", "*words")),
    ("ilike", "service", lambda c: c.table("docs").select("id").ilike("body", "FIRST%")),
    ("ilike with escapes", "service", lambda c: c.table("docs").select("id").ilike("body", r"first\_words")),
    ("in", "service", lambda c: c.table("docs").select("id").in_("id", [1, 3]).order("id")),
    ("in with quotes", "service", lambda c: c.table("docs").select("id").in_("body", ['second, "quoted" words', "x"])),
    ("in empty", "service", lambda c: c.table("docs").select("id").in_("id", [])),
    ("is null", "service", lambda c: c.table("docs").select("id").is_("data", "null")),
    ("is true", "service", lambda c: c.table("docs").select("id").is_("published", "true").order("id")),
    ("is unknown", "service", lambda c: c.table("docs").select("id").is_("published", "unknown")),
    ("is something else", "service", lambda c: c.table("docs").select("id").is_("published", "maybe")),
    ("not eq", "service", lambda c: c.table("docs").select("id").not_.eq("id", 3).order("id")),
    ("not in", "service", lambda c: c.table("docs").select("id").not_.in_("id", [1, 2]).order("id")),
    ("not is", "service", lambda c: c.table("docs").select("id").not_.is_("data", "null").order("id")),
    ("and", "service", lambda c: c.raw("GET", "/docs?select=id&and=(id.gte.2,id.lt.4)&order=id")),
    ("and beside a filter", "service", lambda c: c.raw("GET", "/docs?select=id&org_id=eq.2&and=(id.gt.1,id.lt.4)")),
    ("and with not", "service", lambda c: c.raw("GET", "/docs?select=id&and=(published.not.is.null,id.gt.1)&order=id")),
    (
        "and with in and quotes",
        "service",
        lambda c: c.raw("GET", '/docs?select=id&and=(id.in.(1,3),body.eq."third words")&order=id'),
    ),
    ("filter twice on one column", "service", lambda c: c.raw("GET", "/docs?select=id&id=gt.1&id=lt.4&order=id")),
]
