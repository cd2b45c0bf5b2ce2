"""NexusCore's own parts as they answer from this machine."""

from typing_extensions import TypedDict

from runbook_lib.core.model import Json


class PartAnswer(TypedDict):
    """One answer of a part. The headers' values: None where the answer does not carry them.

    `request_id`: the platform's, from its header. `json`: None where the body is none, or too long. `text`: its first 2000
    characters.
    """

    status_code: int
    ms: float
    content_type: str | None
    server: str | None
    location: str | None
    request_id: str | None
    date: str | None
    json: Json
    text: str


class GatewayDescription(TypedDict):
    """The gateway's OpenAPI document in short; where another server answers, or none is offered, no title and no paths."""

    status_code: int
    ms: float
    title: str | None
    version: str | None
    paths: list[str]
