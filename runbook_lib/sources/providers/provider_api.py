"""What the three model providers have in common on the wire: address and key, limit headers, what a refusal says.

A provider answers a list of models with 401 or 403 like any source, which is this key's affair. A generation is asked for to
see what becomes of it, so there the vendor's refusal is data. Shapes: openai-openapi 2.3.0, togethercomputer/openapi,
anthropic-sdk-python types; header names as the vendors document them, November 2026.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.providers import Generation, Limit, ModelsOnOffer, OfferedModel, Reach
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door
from runbook_lib.sources.kit.asking import require_setting, rows_in, text_of

_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6}


class ProviderApi:
    """One look's way to a provider: address, key (without one for `reach`), the look's deadline."""

    def __init__(self, door: Door, vendor: str, *, with_key: bool = True) -> None:
        self.vendor, self.http = vendor, door.http
        self.url = require_setting(door, f"{vendor}_url")
        self.help = f"{vendor.upper()}_API_KEY must be a key that this vendor accepts; it need not be the gateway's"
        self.headers = {"Accept": "application/json"}
        if vendor == "anthropic":
            self.headers["anthropic-version"] = "2023-06-01"
        if with_key:
            key = require_setting(door, f"{vendor}_key")
            self.headers |= {"x-api-key": key} if vendor == "anthropic" else {"Authorization": f"Bearer {key}"}

    def get(self, path: str, params: Mapping[str, str | int] | None = None, *, retry: bool = True) -> Reply:
        """One read."""
        return self.http.get(f"{self.url}{path}", retry=retry, params=params, headers=self.headers)

    def reach(self) -> Answer[Reach]:
        """Whether the vendor answers here at all, asked without any key: its own refusal is as good an answer as a list.

        Raises LookError: rate_limited, unreachable (502, 503, 504), malformed (no answer of this vendor's).
        """
        reply = self.get("/models", retry=False)
        if reply.status_code not in (200, 401, 403):
            reply.raise_for_status("see the vendor's status page")
        if reply.status_code == 200:
            reply.parsed(_models_in)
        else:
            reply.parsed(_error_of)
        return Answer(Status.ok, {"status_code": reply.status_code, "ms": round(reply.elapsed_ms, 1)})

    def generate(self, path: str, body: Mapping[str, Json]) -> Answer[Generation]:
        """What one generation comes to. Sent once, never retried. Raises LookError where nothing of this vendor's answered."""
        reply = self.http.send("POST", f"{self.url}{path}", json=dict(body), headers=self.headers)
        is_ok = 200 <= reply.status_code < 300
        if not is_ok and reply.body.lstrip()[:1] != b"{":
            reply.raise_for_status(self.help)
        refusal = None if is_ok else reply.parsed(_error_of)
        output_tokens = reply.parsed(_tokens_of) if is_ok else None
        return Answer(
            Status.ok,
            {
                "model": str(body["model"]),
                "ok": is_ok,
                "status_code": reply.status_code,
                "code": refusal.code if refusal else None,
                "type": refusal.type if refusal else None,
                "message": refusal.message if refusal else None,
                "ms": round(reply.elapsed_ms, 1),
                "output_tokens": output_tokens,
                "limits": limits_of(self.vendor, reply.headers),
                "retry_after_s": seconds_of(reply.headers.get("retry-after")),
            },
        )


def listed_models(models: list[OfferedModel], api: ProviderApi, reply: Reply) -> Answer[ModelsOnOffer]:
    """The answer of a list, ids sorted; empty where the key sees none."""
    rows = sorted(models, key=lambda row: row["id"])
    limits = limits_of(api.vendor, reply.headers)
    value = ModelsOnOffer(models=rows, limits=limits, ms=round(reply.elapsed_ms, 1))
    return Answer(Status.ok, value) if rows else Answer(Status.empty, None, "this key sees no model")


def limits_of(vendor: str, headers: Mapping[str, str]) -> dict[str, Limit]:
    """What is left of the limits, by what they count; empty where the answer carries none."""
    if vendor == "together":
        names = {"requests": "x-ratelimit-{}", "tokens": "x-tokenlimit-{}"}
    elif vendor == "anthropic":
        kinds = ("requests", "tokens", "input-tokens", "output-tokens")
        names = {kind: f"anthropic-ratelimit-{kind}-{{}}" for kind in kinds}
    else:
        names = {kind: f"x-ratelimit-{{}}-{kind}" for kind in ("requests", "tokens")}
    return {
        kind.replace("-", "_"): {
            "limit": _whole(headers.get(name.format("limit"))),
            "remaining": _whole(headers.get(name.format("remaining"))),
            "reset_s": seconds_of(headers.get(name.format("reset")), headers.get("date")),
        }
        for kind, name in names.items()
        if name.format("limit") in headers or name.format("remaining") in headers
    }


def seconds_of(text: str | None, now: str | None = None) -> float | None:
    """Seconds from `2`, `6m0s`, `12ms`, or, against the answer's Date header, an RFC 3339 moment; None for what is neither."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pieces = _GO_DURATION.findall(text)
    if pieces and "".join(number + unit for number, unit in pieces) == text:
        return round(sum(float(number) * _SECONDS[unit] for number, unit in pieces), 6)
    return _until(text, now)


def _until(text: str, now: str | None) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return max(0.0, (moment - parsedate_to_datetime(now or "")).total_seconds())
    except (TypeError, ValueError):
        return None


def _whole(text: str | None) -> int | None:
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def _models_in(document: Json) -> list[str]:
    """The ids in a list of models, bare or under `data`. Raises TypeError or KeyError where it is none."""
    return [str(row["id"]) for row in rows_in(document, "data" if isinstance(document, dict) else None)]


class _Refusal(NamedTuple):
    code: str | None
    type: str | None
    message: str


def _error_of(document: Json) -> _Refusal:
    """A refusal's code, type and message. Raises TypeError where the document is no refusal in a vendor's shape."""
    error = document["error"]
    if not isinstance(error, dict):
        raise TypeError("no error object")
    return _Refusal(text_of(error, "code"), text_of(error, "type"), (text_of(error, "message") or "")[:500])


def _tokens_of(document: Json) -> int | None:
    """How many tokens a generation put out; None where it does not say. Raises TypeError where the document is none."""
    usage = document.get("usage") or {}
    tokens = usage.get("completion_tokens", usage.get("output_tokens"))
    if not isinstance(document.get("id"), str):
        raise TypeError("no completion")
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) else None


def smallest_question() -> list[dict[str, str]]:
    """What the paid probe asks."""
    return [{"role": "user", "content": "ping"}]
