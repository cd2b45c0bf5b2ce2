"""The sandbox from the command line, as somebody by hand uses it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runbook_lib.sandbox import Sandbox
from runbook_lib.sandbox.primitives import PRIMITIVES

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
    assert _run("break", "request.db_failed", "--name", sandbox.name).returncode == 0
    assert sandbox.status()["injected"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("status", "--name", "not-there"), "There is no sandbox named not-there"),
        (("inject", "http", "status", "--name", "{here}"), "name=value"),
        (("inject", "htp", "part=api", "--name", "{here}"), "no primitive named htp"),
        (("break", "request.nonsense", "--name", "{here}"), "request.nonsense"),
        (("up", "--name", "../up"), "name"),
        (("up", "--semconv", "ancient"), "semconv must be one of"),
    ],
)
def test_wrong_use_is_one_message_and_exit_2(sandbox: Sandbox, arguments: tuple[str, ...], words: str) -> None:
    done = _run(*(word.replace("{here}", sandbox.name) for word in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
