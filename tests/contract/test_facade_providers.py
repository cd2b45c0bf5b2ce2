"""The three providers answer as their vendors' specifications say, and refuse in their vendors' own words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runbook_lib.sandbox.facades.providers import anthropic, openai, together
from runbook_lib.sandbox.world import World, make_world

SPEC = {
    "openai": "llm/openai-openapi-subset.json",
    "anthropic": "llm/anthropic-derived.openapi.json",
    "together": "llm/together-openapi-subset.json",
}
CREATE = {"openai": openai.create_app, "anthropic": anthropic.create_app, "together": together.create_app}
MODEL = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-haiku-4-5-20251001",
    "together": "Qwen/Qwen2.5-7B-Instruct-Turbo",
}
SAMPLES = json.loads((Path(__file__).parent.parent / "specs/llm/error-samples.json").read_text())
# which state of the provider is meant by which sample of the vendor's refusals
MEANS = {
    ("openai", 401): {"mode": "bad_key"},
    ("openai", 403): {"mode": "forbidden"},
    ("openai", 404): {"mode": "model_gone"},
    ("openai", 429, "rate_limit_exceeded", "requests"): {"mode": "throttled"},
    ("openai", 429, "rate_limit_exceeded", "tokens"): {"mode": "throttled", "throttled_by": "tokens"},
    ("openai", 429, "insufficient_quota", "insufficient_quota"): {"mode": "insufficient_quota"},
    ("openai", 500): {"mode": "server_error"},
    ("openai", 503): {"mode": "overloaded"},
    ("anthropic", 401): {"mode": "bad_key"},
    ("anthropic", 403): {"mode": "forbidden"},
    ("anthropic", 404): {"mode": "model_gone"},
    ("anthropic", 400, "You have reached your specified"): {"mode": "spending_limit"},
    ("anthropic", 400, "Your credit balance is too low "): {"mode": "insufficient_quota"},
    ("anthropic", 402): {"mode": "billing"},
    ("anthropic", 413): {"mode": "too_large"},
    ("anthropic", 429): {"mode": "throttled"},
    ("anthropic", 500): {"mode": "server_error"},
    ("anthropic", 529): {"mode": "overloaded"},
    ("together", 401): {"mode": "bad_key"},
    ("together", 402): {"mode": "insufficient_quota"},
    ("together", 404): {"mode": "model_gone"},
    ("together", 429): {"mode": "throttled"},
    ("together", 503): {"mode": "overloaded"},
}


@pytest.fixture
def world() -> World:
    world = make_world(seed=7)
    for provider in world.providers.values():
        provider.latency_ms = provider.ms_per_token = 0
    return world


@pytest.fixture(params=["openai", "anthropic", "together"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def client_of(world: World, in_process: Any) -> Any:
    """`client_of(name)`: a client of that provider with the sandbox's own key."""

    def make(name: str) -> httpx.Client:
        key = getattr(world.keys, name)
        own = {"x-api-key": key, "anthropic-version": "2023-06-01"}
        headers = own if name == "anthropic" else {"authorization": f"Bearer {key}"}
        return in_process(CREATE[name](world), headers=headers)

    return make


@pytest.fixture
def client(client_of: Any, name: str) -> httpx.Client:
    return client_of(name)


def path(name: str) -> str:
    return "/v1/messages" if name == "anthropic" else "/v1/chat/completions"


def spec_path(name: str, at: str) -> str:
    return at if name == "anthropic" else at.removeprefix("/v1")


def call(name: str, **extra: Any) -> dict[str, Any]:
    return {
        "model": MODEL[name],
        "max_tokens": 64,
        "messages": [{"role": "user", "content": "How was the month?"}],
        **extra,
    }


def events(text: str) -> list[dict[str, Any] | str]:
    payloads = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [p if p == "[DONE]" else json.loads(p) for p in payloads]


def written(name: str, sent: list[Any]) -> str:
    if name == "anthropic":
        return "".join(e["delta"]["text"] for e in sent if e["type"] == "content_block_delta")
    return "".join(e["choices"][0]["delta"].get("content") or "" for e in sent if e != "[DONE]" and e.get("choices"))


def test_model_list_is_what_the_vendor_promises(client, name, promised):
    answer = client.get("/v1/models")
    promised(SPEC[name], "GET", spec_path(name, "/v1/models"), answer)
    rows = answer.json() if name == "together" else answer.json()["data"]
    assert MODEL[name] in [row["id"] for row in rows]


def test_reply_is_what_the_vendor_promises_and_counts_its_tokens(client, name, promised):
    answer = client.post(path(name), json=call(name))
    promised(SPEC[name], "POST", spec_path(name, path(name)), answer)
    usage = answer.json()["usage"]
    assert usage.get("completion_tokens", usage.get("output_tokens")) in range(1, 65)
    assert answer.headers["request-id" if name == "anthropic" else "x-request-id"].startswith("req_")


def test_reply_is_cut_at_the_token_limit_and_says_so(client, name):
    body = client.post(path(name), json=call(name, max_tokens=2)).json()
    reason = body["stop_reason"] if name == "anthropic" else body["choices"][0]["finish_reason"]
    assert reason == ("max_tokens" if name == "anthropic" else "length")


def test_stream_writes_the_same_words_as_the_whole_reply(client, name, shaped):
    whole = client.post(path(name), json=call(name)).json()
    text = whole["content"][0]["text"] if name == "anthropic" else whole["choices"][0]["message"]["content"]
    answer = client.post(path(name), json=call(name, stream=True, stream_options={"include_usage": True}))
    sent = events(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert written(name, sent) == text
    if name == "anthropic":
        assert [sent[0]["type"], sent[-1]["type"]] == ["message_start", "message_stop"]
        return
    schema = {"openai": "CreateChatCompletionStreamResponse", "together": "ChatCompletionChunk"}[name]
    for event in sent[:-2]:
        shaped(SPEC[name], schema, event)
    assert sent[-1] == "[DONE]"
    assert sent[-2]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


def test_broken_stream_carries_an_error_after_a_200_and_never_ends_properly(client, world, name):
    world.providers[name].mode = "stream_error"
    answer = client.post(path(name), json=call(name, stream=True))
    sent = events(answer.text)
    assert answer.status_code == 200
    assert "error" in sent[-1]
    assert written(name, sent[:-1])


def _samples() -> Iterator[Any]:
    for name, samples in SAMPLES.items():
        for sample in samples:
            error = sample["body"]["error"]
            keys = [
                (name, sample["status"]),
                (name, sample["status"], error.get("code"), error["type"]),
                (name, sample["status"], error["message"][:31]),
            ]
            state = next(MEANS[key] for key in keys if key in MEANS)
            yield pytest.param(name, state, sample, id=f"{name}-{sample['status']}-{sample['class']}")


@pytest.mark.parametrize(("vendor", "state", "sample"), list(_samples()))
def test_refusals_are_the_vendors_own(vendor, state, sample, world, client_of):
    for field, value in state.items():
        setattr(world.providers[vendor], field, value)
    answer = client_of(vendor).post(path(vendor), json=call(vendor))
    got, wanted = answer.json(), sample["body"]
    assert answer.status_code == sample["status"]
    assert got.keys() >= wanted.keys()
    assert got["error"]["type"] == wanted["error"]["type"]
    assert got["error"].get("code") == wanted["error"].get("code")
    assert ("retry-after" in answer.headers) <= sample["retry"]
    for header in sample.get("headers", {}):
        if header != "retry-after":
            assert header in answer.headers


def test_a_key_that_the_provider_does_not_know_is_refused_everywhere(world, name, in_process):
    client = in_process(CREATE[name](world))
    headers = {"authorization": "Bearer sk-wrong", "x-api-key": "sk-wrong", "anthropic-version": "2023-06-01"}
    assert client.get("/v1/models", headers=headers).status_code == 401
    assert client.post(path(name), json=call(name), headers=headers).status_code == 401
    assert client.get("/v1/models").status_code == 401


def test_quota_shows_on_a_generation_and_not_in_the_model_list(client, world, name):
    world.providers[name].mode = "insufficient_quota"
    assert client.get("/v1/models").status_code == 200
    assert client.post(path(name), json=call(name)).status_code in (400, 402, 429)


def test_a_fault_can_hold_for_one_key_alone(client, world, name):
    world.providers[name].keys["another-key"] = "insufficient_quota"
    headers = {"authorization": "Bearer another-key", "x-api-key": "another-key"}
    assert client.post(path(name), json=call(name)).status_code == 200
    assert client.post(path(name), json=call(name), headers=headers).status_code in (400, 402, 429)


def test_a_retired_model_leaves_the_list_and_the_others_answer(client, world, name):
    provider = world.providers[name]
    retired = next(model for model in provider.models if model.id == MODEL[name])
    retired.is_retired = True
    other = next(model.id for model in provider.offered_models())
    assert client.post(path(name), json=call(name)).status_code == 404
    assert client.post(path(name), json=call(name, model=other)).status_code == 200
    assert MODEL[name] not in client.get("/v1/models").text


def test_a_real_limit_throttles_when_it_is_used_up(client, world, name):
    world.providers[name].limit_requests = 2
    statuses = [client.post(path(name), json=call(name)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


def test_a_provider_that_is_down_answers_a_page_and_no_request_id(client, world, name):
    world.providers[name].mode = "down"
    answer = client.get("/v1/models")
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("text/html")
    assert "request-id" not in "".join(answer.headers)


def test_a_slow_provider_takes_longer_by_its_factor(world, name):
    provider = world.providers[name]
    provider.latency_ms, provider.ms_per_token, provider.slow_factor = 10, 1, 40
    assert provider.wait_s("slow", 20) == pytest.approx(40 * provider.wait_s("ok", 20))


def test_every_call_is_remembered_with_its_key_and_status(client, world, name):
    client.post(path(name), json=call(name))
    world.providers[name].mode = "overloaded"
    client.post(path(name), json=call(name))
    seen = [(c.model, c.status, c.key_tail) for c in world.providers[name].calls]
    tail = getattr(world.keys, name)[-4:]
    assert seen == [(MODEL[name], 200, tail), (MODEL[name], 529 if name == "anthropic" else 503, tail)]


def test_a_prompt_longer_than_the_context_is_refused_as_our_own_fault(client, world, name):
    for model in world.providers[name].models:
        model.context_tokens = 3
    answer = client.post(path(name), json=call(name))
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_bad_payloads_are_answered_in_the_vendors_error_shape(client, name):
    for content in (b"{", b"[]", b"{}"):
        answer = client.post(path(name), content=content)
        assert answer.status_code == 400
        assert answer.json()["error"]["message"]
    assert client.get("/v1/nothing/here").status_code == 404


def test_anthropic_pages_its_models(world, client_of, promised):
    client = client_of("anthropic")
    first = client.get("/v1/models", params={"limit": 2})
    rest = client.get("/v1/models", params={"limit": 2, "after_id": first.json()["last_id"]})
    promised(SPEC["anthropic"], "GET", "/v1/models", rest)
    ids = [row["id"] for row in first.json()["data"] + rest.json()["data"]]
    assert (first.json()["has_more"], rest.json()["has_more"]) == (True, False)
    assert len(set(ids)) == len(world.providers["anthropic"].models)
