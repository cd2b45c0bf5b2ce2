"""From JSON to verdict, against merely parsing that JSON: a trace of 100,000 spans, and a window of 10,000 traces.

Both are measured in turn in one run, several times; the ratio of the medians is what counts. Memory is the peak of Python's
own allocations while reading, against what the parsed JSON alone takes.

    .venv/bin/python benchmarks/traces.py [spans] [traces]
"""

import base64
import platform
import random
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.evidence import NOW, REQUEST_ID, START, TRACE_ID, TraceBuilder, evidence, look, row

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Answer, Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.procedures.failed_request.reading import Evidence
from runbook_lib.procedures.failed_request.rules import diagnose
from runbook_lib.procedures.failed_request.window import diagnose_window
from runbook_lib.procedures.failed_request.window_reading import WindowEvidence
from runbook_lib.sources.traces.span_table import SpanCollector

ROUNDS = 5


def one_large_trace(spans: int) -> list[dict[str, Any]]:
    """A failed chat with so many spans beneath its gateway."""
    rng = random.Random(1)
    builder = TraceBuilder()
    builder.provider(builder.chat(), 40, 700, 529, error="overloaded_error")
    while len(builder.spans) < spans:
        parent = builder.spans[rng.randrange(max(0, len(builder.spans) - 50), len(builder.spans))]
        base = int(START.timestamp() * 1e9)
        start, end = (parent["start_ns"] - base) / 1e6, (parent["end_ns"] - base) / 1e6
        begin = start + rng.random() * (end - start) / 2
        part = ("web", "api", "gateway")[parent["resource"]]
        attributes = {
            "code.function": f"f{rng.randrange(99)}",
            "thread.id": rng.randrange(9),
            "http.route": "/api/chat",
        }
        builder.add(f"work {rng.randrange(50)}", part, begin, begin + (end - begin) * rng.random(), parent["id"],
                    attributes=attributes)  # fmt: skip
    return [builder.table()]


def many_traces(count: int) -> list[dict[str, Any]]:
    """So many chats, every tenth of which failed at the provider."""
    tables = []
    for number in range(count):
        builder = TraceBuilder()
        is_failed = number % 10 == 0
        gateway = builder.chat(502 if is_failed else 200)
        builder.provider(
            gateway, 40, 700, 529 if is_failed else 200, **({"error": "overloaded_error"} if is_failed else {})
        )
        for span in builder.spans:
            span["trace"] = f"{number + 1:032x}"
            span["id"] = f"{number + 1:08x}{span['id'][8:]}"
            span["parent"] = span["parent"] and f"{number + 1:08x}{span['parent'][8:]}"
        tables.append(builder.table())
    return tables


def tempo_json(tables: list[dict[str, Any]]) -> bytes:
    """The spans as Tempo's v2 answer holds them: base64 ids, enum names, attributes as lists."""
    batches = []
    for table in tables:
        for index, resource in enumerate(table["resources"]):
            mine = [_tempo_span(span) for span in table["spans"] if span["resource"] == index]
            if mine:
                scope = {"name": "next.js" if index < 2 else "opentelemetry.instrumentation.fastapi"}
                batches.append(
                    {"resource": {"attributes": _attributes(resource)}, "scopeSpans": [{"scope": scope, "spans": mine}]}
                )
    return orjson.dumps({"trace": {"resourceSpans": batches}})


def _tempo_span(span: dict[str, Any]) -> dict[str, Any]:
    def packed(text: str) -> str:
        return base64.b64encode(bytes.fromhex(text)).decode()

    status = {"code": "STATUS_CODE_ERROR", "message": span["message"]} if span["status"] == "error" else {}
    return {
        "traceId": packed(span["trace"]),
        "spanId": packed(span["id"]),
        **({"parentSpanId": packed(span["parent"])} if span["parent"] else {}),
        "name": span["name"],
        "kind": f"SPAN_KIND_{span['kind'].upper()}",
        "startTimeUnixNano": str(span["start_ns"]),
        "endTimeUnixNano": str(span["end_ns"]),
        "attributes": _attributes(span["attributes"]),
        "status": status,
    }


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    def packed(value: Any) -> dict[str, Any]:
        return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}

    return [{"key": key, "value": packed(value)} for key, value in values.items()]


def observed(raw: bytes) -> Observation:
    """The answer through the whole corridor: parsed, made a span table, redacted, once through JSON."""

    def fetch(_: Any) -> Answer:
        table = SpanCollector()
        table.add_otlp(orjson.loads(raw)["trace"]["resourceSpans"])
        return Answer(Status.ok, table.table())

    return Observer(now=NOW).together(Look("tempo", "trace", {"trace_id": TRACE_ID}, fetch, 120))[0]


def verdict_on_trace(raw: bytes) -> str:
    """JSON to verdict for one request."""
    seen = observed(raw)
    given = evidence(row())
    conclusion = diagnose(Evidence(NOW, given.window, REQUEST_ID, request=given.request, traces=(seen,)))
    return conclusion.causes[0].code


def verdict_on_window(raw: bytes) -> str:
    """JSON to verdict for a window."""
    given = WindowEvidence(NOW, Window(START - timedelta(minutes=5), NOW), request=(look("vercel", "request_log", [row()]),),
                     traces=(observed(raw),))  # fmt: skip
    return diagnose_window(given).causes[0].code


def measure(name: str, raw: bytes, judge: Callable[[bytes], str]) -> None:
    """Print one line of the table."""
    parse_s, verdict_s = [], []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        orjson.loads(raw)
        parse_s.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        code = judge(raw)
        verdict_s.append(time.perf_counter() - begun)
    assert code == "request.provider_failed.overloaded", code
    parsed, whole = _peak(lambda: orjson.loads(raw)), _peak(lambda: judge(raw))
    a, b = statistics.median(parse_s), statistics.median(verdict_s)
    print(f"| {name} | {len(raw) / 1e6:.0f} MB | {a:.2f} s | {b:.2f} s | {b / a:.1f} | {whole / parsed:.1f} |")


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main() -> None:
    """Measure both and print a table of ratios."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    traces = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {ROUNDS} rounds, medians\n")
    print("| what | JSON | orjson.loads | JSON to verdict | ratio | peak memory / parsed |\n|---|---|---|---|---|---|")
    measure(f"a trace of {spans:,} spans", tempo_json(one_large_trace(spans)), verdict_on_trace)
    measure(f"a window of {traces:,} traces", tempo_json(many_traces(traces)), verdict_on_window)


if __name__ == "__main__":
    main()
