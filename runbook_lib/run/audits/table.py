"""What an audit came to, for reading: a row for each job, as a table on the terminal, as Markdown, and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten

from runbook_lib.core.model import Json
from runbook_lib.run.audits.compare import JudgedJob
from runbook_lib.run.audits.record import Record

HEADINGS = ["target", "procedure", "org", "verdict", "what counts", "known", "muted", "took"]


def headings_and_rows(judged: Sequence[JudgedJob]) -> tuple[list[str], list[list[str]]]:
    """Headings and lines; a column in which nothing stands is left out."""
    lines = [_line(each) for each in judged]
    wanted = [at for at, heading in enumerate(HEADINGS) if heading == "verdict" or any(line[at] for line in lines)]
    return [HEADINGS[at] for at in wanted], [[line[at] for at in wanted] for line in lines]


def markdown(record: Record, judged: Sequence[JudgedJob]) -> str:
    """The table as Markdown, under a heading, for a forge's summary."""
    headings, lines = headings_and_rows(judged)
    shown = [headings, ["---"] * len(headings), *lines]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in shown)
    return f"## Audit {record.name}, {record.started_at}\n\n{table}\n"


def as_document(record: Record, judged: Sequence[JudgedJob], path: Path, exit_code: int) -> dict[str, Json]:
    """What `audit --json` prints: the record, and of each job what counts, is known and is muted."""
    jobs = [
        {
            **asdict(each.result),
            "counts": list(each.told),
            "known": list(each.known),
            "muted": list(each.muted),
            "counted_as": each.exit_code,
        }
        for each in judged
    ]
    head = {key: value for key, value in record.as_dict().items() if key not in ("results", "schema")}
    return {**head, "record": str(path), "jobs": jobs, "exit_code": exit_code}


def _line(each: JudgedJob) -> list[str]:
    result = each.result
    verdict = result.status or f"broke (exit {result.exit_code})"
    counts = _named(each.told) if result.status else result.why
    if result.status == "could_not_tell" and not counts:
        counts = _named(result.verdict.get("blind", ())) or _undecided(result.verdict.get("suspects", ()))
    known, muted = (_named(found) for found in (each.known, each.muted))
    return [result.target, result.procedure, result.org, verdict, counts, known, muted, f"{result.seconds:.1f} s"]


def _undecided(suspects: Sequence[Mapping[str, Json]]) -> str:
    """What the first suspect says, and how many there are."""
    if not suspects:
        return "see the artifact's not_seen"
    more = f" (and {len(suspects) - 1} more)" if len(suspects) > 1 else ""
    return shorten(f"{suspects[0]['subject']}: {suspects[0]['why']}", 160, placeholder=" …") + more


def _named(findings: Sequence[Mapping[str, Json]]) -> str:
    return "; ".join(f"{each['code']} · {each['subject']}" for each in findings)
