"""A small real HTTP server on loopback that answers as it is told, well or badly, and remembers what it was asked."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson


@dataclass(frozen=True)
class Asked:
    """One request that the server got."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What the server answers: `how` is plain, half (promises more than it sends), drip (a byte now and then), or silent."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    how: str = "plain"

    @property
    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)


class Loopback:
    """The server. `answer` is called for each request and may be replaced at any time."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Reply] = lambda _: Reply(404, "nothing here")
        self.stopping = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                query = parse_qs(parts.query, keep_blank_values=True)
                asked = Asked(self.command, parts.path, query, headers, self.rfile.read(length))
                outer.asked.append(asked)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self._send(outer.answer(asked))

            def _send(self, reply: Reply) -> None:
                if reply.how == "silent":
                    outer.stopping.wait(5)
                    self.close_connection = True
                    return
                body = reply.encoded
                kind = "text/html" if body.lstrip()[:1] == b"<" else "application/json"
                self.send_response(reply.status)
                self.send_header("Content-Type", kind)
                promised = {"plain": len(body), "half": len(body) + 10, "drip": 10_000_000}[reply.how]
                self.send_header("Content-Length", str(promised))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if reply.how == "half" else body)
                self.wfile.flush()
                self.close_connection = reply.how != "plain"
                while reply.how == "drip" and not outer.stopping.wait(0.02):
                    self.wfile.write(b" ")
                    self.wfile.flush()

            do_GET = do_POST = do_HEAD = _serve

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                pass  # the client went away, which is what these tests make it do

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


def everything_at(url: str) -> dict[str, str]:
    """Every source configured, all at one address."""
    addresses = [
        "RUNBOOK_WEB_URL",
        "RUNBOOK_API_URL",
        "RUNBOOK_GATEWAY_URL",
        "RUNBOOK_TEMPO_URL",
        "RUNBOOK_JAEGER_URL",
        "RUNBOOK_PROMETHEUS_URL",
        "RUNBOOK_ALERTMANAGER_URL",
        "RUNBOOK_VERCEL_API_URL",
        "RUNBOOK_VERCEL_LOGS_URL",
        "RUNBOOK_RAILWAY_URL",
        "RUNBOOK_GITHUB_API_URL",
        "RUNBOOK_FLY_MACHINES_URL",
        "RUNBOOK_FLY_API_URL",
        "SUPABASE_URL",
        "RUNBOOK_SUPABASE_API_URL",
        "RUNBOOK_STRIPE_API_URL",
        "RUNBOOK_OPENAI_URL",
        "RUNBOOK_ANTHROPIC_URL",
        "RUNBOOK_TOGETHER_URL",
        "RUNBOOK_OPENAI_STATUS_URL",
        "RUNBOOK_ANTHROPIC_STATUS_URL",
        "RUNBOOK_TOGETHER_STATUS_URL",
        "RUNBOOK_VERCEL_STATUS_URL",
        "RUNBOOK_RAILWAY_STATUS_URL",
        "RUNBOOK_FLY_STATUS_URL",
        "RUNBOOK_SUPABASE_STATUS_URL",
        "RUNBOOK_STRIPE_STATUS_URL",
    ]
    return {
        **dict.fromkeys(addresses, url),
        "OPENAI_API_KEY": "sk-proj-openai-key-ForTests",
        "ANTHROPIC_API_KEY": "sk-ant-anthropic-key-ForTests",
        "TOGETHER_API_KEY": "together-key-ForTests",
        "RUNBOOK_VERCEL_TOKEN": "vercel-token-for-tests",
        "RUNBOOK_VERCEL_TEAM_ID": "team_1",
        "RUNBOOK_VERCEL_WEB_PROJECT": "prj_web",
        "RUNBOOK_VERCEL_API_PROJECT": "prj_api",
        "RUNBOOK_RAILWAY_PROJECT_TOKEN": "railway-token-for-tests",
        "RUNBOOK_RAILWAY_PROJECT_ID": "proj-1",
        "RUNBOOK_RAILWAY_ENVIRONMENT_ID": "env-1",
        "RUNBOOK_RAILWAY_API_SERVICE_ID": "svc-api",
        "RUNBOOK_RAILWAY_GATEWAY_SERVICE_ID": "svc-gateway",
        "RUNBOOK_GITHUB_TOKEN": "github_pat_for_tests_only_0001",
        "RUNBOOK_GITHUB_REPO": "nexuscore/nexuscore",
        "RUNBOOK_FLY_TOKEN": "fly-token-for-tests",
        "RUNBOOK_FLY_GATEWAY_APP": "nexus-gateway",
        "SUPABASE_ANON_KEY": "sb_publishable_for_tests",
        "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_for_tests_only",
        "RUNBOOK_SUPABASE_ACCESS_TOKEN": "sbp_for_tests_only_000000",
        "RUNBOOK_SUPABASE_PROJECT_REF": "abcdefghijklmnopqrst",
        "RUNBOOK_STRIPE_KEY": "rk_test_forTestsOnly1234",
    }
