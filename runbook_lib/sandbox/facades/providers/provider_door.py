"""What the three provider stand-ins do alike: read a call, take its time, remember it, and write a reply of words."""

import asyncio
import hashlib
import json
import random
import secrets
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from runbook_lib.sandbox.facades.providers.provider_state import Call, Mode, ProviderState
from runbook_lib.sandbox.world import World

_DOWN_PAGE = (
    "<html><head><title>503 Service Temporarily Unavailable</title></head>"
    "<body><center><h1>503 Service Temporarily Unavailable</h1></center></body></html>"
)
_TEXT = (
    "the plan shows a steady month and nothing in the ledger needs a second look today so the team can "
    "close the review once the last two invoices are matched and the owner has read the summary"
)
_WORDS = tuple(_TEXT.split())


@dataclass(frozen=True)
class Reply:
    """What the model writes: its words as they are streamed, and whether they were cut at the token limit."""

    pieces: tuple[str, ...]
    is_cut: bool
    input_tokens: int

    @property
    def text(self) -> str:
        """The whole reply."""
        return "".join(self.pieces)

    @property
    def output_tokens(self) -> int:
        """One token for each word."""
        return len(self.pieces)


class ProviderDoor:
    """One provider as its routes see it: its state, its clock, and the calls it has answered."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.state: ProviderState = world.providers[name]

    def now_s(self) -> int:
        """The sandbox's clock as whole epoch seconds."""
        return int(self.world.now().timestamp())

    async def wait(self, mode: Mode, tokens: int = 0) -> None:
        """Take the time that an answer of this many tokens takes."""
        await asyncio.sleep(self.state.wait_s(mode, tokens))

    def remember(
        self, request: Request, response: Response, key: str | None, model: str | None, request_id: str
    ) -> Response:
        """Note the call among the provider's calls, and hand its response on."""
        tail = (key or "")[-4:]
        call = Call(
            self.world.now(),
            request.method,
            request.url.path,
            model,
            response.status_code,
            request_id,
            tail,
        )
        self.state.calls.append(call)
        return response


def down_page() -> Response:
    """What stands in front of a provider that is down: a page, not JSON, and no request id."""
    return HTMLResponse(_DOWN_PAGE, status_code=503, headers={"server": "cloudflare", "retry-after": "30"})


def bearer(request: Request) -> str | None:
    """The token of an `Authorization: Bearer` header, or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def masked_key(key: str) -> str:
    """A key as the vendors repeat it in their refusals: head and tail, stars between."""
    return f"{key[:8]}{'*' * 12}{key[-4:]}" if len(key) > 16 else "*" * len(key)


async def read_json(request: Request) -> dict[str, Any] | None:
    """The body as a JSON object, or None when it is none."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def new_id(prefix: str, count: int = 24) -> str:
    """A fresh id: prefix and random letters and digits."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"
    return prefix + "".join(secrets.choice(alphabet) for _ in range(count))


def count_tokens(content: Any) -> int:
    """Tokens of a message list or text, at about four characters each."""
    return len(content if isinstance(content, str) else json.dumps(content)) // 4 + 1


def write_reply(messages: Any, max_tokens: int | None) -> Reply:
    """A reply of 20 to 60 words, the same for the same messages; cut when `max_tokens` is less."""
    seed = hashlib.sha256(json.dumps(messages, sort_keys=True, default=str).encode()).digest()
    rng = random.Random(seed)
    wanted = rng.randint(20, 60)
    length = wanted if max_tokens is None else max(1, min(wanted, max_tokens))
    pieces = tuple((" " if i else "") + rng.choice(_WORDS) for i in range(length))
    return Reply(pieces, length < wanted, count_tokens(messages))


def sse(data: Any, event: str | None = None) -> bytes:
    """One server-sent event; text goes out as it is, everything else as JSON."""
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {text}\n\n".encode()
