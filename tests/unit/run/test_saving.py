"""Saving while a run goes on: whole files only, and at a bounded cost."""

from pathlib import Path
from typing import Any

import pytest

from runbook_lib.core.redact import Redactor
from runbook_lib.run import saving
from runbook_lib.run.saving import Saver


class Clock:
    """A monotonic clock that moves when it is told to, and with every save."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.saves: list[float] = []
        self.cost_s = 0.0

    def monotonic(self) -> float:
        return self.now

    def write(self, *_: Any, **__: Any) -> None:
        self.saves.append(self.now)
        self.now += self.cost_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(saving.time, "monotonic", made.monotonic)
    monkeypatch.setattr(saving, "write_atomic", made.write)
    monkeypatch.setattr(saving, "notebook_bytes", lambda _: b"{}")
    return made


def test_a_thousand_outputs_in_one_second_are_one_save(clock: Clock, tmp_path: Path) -> None:
    saver = Saver(tmp_path / "x", Redactor())
    for _ in range(1000):
        saver.save_if_due(object())
        clock.now += 0.0009
    assert len(clock.saves) == 1


def test_slow_saves_take_no_more_than_a_twentieth_of_the_time(clock: Clock, tmp_path: Path) -> None:
    saver = Saver(tmp_path / "x", Redactor())
    clock.cost_s = 0.5
    begun = clock.now
    for _ in range(10_000):
        saver.save_if_due(object())
        clock.now += 0.01
    assert len(clock.saves) * clock.cost_s <= 0.05 * (clock.now - begun) + clock.cost_s
    assert len(clock.saves) >= 5


def test_the_last_save_always_happens(clock: Clock, tmp_path: Path) -> None:
    saver = Saver(tmp_path / "x", Redactor())
    saver.save_if_due(object())
    saver.save_now(object())
    saver.save_now(object(), durable=True)
    assert len(clock.saves) == 3


def test_a_save_that_fails_leaves_the_last_one_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbformat.v4 import new_notebook

    path = tmp_path / "notebook.ipynb"
    saver = Saver(path, Redactor())
    saver.save_now(new_notebook())
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdopen", full)
    with pytest.raises(OSError, match="No space"):
        saver.save_now(new_notebook())
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["notebook.ipynb"]
