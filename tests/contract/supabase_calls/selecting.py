"""What is selected: columns, aliases, casts, JSON paths and embedded resources."""

from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]

CALLS: list[Call] = [
    ("all rows", "service", lambda c: c.table("docs").select("*").order("id")),
    ("some columns", "service", lambda c: c.table("docs").select("id,body").order("id")),
    ("alias", "service", lambda c: c.table("docs").select("key:id,words:body").order("id")),
    ("cast", "service", lambda c: c.table("docs").select("id::text,rank::text").order("id")),
    ("cast to no type", "service", lambda c: c.table("docs").select("id::nonsense")),
    ("json path", "service", lambda c: c.table("docs").select("id,data->k->n,data->>s").order("id")),
    ("json path alias", "service", lambda c: c.table("docs").select("n:data->k->>n,id").order("id")),
    ("json array index", "service", lambda c: c.table("docs").select("data->k->list->0").eq("id", 1)),
    ("json array index as text", "service", lambda c: c.table("docs").select("data->k->list->>-1").eq("id", 1)),
    ("json path on no json", "service", lambda c: c.table("docs").select("tags->0").order("id")),
    ("quoted column", "service", lambda c: c.table("docs").select('"id"').eq("id", 1)),
    ("many to one", "service", lambda c: c.table("docs").select("id,orgs(name)").order("id")),
    ("many to one all", "service", lambda c: c.table("docs").select("id,orgs(*)").order("id")),
    ("one to many", "service", lambda c: c.table("orgs").select("name,docs(id,body)").order("id")),
    ("one to one", "service", lambda c: c.table("docs").select("id,doc_stats(views)").order("id")),
    ("one to one back", "service", lambda c: c.table("doc_stats").select("views,docs(body)").order("doc_id")),
    ("many to many", "service", lambda c: c.table("docs").select("id,labels(name)").order("id")),
    (
        "many to many ordered",
        "service",
        lambda c: c.table("labels").select("id,docs(id)").order("id").order("id", foreign_table="docs"),
    ),
    ("nested", "service", lambda c: c.table("orgs").select("name,docs(id,labels(name),orgs(id))").order("id")),
    ("embed alias", "service", lambda c: c.table("docs").select("id,home:orgs(title:name)").order("id")),
    (
        "embed by constraint",
        "service",
        lambda c: c.table("docs").select("id,people!docs_author_fkey(email)").order("id"),
    ),
    ("embed by column hint", "service", lambda c: c.table("docs").select("id,people!reviewer(email)").order("id")),
    ("embed by column name", "service", lambda c: c.table("docs").select("id,author(email)").order("id")),
    (
        "embed two ways",
        "service",
        lambda c: c.table("docs").select("id,a:people!author(email),r:people!reviewer(email)").order("id"),
    ),
    ("self to one", "service", lambda c: c.table("people").select("id,manager(email)").order("id")),
    ("self to many", "service", lambda c: c.table("people").select("id,people!manager(email)").order("id")),
    (
        "self by constraint",
        "service",
        lambda c: c.table("people").select("id,people!people_manager_fkey(email)").order("id"),
    ),
    ("inner", "service", lambda c: c.table("docs").select("id,people!reviewer!inner(email)").order("id")),
    (
        "inner to many",
        "service",
        lambda c: c.table("orgs").select("name,docs!inner(id)").eq("docs.published", True).order("id"),
    ),
    (
        "filter on embed",
        "service",
        lambda c: c.table("docs").select("id,orgs(name)").eq("orgs.name", "acme").order("id"),
    ),
    (
        "inner and filter on embed",
        "service",
        lambda c: c.table("docs").select("id,orgs!inner(name)").eq("orgs.name", "acme").order("id"),
    ),
    (
        "order in embed",
        "service",
        lambda c: c.table("orgs").select("name,docs(id)").order("id").order("id", desc=True, foreign_table="docs"),
    ),
    (
        "limit in embed",
        "service",
        lambda c: (
            c.table("orgs")
            .select("name,docs(id)")
            .order("id")
            .limit(1, foreign_table="docs")
            .order("id", foreign_table="docs")
        ),
    ),
    (
        "or in embed",
        "service",
        lambda c: c.table("orgs").select("name,docs(id)").or_("id.eq.1,id.eq.3", reference_table="docs").order("id"),
    ),
    ("spread", "service", lambda c: c.table("docs").select("id,...orgs(org:name)").order("id")),
    ("spread to many", "service", lambda c: c.table("orgs").select("id,...docs(body)").order("id")),
    (
        "embed present",
        "service",
        lambda c: c.table("docs").select("id,doc_stats(views)").not_.is_("doc_stats", "null").order("id"),
    ),
    (
        "embed absent",
        "service",
        lambda c: c.table("docs").select("id,doc_stats(views)").is_("doc_stats", "null").order("id"),
    ),
    ("embed without columns", "service", lambda c: c.table("docs").select("id,doc_stats!inner()").order("id")),
    ("embed is true", "service", lambda c: c.raw("GET", "/docs?select=id,doc_stats(views)&doc_stats=is.true")),
    ("embed filtered wrongly", "service", lambda c: c.table("docs").select("id,doc_stats(views)").eq("doc_stats", "1")),
    ("order by embed", "service", lambda c: c.raw("GET", "/docs?select=id,orgs(name)&order=orgs(name).desc,id")),
    ("order by embed to many", "service", lambda c: c.raw("GET", "/orgs?select=id,docs(id)&order=docs(id)")),
    ("order by what is not embedded", "service", lambda c: c.raw("GET", "/orgs?select=id&order=docs(id)")),
    ("ambiguous embed", "service", lambda c: c.table("docs").select("id,people(email)")),
    ("no such relationship", "service", lambda c: c.table("docs").select("id,closed(note)")),
    ("no such embed table", "service", lambda c: c.table("docs").select("id,orggs(name)")),
    ("no such hint", "service", lambda c: c.table("docs").select("id,orgs!wrong(name)")),
    ("filter on what is not embedded", "service", lambda c: c.table("docs").select("id").eq("orgs.name", "acme")),
    ("view", "service", lambda c: c.table("doc_titles").select("*").order("id")),
    ("aggregate refused", "service", lambda c: c.table("docs").select("id.count()")),
]
