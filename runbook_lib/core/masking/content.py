"""Drops what people and models said to each other: prompts, completions, messages, and bodies of requests and answers.

What stays is what a fault is found by: that there was content and how long it was, roles, reasons for ending, token counts, errors.
The names are those under which instrumentations write content; each stands here with who writes it so (read in December 2026).
"""

import re
from typing import Any

import orjson

from runbook_lib.core.masking.linear import linear
from runbook_lib.core.masking.values import LONGEST_QUOTED, quote_at, quoted_end
from runbook_lib.core.model import Json

CONTENT_NAMES: tuple[tuple[str, str], ...] = (
    (r"gen_ai\.(?:prompt|completion|input\.messages|output\.messages|system_instructions)",
     "OpenTelemetry, GenAI conventions 1.28-1.38"),
    (r"gen_ai\.tool\.(?:call\.arguments|call\.result|definitions)", "OpenTelemetry, GenAI conventions"),
    (r"gen_ai\.(?:retrieval\.(?:documents|query\.text)|evaluation\.explanation)", "OpenTelemetry, GenAI conventions"),
    (r"gen_ai\.(?:event\.content|content\.(?:prompt|completion)(?:\.chunk)?)", "GenAI events before 1.37; OpenLLMetry"),
    (r"gen_ai\.(?:prompt|completion)\.[0-9]+\.(?:[a-z_]+\.)*(?:[0-9]+\.)?(?:content|arguments|reasoning|refusal)",
     "OpenLLMetry"),
    (r"gen_ai\.task\.(?:input|output)|llm\.content\.completion\.chunk|llm\.choices", "OpenLLMetry"),
    (r"traceloop\.(?:entity\.(?:input|output)|prompt\.(?:template|template_variables))", "OpenLLMetry"),
    (r"llm\.(?:prompts|completions|tools|request\.functions|function_call|prompt_template\.(?:template|variables))",
     "OpenInference"),
    (r"llm\.(?:input|output)_messages|(?:[a-z_0-9]+\.)*message\.(?:content|contents|function_call_arguments_json)",
     "OpenInference"),
    (r"(?:[a-z_0-9]+\.)*message_content\.(?:text|data|image|audio|video|document|encrypted_content)", "OpenInference"),
    (r"(?:[a-z_0-9]+\.)*tool_call\.function\.arguments|tool\.parameters", "OpenInference"),
    (r"(?:[a-z_0-9]+\.)*(?:document\.(?:content|metadata)|embedding\.(?:text|vector)|image\.url|audio\.(?:url|transcript))",
     "OpenInference"),
    (r"(?:embedding\.embeddings|retrieval\.documents|reranker\.(?:query|input_documents|output_documents)|prompt\.text)",
     "OpenInference"),
    (r"(?:input|output)\.(?:value|documents|images)", "OpenInference"),
    (r"ai\.(?:prompt(?:\.messages|\.tools)?|response\.(?:text|object|toolCalls|reasoning)|toolCall\.(?:args|result)|values?|embeddings?)",
     "Vercel AI SDK"),
    (r"langfuse\.(?:observation|trace)\.(?:input|output)|langsmith\.span\.(?:inputs|outputs)", "Langfuse, LangSmith"),
    (r"(?:http\.)?(?:request|response)[._]?[bB]ody(?:\.(?:text|content|json))?", "HTTP instrumentations, access logs"),
    (r"db\.(?:query|operation)\.parameter\.[A-Za-z0-9_.]+", "OpenTelemetry, database conventions"),
    (r"messaging\.message\.(?:payload|body)", "messaging instrumentations"),
    (r"(?:system_|user_|full_)?prompt|completion_text|completions?|messages|input_text|output_text|system_instruction",
     "logs of gateways"),
)  # fmt: skip
# Within a message that was kept as JSON in a text: what was said is dropped, who said it and how it ended stays.
_KEPT_WITHIN = frozenset(
    "role type name id index finish_reason stop_reason status code param error tool_call_id model object created detail".split()
)
_NAME = linear(
    rb"\\*[\"'](?:"
    + b"|".join(f"(?:{name})".encode() for name, _ in CONTENT_NAMES)
    + rb")\\*[\"'][ \t]{0,8}:[ \t]{0,8}"
)
# OTLP's way to write an attribute, and a message's own content where a log has repeated it in a text
_PAIR = rb"(?:,[ ]?\\*\"value\\*\":[ ]?\{[ ]?\\*\"stringValue\\*\":[ ]?)"
_KEYED = linear(
    rb"\\*\"key\\*\":[ ]?\\*\"(?:" + b"|".join(f"(?:{name})".encode() for name, _ in CONTENT_NAMES) + rb")\\*\"" + _PAIR
)
_SAID = linear(rb"(?:\\+\"|')content(?:\\+\"|')[ \t]{0,8}:[ \t]{0,8}")
_REST = re.compile(rb'(?:[^"\\]|\\.)*', re.DOTALL)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def drop_content(encoded: bytes) -> bytes:
    """Encoded JSON without content: still JSON; each content is a text that says how long it was."""
    for pattern in (_NAME, _KEYED, _SAID):
        encoded = _without(encoded, pattern)
    return encoded


def _without(data: bytes, pattern: Any) -> bytes:
    pieces: list[bytes] = []
    kept = at = 0
    while found := pattern.search(data, at):
        at = found.end()
        if (opened := quote_at(data, at)) is not None:
            escapes, quote, begin = opened
            end = _text_end(data, begin, escapes, quote)
            if end > begin and not data.startswith(b"<content: ", begin):
                pieces += [data[kept:begin], _dropped_text(data[begin:end], escapes, quote)]
                kept = end
            at = end
        elif data[at : at + 1] in (b"[", b"{") and data[found.start() : found.start() + 1] == b'"':
            end = _closed(data, at)
            pieces += [data[kept:at], orjson.dumps(_dropped(orjson.loads(data[at:end])))]
            kept = at = end
    return b"".join((*pieces, data[kept:])) if pieces else data


def _dropped_text(raw: bytes, escapes: int, quote: bytes) -> bytes:
    """What stands in the place of a text, which is escaped as it stood there."""
    if escapes == 0 and quote == b'"':
        try:
            text = orjson.loads(b'"' + raw + b'"')
        except orjson.JSONDecodeError:
            text = raw.decode("utf-8", "replace")
        if text[:1] in ("[", "{"):
            try:
                return orjson.dumps(orjson.dumps(_dropped(orjson.loads(text))).decode())[1:-1]
            except orjson.JSONDecodeError:
                pass  # it only began like JSON
        return _how_long(text).encode()
    return _how_long(raw.decode("utf-8", "replace")).encode()


def _dropped(value: Json) -> Json:
    """A document whose texts only say how long they were, but for who said it and how it ended."""
    if isinstance(value, str):
        return _how_long(value)
    if isinstance(value, list):
        return [_dropped(each) for each in value]
    if isinstance(value, dict):
        return {key: each if key in _KEPT_WITHIN else _dropped(each) for key, each in value.items()}
    return value


def _how_long(text: str) -> str:
    if text.startswith("<content: ") or not text:
        return text
    return f"<content: {len(text)} characters>"


def _text_end(data: bytes, begin: int, escapes: int, quote: bytes) -> int:
    """Where the quoted text ends that begins here; one that is too long to look for its end, with the JSON text it stands in."""
    if escapes == 0 and quote == b'"':
        return _REST.match(data, begin).end()  # type: ignore[union-attr]  # it matches nothing as well
    end = quoted_end(data, begin, escapes, quote, is_json=True)
    if end - begin < LONGEST_QUOTED:
        return end
    while data[end - 1 : end] == b"\\":
        end -= 1
    return _REST.match(data, end).end()  # type: ignore[union-attr]


def _closed(data: bytes, at: int) -> int:
    """Behind the bracket that closes the one that stands here; the end of the data where none does."""
    depth = 0
    for token in _TOKEN.finditer(data, at):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token.group(), 0)
        if depth == 0:
            return token.end()
    return len(data)
