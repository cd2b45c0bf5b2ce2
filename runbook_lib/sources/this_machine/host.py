"""This machine, where it is a developer's: the Stripe CLIs that listen, the secret they sign with, who has the API's port, and
what the local API was given. Secrets are compared inside the look; only prints of them leave it.

Which processes are seen is a setting: all of the machine (the default), those of one session, or none where the API runs
elsewhere. A live machine's CLI may run in any user's shell, under npx or in a container.
"""

from collections.abc import Mapping
from pathlib import Path

from runbook_lib.core.clock import to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.webhooks import (
    ApiSecret,
    FileSecret,
    ListeningCli,
    ListeningClis,
    MachineSight,
    PortListener,
    PortListeners,
    ProcessSecret,
    StripeCli,
)
from runbook_lib.io.machine import Process
from runbook_lib.io.observe import Door, Look
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.stripe.cli import (
    ELSEWHERE,
    ELSEWHERE_HELP,
    KEY,
    ask_for_secret,
    listening,
    session_of,
    version_of_cli,
)
from runbook_lib.sources.stripe.cli_arguments import Listen, address_of
from runbook_lib.sources.stripe.key_facts import key_facts, secret_facts
from runbook_lib.sources.stripe.webhook_secret import SECRET, env_file, is_local, local_api

_HIDDEN_HELP = "run it as a user who may see every process of this machine"


def stripe_listen() -> Look[ListeningClis]:
    """The Stripe CLIs that listen on this machine. None: empty.

    partial where processes are hidden from this user, for one of them may listen.
    """

    def fetch(door: Door) -> Answer[ListeningClis]:
        session = session_of(door)
        found, seen = listening(door, session)
        rows = [_listening(door, each.process, each.listen) for each in found]
        value: ListeningClis = {"listening": rows, "scope": "all" if session is None else "session"}
        if seen.hidden:
            return Answer(Status.partial, value, f"{seen.hidden} processes may not be read by this user", _HIDDEN_HELP)
        return Answer(Status.ok if rows else Status.empty, value, "" if rows else "no Stripe CLI listens")

    return Look("host", "stripe_listen", {}, fetch, deadline_s=8)


def cli_secret() -> Look[StripeCli]:
    """What the Stripe CLI at hand says of itself and of the secret with which its events are signed.

    Asked with the key, the project and the settings file of the CLI that listens, where one does. denied where Stripe refuses
    the CLI: not logged in, or the login has expired; the value then holds the version alone.
    """

    def fetch(door: Door) -> Answer[StripeCli]:
        printed = ask_for_secret(door, with_account=True)
        value: StripeCli = {"version": printed.version, "key": key_facts(door, printed.key)}
        if printed.secret is None:
            return _refused(value, printed.words)
        own = reveal(door.settings.stripe_webhook_secret)
        value["fingerprint"] = door.fingerprint(printed.secret)
        value["is_configured"] = None if not own else own.strip() == printed.secret
        value["account"] = _account(door, printed.key) if printed.key else printed.account
        return Answer(Status.ok, value)

    return Look("host", "cli_secret", {}, fetch, deadline_s=12)


def listeners() -> Look[PortListeners]:
    """Who has the local API's port. Nobody: empty. An API elsewhere: not_configured."""

    def fetch(door: Door) -> Answer[PortListeners]:
        if door.settings.host_processes == "none":
            raise LookError(Status.not_configured, ELSEWHERE, do_next=ELSEWHERE_HELP)
        host, port = local_api(door)
        found, is_whole = door.machine.listeners(port)
        rows = [_listener(door, each.address, each.pid) for each in found]
        accepts = {address: door.machine.accepts(address, port) for address in ("127.0.0.1", "::1")}
        value: PortListeners = {"host": host, "port": port, "listeners": rows, "accepts": accepts}
        if rows or "accepted" in accepts.values():
            unknown = not rows or any(row["pid"] is None for row in rows)
            if unknown or not is_whole:
                return Answer(Status.partial, value, "whose process it is may not be seen by this user", _HIDDEN_HELP)
            return Answer(Status.ok, value)
        return Answer(Status.empty, value, f"nothing listens on port {port}")

    return Look("host", "listeners", {}, fetch, deadline_s=8)


def api_secret() -> Look[ApiSecret]:
    """STRIPE_WEBHOOK_SECRET wherever the local API may have it from: its .env file, the process that listens on its port, and the
    runbook's own setting.

    Next.js reads its .env files itself, so that a process's variables may lack what the API has.
    """

    def fetch(door: Door) -> Answer[ApiSecret]:
        setting = secret_facts(door, reveal(door.settings.stripe_webhook_secret))
        found = env_file(door)
        file = _file_facts(door, *found) if found else None
        process = None
        if door.settings.host_processes != "none" and is_local(door):
            process = _serving(door)
        value: ApiSecret = {"file": file, "process": process, "setting": setting}
        if not file and not process and not setting:
            why = "neither the API's .env file nor its process nor the runbook's settings show it"
            return Answer(Status.not_configured, value, why, f"set {SECRET}, or RUNBOOK_API_ENV_FILE")
        return Answer(Status.ok, value)

    return Look("host", "api_secret", {}, fetch, deadline_s=8)


def health() -> Look[MachineSight]:
    """Whether this machine's processes may be seen, and which Stripe CLI is at hand."""

    def fetch(door: Door) -> Answer[MachineSight]:
        seen = door.machine.processes(session_of(door))
        try:
            version = version_of_cli(door)
        except LookError as error:
            if error.status != Status.not_configured:
                raise
            version = None
        value: MachineSight = {"processes": len(seen.rows), "hidden": seen.hidden, "cli_version": version}
        if seen.hidden:
            return Answer(Status.partial, value, f"{seen.hidden} processes are hidden", _HIDDEN_HELP)
        return Answer(Status.ok, value)

    return Look("host", "health", {}, fetch)


def _listening(door: Door, process: Process, listen: Listen) -> ListeningCli:
    key = listen.flags.get("--api-key") or (door.machine.environment_of(process.pid) or {}).get(KEY)
    facts = key_facts(door, key)
    mode = "live" if "--live" in listen.flags else "test"
    return {
        "pid": process.pid,
        "user": process.user,
        "started_at": to_iso(process.started_at) if process.started_at else None,
        "how": listen.how,
        "own_network": process.own_network if listen.own_network is None else listen.own_network,
        "forward_to": listen.forward_to,
        "target": address_of(listen.forward_to) if listen.forward_to else None,
        "events": listen.events,
        "latest": "--latest" in listen.flags,
        "configured_webhooks": "--use-configured-webhooks" in listen.flags,
        "mode": (facts["mode"] if facts else None) or mode,
        "key": facts,
        "project": listen.flags.get("--project-name"),
    }


def _refused(value: StripeCli, words: str) -> Answer[StripeCli]:
    """The CLI printed no secret: why, in its own words."""
    lowered = words.lower()
    if any(word in lowered for word in ("expired", "invalid api key", "login", "authorization", "not been configured")):
        return Answer(Status.denied, value, words, "log in again: stripe login")
    if any(word in lowered for word in ("connection refused", "no such host", "timeout", "dial tcp", "eof")):
        return Answer(Status.unreachable, value, words, "check this machine's way to api.stripe.com")
    return Answer(
        Status.malformed, value, words or "it printed no secret", "run it by hand: stripe listen --print-secret"
    )


def _account(door: Door, key: str) -> str | None:
    """The account that a key belongs to; None where Stripe does not tell this key."""
    url = f"{require_setting(door, 'stripe_api_url')}/v1/account"
    headers = {"Authorization": f"Bearer {key}", "Stripe-Version": door.settings.stripe_api_version}
    try:
        reply = door.http.get(url, retry=False, headers=headers)
        found = reply.json() if reply.status_code == 200 else None
    except LookError:
        return None
    account = found.get("id") if isinstance(found, dict) else None
    return account if isinstance(account, str) else None


def _listener(door: Door, address: str, pid: int | None) -> PortListener:
    process = door.machine.process(pid) if pid else None
    return {
        "address": address,
        "pid": pid,
        "name": Path(process.arguments[0]).name if process and process.arguments else None,
        "user": process.user if process else None,
        "started_at": to_iso(process.started_at) if process and process.started_at else None,
    }


def _serving(door: Door) -> ProcessSecret | None:
    """The process on the API's port, and the secret among the variables with which it was started."""
    found, _ = door.machine.listeners(local_api(door)[1])
    pid = next((each.pid for each in found if each.pid), None)
    process = door.machine.process(pid) if pid else None
    if process is None:
        return None
    variables = door.machine.environment_of(process.pid)
    return {
        "pid": process.pid,
        "started_at": to_iso(process.started_at) if process.started_at else None,
        "is_readable": variables is not None,
        "secret": secret_facts(door, (variables or {}).get(SECRET)),
    }


def _file_facts(door: Door, file: Path, variables: Mapping[str, str]) -> FileSecret:
    changed = door.changed_at(file)
    return {
        "name": file.name,
        "changed_at": to_iso(changed) if changed else None,
        "secret": secret_facts(door, variables.get(SECRET)),
    }
