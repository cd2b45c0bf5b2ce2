"""The only door to the outside: every look gets a deadline, a status, redaction, and a place in the record.

A source returns a `Look`: what it asks and a `fetch` that asks it. The fetch runs in a thread of its own under a
total wall-time deadline; what it returns or raises becomes an Answer; the answer is redacted, sent once through JSON, and
recorded. Live diagnosis reads exactly the recorded form. In replay no fetch runs: the record answers.
"""

import contextlib
import contextvars
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, Protocol

import orjson

from runbook_lib.core.clock import to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.masking.content import drop_content
from runbook_lib.core.model import Answer, Brought, Json, Observation, Status, observation_id, observation_key
from runbook_lib.core.permissions import NotPermittedError, permitted
from runbook_lib.core.redact import Redactor
from runbook_lib.io.door import Door as Door  # readers of a look know both from here
from runbook_lib.io.http import Deadline
from runbook_lib.io.leaving import inside
from runbook_lib.io.room import Room, Share
from runbook_lib.settings import Settings

DEFAULT_DEADLINE_S = 10.0
_NO_JSON = re.compile("ecursion|surrogates|UTF-8|64-bit|range")
_NARROWER = "narrow the window or the question, so that less is answered"
_TIDYING_S = 5.0  # work that is over its time is waited for so long, until it has taken back what it left
STALE_S = 60.0  # what was asked ahead and lies longer than this is asked again: a person steps through at leisure


class Recorder(Protocol):
    """Where observations are kept while a run goes on (artifact.record writes them to disk)."""

    def keep(self, observation: Observation) -> None:
        """Keep one observation; called from any thread."""


@dataclass(frozen=True)
class Look(Generic[Brought]):
    """One look that has not been made yet; `Observer.together` makes several at once. `Look[list[RequestRow]]` brings such rows.

    `is_work`: it does something that was asked for and takes as long as it takes (a restore); RUNBOOK_WORK_DEADLINE_S bounds it
    then, not the setting for looks. `leaves_a_mark`: it is refused unless marks are allowed, whatever its requests are.
    """

    source: str
    call: str
    arguments: Mapping[str, Json]
    fetch: Callable[[Door], Answer[Brought]]
    deadline_s: float = DEFAULT_DEADLINE_S
    is_work: bool = False
    leaves_a_mark: bool = False


class Observer:
    """Makes the looks of one run, or answers them from a record.

    Args:
        now: the run's one moment, recorded; everything that means "now" uses it.
        settings: where the sources are; None in replay, which reads no settings.
        redactor: masks secrets in arguments and answers.
        recorder: where each observation is kept; None keeps them in memory only.
        record: the observations of an earlier run; given, nothing outside is touched.
        active: whether looks that leave a mark are allowed.
        deadline_s: the whole run's budget of wall time; None means no bound.
    """

    def __init__(
        self,
        *,
        now: datetime,
        settings: Settings | None = None,
        redactor: Redactor | None = None,
        recorder: Recorder | None = None,
        record: Sequence[Observation] | None = None,
        active: bool = False,
        deadline_s: float | None = None,
    ) -> None:
        if settings is None and record is None:
            settings = Settings.empty()
        self.now = now
        self.active = active
        self.observations: list[Observation] = []
        self._settings = settings
        self._redactor = redactor or Redactor(settings.secret_values() if settings else ())
        self._recorder = recorder
        self._record = None if record is None else {_key_of(past): past for past in record}
        self._salt = secrets.token_bytes(32)
        self._room = Room()
        self._counts: Counter[str] = Counter()
        self._ahead: dict[str, list[_Started]] = {}
        self._lock = threading.Lock()
        self._run_deadline = None if deadline_s is None else Deadline(deadline_s)
        self._started = time.monotonic()
        self.seconds_at: dict[str, float] = {}  # observation id -> seconds since the run opened
        self.tell: Callable[[str], None] = lambda _: None  # shows how long work gets on

    def afresh(self) -> "Observer":
        """A replaying observer over the same record that has not looked at anything yet."""
        record = list((self._record or {}).values())
        return Observer(now=self.now, redactor=self._redactor, record=record, active=self.active)

    def record_with(self, recorder: Recorder) -> None:
        """Keep what is seen from now on somewhere else: the run goes on in another folder."""
        self._recorder = recorder

    @property
    def replaying(self) -> bool:
        """Whether the record answers instead of the world."""
        return self._record is not None

    @property
    def seconds(self) -> float:
        """Seconds since this observer was made, by the monotonic clock."""
        return time.monotonic() - self._started

    def together(self, *looks: Look) -> list[Observation]:
        """Make independent looks at once; a hanging one costs its own deadline and no other. Order is kept."""
        return self.begin(*looks)()

    def begin(self, *looks: Look) -> Callable[[], list[Observation]]:
        """Begin independent looks at once; the call that is returned waits for them and gives what they brought, in order."""
        started = [self._begin(look) for look in looks]
        return lambda: [finish() for finish in started]

    def ahead(self, *looks: Look) -> Callable[[], list[Observation]]:
        """Begin looks that a later `together` will make: it then takes what they bring, and so waits for the longest only.

        The call that is returned waits for them and tells what they bring, so that others can be begun by it; only a look that
        was made is recorded, and counts as seen. One that nobody makes within a minute, or at all, is dropped. In replay there
        is nothing to begin, and nothing to tell.
        """
        if self._record is not None:
            return list
        foretold = []
        for look in looks:
            started = self._start(look)
            counted, name, clean = self._counted(look)
            with self._lock:
                waiting = self._ahead.setdefault(counted, [])
                waiting.append(started)
                nth = self._counts[counted] + len(waiting)
            foretold.append(partial(_observed, look, clean, nth, observation_key(name, clean, nth), started))
        return lambda: [tell() for tell in foretold]

    def _counted(self, look: Look) -> tuple[str, str, dict[str, Json]]:
        """What a look is counted under, its name, and its arguments as they are recorded."""
        clean: dict[str, Json] = orjson.loads(self._redactor.own(_to_json(dict(look.arguments))))
        name = f"{look.source}.{look.call}"
        return observation_key(name, clean, 0), name, clean

    def _start(self, look: Look) -> "_Started":
        """Begin a look's fetch under its deadline, cut by the settings' and the run's.

        Raises NotPermittedError for one that leaves a mark in a run that may only look.
        """
        if look.leaves_a_mark and not self.active:
            raise NotPermittedError(
                "This look leaves a mark, and this run may only look",
                where=f"{look.source}.{look.call}",
                do_next="This is a bug of the procedure: it asks for it with --active alone.",
            )
        budget_s = look.deadline_s
        given_s = (
            (self._settings.work_deadline_s if look.is_work else self._settings.look_deadline_s)
            if self._settings
            else None
        )
        if given_s:
            budget_s = min(budget_s, given_s)
        if self._run_deadline is not None:
            budget_s = min(budget_s, self._run_deadline.remaining_s)
        at, begun = self._settings_clock(), time.monotonic()
        share = Share(self._room)
        door = Door(
            self._settings or Settings.empty(),
            Deadline(budget_s),
            self._salt,
            self._telling(look),
            share,
            permitted(look.source),
            marks=self.active or look.is_work,
        )
        attempt = _Attempt(look.fetch, door, _TIDYING_S if look.is_work else 0.0, self._cleaned)
        return _Started(attempt, at, begun, budget_s)

    def _cleaned(self, answer: Answer, share: Share) -> Answer:
        """An answer as it is recorded: without content, masked, and once through JSON. What to do next is said in our own words.

        Raises LookError(malformed) for one that JSON cannot hold, or that the run has no room for.
        """
        try:
            encoded = _to_json([answer.value, answer.why[:2000]])
        except TypeError as error:  # orjson's own limits; a value of a type of ours is a bug, and stays one
            if not _NO_JSON.search(str(error)):
                raise
            raise LookError(Status.malformed, f"the answer holds what JSON cannot: {error}"[:200]) from error
        with inside():
            kept = encoded if self._settings and self._settings.keep_content else drop_content(encoded)
            clean = self._redactor.data(kept)
        del encoded, kept
        if not share.keep(clean):
            raise LookError(Status.malformed, "too large: the run has no room left for this answer", do_next=_NARROWER)
        value, why = orjson.loads(clean)
        with inside():
            helped = orjson.loads(self._redactor.own(_to_json(answer.help)))
        return Answer(answer.status, value, why, helped)

    def _begin(self, look: Look) -> Callable[[], Observation]:
        """Start a look, or take the one that was begun ahead; the returned call waits for it and records it."""
        counted, name, clean = self._counted(look)
        with self._lock:
            self._counts[counted] += 1
            nth = self._counts[counted]
            waiting = self._ahead.get(counted)
            started = waiting.pop(0) if waiting else None
        key = observation_key(name, clean, nth)
        identity = observation_id(look.source, look.call, key)
        if self._record is not None:
            return lambda: self._keep(self._recorded(look, clean, nth, key, identity))
        if started is None or time.monotonic() - started.begun > STALE_S:
            started = self._start(look)
        return lambda: self._keep(_observed(look, clean, nth, key, started))

    def _telling(self, look: Look) -> Callable[[str], None]:
        """Shows a line on a look's progress, redacted; a display that fails costs nothing but the line."""

        def tell(text: str) -> None:
            with contextlib.suppress(Exception), inside():
                self.tell(self._redactor.text(f"{look.source} {look.call}: {text}"))

        return tell

    def _settings_clock(self) -> str:
        return to_iso(datetime.now(UTC))

    def _recorded(self, look: Look, arguments: Mapping[str, Json], nth: int, key: str, identity: str) -> Observation:
        """What the earlier run saw, or not_recorded."""
        assert self._record is not None
        if past := self._record.get(key):
            return past
        why = "the recorded run never looked at this"
        return Observation(
            identity,
            look.source,
            look.call,
            arguments,
            nth,
            Status.not_recorded,
            None,
            why,
            "run the procedure again against the live system",
            to_iso(self.now),
            0.0,
        )

    def _keep(self, observation: Observation) -> Observation:
        with self._lock:
            self.observations.append(observation)
            self.seconds_at.setdefault(observation.id, self.seconds)
        if self._recorder is not None:
            self._recorder.keep(observation)
        return observation


class _Started:
    """A fetch under way: since when (ISO, monotonic seconds), and for how long at most."""

    def __init__(self, attempt: "_Attempt", at: str, begun: float, budget_s: float) -> None:
        self.at, self.begun = at, begun
        self._attempt, self._budget_s = attempt, budget_s

    def brought(self) -> tuple[Answer, float]:
        """The answer as it is recorded, and how many milliseconds it took. Raises what the fetch itself broke with."""
        answer = self._attempt.wait(self._budget_s - (time.monotonic() - self.begun))
        elapsed_ms = round(((self._attempt.ended or time.monotonic()) - self.begun) * 1000, 1)
        return answer, elapsed_ms


def _observed(look: Look, arguments: Mapping[str, Json], nth: int, key: str, started: _Started) -> Observation:
    """Wait for a look, and put what it brought into the record's form."""
    answer, elapsed_ms = started.brought()
    identity = observation_id(look.source, look.call, key)
    said = (answer.status, answer.value, answer.why, answer.help, started.at, elapsed_ms)
    return Observation(identity, look.source, look.call, arguments, nth, *said)


class _Attempt:
    """A fetch in a thread of its own, which nobody waits for past the deadline.

    The thread is a daemon: a fetch that cannot be stopped (a name server that never answers) does not keep the run alive.
    It masks what it brought as well, so that this too ends with the deadline; what comes after that is dropped. Work gets
    `tidying_s` more, to take back what it left and say how far it got.
    """

    def __init__(
        self,
        fetch: Callable[[Door], Answer[Any]],
        door: Door,
        tidying_s: float,
        clean: Callable[[Answer, Share], Answer],
    ) -> None:
        self._fetch, self._door, self._tidying_s, self._clean = fetch, door, tidying_s, clean
        self._done = threading.Event()
        self._answer: Answer | None = None
        self._broken: BaseException | None = None
        self.ended: float | None = None
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._work,), daemon=True, name="look").start()

    def _work(self) -> None:
        try:
            self._answer = self._cleaned()
        except BaseException as error:  # a bug of ours: it belongs to the caller, not to this thread
            self._broken = error
        finally:
            self.ended = time.monotonic()
            self._done.set()
            if self._door.ended.is_set():  # nobody waited for it
                self._door.share.give_back()

    def _cleaned(self) -> Answer:
        share = self._door.share
        try:
            return self._clean(self._fetch(self._door), share)
        except LookError as error:
            told = Answer(Status(error.status), None, _words(error), error.do_next)
        except BaseException:
            share.give_back()
            raise
        share.give_back()  # here, for until now the error has held what was read
        return self._clean(told, share)

    def wait(self, seconds: float) -> Answer:
        """The answer, or timed_out after so many seconds. Raises what the fetch itself broke with."""
        try:
            is_done = self._done.wait(max(0.0, seconds))
        except BaseException:  # the run is being stopped
            self._door.ended.set()
            self._done.wait(self._tidying_s)
            raise
        if not is_done:
            self._door.ended.set()
            if (
                self._tidying_s
                and self._done.wait(self._tidying_s)
                and self._answer
                and not self._answer.status.answered
            ):
                return self._answer
            self.ended = None
            return Answer(
                Status.timed_out,
                None,
                f"no complete answer within {self._door.deadline.seconds:g} s",
                "look again when the source is quicker, or give the run more time",
            )
        if self._broken is not None:
            raise self._broken
        assert self._answer is not None
        return self._answer


def _words(error: LookError) -> str:
    return f"{error.where}: {error.tried}" if error.where else error.tried


def _to_json(value: Json) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)


def _key_of(observation: Observation) -> str:
    return observation_key(f"{observation.source}.{observation.call}", observation.arguments, observation.nth)
