"""However a run ends, its record tells the truth: each cell's outcome, the exit code, and nothing left running."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.run.context import RunContext
from runbook_lib.run.runner import prepare, run_notebook
from runbook_lib.run.runtime import runtime_folder
from runbook_lib.run.saving import Saver
from tests.notebooks.conftest import House, Lamp, outcomes, texts


def record(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def wait_for(path: Path, seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < ends, f"{path} never came"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_failing_cell_is_failed_and_what_comes_after_it_is_not_run(house: House) -> None:
    house.insert("print('before the end')\n1 / 0", tags=("own",))
    done = house.run("run", "90", "--target", "fix", "--json")
    assert done.returncode == 5
    folder = house.only_folder()
    assert folder.name.endswith(".partial")
    assert outcomes(folder / "notebook.ipynb") == {
        "parameters": "done",
        "injected-parameters": "done",
        "setup": "done",
        "step:look_at_the_lamp": "done",
        "own": "failed",
        "step:look_at_the_switch": "not_run",
        "conclusion": "not_run",
    }
    assert record(folder)["state"] == "broke"
    assert "ZeroDivisionError" in record(folder)["why"]
    report = (folder / "report.html").read_text()
    assert "not whole" in report
    assert "ZeroDivisionError" in report
    assert "before the end" in report
    assert not (folder / "verdict.json").exists()


def test_papermill_s_own_words_are_true_as_well(house: House) -> None:
    house.insert("1 / 0", tags=("own",))
    house.run("run", "90", "--target", "fix")
    notebook = json.loads((house.only_folder() / "notebook.ipynb").read_text())
    status = {
        c["metadata"]["tags"][-1]: c["metadata"]["papermill"]["status"]
        for c in notebook["cells"]
        if c["cell_type"] == "code"
    }
    assert status["own"] == "failed"
    assert status["conclusion"] == "pending"
    assert notebook["metadata"]["papermill"]["exception"] is True


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os\nprint('x', flush=True)\nos._exit(3)", "died"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_a_dead_kernel_is_told_as_such(house: House, source: str, words: str) -> None:
    house.insert(source, tags=("own",))
    done = house.run("run", "90", "--target", "fix")
    assert done.returncode == 5
    folder = house.only_folder()
    told = outcomes(folder / "notebook.ipynb")
    assert told["own"] == "kernel_died"
    assert told["conclusion"] == "not_run"
    assert words in record(folder)["why"]


@pytest.mark.parametrize("source", ["import sys\nsys.exit(0)", "raise SystemExit"])
def test_leaving_early_is_no_success(house: House, source: str) -> None:
    house.insert(source, tags=("own",))
    assert house.run("run", "90", "--target", "fix").returncode == 5
    assert not [folder for folder in house.folders() if not folder.name.endswith(".partial")]


def test_an_expected_error_is_an_error(house: House) -> None:
    house.insert("1 / 0", tags=("raises-exception",))
    assert house.run("run", "90", "--target", "fix").returncode == 5
    assert outcomes(house.only_folder() / "notebook.ipynb")["raises-exception"] == "failed"


def test_a_skipped_cell_is_not_called_done(house: House) -> None:
    house.insert("1 / 0", tags=("skip-execution",))
    assert house.run("run", "90", "--target", "fix").returncode == 1
    assert outcomes(house.only_folder() / "notebook.ipynb")["skip-execution"] == "not_run"


def test_a_notebook_that_asks_for_input_breaks_at_once(house: House) -> None:
    house.insert("input('who?')", tags=("own",))
    assert house.run("run", "90", "--target", "fix").returncode == 5
    assert "StdinNotImplementedError" in record(house.only_folder())["why"]


def test_a_notebook_without_a_conclusion_is_no_success(house: House) -> None:
    house.edit(
        lambda cells: cells.pop(next(i for i, c in enumerate(cells) if "conclusion" in c["metadata"].get("tags", [])))
    )
    done = house.run("run", "90", "--target", "fix")
    assert done.returncode == 5
    assert "without a conclusion" in done.stderr


def test_a_step_over_its_own_time_gives_a_verdict_that_could_not_tell(house: House) -> None:
    house.insert("print('so far')\nimport time\ntime.sleep(60)", tags=("own",), timeout_s=1)
    done = house.run("run", "90", "--target", "fix", "--json")
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    assert said["status"] == "could_not_tell"
    assert said["suspects"][0]["deciding_look"]
    folder = Path(said["artifact"])
    assert verify(folder).intact
    told = outcomes(folder / "notebook.ipynb")
    assert (told["own"], told["conclusion"]) == ("timed_out", "not_run")
    assert "so far" in texts(folder / "notebook.ipynb")
    assert house.run("replay", str(folder)).returncode == 3


def test_a_run_over_its_deadline_is_cut_off_and_says_so(house: House) -> None:
    house.insert("import time\ntime.sleep(60)", tags=("own",))
    done = house.run("run", "90", "--target", "fix", "--deadline", "8", "--json")
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    assert said["state"] == "deadline"
    assert "deadline" in said["suspects"][0]["why"]
    assert "switch" not in [look["call"] for look in said["looked_at"]]
    assert house.run("replay", said["artifact"], "--no-kernel").returncode == 3


def test_a_deadline_while_the_kernel_starts_leaves_an_artifact_that_replays(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    ended = run_notebook(prepare("90", {}, target="fix", deadline_s=0.01))
    assert (ended.exit_code, ended.state) == (3, "deadline")
    assert ended.verdict is not None
    assert ended.verdict["looked_at"] == []
    assert verify(ended.folder).intact
    again = house.run("replay", str(ended.folder), "--no-kernel")
    assert again.returncode == 3, again.stderr


def test_a_time_out_after_the_conclusion_takes_nothing_back(house: House) -> None:
    own = {"metadata": {"tags": ["own"], "runbook": {"timeout_s": 1}}, "source": "import time\ntime.sleep(60)"}
    house.edit(lambda cells: cells.append({**cells[5], "id": "last", **own}))
    done = house.run("run", "90", "--target", "fix")
    assert done.returncode == 1, done.stderr
    folder = house.only_folder()
    assert outcomes(folder / "notebook.ipynb")["own"] == "timed_out"
    assert verify(folder).intact
    assert house.run("replay", str(folder), "--no-kernel").returncode == 1


def test_a_cell_that_heeds_no_interrupt_is_ended_all_the_same(house: House) -> None:
    stubborn = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    stubborn += "print('stubborn', flush=True)\nwhile True: time.sleep(1)"
    house.insert(stubborn, tags=("own",), timeout_s=1)
    assert house.run("run", "90", "--target", "fix").returncode == 3
    folder = house.only_folder()
    assert outcomes(folder / "notebook.ipynb")["own"] == "timed_out"
    assert "stubborn" in texts(folder / "notebook.ipynb")


CHILDREN = """
import subprocess, sys, time, pathlib
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
apart = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("output so far", flush=True)
pathlib.Path({mark!r}).write_text(str(apart.pid))
time.sleep(600)
"""


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_cancelled_run_leaves_the_truth_and_no_process(house: House, tmp_path: Path, signum: int, code: int) -> None:
    mark = tmp_path / "mark"
    house.insert(CHILDREN.format(mark=str(mark)), tags=("own",))
    process = house.start("run", "90", "--target", "fix")
    wait_for(mark)
    time.sleep(0.2)
    process.send_signal(signum)
    process.communicate(timeout=60)
    assert process.returncode == code
    folder = house.only_folder()
    told = outcomes(folder / "notebook.ipynb")
    assert (told["own"], told["step:look_at_the_lamp"], told["conclusion"]) == ("cancelled", "done", "not_run")
    assert "output so far" in texts(folder / "notebook.ipynb")
    assert record(folder)["state"] == "cancelled"
    assert "cancelled" in (folder / "report.html").read_text()
    assert (folder / "observations.jsonl").read_text().count("\n") == 1
    assert not alive(int(mark.read_text()))
    assert not _of_this_home(house)
    assert not [o for o in runtime_folder().glob("*/owner.json") if f'"pid": {process.pid},' in o.read_text()]


def test_a_run_cancelled_before_its_first_cell_says_so(house: House) -> None:
    process = house.start("run", "90", "--target", "fix")
    ends = time.monotonic() + 30
    while not list(house.outputs.glob("*/*/*/run.json")) and time.monotonic() < ends:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert record(house.only_folder())["state"] == "cancelled"
    assert not _of_this_home(house)


def test_a_run_cancelled_while_its_folder_is_made_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    write = RunContext.write

    def written(context: RunContext, folder: Path) -> None:
        write(context, folder)
        if context.state == "running":
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(RunContext, "write", written)
    ended = run_notebook(prepare("90", {}, target="fix"))
    assert (ended.exit_code, ended.state) == (143, "cancelled")
    assert record(house.only_folder())["state"] == "cancelled"


def test_a_killed_run_stays_partial_and_the_next_command_says_so_once(house: House, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    house.insert(CHILDREN.format(mark=str(mark)), tags=("own",))
    process = house.start("run", "90", "--target", "fix")
    wait_for(mark)
    process.kill()
    process.communicate(timeout=60)
    folder = house.only_folder()
    assert folder.name.endswith(".partial")
    assert (folder / "observations.jsonl").read_text().count("\n") == 1
    told = house.run("list")
    assert str(folder) in told.stderr
    assert "killed" in told.stderr
    assert record(folder)["state"] == "killed"
    assert not house.run("list").stderr
    ends = time.monotonic() + 20
    while _of_this_home(house):
        assert time.monotonic() < ends, "the kernel outlives its runner"
        time.sleep(0.1)


def test_a_run_that_still_goes_on_is_not_called_killed(house: House, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    house.insert(f"import pathlib, time\npathlib.Path({str(mark)!r}).write_text('x')\ntime.sleep(4)", tags=("own",))
    process = house.start("run", "90", "--target", "fix")
    wait_for(mark)
    assert not house.run("list").stderr
    process.communicate(timeout=60)
    assert process.returncode == 1


def test_a_partial_is_no_artifact(house: House) -> None:
    house.insert("1 / 0", tags=("own",))
    house.run("run", "90", "--target", "fix")
    done = house.run("verify", str(house.only_folder()))
    assert done.returncode == 2
    assert "never became whole" in done.stderr


def test_a_disk_that_fills_leaves_a_partial_that_says_so(house: House, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can only be made by root")
    try:
        fill = f"open({str(small / 'filler')!r}, 'wb').write(bytes(700_000))\n"
        house.insert(fill + f"open({str(small / 'rest')!r}, 'wb', 0).write(bytes(70_000))", tags=("own",))
        house.insert("print('y' * 600_000)", tags=("own2",))
        done = house.run("run", "90", "--target", "fix", "--outputs", str(small / "out"))
        assert done.returncode == 5, done.stderr
        (folder,) = (small / "out").glob("*/*/*.partial")
        assert record(folder)["state"] == "broke"
        assert "No space left" in record(folder)["why"]
        assert json.loads((folder / "notebook.ipynb").read_text())
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_save_that_finds_no_space_ends_the_run_and_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    save, saves = Saver.save_now, []

    def full(self: Saver, notebook: object, **options: bool) -> None:
        saves.append(1)
        if len(saves) > 1:
            raise OSError(28, "No space left on device")
        save(self, notebook, **options)

    monkeypatch.setattr(Saver, "save_now", full)
    ended = run_notebook(prepare("90", {}, target="fix"))
    assert (ended.exit_code, ended.state) == (5, "broke")
    assert record(house.only_folder())["state"] == "broke"
    assert "No space left" in record(house.only_folder())["why"]
    assert "No space left" in (house.only_folder() / "report.html").read_text()
    assert not _of_this_home(house)


def test_a_disk_that_is_full_from_the_start_is_wrong_use(house: House, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("a small file system can only be made by root")
    try:
        with (small / "filler").open("wb") as stream:
            stream.write(bytes(60_000))
        done = house.run("run", "90", "--target", "fix", "--outputs", str(small / "out"))
        assert done.returncode == 2, done.stderr
        assert not (small / "out").exists()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_lamp_that_never_answers_costs_its_own_deadline(house: House, lamp: Lamp) -> None:
    lamp.url = "http://127.0.0.1:9"
    (house.root / ".env.fix").write_text("RUNBOOK_WEB_URL=http://127.0.0.1:9\n")
    done = house.run("run", "90", "--target", "fix", "--json")
    assert done.returncode == 3
    said = json.loads(done.stdout)
    assert {each["status"] for each in said["not_seen"]} == {"unreachable"}


def _of_this_home(house: House) -> list[int]:
    """Processes that were started for this home, by their environment."""
    needle = f"RUNBOOK_HOME={house.root}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if needle in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
