"""A stranger's artifact is data: whatever lies in the folder, each command ends soon, with one clear message and a code of its own.

Nothing of the folder runs, nothing is written into it or beside it, and nothing on the screen is obeyed by a terminal.
"""

import json
import re
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.cli.app import run_app
from runbook_lib.run.home import CHECKOUT, Home
from runbook_lib.run.replay import replay
from tests.unit.artifact.hostile import artifacts, copy_of, seal_anew

(GOOD,) = (CHECKOUT / "outputs" / "example" / "01_failed_request").iterdir()
ALL = list(artifacts())
SHARES = 8  # tests that share them, so that they spread over the workers
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
CODES = {"verify": (0, 1, 2), "replay": (0, 1, 2, 3, 6), "diff": (0, 1, 2, 3)}
SECONDS, ROOM_BYTES = 20, 1_500 << 20


@pytest.fixture
def bounded() -> Iterator[None]:
    """Ends what hangs, and lets nobody have more than so much memory beside what is used by now."""

    def late(*_: object) -> None:
        raise AssertionError(f"not done within {SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM_BYTES, before[1]))
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, handler)
    resource.setrlimit(resource.RLIMIT_AS, before)


def commands(folder: Path) -> Iterator[list[str]]:
    yield ["verify", str(folder)]
    yield ["replay", str(folder), "--no-kernel"]
    yield ["replay", str(folder), "--no-kernel", "--not-intact", "--json"]
    yield ["diff", str(GOOD), str(folder)]
    yield ["diff", str(folder), str(GOOD), "--json"]


def ended(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command, run in this process."""
    signal.alarm(SECONDS)
    with pytest.raises(SystemExit) as left:
        run_app(arguments)
    signal.alarm(0)
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def what_is_wrong(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a command did that it must not do; empty where all is well."""
    code, out, err = ended(arguments, capsys)
    if code not in CODES[arguments[0]]:
        return f"exit {code}: {err[-400:]}"
    if "Traceback" in err or "bug of the runbook" in err:
        return f"a traceback: {err[-400:]}"
    if found := OBEYED.search(out + err):
        return f"{found.group()!r} is shown raw"
    if code == 2 and not (err.startswith("runbook: ") and len(err.strip().splitlines()) == 1):
        return f"not one message: {err[-400:]}"
    if len(out + err) > 200_000:
        return f"{len(out + err)} characters are shown"
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.usefixtures("bounded")
def test_each_ends_with_a_clear_message(share: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {}
    mine = ALL[share::SHARES]
    for number, (name, spoil, is_sealed) in enumerate(mine):
        folder = copy_of(GOOD, tmp_path / str(number))
        spoil(folder)
        if is_sealed:
            seal_anew(folder)
        for arguments in commands(folder):
            if why := what_is_wrong(arguments, capsys):
                wrong[f"{arguments[0]}: {name}"] = why
        assert {path.name for path in tmp_path.iterdir()} == {folder.name}, f"something ran: {name}"
        shutil.rmtree(folder)
    print(f"hostile artifacts: {len(mine) - len(wrong)} of {len(mine)} clean")
    assert wrong == {}


def test_there_are_more_than_two_hundred_of_them() -> None:
    assert len(ALL) > 200
    assert len({name for name, _, _ in ALL}) == len(ALL)


@pytest.mark.slow
def test_foreign_code_is_shown_and_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a kernel too; the same verdict comes from this checkout's own notebook."""
    spoilt = {name: spoil for name, spoil, _ in ALL if name.startswith("foreign code")}
    folder = copy_of(GOOD, tmp_path / "artifact")
    for spoil in spoilt.values():
        spoil(folder)
    seal_anew(folder)
    code, out, err = ended(["replay", str(folder)], capsys)
    assert code in (1, 6), err
    assert "shown, never run" in err
    assert "it ran" in err
    assert not (tmp_path / "it ran").exists()
    assert "confirmed" in out


def test_a_procedure_s_name_never_becomes_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where a home of one's own is set, beside which the module lies that the artifact names."""
    home = tmp_path / "home"
    (home / "procedures").mkdir(parents=True)
    (home / "notebooks").symlink_to(CHECKOUT / "notebooks")
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "evil.py").write_text(f"open({str(tmp_path / 'it ran')!r}, 'w')")
    folder = copy_of(GOOD, tmp_path / "artifact")
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, "procedure": "01_../../evil/evil"}))
    seal_anew(folder)
    for call in (
        lambda: replay(folder, with_kernel=False, home=Home(home, home / "outputs")),
        lambda: Home(home, home / "outputs").procedure("01_../../evil/evil"),
    ):
        with pytest.raises(Exception, match="procedure"):
            call()
    assert not (tmp_path / "it ran").exists()


def test_the_good_one_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["verify", str(GOOD)], capsys)[0] == 0
    assert ended(["diff", str(GOOD), str(GOOD)], capsys)[0] == 0
