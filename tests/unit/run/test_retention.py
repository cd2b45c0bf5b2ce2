"""Artifacts are kept for so many days after an incident's newest run, never less, and nothing that is not ours is touched."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook_lib.artifact.seal import seal
from runbook_lib.cli.app import run_app
from runbook_lib.core.clock import to_iso
from runbook_lib.core.errors import UsageError
from runbook_lib.run.context import make_folder, new_context
from runbook_lib.run.home import Home
from runbook_lib.run.people import pseudonyms_of, who
from runbook_lib.run.retention import OPEN, days_from, expired, forget

NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Home(tmp_path, tmp_path / "outputs")


def run(home: Home, incident: str, age_days: float, *, sealed: bool = True, **more: object) -> Path:
    """A run of that age, as it lies in the outputs."""
    context = new_context("90_lamp", incident=incident, target="fix", parameters={}, active=False)
    context = context.changed(now=to_iso(NOW - timedelta(days=age_days)), **more)
    _, folder = make_folder(home, context)
    return seal(folder, {}).folder if sealed else folder


def names(home: Home, days: float = 30) -> list[str]:
    return [each.incident for each in expired(home, days, NOW)]


def test_an_incident_goes_as_a_whole_when_its_newest_run_is_old(home: Home) -> None:
    old = [run(home, "INC-1", 90), run(home, "INC-1", 31)]
    young = [run(home, "INC-2", 90), run(home, "INC-2", 29)]
    (over,) = expired(home, 30, NOW)
    assert (over.incident, set(over.paths)) == ("INC-1", set(old))
    assert all(path.exists() for path in old), "asking removes nothing"
    forget(home, [over])
    assert not (home.outputs / "INC-1").exists()
    assert all(path.exists() for path in young)


def test_an_open_incident_stays(home: Home) -> None:
    folder = run(home, "INC-1", 90)
    (home.outputs / "INC-1" / OPEN).touch()
    run(home, "INC-2", 90, sealed=False)  # of this very process, so it still runs
    run(home, "INC-3", 90, sealed=False, pid=4_000_000, pid_started=1.0)
    assert names(home) == ["INC-3"]
    (home.outputs / "INC-1" / OPEN).unlink()
    assert names(home) == ["INC-1", "INC-3"]
    assert folder.exists()


def test_what_is_not_ours_stays_and_nothing_is_followed(home: Home, tmp_path: Path) -> None:
    run(home, "INC-1", 90)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (home.outputs / "INC-1" / "90_lamp" / "link").symlink_to(elsewhere)
    (home.outputs / "INC-1" / "notes.md").write_text("for the postmortem")
    (home.outputs / "linked").symlink_to(home.outputs / "INC-1")
    moved = run(home, "INC-9", 90)
    (home.outputs / "INC-8" / "90_lamp").mkdir(parents=True)
    moved.rename(home.outputs / "INC-8" / "90_lamp" / moved.name)  # under a name that its own record does not have
    run(home, "audit-nightly", 90)
    assert names(home) == ["INC-1"]
    forget(home, expired(home, 30, NOW))
    assert (elsewhere / "kept").exists()
    assert (home.outputs / "INC-1" / "notes.md").read_text() == "for the postmortem"
    assert (home.outputs / "INC-8" / "90_lamp" / moved.name).exists()
    assert (home.outputs / "audit-nightly").exists()


def test_working_copies_and_people_go_with_their_incident(home: Home) -> None:
    run(home, "INC-1", 90)
    copy, own = home.outputs / "INC-1" / "90_lamp.ipynb", home.outputs / "INC-1" / "own.ipynb"
    copy.write_text(json.dumps({"cells": [], "metadata": {"runbook": {"working_copy": {"incident": "INC-1"}}}}))
    own.write_text(json.dumps({"cells": [], "metadata": {}}))
    jane = pseudonyms_of("INC-1").of("email", b"jane@example.com").decode()
    assert who(jane) == "jane@example.com"
    forget(home, expired(home, 30, NOW))
    assert (copy.exists(), own.exists()) == (False, True)
    with pytest.raises(UsageError):
        who(jane)


def test_a_removal_that_was_killed_is_finished_by_the_next(home: Home) -> None:
    folder = run(home, "INC-1", 90)
    aside = home.outputs / ".forgotten-0a1b2c3d"
    aside.mkdir()
    folder.rename(aside / "0")
    forget(home, expired(home, 30, NOW))
    assert not aside.exists()


@pytest.mark.parametrize("text", ["", "0", "-1", "ten", "nan", "inf", "1e9"])
def test_what_is_no_number_of_days_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="days"):
        days_from(text, "x")


def test_the_command_says_what_it_does(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(home, "INC-1", 90)
    monkeypatch.delenv("RUNBOOK_KEEP_DAYS", raising=False)

    def command(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as left:
            run_app(["forget", f"--outputs={home.outputs}", *arguments])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out + said.err

    monkeypatch.setenv("RUNBOOK_HOME", str(home.root))
    assert command()[0] == 2
    assert command("--older-than", "30", "--dry-run") == (
        0,
        "INC-1  90 days old, 1 of its folders and files\n1 incidents would be forgotten; kept are 30 days\n",
    )
    monkeypatch.setenv("RUNBOOK_KEEP_DAYS", "30")
    code, said = command("--json")
    assert (code, [each["incident"] for each in json.loads(said)["incidents"]]) == (0, ["INC-1"])
    assert not (home.outputs / "INC-1").exists()
