"""Hand-made windows of the gateway's calls for the rules of 04: small worlds in which one thing is wrong."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from support.evidence import look

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.procedures.llm_gateway.reading import Evidence
from runbook_lib.procedures.llm_gateway.topics import MOST_BEFORE, MOST_CALLS

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SINCE = NOW - timedelta(hours=1)
OPENAI = "openai/gpt-4o-mini"
CLAUDE = "anthropic/claude-haiku-4-5-20251001"
LLAMA = "together/meta-llama/Llama-3.3-70B-Instruct-Turbo"
CHAIN = f"{OPENAI}, {CLAUDE}, {LLAMA}"
MODELS = {member.partition("/")[0]: member.partition("/")[2] for member in (OPENAI, CLAUDE, LLAMA)}


@dataclass(frozen=True)
class Try:
    """One attempt: status 200 is a good answer, 0 none at all; `error` and `message` as the vendor or the client says."""

    target: str = OPENAI
    status: int = 200
    error: str = ""
    message: str = ""
    ms: float = 400.0
    tokens: int | None = 40
    gap_ms: float = 500.0

    @property
    def failed(self) -> bool:
        return self.status >= 400 or bool(self.error)


THROTTLED = Try(status=429, error="rate_limit_exceeded", message="Rate limit reached", ms=30, tokens=None)
OVERLOADED = replace(THROTTLED, status=503, error="server_error", message="The engine is currently overloaded")
REFUSED_KEY = replace(THROTTLED, status=401, error="invalid_api_key", message="Incorrect API key provided")
SERVER_ERROR = replace(THROTTLED, status=500, error="server_error", message="The server had an error")
NO_CONNECTION = replace(THROTTLED, status=0, error="httpx.ConnectError", message="All connection attempts failed")
NO_NAME = replace(NO_CONNECTION, message="[Errno -2] Name or service not known")
TIMED_OUT = replace(THROTTLED, status=0, error="httpx.ReadTimeout", message="timed out after 30 s", ms=30_000)
NO_MODEL = replace(THROTTLED, status=404, error="model_not_found", message="The model does not exist")
REJECTED = replace(THROTTLED, status=400, error="invalid_request_error", message="messages: too long")
BROKEN = replace(THROTTLED, status=200, error="stream_error", message="Overloaded", ms=300)
GOOD_CLAUDE = Try(CLAUDE)


@dataclass
class Gateway:
    """Collects requests; `evidence()` makes of them what the procedure would have seen."""

    failed_spans: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    before_rows: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    _count: int = 0

    def request(self, minutes_ago: float, *tries: Try, status: int | None = None, own_ms: float = 5.0) -> None:
        """One request; its answer's status is by default that of a gateway which passes on how its last attempt ended."""
        self._count += 1
        trace = f"{self._count:032x}"
        start_ms = NOW.timestamp() * 1000 - minutes_ago * 60_000
        at_ms, calls = start_ms + own_ms, []
        for number, each in enumerate(tries or (Try(),)):
            at_ms += each.gap_ms if number else 0
            calls.append((each, at_ms))
            at_ms += each.ms
        last = calls[-1][0]
        answer = status or (200 if not last.failed or last.status == 200 else 400 if last.status in (400, 413) else 502)
        server = self._span(
            trace, 0, "", "POST /v1/chat", "server", start_ms, at_ms, {"http.response.status_code": answer}
        )
        server["status"] = "error" if answer >= 500 else "unset"
        spans = [server, *(self._call(trace, n, server["id"], each, at) for n, (each, at) in enumerate(calls, 1))]
        if any(each.failed for each, _ in calls) or answer >= 400:
            self.failed_spans += spans
        else:
            self.rows += [_row(span) for span in spans]

    def good(self, count: int, since_ago: float = 55.0, until_ago: float = 1.0, *tries: Try) -> "Gateway":
        """So many good requests, spread over a time."""
        for number in range(count):
            share = number / max(1, count - 1)
            self.request(since_ago + (until_ago - since_ago) * share, *tries)
        return self

    def good_before(self, count: int, *tries: Try) -> "Gateway":
        """So many good requests in the hour before the window."""
        kept = self.rows
        self.rows = []
        self.good(count, 115.0, 65.0, *tries)
        self.before_rows, self.rows = self.rows, kept
        return self

    def logged(self, minutes_ago: float, *tries: Try, status: int = 200, took_ms: float = 410.0) -> None:
        """A request that only lines tell of: one for each attempt, one for its end."""
        self._count += 1
        at = NOW - timedelta(minutes=minutes_ago)
        for each in tries:
            provider, _, model = each.target.partition("/")
            said = {"provider": provider, "model": model, "status": each.status, "code": each.error}
            words = f"{each.target} failed: {each.message}" if each.failed else f"{each.target} answered"
            self._line(at, "warning" if each.failed else "info", words, said)
        self._line(
            at,
            "info",
            f"POST /v1/chat {status}",
            {"method": "POST", "path": "/v1/chat", "status": status, "duration_ms": took_ms},
        )

    def _line(self, at: datetime, level: str, message: str, attributes: dict[str, Any]) -> None:
        self.lines.append(
            {"at": to_iso(at), "level": level, "message": message, "trace_id": f"{self._count:032x}", "request_id": None,
             "attributes": attributes, "part": "gateway", "platform": "railway", "deployment_id": None, "instance": None}
        )  # fmt: skip

    def _call(self, trace: str, number: int, parent: str, each: Try, at_ms: float) -> dict[str, Any]:
        provider, _, model = each.target.partition("/")
        attributes: dict[str, Any] = {"gen_ai.provider.name": provider, "gen_ai.request.model": model}
        if each.status:
            attributes["http.response.status_code"] = each.status
        if each.error:
            attributes["error.type"] = each.error
        if each.tokens is not None:
            attributes["gen_ai.usage.output_tokens"] = each.tokens
        span = self._span(trace, number, parent, f"chat {model}", "client", at_ms, at_ms + each.ms, attributes)
        span["status"], span["message"] = ("error", each.message) if each.failed else ("unset", "")
        return span

    def _span(
        self,
        trace: str,
        number: int,
        parent: str,
        name: str,
        kind: str,
        start_ms: float,
        end_ms: float,
        attributes: dict[str, Any],
    ) -> dict[str, Any]:
        scope = "httpx" if kind == "client" else "opentelemetry.instrumentation.fastapi"
        return {
            "trace": trace, "id": f"{int(trace, 16):012x}{number:04x}", "parent": parent, "name": name, "kind": kind,
            "start_ns": int(start_ms * 1e6), "end_ns": int(end_ms * 1e6), "status": "unset", "message": "",
            "attributes": attributes, "resource": 0, "scope": scope,
        }  # fmt: skip

    def evidence(self, **more: Any) -> Evidence:
        """What was seen; `traces=Status.unreachable` and `logs=…` make a witness silent; other words replace a topic."""
        traces, logs = more.pop("traces", Status.ok), more.pop("logs", Status.ok)
        table = {"resources": [{"service.name": "nexus-gateway"}], "spans": self.failed_spans}
        seen = Evidence(
            now=NOW,
            window=Window(SINCE, NOW),
            probes=tuple(replace(probe(), nth=nth, id=f"parts.probe-{nth}") for nth in (1, 2, 3)),
            failed=(_of("tempo", "failed_traces", table if self.failed_spans else None, traces),),
            calls=(_of("tempo", "llm_calls", self.rows or None, traces, window="now", limit=MOST_CALLS),),
            before=(_of("tempo", "llm_calls", self.before_rows or None, traces, window="before", limit=MOST_BEFORE),),
            logs=(_of("railway", "logs", self.lines or None, logs, part="gateway"),),
            providers=tuple(answers(provider) for provider in MODELS) + tuple(offers(provider) for provider in MODELS),
            settings=(settings(), look("gateway", "chain", {"chain": CHAIN})),
        )
        return replace(seen, **more)


def _of(source: str, call: str, value: Any, status: Status, **arguments: Any) -> Observation:
    if status != Status.ok:
        return look(source, call, None, status, **arguments)
    return look(source, call, value, Status.ok if value else Status.empty, **arguments)


def _row(span: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: span[name] for name in ("trace", "id", "name", "start_ns")},
        "duration_ms": (span["end_ns"] - span["start_ns"]) / 1e6,
        "attributes": {**span["attributes"], "kind": span["kind"], "status": span["status"]},
    }


def probe(status: int = 200, text: str = '{"message":"hello"}', kind: str = "application/json") -> Observation:
    """The gateway's answer to us."""
    value = {"status_code": status, "ms": 20.0, "content_type": kind, "server": "railway-edge", "location": None,
             "request_id": None, "date": None, "json": None, "text": text}  # fmt: skip
    return look("parts", "probe", value, part="gateway", path="/")


def no_probe(status: Status = Status.unreachable) -> Observation:
    """The gateway's address, where nothing answers us."""
    return look("parts", "probe", None, status, part="gateway", path="/")


def answers(provider: str, status: Status = Status.ok) -> Observation:
    """Whether a provider answers here."""
    return look(provider, "reach", {"status_code": 401, "ms": 90.0} if status == Status.ok else None, status)


def offers(provider: str, *models: str) -> Observation:
    """The models on offer to our key; by default the chain's own."""
    rows = [{"id": model, "created_at": None} for model in models or (MODELS[provider],)]
    return look(provider, "models", {"models": rows, "limits": {}, "ms": 90.0})


def settings(chain: str = CHAIN, same: bool | None = True, **more: Any) -> Observation:
    """The gateway's variables on Railway."""
    value = {
        "platform": "railway",
        "values": {"LLM_FALLBACK_CHAIN": chain} if chain else {},
        "names": ["LLM_FALLBACK_CHAIN", "OPENAI_API_KEY"] if chain else ["OPENAI_API_KEY"],
        "same_key": dict.fromkeys(MODELS, same),
        "place": {"project_id": "proj", "environment_id": "env", "service_id": "svc"},
    }
    return look("railway", "gateway_settings", {**value, **more}, part="gateway")


def all_fail(gateway: Gateway, *tries: Try, count: int = 4) -> Gateway:
    """Requests of the last minutes that end with the last of these attempts."""
    for number in range(count):
        gateway.request(5 - number, *tries)
    return gateway


def but(failure: Try, /, **more: Any) -> Try:
    """The same, but for this."""
    return replace(failure, **more)


def instead(looks: tuple[Observation, ...], *others: Observation) -> tuple[Observation, ...]:
    """The looks with some replaced, by source and call."""
    named = {(each.source, each.call): each for each in others}
    return tuple(named.get((each.source, each.call), each) for each in looks)


ONE_MEMBER = (settings(OPENAI),)
