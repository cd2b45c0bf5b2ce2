"""How Jaeger's two APIs read a parameter, answer and refuse: the same, each in its own words and form."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from runbook_lib.sandbox.store import jaeger_find
from runbook_lib.sandbox.store.web import BadRequestError, Endpoint, json_response, text_response


@dataclass(frozen=True, slots=True)
class Dialect:
    """One of the two.

    Attributes:
        complaint: what is said of a parameter that cannot be read: `{name}`, `{why}`.
        texts_complaint, no_texts: the same of one that holds a JSON object of texts, and why where a value is no text.
        refused: the document of a refusal, of status and message.
    """

    complaint: str
    texts_complaint: str
    no_texts: str
    refused: Callable[[int, str], Any]
    answer: Callable[..., Response]

    def refusal(self, status: int, message: str) -> Response:
        """A refusal. As Go's http.Error: the body is JSON, its content type is not, and a line feed ends it."""
        return text_response(orjson.dumps(self.refused(status, message)).decode() + "\n", status)

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with 400 where it cannot read the request."""

        @wraps(endpoint)
        def run(request: Request) -> Response:
            try:
                return endpoint(request)
            except BadRequestError as error:
                return self.refusal(400, str(error))

        return run

    def flag(self, request: Request, name: str) -> bool:
        """A parameter that Go's strconv.ParseBool reads; False where it is not there."""
        try:
            return jaeger_find.parse_bool(request.query_params.get(name) or "false")
        except ValueError as error:
            raise BadRequestError(self.complaint.format(name=name, why=error)) from None

    def integer(self, request: Request, name: str, default: int, *, complaint: str = "") -> int:
        """A parameter that Go's strconv.ParseInt reads."""
        text = request.query_params.get(name, "")
        if not text:
            return default
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            why = f'strconv.ParseInt: parsing "{text}": invalid syntax'
            raise BadRequestError((complaint or self.complaint).format(name=name, why=why))
        return int(text)

    def texts(self, request: Request, name: str) -> dict[str, str]:
        """A parameter that is a JSON object of texts."""
        text = request.query_params.get(name, "")
        if not text:
            return {}
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise BadRequestError(self.texts_complaint.format(name=name, why=error)) from None
        if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
            raise BadRequestError(self.texts_complaint.format(name=name, why=self.no_texts))
        return found


def _v1_answer(data: Any, *, total: int = 0) -> Response:
    return json_response({"data": data, "total": total, "limit": 0, "offset": 0, "errors": None})


def _v1_refused(status: int, message: str) -> Any:
    return {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": [{"code": status, "msg": message}]}


def _v3_answer(document: Any) -> Response:
    # The gateway names no content type, and Go's guess at one is plain text.
    return text_response(orjson.dumps(document).decode())


V1 = Dialect(
    complaint="unable to parse param '{name}': {why}",
    texts_complaint="malformed '{name}' parameter, cannot unmarshal JSON: {why}",
    no_texts="json: cannot unmarshal into Go value of type string",
    refused=_v1_refused,
    answer=_v1_answer,
)
V3 = Dialect(
    complaint="malformed parameter {name}: {why}",
    texts_complaint="malformed parameter {name}: {why}",
    no_texts="json: cannot unmarshal into Go value of type map[string]string",
    refused=lambda status, message: {"error": {"httpCode": status, "message": message}},
    answer=_v3_answer,
)
