"""Requests to stop come as one exception, and never in the middle of what must not be torn."""

import os
import signal
import threading

import pytest

from runbook_lib.run.stops import Stopped, stops_as_exceptions


def test_the_first_request_is_raised_and_those_after_it_are_not() -> None:
    with stops_as_exceptions():
        with pytest.raises(Stopped) as stopped:
            os.kill(os.getpid(), signal.SIGTERM)
        assert stopped.value.signum == signal.SIGTERM
        os.kill(os.getpid(), signal.SIGINT)


def test_one_that_is_held_back_comes_at_the_end_of_what_must_not_be_torn() -> None:
    done = []

    def torn_or_not() -> None:
        with stops_as_exceptions() as stops, stops.put_off():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("whole")

    with pytest.raises(Stopped):
        torn_or_not()
    assert done == ["whole"]


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stops_as_exceptions():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_in_another_thread_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def other() -> None:
        with stops_as_exceptions():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [before]
