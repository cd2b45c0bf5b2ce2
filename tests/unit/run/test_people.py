"""People are pseudonyms from the look on: stable within an incident, resolved on the machine that made them and nowhere else."""

import json
import tempfile
from pathlib import Path

import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.core.pseudonyms import Pseudonyms
from runbook_lib.core.redact import Redactor
from runbook_lib.run import runtime
from runbook_lib.run.people import forget_people, pseudonyms_of, state_folder, who

JANE, JOHN = "Jane.Doe@example.com", "john@example.com"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "nexuscore-runbook"


def shown(incident: str, text: str = JANE) -> str:
    return Redactor(pseudonyms=pseudonyms_of(incident)).text(text)


def test_one_person_is_one_pseudonym_within_an_incident_and_another_in_the_next() -> None:
    assert shown("INC-7") == shown("INC-7") == shown("INC-7", JANE.lower())
    assert (
        len({shown("INC-7"), shown("INC-8"), shown("INC-7", JOHN), shown("INC-7", f'{{"full_name":"{JOHN[:4]}"}}')})
        == 4
    )


def test_another_machine_gives_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = shown("INC-7")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    assert shown("INC-7") != here
    with pytest.raises(UsageError, match="Nobody on this machine"):
        who(here)


def test_it_is_resolved_on_its_machine_until_it_is_forgotten() -> None:
    masked = Redactor(pseudonyms=pseudonyms_of("INC-7")).data(
        json.dumps({"note": f"asked by {JANE}", "customer_name": "Jane Doe", "name": "api"}).encode()
    )
    said = json.loads(masked)
    assert said["name"] == "api"
    assert who(said["note"].removeprefix("asked by ")) == JANE
    assert who(said["customer_name"]) == "Jane Doe"
    forget_people("INC-7")
    with pytest.raises(UsageError, match="Nobody on this machine"):
        who(said["customer_name"])


def test_key_and_people_are_this_user_s_alone(state: Path) -> None:
    shown("INC-7")
    assert state.stat().st_mode & 0o077 == 0
    files = [path for path in state.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"pseudonyms.key", "INC-7.jsonl"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


@pytest.mark.parametrize("text", ["", "jane", "<email:123>", "<email:0123456789>x", "../../etc/passwd"])
def test_what_is_no_pseudonym_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="no pseudonym"):
        who(text)


def test_without_a_home_the_key_lies_in_the_private_runtime_folder_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(runtime, "_YOUNG_S", -1.0)
    with tempfile.TemporaryDirectory(prefix="rb") as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        assert state_folder().is_relative_to(short)
        before = shown("INC-7")
        runtime.clear_stale()
        assert who(before) == JANE


def test_a_plain_hash_of_an_address_does_not_find_its_pseudonym() -> None:
    keyless = Redactor(pseudonyms=Pseudonyms(b"", "INC-7")).text(JANE)
    assert keyless != shown("INC-7")
