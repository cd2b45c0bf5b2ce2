"""This machine as a source: real processes, real ports, a Stripe CLI that is a script; secrets are compared and never told."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.stripe.cli_arguments import address_of, read
from runbook_lib.sources.this_machine import host

SECRET = "whsec_c0ffee00c0ffee00c0ffee00c0ffee00"
KEY = "rk_test_51CanaryCanaryCanary"
OTHER_KEY = "sk_live_51CanaryOfAnotherMode"
_SLEEP = "import time; print('up', flush=True); time.sleep(60)"

Seen = Callable[..., Observation]


def see(look: Look, **variables: str) -> Observation:
    return Observer(active=True, now=datetime.now(UTC), settings=Settings.from_mapping(variables)).together(look)[0]


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`start(*arguments, KEY=value)`: a process of these arguments in a session of its own, or in that of another."""
    running: list[subprocess.Popen[str]] = []

    def make(*arguments: str, code: str = _SLEEP, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [arguments[0], "-c", code, *arguments[1:]],
            executable=sys.executable,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={"PATH": os.environ["PATH"], **environment},
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield make
    for process in running:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def command(tmp_path: Path) -> Callable[[str], str]:
    """`command(text)`: a Stripe CLI of version 1.40.0 whose `listen` runs this shell text."""

    def make(text: str) -> str:
        path = tmp_path / "stripe"
        path.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "stripe version 1.40.0"; exit; fi\n{text}\n')
        path.chmod(0o700)
        return str(path)

    return make


@pytest.mark.parametrize(
    ("line", "how", "target", "events"),
    [
        ("stripe listen --forward-to localhost:3001/api/stripe/webhook", "binary", "localhost:3001/api/stripe/webhook", None),
        ("/usr/local/bin/stripe listen -f 3001 -e invoice.paid,invoice.sent", "binary", "3001", ["invoice.paid", "invoice.sent"]),
        ("stripe --api-key sk_test_x listen --forward-to=x --events *", "binary", "x", None),
        ("stripe --project-name nexus listen --latest", "binary", None, None),
        (r"C:\tools\stripe.exe listen --forward-to x", "binary", "x", None),
        ("node /x/node_modules/@stripe/cli/bin/shim.js listen --forward-to x", "npx", "x", None),
        ("node /x/node_modules/.bin/stripe listen --forward-to x", "npx", "x", None),
        ("npm exec @stripe/cli listen --forward-to x", "npx", "x", None),
        ("docker run --rm -it stripe/stripe-cli:v1.52.0 listen --forward-to host.docker.internal:3001/x", "container",
         "host.docker.internal:3001/x", None),
        ("podman run docker.io/stripe/stripe-cli listen --forward-to x", "container", "x", None),
    ],
)  # fmt: skip
def test_a_command_line_that_listens_is_read(line: str, how: str, target: str | None, events: Any) -> None:
    found = read(line.split(" "))
    assert found is not None
    assert (found.how, found.forward_to, found.events) == (how, target, events)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "stripe trigger invoice.paid",
        "stripe logs tail",
        "stripe",
        "stripes listen",
        "vim stripe listen",
        "node server.js listen",
        "docker run postgres listen",
        "bash -c stripe listen",
        "grep stripe listen",
    ],
)
def test_any_other_command_line_listens_to_nothing(line: str) -> None:
    assert read(line.split(" ") if line else []) is None


@pytest.mark.parametrize(
    ("target", "host_", "port", "path"),
    [
        ("3001", "localhost", 3001, "/"),
        ("/api/stripe/webhook", "localhost", 80, "/api/stripe/webhook"),
        ("localhost:3001/api/stripe/webhook", "localhost", 3001, "/api/stripe/webhook"),
        ("https://Nexus.example/x", "nexus.example", 443, "/x"),
        ("[::1]:3001/x", "::1", 3001, "/x"),
        ("http://127.0.0.1:99999/x", "127.0.0.1", None, "/x"),
        ("localhost:port", "localhost", None, "/"),
    ],
)
def test_a_target_is_read_as_the_cli_reads_it(target: str, host_: str, port: int | None, path: str) -> None:
    found = address_of(target)
    assert (found["host"], found["port"], found["path"]) == (host_, port, path)


def test_a_listening_cli_is_seen_with_its_target_and_the_mode_of_its_key(start: Any) -> None:
    process = start("stripe", "listen", "--forward-to", "localhost:3001/x", STRIPE_API_KEY=OTHER_KEY)
    seen = see(host.stripe_listen(), RUNBOOK_HOST_PROCESSES=f"session:{process.pid}")
    (found,) = seen.value["listening"]
    assert (seen.status, found["pid"], found["how"], found["mode"]) == (Status.ok, process.pid, "binary", "live")
    assert found["target"] == {"scheme": "http", "host": "localhost", "port": 3001, "path": "/x"}
    assert OTHER_KEY not in json.dumps(seen.as_dict())


def test_a_key_among_the_arguments_is_judged_and_not_told(start: Any) -> None:
    process = start("stripe", "listen", "--api-key", KEY, "--forward-to", "x")
    seen = see(host.stripe_listen(), RUNBOOK_HOST_PROCESSES=f"session:{process.pid}")
    (found,) = seen.value["listening"]
    assert (found["key"]["mode"], found["key"]["kind"]) == ("test", "restricted")
    assert KEY not in json.dumps(seen.as_dict())


def test_all_of_the_machine_is_looked_through_unless_a_session_is_named(start: Any) -> None:
    mine, other = start("stripe", "listen", "--forward-to", "mine"), start("stripe", "listen", "--forward-to", "other")
    everywhere = {each["forward_to"] for each in see(host.stripe_listen()).value["listening"]}
    assert {"mine", "other"} <= everywhere
    for process, target in ((mine, "mine"), (other, "other")):
        seen = see(host.stripe_listen(), RUNBOOK_HOST_PROCESSES=f"session:{process.pid}")
        assert [each["forward_to"] for each in seen.value["listening"]] == [target]


def test_npx_node_and_cli_are_one(start: Any) -> None:
    child = ["stripe", "-c", "print('up', flush=True); import time; time.sleep(60)", "listen", "--forward-to", "x"]
    code = (
        "import os, time\n"
        f"if os.fork() == 0: os.execv({sys.executable!r}, {child!r})\n"  # it says that it is up, as the CLI itself
        "time.sleep(60)"
    )
    process = start("node", "/x/@stripe/cli/bin/shim.js", "listen", "--forward-to", "x", code=code)
    seen = see(host.stripe_listen(), RUNBOOK_HOST_PROCESSES=f"session:{process.pid}")
    (found,) = seen.value["listening"]
    assert found["how"] == "npx"
    assert found["pid"] != process.pid


def test_no_cli_is_empty_and_one_that_prints_its_secret_is_none(start: Any) -> None:
    process = start("stripe", "listen", "--print-secret")
    assert see(host.stripe_listen(), RUNBOOK_HOST_PROCESSES=f"session:{process.pid}").status == Status.empty


def test_another_machine_is_not_looked_at() -> None:
    for look in (host.stripe_listen(), host.cli_secret(), host.listeners()):
        seen = see(look, RUNBOOK_HOST_PROCESSES="none", RUNBOOK_STRIPE_CLI=sys.executable)
        assert (seen.status, bool(seen.help)) == (Status.not_configured, True)
    assert see(host.stripe_listen(), RUNBOOK_HOST_PROCESSES="some").status == Status.not_configured


def test_processes_that_may_not_be_read_make_the_answer_partial(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    def refused(_: Any) -> list[str]:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "cmdline", refused)
    seen = see(host.stripe_listen())
    assert (seen.status, seen.value["listening"]) == (Status.partial, [])
    assert "may not be read" in seen.why


def test_the_cli_is_asked_and_its_secret_only_compared(command: Any) -> None:
    path = command(f"echo {SECRET}")
    given = {"RUNBOOK_STRIPE_CLI": path, "STRIPE_WEBHOOK_SECRET": SECRET, "RUNBOOK_HOST_PROCESSES": "session:1"}
    seen = see(host.cli_secret(), **given)
    assert (seen.status, seen.value["version"], seen.value["is_configured"]) == (Status.ok, "1.40.0", True)
    assert SECRET not in json.dumps(seen.as_dict())
    assert (
        see(host.cli_secret(), **{**given, "STRIPE_WEBHOOK_SECRET": "whsec_another00"}).value["is_configured"] is False
    )


def test_the_cli_is_asked_as_the_listening_one_would_ask(start: Any, command: Any, tmp_path: Path) -> None:
    process = start(
        "stripe", "listen", "--project-name", "nexus", "--forward-to", "x", STRIPE_API_KEY=KEY, XDG_CONFIG_HOME="/c"
    )
    said = tmp_path / "said"
    path = command(f'echo "$STRIPE_API_KEY $XDG_CONFIG_HOME $*" > {said}; echo {SECRET}')
    variables = {"RUNBOOK_STRIPE_CLI": path, "RUNBOOK_HOST_PROCESSES": f"session:{process.pid}"}
    assert see(host.cli_secret(), RUNBOOK_STRIPE_API_URL="http://127.0.0.1:9", **variables).status == Status.ok
    key, folder, *arguments = said.read_text().split()
    assert (key, folder) == (KEY, "/c")
    assert arguments[:2] == ["listen", "--print-secret"]
    assert {"--project-name", "nexus", "--api-base", "http://127.0.0.1:9"} <= set(arguments)


def test_the_account_of_a_login_is_that_of_its_own_profile(start: Any, command: Any, tmp_path: Path) -> None:
    """As `stripe config --list` tells it: the whole file, or the one project that is asked for; the keys beside it stay there."""
    settings = tmp_path / "config.toml"
    profiles = f"[nexus]\naccount_id = 'acct_2'\n[default]\ntest_mode_api_key = '{KEY}'\naccount_id = \"acct_1\"\n"
    settings.write_text(f"project-name = 'default'\n{profiles}")
    path = command(f'if [ "$1" = config ]; then cat {settings}; else echo {SECRET}; fi')
    asked = {"RUNBOOK_STRIPE_CLI": path, "RUNBOOK_STRIPE_CLI_CONFIG": str(settings)}
    seen = see(host.cli_secret(), RUNBOOK_HOST_PROCESSES="session:1", **asked)
    assert seen.value["account"] == "acct_1"
    assert KEY not in json.dumps(seen.as_dict())
    process = start("stripe", "listen", "--project-name", "nexus", "--forward-to", "x")
    here = see(host.cli_secret(), RUNBOOK_HOST_PROCESSES=f"session:{process.pid}", **asked)
    assert here.value["account"] == "acct_2"
    settings.write_text("color = ''\n")
    assert see(host.cli_secret(), RUNBOOK_HOST_PROCESSES="session:1", **asked).value["account"] is None


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (
            'echo \'Authorization failed, status=401, body={"error":{"code":"api_key_expired"}}\' >&2; exit 1',
            Status.denied,
        ),
        ("echo 'You have not configured API keys yet' >&2; echo 'run `stripe login`' >&2; exit 1", Status.denied),
        ("echo 'dial tcp 127.0.0.1:1: connect: connection refused' >&2; exit 1", Status.unreachable),
        ("echo segmentation fault >&2; exit 139", Status.malformed),
        ("echo hello", Status.malformed),
        ("", Status.malformed),
    ],
)
def test_a_cli_that_prints_no_secret_says_why(command: Any, text: str, status: Status) -> None:
    path = command(text)
    seen = see(host.cli_secret(), RUNBOOK_STRIPE_CLI=path, RUNBOOK_HOST_PROCESSES="session:1")
    assert (seen.status, seen.value["version"]) == (status, "1.40.0")


def test_no_cli_at_all_is_not_configured_and_a_hanging_one_timed_out(command: Any) -> None:
    absent = see(host.cli_secret(), RUNBOOK_STRIPE_CLI="/nowhere/stripe")
    assert (absent.status, "RUNBOOK_STRIPE_CLI" in absent.help) == (Status.not_configured, True)
    path = command("sleep 60")
    observer = Observer(
        now=datetime.now(UTC),
        settings=Settings.from_mapping(
            {"RUNBOOK_STRIPE_CLI": path, "RUNBOOK_HOST_PROCESSES": "session:1", "RUNBOOK_LOOK_DEADLINE_S": "0.8"}
        ),
    )
    assert observer.together(host.cli_secret())[0].status == Status.timed_out


@pytest.fixture
def port() -> Iterator[int]:
    """A port on which this process listens, on 127.0.0.1 alone."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_who_has_the_port_is_told_by_address_and_process(port: int) -> None:
    seen = see(host.listeners(), RUNBOOK_API_URL=f"http://localhost:{port}")
    (found,) = seen.value["listeners"]
    assert (seen.status, found["address"], found["pid"]) == (Status.ok, "127.0.0.1", os.getpid())
    assert seen.value["accepts"]["127.0.0.1"] == "accepted"
    assert seen.value["accepts"]["::1"] in ("refused", "silent")


def test_a_port_that_nobody_has_is_empty(closed_port: str) -> None:
    seen = see(host.listeners(), RUNBOOK_API_URL=closed_port)
    assert (seen.status, seen.value["listeners"], seen.value["accepts"]["127.0.0.1"]) == (Status.empty, [], "refused")


def test_an_owner_that_may_not_be_known_is_partial(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    def refused(*_: Any) -> Any:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refused)
    monkeypatch.setattr(psutil, "process_iter", lambda: iter(()))
    seen = see(host.listeners(), RUNBOOK_API_URL=f"http://127.0.0.1:{port}")
    assert (seen.status, seen.value["accepts"]["127.0.0.1"]) == (Status.partial, "accepted")


def test_an_api_elsewhere_has_no_port_here() -> None:
    assert see(host.listeners(), RUNBOOK_API_URL="https://api.example").status == Status.not_configured


def test_the_apis_secret_is_compared_wherever_it_stands(start: Any, tmp_path: Path) -> None:
    code = (
        "import socket, sys, time\ns = socket.create_server(('127.0.0.1', int(sys.argv[-1])))\n"
        "print('up', flush=True)\ntime.sleep(60)"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    process = start("api", str(number), code=code, STRIPE_WEBHOOK_SECRET=SECRET)
    (tmp_path / ".env").write_text("STRIPE_WEBHOOK_SECRET=whsec_of_the_file_that_counts_less\n")
    (tmp_path / ".env.local").write_text(f"OTHER=1\nSTRIPE_WEBHOOK_SECRET={SECRET}\n")
    variables = {
        "RUNBOOK_API_URL": f"http://127.0.0.1:{number}",
        "RUNBOOK_API_ENV_FILE": str(tmp_path),
        "STRIPE_WEBHOOK_SECRET": "not-a-signing-secret",
    }
    seen = see(host.api_secret(), **variables)
    value = seen.value
    assert (value["file"]["name"], value["process"]["pid"]) == (".env.local", process.pid)
    assert value["file"]["secret"]["fingerprint"] == value["process"]["secret"]["fingerprint"]
    assert value["setting"]["fingerprint"] != value["file"]["secret"]["fingerprint"]
    assert value["setting"]["is_signing_secret"] is False
    assert "whsec" not in json.dumps(seen.as_dict())


def test_two_runs_give_one_secret_two_prints(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"STRIPE_WEBHOOK_SECRET={SECRET}\n")
    variables = {"RUNBOOK_API_ENV_FILE": str(file), "RUNBOOK_HOST_PROCESSES": "none"}
    prints = {see(host.api_secret(), **variables).value["file"]["secret"]["fingerprint"] for _ in range(2)}
    assert len(prints) == 2


@pytest.mark.parametrize(
    ("content", "status"), [(None, Status.not_found), ("{{{\n", Status.malformed), (b"\xff\xfe\x00", Status.malformed)]
)
def test_an_env_file_that_cannot_be_read_says_so(tmp_path: Path, content: Any, status: Status) -> None:
    file = tmp_path / ".env"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    seen = see(host.api_secret(), RUNBOOK_API_ENV_FILE=str(file), RUNBOOK_HOST_PROCESSES="none")
    assert seen.status == status, seen.why


def test_health_tells_the_cli_and_that_processes_are_seen(command: Any) -> None:
    seen = see(host.health(), RUNBOOK_STRIPE_CLI=command("exit 1"), RUNBOOK_HOST_PROCESSES="session:1")
    assert (seen.status, seen.value["cli_version"]) == (Status.ok, "1.40.0")
    assert see(host.health(), RUNBOOK_STRIPE_CLI="/nowhere").value["cli_version"] is None
