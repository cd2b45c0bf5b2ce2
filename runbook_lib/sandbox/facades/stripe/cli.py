"""The listening side of the real Stripe CLI: a session over HTTP, then events over its socket, and its answers back.

Wire messages: stripe-cli f5f390bc, pkg/stripeauth and pkg/websocket (tests/specs/stripe/cli-listen-protocol.json). We
sign with the session's secret; the CLI forwards the bytes and tells what it was answered.
"""

import json
import secrets

from starlette.websockets import WebSocket, WebSocketDisconnect

from runbook_lib.sandbox.facades.stripe.call import Call, Refused
from runbook_lib.sandbox.facades.stripe.events import Listener, Wire, event_payload, note_attempt, signed_headers
from runbook_lib.sandbox.facades.stripe.state import LATEST_VERSION, Book, Delivery, Obj, new_id, now_s, stripe_state
from runbook_lib.sandbox.world import World

SUBPROTOCOL = "stripecli-devproxy-v1"
_FEATURES = ("webhooks", "v2_events", "request_logs")


class CliDoor:
    """Sessions that were made, and the sockets that came for them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sessions: dict[str, tuple[bool, str]] = {}
        self.under_way: dict[str, tuple[Book, Obj, Delivery]] = {}

    def create_session(self, call: Call) -> Obj:
        """What `stripe listen` asks for first, and all that `--print-secret` asks for. The secret stays the same."""
        features = call.params.get("websocket_features")
        feature = features[0] if isinstance(features, list) and features else call.params.get("websocket_feature")
        if feature not in _FEATURES:
            raise Refused(400, f"Invalid websocket feature: {feature}", param="websocket_features")
        id_ = f"cliws_{secrets.token_hex(8)}"
        self.sessions[id_] = (call.book.livemode, str(call.params.get("device_name", "")))
        return {
            "websocket_url": f"ws://{call.host}/subscribe/{call.world.ids.stripe_account}",
            "websocket_id": id_,
            "websocket_authorized_feature": feature,
            "reconnect_delay": 60,
            "secret": cli_secret(call.world),
            "default_version": stripe_state(call.world).account_version,
            "latest_version": LATEST_VERSION,
            "device_token": secrets.token_hex(16),
            "display_connect_filter_warning": False,
        }

    async def listen(self, socket: WebSocket) -> None:
        """One CLI's socket: it stays a listener for as long as it is open."""
        id_ = socket.headers.get("websocket-id", "")
        if id_ not in self.sessions:
            await socket.close(1008)
            return
        wanted = [item.strip() for item in socket.headers.get("sec-websocket-protocol", "").split(",")]
        await socket.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in wanted else None)
        livemode, device = self.sessions[id_]

        async def send(event: Obj, delivery: Delivery) -> None:
            book = stripe_state(self.world).book(livemode)
            await self._send(socket, book, event, delivery, listener.secret)

        listener = Listener(id_, livemode, cli_secret(self.world), device, send)
        listeners = self.world.state(Wire).listeners
        listeners[id_] = listener
        try:
            while True:
                self._hear(json.loads(await socket.receive_text()))
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            listeners.pop(id_, None)

    async def _send(self, socket: WebSocket, book: Book, event: Obj, delivery: Delivery, secret: str) -> None:
        payload = event_payload(event, None)
        webhook_id = new_id("wh_")
        self.under_way[webhook_id] = (book, event, delivery)
        message = {
            "type": "webhook_event",
            "webhook_id": webhook_id,
            "webhook_conversation_id": new_id("wc_"),
            "event_payload": payload,
            "endpoint": {"api_version": None},
            "http_headers": signed_headers(payload, secret, now_s(self.world)),
        }
        await socket.send_text(json.dumps(message))

    def _hear(self, message: Obj) -> None:
        """An acknowledgement is nothing more; a `webhook_response` is what the forwarded event was answered."""
        if message.get("type") != "webhook_response":
            return
        book, event, delivery = self.under_way.pop(message.get("webhook_id", ""), (None, None, None))
        if book is not None and event is not None and delivery is not None:
            note_attempt(self.world, book, event, delivery, int(message.get("status", 0)), str(message.get("body", "")))


def cli_secret(world: World) -> str:
    """The secret of every listening session of this account and device."""
    return stripe_state(world).cli_secret or world.keys.stripe_webhook_secret
