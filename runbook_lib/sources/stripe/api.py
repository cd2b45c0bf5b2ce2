"""The `stripe` package over the look's own HTTP: its deadline, its statuses, no retries and no telemetry of the package's.

The package takes no httpx client, but an object with a `request` method. The last reply is kept and read by ourselves, for the
package's exceptions lose what was answered, and its objects cost a millisecond a row: of an answer without an error it sees
an empty one. Every request carries the version that NexusCore pins.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from runbook_lib.core.clock import to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Json, Status
from runbook_lib.io.http import Http, Reply
from runbook_lib.io.observe import Door
from runbook_lib.sources.kit.asking import require_reply, require_setting, rows_in

if TYPE_CHECKING:
    import stripe

T = TypeVar("T")
Shape = TypeVar("Shape")
More = ParamSpec("More")

_READ_BY_OURSELVES = "{}"
_SENT_HEADERS = ("authorization", "stripe-version", "content-type", "idempotency-key")


class StripeApi:
    """One look's way to Stripe, for one thread.

    Args:
        version: the API's version where it is not the one that NexusCore pins.
    """

    def __init__(self, door: Door, version: str = "") -> None:
        key = require_setting(door, "stripe_key")
        import stripe  # here: it takes most of a second to import

        stripe.enable_telemetry = False  # it would read this machine's name and leave an id in its home
        self.version = version or door.settings.stripe_api_version
        self.is_live = "_live_" in key
        self._last: list[Reply] = []
        self._error = stripe.StripeError
        self.client = stripe.StripeClient(
            key,
            stripe_version=self.version,
            base_addresses={"api": require_setting(door, "stripe_api_url")},
            max_network_retries=0,
            http_client=_make_client(door.http, self._last),
        )

    def read(
        self,
        ask: Callable[["stripe.StripeClient"], Any],
        permission: str,
        parse: Callable[[Json], T],
        *,
        one: bool = False,
    ) -> T:
        """What `parse` makes of the JSON that Stripe answered.

        Args:
            ask: one call of the package.
            permission: what a restricted key needs for it, in the words of Stripe's dashboard.
            one: one thing is asked for by its id, so that 404 means that there is no such thing.

        Raises LookError: denied with the permission, not_found, rate_limited, malformed.
        """
        self._last.clear()
        help_text = f"the key of RUNBOOK_STRIPE_KEY needs: {permission}"
        try:
            ask(self.client)
        except LookError:
            raise
        except (self._error, ValueError, TypeError, KeyError, AttributeError) as error:
            if not self._last:
                raise LookError(Status.malformed, f"Stripe's package refused to ask: {error}"[:300]) from error
            _checked(self._last[-1], help_text, one)
            raise self._last[-1].malformed(f"unexpected answer: {type(error).__name__}") from error
        return _checked(self._last[-1], help_text, one).parsed(parse)

    def pages(
        self, ask: Callable[[Any, dict[str, Any]], Any], permission: str, most: int
    ) -> tuple[list[dict[str, Json]], bool]:
        """The rows of all pages of a list, newest first, up to `most`, and whether there are more."""
        rows: list[dict[str, Json]] = []
        after: dict[str, Any] = {}
        seen: set[str] = set()
        while True:
            page, more = self.read(partial(_ask_page, ask, {"limit": 100, **after}), permission, page_of)
            ids = {str(row["id"]) for row in page}
            if ids & seen:
                raise self._last[-1].malformed("the list goes in circles: a page brings rows of an earlier one")
            seen |= ids
            rows += page
            if not more or not page or len(rows) >= most:
                return rows[:most], bool(more or len(rows) > most)
            after = {"starting_after": str(page[-1]["id"])}


def _checked(reply: Reply, help_text: str, one: bool) -> Reply:
    return reply.raise_for_status(help_text) if one else require_reply(reply, help_text)


def _ask_page(ask: Callable[..., Any], paging: dict[str, Any], client: "stripe.StripeClient") -> Any:
    return ask(client, paging)


def page_of(document: Json) -> tuple[list[dict[str, Json]], bool]:
    """The rows of one page of a list, and whether there are more. Raises KeyError or TypeError for what is none."""
    rows = rows_in(document, "data")
    if any(not isinstance(row.get("id"), str) for row in rows):
        raise KeyError("id")
    more = document["has_more"]
    if not isinstance(more, bool):
        raise TypeError(f"has_more is {more!r:.40}")
    return rows, more


def _make_client(http: Http, last: list[Reply]) -> Any:
    """A client in the package's own shape that sends through the look's HTTP and keeps each reply."""
    import stripe

    class OurClient(stripe.HTTPClient):
        name = "nexuscore-runbook"

        def request(self, method: str, url: str, headers: Any, post_data: Any = None, **_: Any) -> tuple[str, int, Any]:
            """Send one request; a read is retried as every read is."""
            sent = {name: value for name, value in (headers or {}).items() if name.lower() in _SENT_HEADERS}
            send = http.read if method.upper() == "GET" else http.send
            reply = send(method.upper(), url, headers=sent, content=post_data)
            last.append(reply)
            text = _READ_BY_OURSELVES if reply.status_code < 300 else reply.beginning(10_000)
            return text, reply.status_code, reply.headers

        def close(self) -> None:
            """Nothing to close: the connections belong to the process."""

    return OurClient()


def shaped(
    read: Callable[Concatenate[dict[str, Json], More], Shape],
    row: dict[str, Json],
    *more: More.args,
    **named: More.kwargs,
) -> Shape:
    """A row in our shape. Raises LookError(malformed) for one that lacks what it needs."""
    try:
        return read(row, *more, **named)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        why = f"unexpected shape of {row.get('object', 'a row')} {row.get('id', '')}: {type(error).__name__} {error}"
        raise LookError(Status.malformed, why[:300]) from error


def id_of(reference: Json) -> str:
    """The id of an object that may be expanded."""
    return str(reference["id"]) if isinstance(reference, dict) else str(reference)


def at_of(epoch_s: Json) -> str | None:
    """ISO 8601 of epoch seconds; None for None. Raises TypeError, ValueError or OverflowError for what is no moment."""
    if epoch_s is None:
        return None
    if isinstance(epoch_s, bool) or not isinstance(epoch_s, int | float):
        raise TypeError(f"not a time: {epoch_s!r:.40}")
    return to_iso(datetime.fromtimestamp(epoch_s, UTC))
