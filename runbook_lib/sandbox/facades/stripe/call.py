"""One call of Stripe's API: who calls, which version, with what; and how Stripe says no."""

from dataclasses import dataclass, field
from typing import Any

from runbook_lib.sandbox.facades.stripe.state import Book, Key, Obj, StripeState, now_s
from runbook_lib.sandbox.world import World


class Refused(Exception):
    """An answer that is an error, in Stripe's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: Obj = {"message": message, "type": type_}
        for name, value in {"code": code, "param": param, **more}.items():
            if value is not None:
                self.error[name] = value
        if code:
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


@dataclass(frozen=True)
class Page:
    """All that matches, newest first; the door cuts it into pages. `url` is what the list says it is of."""

    items: list[Obj]
    url: str


@dataclass
class Call:
    """What a handler gets: `ids` from the path, `params` the query or the form, already nested, `host` as it was called."""

    world: World
    state: StripeState
    book: Book
    key: Key
    version: str
    params: dict[str, Any]
    ids: dict[str, str] = field(default_factory=dict)
    host: str = ""
    request_id: str | None = None
    idempotency_key: str | None = None

    @property
    def now(self) -> int:
        """Epoch seconds."""
        return now_s(self.world)

    def get(self, kind: str, id_: str, *, param: str | None = None) -> Obj:
        """An object that must be there. Raises Refused 404 `resource_missing`, which tells when it is in the other mode."""
        found = self.book.of(kind).get(id_)
        if found is not None and not (found.get("deleted") and kind != "customer"):
            return found
        words = kind.rpartition(".")[2].replace("_", " ")
        message = f"No such {words}: '{id_}'"
        other, this = ("test", "live") if self.book.livemode else ("live", "test")
        if id_ in self.state.book(not self.book.livemode).of(kind):
            message += (
                f"; a similar object exists in {other} mode, but a {this} mode key was used to make this request."
            )
        status = 404 if param is None else 400
        raise Refused(status, message, code="resource_missing", param=param or "id")

    def text(self, name: str, default: str | None = None) -> str | None:
        """A text parameter; an empty one counts as absent."""
        value = self.params.get(name)
        if value is not None and not isinstance(value, str):
            raise Refused(400, f"Invalid string: {value}", param=name)
        return value or default

    def require(self, name: str) -> Any:
        """A parameter that must be there."""
        value = self.params.get(name)
        if value in (None, ""):
            raise Refused(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number."""
        value = self.params.get(name)
        if value in (None, ""):
            return default
        return as_integer(value, name)

    def flag(self, name: str, default: bool = False) -> bool:
        """true or false."""
        value = self.params.get(name)
        if value in (None, ""):
            return default
        if str(value).lower() not in ("true", "false"):
            raise Refused(400, f"Invalid boolean: {value}", param=name)
        return str(value).lower() == "true"

    def metadata(self, before: dict[str, str] | None = None) -> dict[str, str]:
        """The metadata after this call: named keys are set, keys with empty values taken away."""
        sent = self.params.get("metadata")
        merged = {**(before or {}), **(sent if isinstance(sent, dict) else {})}
        return {key: str(value) for key, value in merged.items() if value != ""}

    def in_range(self, value: int, name: str) -> bool:
        """Whether a time fits a range parameter: a number, or gt, gte, lt, lte."""
        wanted = self.params.get(name)
        if wanted in (None, "", {}):
            return True
        if not isinstance(wanted, dict):
            return value == as_integer(wanted, name)
        tests = {"gt": value.__gt__, "gte": value.__ge__, "lt": value.__lt__, "lte": value.__le__}
        if unknown := set(wanted) - set(tests):
            raise Refused(
                400, f"Received unknown parameter: {name}[{unknown.pop()}]", code="parameter_unknown", param=name
            )
        return all(tests[sign](as_integer(limit, f"{name}[{sign}]")) for sign, limit in wanted.items())

    def matches(self, obj: Obj, *names: str) -> bool:
        """Whether the object has the value of each parameter that was sent; false and true count as such."""
        for name in names:
            wanted = self.text(name)
            if wanted is None:
                continue
            has = obj.get(name)
            if (str(has).lower() if isinstance(has, bool) else has) != wanted:
                return False
        return True


def as_integer(value: Any, name: str) -> int:
    """A whole number out of text. Raises Refused 400 for anything else."""
    try:
        return int(str(value))
    except ValueError as bad:
        raise Refused(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name) from bad
