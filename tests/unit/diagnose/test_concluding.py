"""What every procedure's conclusion shares: which looks count as not seen, each told once."""

import dataclasses

from support.evidence import look

from runbook_lib.core.model import Status
from runbook_lib.judging.concluding import unseen


def test_parts_of_which_the_same_is_to_be_said_are_told_once() -> None:
    web, api = (look("vercel", "request_log", status=Status.not_configured, part=part) for part in ("web", "api"))
    (told,) = unseen([web, api])
    assert (told.source, told.call, told.status) == ("vercel", "request_log", "not_configured")
    denied = dataclasses.replace(api, status=Status.denied)
    assert [each.status for each in unseen([web, denied])] == ["not_configured", "denied"]


def test_the_last_look_of_a_part_counts_and_what_answered_is_no_gap() -> None:
    slow = look("vercel", "request_log", status=Status.timed_out, part="web")
    answered = dataclasses.replace(slow, status=Status.empty)
    assert unseen([slow, answered]) == []
    assert len(unseen([answered, slow])) == 1
