"""Two hundred requests mixed at random from everything that can stand in a query string; always the same ones."""

import random
from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]


def _words(text: str) -> list[str]:
    return text.split()


_SELECTS = _words(
    "* id id,body nick:body id::text data data->k data->>s data->k->>n tags tags->0 rank::int created_at::date during published "
    "orgs(*) orgs(name) orgs!inner(name) people!author(*) people!docs_reviewer_fkey(email) labels(name) labels!inner(id) "
    "doc_stats(*) author(email,orgs(name)) ...orgs(oname:name) orgs(docs(id)) orgs() doc_labels(label_id,labels(name))"
)
_FILTERS = _words(
    "id=eq.1 id=gt.2 id=in.(1,2,3) id=not.in.(1) id=eq(any).{1,3} id=isdistinct.1 id=eq. id=eq.x body=eq. body=like.*words* "
    "body=ilike.*WORDS* body=match.^f body=like(any).{first*,third*} body=fts.words body=not.wfts.first published=is.true "
    "published=is.null published=not.is.null data=is.null data->>s=eq.x data->k->>n=eq.2 data->k=eq.{%22n%22:2} tags=cs.{a} "
    "tags=cd.{a,b,c} tags=ov.{b,c} during=ov.[2,6) during=sl.[5,9) during=adj.[5,9) or=(id.eq.1,id.eq.4) and=(id.gt.1,id.lt.4) "
    "not.or=(id.eq.1,id.eq.2) not.and=(id.eq.1,body.like.*first*) or=(and(id.eq.1,body.like.*first*),id.eq.3) "
    "or=(id.in.(1,2),tags.cs.{c}) or=(data->>s.eq.x,id.eq.4) rank=gte.2.2 created_at=gte.2025-01-01 nothing=eq.1 "
    "orgs.name=eq.acme labels.name=eq.red doc_stats=is.null doc_stats=not.is.null orgs=not.is.null orgs.limit=1 labels.limit=1 "
    "labels.order=name.desc orgs.or=(name.eq.acme,id.eq.2)"
)
_ORDERS = _words(
    "id id.desc rank.desc.nullslast,id body.asc.nullsfirst data->>s,id orgs(name).desc,id org_id,id.desc nope published,id"
)
_WINDOWS = ("", "", "limit=2", "offset=1", "limit=1&offset=2", "limit=0", "offset=10")
_HEADERS: tuple[dict[str, str], ...] = ({}, {}, {"Prefer": "count=exact"}, {"Accept": "text/csv"})


def _mixed(number: int, chance: random.Random) -> Call:
    headers = chance.choice(_HEADERS)
    embeds = 1 if "Accept" in headers else 3  # in CSV, 12.0 gives several embedded resources in an order of its own
    selects = [s for s in chance.sample(_SELECTS, 4) if "(" not in s][:2] + [
        s for s in chance.sample(_SELECTS, embeds) if "(" in s
    ]
    parts = [
        "select=" + ",".join(dict.fromkeys(selects or ["id"])),
        *chance.sample(_FILTERS, chance.choice((0, 1, 1, 2))),
    ]
    parts += [f"order={chance.choice(_ORDERS)}", *filter(None, [chance.choice(_WINDOWS)])]
    path = "/docs?" + "&".join(parts)
    who = chance.choice(("service", "service", "user", "anon"))
    return f"mixed {number}: {path}", who, lambda c: c.raw("GET", path, headers=dict(headers))


_chance = random.Random(20261123)
CALLS: list[Call] = [_mixed(number, _chance) for number in range(200)]
