"""TraceQL pipelines run on traces: which spans are left, and what is told about them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.sandbox.store.model import Event, Link, Resource, Scope, Span, Trace
from runbook_lib.sandbox.store.traceql import mentioned, parse, runner


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
        status_message="Overloaded",
        events=[
            Event("retry", web.start_ns, {"attempt": 1}),
            Event("exception", web.start_ns + 2_000_000, {"exception.message": "529 overloaded_error"}),
        ],
        links=[Link(b"L" * 16, b"l" * 8, "", {"why": "cause"})],
    )
    lost = make.span("lost", service="api", status_code=1)
    lost.parent_id = b"nowhere!"
    return [web, api, db, llm, lost]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("{ }", "GET / POST /v1 SELECT chat lost"),
        ("{ false }", ""),
        ('{ name = "SELECT" }', "SELECT"),
        ('{ resource.service.name = "web" }', "GET /"),
        ('{ .service.name = "web" }', "GET /"),
        ('{ span.service.name = "web" }', ""),
        ("{ status = error }", "chat"),
        ("{ status = ok }", "lost"),
        ("{ status != error }", "GET / POST /v1 SELECT lost"),
        ("{ span:status = error && span:kind = client }", "chat"),
        ("{ kind = server }", "GET / POST /v1"),
        ('{ statusMessage = "Overloaded" }', "chat"),
        ('{ span:statusMessage =~ "over.*" }', ""),
        ('{ span:statusMessage =~ "(?i)over.*" }', "chat"),
        ("{ duration > 70ms }", "GET / POST /v1"),
        ("{ span:duration <= 10ms }", "SELECT lost"),
        ("{ trace:duration = 100ms && kind = client }", "SELECT chat"),
        ("{ traceDuration > 1s }", ""),
        ("{ span.http.response.status_code >= 500 }", "GET /"),
        ("{ span.http.response.status_code = 502.0 }", "GET /"),
        ('{ span.http.response.status_code = "502" }', ""),
        ('{ span.http.response.status_code != "502" }', ""),
        ("{ span.retry = true }", ""),
        ("{ span.retry + 1 = 3 }", "POST /v1"),
        ("{ -span.retry = -2 }", "POST /v1"),
        ("{ span.retry / 0 > 1 }", ""),
        ("{ 1 < span.retry }", "POST /v1"),
        ("{ span.ratio < 1 }", "chat"),
        ("{ span.stream }", "chat"),
        ("{ span.stream = true }", "chat"),
        ("{ !span.stream }", ""),
        ("{ span.stream || span.retry = 2 && kind = client }", "chat"),
        ("{ kind = client && span.stream || span.retry = 2 }", "POST /v1 chat"),
        ("{ span.nothing && true || kind = client && status = unset }", "SELECT"),
        ("{ span.stream || span.retry = 2 }", "POST /v1 chat"),
        ('{ span.db.system.name != "x" }', "SELECT"),
        ("{ span.retry = nil }", "GET / SELECT chat lost"),
        ("{ span.retry != nil }", "POST /v1"),
        ("{ event.attempt = nil }", "GET / POST /v1 SELECT lost"),
        ('{ event.exception.message =~ "529.*" }', "chat"),
        ('{ .exception.message = "529 overloaded_error" }', "chat"),
        ('{ event:name = "exception" }', "chat"),
        ('{ event:name != "exception" }', "chat"),
        ("{ event:timeSinceStart > 1ms }", "chat"),
        ('{ link.why = "cause" }', "chat"),
        ('{ link:traceID = "' + "4c" * 16 + '" }', "chat"),
        ('{ span.tags = "b" }', "chat"),
        ('{ span.tags != "b" }', ""),
        ('{ span.tags != "z" }', "chat"),
        ('{ span.tags =~ "[ab]" }', "chat"),
        ('{ span.tags !~ "b" }', ""),
        ('{ instrumentation:name = "lib" && name = "SELECT" }', "SELECT"),
        ('{ instrumentation.lib.attr = "here" && name = "SELECT" }', "SELECT"),
        ('{ trace:rootService = "web" && trace:rootName = "GET /" && status = error }', "chat"),
        ('{ trace:id = "00000000000000000000000000000001" && kind = server }', "GET / POST /v1"),
        ('{ span:id = "0000000000000003" }', "SELECT"),
        ('{ span:parentID = "0000000000000002" }', "SELECT chat"),
        ("{ span:parentID = nil }", "GET /"),
        ("{ span:childCount = 2 }", "POST /v1"),
        ("{ nestedSetParent < 0 }", "GET /"),
        ("{ nestedSetParent = 0 }", "lost"),
        ('{ name =~ "SEL" }', ""),
        ('{ name =~ "SEL.*|cha." }', "SELECT chat"),
        ('{ name !~ "SEL.*|cha." }', "GET / POST /v1 lost"),
        # spansets
        ("{ kind = server } && { status = error }", "GET / POST /v1 chat"),
        ("{ kind = server } && { status = error && kind = server }", ""),
        ("{ status = ok } || { status = error }", "lost chat"),
        ('{ name = "GET /" } >> { kind = client }', "SELECT chat"),
        ('{ name = "GET /" } > { kind = client }', ""),
        ('{ name = "POST /v1" } > { kind = client }', "SELECT chat"),
        ("{ status = error } << { kind = server }", "GET / POST /v1"),
        ("{ status = error } < { kind = server }", "POST /v1"),
        ("{ status = error } ~ { }", "SELECT"),
        ("{ } !< { }", "SELECT chat lost"),
        ("{ } !> { }", "GET / lost"),
        ('{ name = "GET /" } !>> { }', "GET / lost"),
        ('{ name = "GET /" } &>> { status = error }', "GET / chat"),
        ("{ status = error } &~ { kind = client }", "chat SELECT"),
        # pipelines
        ("{ kind = client } | count() > 1", "SELECT chat"),
        ("{ kind = client } | count() > 2", ""),
        ("{ kind = client } | max(duration) >= 60ms", "SELECT chat"),
        ("{ kind = client } | avg(duration) > 40ms", ""),
        ("{ } | sum(span.retry) = 2", "GET / POST /v1 SELECT chat lost"),
        ("{ } | min(span.nothing) = 2", ""),
        ('{ } | by(resource.service.name) | count() > 1 | { name = "SELECT" }', "SELECT"),
        ("{ } | by(kind) | count() = 2 | coalesce()", "GET / POST /v1 SELECT chat"),
        ("({ kind = client } | count() > 1) && { status = ok }", "SELECT chat lost"),
        ("{ status = error } | select(name, span.retry)", "chat"),
        ("count() = 5", "GET / POST /v1 SELECT chat lost"),
    ],
)
def test_a_query_selects(selects, spans, query, names):
    assert " ".join(selects(query, spans)) == names


def test_a_pipeline_tells_what_it_computed(spans):
    trace = Trace(spans[0].trace_id, tuple(spans))
    query = "{ } | by(resource.service.name) | count() > 0 | max(duration) > 0s"
    found = runner(parse(query).pipeline)(trace)
    assert [one.attributes for one in found] == [
        [("by(resource.service.name)", "web"), ("count()", 1), ("max(duration)", "100ms")],
        [("by(resource.service.name)", "api"), ("count()", 4), ("max(duration)", "80ms")],
    ]


def test_the_fields_a_query_mentions_are_told_once_in_order():
    query = parse("{ span.a = 1 && status = error } >> ({ .b } | by(kind)) | select(span.a, name) | avg(duration) > 1s")
    assert [str(field) for field in mentioned(query.pipeline)] == ["span.a", "status", ".b", "kind", "name", "duration"]


def test_a_missing_root_has_no_name(selects, make):
    child = make.span("child", parent=make.span())
    assert selects("{ rootName = nil }", [child]) == ["child"]
    assert selects('{ rootServiceName = "<root span not yet received>" }', [child]) == ["child"]


# --- the structural operators against their definitions, on random trees ---


@st.composite
def forests(draw):
    """A trace of up to 12 spans, some with a missing parent, and two sets of its spans' numbers."""
    count = draw(st.integers(1, 12))
    parents = [draw(st.integers(-2, n - 1)) for n in range(count)]
    chosen = st.sets(st.integers(0, count - 1))
    spans = [
        Span(
            b"t" * 16,
            bytes([1, *[0] * 6, n]),
            b"" if p == -1 else b"missing!" if p == -2 else bytes([1, *[0] * 6, p]),
            str(n),
            1,
            n,
            n + 1,
            {},
            Resource(),
            Scope(),
        )
        for n, p in enumerate(parents)
    ]
    left, right = draw(chosen), draw(chosen)
    for n, span in enumerate(spans):
        span.attributes = {"left": n in left, "right": n in right}
    return spans, parents, left, right


def ancestors(parents, n):
    while parents[n] >= 0:
        n = parents[n]
        yield n


RELATIONS = {
    ">": lambda parents, a, b: parents[b] == a,
    ">>": lambda parents, a, b: a in ancestors(parents, b),
    "<": lambda parents, a, b: parents[a] == b,
    "<<": lambda parents, a, b: b in ancestors(parents, a),
    "~": lambda parents, a, b: a != b and parents[a] == parents[b] and parents[a] != -1,
}


@pytest.mark.parametrize("operator", RELATIONS)
@given(case=forests())
def test_structural_operators_mean_what_they_say(operator, case):
    spans, parents, left, right = case
    holds = RELATIONS[operator]
    trace = Trace(b"t" * 16, tuple(spans))

    def found(written):
        query = f"{{ span.left }} {written} {{ span.right }}"
        return {int(s.name) for one in runner(parse(query).pipeline)(trace) for s in one.spans}

    partners = {b for b in right if any(holds(parents, a, b) for a in left)}
    assert found(operator) == partners
    assert found(f"!{operator}") == right - partners
    assert found(f"&{operator}") == partners | {a for a in left if any(holds(parents, a, b) for b in right)}


def test_a_loop_of_parents_ends(selects, make):
    first, second = make.span("a"), make.span("b")
    first.parent_id, second.parent_id = second.span_id, first.span_id
    assert selects('{ name = "a" } >> { }', [first, second]) == ["a", "b"]
    assert selects('{ name = "a" } << { }', [first, second]) == ["a", "b"]
    assert selects("{ nestedSetParent = 0 }", [first, second]) == ["a", "b"]
