"""The Stripe CLI of this machine: which processes listen, and the secret of the one that listens, asked for as it would ask."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status
from runbook_lib.io.machine import Process, Processes
from runbook_lib.io.observe import Door
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.stripe.cli_arguments import Listen, read

KEY = "STRIPE_API_KEY"
ELSEWHERE = "RUNBOOK_HOST_PROCESSES says that the API's machine is another one"
ELSEWHERE_HELP = "run the runbook on the machine on which the API and the Stripe CLI run"
_VERSION = re.compile(r"\bversion v?(\d+\.\d+\.\d+)")
_WHSEC = re.compile(r"\bwhsec_\w+")
_PROFILE = re.compile(r"^\[['\"]?(?P<name>[^\]'\"]+)['\"]?\]$")
_ACCOUNT = re.compile(r"^account_id\s*=\s*['\"]?(acct_\w+)")
_STRIPE_URL = "https://api.stripe.com"
_QUIET = {"STRIPE_CLI_TELEMETRY_OPTOUT": "1"}
_PASSED_ON = ("XDG_CONFIG_HOME", "STRIPE_DEVICE_NAME", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE")


@dataclass(frozen=True)
class Listening:
    """A process of the Stripe CLI that listens."""

    process: Process
    listen: Listen


@dataclass(frozen=True)
class Printed:
    """What the CLI at hand said; `secret` None: it printed none, and `words` say why. `account`: the one it is logged in to, by its
    settings file; None where a key is used instead of the login, or it does not tell."""

    version: str | None
    secret: str | None
    key: str | None
    account: str | None
    words: str


def session_of(door: Door) -> int | None:
    """The session that is looked at; None: the whole machine. Raises LookError(not_configured) where it is another machine."""
    wanted = (door.settings.host_processes or "all").strip()
    if wanted == "all":
        return None
    kind, _, number = wanted.partition(":")
    if kind == "session" and number.isdigit():
        return int(number)
    if wanted == "none":
        raise LookError(Status.not_configured, ELSEWHERE, do_next=ELSEWHERE_HELP)
    raise LookError(
        Status.not_configured,
        "RUNBOOK_HOST_PROCESSES is all, none or session:ID",
        do_next="correct it, or take it away",
    )


def listening(door: Door, session: int | None) -> tuple[list[Listening], Processes]:
    """The CLIs that listen, and what was looked through. npx starts node, which starts the CLI: of such a chain only the
    innermost counts, and is known by the outermost's way; of a container and its tool, the process inside."""
    seen = door.machine.processes(session, _is_listen)
    found = [
        Listening(each, listen)
        for each in seen.rows
        if (listen := read(each.arguments)) and not listen.prints_secret_only
    ]
    by_pid = {each.process.pid: each for each in found}
    parents = {each.process.parent for each in found}
    kept = []
    for each in found:
        if each.process.pid in parents:
            continue
        above = by_pid.get(each.process.parent)
        how = "container" if each.process.own_network is False else above.listen.how if above else each.listen.how
        kept.append(Listening(each.process, Listen(how, each.listen.flags, each.listen.own_network)))
    inside = [each.listen.flags for each in kept if each.process.own_network is False]
    return [
        each
        for each in kept
        if each.process.own_network is False or each.listen.how != "container" or each.listen.flags not in inside
    ], seen


def ask_for_secret(door: Door, *, with_account: bool = False) -> Printed:
    """Ask the CLI for its version and its secret, with key, project and settings file of the one that listens, where one does."""
    version = version_of_cli(door)
    variables, flags, key = _as_the_listening_one(door)
    done = door.programs.run(
        [command_of(door), "listen", "--print-secret", "--skip-update", *flags], variables=variables
    )
    secret = _WHSEC.search(done.printed)
    words = " ".join(f"{done.printed} {done.said}".split())[:300]
    account = _account_of_login(door, variables, flags) if with_account and secret and not key else None
    return Printed(version, secret[0] if secret else None, key, account, "" if secret else words)


def _account_of_login(door: Door, variables: Mapping[str, str], flags: Sequence[str]) -> str | None:
    """The account of the login that the CLI uses. Its list of settings holds keys as well: only the account is read."""
    wanted = {"--config", "--project-name"}
    given = [word for name, value in pairwise(flags) if name in wanted for word in (name, value)]
    listed = door.programs.run([command_of(door), "config", "--list", *given], variables=variables).printed
    project = dict(pairwise(given)).get("--project-name", "default")
    profile = ""
    for line in map(str.strip, listed.splitlines()):
        if found := _PROFILE.match(line):
            profile = found["name"]
        elif profile == project and (account := _ACCOUNT.match(line)):
            return account[1]
    return None


def command_of(door: Door) -> str:
    """The CLI's path. Raises LookError(not_configured) where there is none."""
    return door.programs.find(require_setting(door, "stripe_cli"), None, setting="RUNBOOK_STRIPE_CLI")


def version_of_cli(door: Door) -> str | None:
    """What the CLI says of its version; None where it says none."""
    found = _VERSION.search(door.programs.run([command_of(door), "--version"], variables=_QUIET).printed)
    return found[1] if found else None


def _is_listen(arguments: Sequence[str]) -> bool:
    return read(arguments) is not None


def _as_the_listening_one(door: Door) -> tuple[dict[str, str], list[str], str | None]:
    """Variables, flags and key with which the CLI that listens was started; without one, those of the settings."""
    variables = door.machine.own_variables(*_PASSED_ON) | _QUIET
    flags: dict[str, str] = {}
    key = reveal(door.settings.stripe_cli_key)
    for each in listening(door, session_of(door))[0][:1]:
        listen, its_own = each.listen, door.machine.environment_of(each.process.pid) or {}
        variables |= {name: its_own[name] for name in ("HOME", *_PASSED_ON) if name in its_own}
        wanted = ("--config", "--project-name", "--device-name", "--api-base", "--live")
        flags |= {name: listen.flags[name] for name in wanted if name in listen.flags}
        key = its_own.get(KEY) or listen.flags.get("--api-key") or key
    if key:
        variables[KEY] = key
    if door.settings.stripe_cli_config:
        flags.setdefault("--config", door.settings.stripe_cli_config)
    if door.settings.stripe_api_url and door.settings.stripe_api_url != _STRIPE_URL:
        flags.setdefault("--api-base", door.settings.stripe_api_url)
    return variables, [word for name, value in flags.items() for word in ([name, value] if value else [name])], key
