"""The command line as a whole: what there is, how errors leave, and what goes to which stream."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from runbook_lib.cli import app as cli
from runbook_lib.core.errors import ArtifactError, UsageError

RUNBOOK = Path(sys.executable).with_name("runbook")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.run_app(arguments)
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


@pytest.fixture(autouse=True)
def quiet_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_OUTPUTS", str(tmp_path / "outputs"))


COMMANDS = ["list", "show", "run", "open", "lab", "verify", "replay", "diff", "doctor", "sandbox"]


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert (code, out.strip()) == (0, importlib.metadata.version("nexuscore-runbook"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there_and_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "Usage" in out


@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "sandbox"])
def test_every_command_that_prints_a_result_takes_json(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert "--json" in run(capsys, command, "--help")[1]


def test_list_and_show_describe_the_procedures(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "--json")
    assert code == 0
    listed = [each["procedure"] for each in json.loads(out)]
    assert listed == sorted(listed)
    assert "01_failed_request" in listed
    code, out, _ = run(capsys, "show", "1", "--json")
    shown = json.loads(out)
    assert code == 0
    assert {"name": "request_id", "type": "str"}.items() <= shown["parameters"][0].items()
    assert shown["steps"][0]["question"].endswith("?")
    for asked in ("01", "failed_request", "01_failed_request", "failed-request", "01_failed_request.ipynb"):
        assert json.loads(run(capsys, "show", asked, "--json")[1])["procedure"] == "01_failed_request"


def test_plain_output_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert "01_failed_request" in run(capsys, "list")[1]
    assert "request_id" in run(capsys, "show", "01")[1]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["show", "faild_request"], "Did you mean failed_request?"),
        (["show", "99"], "no such procedure"),
        (["verify", "nowhere"], "not an artifact"),
        (["replay", "nowhere"], "not an artifact"),
        (["diff", "nowhere", "nowhere"], "not an artifact"),
        (["frobnicate"], "No such command"),
        (["run"], "Missing argument"),
        (["run", "01", "--frobnicate"], "No such option"),
    ],
)
def test_wrong_use_is_one_message_on_standard_error_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], hint: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert hint in err
    assert "Traceback" not in err
    assert not out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no"), 2),
        (ArtifactError("no"), 5),
        (ValueError("sk_live_abcdefghijkl"), 5),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_leaves_with_its_exit_code_and_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("runbook_lib.run.notebooks.templates", fails)
    left, _, err = run(capsys, "list")
    assert left == code
    assert "sk_live_abcdefghijkl" not in err


def test_an_error_with_json_is_json_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "verify", "nowhere", "--json")
    assert code == 2
    assert json.loads(out)["error"] == "UsageError"
    assert err


def test_a_diff_of_different_procedures_says_so_and_counts_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lists = ("causes", "also", "states", "blind", "suspects", "not_seen")
    for name in ("01_failed_request", "02_stripe_webhooks"):
        said = {
            "procedure": name,
            "target": "live",
            "status": "ruled_out",
            "verdict_sha256": "",
            **{key: [] for key in lists},
        }
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
        (tmp_path / name / "verdict.json").write_text(json.dumps(said))
    code, out, _ = run(capsys, "diff", str(tmp_path / "01_failed_request"), str(tmp_path / "02_stripe_webhooks"))
    assert code == 3
    assert out == "not comparable: one is of procedure 01_failed_request, the other of 02_stripe_webhooks\n"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    done = subprocess.run(f"{RUNBOOK} list | true", shell=True, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr


def test_starting_imports_nothing_heavy() -> None:
    heavy = {
        "papermill",
        "nbclient",
        "pandas",
        "matplotlib",
        "jupyterlab",
        "stripe",
        "supabase",
        "psycopg",
        "IPython",
        "httpx",
    }
    code = "import sys; from runbook_lib.cli import app; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert not heavy & set(out.split())
