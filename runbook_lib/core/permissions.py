"""What each source may ask of the world: declared by the source, held by the doors. Anything else raises before it leaves.

A source's package declares its requests as it is imported (`runbook_lib/sources/<vendor>/__init__.py`). A request is a method and a
path whose variable parts are in braces, or a GraphQL query by its name; a program is one by its name. What leaves a mark is
declared as such, and asked only where that was allowed (`--active`) or where it is work that somebody asked for.
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from runbook_lib.core.errors import RunbookError

READING = frozenset({"GET", "HEAD"})


class NotPermittedError(RunbookError):
    """A look asked for something that its source has not declared: a bug, and nothing has left the process."""


class Request(NamedTuple):
    """One kind of request.

    Attributes:
        method: of HTTP.
        path: the end of the path, behind whatever path an address has of its own; {name} is one segment, {name*} several.
        queries: of GraphQL, the names of the queries; empty where it is none.
        leaves_a_mark: why, where it does more than read; such a request is refused unless marks are allowed.
        reads_by_post: why a POST only reads; each POST that is no GraphQL has this or leaves a mark.
    """

    method: str
    path: str
    queries: tuple[str, ...] = ()
    leaves_a_mark: str = ""
    reads_by_post: str = ""


class Permitted(NamedTuple):
    """What a source may ask: requests over HTTP, and programs by their names."""

    source: str
    requests: tuple[Request, ...] = ()
    programs: tuple[str, ...] = ()

    def check_request(self, method: str, path: str, body: bytes, *, marks: bool) -> None:
        """Raises NotPermittedError where no declared request is like this one, or where it leaves a mark and may not."""
        if any(part.lower().replace("%2e", ".") in (".", "..") for part in path.split("/")):
            raise self._refused(f"{method} {path}", "a part of it leads out of where it stands")
        for request in self.requests:
            if request.method != method.upper() or not _pattern(request.path).search(path):
                continue
            if request.queries and (asked := query_name(body)) not in request.queries:
                raise self._refused(f"{method} {path}", f"the GraphQL operation {asked or 'is no single named query'}")
            if request.leaves_a_mark and not marks:
                raise self._refused(
                    f"{method} {path}", f"it leaves a mark ({request.leaves_a_mark}), and this run may only look"
                )
            return
        raise self._refused(f"{method} {path}", "no such request is declared")

    def check_program(self, path: str, setting: Callable[[str], object] = lambda _: None) -> None:
        """Raises NotPermittedError where the program is not one that the source has declared.

        Args:
            path: the program's.
            setting: the value of a setting by its name; a program declared as `setting:stripe_cli` is the one that it names.
        """
        name = path.rpartition("/")[2]
        named = {str(setting(each.partition(":")[2])) for each in self.programs if each.startswith("setting:")}
        if name not in self.programs and name not in {each.rpartition("/")[2] for each in named}:
            raise self._refused(name, "no such program is declared")

    def _refused(self, what: str, why: str) -> NotPermittedError:
        return NotPermittedError(
            f"The source {self.source} may not ask for this, and it has not left the process",
            where=what[:300],
            came_back=why,
            do_next="This is a bug of the source: what it may ask stands in its package's __init__.py.",
        )


_declared: dict[str, Permitted] = {}


def permit(source: str, *requests: Request, programs: tuple[str, ...] = ()) -> None:
    """Declare what a source may ask; a source that is declared in two places may ask for both."""
    before = _declared.get(source, Permitted(source))
    _declared[source] = Permitted(source, before.requests + requests, before.programs + programs)


def permitted(source: str) -> Permitted:
    """What a source may ask; nothing at all where it has declared nothing."""
    return _declared.get(source, Permitted(source))


def declared() -> dict[str, Permitted]:
    """What every source that was imported has declared, by source."""
    return dict(sorted(_declared.items()))


def query_name(body: bytes) -> str:
    """The name of the one GraphQL query in a request's body; empty for a mutation, for several operations, and for what is none."""
    try:
        text = json.loads(body)["query"]
    except (ValueError, KeyError, TypeError):
        return ""
    if not isinstance(text, str):
        return ""
    bare = re.sub(r'"""(?:[^\\]|\\.)*?"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*', " ", text, flags=re.DOTALL)
    depth, top = 0, []
    for piece in re.findall(r"[{}()]|[_A-Za-z]\w*|[^\s{}()\w]", bare):
        if depth == 0 and piece not in "()":
            top.append(piece)
        depth += {"{": 1, "(": 1, "}": -1, ")": -1}.get(piece, 0)
    operations = [word for word in top if word in ("query", "mutation", "subscription")]
    at = top.index("query") if operations == ["query"] else -1
    return (
        top[at + 1]
        if at == 0 and len(top) > 1 and top[1] != "{" and top.count("{") == 1 + top.count("fragment")
        else ""
    )


@lru_cache(maxsize=512)
def _pattern(path: str) -> re.Pattern[str]:
    """The end of a path that a template stands for."""
    parts = re.split(r"(\{\w+\*?\})", path)
    return re.compile(
        "".join(
            ("[^?#]+" if part.endswith("*}") else "[^/?#]+") if part.startswith("{") else re.escape(part)
            for part in parts
        )
        + r"\Z"
    )
