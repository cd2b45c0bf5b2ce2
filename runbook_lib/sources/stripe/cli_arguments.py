"""What a command line of the Stripe CLI means: whether it listens, whereto, to what; without the keys that may stand in it.

Flags as `stripe listen --help` of 1.45 to 1.52 has them. A number or a path alone as target means localhost (stripe-cli,
pkg/cmd/listen.go).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import urlsplit

from runbook_lib.core.records.webhooks import ForwardTarget

_SHORT = {
    "-f": "--forward-to",
    "-e": "--events",
    "-c": "--forward-connect-to",
    "-H": "--headers",
    "-l": "--latest",
    "-s": "--skip-update",
    "-a": "--use-configured-webhooks",
    "-p": "--project-name",
}
_WITH_VALUE = {
    "--forward-to", "--events", "--forward-connect-to", "--headers", "--connect-headers", "--events-from", "--format",
    "--api-key", "--color", "--config", "--device-name", "--log-level", "--project-name", "--api-base", "--thin-events",
    "--forward-thin-to", "--forward-thin-connect-to",
}  # fmt: skip
_CONTAINER_TOOLS = ("docker", "podman", "nerdctl", "docker.exe")
_IMAGE = "stripe/stripe-cli"


@dataclass(frozen=True)
class Listen:
    """One `stripe listen`.

    Attributes:
        how: binary, npx or container.
        flags: each flag's value, "" where it takes none.
        own_network: True where a container's tool was told to use the machine's own network, False where it was not; None
            for what is no such tool: the process itself tells.
    """

    how: str
    flags: Mapping[str, str]
    own_network: bool | None = None

    @property
    def forward_to(self) -> str | None:
        """Where snapshot events go; None: they are only printed."""
        return self.flags.get("--forward-to") or None

    @property
    def events(self) -> list[str] | None:
        """The events asked for by name; None: all of them."""
        if "--events" in self.flags:
            return [
                each.strip() for each in self.flags["--events"].split(",") if each.strip() and each.strip() != "*"
            ] or None
        return None

    @property
    def prints_secret_only(self) -> bool:
        """Whether it ends by itself."""
        return "--print-secret" in self.flags


def read(arguments: Sequence[str]) -> Listen | None:
    """The `listen` that a command line runs; None for anything else."""
    if not arguments:
        return None
    own_network = None
    name = PurePath(arguments[0].replace("\\", "/")).name.lower()
    if name in ("stripe", "stripe.exe"):
        how, rest = "binary", arguments[1:]
    elif name in _CONTAINER_TOOLS:
        places = [n for n, word in enumerate(arguments) if word.split(":")[0].endswith(_IMAGE)]
        if not places:
            return None
        how, rest = "container", arguments[places[0] + 1 :]
        before = " ".join(arguments[: places[0]]).replace("=", " ")
        own_network = "--network host" in before or "--net host" in before
    elif name.startswith(("node", "npx", "npm")):
        places = [n for n, word in enumerate(arguments[1:], 1) if _is_package(word)]
        if not places:
            return None
        how, rest = "npx", arguments[places[0] + 1 :]
    else:
        return None
    words, flags = _split(rest)
    return Listen(how, flags, own_network) if words[:1] == ["listen"] else None


def _is_package(word: str) -> bool:
    path = word.replace("\\", "/")
    return "@stripe/cli" in path or path.rpartition("/")[2] == "stripe"


def _split(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Plain words, and flags with their values."""
    words: list[str] = []
    flags: dict[str, str] = {}
    waiting = ""
    for word in arguments:
        if waiting:
            flags[waiting], waiting = word, ""
        elif word.startswith("-") and word != "-":
            name, has_value, value = word.partition("=")
            name = _SHORT.get(name, name)
            if has_value:
                flags[name] = value
            elif name in _WITH_VALUE:
                waiting = name
            else:
                flags[name] = ""
        else:
            words.append(word)
    return words, flags


def address_of(target: str) -> ForwardTarget:
    """Where a `--forward-to` leads."""
    url = target.strip()
    if url.isdigit():
        url = f"http://localhost:{url}"
    elif url.startswith("/"):
        url = f"http://localhost{url}"
    elif "://" not in url:
        url = f"http://{url}"
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    return {"scheme": parts.scheme, "host": (parts.hostname or "").lower(), "port": port, "path": parts.path or "/"}
