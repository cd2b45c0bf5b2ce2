"""Content is dropped inside the look: what people and models said goes, and what a fault is found by stays."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from runbook_lib.core.masking.content import drop_content
from runbook_lib.core.model import Answer, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.settings import Settings

SAID = 'My knee has hurt since Tuesday, says "Jane" \\ from Zürich'
# from the packages: opentelemetry-semantic-conventions, …-instrumentation-openai(-v2), openinference, traceloop, the AI SDK
CONTENT = [
    "gen_ai.prompt", "gen_ai.completion", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.tool.definitions", "gen_ai.retrieval.documents",
    "gen_ai.retrieval.query.text", "gen_ai.evaluation.explanation", "gen_ai.content.completion.chunk", "gen_ai.task.input",
    "gen_ai.task.output", "gen_ai.prompt.0.content", "gen_ai.completion.12.content", "gen_ai.prompt.1.tool_calls.0.arguments",
    "gen_ai.completion.0.reasoning", "traceloop.entity.input", "traceloop.entity.output", "traceloop.prompt.template",
    "llm.prompts", "llm.prompt_template.variables", "llm.input_messages", "llm.input_messages.0.message.content",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments", "message.content", "input.value", "output.value",
    "llm.input_messages.0.message.contents.1.message_content.text", "embedding.embeddings.0.embedding.text",
    "retrieval.documents.0.document.content", "reranker.query", "ai.prompt", "ai.prompt.messages", "ai.response.text",
    "ai.response.object", "ai.toolCall.args", "ai.toolCall.result", "langfuse.observation.input", "langsmith.span.outputs",
    "http.request.body", "http.response.body.content", "request_body", "requestBody", "responseBody", "db.query.parameter.0",
    "messaging.message.body", "prompt", "system_prompt", "completion", "messages",
]  # fmt: skip
STAYS = {
    "gen_ai.request.model": "gpt-4o", "gen_ai.response.finish_reasons": ["stop"], "gen_ai.usage.prompt_tokens": 812,
    "gen_ai.usage.input_tokens": 9, "llm.token_count.prompt": 9, "llm.cost.prompt": 0.01, "gen_ai.prompt.name": "triage-v2",
    "gen_ai.prompt.0.role": "user", "gen_ai.completion.0.finish_reason": "length", "http.request.body.size": 2048,
    "http.response.body.size": 11, "exception.message": "messages.0.content: Input should be a valid string",
    "error.message": "maximum context length is 8192 tokens", "db.query.text": "select * from organizations where id = $1",
    "message": "anthropic failed: overloaded_error", "content_type": "text/html", "prompt_tokens": 12, "prompt": None,
    "input.mime_type": "application/json", "gen_ai.tool.name": "search", "http.route": "/api/chat", "body": "create function f()",
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENT)
def test_what_was_said_is_dropped_under_every_name_that_instrumentations_use(name: str) -> None:
    for said in (SAID, [SAID], {"text": SAID}, json.dumps([{"role": "user", "content": SAID}])):
        row = {"before": 1, "attributes": {name: said, "after": "stays"}}
        left = orjson.loads(drop_content(orjson.dumps(row)))
        assert "knee" not in json.dumps(left)
        assert "<content: " in json.dumps(left)
        assert (left["before"], left["attributes"]["after"]) == (1, "stays")


@pytest.mark.parametrize("name", CONTENT)
def test_it_is_dropped_in_otlp_and_where_a_log_repeats_it(name: str) -> None:
    otlp = {
        "attributes": [{"key": name, "value": {"stringValue": SAID}}, {"key": "x", "value": {"stringValue": "stays"}}]
    }
    line = {"message": f"request failed: {json.dumps({name: SAID, 'model': 'gpt-4o'})}"}
    deeper = {"message": json.dumps(line)}
    for row in (otlp, line, deeper):
        left = json.dumps(orjson.loads(drop_content(orjson.dumps(row))))
        assert "knee" not in left
        assert "stays" in left or "gpt-4o" in left


def test_tokens_roles_reasons_and_errors_stay() -> None:
    encoded = orjson.dumps([STAYS])
    assert drop_content(encoded) == encoded


def test_of_messages_the_roles_stay_and_each_text_says_how_long_it_was() -> None:
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "parts": [{"type": "text", "content": SAID}]},
        {
            "role": "assistant",
            "finish_reason": "stop",
            "tool_calls": [{"id": "call_1", "type": "function", "arguments": '{"a":1}'}],
        },
    ]
    for said, read in ((messages, lambda x: x), (json.dumps(messages), orjson.loads)):
        left = read(orjson.loads(drop_content(orjson.dumps({"gen_ai.input.messages": said})))["gen_ai.input.messages"])
        assert [each["role"] for each in left] == ["system", "user", "assistant"]
        assert left[0]["content"] == "<content: 8 characters>"
        assert left[1]["parts"][0] == {"type": "text", "content": f"<content: {len(SAID)} characters>"}
        assert left[2]["finish_reason"] == "stop"
        assert left[2]["tool_calls"][0] == {"id": "call_1", "type": "function", "arguments": "<content: 7 characters>"}


def test_a_python_log_of_a_request_loses_what_was_said() -> None:
    line = f"POST {{'model': 'gpt-4o', 'messages': [{{'role': 'user', 'content': {SAID!r}}}], 'stream': True}} -> 429"
    left = orjson.loads(drop_content(orjson.dumps({"message": line})))["message"]
    assert "knee" not in left
    assert "'model': 'gpt-4o'" in left
    assert left.endswith("'stream': True} -> 429")


def test_it_is_done_once_and_stays_json() -> None:
    row = {"messages": [{"content": SAID * 100_000}], "next": json.dumps({"prompt": SAID * 100_000}), "n": 1}
    once = drop_content(orjson.dumps(row))
    assert orjson.loads(once)["n"] == 1
    assert len(once) < 400
    assert drop_content(once) == once


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ['\\"messages\\":[', "'content':'", '\\"prompt\\":\\"', '"messages":[{"content":"a"},', "'prompt': {"]
)
def test_its_time_grows_with_the_length_of_the_text(piece: str) -> None:
    def seconds(count: int) -> float:
        encoded = orjson.dumps({"message": piece * count})
        begun = time.process_time()
        drop_content(encoded)
        return time.process_time() - begun

    seconds(1000)
    few, many = min(seconds(20_000) for _ in range(3)), min(seconds(80_000) for _ in range(3))
    assert many < 8 * few + 0.05


def observed(value: Any, **settings: str) -> Any:
    observer = Observer(now=datetime.now(UTC), settings=Settings.from_mapping(settings))
    look = Look("tempo", "trace", {}, lambda _: Answer(Status.ok, value))
    return observer.together(look)[0].value


def test_it_is_dropped_in_the_look_unless_somebody_asked_to_keep_it() -> None:
    row = {"attributes": {"gen_ai.prompt": SAID, "gen_ai.usage.input_tokens": 12}}
    assert observed(row)["attributes"]["gen_ai.prompt"] == f"<content: {len(SAID)} characters>"
    assert observed(row, RUNBOOK_KEEP_CONTENT="1") == row
