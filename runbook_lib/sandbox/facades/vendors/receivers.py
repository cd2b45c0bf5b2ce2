"""Those who are told: a webhook of the team's, Slack's incoming webhook, PagerDuty's Events API v2; what arrives is kept.

Answers as the vendors give them: Slack `ok` or a word in plain text, PagerDuty 202 with the key, or 400 with what is wrong.
"""

from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.world import World

_ACTIONS = ("trigger", "acknowledge", "resolve")
_SEVERITIES = ("critical", "error", "warning", "info")


@dataclass
class ReceiversState:
    """What arrived, in order: (webhook, slack or pagerduty; the body)."""

    received: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def create_app(world: World) -> Starlette:
    """All three on one host."""

    async def webhook(request: Request) -> Response:
        body = await _object(request)
        if body is None:
            return PlainTextResponse("bad request", 400)
        world.state(ReceiversState).received.append(("webhook", body))
        return PlainTextResponse("")

    async def slack(request: Request) -> Response:
        body = await _object(request)
        if body is None:
            return PlainTextResponse("invalid_payload", 400)
        if not any(body.get(name) for name in ("text", "blocks", "attachments")):
            return PlainTextResponse("no_text", 400)
        world.state(ReceiversState).received.append(("slack", body))
        return PlainTextResponse("ok")

    async def pagerduty(request: Request) -> Response:
        body = await _object(request) or {}
        if errors := _wrong_with(body):
            return JSONResponse(
                {"status": "invalid event", "message": "Event object is invalid", "errors": errors}, 400
            )
        world.state(ReceiversState).received.append(("pagerduty", body))
        key = str(body.get("dedup_key") or "sandbox")
        return JSONResponse({"status": "success", "message": "Event processed", "dedup_key": key}, 202)

    return Starlette(
        routes=[
            Route("/webhook/{name}", webhook, methods=["POST"]),
            Route("/services/{team}/{bot}/{token}", slack, methods=["POST"]),
            Route("/v2/enqueue", pagerduty, methods=["POST"]),
        ]
    )


async def _object(request: Request) -> dict[str, Any] | None:
    try:
        body = await request.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _wrong_with(body: dict[str, Any]) -> list[str]:
    payload = body.get("payload") or {}
    wrong = []
    if len(str(body.get("routing_key", ""))) != 32:
        wrong.append("Length of 'routing_key' is incorrect (should be 32 characters)")
    if body.get("event_action") not in _ACTIONS:
        wrong.append("'event_action' is invalid")
    if body.get("event_action") == "trigger":
        wrong += [f"'payload.{name}' is missing or blank" for name in ("summary", "source") if not payload.get(name)]
        if payload.get("severity") not in _SEVERITIES:
            wrong.append(
                "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"
            )
    return wrong
