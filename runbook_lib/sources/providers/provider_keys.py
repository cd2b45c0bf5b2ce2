"""Whether OpenAI, Anthropic and Together take a key, found out by listing models: that costs nothing.

A model list proves the key and that we reach the provider, not quota or credit: those show on a paid call alone. A refusal of the
place that asks (country, IP list) says nothing about the key: the part that uses it asks from elsewhere.
Refusals: tests/specs/llm/error-samples.json, and the vendors' guides (November 2026).
"""

from collections.abc import Mapping
from typing import NamedTuple

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.keys import KeyJudgement
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_reply, require_setting
from runbook_lib.sources.kit.judging import AskedKey, Refusal, key_arguments, vendors_code
from runbook_lib.sources.this_machine.variable_values import read_key

_ANTHROPIC_VERSION = "2023-06-01"


class _Provider(NamedTuple):
    vendor: str
    url: str
    permission: str


_PROVIDERS = {
    "OPENAI_API_KEY": _Provider("openai", "openai_url", "GET /models: list models (Models: Read)"),
    "ANTHROPIC_API_KEY": _Provider("anthropic", "anthropic_url", "GET /models: list models"),
    "TOGETHER_API_KEY": _Provider("together", "together_url", "GET /models: list models"),
}
NAMES = tuple(_PROVIDERS)
_OF_THE_PLACE = ("unsupported_country_region_territory", "ip_not_authorized", "request_forbidden", "forbidden")


def check(name: str, where: Mapping[str, Json], label: str) -> Look[KeyJudgement]:
    """Whether the provider takes the key that stands under this name at this place.

    Args:
        where: how its value is read (see `this_machine.variable_values`).
        label: the place in words.

    denied: the provider refuses where we ask from, so that the key could not be judged.
    """
    provider = _PROVIDERS[name]

    def fetch(door: Door) -> Answer[KeyJudgement]:
        wanted = AskedKey(name, provider.permission)
        url, key = require_setting(door, provider.url), read_key(door, where, name)
        reply = door.http.get(f"{url}/models", headers=_headers(provider.vendor, key)).in_confidence()
        code = vendors_code(reply)
        if reply.status_code in (401, 403) and code in _OF_THE_PLACE:
            why = f"HTTP {reply.status_code} {code}: {provider.vendor} refuses the place that asks, not the key"
            raise LookError(Status.denied, why, where=reply.where, do_next="ask from where the gateway runs")
        if reply.status_code == 401:
            return wanted.refused(Refusal.rejected, reply)
        if reply.status_code == 403 and b"api.model.read" in reply.body:
            return wanted.accepted(note="may not list models; whether it may generate shows on a paid call alone")
        if reply.status_code == 403:
            return wanted.refused(Refusal.scope, reply, lacks="permission to use the API")
        require_reply(reply, f"{name} must be a key of {provider.vendor}'s API")
        reply.parsed(_models)
        return wanted.accepted()

    return Look(provider.vendor, "key", {**key_arguments(name, label), **where}, fetch)


def _headers(vendor: str, key: str) -> dict[str, str]:
    if vendor == "anthropic":
        return {"x-api-key": key, "anthropic-version": _ANTHROPIC_VERSION}
    return {"Authorization": f"Bearer {key}"}


def _models(document: Json) -> int:
    """How many models are listed; Together sends a bare array. Raises TypeError or KeyError for what is no list of models."""
    rows = document if isinstance(document, list) else document["data"]
    return len([str(row["id"]) for row in rows])
