"""How rules read what a look brought. What a part of an answer holds is there; what it lacks proves nothing: see `whole_…`.

Each reader names the record (core/records) that the look brings. Nothing is checked while a run goes on: a source builds its
records by type, and `tests/golden` holds every recorded answer against them.
"""

from typing import Any, TypeVar

from runbook_lib.core.model import Observation

Record = TypeVar("Record")


def record_of(look: Observation | None, record: type[Record]) -> Record | None:  # noqa: ARG001 (read by the type checker)
    """The record that came back, though it may not be all; None where none did, or nobody looked."""
    value: Any = look.value if look is not None and look.status.has_content else None
    return value if isinstance(value, dict) else None  # type: ignore[return-value] # by the look's own type


def whole_record(look: Observation | None, record: type[Record]) -> Record | None:  # noqa: ARG001 (read by the type checker)
    """The record of a complete answer; else None."""
    value: Any = look.value if look is not None and look.status.answered else None
    return value if isinstance(value, dict) else None  # type: ignore[return-value] # by the look's own type


def rows_of(look: Observation | None, record: type[Record]) -> list[Record]:  # noqa: ARG001 (read by the type checker)
    """The rows that came back, though they may not be all; empty where none did, or nobody looked."""
    return look.value if look is not None and look.status.has_content and isinstance(look.value, list) else []


def whole_rows(look: Observation | None, record: type[Record]) -> list[Record]:  # noqa: ARG001 (read by the type checker)
    """The rows of a complete answer; else empty."""
    return look.value if look is not None and look.status.answered and isinstance(look.value, list) else []
