"""Which rows: every filter, and logic over them."""

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
    ("match", "service", lambda c: c.raw("GET", "/docs?select=id&body=match.^first&order=id")),
    ("imatch", "service", lambda c: c.raw("GET", "/docs?select=id&body=imatch.^FIRST")),
    ("in", "service", lambda c: c.table("docs").select("id").in_("id", [1, 3]).order("id")),
    ("in with quotes", "service", lambda c: c.table("docs").select("id").in_("body", ['second, "quoted" words', "x"])),
    ("in empty", "service", lambda c: c.table("docs").select("id").in_("id", [])),
    ("is null", "service", lambda c: c.table("docs").select("id").is_("data", "null")),
    ("is true", "service", lambda c: c.table("docs").select("id").is_("published", "true").order("id")),
    ("is unknown", "service", lambda c: c.table("docs").select("id").is_("published", "unknown")),
    ("is something else", "service", lambda c: c.table("docs").select("id").is_("published", "maybe")),
    ("isdistinct", "service", lambda c: c.raw("GET", "/docs?select=id&published=isdistinct.true&order=id")),
    ("not eq", "service", lambda c: c.table("docs").select("id").not_.eq("id", 3).order("id")),
    ("not in", "service", lambda c: c.table("docs").select("id").not_.in_("id", [1, 2]).order("id")),
    ("contains array", "service", lambda c: c.table("docs").select("id").contains("tags", ["a"])),
    ("contains json", "service", lambda c: c.table("docs").select("id").contains("data", {"s": "x"})),
    ("contained", "service", lambda c: c.table("docs").select("id").contained_by("tags", ["a", "b", "z"]).order("id")),
    ("overlaps", "service", lambda c: c.table("docs").select("id").ov("tags", ["b", "q"]).order("id")),
    ("range left", "service", lambda c: c.table("docs").select("id").range_lt("during", [6, 8]).order("id")),
    ("range right", "service", lambda c: c.table("docs").select("id").range_gt("during", [0, 4]).order("id")),
    ("range not right", "service", lambda c: c.table("docs").select("id").range_gte("during", [2, 4]).order("id")),
    ("range not left", "service", lambda c: c.table("docs").select("id").range_lte("during", [2, 7]).order("id")),
    ("range adjacent", "service", lambda c: c.table("docs").select("id").range_adjacent("during", [5, 7]).order("id")),
    ("text search", "service", lambda c: c.raw("GET", "/docs?select=id&body=fts.words&order=id")),
    (
        "text search in a language",
        "service",
        lambda c: c.raw("GET", "/docs?select=id&body=plfts(english).word&order=id"),
    ),
    ("web search", "service", lambda c: c.raw("GET", "/docs?select=id&body=wfts.words -first&order=id")),
    ("phrase search", "service", lambda c: c.raw("GET", "/docs?select=id&body=phfts.first words")),
    ("any of", "service", lambda c: c.raw("GET", "/docs?select=id&id=eq(any).{1,4}&order=id")),
    ("like all of", "service", lambda c: c.raw("GET", "/docs?select=id&body=like(all).{*first*,*words*}")),
    ("or", "service", lambda c: c.table("docs").select("id").or_("id.eq.1,body.eq.third words").order("id")),
    (
        "nested logic",
        "service",
        lambda c: c.table("docs").select("id").or_("id.eq.1,and(org_id.eq.2,not.published.is.null)").order("id"),
    ),
    (
        "logic with a negated filter",
        "service",
        lambda c: c.table("docs").select("id").or_("id.eq.1,published.not.is.null").order("id"),
    ),
    (
        "logic with a negated tree",
        "service",
        lambda c: c.table("docs").select("id").or_("id.eq.1,not.and(org_id.eq.2,id.eq.3)").order("id"),
    ),
    ("not or", "service", lambda c: c.raw("GET", "/docs?select=id&not.or=(id.eq.1,id.eq.2)&order=id")),
    (
        "logic with in and quotes",
        "service",
        lambda c: c.raw("GET", '/docs?select=id&or=(id.in.(1,2),body.eq."third words")&order=id'),
    ),
    ("logic with array", "service", lambda c: c.raw("GET", "/docs?select=id&or=(tags.cs.{a,b},id.eq.3)&order=id")),
    ("filter on json path", "service", lambda c: c.table("docs").select("id").eq("data->k->>n", "2")),
    ("filter twice on one column", "service", lambda c: c.raw("GET", "/docs?select=id&id=gt.1&id=lt.4&order=id")),
]
