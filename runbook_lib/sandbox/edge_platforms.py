"""How Vercel, Railway and Fly number requests and what they say when a part does not answer."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True)
class Refusal:
    """The platform's own answer. `row_status` is what its request log says, `error` its code for it, `log` its log line."""

    status: int
    row_status: int
    error: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    log: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


class Platform:
    """One platform. `header` carries the request id inwards; ids and refusals are in the platform's own words."""

    region = ""
    header = b""

    def new_id(self, at: datetime) -> tuple[str, str]:
        """(the id that logs use, the id as headers show it)."""
        raise NotImplementedError

    def reply_headers(self, shown_id: str) -> dict[str, str]:
        """What the platform adds to every answer."""
        raise NotImplementedError

    def answer_unreachable(self, port: int) -> Refusal:
        """Nothing listens where the part should."""
        raise NotImplementedError

    def answer_cut_off(self) -> Refusal:
        """The part ended, or cut the connection, without an answer."""
        raise NotImplementedError

    def timed_out(self, limit_s: float) -> Refusal:
        """The part took longer than the platform allows."""
        raise NotImplementedError

    def out_of_memory(self) -> Refusal:
        """The part was killed for its memory."""
        raise NotImplementedError

    def answer_denied(self) -> Refusal:
        """A firewall rule refused the request."""
        raise NotImplementedError

    def answer_login(self) -> Refusal:
        """The platform asks for a login of its own."""
        raise NotImplementedError

    def answer_nowhere(self) -> Refusal:
        """The host name leads nowhere."""
        raise NotImplementedError


class Vercel(Platform):
    """Vercel's edge network and functions."""

    region = "iad1"
    header = b"x-vercel-id"

    def new_id(self, at: datetime) -> tuple[str, str]:
        """`<pod>-<epoch ms>-<12 hex>`, shown behind the edge's and the function's region."""
        pod = "".join(secrets.choice(_LETTERS) for _ in range(5))
        request_id = f"{pod}-{int(at.timestamp() * 1000)}-{secrets.token_hex(6)}"
        return request_id, f"{self.region}::{self.region}::{request_id}"

    def reply_headers(self, shown_id: str) -> dict[str, str]:
        """x-vercel-id, and that nothing was cached."""
        return {"server": "Vercel", "x-vercel-id": shown_id, "x-vercel-cache": "MISS"}

    def answer_unreachable(self, port: int) -> Refusal:  # noqa: ARG002
        """A function that cannot be reached is one that did not respond."""
        return self._failed(502, "NO_RESPONSE_FROM_FUNCTION", "An error occurred with this application.", row_status=-1)

    def answer_cut_off(self) -> Refusal:
        """The invocation ended in the middle."""
        log = "Runtime exited with error: signal: killed\nRuntime.ExitError"
        return self._failed(500, "FUNCTION_INVOCATION_FAILED", "A server error has occurred", log, row_status=-1)

    def timed_out(self, limit_s: float) -> Refusal:
        """The function's time limit."""
        log = f"Vercel Runtime Timeout Error: Task timed out after {limit_s:g} seconds"
        return self._failed(504, "FUNCTION_INVOCATION_TIMEOUT", "An error occurred with this application.", log)

    def out_of_memory(self) -> Refusal:
        """The function's memory limit."""
        log = (
            "Error: Runtime exited with error: signal: killed. "
            "Task used more memory than the configured limit (memory size: 1024 MB, max memory used: 1024 MB)"
        )
        return self._failed(500, "FUNCTION_INVOCATION_FAILED", "A server error has occurred", log, row_status=-1)

    def answer_denied(self) -> Refusal:
        """The firewall's deny action."""
        headers = {
            "content-type": "text/plain; charset=utf-8",
            "x-vercel-mitigated": "deny",
            "x-vercel-error": "FORBIDDEN",
        }
        return Refusal(403, 403, "FIREWALL_DENIED", "Forbidden\n\n{id}\n", headers)

    def answer_login(self) -> Refusal:
        """Deployment protection: the login page with 401."""
        headers = {
            "content-type": "text/html; charset=utf-8",
            "x-vercel-error": "DEPLOYMENT_PROTECTED",
            "set-cookie": "_vercel_sso_nonce=; Path=/; HttpOnly",
            "x-frame-options": "DENY",
        }
        body = "<!doctype html><html><title>Authentication Required</title><body>Authentication Required</body></html>"
        return Refusal(401, 401, "DEPLOYMENT_PROTECTED", body, headers)

    def answer_nowhere(self) -> Refusal:
        """The alias leads to no deployment."""
        return self._failed(404, "DEPLOYMENT_NOT_FOUND", "The deployment could not be found on Vercel.")

    @staticmethod
    def _failed(status: int, code: str, words: str, log: str = "", row_status: int | None = None) -> Refusal:
        headers = {"content-type": "text/plain; charset=utf-8", "x-vercel-error": code}
        return Refusal(
            status, status if row_status is None else row_status, code, f"{words}\n\n{code}\n\n{{id}}\n", headers, log
        )


class Railway(Platform):
    """Railway's edge proxy."""

    region = "us-east4-eqdc4a"
    header = b"x-railway-request-id"

    def new_id(self, at: datetime) -> tuple[str, str]:  # noqa: ARG002
        """22 characters of base64."""
        request_id = secrets.token_urlsafe(16)
        return request_id, request_id

    def reply_headers(self, shown_id: str) -> dict[str, str]:
        """X-Railway-Request-Id and the edge's name."""
        return {"server": "railway-edge", "x-railway-request-id": shown_id, "x-railway-edge": f"railway/{self.region}"}

    def answer_unreachable(self, port: int) -> Refusal:  # noqa: ARG002
        """Nothing listens on the port that Railway expects."""
        return self._failed(502, "Application failed to respond", "connection refused")

    def answer_cut_off(self) -> Refusal:
        """The connection was cut."""
        return self._failed(502, "Application failed to respond", "connection closed unexpectedly")

    def timed_out(self, limit_s: float) -> Refusal:
        """The edge's longest duration."""
        return self._failed(502, "Application failed to respond", f"request timed out after {limit_s:g}s")

    def out_of_memory(self) -> Refusal:
        """The container was killed."""
        return self._failed(502, "Application failed to respond", "connection closed unexpectedly")

    def answer_denied(self) -> Refusal:
        """Railway has no firewall of one's own; its edge refuses abuse."""
        return self._failed(403, "Forbidden", "forbidden")

    def answer_login(self) -> Refusal:
        """Railway asks for no login; the domain is taken off."""
        return self.answer_nowhere()

    def answer_nowhere(self) -> Refusal:
        """The domain leads to no service."""
        return self._failed(404, "Application not found", "application not found")

    @staticmethod
    def _failed(status: int, message: str, error: str) -> Refusal:
        body = f'{{"status":"error","code":{status},"message":"{message}","request_id":"{{id}}"}}'
        return Refusal(status, status, error, body, {"content-type": "application/json", "x-railway-fallback": "true"})


class Fly(Platform):
    """Fly's proxy. Its lines in the app's log carry PC/PR codes and `meta.http.request.id`."""

    region = "iad"
    header = b"fly-request-id"

    def new_id(self, at: datetime) -> tuple[str, str]:
        """A ULID and the region."""
        stamp, text = int(at.timestamp() * 1000), ""
        for _ in range(10):
            text = _CROCKFORD[stamp % 32] + text
            stamp //= 32
        request_id = text + "".join(secrets.choice(_CROCKFORD) for _ in range(16)) + f"-{self.region}"
        return request_id, request_id

    def reply_headers(self, shown_id: str) -> dict[str, str]:
        """fly-request-id and the proxy's signature."""
        return {"server": "Fly/9e4b1a02 (2026-10-28)", "via": "1.1 fly.io", "fly-request-id": shown_id}

    def answer_unreachable(self, port: int) -> Refusal:
        """No connection to the machine."""
        words = "[PC01] instance refused connection. is your app listening on 0.0.0.0:"
        return self._failed(502, f"{words}{port}? make sure it is not only listening on 127.0.0.1")

    def answer_cut_off(self) -> Refusal:
        """The connection was cut."""
        return self._failed(502, "[PC05] timed out or connection closed before a response was received")

    def timed_out(self, limit_s: float) -> Refusal:
        """The proxy's idle timeout."""
        return self._failed(502, f"[PU02] could not complete HTTP request to instance: timed out after {limit_s:g}s")

    def out_of_memory(self) -> Refusal:
        """The machine's kernel killed the app."""
        return self._failed(502, "Out of memory: Killed process 322 (uvicorn)")

    def answer_denied(self) -> Refusal:
        """Fly has no firewall of one's own; the request is refused."""
        return self._failed(403, "request denied")

    def answer_login(self) -> Refusal:
        """Fly asks for no login; no machine is public."""
        return self.answer_nowhere()

    def answer_nowhere(self) -> Refusal:
        """No machine takes requests."""
        return self._failed(
            503, "[PR01] no known healthy instances found for route tcp/443. (hint: is your app shut down?)"
        )

    @staticmethod
    def _failed(status: int, error: str) -> Refusal:
        return Refusal(status, status, error, "", {}, error, {"provider": "proxy", "http_status": status})


PLATFORMS: dict[str, Platform] = {"vercel": Vercel(), "railway": Railway(), "fly": Fly()}
