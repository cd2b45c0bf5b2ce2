"""The official Stripe CLI from npm against the façade: it prints the secret, listens, forwards, triggers and resends."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.facades.stripe.app import create_app
from runbook_lib.sandbox.facades.stripe.endpoints import new_endpoint
from runbook_lib.sandbox.facades.stripe.events import Wire
from runbook_lib.sandbox.facades.stripe.plant import METER_EVENT, Payer, plant, report_usage
from runbook_lib.sandbox.facades.stripe.state import add_key, now_s, stripe_state

PAYER = "cus_NexusPayer0001"


class Api:
    """A webhook route as NexusCore's API has it: it verifies the raw bytes."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.status = 200
        self.events: list[stripe.Event] = []
        self.app = Starlette(routes=[Route("/api/stripe/webhook", self.receive, methods=["POST"])])

    async def receive(self, request: Request) -> Response:
        try:
            event = stripe.Webhook.construct_event(
                await request.body(), request.headers["stripe-signature"], self.secret
            )
        except ValueError as error:
            return PlainTextResponse(f"Webhook Error: {error}", 400)
        except stripe.SignatureVerificationError as error:
            return PlainTextResponse(f"Webhook Error: {error}", 400)
        self.events.append(event)
        return JSONResponse({"received": True, "type": event.type}, self.status)

    def types(self) -> list[str]:
        return [event.type for event in self.events]


def wait_for(what: Callable[[], Any], limit_s: float = 60) -> Any:
    end = time.monotonic() + limit_s
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.02)
    assert value
    return value


@pytest.fixture(scope="session")
def binary(stripe_cli) -> str:
    """The CLI's own executable for this machine."""
    return str(stripe_cli)


@pytest.fixture
def facade(world, served) -> str:
    """The façade's base URL."""
    plant(world, [Payer(PAYER, "billing@acme.example", "Acme", "pro", world.now())])
    return str(served(create_app(world)))


@pytest.fixture
def cli(binary, facade, world, tmp_path) -> Any:
    """`cli(*arguments, key=None)`: one finished command."""

    def run(*arguments: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [binary, *arguments, "--api-base", facade]
        return subprocess.run(
            command,
            env=environment(key or world.keys.stripe_secret, tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def environment(key: str, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "STRIPE_API_KEY": key,
        "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
    }


@dataclass(frozen=True)
class Listening:
    """A running `stripe listen`, and the file into which it speaks."""

    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)


@pytest.fixture
def listen(binary, facade, world, tmp_path) -> Iterator[Any]:
    """`listen(url, *more, key=None)`: a running `stripe listen` that has connected."""
    running: list[Listening] = []

    def start(url: str, *more: str, key: str | None = None) -> Listening:
        count = len(world.state(Wire).listeners)
        command = [binary, "listen", "--api-base", facade, "--no-wss", "--forward-to", url, *more]
        output = tmp_path / f"listen-{len(running)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                env=environment(key or world.keys.stripe_secret, tmp_path),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        running.append(Listening(process, output))
        wait_for(lambda: len(world.state(Wire).listeners) > count or process.poll() is not None)
        return running[-1]

    yield start
    for each in running:
        each.interrupt()


@pytest.fixture
def api(world, served) -> tuple[Api, str]:
    """An API with the right secret, and its webhook's address."""
    api = Api(world.keys.stripe_webhook_secret)
    return api, f"{served(api.app)}/api/stripe/webhook"


def test_print_secret_tells_the_secret_that_stays_the_same(cli, world):
    printed = [cli("listen", "--print-secret").stdout.strip() for _ in range(2)]
    assert printed == [world.keys.stripe_webhook_secret] * 2


def test_a_triggered_event_arrives_verified_and_is_settled(cli, listen, api, world):
    receiver, url = api
    listen(url, "--events", "customer.created")
    done = cli("trigger", "customer.created")
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: receiver.types() == ["customer.created"])
    event = world_event(world, receiver.events[0].id)
    wait_for(lambda: event["pending_webhooks"] == 0)
    (delivery,) = [d for d in stripe_state(world).book(False).deliveries if d.event_id == event["id"]]
    assert [(status, "received" in words) for _, status, words in delivery.attempts] == [(200, True)]


def world_event(world, id_: str) -> dict[str, Any]:
    return stripe_state(world).book(False).of("event")[id_]


@pytest.mark.parametrize(
    "type_",
    [
        "customer.created",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "invoice.paid",
        "invoice.payment_failed",
    ],
)
def test_every_billing_trigger_raises_its_event(cli, world, type_):
    done = cli("trigger", type_)
    assert done.returncode == 0, done.stdout + done.stderr
    assert type_ in {event["type"] for event in stripe_state(world).book(False).of("event").values()}


def test_a_wrong_secret_is_told_in_the_deliverys_record(cli, listen, world, served):
    receiver = Api("whsec_another")
    listen(f"{served(receiver.app)}/api/stripe/webhook", "--events", "customer.created")
    cli("trigger", "customer.created")
    book = stripe_state(world).book(False)
    wait_for(lambda: book.deliveries and book.deliveries[-1].attempts)
    (_, status, words) = book.deliveries[-1].attempts[-1]
    assert status == 400
    assert words.startswith("Webhook Error: No signatures found matching")
    assert world_event(world, book.deliveries[-1].event_id)["pending_webhooks"] == 1


def test_nothing_listening_behind_the_cli_leaves_the_event_pending(cli, listen, world):
    listening = listen("http://127.0.0.1:9/api/stripe/webhook", "--events", "customer.created")
    cli("trigger", "customer.created")
    # the CLI reports no failed connection to Stripe: what it says itself is the only sign that it has tried
    wait_for(lambda: "failed to POST" in listening.said() or "connection refused" in listening.said().lower())
    listening.interrupt()
    event = list(stripe_state(world).book(False).of("event").values())[-1]
    assert event["pending_webhooks"] == 1


def test_resend_brings_an_event_again_to_the_cli_and_to_an_endpoint(cli, listen, api, world):
    receiver, url = api
    listen(url, "--events", "customer.created")
    cli("trigger", "customer.created")
    first = wait_for(lambda: receiver.events)[0]
    resent = cli("events", "resend", first.id)
    assert resent.returncode == 0, resent.stdout + resent.stderr
    wait_for(lambda: [event.id for event in receiver.events] == [first.id] * 2)
    book = stripe_state(world).book(False)
    made = book.add(new_endpoint(book, now_s(world), url, ["invoice.paid"]))
    receiver.secret = made["_secret"]
    assert cli("events", "resend", first.id, "--webhook-endpoint", made["id"]).returncode == 0
    wait_for(lambda: len(receiver.events) == 3)


def test_a_session_ends_with_its_cli(cli, listen, api, world):
    listening = listen(api[1], "--events", "customer.created")
    assert len(world.state(Wire).listeners) == 1
    listening.interrupt()
    wait_for(lambda: not world.state(Wire).listeners)
    cli("trigger", "customer.created")
    assert list(stripe_state(world).book(False).of("event").values())[-1]["pending_webhooks"] == 0


def test_a_live_session_hears_nothing_of_test_mode(cli, listen, api, world):
    receiver, url = api
    listen(url, "--events", "customer.created", "--live", key=add_key(world, "secret", livemode=True))
    cli("trigger", "customer.created")
    assert receiver.events == []
    assert list(stripe_state(world).book(False).of("event").values())[-1]["pending_webhooks"] == 0


def test_a_bad_key_is_refused_before_anything_listens(cli):
    done = cli("listen", "--print-secret", key="sk_test_wrong_wrong_wrong")
    assert done.returncode != 0
    assert "Invalid API Key provided" in done.stdout + done.stderr


def test_meter_summaries_are_read_through_the_cli(cli, world):
    report_usage(world, PAYER, world.now(), 40, "a-report")
    end = int(time.time()) // 60 * 60 + 60
    meter = next(iter(stripe_state(world).book(False).of("billing.meter").values()))
    assert meter["event_name"] == METER_EVENT
    window = ["--customer", PAYER, "--start-time", str(end - 3600), "--end-time", str(end)]
    done = cli("billing", "meter_event_summaries", "list", meter["id"], *window)
    assert [row["aggregated_value"] for row in json.loads(done.stdout)["data"]] == [40], done.stdout + done.stderr
