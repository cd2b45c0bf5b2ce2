"""What makes an audit red: findings by fingerprint, against the audit before, without the muted ones; never a blind night green."""

from datetime import date
from typing import Any

import pytest

from runbook_lib.run.audits.compare import compare, judge_jobs, unused_mutes, worst_exit_code
from runbook_lib.run.audits.file import Mute
from runbook_lib.run.audits.record import JobResult, Record

TODAY = date(2026, 11, 26)
_EXIT = {"confirmed": 1, "ruled_out": 0, "could_not_tell": 3, None: 5}


def finding(name: str) -> dict[str, Any]:
    return {"code": name, "subject": "s", "summary": name, "fingerprint": (name * 16)[:16]}


def job(status: str | None, procedure: str = "05_x", target: str = "live", **lists: str) -> JobResult:
    verdict: dict[str, Any] = {"procedure": procedure, "target": target, "status": status}
    verdict |= {key: [finding(each) for each in lists.get(key, "")] for key in ("causes", "also", "states", "blind")}
    return JobResult(procedure, target, "", _EXIT[status], status, "", 1.0, verdict if status else {})


def record(*results: JobResult) -> Record:
    return Record("nightly", "id", "2026-11-26T02:17:00Z", "2026-11-26T02:18:00Z", "done", results)


def mute(name: str, until: date = date(2026, 12, 31)) -> Mute:
    return Mute(fingerprint=(name * 16)[:16], until=until, reason="known")


def code(after: JobResult, before: JobResult | None = None, *mutes: Mute, only_changes: bool = True) -> int:
    known = record(before) if before else None
    return worst_exit_code(judge_jobs(record(after), known, mutes, TODAY, only_changes=only_changes))


def test_without_an_audit_before_everything_counts() -> None:
    assert code(job("confirmed", causes="a")) == 1
    assert code(job("ruled_out")) == 0


def test_what_was_known_before_counts_only_where_everything_is_asked_for() -> None:
    known = job("confirmed", causes="a")
    assert code(known, known) == 0
    assert code(known, known, only_changes=False) == 1


def test_a_new_or_worse_finding_counts_beside_a_known_one() -> None:
    before = job("confirmed", causes="a", also="b")
    assert code(job("confirmed", causes="ac", also="b"), before) == 1
    assert code(job("confirmed", causes="ba"), before) == 1


def test_a_state_is_no_alarm() -> None:
    assert code(job("ruled_out", states="s"), job("ruled_out")) == 0


def test_a_muted_finding_is_shown_and_counts_for_nothing_until_its_day_is_over() -> None:
    found = job("confirmed", causes="a")
    (judged,) = judge_jobs(record(found), None, [mute("a")], TODAY, only_changes=False)
    assert judged.exit_code == 0
    assert [each["code"] for each in judged.muted] == ["a"]
    assert code(found, None, mute("a", date(2026, 11, 25))) == 1
    assert code(job("confirmed", causes="ab"), None, mute("a")) == 1


def test_what_could_not_be_told_counts_every_night() -> None:
    blind = job("could_not_tell", blind="e")
    assert code(blind, blind, mute("e")) == 3


def test_what_broke_counts_most_and_a_finding_more_than_blindness() -> None:
    jobs = [job("could_not_tell", "01_a"), job("confirmed", "02_b", causes="a"), job(None, "03_c")]
    judged = judge_jobs(record(*jobs), None, [], TODAY, only_changes=False)
    assert worst_exit_code(judged) == 5
    assert worst_exit_code(judged[:2]) == 1
    assert worst_exit_code(judged[:1]) == 3
    assert worst_exit_code([]) == 0


def test_a_process_that_ended_like_a_finding_and_told_no_verdict_broke() -> None:
    assert code(JobResult("05_x", "live", "", 1, None, "ImportError", 0.1, {})) == 5


def test_the_same_finding_on_another_target_is_another_one() -> None:
    before = record(job("confirmed", target="live", causes="a"), job("ruled_out", target="staging"))
    after = record(job("confirmed", target="live", causes="a"), job("confirmed", target="staging", causes="a"))
    judged = judge_jobs(after, before, [], TODAY, only_changes=True)
    assert [each.exit_code for each in judged] == [0, 1]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (record(job("ruled_out")), record(job("ruled_out")), 0),
        (record(job("ruled_out")), record(job("confirmed", causes="a")), 1),
        (record(job("confirmed", causes="a")), record(job("ruled_out")), 0),
        (record(job("ruled_out")), record(job("ruled_out"), job("ruled_out", "06_y")), 3),
        (record(job("ruled_out"), job("ruled_out", "06_y")), record(job("ruled_out")), 3),
        (record(job("ruled_out")), record(job(None)), 3),
        (record(job("ruled_out"), job(None, "06_y")), record(job("confirmed", causes="a"), job(None, "06_y")), 1),
    ],
)
def test_two_audits_have_an_exit_code_as_two_runs_have(before: Record, after: Record, expected: int) -> None:
    assert compare(before, after).exit_code == expected


def test_a_mute_that_nothing_needs_or_that_is_over_is_told() -> None:
    judged = judge_jobs(record(job("confirmed", causes="a")), None, [mute("a")], TODAY, only_changes=False)
    assert unused_mutes([mute("a")], judged, TODAY) == []
    assert "nothing that was found needs" in unused_mutes([mute("b")], judged, TODAY)[0]
    assert "ended on 2026-11-01" in unused_mutes([mute("a", date(2026, 11, 1))], judged, TODAY)[0]
