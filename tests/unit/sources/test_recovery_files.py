"""The team's objectives and its ledger: read strictly, with the line or the key that is wrong."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.run.home import CHECKOUT
from runbook_lib.settings import Settings
from runbook_lib.sources.recovery import recovery_files

GOOD = '{"at": "2026-11-01T10:00:00Z", "outcome": "whole", "restored_s": 12.5, "what": "postgres: a.dump"}\n'


def _look(look: Look, **settings: str) -> Observation:
    return Observer(active=True, now=datetime.now(UTC), settings=Settings.from_mapping(settings)).together(look)[0]


def _objectives(tmp_path: Path, text: str) -> Observation:
    path = tmp_path / "objectives.toml"
    path.write_text(text)
    return _look(recovery_files.objectives(), RUNBOOK_RECOVERY_OBJECTIVES=str(path))


def _ledger(tmp_path: Path, text: str) -> Observation:
    path = tmp_path / "ledger.jsonl"
    path.write_text(text)
    return _look(recovery_files.rehearsals(), RUNBOOK_RESTORE_LEDGER=str(path))


def test_the_committed_example_is_read() -> None:
    seen = _look(recovery_files.objectives(), RUNBOOK_RECOVERY_OBJECTIVES=str(CHECKOUT / "recovery_objectives.toml"))
    assert (seen.value["rpo_s"], seen.value["rto_s"], seen.value["pitr_window_s"]) == (86400, 14400, None)
    assert seen.value["file"].endswith("recovery_objectives.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rpo = '24h'", "no table [objectives]"),
        ("[objectives]\nrpo = 24", "objectives.rpo"),
        ("[objectives]\nrpo = '0h'", "objectives.rpo"),
        ("[objectives]\nrto = 'soon'", "objectives.rto"),
        ("[objectives]\nrpos = '24h'", "unknown: rpos"),
        ("[objectives\n", "objectives.toml"),
    ],
)
def test_an_objective_that_is_none_is_malformed_and_named(tmp_path: Path, text: str, words: str) -> None:
    seen = _objectives(tmp_path, text)
    assert seen.status == Status.malformed
    assert words in seen.why
    assert seen.help


def test_no_file_of_objectives_is_not_found(tmp_path: Path) -> None:
    seen = _look(recovery_files.objectives(), RUNBOOK_RECOVERY_OBJECTIVES=str(tmp_path / "nowhere.toml"))
    assert seen.status == Status.not_found


def test_rehearsals_are_told_the_newest_first(tmp_path: Path) -> None:
    seen = _ledger(tmp_path, GOOD + "\n" + GOOD.replace("11-01", "11-09"))
    assert [row["at"][:10] for row in seen.value] == ["2026-11-09", "2026-11-01"]


def test_a_ledger_that_is_not_there_yet_holds_no_rehearsal(tmp_path: Path) -> None:
    seen = _look(recovery_files.rehearsals(), RUNBOOK_RESTORE_LEDGER=str(tmp_path / "nowhere"))
    assert (seen.status, _ledger(tmp_path, "\n").status) == (Status.empty, Status.empty)


@pytest.mark.parametrize("line", ["yesterday", "{}", GOOD.replace("whole", "fine"), GOOD.replace("Z", ""), "[1]"])
def test_a_line_that_is_no_rehearsal_is_malformed_and_numbered(tmp_path: Path, line: str) -> None:
    seen = _ledger(tmp_path, GOOD + line)
    assert seen.status == Status.malformed
    assert "line 2" in seen.why
