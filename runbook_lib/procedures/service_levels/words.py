"""Shares, spans and moments as people read them."""

from runbook_lib.core.clock import from_epoch_s, to_iso


def percent(share: float) -> str:
    """A share with as many digits as an objective of many nines needs."""
    return f"{share * 100:.3f}".rstrip("0").rstrip(".") + " %"


def span_words(seconds: float) -> str:
    """`3 days`, `5 h`, `20 min`."""
    if seconds >= 2 * 86_400:
        return f"{seconds / 86_400:.0f} days"
    return f"{seconds / 3600:.0f} h" if seconds >= 7200 else f"{seconds / 60:.0f} min"


def clock_words(epoch_s: float) -> str:
    """`2026-11-23 14:00 UTC`."""
    return to_iso(from_epoch_s(epoch_s))[:16].replace("T", " ") + " UTC"
