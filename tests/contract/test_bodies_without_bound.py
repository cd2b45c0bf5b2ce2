"""A source answers without end, or with little that stands for much: every look says so, and a run stays under a gigabyte."""

import gzip
import http.server
import itertools
import json
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator

import pytest

from runbook_lib.core.errors import LookError
from runbook_lib.io.http import Deadline, Http
from runbook_lib.io.room import Room, Share
from runbook_lib.procedures.catalogues import CATALOGUES

MB = 1 << 20
Kind = tuple[dict[str, str], Callable[[], Iterator[bytes]]]


def _bomb(pieces: Iterator[bytes]) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return b"".join([*(packer.compress(piece) for piece in pieces), packer.flush()])


BOMB = _bomb(itertools.repeat(b" " * MB, 700))
WIDE = _bomb(itertools.chain([b"["], itertools.repeat(b"[]," * 100_000, 300), [b"1]"]))
ROWS = _bomb(itertools.chain([b"["], itertools.repeat(b'{"id":"a","n":1,"at":null},' * 10_000, 120), [b"{}]"]))
JSON = {"content-type": "application/json"}
PACKED = {**JSON, "content-encoding": "gzip"}
KINDS: dict[str, Kind] = {
    "700 MB in 700 KB": (PACKED, lambda: iter([BOMB])),
    "packed twice": ({**JSON, "content-encoding": "gzip, gzip"}, lambda: iter([gzip.compress(BOMB)])),
    "thirty million lists": (PACKED, lambda: iter([WIDE])),
    "a million rows": (PACKED, lambda: iter([ROWS])),
    "without end": (JSON, lambda: itertools.chain([b'["'], itertools.repeat(b"x" * MB))),
    "nested deeply": (JSON, lambda: iter([b"[" * MB])),
    "nested deeper than it can be kept": (JSON, lambda: iter([b"[" * 900 + b"]" * 900])),
    "in an encoding that nobody asked for": ({**JSON, "content-encoding": "br"}, lambda: iter([b"\x1b" * 100])),
    "no gzip": (PACKED, lambda: iter([b"no gzip at all" * 10])),
    "half a gzip": (PACKED, lambda: iter([gzip.compress(b'{"a": 1}' * 1000)[:-9]])),
}


class Hostile:
    """Answers each request in the next of the ways given, whatever is asked."""

    def __init__(self, kinds: list[str]) -> None:
        turn = itertools.cycle(kinds)

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                headers, body = KINDS[next(turn)]
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("connection", "close")
                self.end_headers()
                try:
                    for piece in body():
                        self.wfile.write(piece)
                except OSError:
                    pass  # they had enough
                self.close_connection = True

            do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Hostile":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("nested deeper than it can be kept",)])
def test_each_is_malformed_and_says_why(kind: str) -> None:
    with Hostile([kind]) as source, pytest.raises(LookError) as refused:
        Http(Deadline(20), Share(Room(64 * MB))).get(f"{source.url}/x", retry=False).json()
    assert refused.value.status == "malformed"
    assert refused.value.tried
    assert len(str(refused.value)) < 400


def test_an_honest_answer_comes_whatever_it_is_packed_in() -> None:
    said = {"rows": list(range(1000))}
    text = json.dumps(said).encode()
    raw = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    for encoding, body in {
        "": text,
        "identity": text,
        "gzip": gzip.compress(text),
        "deflate": zlib.compress(text),
        "Deflate": raw.compress(text) + raw.flush(),
    }.items():
        KINDS["honest"] = ({**JSON, "content-encoding": encoding} if encoding else JSON, lambda body=body: iter([body]))
        with Hostile(["honest"]) as source:
            assert Http(Deadline(20)).get(f"{source.url}/x").json() == said, encoding
    del KINDS["honest"]


_RUN = """
import json, resource, sys
from runbook_lib.run.headless import run_procedure
from runbook_lib.run.targets import Target
from runbook_lib.settings import Settings, variable_names

url, procedure = sys.argv[1:]
variables = {}
for field in Settings.model_fields:
    name = variable_names(field)[0]
    if field.endswith("_url") and "database" not in field and "otel" not in field:
        variables[name] = url
    elif field.endswith(("_token", "_key", "_id", "_project", "_repo", "_ref", "_org", "_app")):
        variables[name] = "a/b" if field == "github_repo" else "some-key-0123456789"
settings = Settings.from_mapping({**variables, "RUNBOOK_LOOK_DEADLINE_S": "4"})
run = run_procedure(procedure, {}, target=Target("hostile", settings, "a test", {}), active=False, deadline_s=20)
asked = [each for each in run.observations if url.split("//")[1] in json.dumps([each.why, each.value])]
print(json.dumps({
    "status": run.verdict["status"],
    "causes": [cause["code"] for cause in run.verdict["causes"]],
    "looks": len(run.observations),
    "malformed": sum(each.status == "malformed" for each in run.observations),
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""


@pytest.mark.parametrize("procedure", ["01_failed_request", "04_llm_gateway", "06_deploy_web_api"])
def test_a_run_whose_sources_are_all_hostile_stays_under_a_gigabyte(procedure: str) -> None:
    assert procedure in {catalogue.procedure for catalogue in CATALOGUES}
    with Hostile(list(KINDS)) as source:
        done = subprocess.run(
            [sys.executable, "-c", _RUN, source.url, procedure],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    print(procedure, told)
    assert told["malformed"] >= 5
    assert told["status"] == "could_not_tell"
    assert told["causes"] == []
    assert told["peak_mb"] < 1000
