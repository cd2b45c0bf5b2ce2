"""A sandbox comes up, stays alone, and leaves nothing behind, however it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.sandbox_eyes import Eyes, SeenSpan

from runbook_lib.core.errors import SandboxError, UsageError
from runbook_lib.sandbox import Sandbox, children, home

RUNBOOK = Path(sys.executable).with_name("runbook")
_PLAIN = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"life-{uuid.uuid4().hex[:8]}"
    yield chosen
    left = home.home_of(chosen)
    if left.folder.exists():
        left.clear()


def _alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if children.started_at(pid) is not None]


def _pids(name: str) -> list[int]:
    recorded = [pid for pid, _, _ in home.home_of(name).processes()]
    return recorded + [child.pid for pid in recorded for child in psutil.Process(pid).children(recursive=True)]


def _until(condition: object, seconds: float = 60) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


def test_down_leaves_no_process_no_port_and_no_file(name: str) -> None:
    with Sandbox.up(name, traffic=False) as sandbox:
        pids, urls = _pids(name), list(sandbox.endpoints.values())
        assert name in Sandbox.running()
        assert len(_alive(pids)) > 4
    assert _alive(pids) == []
    assert not home.home_of(name).folder.exists()
    for url in urls:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0
    sandbox.down()  # again: nothing to do


def test_a_second_one_of_the_same_name_is_refused(name: str) -> None:
    with Sandbox.up(name, traffic=False, foreground=True), pytest.raises(UsageError, match="is up already"):
        Sandbox.up(name)


def test_two_run_side_by_side_and_know_nothing_of_each_other(name: str) -> None:
    other = f"{name}-2"
    with (
        Sandbox.up(name, traffic=False, foreground=True) as one,
        Sandbox.up(other, traffic=False, foreground=True) as two,
    ):
        one.inject("http", part="gateway", status=500)
        assert one.visit("chat")["status"] == 502
        assert two.visit("chat")["status"] == 200
        assert not set(one.endpoints.values()) & set(two.endpoints.values())
        assert one.env["STRIPE_SECRET_KEY"] != two.env["STRIPE_SECRET_KEY"]


def test_after_a_kill_of_the_supervisor_its_children_die_and_the_next_up_clears_the_rest(name: str) -> None:
    sandbox = Sandbox.up(name, traffic=False)
    pids = _pids(name)
    os.kill(pids[0], signal.SIGKILL)
    assert _until(lambda: not _alive(pids))
    assert home.home_of(name).folder.exists()
    with pytest.raises(SandboxError):
        sandbox.status()
    with Sandbox.up(name, traffic=False, foreground=True) as again:
        assert again.visit("home")["status"] == 200


def test_a_bound_sandbox_goes_when_its_starter_is_killed(name: str) -> None:
    up = f"Sandbox.up({name!r}, traffic=False, foreground=True)"
    script = (
        f"from runbook_lib.sandbox import Sandbox; import time; kept = {up}; print('up', flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    assert starter.stdout.readline() == "up\n"
    pids = _pids(name)
    starter.kill()
    starter.communicate()
    assert _until(lambda: not _alive(pids) and not home.home_of(name).folder.exists())


@pytest.mark.parametrize("after_s", [0.3, 1.0])
def test_ctrl_c_during_up_leaves_nothing(name: str, after_s: float) -> None:
    starting = subprocess.Popen(
        [RUNBOOK, "sandbox", "up", "--name", name], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(after_s)
    pids = [starting.pid, *(child.pid for child in psutil.Process(starting.pid).children(recursive=True))]
    starting.send_signal(signal.SIGINT)
    starting.communicate(timeout=30)
    # on a slow machine the interpreter itself may still be starting: a shell shows 130 for both
    assert starting.returncode in {130, -signal.SIGINT}
    assert _until(lambda: not _alive(pids))
    assert not home.home_of(name).folder.exists()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_foreground_sandbox_goes_down_on_a_signal(name: str, signal_number: int) -> None:
    command = [RUNBOOK, "sandbox", "up", "--foreground", "--no-traffic", "--json", "--name", name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_PLAIN)
    assert process.stdout is not None
    text = ""
    while not text.rstrip().endswith("}"):  # it says so into a pipe as well, while it stays up
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        text += line
    assert json.loads(text)["name"] == name
    pids = _pids(name)
    process.send_signal(signal_number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal_number
    assert _alive(pids) == []
    assert not home.home_of(name).folder.exists()


def test_a_taken_standard_port_is_wrong_use_and_leaves_nothing(name: str) -> None:
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            squatter.bind(("127.0.0.1", 3001))
            squatter.listen()
        except OSError:
            pytest.skip("something on this machine has port 3001 already")
        done = subprocess.run(
            [RUNBOOK, "sandbox", "up", "--standard-ports", "--name", name, "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "Port 3001 is taken" in json.loads(done.stdout)["tried"]
    assert not home.home_of(name).folder.exists()


@pytest.mark.parametrize("bad", ["../x", ".hidden", "", "a b", "x" * 41, "a/b"])
def test_a_name_that_is_no_folder_name_is_refused(bad: str) -> None:
    with pytest.raises(UsageError, match="name"):
        Sandbox.up(bad)


@pytest.mark.parametrize(
    "options",
    [{"semconv": "older"}, {"trace_backend": "zipkin"}, {"schema": "/no/such.sql"}, {"gateway_platform": "vercel"}],
)
def test_an_option_that_cannot_be_is_refused_before_anything_starts(name: str, options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Sandbox.up(name, **options)
    assert not home.home_of(name).folder.exists()


def test_a_schema_that_does_not_load_says_why_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    schema = tmp_path / "broken.sql"
    schema.write_text("create table public.profiles (id uuid; -- half a statement")
    with pytest.raises(SandboxError, match="syntax error"):
        Sandbox.up(name, schema=schema)
    assert not home.home_of(name).folder.exists()


def test_a_schema_file_is_loaded_as_it_is(name: str, tmp_path: Path) -> None:
    own = (Path(home.__file__).parent / "schema" / "nexuscore.sql").read_text()
    recursing = own.replace(
        "create policy memberships_select_member on public.memberships for select using (private.is_member(org_id));",
        "create policy memberships_select_member on public.memberships for select using (org_id in "
        "(select m.org_id from public.memberships m where m.user_id = public.auth_uid()));",
    )
    assert recursing != own
    schema = tmp_path / "001_init.sql"
    schema.write_text(recursing)
    with Sandbox.up(name, schema=schema, traffic=False, foreground=True) as sandbox:
        assert sandbox.visit("chat")["status"] == 500


@pytest.mark.parametrize(
    ("options", "present", "absent"),
    [
        ({"trace_backend": "jaeger"}, "RUNBOOK_JAEGER_URL", "RUNBOOK_TEMPO_URL"),
        (
            {"gateway_platform": "fly", "trace_backend": "none"},
            "RUNBOOK_FLY_GATEWAY_APP",
            "RUNBOOK_RAILWAY_GATEWAY_SERVICE_ID",
        ),
        ({"api_platform": "railway", "semconv": "old"}, "RUNBOOK_RAILWAY_API_SERVICE_ID", "RUNBOOK_VERCEL_API_PROJECT"),
    ],
)
def test_other_set_ups_work_and_the_settings_follow(
    name: str, options: dict[str, str], present: str, absent: str
) -> None:
    with Sandbox.up(name, traffic=False, foreground=True, **options) as sandbox:
        assert sandbox.visit("chat")["status"] == 200
        assert present in sandbox.env
        assert absent not in sandbox.env


def test_the_same_seed_makes_the_same_people_and_another_one_others(name: str) -> None:
    with Sandbox.up(name, traffic=False, seed=3, foreground=True) as sandbox:
        first, key = sandbox.people, sandbox.env["STRIPE_SECRET_KEY"]
    with Sandbox.up(name, traffic=False, seed=3, foreground=True) as sandbox:
        assert (sandbox.people, sandbox.env["STRIPE_SECRET_KEY"]) == (first, key)


def test_traffic_is_steady_and_healthy(name: str) -> None:
    with Sandbox.up(name, seed=4, foreground=True) as sandbox:
        assert _until(lambda: sandbox.status()["requests"] > 12)
        assert sandbox.status()["spans"] > 0


def test_old_names_and_a_service_name_for_each_part(name: str) -> None:
    with Sandbox.up(
        name,
        traffic=False,
        semconv="old",
        service_names="several",
        api_platform="railway",
        gateway_platform="fly",
        foreground=True,
    ) as sandbox:
        whole = {"nexus-web", "nexus-api", "nexus-gateway"}
        request_id = sandbox.visit("chat")["request_id"]
        spans = Eyes(sandbox).trace(request_id, lambda found: _is_whole(found, whole))
    assert {span.service for span in spans} == whole
    attributes = {key for span in spans for key in span.attributes}
    assert {"http.method", "http.status_code", "db.system", "gen_ai.system", "gen_ai.usage.prompt_tokens"} <= attributes
    assert (
        not {"http.request.method", "http.response.status_code", "db.system.name", "gen_ai.provider.name"} & attributes
    )
    (api,) = [span for span in spans if span.attributes.get("http.route") == "/api/chat" and span.kind == "server"]
    assert "http.request.header.x-railway-request-id" in api.attributes
    assert "vercel.request_id" not in api.attributes


def _is_whole(spans: list[SeenSpan], services: set[str]) -> bool:
    """Every part has sent, and every server span is there: a part's batch may come in two."""
    servers = [span for span in spans if span.kind == "server"]
    return {span.service for span in servers} == services and any(span.name.startswith("chat ") for span in spans)
