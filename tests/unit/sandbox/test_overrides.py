"""Overrides in front of an ASGI app, without a network."""

import asyncio
from typing import Any

import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.primitives.overrides import Message, Overridable, Override, Receive, Scope, Send


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"server", b"own"), (b"x-a", b"1")]})
    await send({"type": "http.response.body", "body": b"echo:" + body})


def _ask(overridable: Overridable, path: str = "/a/b", method: str = "GET", body: bytes = b"hi") -> list[Message]:
    sent: list[Message] = []
    scope: dict[str, Any] = {"type": "http", "path": path, "method": method, "state": {}}

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(overridable(scope, receive, send))
    return sent


def _with(*overrides: Override) -> Overridable:
    overridable = Overridable(_echo)
    overridable.replace(list(overrides))
    return overridable


def test_without_an_override_the_part_answers() -> None:
    assert _ask(_with())[1]["body"] == b"echo:hi"


@pytest.mark.parametrize(
    ("override", "struck"),
    [
        (Override(status=500), True),
        (Override(path="/a/*", status=500), True),
        (Override(path="/b*", status=500), False),
        (Override(method="get", status=500), True),
        (Override(method="POST", status=500), False),
        (Override(body_contains="hi", status=500), True),
        (Override(body_contains="ho", status=500), False),
        (Override(probability=0.0, status=500), False),
        (Override(count=0, status=500), False),
    ],
)
def test_an_override_strikes_what_it_aims_at(override: Override, struck: bool) -> None:
    assert (_ask(_with(override))[0]["status"] == 500) is struck


def test_a_body_that_was_looked_into_still_reaches_the_part() -> None:
    assert _ask(_with(Override(body_contains="other", status=500)), body=b"this")[1]["body"] == b"echo:this"


def test_the_first_override_that_matches_acts() -> None:
    overridable = _with(Override(path="/x", status=501), Override(status=502), Override(status=503))
    assert _ask(overridable)[0]["status"] == 502


def test_a_body_without_a_status_is_a_200_of_its_kind() -> None:
    start, body = _ask(_with(Override(body='{"a": 1}')))
    assert (start["status"], body["body"]) == (200, b'{"a": 1}')
    assert (b"content-type", b"application/json") in start["headers"]
    html, _ = _ask(_with(Override(body="<html>")))
    assert (b"content-type", b"text/plain; charset=utf-8") in html["headers"]


def test_headers_alone_are_laid_over_the_parts_own_answer() -> None:
    start, body = _ask(_with(Override(headers={"Server": "other"})))
    assert sorted(start["headers"]) == [(b"server", b"other"), (b"x-a", b"1")]
    assert body["body"] == b"echo:hi"


def test_a_drip_sends_all_of_the_body_in_small_pieces() -> None:
    sent = _ask(_with(Override(body="x" * 30, drip_bytes_per_s=100)))
    pieces = [message["body"] for message in sent[1:]]
    assert b"".join(pieces) == b"x" * 30
    assert max(map(len, pieces)) <= 10


def test_counts_go_on_while_the_override_stays_and_start_again_when_it_comes_back() -> None:
    once = Override(status=500, count=1)
    overridable = _with(once)
    assert [_ask(overridable)[0]["status"] for _ in range(2)] == [500, 200]
    overridable.replace([once, Override(path="/other", status=501)])
    assert _ask(overridable)[0]["status"] == 200
    overridable.replace([])
    overridable.replace([once])
    assert _ask(overridable)[0]["status"] == 500


def test_a_cut_without_a_connection_is_an_error_not_an_answer() -> None:
    for override in (Override(reset=True), Override(truncate_bytes=2)):
        with pytest.raises(ConnectionResetError):
            _ask(_with(override))


def test_what_hangs_ends_when_the_overrides_change() -> None:
    overridable = _with(Override(hang=True))

    async def ask_and_heal() -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_: Message) -> None:
            raise AssertionError("it answered")

        scope: dict[str, Any] = {"type": "http", "path": "/", "method": "GET", "state": {}}
        waiting = asyncio.create_task(overridable(scope, receive, send))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        overridable.replace([])
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(ask_and_heal())


@pytest.mark.parametrize("wrong", [{"status": 99}, {"status": 600}, {"drip_bytes_per_s": 0}, {"probability": 1.5}])
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Override(**wrong)
