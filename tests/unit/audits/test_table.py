"""An audit's table says of each job what a reader needs: the findings, or what stands in the way of an answer."""

from datetime import date
from typing import Any

from runbook_lib.run.audits.compare import judge_jobs
from runbook_lib.run.audits.record import JobResult, Record
from runbook_lib.run.audits.table import headings_and_rows


def _told(**lists: Any) -> str:
    """What counts, of one job that could not tell."""
    verdict = {"procedure": "05_x", "target": "live", "status": "could_not_tell", "causes": [], "also": [], **lists}
    job = JobResult("05_x", "live", "", 3, "could_not_tell", "", 1.0, verdict)
    record = Record("nightly", "id", "2026-11-26T02:17:00Z", "2026-11-26T02:18:00Z", "done", (job,))
    headings, (line,) = headings_and_rows(judge_jobs(record, None, [], date(2026, 11, 26), only_changes=False))
    return line[headings.index("what counts")]


def _suspect(subject: str, why: str) -> dict[str, str]:
    return {"code": "", "subject": subject, "why": why, "deciding_look": "ask again"}


def test_what_stands_in_the_way_of_an_answer_is_said_in_the_table() -> None:
    nowhere = _suspect("Nowhere", "no organization has this id, name or customer")
    assert _told(suspects=[nowhere]) == "Nowhere: no organization has this id, name or customer"
    assert _told(suspects=[nowhere, _suspect("x", "y")]).endswith("(and 1 more)")
    assert _told() == "see the artifact's not_seen"
    assert len(_told(suspects=[_suspect("x", "word " * 200)])) <= 160
