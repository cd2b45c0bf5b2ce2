"""The sandbox from the command line, as somebody by hand uses it."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.injection import warn_unproven
from runbook_lib.sandbox import Sandbox
from runbook_lib.sandbox.options import Options
from runbook_lib.sandbox.primitives.calls import PRIMITIVES
from runbook_lib.settings import read_env_file

RUNBOOK = Path(sys.executable).with_name("runbook")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RUNBOOK, "sandbox", *arguments], capture_output=True, text=True, check=False)


def test_the_help_of_inject_lists_every_primitive_with_its_arguments() -> None:
    text = _run("inject", "--help").stdout
    for name in PRIMITIVES:
        assert f"\n{name} " in text
    assert 'http part [path="*"]' in text


def test_break_look_and_heal_by_hand(sandbox: Sandbox) -> None:
    name = ("--name", sandbox.name)
    assert _run("inject", "http", "part=web-edge", "status=503", 'headers={"x-a": "b"}', *name).returncode == 0
    got = json.loads(_run("visit", "home", *name, "--json").stdout)
    assert (got["status"], got["headers"]["x-a"]) == (503, "b")
    told = json.loads(_run("status", *name, "--json").stdout)
    assert told["injected"][0]["arguments"]["status"] == 503
    assert sandbox.name in told["running"]
    assert "injected: http part=web-edge status=503" in _run("status", *name).stdout
    assert json.loads(_run("heal", *name, "--json").stdout) == {"healed": True}
    assert json.loads(_run("visit", "home", *name, "--json").stdout)["status"] == 200


def test_a_named_fault_is_broken_by_its_code(sandbox: Sandbox) -> None:
    done = _run("break", "request.db_failed", "--name", sandbox.name, "--no-act")
    assert (done.returncode, done.stdout) == (0, "broken: request.db_failed\n")
    assert sandbox.status()["injected"]


def test_break_does_what_a_user_does_and_says_how_to_find_it(sandbox: Sandbox) -> None:
    told = json.loads(_run("break", "request.quota_blocked", "--name", sandbox.name, "--json").stdout)
    assert told["strikes"] == "Initech"
    assert "429" in told["done"]
    request = told["done"].split()[3].rstrip(":")
    assert told["see"] == f"RUNBOOK_SANDBOX={sandbox.name} runbook run 01_failed_request -p request_id={request}"


def test_break_says_whom_it_strikes(sandbox: Sandbox) -> None:
    said = _run("break", "rls.no_membership", "--name", sandbox.name).stdout
    assert "strikes  grace@acme.example of Acme Rockets\n" in said
    assert "runbook run 03_supabase_rls -p user=grace@acme.example -p org=" in said


def test_break_raises_the_event_that_a_fault_of_webhooks_is_seen_by(sandbox: Sandbox) -> None:
    said = _run("break", "webhook.received_not_applied", "--name", sandbox.name).stdout
    assert "broken: webhook.received_not_applied (endpoint)\n" in said
    assert "Stripe told of evt_" in said


def test_break_puts_a_secret_where_the_next_command_finds_it(sandbox: Sandbox) -> None:
    told = json.loads(_run("break", "rls.jwt_expired", "--name", sandbox.name, "--json").stdout)
    path = Path(told["see"].partition("jwt=file:")[2])
    assert path.parent == sandbox.env_file.parent
    assert path.stat().st_mode & 0o077 == 0
    assert path.read_text().count(".") == 2
    assert path.read_text() not in json.dumps(told)


def test_what_the_runbook_is_told_for_a_fault_is_taken_back_when_healed(sandbox: Sandbox) -> None:
    before = sandbox.env_file.read_text()
    told = json.loads(_run("break", "webhook.other_mode", "--name", sandbox.name, "--json").stdout)
    assert "STRIPE_SECRET_KEY" in told["told"]
    assert read_env_file(sandbox.env_file)["STRIPE_SECRET_KEY"].startswith("sk_live_")
    sandbox.heal()
    assert sandbox.env_file.read_text() == before


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("webhook.cli_not_running", "--webhooks cli"),
        ("region.missing", "--gateway-platform fly"),
        ("deploy.not_ready.crashed", "--api-platform railway"),
    ],
)
def test_break_refuses_what_this_sandbox_cannot_carry_and_names_the_command_that_can(
    sandbox: Sandbox, code: str, words: str
) -> None:
    done = _run("break", code, "--name", sandbox.name)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"runbook sandbox up --name {sandbox.name} {words}" in done.stderr
    assert sandbox.status()["injected"] == []


def test_on_a_plain_sandbox_every_fault_is_shown_by_a_drill_or_refused() -> None:
    plain: Any = SimpleNamespace(name="plain", options=Options().as_dict())
    found = []
    for code in faults.codes():
        with contextlib.suppress(UsageError):
            wanted = faults.find(code).variant(faults.find(code).fitting_variant(plain))
            if warn_unproven(wanted, plain.options):
                found.append(code)
    assert found == []


def test_where_no_drill_has_shown_a_fault_break_says_so() -> None:
    wanted = faults.find("deploy.alias_stale").variant()
    said = warn_unproven(wanted, {**Options().as_dict(), "webhooks": "cli"})
    assert said.startswith("no drill has shown it in a sandbox with webhooks cli")


def test_status_says_who_there_is(sandbox: Sandbox) -> None:
    assert "Acme Rockets (pro): ada@acme.example, grace@acme.example" in _run("status", "--name", sandbox.name).stdout


def test_taking_down_what_is_not_up_does_not_tell_to_start_it(sandbox: Sandbox) -> None:
    said = _run("down", "--name", "not-there").stderr
    assert "There is no sandbox named not-there" in said
    assert sandbox.name in said
    assert "sandbox up" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("status", "--name", "not-there"), "There is no sandbox named not-there"),
        (("inject", "http", "status", "--name", "{here}"), "name=value"),
        (("inject", "htp", "part=api", "--name", "{here}"), "no primitive named htp"),
        (("break", "request.nonsense", "--name", "{here}"), "request.nonsense"),
        (("break", "request.db_faild", "--name", "{here}"), "Did you mean: request.db_failed"),
        (("visit", "chat", "user=nobody", "--name", "{here}"), "There are: ada, grace, "),
        (("visit", "chat", "org=nowhere", "--name", "{here}"), "There are: Acme Rockets, "),
        (("heal", "--name", "not-there"), "Name one of these with --name, or start it"),
        (("up", "--name", "../up"), "name"),
        (("up", "--semconv", "ancient"), "semconv must be one of"),
    ],
)
def test_wrong_use_is_one_message_and_exit_2(sandbox: Sandbox, arguments: tuple[str, ...], words: str) -> None:
    done = _run(*(word.replace("{here}", sandbox.name) for word in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
