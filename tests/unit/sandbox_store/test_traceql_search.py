"""TraceQL queries run on traces: which spans are left."""

import pytest

from runbook_lib.sandbox.store.traceql import mentioned_fields, parse


@pytest.fixture
def spans(make):
    """web → api → (db, llm); llm failed. Another api span hangs on a parent that never came."""
    web = make.span("GET /", service="web", kind=2, duration_ms=100, attributes={"http.response.status_code": 502})
    api = make.span("POST /v1", parent=web, service="api", kind=2, duration_ms=80, attributes={"retry": 2})
    db = make.span("SELECT", parent=api, service="api", kind=3, duration_ms=5, attributes={"db.system.name": "pg"})
    llm = make.span(
        "chat",
        parent=api,
        service="api",
        kind=3,
        duration_ms=60,
        attributes={"gen_ai.provider.name": "anthropic", "stream": True, "tags": ["a", "b"], "ratio": 0.5},
        status_code=2,
    )
    lost = make.span("lost", service="api", status_code=1)
    lost.parent_id = b"nowhere!"
    return [web, api, db, llm, lost]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("{ }", "GET / POST /v1 SELECT chat lost"),
        ('{ name = "SELECT" }', "SELECT"),
        ('{ resource.service.name = "web" }', "GET /"),
        ('{ span.service.name = "web" }', ""),
        ("{ status = error }", "chat"),
        ("{ status = ok }", "lost"),
        ("{ status != error }", "GET / POST /v1 SELECT lost"),
        ("{ status = error && kind = client }", "chat"),
        ("{ kind = server }", "GET / POST /v1"),
        ("{ duration > 70ms }", "GET / POST /v1"),
        ("{ duration <= 10ms }", "SELECT lost"),
        ("{ span.http.response.status_code >= 500 }", "GET /"),
        ("{ span.http.response.status_code = 502.0 }", "GET /"),
        ('{ span.http.response.status_code = "502" }', ""),
        ('{ span.http.response.status_code != "502" }', ""),
        ("{ span.retry = true }", ""),
        ("{ span.ratio < 1 }", "chat"),
        ("{ span.stream = true }", "chat"),
        ("{ span.stream = true || span.retry = 2 && kind = client }", "chat"),
        ("{ kind = client && span.stream = true || span.retry = 2 }", "POST /v1 chat"),
        ("{ kind = client && (span.stream = true || span.retry = 2) }", "chat"),
        ('{ span.db.system.name != "x" }', "SELECT"),
        ("{ span.retry = nil }", "GET / SELECT chat lost"),
        ("{ span.retry != nil }", "POST /v1"),
        ('{ span.tags = "b" }', "chat"),
        ('{ span.tags != "b" }', ""),
        ('{ span.tags != "z" }', "chat"),
        ('{ span.tags =~ "[ab]" }', "chat"),
        ('{ span.tags !~ "b" }', ""),
        ('{ rootName = "GET /" && status = error }', "chat"),
        ('{ name =~ "SEL" }', ""),
        ('{ name =~ "SEL.*|cha." }', "SELECT chat"),
        ('{ name !~ "SEL.*|cha." }', "GET / POST /v1 lost"),
        # several filters
        ("{ kind = server } && { status = error }", "GET / POST /v1 chat"),
        ("{ kind = server } && { status = error && kind = server }", ""),
        ("{ status = ok } || { status = error }", "lost chat"),
        ("{ status = ok } || { status = error } && { kind = server }", "lost chat GET / POST /v1"),
        ("{ kind = producer } && { } || { status = ok }", "lost"),
        ("{ status = error } | select(name, span.retry)", "chat"),
    ],
)
def test_a_query_selects(selects, spans, query, names):
    assert " ".join(selects(query, spans)) == names


def test_the_fields_a_query_mentions_are_told_once_in_order():
    query = parse("{ span.a = 1 && (status = error || span.c = 2) } && { span.b = nil } | select(span.a, name)")
    assert [str(field) for field in mentioned_fields(query)] == ["span.a", "status", "span.c", "span.b", "name"]


def test_a_missing_root_has_no_name(selects, make):
    child = make.span("child", parent=make.span())
    assert selects("{ rootName = nil }", [child]) == ["child"]
