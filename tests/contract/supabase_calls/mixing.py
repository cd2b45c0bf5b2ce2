"""Two hundred requests mixed at random from everything that can stand in a query string; always the same ones."""

import random
from collections.abc import Callable
from typing import Any

Call = tuple[str, str, Callable[[Any], Any]]


def _words(text: str) -> list[str]:
    return text.split()


_SELECTS = _words("* id id,body id,data,tags body,published,rank org_id,id,created_at during,id")
_FILTERS = _words(
    "id=eq.1 id=gt.2 id=in.(1,2,3) id=not.in.(1) id=eq. id=eq.x id=neq.2 body=eq. body=like.*words* body=ilike.*WORDS* "
    "published=is.true published=is.null published=not.is.null data=is.null tags=eq.{b} rank=gte.2.2 rank=lt.4 nothing=eq.1 "
    "created_at=gte.2025-01-01 created_at=lt.2025-01-01 and=(id.gt.1,id.lt.4) and=(id.in.(1,2),body.like.*first*) "
    "and=(published.not.is.null,rank.gte.2) and=(body.eq.%22third+words%22)"
)
_ORDERS = _words("id id.desc rank.desc.nullslast,id body.asc.nullsfirst org_id,id.desc nope published,id")
_WINDOWS = ("", "", "limit=2", "offset=1", "limit=1&offset=2", "limit=0", "offset=10")
_HEADERS: tuple[dict[str, str], ...] = ({}, {}, {"Prefer": "count=exact"})


def _mixed(number: int, chance: random.Random) -> Call:
    headers = chance.choice(_HEADERS)
    parts = [f"select={chance.choice(_SELECTS)}", *chance.sample(_FILTERS, chance.choice((0, 1, 1, 2)))]
    parts += [f"order={chance.choice(_ORDERS)}", *filter(None, [chance.choice(_WINDOWS)])]
    path = "/docs?" + "&".join(parts)
    who = chance.choice(("service", "service", "user", "anon"))
    return f"mixed {number}: {path}", who, lambda c: c.raw("GET", path, headers=dict(headers))


_chance = random.Random(20261123)
CALLS: list[Call] = [_mixed(number, _chance) for number in range(200)]
