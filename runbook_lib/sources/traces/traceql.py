"""Text of others as data in a TraceQL query. Everything that comes from outside goes through `text_literal`.

TraceQL reads strings in double quotes as Go does, with \\", \\\\, \\uXXXX and \\UXXXXXXXX (grafana/tempo, pkg/traceql/lexer.go).
"""

import re
from collections.abc import Iterable

_ROUTE_ATTRIBUTES = ("span.http.route", "span.url.path", "span.http.target")
_HOSTS = '".*(openai|anthropic|together).*"'
# A call to a model provider: by the GenAI conventions, old or new, or by the host that an HTTP client's span names.
PROVIDER_CALL = (
    "span.gen_ai.provider.name != nil || span.gen_ai.system != nil || "
    f"(kind = client && (span.server.address =~ {_HOSTS} || span.net.peer.name =~ {_HOSTS}))"
)
# What is asked of its span and of the server spans above it.
CALL_FIELDS = (
    "kind",
    "status",
    "span.gen_ai.provider.name",
    "span.gen_ai.system",
    "span.gen_ai.request.model",
    "span.gen_ai.response.model",
    "span.gen_ai.usage.output_tokens",
    "span.gen_ai.usage.completion_tokens",
    "span.gen_ai.response.time_to_first_chunk",
    "span.http.response.status_code",
    "span.http.status_code",
    "span.http.route",
    "span.error.type",
    "span.server.address",
    "span.net.peer.name",
    "span.nexuscore.org_id",
)
_GATEWAY, _API, _WEB = ".*(gateway|llm).*", ".*(api|backend).*", ".*(web|frontend|ui).*"
_NAMED = f"({_GATEWAY})|({_API})|({_WEB})"
_API_ROUTE = " || ".join(f'{name} =~ "/api/.*"' for name in ("span.http.route", "span.url.path", "span.http.target"))
_OTHER_ROUTE = " || ".join(f'{name} !~ "/api/.*"' for name in ("span.http.route", "span.url.path", "span.http.target"))
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def text_literal(text: str) -> str:
    """A TraceQL string that means exactly this text, quotes included. A lone surrogate, which UTF-8 lacks, becomes U+FFFD."""
    return '"' + "".join(_spelt(character) for character in text) + '"'


def _spelt(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    point = ord(character)
    if 0xD800 <= point <= 0xDFFF:
        return "\ufffd"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def any_equal(attributes: Iterable[str], text: str) -> str:
    """A condition: one of the attributes holds this text."""
    literal = text_literal(text)
    return " || ".join(f"{name} = {literal}" for name in attributes)


def ends_with(attribute: str, text: str) -> str:
    """A condition: the attribute's text ends with this one (Tempo's expressions match whole values; RE2 syntax)."""
    pattern = ".*" + _REGEX_SPECIAL.sub(lambda match: "\\" + match[0], text)
    return f"{attribute} =~ {text_literal(pattern)}"


def route_is(route: str) -> str:
    """A condition: the span is of this route, by the new or the old attribute name."""
    return any_equal(_ROUTE_ATTRIBUTES, route)


def of_service(service: str) -> str:
    """A condition: the span is of web, api or gateway, told apart by service.name where it tells, else by runtime and route; or
    of the service of that name."""
    name = "resource.service.name"
    unnamed = f'{name} !~ "{_NAMED}"'
    language = "resource.telemetry.sdk.language"
    if service == "gateway":
        return f'{name} =~ "{_GATEWAY}" || ({unnamed} && {language} = "python")'
    if service == "api":
        return f'{name} =~ "{_API}" || ({unnamed} && ({_API_ROUTE}))'
    if service == "web":
        return f'{name} =~ "{_WEB}" || ({unnamed} && {language} != "python" && ({_OTHER_ROUTE}))'
    return f"{name} = {text_literal(service)}"
