"""How rules read what a look brought. What a part of an answer holds is there; what it lacks proves nothing: see `whole_…`."""

from typing import Any

from runbook_lib.core.model import Observation


def object_of(look: Observation | None) -> dict[str, Any]:
    """The object that came back, though it may not be all; empty where none did, or nobody looked."""
    return look.value if look is not None and look.status.has_content and isinstance(look.value, dict) else {}


def whole_object(look: Observation | None) -> dict[str, Any]:
    """The object of a complete answer; else empty."""
    return look.value if look is not None and look.status.answered and isinstance(look.value, dict) else {}


def rows_of(look: Observation | None) -> list[Any]:
    """The rows that came back, though they may not be all; empty where none did, or nobody looked."""
    return look.value if look is not None and look.status.has_content and isinstance(look.value, list) else []


def whole_rows(look: Observation | None) -> list[Any]:
    """The rows of a complete answer; else empty."""
    return look.value if look is not None and look.status.answered and isinstance(look.value, list) else []
