"""`runbook run` end to end: the verdict, the artifact, and everything it must not depend on."""

import json
from pathlib import Path

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.core.model import verdict_sha256
from tests.notebooks.conftest import House, Lamp, outcomes, texts

FILES = {
    "facts.json",
    "manifest.json",
    "manifest.sha256",
    "notebook.ipynb",
    "observations.jsonl",
    "report.html",
    "run.json",
    "verdict.json",
}


def test_a_fault_is_confirmed_with_exit_1_and_a_whole_artifact(house: House) -> None:
    done = house.run("run", "90", "--target", "fix", "--incident", "INC-7", "--json")
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["status"] == "confirmed"
    assert [cause["code"] for cause in said["causes"]] == ["lamp.dark"]
    folder = Path(said["artifact"])
    assert folder.parent == house.outputs / "INC-7" / "90_lamp"
    assert {path.name for path in folder.iterdir()} == FILES
    assert verify(folder, said["manifest_sha256"]).intact
    assert set(outcomes(folder / "notebook.ipynb").values()) == {"done"}


def test_verdict_json_holds_what_the_contract_says(house: House) -> None:
    verdict = json.loads((house.artifact() / "verdict.json").read_text())
    wanted = (
        "schema procedure incident run target parameters window status causes also states blind suspects coverage looked_at"
        " not_seen situation first_evidence_s verdict_s started_at runbook_version library_sha256 verdict_sha256"
    )
    assert set(verdict) == set(wanted.split())
    assert verdict["schema"] == 2
    assert verdict["verdict_sha256"] == verdict_sha256(verdict)
    assert verdict["target"] == "fix"
    assert 0 < verdict["first_evidence_s"] <= verdict["verdict_s"]
    assert {look["id"] for look in verdict["looked_at"]} >= set(verdict["causes"][0]["evidence"])


@pytest.mark.parametrize(
    ("answer", "status", "code", "said"),
    [({"lit": True}, 200, 0, "ruled_out"), ({"lit": False}, 200, 1, "confirmed"), ({}, 503, 3, "could_not_tell")],
)
def test_the_exit_code_is_the_verdict_s(
    house: House, lamp: Lamp, answer: dict, status: int, code: int, said: str
) -> None:
    lamp.answer, lamp.status = answer, status
    done = house.run("run", "lamp", "--target", "fix", "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (code, said), done.stderr


HOSTILE = [
    "'; drop table lamps; --",
    '{name} {0} "quoted" \\',
    "line\nbreak\ttab",
    "x" * 10_000,
    "$(touch pwned) `id`",
    "1234e56",
    "00123",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_parameter_arrives_as_data_whatever_it_holds(house: House, lamp: Lamp, name: str) -> None:
    folder = house.artifact("-p", f"name={name}")
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["parameters"]["name"] == name
    assert json.loads((folder / "observations.jsonl").read_text().splitlines()[0])["value"]["name"] == name
    assert not list(house.cwd.iterdir())


def test_a_file_named_like_a_module_beside_the_caller_shadows_nothing(house: House) -> None:
    for name in ("html.py", "json.py", "runbook_lib.py", "pandas.py", "papermill.py"):
        (house.cwd / name).write_text("raise RuntimeError('shadowed')")
    assert house.run("run", "90", "--target", "fix").returncode == 1


def test_the_outputs_folder_may_have_spaces_and_braces(house: House, tmp_path: Path) -> None:
    outputs = tmp_path / "out {run_uuid} {0} é"
    done = house.run("run", "90", "--target", "fix", "--outputs", str(outputs))
    assert done.returncode == 1, done.stderr
    (folder,) = outputs.glob("*/*/*")
    assert verify(folder).intact


def test_runs_at_once_do_not_meet(house: House) -> None:
    started = [house.start("run", "90", "--target", "fix", "-p", f"name=lamp{n}", "--json") for n in range(3)]
    ended = [(each.communicate(timeout=120)[0], each.returncode) for each in started]
    assert [code for _, code in ended] == [1, 1, 1]
    assert [json.loads(out)["parameters"]["name"] for out, _ in ended] == ["lamp0", "lamp1", "lamp2"]
    assert all(verify(folder).intact for folder in house.folders())
    assert len(house.folders()) == 3


def test_no_secret_is_in_any_byte_that_was_written(house: House, lamp: Lamp) -> None:
    lamp.answer = {
        "lit": False,
        "key": "canary_value_of_a_secret_1234",
        "other": "sk_live_abcdefghijklmnop",
        "mail": "a.b@example.com",
    }
    house.insert("print('canary_value_of_a_secret_1234', 'sk_live_abcdefghijklmnop', 'a.b@example.com')", tags=("own",))
    house.insert("from IPython.display import HTML\nHTML('<b>canary_value_of_a_secret_1234</b>')", tags=("own2",))
    folder = house.artifact()
    assert "<redacted>" in texts(folder / "notebook.ipynb")
    for path in folder.rglob("*"):
        written = path.read_bytes()
        for canary in (b"canary_value_of_a_secret_1234", b"sk_live_abcdefghijklmnop", b"a.b@example.com"):
            assert canary not in written, path.name


def test_an_engineers_own_cell_is_kept_and_a_widget_does_no_harm(house: House) -> None:
    house.insert("import ipywidgets\nipywidgets.IntSlider(value=3)", tags=("own",))
    house.insert("print('my own note: the fuse was out')", tags=("own2",))
    folder = house.artifact()
    assert "my own note: the fuse was out" in (folder / "report.html").read_text()
    assert "IntSlider" in (folder / "report.html").read_text()


def test_a_figure_is_kept_as_a_picture(house: House) -> None:
    house.insert("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", tags=("own",))
    folder = house.artifact()
    assert "image/png" in texts(folder / "notebook.ipynb")
    assert 'src="data:image/png;base64,' in (folder / "report.html").read_text()


def test_a_large_answer_lies_beside_the_observations(house: House, lamp: Lamp) -> None:
    lamp.answer = {"lit": False, "filler": "x" * 600_000}
    folder = house.artifact()
    assert (folder / "observations.jsonl").stat().st_size < 20_000
    assert list((folder / "payloads").iterdir())
    assert verify(folder).intact
    assert house.run("replay", str(folder), "--no-kernel").returncode == 1


def test_the_targets_name_is_shown_in_notebook_report_verdict_and_terminal(house: House) -> None:
    done = house.run("run", "90", "--target", "fix")
    folder = house.only_folder()
    assert "FIX" in done.stderr
    assert "target fix" in done.stdout
    assert "LIVE SYSTEM" in texts(folder / "notebook.ipynb")
    assert "LIVE SYSTEM" in (folder / "report.html").read_text()


def test_an_unreadable_outputs_folder_is_wrong_use_and_leaves_nothing(house: House, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    done = house.run("run", "90", "--target", "fix", "--outputs", str(blocked / "deeper"))
    assert done.returncode == 2
    assert "outputs folder" in done.stderr
    assert blocked.read_text() == "a file where a folder should be"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["run", "91"], "no such procedure"),
        (["run", "lmap"], "Did you mean lamp?"),
        (["run", "90", "-p", "nmae=x"], "Did you mean name?"),
        (["run", "90", "-p", "count=seven"], "count is int"),
        (["run", "90", "-p", "shade=blue"], "red, green"),
        (["run", "90", "-p", "x=1; import os"], "no such parameter"),
        (["run", "90", "-p", "name"], "name=value"),
        (["run", "90", "-p", "name=sk_live_abcdefghijklmnop"], "holds a secret"),
        (["run", "90", "-p", "note=canary_value_of_a_secret_1234"], "holds a secret"),
        (["run", "90", "-p", "jwt=eyJhbGciOi.eyJzdWIiOi.c2ln"], "env:NAME"),
        (["run", "90", "-p", "jwt=env:NOT_SET_ANYWHERE"], "NOT_SET_ANYWHERE"),
        (["run", "90", "-p", "since=2026-11-23T08:00:00"], "zone"),
        (["run", "90", "-p", "since=2099-01-01T00:00:00Z"], "future"),
        (["run", "90", "--incident", "../etc"], "incident"),
        (["run", "90", "--incident", ""], "incident"),
        (["run", "90", "--target", "fxi"], "Did you mean fix?"),
        (["run", "90", "--deadline", "soon"], "deadline"),
    ],
)
def test_wrong_use_is_refused_before_anything_starts(house: House, arguments: list[str], hint: str) -> None:
    more = [] if "--target" in arguments else ["--target", "fix"]
    done = house.run(*arguments, *more)
    assert done.returncode == 2, done.stdout + done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert "canary_value_of_a_secret_1234" not in done.stderr
    assert "eyJhbGciOi" not in done.stderr
    assert not house.outputs.exists()


def test_a_secret_by_reference_is_used_and_never_written(house: House) -> None:
    house.insert("import os\nprint(os.environ['LAMP_TOKEN'])", tags=("own",))
    done = house.run(
        "run", "90", "--target", "fix", "-p", "jwt=env:LAMP_TOKEN", env={"LAMP_TOKEN": "the-lamps-own-token"}
    )
    assert done.returncode == 1, done.stderr
    folder = house.only_folder()
    assert json.loads((folder / "verdict.json").read_text())["parameters"]["jwt"] == "env:LAMP_TOKEN"
    assert not [path for path in folder.rglob("*") if b"the-lamps-own-token" in path.read_bytes()]


def test_wrong_use_with_json_is_json(house: House) -> None:
    done = house.run("run", "91", "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["exit_code"] == 2


def test_nothing_that_is_typed_or_run_goes_into_a_hidden_history(house: House, tmp_path: Path) -> None:
    mine = tmp_path / "user"
    startup = mine / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "mine.py").write_text("raise SystemExit('somebody else's start-up file')")
    done = house.run("run", "90", "--target", "fix", env={"HOME": str(mine)})
    assert done.returncode == 1, done.stderr
    assert not list(mine.rglob("history.sqlite*"))
