"""Where the local API is, and where its STRIPE_WEBHOOK_SECRET comes from, as sources ask for it; the value stays among them."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from runbook_lib.core.errors import ConfigError, LookError
from runbook_lib.core.model import Status
from runbook_lib.io.observe import Door
from runbook_lib.settings import read_env_file, reveal
from runbook_lib.sources.kit.asking import require_setting

SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
_ENV_FILES = (".env.development.local", ".env.local", ".env.development", ".env")  # Next.js: the first that has it
_LOCAL = ("localhost", "127.0.0.1", "::1")


def local_api(door: Door) -> tuple[str, int]:
    """Host and port of the API. Raises LookError(not_configured) where it is not on this machine."""
    parts = urlsplit(require_setting(door, "api_url"))
    host = (parts.hostname or "").lower()
    if host not in _LOCAL:
        raise LookError(Status.not_configured, f"the API is not on this machine but at {host}")
    return host, parts.port or {"https": 443}.get(parts.scheme, 80)


def is_local(door: Door) -> bool:
    """Whether the API that is asked runs on this machine; without an address of it, no."""
    try:
        local_api(door)
    except LookError:
        return False
    return True


def env_file(door: Door) -> tuple[Path, Mapping[str, str]] | None:
    """The API's .env file with its variables: the given one, or in the given folder the first that Next.js takes the secret from.

    Raises LookError: not_found, denied, malformed.
    """
    given = door.settings.api_env_file
    if not given:
        return None
    path = Path(given).expanduser()
    files = [path / name for name in _ENV_FILES if (path / name).is_file()] if path.is_dir() else [path]
    if not files:
        raise LookError(Status.not_found, "no .env file", where=str(path), do_next="correct RUNBOOK_API_ENV_FILE")
    held: list[tuple[Path, Mapping[str, str]]] = []
    for file in files:
        door.read_text(file)  # its absence and its permissions become the look's status
        try:
            held.append((file, read_env_file(file)))
        except ConfigError as error:
            raise LookError(Status.malformed, error.came_back, where=error.where, do_next=error.do_next) from error
    return next((each for each in held if each[1].get(SECRET, "").strip()), held[0])


def configured(door: Door) -> str | None:
    """The secret that the API is configured with, as far as it can be told: its .env file's, else the runbook's own setting."""
    try:
        file = env_file(door)
    except LookError:
        file = None
    return (file[1].get(SECRET) or None if file else None) or reveal(door.settings.stripe_webhook_secret)
