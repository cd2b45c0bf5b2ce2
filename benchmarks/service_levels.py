"""From Tempo's answers to the verdict, against merely fetching and parsing them: 30 days at one-minute steps for ten services.

Both are measured in turn in one run, several times; the ratio of the medians is what counts. Tempo is a process of its own that
answers each page with ready bytes. Memory is the peak of the whole process that looks, judges and keeps the record.

    .venv/bin/python benchmarks/service_levels.py [services] [days]
"""

import json
import multiprocessing
import platform
import random
import resource
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import orjson

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Observer
from runbook_lib.procedures.service_levels.evidence import Evidence
from runbook_lib.procedures.service_levels.rules import diagnose
from runbook_lib.settings import Settings
from runbook_lib.sources.traces import tempo_metrics

ROUNDS = 3
LIMIT_MS = 500.0


def page(start: int, end: int, step: int, what: str) -> bytes:
    """One page of an answer of Tempo's: two series of counts, one of slow requests, or eight buckets."""
    rng = random.Random(f"{start} {what}")
    moments = range(start, end + 1, step)

    def series(scale: float, *labels: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        samples = [{"timestampMs": str(at * 1000), "value": float(int(rng.random() * scale))} for at in moments]
        return {"labels": [{"key": key, "value": value} for key, value in labels], "samples": samples, "exemplars": []}

    if "histogram" in what:
        found = [series(400, ("__bucket", {"doubleValue": 2.0**power})) for power in range(-6, 2)]
    elif "duration" in what:
        found = [series(2)]
    else:
        code = "span.http.response.status_code"
        found = [
            series(40, ("status", {"stringValue": "unset"}), (code, {"intValue": "200"})),
            series(1.01, ("status", {"stringValue": "error"}), (code, {"intValue": "503"})),
        ]
    return orjson.dumps({"series": found, "metrics": {}, "status": "COMPLETE"})


def serve(ports: "multiprocessing.Queue[int]") -> None:
    """Answer metrics queries until the process is ended; the same page is made once."""
    held: dict[tuple[str, ...], bytes] = {}

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            query = asked["q"][0]
            what = "histogram" if "histogram" in query else "duration" if "duration" in query else "counts"
            key = (asked["start"][0], asked["end"][0], asked["step"][0], what)
            if key not in held:
                held[key] = page(int(key[0]), int(key[1]), int(key[2].rstrip("s")), what)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(held[key])))
            self.end_headers()
            self.wfile.write(held[key])

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    ports.put(server.server_address[1])
    server.serve_forever()


def levels(services: int, period: Window, url: str) -> str:
    """Look at every service, judge every objective; returns the verdict's status."""
    settings = Settings.from_mapping({"RUNBOOK_TEMPO_URL": url, "RUNBOOK_TRACE_RETENTION_H": "9000"})
    observer = Observer(now=period.until, settings=settings)
    names = [f"service-{number}" for number in range(services)]
    counted = tuple(
        observer.together(*(tempo_metrics.service_counts(name, period, LIMIT_MS) for name in names[at : at + 2]))
        for at in range(0, services, 2)
    )
    flat = tuple(look for pair in counted for look in pair)
    assert all(look.status is Status.ok for look in flat), [look.why for look in flat][:1]
    base = {"within_ms": None, "events": [], "min_requests": 1000, "alerts": []}
    objectives = [{**base, "name": n, "kind": "availability", "service": n, "target": 0.99} for n in names]
    objectives += [
        {**base, "name": f"{n} p95", "kind": "latency", "service": n, "target": 0.95, "within_ms": LIMIT_MS}
        for n in names
    ]
    value = {"objectives": objectives, "routes": []}
    file = Observation("team", "team", "service_levels", {}, 1, Status.ok, value, "", "", to_iso(period.until), 1.0)
    return str(diagnose(Evidence(period.until, int(period.seconds // 86_400), file=file, counts=flat)).status)


def bare(services: int, period: Window, url: str) -> str:
    """The same requests by a bare client, each answer parsed and dropped."""
    pages = [
        (int(period.since.timestamp()) + at * 86_400, day)
        for at, day in enumerate(range(int(period.seconds // 86_400)))
    ]
    with httpx.Client(trust_env=False) as client, ThreadPoolExecutor(8) as pool:

        def one(job: tuple[str, int, int]) -> None:
            query, since, step = job
            params = {"q": query, "start": since + step, "end": since + 86_400, "step": f"{step}s"}
            orjson.loads(client.get(f"{url}/api/metrics/query_range", params=params).content)

        jobs = [
            (query, since, step)
            for _ in range(services)
            for query, step in (("counts", 60), ("duration", 60), ("histogram", 3600))
            for since, _ in pages
        ]
        list(pool.map(one, jobs))
    return "parsed"


def main() -> None:
    """Measure both in turn and print one JSON object."""
    services = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    days = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(ports,), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{ports.get()}"
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    period = Window(until - timedelta(days=days), until)
    start_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    bare(1, period, url)  # the pages are made
    taken: dict[str, list[float]] = {"levels": [], "bare": []}
    said = ""
    for _ in range(ROUNDS):
        for name, run in (("levels", levels), ("bare", bare)):
            began = time.perf_counter()
            result = run(services, period, url)
            taken[name].append(time.perf_counter() - began)
            said = result if name == "levels" else said
    process.terminate()
    medians = {name: statistics.median(values) for name, values in taken.items()}
    print(
        json.dumps(
            {
                "services": services,
                "days": days,
                "steps": services * days * 1440,
                "verdict": said,
                "levels_s": round(medians["levels"], 2),
                "bare_s": round(medians["bare"], 2),
                "ratio": round(medians["levels"] / medians["bare"], 2),
                "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
                "peak_before_mib": round(start_mib, 1),
                "python": platform.python_version(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
