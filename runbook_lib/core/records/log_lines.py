"""Lines of the parts' own logs."""

from collections.abc import Mapping

from typing_extensions import TypedDict

from runbook_lib.core.model import Json


class LogLine(TypedDict):
    """One line that a part wrote, or its platform about it.

    `attributes`: whatever was logged beside the message, names flat, in the part's own words. `trace_id`, `request_id`: those
    that the line itself carries. `instance`: the machine or replica that wrote it.
    """

    at: str | None
    level: str
    message: str
    trace_id: str | None
    request_id: str | None
    attributes: Mapping[str, Json]
    part: str
    platform: str
    deployment_id: str | None
    instance: str | None
