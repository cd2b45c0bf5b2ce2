"""A build's log, cut down to what tells why it failed: the lines that complain, and the last ones."""

import re
from collections.abc import Sequence

from runbook_lib.core.records.deployments import BuildError, BuildLog

_COMPLAINS = re.compile(
    r"\berror\b|\bERR!|ERESOLVE|ERR_PNPM|\bfatal\b|\bfailed\b|\bexception\b|traceback|cannot find|not found|\bkilled\b"
    r"|out of memory|exited with|exit code|no space left|timed? ?out|unable to",
    re.I,
)
_HARMLESS = re.compile(r"\b0 errors?\b|no errors?\b|errors?: 0|\bwarn(?:ing)?\b|deprecat|--[\w-]*error", re.I)
_CUT, _KEPT, _LAST = 400, 25, 12
Line = tuple[str | None, str]  # when (ISO) and what


def digest(lines: Sequence[Line]) -> BuildLog:
    """A build's log, cut down."""
    written: list[Line] = [(at, text) for at, whole in lines for text in whole.splitlines() if text.strip()]
    errors = [
        BuildError(at=at, text=text.strip()[:_CUT], line=number)
        for number, (at, text) in enumerate(written, 1)
        if _COMPLAINS.search(text) and not _HARMLESS.search(text)
    ]
    return BuildLog(
        lines=len(written),
        errors=errors[:_KEPT],
        last=[text.strip()[:_CUT] for _, text in written[-_LAST:]],
    )
