"""The gateway's calls to model providers, request by request."""

from dataclasses import dataclass, replace

from runbook_lib.core.clock import from_epoch_s, to_iso
from runbook_lib.reading.classify import NamedCause, classify_provider, is_timeout
from runbook_lib.reading.spans import Fault

_PREFIX = "request.provider_failed."
UNRECOGNISED = "unrecognised"  # a failure in words that nobody knows


@dataclass(frozen=True)
class Call:
    """One attempt of one model. Times in epoch seconds; None where the witness does not tell.

    failure: what `classify` calls it (rate_limited, key_invalid, …); empty for a call that went well.
    """

    provider: str
    model: str
    at_s: float
    failure: str = ""
    what: str = ""
    fault: Fault | None = None
    in_stream: bool = False
    duration_ms: float | None = None
    gap_s: float | None = None
    output_tokens: int | None = None
    observation: str = ""
    is_whole_request: bool = False  # the time is its request's, the gateway's own included: nobody told the call's

    @property
    def ok(self) -> bool:
        """It went well."""
        return not self.failure

    @property
    def target(self) -> str:
        """provider/model, as a chain writes it."""
        return f"{self.provider}/{self.model}".rstrip("/")

    @property
    def end_s(self) -> float:
        """When it ended, as far as that is known."""
        return self.at_s + (self.duration_ms or 0) / 1000


@dataclass(frozen=True)
class Request:
    """One request to the gateway and the calls that it made, in order. answered: None where nothing tells how it ended."""

    id: str
    calls: tuple[Call, ...]
    answered: bool | None
    org: str = ""
    own_ms: float | None = None  # the gateway's own time: its span without its calls and the waits between them
    is_whole: bool = True  # False: a line or a row may be missing, so what was not tried cannot be told

    @property
    def at_s(self) -> float:
        """When its first call began."""
        return self.calls[0].at_s

    @property
    def failed(self) -> bool:
        """It did not end well."""
        return self.answered is False

    @property
    def last(self) -> Call:
        """The call that decided how it ended."""
        return self.calls[-1]


@dataclass(frozen=True)
class Calls:
    """Every request that was seen, by time."""

    requests: tuple[Request, ...]

    @property
    def all(self) -> list[Call]:
        """Every call, by time."""
        return sorted((call for request in self.requests for call in request.calls), key=lambda call: call.at_s)

    @property
    def failing(self) -> list[Request]:
        """The requests that did not end well."""
        return [request for request in self.requests if request.failed]

    def within(self, since_s: float, until_s: float) -> "Calls":
        """The requests that began in a time."""
        return Calls(tuple(each for each in self.requests if since_s <= each.at_s <= until_s))


def classify_call(failed: Fault, in_stream: bool) -> tuple[str, str]:
    """What a failed call is called (rate_limited, key_invalid, …), and in words. An answer that the gateway itself gave up reading
    is a time-out, not the provider's error."""
    named: NamedCause = (
        classify_provider(replace(failed, http_status=None))
        if in_stream and is_timeout(failed)
        else classify_provider(failed, in_stream=in_stream)
    )
    return (named.code.removeprefix(_PREFIX) if named.code.startswith(_PREFIX) else UNRECOGNISED), named.what


def iso_of(moment_s: float) -> str:
    """ISO 8601 of epoch seconds."""
    return to_iso(from_epoch_s(moment_s))
