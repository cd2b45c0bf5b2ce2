"""`runbook audit`: procedures side by side, nothing taken along, told by what changed; two of one name never overlap."""

import fcntl
import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.conftest import House, Lamp

FILE = """
[audits.nightly]
procedures = ["90"]
targets = ["fix"]
since_last = true
keep_days = 1
deadline_s = 60

[audits.nightly.parameters.90]
name = "porch"
"""


def audited(house: House, *arguments: str, expect: int) -> dict[str, Any]:
    done = house.run("audit", *arguments, "--json")
    assert done.returncode == expect, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture
def nightly(house: House) -> House:
    (house.root / "audits.toml").write_text(FILE)
    return house


def test_each_night_tells_only_what_is_new(nightly: House, lamp: Lamp) -> None:
    first = audited(nightly, "--name", "nightly", expect=1)
    assert [each["code"] for each in first["jobs"][0]["counts"]] == ["lamp.dark"]
    assert first["jobs"][0]["counts"][0]["subject"] == "porch", "the file's parameters reach the run"
    second = audited(nightly, "--name", "nightly", expect=0)
    assert second["jobs"][0]["counts"] == []
    assert [each["code"] for each in second["jobs"][0]["known"]] == ["lamp.dark"]
    lamp.answer["lit"] = True
    third = audited(nightly, "--name", "nightly", expect=0)
    assert third["jobs"][0]["status"] == "ruled_out"
    done = nightly.run("diff", second["record"], third["record"], "--json")
    assert done.returncode == 0
    assert [each["code"] for each in json.loads(done.stdout)["jobs"][0]["gone"]] == ["lamp.dark"]
    assert nightly.run("diff", third["record"], second["record"]).returncode == 1


def test_every_job_leaves_a_whole_artifact_below_the_audits_incident(nightly: House) -> None:
    said = audited(nightly, "--name", "nightly", expect=1)
    artifact = nightly.outputs / "audit-nightly" / said["jobs"][0]["artifact"]
    assert nightly.run("verify", str(artifact)).returncode == 0
    assert nightly.run("replay", str(artifact), "--no-kernel").returncode == 1


def test_a_muted_finding_makes_no_night_red(nightly: House) -> None:
    found = audited(nightly, "--name", "nightly", "--everything", expect=1)["jobs"][0]["counts"][0]
    mute = f'[[muted]]\nfingerprint = "{found["fingerprint"]}"\nuntil = 2999-01-01\nreason = "the bulb is ordered"\n'
    (nightly.root / "audits.toml").write_text(FILE + mute)
    said = audited(nightly, "--name", "nightly", "--everything", expect=0)
    assert [each["code"] for each in said["jobs"][0]["muted"]] == ["lamp.dark"]


def test_a_night_that_saw_nothing_is_no_quiet_night(nightly: House, lamp: Lamp) -> None:
    lamp.status = 403
    for _ in range(2):
        assert audited(nightly, "--name", "nightly", expect=3)["jobs"][0]["status"] == "could_not_tell"


def test_a_procedure_that_breaks_or_hangs_takes_no_other_with_it(house: House) -> None:
    for number, trouble in (("91", "raise RuntimeError('broken')"), ("92", "import time; time.sleep(600)")):
        document = json.loads(house.notebook.read_text().replace("90_lamp", f"{number}_lamp{number}"))
        cells = document["cells"]
        at = next(i for i, cell in enumerate(cells) if "step:look_at_the_switch" in cell["metadata"].get("tags", []))
        cells[at]["source"] = trouble
        cells[at]["metadata"]["runbook"] = {"timeout_s": 1}
        (house.root / "notebooks" / f"{number}_lamp{number}.ipynb").write_text(json.dumps(document))
        module = (house.root / "procedures" / "lamp.py").read_text().replace("90_lamp", f"{number}_lamp{number}")
        (house.root / "procedures" / f"lamp{number}.py").write_text(module)
    said = audited(house, "--target", "fix", expect=5)
    statuses = {job["procedure"]: (job["status"], job["counted_as"]) for job in said["jobs"]}
    assert statuses["90_lamp"] == ("confirmed", 1)
    assert statuses["91_lamp91"] == (None, 5)
    assert statuses["92_lamp92"] == ("could_not_tell", 3)


def test_two_audits_of_one_name_never_overlap(nightly: House) -> None:
    folder = nightly.outputs / "audit-nightly"
    folder.mkdir(parents=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = nightly.run("audit", "--name", "nightly")
        assert done.returncode == 2
        assert "running already" in done.stderr
    assert nightly.run("audit", "--name", "nightly").returncode == 1, "a lock that nobody holds keeps nobody out"


def test_ending_an_audit_ends_its_runs_and_leaves_a_record(nightly: House) -> None:
    nightly.insert("import time; time.sleep(600)")
    process = nightly.start("audit", "--name", "nightly", "--json")
    end = time.monotonic() + 60
    while not list(nightly.outputs.glob("*/90_lamp/*.partial/observations.jsonl")) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    said = json.loads(out)
    assert said["state"] == "cancelled"
    (partial,) = nightly.outputs.glob("*/90_lamp/*.partial")
    assert json.loads((partial / "run.json").read_text())["state"] == "cancelled"


def test_old_artifacts_go_and_the_newest_audit_stays(nightly: House) -> None:
    old = audited(nightly, "--name", "nightly", expect=1)
    record = Path(old["record"])
    record.write_text(record.read_text().replace(old["ended_at"], "2020-01-01T00:00:00.000Z"))
    artifact = nightly.outputs / "audit-nightly" / old["jobs"][0]["artifact"]
    new = audited(nightly, "--name", "nightly", expect=0)
    assert not artifact.exists()
    assert not record.exists()
    assert Path(new["record"]).exists()
    assert (nightly.outputs / "audit-nightly" / new["jobs"][0]["artifact"]).is_dir()


def test_doctor_is_part_of_an_audit_where_it_is_asked_for(nightly: House) -> None:
    (nightly.root / "audits.toml").write_text(FILE.replace("since_last = true", "since_last = true\ndoctor = true"))
    said = audited(nightly, "--name", "nightly", expect=1)
    assert [job["procedure"] for job in said["jobs"]] == ["doctor", "90_lamp"]
    assert said["jobs"][0]["status"] in ("confirmed", "ruled_out")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["99"], "no such procedure"),
        (["90", "--target", "nowhere"], "nowhere"),
        (["90", "-p", "90:colour=red"], "colour"),
        (["90", "-p", "name=red"], "Whose parameter"),
        (["90", "-p", "90:count=many"], "count"),
        (["--name", "weekly"], "weekly"),
        (["90", "--name", "../x"], "incident"),
    ],
)
def test_wrong_use_runs_nothing(nightly: House, arguments: list[str], words: str) -> None:
    done = nightly.run("audit", *arguments, *([] if "--target" in arguments else ["--target", "fix"]))
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert not list(nightly.outputs.glob("*/*/*"))


def test_the_summary_is_a_table_of_markdown(nightly: House, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    nightly.run("audit", "--name", "nightly", "--summary", str(summary))
    text = summary.read_text()
    assert text.startswith("before\n")
    assert "| fix | 90_lamp | confirmed | lamp.dark · porch |" in text


def test_a_unit_is_printed_for_an_audit_of_the_file(nightly: House) -> None:
    done = nightly.run("schedule", "nightly", "--as", "systemd")
    assert done.returncode == 0
    assert "OnCalendar=" in done.stdout
    assert nightly.run("schedule", "weekly").returncode == 2
