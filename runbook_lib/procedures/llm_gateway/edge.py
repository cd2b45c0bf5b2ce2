"""How a platform answers in the place of a gateway that it cannot reach."""

import re

from runbook_lib.core.model import Observation

EDGE_STATUSES = (502, 503, 504)
AT_THE_EDGE = re.compile(
    r"application failed to respond|connection refused|closed unexpectedly|timed out|no known healthy|refused connection|"
    r"\[P[CRU]\d\d\]",
    re.I,
)


def is_edge_answer(look: Observation) -> bool:
    """Whether a knock was answered by the gateway's platform in its place: its words, or a page where the gateway speaks JSON."""
    value = look.value
    return value["status_code"] in EDGE_STATUSES and (
        bool(AT_THE_EDGE.search(str(value["text"]))) or "json" not in str(value["content_type"]) or not value["text"]
    )
