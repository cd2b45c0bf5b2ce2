"""The one HTTP client: a total wall-time deadline, a bound on size, bounded retries of reads, answers turned into statuses.

httpx's own time-outs are per read, so a server that drips a byte a second outlives them; here every chunk is checked
against the look's deadline. Nothing in this module puts a query string, a header or a body into an error message but
the first useful bytes of a malformed answer, which are redacted with everything else.
"""

import email.utils
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, TypeVar

import httpx
import orjson
import stamina
from stamina.instrumentation import set_on_retry_hooks

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Json, Status
from runbook_lib.io.decoding import ACCEPTED, DecodedStream
from runbook_lib.io.room import Share

T = TypeVar("T")
May = (
    Callable[[str, str, bytes], None] | None
)  # method, path, body; raises where that may not be asked; None: no look, no rule

set_on_retry_hooks([])  # the default hook logs the arguments of what it retries, and an argument may be a secret

_CONNECT_S = 5.0
_RETRY_STATUSES = frozenset({429, 502, 503, 504})
_REQUEST_ID_HEADERS = (
    "x-vercel-id",
    "request-id",
    "x-request-id",
    "x-railway-request-id",
    "fly-request-id",
    "sb-request-id",
)
_LONGEST_COMPLAINT = 64 * 1024  # bytes of an error's body; a longer one is no vendor's words


class Deadline:
    """A total wall-time budget in seconds, from its making on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    @property
    def remaining_s(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._ends - time.monotonic())

    def check(self) -> None:
        """Raise LookError(timed_out) when the budget is spent."""
        if not self.remaining_s:
            raise LookError(Status.timed_out, f"no complete answer within {self.seconds:g} s")


@dataclass(frozen=True)
class Reply:
    """A complete HTTP answer. `where` is method, host and path, without the query."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes
    where: str
    elapsed_ms: float
    is_confidential: bool = False
    share: Share | None = None  # of the run's memory; counts the body again when it is parsed

    def in_confidence(self) -> "Reply":
        """The same answer where it may hold values of variables: nothing of its body is ever quoted."""
        return replace(self, is_confidential=True)

    @property
    def request_id(self) -> str:
        """The vendor's id of this exchange, for a support ticket; empty where it gave none."""
        return next((self.headers[name] for name in _REQUEST_ID_HEADERS if name in self.headers), "")

    @property
    def text(self) -> str:
        """The body as text, undecodable bytes replaced. Raises LookError(malformed) for more than the run has room for."""
        return self.beginning(len(self.body))

    def beginning(self, count: int) -> str:
        """The body's first characters, `count` at most, undecodable bytes replaced."""
        piece = self.body[: count * 4]
        if self.share is not None:
            self.share.take(2 * len(piece))
        return piece.decode("utf-8", "replace")[:count]

    def json(self) -> Json:
        """The body as JSON. Raises LookError(malformed) with the first useful bytes."""
        try:
            return self.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise self.malformed(f"not JSON: {error.msg}") from error

    def json_or_none(self) -> Json:
        """The body as JSON, or None where it is none. Raises LookError(malformed) for more than the run has room for."""
        try:
            return self.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def loads(self, piece: bytes) -> Json:
        """The JSON in a piece of the body, counted against the run's memory before it is parsed.

        Raises orjson.JSONDecodeError where it is none, LookError(malformed) for more than the run has room for.
        """
        if self.share is not None:
            self.share.take_parsed(piece)
        return orjson.loads(piece)

    def parsed(self, parse: Callable[[Json], T]) -> T:
        """What `parse` makes of the JSON body; an answer of another shape becomes LookError(malformed), not a traceback."""
        document = self.json()
        try:
            return parse(document)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            said = "" if self.is_confidential else f" {error}"  # an error repeats the value that it stumbled over
            raise self.malformed(f"unexpected shape: {type(error).__name__}{said}"[:200]) from error

    def malformed(self, why: str) -> LookError:
        """The error for an answer that is not what the source promises."""
        return LookError(
            Status.malformed,
            f"{why}; HTTP {self.status_code} {self.headers.get('content-type', 'without content type')}, "
            f"begins {self.first_bytes()!r}",
            where=self.where,
        )

    def first_bytes(self, count: int = 120) -> str:
        """The first useful bytes of the body: white space folded, cut at `count` characters; none of a confidential one."""
        if self.is_confidential:
            return f"({len(self.body)} bytes, not shown)"
        return " ".join(self.body[: count * 4].decode("utf-8", "replace").split())[:count]

    def complaint(self) -> str:
        """HTTP status, the vendor's own words (never those of a confidential answer) and its request id, for `why`."""
        words = "" if self.is_confidential else _vendor_words(self.body) or self.first_bytes()
        request_id = f" (request {self.request_id})" if self.request_id else ""
        return f"HTTP {self.status_code}{request_id}: {words}" if words else f"HTTP {self.status_code}{request_id}"

    def raise_for_status(self, help: str = "") -> "Reply":
        """The reply itself where it is a 2xx; else LookError with the status that its code stands for.

        Args:
            help: what would help where the source refuses: the permission or setting that is needed.
        """
        if 200 <= self.status_code < 300:
            return self
        status = status_of(self.status_code)
        raise LookError(status, self.complaint(), where=self.where, do_next=help)


def status_of(status_code: int) -> Status:
    """The look's status for an HTTP status other than success."""
    if status_code in (401, 403):
        return Status.denied
    if status_code in (404, 410):
        return Status.not_found
    if status_code == 429:
        return Status.rate_limited
    if status_code in (502, 503, 504):
        return Status.unreachable
    if status_code == 408:
        return Status.timed_out
    return Status.malformed


def _vendor_words(body: bytes) -> str:
    """The message inside the vendors' error shapes, or nothing."""
    try:
        document = orjson.loads(body) if len(body) <= _LONGEST_COMPLAINT else None
    except orjson.JSONDecodeError:
        return ""
    for _ in range(3):
        if isinstance(document, list) and document:
            document = document[0]
        if isinstance(document, str):
            return document[:300]
        if not isinstance(document, dict):
            return ""
        document = document.get("error") or document.get("errors") or document.get("message") or document.get("msg")
    return document[:300] if isinstance(document, str) else ""


@cache
def _tls() -> ssl.SSLContext:
    """The TLS context of this process; verification is always on."""
    return ssl.create_default_context()


@lru_cache(maxsize=64)
def _pool(_address: tuple[str, str, int | None]) -> httpx.BaseTransport:
    """The connection pool of one address: each request looks through its whole pool, under the pool's one lock."""
    return httpx.HTTPTransport(verify=_tls(), limits=httpx.Limits(max_connections=100))


class DeadlineTransport(httpx.BaseTransport):
    """An httpx transport under one deadline and within one share of memory, for vendors' SDKs too; bodies come decoded."""

    def __init__(self, deadline: Deadline, share: Share, may: May) -> None:
        self._deadline, self._share, self._may = deadline, share, may

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request under the deadline. Raises LookError: timed_out when it is spent, malformed for too large a body;
        NotPermittedError, before anything is sent, for what the look's source has not declared."""
        if self._may is not None:
            self._may(
                request.method, request.url.raw_path.partition(b"?")[0].decode("ascii", "replace"), request.read()
            )
        self._deadline.check()
        left_s = self._deadline.remaining_s
        request.extensions["timeout"] = {
            "connect": min(left_s, _CONNECT_S),
            "read": left_s,
            "write": left_s,
            "pool": left_s,
        }
        url = request.url
        response = _pool((url.scheme, url.host, url.port)).handle_request(request)
        assert isinstance(response.stream, httpx.SyncByteStream)
        encoding = response.headers.pop("content-encoding", "")
        try:
            response.stream = DecodedStream(response.stream, encoding, self._count)
        except LookError:
            response.stream.close()
            raise
        return response

    def _count(self, size: int) -> None:
        self._deadline.check()
        self._share.take(2 * size)  # the pieces, and the whole that they are joined to


class Http:
    """HTTP within one look: its deadline, its share of memory, its retries, its statuses."""

    def __init__(self, deadline: Deadline, share: Share | None = None, may: May = None) -> None:
        self.deadline = deadline
        self._share = share or Share()
        self.client = httpx.Client(
            transport=DeadlineTransport(deadline, self._share, may),
            follow_redirects=False,
            headers={"User-Agent": "nexuscore-runbook", "Accept-Encoding": ACCEPTED},
        )

    def get(self, url: str, *, retry: bool = True, **options: Any) -> Reply:
        """A read; retried on connection errors, 429, 502, 503, 504 within the deadline unless `retry` is off."""
        return self.read("GET", url, retry=retry, **options)

    def read(self, method: str, url: str, *, retry: bool = True, **options: Any) -> Reply:
        """Any request that changes nothing (a GET, a HEAD, a GraphQL query by POST); retried as `get` is."""
        if not retry:
            return self.send(method, url, **options)
        last: Reply | None = None
        try:
            # of a time-out of 0 stamina warns; the first attempt tells that time is up
            for attempt in stamina.retry_context(
                on=_wait_before_retry,
                attempts=3,
                timeout=self.deadline.remaining_s or 0.001,
                wait_initial=0.1,
                wait_max=2.0,
                wait_jitter=0.1,
            ):
                with attempt:
                    last = self.send(method, url, **options)
                    if last.status_code in _RETRY_STATUSES:
                        raise _Retry(last, self.deadline)
        except _Retry as given_up:
            return given_up.reply
        assert last is not None
        return last

    def send(self, method: str, url: str, **options: Any) -> Reply:
        """One exchange, never retried. Raises LookError: unreachable, timed_out, malformed."""
        try:
            request = self.client.build_request(method, url, **options)
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise LookError(Status.not_configured, f"not an address: {error}", where=method) from error
        where = f"{method} {request.url.netloc.decode()}{request.url.path}"
        started = time.monotonic()
        try:
            response = self.client.send(request)
            return Reply(
                response.status_code,
                {name.lower(): value for name, value in response.headers.items()},
                response.content,
                where,
                (time.monotonic() - started) * 1000,
                share=self._share,
            )
        except LookError as error:
            error.where = error.where or where
            raise
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout):
                raise LookError(Status.unreachable, "no connection within the time allowed", where=where) from error
            raise LookError(
                Status.timed_out, f"no complete answer within {self.deadline.seconds:g} s", where=where
            ) from error
        except (httpx.DecodingError, httpx.RemoteProtocolError) as error:
            raise LookError(Status.malformed, f"the answer broke off or is no HTTP: {error}", where=where) from error
        except httpx.LocalProtocolError:  # its words repeat the header, which may be a key with a line break in it
            why = "a header cannot be sent: a key with white space or a line break in it?"
            raise LookError(Status.not_configured, why, where=where, do_next="copy the key again") from None
        except httpx.UnsupportedProtocol as error:
            raise LookError(Status.not_configured, f"not an address: {error}", where=where) from error
        except httpx.TransportError as error:
            raise LookError(Status.unreachable, f"no connection: {error}", where=where) from error


class _Retry(Exception):
    """An answer that is worth another try."""

    def __init__(self, reply: Reply, deadline: Deadline) -> None:
        super().__init__(reply.status_code)
        self.reply, self.deadline = reply, deadline


def _wait_before_retry(error: Exception) -> bool | float:
    """Whether to retry: the server's own wait where it gives one that fits into the deadline, else the usual back-off."""
    if isinstance(error, _Retry):
        wait_s = _retry_after_s(error.reply)
        if wait_s is None:
            return True
        return wait_s if wait_s < error.deadline.remaining_s else False
    return isinstance(error, LookError) and error.status == Status.unreachable


def _retry_after_s(reply: Reply) -> float | None:
    """Retry-After in seconds, from seconds or an HTTP date; None where it is absent or neither."""
    text = reply.headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
