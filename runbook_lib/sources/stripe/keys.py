"""Whether Stripe takes a key, and for what: a balance for a full secret key, one row of each list for a restricted one.

Stripe answers 401 for a key that it does not know or that has expired (code api_key_expired), 403 for a permission that a
restricted key lacks. A webhook signing secret shows itself on a signed event alone (procedure 02).
"""

from collections.abc import Mapping

from runbook_lib.core.keys import shown_to
from runbook_lib.core.model import Answer, Json
from runbook_lib.core.records.keys import KeyJudgement
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_reply, require_setting
from runbook_lib.sources.kit.judging import AskedKey, Refusal, key_arguments, vendors_code
from runbook_lib.sources.this_machine.variable_values import read_key

NAMES = shown_to("stripe")
_READS = {  # what a restricted key is asked for, by who uses it; in the words of Stripe's dashboard
    "STRIPE_SECRET_KEY": {"customers": "Customers", "subscriptions": "Subscriptions"},
    "RUNBOOK_STRIPE_KEY": {
        "customers": "Customers",
        "subscriptions": "Subscriptions",
        "events": "Events",
        "webhook_endpoints": "Webhook Endpoints",
    },
}


def check(name: str, where: Mapping[str, Json], label: str) -> Look[KeyJudgement]:
    """Whether Stripe takes the key that stands under this name at this place, and for what it is needed."""

    def fetch(door: Door) -> Answer[KeyJudgement]:
        key = read_key(door, where, name)
        if key.startswith("rk_"):
            return _restricted(door, name, key)
        wanted = AskedKey(name, "GET /v1/balance: Balance: read")
        reply = _ask(door, key, "balance")
        if reply.status_code in (401, 403):
            return wanted.refused(_how(reply), reply, lacks="Balance: read" if reply.status_code == 403 else "")
        live = require_reply(reply).parsed(lambda document: bool(document["livemode"]))
        return wanted.accepted(mode="live" if live else "test")

    return Look("stripe", "key", {**key_arguments(name, label), **where}, fetch)


def _restricted(door: Door, name: str, key: str) -> Answer[KeyJudgement]:
    """A restricted key: what it is needed for is asked one by one; everything that it lacks is told."""
    reads = _READS[name]
    wanted = AskedKey(name, ", ".join(f"{words}: read" for words in reads.values()))
    refused: Reply | None = None
    lacks = []
    for path, words in reads.items():
        reply = _ask(door, key, path, limit=1)
        if reply.status_code == 401:
            return wanted.refused(_how(reply), reply)
        if reply.status_code == 403:
            refused = reply
            lacks.append(f"{words}: read")
            continue
        require_reply(reply).parsed(lambda document: document["data"])
    if refused is not None:
        return wanted.refused(Refusal.scope, refused, lacks=", ".join(lacks), code="permission")
    return wanted.accepted(mode="live" if "_live_" in key else "test")


def _ask(door: Door, key: str, path: str, **params: int) -> Reply:
    headers = {"Authorization": f"Bearer {key}", "Stripe-Version": door.settings.stripe_api_version}
    url = f"{require_setting(door, 'stripe_api_url')}/v1/{path}"
    return door.http.get(url, params=params, headers=headers).in_confidence()


def _how(reply: Reply) -> Refusal:
    if reply.status_code == 403:
        return Refusal.scope
    return Refusal.expired if vendors_code(reply) == "api_key_expired" else Refusal.rejected
