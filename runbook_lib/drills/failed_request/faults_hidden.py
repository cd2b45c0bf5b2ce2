"""Where the answer is hidden: requests nobody knows, traces that are not there, parts that report no spans."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from runbook_lib.drills.kit.fault import Fault, Result, Variant, alias, fault, use, visit

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

# The part ends before its first span and its first line: a crash in what the platform wraps around it.
_SILENT_WEB = use("http", part="web", status=500, body="Internal Server Error")
_MARK = "What is still open from the review of the harbour"
_SILENT_GATEWAY = use(
    "http", part="gateway", path="/v1/chat", body_contains=_MARK, status=500, body="Internal Server Error"
)


def _made_up(sandbox: "Sandbox") -> Result:  # noqa: ARG001 (an exercise takes the sandbox)
    """Nobody asks anything: on-call was given an id that no platform ever gave out, of ten minutes ago."""
    at = datetime.now(UTC) - timedelta(minutes=10)
    request_id = f"{secrets.token_hex(3)[:5]}-{int(at.timestamp() * 1000)}-{secrets.token_hex(6)}"
    return {"status": None, "headers": {}, "body": "", "request_id": request_id, "error": None, "elapsed_s": 0.0}


def _with_context(trace_id: str = "", flags: str = "01", action: str = "chat", message: str = "") -> "_Asking":
    return _Asking(trace_id, flags, action, message)


class _Asking:
    """A browser that begins the trace itself. The result also holds the `traceparent` that was sent."""

    def __init__(self, tail: str, flags: str, action: str, message: str) -> None:
        self._tail, self._flags, self._action, self._message = tail, flags, action, message

    def __call__(self, sandbox: "Sandbox") -> Result:
        trace_id = secrets.token_hex(16)
        trace_id = trace_id[: 32 - len(self._tail)] + self._tail
        sent = f"00-{trace_id}-{secrets.token_hex(8)}-{self._flags}"
        more = {"message": self._message} if self._message else {}
        got = sandbox.visit(self._action, headers={"traceparent": sent}, **more)
        return {**got, "traceparent": sent}


def _of_yesterday(sandbox: "Sandbox") -> Result:
    """The request was made two hours ago: every clock stood there when it was."""
    for part in ("facades", "web", "api", "gateway"):
        sandbox.inject("clock", part=part, shift_s=-7200.0)
    got = _with_context(action="home")(sandbox)
    for part in ("facades", "web", "api", "gateway"):
        sandbox.inject("clock", part=part, shift_s=0.0)
    return got


def _forgotten(sandbox: "Sandbox") -> Result:
    """The trace was there for a moment and is lost."""
    got = _with_context()(sandbox)
    sandbox.inject("store", forget=got["traceparent"].split("-")[1])
    return got


def _among_sampled(sandbox: "Sandbox") -> Result:
    """Others around it are sampled by the gateway, this one is not."""
    kept = _with_context("f" * 8)
    kept(sandbox)
    got = _with_context("0" * 8, message=_MARK)(sandbox)
    kept(sandbox)
    time.sleep(0.3)
    return got


def _after_silence(sandbox: "Sandbox") -> Result:
    """The part has reported nothing for a while when this call is made."""
    time.sleep(4.0)
    return sandbox.visit("chat", message=_MARK)


def _before_others(sandbox: "Sandbox") -> Result:
    """This call is lost on its way; the next ones arrive."""
    got = sandbox.visit("chat", message=_MARK)
    sandbox.visit("chat")
    return got


_PROVIDER_DOWN = (
    use("code", part="gateway", no_fallback=True),
    use("dial", of="openai", field="mode", value="overloaded"),
)
_NO_TRACE = (
    fault("trace.not_found.not_sampled", _SILENT_WEB, by=_with_context(flags="00")),
    fault(
        "trace.not_found.retention",
        _SILENT_WEB,
        use("store", retention_s=3600.0),
        by=_of_yesterday,
        runbook_settings={
            "RUNBOOK_TRACE_RETENTION_H": "1"
        },  # a team knows how long its store keeps traces, and when they come
    ),
    fault(
        "trace.not_found.not_yet_ingested",
        _SILENT_WEB,
        use("store", delay_s=45.0),
        by=_with_context(),
        runbook_settings={"RUNBOOK_TRACE_DELAY_S": "60"},
    ),
    fault("trace.not_found.no_context", _SILENT_WEB, by=visit("chat")),
    fault("trace.not_found.lost", _SILENT_WEB, by=_forgotten),
)
_BROKEN = (
    fault(
        "trace.broken.propagation_lost",
        *_PROVIDER_DOWN,
        use("spans", part="gateway", ignore_traceparent=True),
        caller=Variant((*_PROVIDER_DOWN, use("spans", part="api", send_no_traceparent=True))),
    ),
    fault(
        "trace.broken.exporter_silent",
        use("spans", part="gateway", drop=True),
        _SILENT_GATEWAY,
        by=_after_silence,
    ),
    fault("trace.broken.sampled", use("spans", part="gateway", unsampled=0.5), _SILENT_GATEWAY, by=_among_sampled),
    fault(
        "trace.broken.not_reached",
        use("http", part="gateway-edge", path="/v1/chat", body_contains=_MARK, reset=True),
        by=_before_others,
    ),
)

FAULTS: tuple[Fault, ...] = (
    fault("request.not_found", by=_made_up),
    fault("request.unexplained", _SILENT_WEB),  # nobody asks about one of them: they are seen in their window
    alias("trace.not_found", _NO_TRACE[-1]),
    *_NO_TRACE,
    alias("trace.broken", _BROKEN[0]),
    *_BROKEN,
)
