"""Read-only by construction: what a source has not declared raises before a connection is opened, and every declaration is read."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from runbook_lib.core.model import Answer, Status
from runbook_lib.core.permissions import READING, NotPermittedError, Permitted, Request, query_name
from runbook_lib.io.door import Door
from runbook_lib.io.observe import Look, Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.permissions_page import all_permitted
from runbook_lib.sources.supabase.api import ProjectApi
from runbook_lib.sources.this_machine import webhook

SOURCES = all_permitted()
WRITING = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def counting() -> Iterator[tuple[str, list[object]]]:
    """An address at which every connection is counted and closed."""
    opened: list[object] = []
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, address = server.accept()
            except OSError:
                return
            opened.append(address)
            connection.close()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", opened
    server.close()


def ask(source: str, method: str, url: str, *, active: bool = True, **options: Any) -> None:
    """One request, asked by a look of this source."""

    def fetch(door: Door) -> Answer[None]:
        door.http.send(method, url, **options)
        return Answer(Status.ok, None)

    observer = Observer(now=datetime.now(UTC), settings=Settings.empty(), active=active)
    observer.together(Look(source, "test", {}, fetch))


def path_of(request: Request) -> str:
    """A path that the template stands for."""
    return "/" + request.path.lstrip("/").replace("{", "").replace("*}", "").replace("}", "")


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_source_has_not_declared_never_leaves(source: str, counting: tuple[str, list[object]]) -> None:
    address, opened = counting
    known = {(each.method, path_of(each)) for each in SOURCES[source].requests}
    asked = {(method, path) for _, path in known for method in WRITING} | {("GET", "/admin/delete-everything/now")}
    anything = any(each.path.endswith("{path*}") for each in SOURCES[source].requests)
    for method, path in sorted(asked - known):
        if (method == "GET" and anything) or any(
            each.path == "{endpoint*}" and each.method == method for each in SOURCES[source].requests
        ):
            continue
        with pytest.raises(NotPermittedError, match="has not left the process"):
            ask(source, method, address + path)
    assert opened == []


@pytest.mark.parametrize("source", SOURCES)
def test_what_leaves_a_mark_is_refused_unless_marks_are_allowed(
    source: str, counting: tuple[str, list[object]]
) -> None:
    address, opened = counting
    for request in SOURCES[source].requests:
        if request.leaves_a_mark:
            with pytest.raises(NotPermittedError, match="leaves a mark"):
                ask(source, request.method, address + path_of(request), active=False)
    assert opened == []


def test_every_request_reads_or_says_why_it_is_asked() -> None:
    for source, may in SOURCES.items():
        for request in may.requests:
            reads = request.method in READING or request.queries or request.reads_by_post
            assert bool(reads) != bool(request.leaves_a_mark), (source, request)


def test_a_look_that_leaves_a_mark_is_not_begun_in_a_run_that_may_only_look() -> None:
    observer = Observer(now=datetime.now(UTC), settings=Settings.empty())
    with pytest.raises(NotPermittedError, match="leaves a mark"):
        observer.together(webhook.signed())


def test_what_is_not_permitted_breaks_the_run_within_a_vendor_s_package_too(counting: tuple[str, list[object]]) -> None:
    """The supabase package turns what its transport raises into errors of its own; this one has to come through."""
    address, opened = counting

    def fetch(door: Door) -> Answer[None]:
        ProjectApi(door).rows(lambda client: client.table("notes").delete().eq("id", "1"))
        return Answer(Status.ok, None)

    settings = Settings.from_mapping(
        {"SUPABASE_URL": address, "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_0123456789abcdef"}
    )
    with pytest.raises(NotPermittedError):
        Observer(now=datetime.now(UTC), settings=settings).together(Look("supabase", "test", {}, fetch))
    assert opened == []


def test_a_source_that_declared_nothing_asks_nothing(counting: tuple[str, list[object]]) -> None:
    address, opened = counting
    with pytest.raises(NotPermittedError):
        ask("somebody", "GET", address + "/")
    assert opened == []


MUTATIONS = [
    "mutation Deploy { deploymentRedeploy(id: 1) { id } }",
    "query Deployments { a } mutation Deploy { b }",
    "# query Deployments {\nmutation Deploy { b }",
    '"""query Deployments { a }""" mutation Deploy { b }',
    "{ deployments { id } }",
    "query Others { a }",
    "subscription Deployments { a }",
    "query Deployments { a } query Deployments { b }",
    "fragment F on X { a } mutation Deploy { ...F }",
    "",
]


@pytest.mark.parametrize("text", MUTATIONS)
def test_of_graphql_one_declared_query_leaves_and_nothing_else(text: str, counting: tuple[str, list[object]]) -> None:
    address, opened = counting
    for body in ({"query": text}, {"query": text, "operationName": "Deployments"}, [{"query": text}]):
        with pytest.raises(NotPermittedError):
            ask("railway", "POST", f"{address}/graphql/v2", json=body)
    assert opened == []
    assert (
        query_name(json.dumps({"query": 'query Deployments($n: Int = 2) { a(x: "mutation") { b } }'}).encode())
        == "Deployments"
    )


def test_a_program_that_is_not_declared_is_not_started(tmp_path: Any) -> None:
    def fetch(door: Door) -> Answer[None]:
        door.programs.run(["/bin/touch", str(tmp_path / "started")])
        return Answer(Status.ok, None)

    for source in ("vercel", "restore", "gateway_image"):
        observer = Observer(now=datetime.now(UTC), settings=Settings.empty(), active=True)
        with pytest.raises(NotPermittedError):
            observer.together(Look(source, "test", {}, fetch))
    assert not (tmp_path / "started").exists()


def test_a_template_s_part_is_one_segment() -> None:
    may = Permitted("x", (Request("GET", "/v1/apps/{app}"),))
    may.check_request("GET", "/base/v1/apps/web", b"", marks=False)
    for path in (
        "/v1/apps/web/delete",
        "/v1/apps/",
        "/v1/apps/a/../../secrets",
        "/v1/apps/..",
        "/v1/apps/%2E%2e",
        "/v1/appsweb",
    ):
        with pytest.raises(NotPermittedError):
            may.check_request("GET", path, b"", marks=False)
