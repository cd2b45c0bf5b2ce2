"""The providers' looks against the vendors' specifications and every error sample: what is asked, what is understood."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from support.llm_source_cases import ERRORS, LLM_CASES
from support.loopback import Asked, Loopback, Reply, everything_at

from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.reading.classify import classify_provider
from runbook_lib.reading.spans import Fault
from runbook_lib.settings import Settings
from runbook_lib.sources.providers import anthropic, openai, together

SPECS = Path(__file__).parent.parent / "specs"
VENDORS: dict[str, tuple[ModuleType, str]] = {
    "openai": (openai, "llm/openai-openapi-subset.json"),
    "anthropic": (anthropic, "llm/anthropic-derived.openapi.json"),
    "together": (together, "llm/together-openapi-subset.json"),
}
# The class that the samples name, and what the gateway's failure is called for it.
CLASSES = {
    "auth": "key_invalid",
    "permission": "access_denied",
    "model": "model_gone",
    "rate_limit": "rate_limited",
    "quota": "out_of_credit",
    "provider": "down",
    "overload": "overloaded",
    "request": "request_rejected",
}
SAMPLES = [(vendor, sample) for vendor, samples in ERRORS.items() for sample in samples]


@pytest.fixture
def ask(loopback: Loopback) -> Callable[..., Observation]:
    """`ask(look, answer)`: what the look makes of it; the server remembers what it was asked."""

    def run(look: Look, answer: Callable[[Asked], Reply]) -> Observation:
        loopback.asked.clear()
        loopback.answer = answer
        settings = Settings.from_mapping(everything_at(loopback.url))
        return Observer(active=True, now=datetime.now(UTC), settings=settings).together(look)[0]

    return run


def _healthy(name: str) -> Callable[[Asked], Reply]:
    case = LLM_CASES[name]
    return lambda asked: Reply(200, body) if (body := case.body(asked)) is not None else Reply(404, "no")


@pytest.mark.parametrize("call", ["models", "reach", "generation"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_every_request_and_every_answer_is_one_that_the_vendor_specifies(
    vendor: str, call: str, ask: Callable[..., Observation], loopback: Loopback, promised: Callable[..., None]
) -> None:
    assert ask(LLM_CASES[f"{vendor}.{call}"].look(), _healthy(f"{vendor}.{call}")).status == Status.ok
    paths = json.loads((SPECS / VENDORS[vendor][1]).read_text())["paths"]
    for asked in loopback.asked:
        path = asked.path if asked.path in paths else f"/v1{asked.path}"
        operation = paths[path][asked.method.lower()]
        declared = {each["name"] for each in operation.get("parameters") or [] if each["in"] == "query"}
        assert set(asked.query) <= declared
        body = LLM_CASES[f"{vendor}.{call}"].body(asked)
        promised(VENDORS[vendor][1], asked.method, path, httpx.Response(200, json=body))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_key_travels_in_the_vendors_own_header_and_reach_sends_none(
    vendor: str, ask: Callable[..., Observation], loopback: Loopback
) -> None:
    header = "x-api-key" if vendor == "anthropic" else "authorization"
    ask(LLM_CASES[f"{vendor}.models"].look(), _healthy(f"{vendor}.models"))
    assert header in loopback.asked[0].headers
    ask(LLM_CASES[f"{vendor}.reach"].look(), _healthy(f"{vendor}.reach"))
    assert not {"x-api-key", "authorization"} & set(loopback.asked[0].headers)
    assert ("anthropic-version" in loopback.asked[0].headers) == (vendor == "anthropic")


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_paid_probe_asks_once_for_one_token(vendor: str, ask: Callable[..., Observation], loopback: Loopback) -> None:
    seen = ask(
        LLM_CASES[f"{vendor}.generation"].look(), lambda _: Reply(503, {"error": {"type": "x", "message": "busy"}})
    )
    assert (seen.status, seen.value["ok"], len(loopback.asked)) == (Status.ok, False, 1)
    body = json.loads(loopback.asked[0].body)
    assert body.get("max_tokens", body.get("max_completion_tokens")) == 1


@pytest.mark.parametrize(
    ("vendor", "sample"), SAMPLES, ids=lambda value: value if isinstance(value, str) else value["class"]
)
def test_every_refusal_is_understood_and_classed_as_the_vendor_means_it(
    vendor: str, sample: dict[str, Any], ask: Callable[..., Observation]
) -> None:
    answer = Reply(sample["status"], sample["body"], sample.get("headers", {}))
    seen = ask(VENDORS[vendor][0].generation("m"), lambda _: answer)
    value = seen.value
    assert (seen.status, value["status_code"], value["message"]) == (
        Status.ok,
        sample["status"],
        sample["body"]["error"]["message"],
    )
    fault = Fault(sample["status"], str(value["type"] or ""), value["message"], str(value["code"] or ""))
    assert classify_provider(fault).code == f"request.provider_failed.{CLASSES[sample['class']]}"


def test_limits_are_read_from_each_vendors_own_headers(ask: Callable[..., Observation]) -> None:
    def left(vendor: str, headers: dict[str, str]) -> dict[str, Any]:
        body = LLM_CASES[f"{vendor}.models"].answers[r"/models"]
        value: dict[str, Any] = ask(VENDORS[vendor][0].models(), lambda _: Reply(200, body, headers)).value["limits"]
        return value

    assert left(
        "openai",
        {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "7",
            "x-ratelimit-reset-requests": "6m0s",
        },
    ) == {"requests": {"limit": 60, "remaining": 7, "reset_s": 360.0}}
    soon = {"anthropic-ratelimit-tokens-limit": "9", "anthropic-ratelimit-tokens-remaining": "0",
            "anthropic-ratelimit-tokens-reset": "2099-01-01T00:00:00Z"}  # fmt: skip
    tokens = left("anthropic", soon)["tokens"]
    assert (tokens["limit"], tokens["remaining"]) == (9, 0)
    assert tokens["reset_s"] > 3600
    assert left("together", {"x-ratelimit-limit": "600", "x-tokenlimit-remaining": "x"}) == {
        "requests": {"limit": 600, "remaining": None, "reset_s": None},
        "tokens": {"limit": None, "remaining": None, "reset_s": None},
    }


def test_what_stands_in_front_of_a_provider_that_is_down_is_no_answer_of_its(ask: Callable[..., Observation]) -> None:
    page = Reply(503, "<html><h1>503 Service Temporarily Unavailable</h1></html>")
    for call in (openai.reach(), openai.models(), openai.generation("m")):
        assert ask(call, lambda _: page).status == Status.unreachable
    login = Reply(200, "<!doctype html><title>Sign in</title>")
    assert ask(openai.reach(), lambda _: login).status == Status.malformed


def test_only_the_gateways_own_plain_variables_leave_the_look_and_keys_are_compared_inside(
    ask: Callable[..., Observation],
) -> None:
    seen = ask(LLM_CASES["railway_settings.gateway_settings"].look(), _healthy("railway_settings.gateway_settings"))
    assert seen.value["values"] == {"LLM_FALLBACK_CHAIN": "openai/gpt-4o-mini"}
    assert seen.value["same_key"] == {"openai": True, "anthropic": None, "together": None}
    assert not re.search(r"sk-proj|ForTests", json.dumps(seen.as_dict()))


def test_a_variable_that_is_secret_by_its_name_is_never_shown(ask: Callable[..., Observation]) -> None:
    held = {
        "LLM_SIGNING_SECRET": "hush",
        "LLM_API_KEY": "hush",
        "LLM_TIMEOUT_S": "4",
        "DATABASE_URL": "postgres://u:p@h/d",
    }
    seen = ask(
        LLM_CASES["railway_settings.gateway_settings"].look(), lambda _: Reply(200, {"data": {"variables": held}})
    )
    assert seen.value["values"] == {"LLM_TIMEOUT_S": "4"}
    assert "hush" not in json.dumps(seen.as_dict())
