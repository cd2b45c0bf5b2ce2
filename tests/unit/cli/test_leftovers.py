"""What was killed is told by the next command, in the folder that this command was told to use."""

from pathlib import Path

import pytest

from runbook_lib.cli.app import run_app
from runbook_lib.run.context import make_folder, new_context
from runbook_lib.run.home import Home


@pytest.mark.parametrize("how", ["--outputs={}", "--outputs {}"])
def test_the_next_command_looks_where_it_is_asked_to_look(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = new_context("90_lamp", incident="INC-7", target="fix", parameters={}, active=False)
    _, folder = make_folder(Home(tmp_path, tmp_path / "there"), dead.changed(pid=4_000_000, pid_started=1.0))
    with pytest.raises(SystemExit):
        run_app(["list"])
    assert str(folder) not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_app(["run", "no_such_procedure", *how.format(tmp_path / "there").split(" ", 1)])
    assert f"it was killed before it could conclude. What it had: {folder}" in capsys.readouterr().err
