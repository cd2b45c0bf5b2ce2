"""How a platform answers in the place of a gateway that it cannot reach."""

import re

from runbook_lib.core.model import Observation
from runbook_lib.core.records.parts import PartAnswer
from runbook_lib.judging.answers import whole_record

EDGE_STATUSES = (502, 503, 504)
AT_THE_EDGE = re.compile(
    r"application failed to respond|connection refused|closed unexpectedly|timed out|no known healthy|refused connection|"
    r"\[P[CRU]\d\d\]",
    re.I,
)


def is_edge_answer(look: Observation) -> bool:
    """Whether a knock was answered by the gateway's platform in its place: its words, or a page where the gateway speaks JSON."""
    answer = whole_record(look, PartAnswer)
    if answer is None or answer["status_code"] not in EDGE_STATUSES:
        return False
    is_page = "json" not in (answer["content_type"] or "")
    return bool(AT_THE_EDGE.search(answer["text"])) or is_page or not answer["text"]
