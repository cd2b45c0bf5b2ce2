"""Which of Jaeger's services and operations are NexusCore's web, API or gateway."""

from collections.abc import Callable, Sequence

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status

_WORDS = {"gateway": ("gateway", "llm"), "api": ("api", "backend"), "web": ("web", "frontend", "ui")}


def services_of(service: str, names: Sequence[str]) -> tuple[list[str], Callable[[str], bool]]:
    """The names under which a part sends its spans, and whether an operation of theirs is its own: told apart by the service's
    name where that tells, else by the operation's route. `service` may also be a service's name.

    Raises:
        LookError: empty, where there is none.
    """
    own = [name for name in names if set(_split(name)) & set(_WORDS.get(service, ()))]
    if service not in _WORDS:
        own = [name for name in names if name == service]
    found = own or (list(names) if service in _WORDS else [])
    if not found:
        raise LookError(Status.empty, f"Jaeger knows no service {service}")
    return found, (_any if own or service not in _WORDS else _by_route(service))


def _split(name: str) -> list[str]:
    return "".join(each if each.isalnum() else " " for each in name.lower()).split()


def _any(_operation: str) -> bool:
    return True


def _by_route(service: str) -> Callable[[str], bool]:
    def is_mine(operation: str) -> bool:
        words = operation.split()
        route = next((word for word in words if word.startswith("/")), "")
        part = "api" if route.startswith("/api/") else "gateway" if route.startswith("/v1/") else "web"
        return part == service

    return is_mine
