"""An artifact replays: offline, without settings, as often as one likes, and changes by no byte."""

import hashlib
import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from runbook_lib.run.home import Home
from runbook_lib.run.replay import replay
from runbook_lib.settings import Settings
from tests.notebooks.conftest import RUNBOOK, House, Lamp


def fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_mtime_ns}".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def home_of(house: House) -> Home:
    return Home(house.root, house.outputs)


def test_it_replays_in_a_kernel_without_any_network_settings_or_env(house: House, lamp: Lamp) -> None:
    folder = house.artifact("-p", "note=a@b.example")
    before, asked = fingerprint(folder), len(lamp.asked)
    (house.root / ".env.fix").unlink()
    command = [str(RUNBOOK), "replay", str(folder), "--json"]
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0:
        command = ["unshare", "-n", *command]  # a namespace in which not even loopback is up
    done = subprocess.run(command, env=house.env, cwd=house.cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["same"] is True
    assert said["verdict_sha256"] == json.loads((folder / "verdict.json").read_text())["verdict_sha256"]
    assert fingerprint(folder) == before
    assert len(lamp.asked) == asked


def test_a_hundred_replays_without_a_kernel_reach_the_same_hash(house: House) -> None:
    folder = house.artifact()
    before = fingerprint(folder)
    wanted = json.loads((folder / "verdict.json").read_text())["verdict_sha256"]
    assert {replay(folder, with_kernel=False, home=home_of(house)).after["verdict_sha256"] for _ in range(100)} == {
        wanted
    }
    assert fingerprint(folder) == before


def test_a_replay_reads_no_clock_and_no_settings(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = house.artifact()

    class NoClock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "NoClock":
            raise AssertionError("the clock was read")

    def no_settings(*_: object, **__: object) -> None:
        raise AssertionError("settings were read")

    for module in (
        "runbook_lib.io.observe",
        "runbook_lib.run.context",
        "runbook_lib.core.clock",
    ):
        monkeypatch.setattr(f"{module}.datetime", NoClock)
    monkeypatch.setattr(Settings, "from_mapping", no_settings)
    monkeypatch.setattr(Settings, "empty", no_settings)
    assert replay(folder, with_kernel=False, home=home_of(house)).same


@pytest.mark.parametrize("how", ["--kernel", "--no-kernel"])
def test_another_record_gives_another_verdict_and_exit_6(house: House, how: str) -> None:
    folder = house.artifact()
    record = folder / "observations.jsonl"
    record.write_text(record.read_text().replace('"lit":false', '"lit":true'))
    refused = house.run("replay", str(folder), how)
    assert refused.returncode == 2
    assert "observations.jsonl" in refused.stderr
    assert "--not-intact" in refused.stderr
    done = house.run("replay", str(folder), how, "--not-intact")
    assert done.returncode == 6
    assert "NOT intact" in done.stderr


def test_steps_that_ran_twice_replay_as_they_ran(house: House, lamp: Lamp) -> None:
    house.insert("run.look_at_the_lamp()", before="conclusion", tags=("step", "step:again"))
    folder = house.artifact()
    assert json.loads((folder / "run.json").read_text())["executed"] == [
        "look_at_the_lamp",
        "look_at_the_switch",
        "look_at_the_lamp",
        "look_at_the_switch",
    ]
    assert house.run("replay", str(folder)).returncode == 1
    assert house.run("replay", str(folder), "--no-kernel").returncode == 1


def test_an_engineers_own_cell_is_not_run_again(house: House, tmp_path: Path) -> None:
    mark = tmp_path / "ran"

    def own(cells: list) -> None:
        cells.insert(6, {**cells[5], "id": "own", "metadata": {}, "source": f"open({str(mark)!r}, 'a').write('x')"})

    house.edit(own)
    folder = house.artifact()
    assert mark.read_text() == "x"
    assert house.run("replay", str(folder)).returncode == 1
    assert mark.read_text() == "x"


def test_a_parameter_with_an_email_address_replays_though_it_is_masked(house: House, lamp: Lamp) -> None:
    folder = house.artifact("-p", "name=jane.doe@example.com")
    assert lamp.asked[0] == "/lamp?name=jane.doe%40example.com"
    assert "jane.doe" not in (folder / "verdict.json").read_text() + (folder / "run.json").read_text()
    for how in ("--kernel", "--no-kernel"):
        assert house.run("replay", str(folder), how).returncode == 1


@pytest.mark.parametrize("how", ["--kernel", "--no-kernel"])
def test_a_falsified_verdict_is_another_verdict_though_its_hash_was_left_alone(house: House, how: str) -> None:
    folder = house.artifact()
    written = folder / "verdict.json"
    said = json.loads(written.read_text())
    written.write_text(json.dumps({**said, "status": "ruled_out", "causes": []}))
    done = house.run("replay", str(folder), how, "--not-intact", "--json")
    assert done.returncode == 6, done.stderr
    told = json.loads(done.stdout)
    assert told["same"] is False
    assert told["recorded"]["status"] == "ruled_out"
    assert told["recorded"]["verdict_sha256"] != told["verdict_sha256"] == said["verdict_sha256"]
    assert "verdict.json was changed" in done.stderr


def test_a_rewritten_hash_alone_is_another_verdict_as_well(house: House) -> None:
    folder = house.artifact()
    written = folder / "verdict.json"
    written.write_text(json.dumps({**json.loads(written.read_text()), "verdict_sha256": "0" * 64}))
    assert house.run("replay", str(folder), "--no-kernel", "--not-intact").returncode == 6


@pytest.mark.parametrize("lost", ["verdict.json", "observations.jsonl", "run.json"])
def test_a_file_that_is_gone_is_named_in_words(house: House, lost: str) -> None:
    folder = house.artifact()
    (folder / lost).unlink()
    done = house.run("replay", str(folder), "--not-intact")
    assert done.returncode == 2
    assert f"{lost}: No such file or directory. `runbook verify` names what was changed" in done.stderr
    assert "Error" not in done.stderr.replace("UsageError", "")


@pytest.mark.parametrize("spoilt", ["verdict.json", "observations.jsonl", "run.json", "notebook.ipynb"])
@pytest.mark.parametrize("with_what", ["", "{", "[1, 2]\n"])
def test_a_corrupt_artifact_is_wrong_use_and_no_traceback(house: House, spoilt: str, with_what: str) -> None:
    folder = house.artifact()
    (folder / spoilt).write_text(with_what)
    assert house.run("replay", str(folder)).returncode == 2
    done = house.run("replay", str(folder), "--not-intact", "--no-kernel")
    assert done.returncode in (1, 2, 6) if spoilt == "notebook.ipynb" else (2, 6), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_what_is_no_artifact_cannot_be_replayed(house: House, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", house.root):
        done = house.run("replay", str(path))
        assert done.returncode == 2
        assert "not an artifact" in done.stderr


def test_a_moved_artifact_still_verifies_and_replays(house: House, tmp_path: Path) -> None:
    folder = house.artifact()
    elsewhere = tmp_path / "attached to a postmortem"
    shutil.move(folder, elsewhere)
    assert house.run("verify", str(elsewhere)).returncode == 0
    assert house.run("replay", str(elsewhere)).returncode == 1
