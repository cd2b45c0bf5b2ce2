"""What several sources may ask: a key at its vendor is first fetched from the platform that holds it, whichever source asks."""

from runbook_lib.core.permissions import Request


def get(*paths: str) -> tuple[Request, ...]:
    """A GET of each path."""
    return tuple(Request("GET", path) for path in paths)


# The value of one variable, where a platform gives it away; it stays within the look.
VALUES_OF_VARIABLES = (
    Request("GET", "/v1/projects/{project}/env/{id}"),
    Request("POST", "{endpoint*}", queries=("Values",)),
)
