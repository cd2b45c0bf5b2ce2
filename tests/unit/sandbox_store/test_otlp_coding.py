"""OTLP in, OTLP out: nothing is lost on the way, and what is no OTLP is told where it is wrong."""

import json
import math
import re
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.otlp_binary import traces_data

from runbook_lib.sandbox.store.decode import MalformedExportError, decode_json, decode_protobuf
from runbook_lib.sandbox.store.encode import jaeger_batches, tempo_batches
from runbook_lib.sandbox.store.model import Event, Link, Resource, Scope, Span

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none()
    | texts
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(texts, values, max_size=4)
moments = st.integers(0, (1 << 63) - 1)
spans = st.builds(
    Span,
    trace_id=st.binary(min_size=16, max_size=16),
    span_id=st.binary(min_size=8, max_size=8),
    parent_id=st.just(b"") | st.binary(min_size=8, max_size=8).filter(any),
    name=texts,
    kind=st.integers(0, 5),
    start_ns=moments,
    end_ns=moments,
    attributes=attributes,
    resource=st.builds(Resource, attributes, texts),
    scope=st.builds(Scope, texts, texts, attributes, texts),
    status_code=st.integers(0, 2),
    status_message=texts,
    events=st.lists(st.builds(Event, texts, moments, attributes), max_size=2),
    links=st.lists(
        st.builds(
            Link,
            st.binary(min_size=16, max_size=16),
            st.binary(min_size=8, max_size=8),
            texts,
            attributes,
            st.integers(0, 255),
        ),
        max_size=2,
    ),
    trace_state=texts,
    flags=st.integers(0, 0x3FF),
)


def fields(one):
    """A record's fields, and those of the records in it."""
    if isinstance(one, Span | Resource | Scope | Event | Link):
        return {name: fields(getattr(one, name)) for name in one.__slots__}
    return [fields(part) for part in one] if isinstance(one, list) else one


@pytest.mark.slow
@given(spans)
def test_binary_otlp_brings_every_field_back(span):
    assert [fields(one) for one in decode_protobuf(traces_data([span]))] == [fields(span)]


@pytest.mark.slow
@given(spans)
def test_jaegers_json_brings_every_field_back_and_a_name_for_what_has_none(span):
    document = orjson.dumps({"resourceSpans": jaeger_batches([span])})
    sent = fields(span)
    if not span.resource.service:
        lacking = "empty" if "service.name" in span.resource.attributes else "missing"
        sent["resource"]["attributes"] = {**span.resource.attributes, "service.name": f"{lacking}-service-name"}
    assert [fields(one) for one in decode_json(document)] == [sent]


@given(st.binary(max_size=300))
def test_any_bytes_are_spans_or_refused(body):
    for decode in (decode_protobuf, decode_json):
        with suppress(MalformedExportError):
            assert all(isinstance(span, Span) for span in decode(body))


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["resourceSpans", "resource", "scopeSpans", "spans", "attributes", "key", "value", "events",
                         "links", "traceId", "spanId", "kind", "status", "intValue", "arrayValue", "values"]),
        inner,
        max_size=4,
    ),
)  # fmt: skip


@given(documents)
def test_any_json_is_spans_or_refused(document):
    with suppress(MalformedExportError):
        assert all(isinstance(span, Span) for span in decode_json(json.dumps(document).encode()))


def one_span(**changes):
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "s", **changes}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"traceId": "5b8e"}, "traceId has 2 bytes, 16 are expected"),
        ({"traceId": ""}, "traceId has 0 bytes"),
        ({"spanId": "zz"}, "spanId 'zz' is no hex"),
        ({"parentSpanId": "01"}, "parent span id has 1 bytes"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano 'soon' is no integer"),
        ({"startTimeUnixNano": -1}, "out of range"),
        ({"attributes": {"a": 1}}, "attributes is no list"),
        ({"attributes": [{"key": "a", "value": {"intValue": "x"}}]}, "intValue 'x'"),
        ({"attributes": [{"key": "a", "value": {"boolValue": "true"}}]}, "boolValue 'true'"),
        ({"name": 5}, "name is no text"),
    ],
)
def test_a_bad_field_is_named(changes, where):
    with pytest.raises(MalformedExportError, match=re.escape(where)):
        decode_json(one_span(**changes))


def test_json_takes_numbers_as_texts_and_enums_as_names():
    changes = {"startTimeUnixNano": 5, "endTimeUnixNano": "7", "kind": "SPAN_KIND_CLIENT", "parentSpanId": "0" * 16}
    (span,) = decode_json(one_span(**changes, status={"code": "STATUS_CODE_ERROR"}, unknown=1))
    assert (span.start_ns, span.end_ns, span.kind, span.status_code, span.parent_id) == (5, 7, 3, 2, b"")


def test_an_unknown_enum_counts_as_unspecified():
    (span,) = decode_json(one_span(kind=99, status={"code": 7}))
    assert (span.kind, span.status_code) == (0, 0)
    request = ExportTraceServiceRequest()
    item = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    item.kind = 42
    assert decode_protobuf(request.SerializeToString())[0].kind == 0


def shown(batches):
    """The spans of batches, as they are written."""
    return [s for b in orjson.loads(orjson.dumps(batches)) for c in b["scopeSpans"] for s in c["spans"]]


def test_tempo_shows_a_span_that_was_exported_twice_once_and_jaeger_twice(make):
    span = make.span()
    assert len(shown(tempo_batches([span, span]))) == 1
    assert len(shown(jaeger_batches([span, span]))) == 2


def test_spans_of_two_exports_stay_in_batches_of_their_own(make, new_maker):
    first, second = make.span("a"), new_maker(next_id=9).span("b")
    assert [s["name"] for b in tempo_batches([first, second]) for s in shown([b])] == ["a", "b"]
    assert len(tempo_batches([first, second])) == 2


def test_numbers_that_json_lacks_are_written_as_texts(make):
    span = make.span(attributes={"n": math.nan, "i": math.inf, "m": -math.inf})
    (got,) = shown(jaeger_batches([span]))
    assert [a["value"]["doubleValue"] for a in got["attributes"]] == ["NaN", "Infinity", "-Infinity"]
