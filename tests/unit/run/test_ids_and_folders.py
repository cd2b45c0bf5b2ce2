"""Names of incidents and runs; the folder of a run; runs that were killed."""

import threading
from pathlib import Path

import pytest

from runbook_lib.core.errors import ArtifactError, UsageError
from runbook_lib.run import partials
from runbook_lib.run.context import RunContext, is_running, make_folder, new_context, read_context
from runbook_lib.run.home import Home
from runbook_lib.run.ids import checked_incident, is_run_id, new_run_id
from runbook_lib.run.partials import settle_killed


def context(**more: object) -> RunContext:
    made = new_context("90_lamp", incident="INC-7", target="fix", parameters={"name": "hall"}, active=False)
    return made.changed(**more)


def home(tmp_path: Path) -> Home:
    return Home(tmp_path, tmp_path / "outputs")


@pytest.mark.parametrize("name", ["INC-7", "a", "A.b_c-9", "-x", "_", "x" * 64, "2026-11-23"])
def test_a_safe_incident_name_is_taken(name: str) -> None:
    assert checked_incident(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "../up", "a/b", "a b", "a\nb", "x" * 65, "ü", "a\0b", "INC-7\n"]
)
def test_an_unsafe_incident_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        checked_incident(name)


def test_run_ids_sort_by_time_and_are_known_by_their_form() -> None:
    first = new_run_id()
    assert is_run_id(first)
    assert not is_run_id(first + "\n")
    assert first[:15] <= new_run_id()[:15]


def test_runs_that_begin_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    made: list[Path] = []

    def many() -> None:
        for _ in range(25):
            made.append(make_folder(home(tmp_path), context())[1])

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 200
    assert all(read_context(folder).run + ".partial" == folder.name for folder in made)


def test_a_folder_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file")
    with pytest.raises(UsageError, match="outputs folder"):
        make_folder(home(tmp_path), context())
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]


def test_a_run_whose_process_is_gone_was_killed_and_is_told_once(tmp_path: Path) -> None:
    _, folder = make_folder(home(tmp_path), context(pid=4_000_000, pid_started=1.0))
    assert [each.folder for each in settle_killed(home(tmp_path))] == [folder]
    assert read_context(folder).state == "killed"
    assert settle_killed(home(tmp_path)) == []


def test_a_run_of_a_living_process_and_one_that_ended_by_itself_are_left_alone(tmp_path: Path) -> None:
    living, folder = make_folder(home(tmp_path), context())
    assert is_running(living)
    _, broke = make_folder(home(tmp_path), context(state="broke", pid=4_000_000, pid_started=1.0))
    assert settle_killed(home(tmp_path)) == []
    assert read_context(folder).state == "running"
    assert read_context(broke).state == "broke"


def test_a_run_of_another_container_is_left_alone_until_it_cannot_run_any_more(tmp_path: Path) -> None:
    """Its process id counts in a namespace of its own: here it names nobody, or somebody else."""
    elsewhere = {"pid": 4_000_000, "pid_started": 1.0, "pid_namespace": 1}
    _, young = make_folder(home(tmp_path), context(**elsewhere))
    _, old = make_folder(home(tmp_path), context(**elsewhere, now="2026-01-01T00:00:00Z", deadline_s=900.0))
    assert [each.folder for each in settle_killed(home(tmp_path))] == [old]
    assert read_context(young).state == "running"


def test_a_folder_that_got_nothing_is_removed_and_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home(tmp_path).outputs / "INC-7" / "90_lamp" / "20261201T000000.000Z-0000.partial"
    folder.mkdir(parents=True)
    assert settle_killed(home(tmp_path)) == [], "a young one may get its run.json yet"
    monkeypatch.setattr(partials, "_YOUNG_S", -1.0)
    (told,) = settle_killed(home(tmp_path))
    assert "removed" in told.why
    assert not folder.exists()


def test_a_process_id_that_was_used_again_is_another_process(tmp_path: Path) -> None:
    assert not is_running(context(pid_started=1.0))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"run": "x"}', "\xff"])
def test_a_spoilt_run_record_is_an_artifact_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(ArtifactError, match=r"run\.json"):
        read_context(tmp_path)
