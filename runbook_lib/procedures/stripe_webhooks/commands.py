"""The commands that a remedy of 02 names, in the words of the Stripe CLI at hand."""

from collections.abc import Sequence

BILLING_EVENTS = ("invoice.paid", "invoice.payment_failed", "customer.subscription.updated")
_WANTS_EVENTS = (1, 51)  # since 1.51 `listen --forward-to` alone ends with "must specify events to forward"


def version_of(text: str | None) -> tuple[int, ...] | None:
    """(1, 52, 0) of "1.52.0"; None for anything else."""
    parts = (text or "").split(".")
    return tuple(int(part) for part in parts) if len(parts) >= 2 and all(part.isdigit() for part in parts) else None


def listen(target: str, version: str | None, *, events: Sequence[str] = BILLING_EVENTS, live: bool = False) -> str:
    """The `stripe listen` that forwards billing's events; where the version is not known, in the form that every one takes."""
    known = version_of(version)
    words = ["stripe", "listen", "--forward-to", target]
    if known is None or known >= _WANTS_EVENTS:
        words += ["--events", ",".join(events)]
    return " ".join([*words, "--live"] if live else words)


def resend(event: str, endpoint: str | None = None) -> str:
    """Have Stripe deliver an event once more: to an endpoint, or to the CLIs that listen."""
    return f"stripe events resend {event}" + (f" --webhook-endpoint {endpoint}" if endpoint else "")


def for_version(version: str | None) -> str:
    """What a remedy adds about the version, so that a command that was right last year is not tried."""
    known = version_of(version)
    if known is None:
        return ""
    if known >= _WANTS_EVENTS:
        return f" (Stripe CLI {version}: since 1.51 --forward-to alone is refused, --events must be given)"
    return f" (Stripe CLI {version})"
