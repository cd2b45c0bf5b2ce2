"""Looks that depend on nothing are begun at the first step; each is made, waited for and recorded where its step stands."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Answer, Conclusion, Observation, Status, VerdictStatus
from runbook_lib.io import observe
from runbook_lib.io.observe import Door, Look, Observer
from runbook_lib.judging.evidence import Filed
from runbook_lib.procedures.base import Procedure, Said, Topic, replay_steps, step

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class Source:
    """Answers with how often it was asked, once it is let."""

    def __init__(self, open_at_once: bool = True) -> None:
        self.asked = 0
        self.gate, self.was_asked = threading.Event(), threading.Event()
        if open_at_once:
            self.gate.set()

    def look(self, deadline_s: float = 5.0) -> Look:
        return Look("lamp", "state", {"room": "hall"}, self._fetch, deadline_s)

    def _fetch(self, _: Door) -> Answer:
        self.asked += 1
        asked = self.asked
        self.was_asked.set()
        self.gate.wait(5)
        return Answer(Status.ok, asked)


def test_a_look_begun_ahead_is_asked_once_and_recorded_where_it_is_made() -> None:
    source, observer = Source(), Observer(now=NOW)
    observer.ahead(source.look())
    assert observer.observations == []
    (seen,) = observer.together(source.look())
    assert (source.asked, seen.value, seen.nth) == (1, 1, 1)


def test_made_twice_it_is_asked_twice() -> None:
    source, observer = Source(), Observer(now=NOW)
    observer.ahead(source.look())
    values = [observer.together(source.look())[0].value for _ in range(2)]
    assert values == [1, 2]


def test_a_look_that_nobody_makes_is_not_recorded() -> None:
    source, observer = Source(), Observer(now=NOW)
    observer.ahead(source.look())
    observer.together(Look("lamp", "other", {}, lambda _: Answer(Status.ok, 1)))
    assert [each.call for each in observer.observations] == ["other"]


def test_what_came_in_time_counts_however_late_it_is_made() -> None:
    source, observer = Source(), Observer(now=NOW)
    observer.ahead(source.look(deadline_s=0.5))
    time.sleep(0.6)
    assert observer.together(source.look(deadline_s=0.5))[0].status == Status.ok
    assert source.asked == 1


def test_one_that_hangs_is_timed_out() -> None:
    source, observer = Source(open_at_once=False), Observer(now=NOW)
    observer.ahead(source.look(deadline_s=0.1))
    (seen,) = observer.together(source.look(deadline_s=0.1))
    source.gate.set()
    assert seen.status == Status.timed_out


def test_what_lay_too_long_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "STALE_S", 0.0)
    source, observer = Source(), Observer(now=NOW)
    observer.ahead(source.look())
    time.sleep(0.01)
    assert observer.together(source.look())[0].value == 2


def test_a_replay_asks_nobody_and_finds_what_was_recorded() -> None:
    source, observer = Source(), Observer(now=NOW)
    observer.ahead(source.look())
    observer.together(source.look())
    again = Observer(now=NOW, record=list(observer.observations))
    again.ahead(source.look())
    assert again.together(source.look())[0].value == 1
    assert source.asked == 1


@dataclass(frozen=True)
class Lamps(Filed):
    """What the two lamps and the switch said."""

    first: tuple[Observation, ...] = ()
    second: tuple[Observation, ...] = ()
    switch: tuple[Observation, ...] = ()


class TwoLamps(Procedure):
    """Two steps with a lamp each; which switch it is, the first lamp tells."""

    stem = "00_two_lamps"
    sources = (Source(), Source(), Source())
    topics: ClassVar = {
        "first": Topic(lambda run: [run.lamp(0, "first")]),
        "second": Topic(lambda run: [run.lamp(1, "second")]),
        "switch": Topic(lambda run: [run.lamp(2, f"switch_{run.evidence.first[0].value}")], after=("first",)),
    }

    def prepare(self) -> None:
        self.evidence = Lamps()

    def lamp(self, place: int, call: str) -> Look:
        return replace(self.sources[place].look(), call=call)

    @step("Is the first one lit?")
    def look_at_the_first(self) -> Said:
        return Said(str(self.ask("first")[0].value))

    @step("Are the second one and the switch lit?")
    def look_at_the_second(self) -> Said:
        return Said(str([each.value for each in self.ask("second", "switch")]))

    @property
    def window(self) -> Window:
        return Window(NOW - timedelta(hours=1), NOW)

    def diagnose(self) -> Conclusion:
        return Conclusion(VerdictStatus.ruled_out)


def made(observations: Sequence[Observation]) -> list[str]:
    return [f"{each.call}={each.value}" for each in observations]


def test_a_topic_begins_as_soon_as_what_it_comes_after_is_filed_and_is_recorded_where_its_step_is() -> None:
    TwoLamps.sources = (Source(), Source(), Source())
    procedure = TwoLamps(Observer(now=NOW), {})
    procedure.run_step("look_at_the_first")
    assert made(procedure.look.observations) == ["first=1"]
    assert all(source.was_asked.wait(5) for source in TwoLamps.sources)
    assert [source.asked for source in TwoLamps.sources] == [1, 1, 1]
    procedure.conclude()
    assert made(procedure.look.observations) == ["first=1", "second=1", "switch_1=1"]
    assert [source.asked for source in TwoLamps.sources] == [1, 1, 1]
    assert [each.call for each in procedure.evidence.all()] == ["first", "second", "switch_1"]


def test_a_step_run_again_looks_again_and_the_replay_finds_both() -> None:
    TwoLamps.sources = (Source(), Source(), Source())
    procedure = TwoLamps(Observer(now=NOW), {})
    for name in ("look_at_the_first", "look_at_the_first", "look_at_the_second"):
        procedure.run_step(name)
    assert made(procedure.look.observations) == ["first=1", "first=2", "second=1", "switch_2=2"]
    again = TwoLamps(Observer(now=NOW, record=list(procedure.look.observations)), {})
    replay_steps(again, procedure.executed)
    assert made(again.look.observations) == made(procedure.look.observations)


class TwoLampsAndAKey(TwoLamps):
    """The second lamp's switch and key are asked for in the last step; the first lamp's step waits for its lamp."""

    topics: ClassVar = {
        "first": Topic(lambda run: [run.lamp(0, "first")]),
        "second": Topic(
            lambda run: [replace(run.lamp(1, "second"), fetch=lambda _: Answer(Status.denied))],
            otherwise=lambda run: [run.lamp(1, "second_by_hand")],
        ),
        "switch": Topic(lambda run: [run.lamp(2, f"switch_{run.evidence.second[-1].value}")], after=("second",)),
    }

    @step("Are the second one and its switch lit?")
    def look_at_the_second(self) -> Said:
        return Said(str([each.value for each in (*self.ask("second"), *self.ask("switch"))]))


def test_what_comes_after_a_topic_begins_while_another_step_still_waits_and_is_no_evidence_before_its_own() -> None:
    first, second, switch = TwoLamps.sources = (Source(open_at_once=False), Source(), Source())
    procedure = TwoLampsAndAKey(Observer(now=NOW), {})
    step_one = threading.Thread(target=procedure.run_step, args=("look_at_the_first",), daemon=True)
    step_one.start()
    assert switch.was_asked.wait(5)
    assert (first.asked, second.asked) == (1, 1)
    assert step_one.is_alive()
    assert procedure.evidence == Lamps()
    assert procedure.look.observations == []
    first.gate.set()
    step_one.join(5)
    procedure.conclude()
    assert made(procedure.look.observations) == ["first=1", "second=None", "second_by_hand=1", "switch_1=1"]
    assert [source.asked for source in TwoLamps.sources] == [1, 1, 1]


def test_an_eager_topic_begins_with_the_first_answer_that_gives_it_something_to_ask() -> None:
    first, slow, switch = TwoLamps.sources = (Source(), Source(open_at_once=False), Source())

    class Eager(TwoLamps):
        topics: ClassVar = {
            "first": Topic(lambda run: [run.lamp(0, "first"), run.lamp(1, "slow")]),
            "second": Topic(lambda _: []),
            "switch": Topic(
                lambda run: [run.lamp(2, f"switch_{each.value}") for each in run.evidence.first[:1]],
                after=("first",),
                eager=True,
            ),
        }

    procedure = Eager(Observer(now=NOW), {})
    step_one = threading.Thread(target=procedure.run_step, args=("look_at_the_first",), daemon=True)
    step_one.start()
    assert switch.was_asked.wait(5)
    assert step_one.is_alive()
    slow.gate.set()
    step_one.join(5)
    procedure.conclude()
    assert sorted(made(procedure.look.observations)) == ["first=1", "slow=1", "switch_1=1"]
    assert [source.asked for source in (first, slow, switch)] == [1, 1, 1]


def test_what_breaks_early_is_told_where_its_step_asks() -> None:
    TwoLamps.sources = (Source(), Source(), Source())

    class Broken(TwoLampsAndAKey):
        topics: ClassVar = {
            **TwoLampsAndAKey.topics,
            "switch": Topic(lambda run: [run.lamp(2, str(1 // len(run.evidence.first)))], after=("second",)),
            "second": Topic(lambda run: [replace(run.lamp(1, "second"), fetch=lambda _: Answer(1 / 0))]),  # type: ignore[arg-type]
        }

    procedure = Broken(Observer(now=NOW), {})
    procedure.run_step("look_at_the_first")
    with pytest.raises(ZeroDivisionError):
        procedure.run_step("look_at_the_second")
