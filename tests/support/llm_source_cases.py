"""The looks of 04 with what a source in good health answers to them: providers, rows of provider calls, the gateway's variables."""

import json
from typing import Any

from support.source_cases import AT, AT_MS, JAEGER, MACHINE, PAST, SPECS, TEMPO_TRACE, Case

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Status
from runbook_lib.sources.fly import settings as fly_settings
from runbook_lib.sources.providers import anthropic, openai, together
from runbook_lib.sources.railway import settings as railway_settings
from runbook_lib.sources.traces import jaeger, tempo

TEMPO_CALLS: dict[str, Any] = {
    "traces": [
        {
            "traceID": "4bf92f3577b34da6a3ce929d0e0e4736",
            "rootServiceName": "nexuscore",
            "rootTraceName": "POST /chat",
            "startTimeUnixNano": str(AT_MS * 1_000_000),
            "durationMs": 900,
            "spanSets": [
                {
                    "spans": [
                        {
                            "spanID": "00f067aa0ba902b7",
                            "startTimeUnixNano": str(AT_MS * 1_000_000),
                            "durationNanos": "41000000",
                            "attributes": [
                                {"key": "kind", "value": {"stringValue": "client"}},
                                {"key": "status", "value": {"stringValue": "unset"}},
                                {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
                                {"key": "gen_ai.usage.output_tokens", "value": {"intValue": "40"}},
                            ],
                        }
                    ],
                    "matched": 1,
                }
            ],
        }
    ]
}
OPENAI_MODELS = {
    "object": "list",
    "data": [{"id": "gpt-4o-mini", "object": "model", "created": 1721172741, "owned_by": "system"}],
}
ANTHROPIC_MODELS = {
    "data": [
        {
            "type": "model",
            "id": "claude-haiku-4-5-20251001",
            "display_name": "Claude Haiku 4.5",
            "created_at": "2025-10-01T00:00:00Z",
        }
    ],
    "has_more": False,
    "first_id": "claude-haiku-4-5-20251001",
    "last_id": "claude-haiku-4-5-20251001",
}
TOGETHER_MODELS = [
    {"id": "meta-llama/Llama-3.3-70B-Instruct-Turbo", "object": "model", "created": 1733443200, "type": "chat"}
]
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1790000000,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "a", "refusal": None},
            "logprobs": None,
            "finish_reason": "length",
        }
    ],
    "usage": {"prompt_tokens": 8, "completion_tokens": 1, "total_tokens": 9},
}
TOGETHER_COMPLETION = {
    **{name: COMPLETION[name] for name in ("id", "object", "created", "model", "usage")},
    "prompt": [],
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "length"}],
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "a"}],
    "stop_reason": "max_tokens",
    "stop_sequence": None,
    "usage": {"input_tokens": 8, "output_tokens": 1},
}
VARIABLES = {
    "LLM_FALLBACK_CHAIN": "openai/gpt-4o-mini",
    "OPENAI_API_KEY": "sk-proj-openai-key-ForTests",
    "PORT": "8000",
}
SECRET = {"name": "OPENAI_API_KEY", "digest": "d1", "created_at": to_iso(AT), "updated_at": to_iso(AT)}
ERRORS = json.loads((SPECS / "llm/error-samples.json").read_text())


def _probe(look: Any, answers: dict[str, Any]) -> Case:
    return Case(look, answers, public=True, refusals=True, absent=Status.malformed)


LLM_CASES: dict[str, Case] = {
    "tempo.failed_traces": Case(
        lambda: tempo.failed_traces(PAST), {r"/api/search": TEMPO_CALLS, r"/api/v2/traces/": TEMPO_TRACE}
    ),
    "tempo.llm_calls": Case(lambda: tempo.llm_calls(PAST), {r"/api/search": TEMPO_CALLS}),
    "jaeger.failed_traces": Case(lambda: jaeger.failed_traces(PAST), JAEGER, absent=Status.malformed),
    "jaeger.llm_calls": Case(lambda: jaeger.llm_calls(PAST), JAEGER, absent=Status.malformed),
    "openai.models": Case(lambda: openai.models(), {r"/models": OPENAI_MODELS}, absent=Status.malformed),
    "openai.reach": _probe(lambda: openai.reach(), {r"/models": OPENAI_MODELS}),
    "openai.generation": Case(
        lambda: openai.generation("gpt-4o-mini"), {r"/chat/completions": COMPLETION}, refusals=True
    ),
    "openai.health": Case(lambda: openai.health(), {r"/models": OPENAI_MODELS}, absent=Status.malformed),
    "anthropic.models": Case(lambda: anthropic.models(), {r"/models": ANTHROPIC_MODELS}, absent=Status.malformed),
    "anthropic.reach": _probe(lambda: anthropic.reach(), {r"/models": ANTHROPIC_MODELS}),
    "anthropic.generation": Case(
        lambda: anthropic.generation("claude-haiku-4-5-20251001"), {r"/messages": MESSAGE}, refusals=True
    ),
    "anthropic.health": Case(lambda: anthropic.health(), {r"/models": ANTHROPIC_MODELS}, absent=Status.malformed),
    "together.models": Case(lambda: together.models(), {r"/models": TOGETHER_MODELS}, absent=Status.malformed),
    "together.reach": _probe(lambda: together.reach(), {r"/models": TOGETHER_MODELS}),
    "together.generation": Case(
        lambda: together.generation("meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        {r"/chat/completions": TOGETHER_COMPLETION},
        refusals=True,
    ),
    "together.health": Case(lambda: together.health(), {r"/models": TOGETHER_MODELS}, absent=Status.malformed),
    "railway_settings.gateway_settings": Case(
        lambda: railway_settings.gateway_settings(),
        {r"variables\(": {"data": {"variables": VARIABLES}}},
        absent=Status.malformed,
    ),
    "fly_settings.gateway_settings": Case(
        lambda: fly_settings.gateway_settings(),
        {
            r"/machines": [{**MACHINE, "config": {"env": {"LLM_FALLBACK_CHAIN": "openai/gpt-4o-mini"}}}],
            r"/secrets": {"secrets": [SECRET]},
        },
    ),
}
