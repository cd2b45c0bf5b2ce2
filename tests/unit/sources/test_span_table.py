"""Every spelling of a trace becomes the same span table, and what is none becomes malformed."""

import base64
import copy
import gc
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.core.errors import LookError
from runbook_lib.io.http import Reply
from runbook_lib.sources.traces import tempo
from runbook_lib.sources.traces.jaeger_api import _read_v1, _read_v3
from runbook_lib.sources.traces.span_table import SpanCollector, no_collections, summaries
from runbook_lib.sources.traces.tempo_api import summary_of

SPECS = Path(__file__).parent.parent.parent / "specs"


def _reply(document: Any) -> Reply:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return Reply(200, {"content-type": "application/json"}, body, "GET tempo/api", 1.0)


def _sample(name: str) -> Any:
    return json.loads((SPECS / name).read_text())


def _table(*, tempo_sample: str = "", v3: Any = None, v1: Any = None) -> dict[str, Any]:
    table = SpanCollector()
    if tempo_sample:
        tempo._read(table, _reply(_sample(tempo_sample)))
    if v3 is not None:
        _read_v3(table, _reply(v3))
    if v1 is not None:
        _read_v1(table, _reply(v1))
    return table.table()


def _comparable(table: dict[str, Any]) -> list[dict[str, Any]]:
    rows = [{**span, "resource": table["resources"][span["resource"]]} for span in table["spans"]]
    return sorted(({k: v for k, v in row.items() if k != "scope"} for row in rows), key=lambda row: str(row["id"]))


def test_tempos_two_routes_and_jaegers_two_versions_tell_the_same_trace() -> None:
    v2 = _comparable(_table(tempo_sample="tempo/sample-trace-v2.json"))
    assert len(v2) == 5
    assert v2 == _comparable(_table(tempo_sample="tempo/sample-trace-v1.json"))
    assert v2 == _comparable(_table(v3=_sample("jaeger/sample-apiv3-trace-scenario.json")))
    assert v2 == _comparable(_table(v1=_sample("jaeger/sample-v1-trace-scenario.json")))


def test_jaegers_own_conversion_of_otlp_is_read_back_as_what_went_in() -> None:
    went_in = SpanCollector()
    went_in.add_otlp(_sample("jaeger/sample-otlp2jaeger-in.json")["resourceSpans"])
    came_out = _table(v1=_sample("jaeger/sample-otlp2jaeger-out.json"))
    assert _comparable(went_in.table()) == _comparable(came_out)


def test_the_protocols_own_example_is_read() -> None:
    table = SpanCollector()
    table.add_otlp(_sample("otlp/example-trace.json")["resourceSpans"])
    (span,) = table.spans
    assert (span["trace"], span["id"], span["parent"]) == (
        "5b8efff798038103d269b633813fc60c",
        "eee19b7ec3c1b174",
        "eee19b7ec3c1b173",
    )


def test_equal_resources_are_kept_once_over_any_number_of_answers() -> None:
    table = SpanCollector()
    for _ in range(3):
        _read_v3(table, _reply(_sample("jaeger/sample-apiv3-trace-scenario.json")))
    assert (len(table.resources), len(table.spans)) == (2, 15)


def test_an_answer_in_several_lines_is_read_as_one() -> None:
    document = _sample("jaeger/sample-apiv3-trace-scenario.json")
    batches = document["result"]["resourceSpans"]
    lines = b"\n".join(orjson.dumps({"result": {"resourceSpans": [batch]}}) for batch in batches)
    assert _comparable(_table(v3=lines)) == _comparable(_table(v3=document))


@given(
    trace=st.binary(min_size=16, max_size=16).filter(any),
    span=st.binary(min_size=8, max_size=8).filter(any),
    parent=st.binary(min_size=8, max_size=8).filter(any),
)
def test_base64_and_hex_ids_are_the_same_ids(trace: bytes, span: bytes, parent: bytes) -> None:
    def one(spell: Any) -> dict[str, Any]:
        table = SpanCollector()
        ids = {"traceId": spell(trace), "spanId": spell(span), "parentSpanId": spell(parent)}
        table.add_otlp([{"scopeSpans": [{"spans": [ids]}]}])
        return table.spans[0]

    written = one(lambda raw: base64.b64encode(raw).decode())
    assert written == one(bytes.hex)
    assert (written["trace"], written["id"], written["parent"]) == (trace.hex(), span.hex(), parent.hex())


def test_a_parent_of_zeros_is_no_parent() -> None:
    table = SpanCollector()
    ids = {"traceId": "ab" * 16, "spanId": "cd" * 8, "parentSpanId": "0" * 16}
    table.add_otlp([{"scopeSpans": [{"spans": [ids]}]}])
    assert table.spans[0]["parent"] == ""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"stringValue": "x"}, "x"),
        ({"stringValue": ""}, ""),
        ({"intValue": "9007199254740993"}, 9007199254740993),
        ({"intValue": 7}, 7),
        ({"boolValue": False}, False),
        ({"doubleValue": 0.5}, 0.5),
        ({"doubleValue": "NaN"}, "NaN"),
        ({"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "1"}]}}, ["a", 1]),
        ({"arrayValue": {}}, []),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": True}}]}}, {"k": True}),
        ({"bytesValue": "AAE="}, "AAE="),
        ({}, None),
    ],
)
def test_each_kind_of_attribute_keeps_its_type(written: dict[str, Any], read: Any) -> None:
    table = SpanCollector()
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, "attributes": [{"key": "it", "value": written}]}
    table.add_otlp([{"scopeSpans": [{"spans": [span]}]}])
    assert table.spans[0]["attributes"] == {"it": read}


@pytest.mark.parametrize(
    "key", ["traceId", "spanId", "parentSpanId", "name", "startTimeUnixNano", "kind", "status", "attributes"]
)
@pytest.mark.parametrize("value", [5, [1], "zz" * 16, {"a": 1}, "99999999999999999999999", True])
def test_a_span_of_another_shape_is_malformed_or_read_never_a_traceback(key: str, value: Any) -> None:
    document = copy.deepcopy(_sample("tempo/sample-trace-v2.json"))
    document["trace"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0][key] = value
    table, refused = SpanCollector(), ""
    try:
        tempo._read(table, _reply(document))
    except LookError as error:
        refused = error.status
    assert refused == "malformed" or len(table.spans) == 5


def test_a_trace_that_tempo_cut_is_told_apart() -> None:
    document = {**_sample("tempo/sample-trace-v2.json"), "status": "PARTIAL", "message": "too large"}
    assert tempo._read(SpanCollector(), _reply(document)) == "too large"


def test_the_collector_is_switched_on_again_and_stays_off_for_who_had_it_off() -> None:
    with no_collections():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()
    try:
        with no_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_summary_names_the_root_and_counts_what_failed() -> None:
    (found,) = summaries(_table(tempo_sample="tempo/sample-trace-v2.json"))
    assert (found["service"], found["name"], found["span_count"], found["error_count"]) == (
        "nexus-web",
        "POST /api/chat",
        5,
        4,
    )
    assert found["duration_ms"] == 3500.0
    assert [span["name"] for span in found["spans"]] == ["POST /api/chat", "POST", "POST /v1/chat", "chat claude-x"]


def test_a_search_result_regains_the_zeros_that_tempo_drops() -> None:
    found = summary_of(
        {"traceID": "abc", "spanSet": {"spans": [{"spanID": "1"}]}, "rootServiceName": "<root span not yet received>"}
    )
    assert (found["trace"], found["spans"][0]["id"], found["service"]) == ("abc".rjust(32, "0"), "1".rjust(16, "0"), "")
