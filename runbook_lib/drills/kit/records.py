"""Golden records: what every drill's run saw, kept beside the verdict that it must give: a rule is tried without a sandbox.

    tests/records/<procedure>/<case>.json.xz   the runs of one case: how they were asked, and every observation
    tests/records/<procedure>.jsonl            one line a case: at which commit it was recorded, and the verdicts to reach

    build/wrong-drills/…                       in the same form, what a drill with a wrong verdict saw

A record is written by `runbook drill --record`, and read by `runbook drill --golden`; a rule that gives another verdict shows as a
changed line of the second file once `runbook drill --golden --accept` has been said.
"""

import json
import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook_lib.artifact.files import write_atomic
from runbook_lib.core.model import Observation
from runbook_lib.core.redact import Masked, our_own
from runbook_lib.run.context import RunContext
from runbook_lib.run.headless import HeadlessRun, replay_procedure
from runbook_lib.run.home import Home

RECORDS = Path(__file__).resolve().parents[3] / "tests" / "records"
WRONG = Path(__file__).resolve().parents[3] / "build" / "wrong-drills"
BROKEN, HEALED = "broken", "healed"
_KEPT = ("run", "procedure", "incident", "target", "now", "parameters", "active", "executed")
_FILTERS = ({"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME},)


@dataclass(frozen=True)
class Record:
    """One run of a case: `when` it was made (broken, or healed afterwards), how it was asked, and what it saw."""

    case: str
    when: str
    context: RunContext
    observations: tuple[Observation, ...]

    @property
    def name(self) -> str:
        """What it is called in a list: the case, and `healed` for the run after healing."""
        return self.case if self.when == BROKEN else f"{self.case} ({self.when})"

    def replay(self, observations: Iterable[Observation] | None = None, home: Home | None = None) -> HeadlessRun:
        """The run again from the record, by today's rules; `observations` in place of its own where they are given."""
        return replay_procedure(self.context, self.observations if observations is None else list(observations), home)


def record_of(case: str, when: str, run: HeadlessRun) -> Record:
    """The record of a run that has just been made."""
    return Record(case, when, run.context, run.observations)


def write(procedure: str, case: str, records: Iterable[Record], folder: Path = RECORDS) -> Path:
    """Keep the runs of one case in place of what was kept of it before; returns the file."""
    runs = {
        each.when: {
            **{name: getattr(each.context, name) for name in _KEPT},
            "observations": [seen.as_dict() for seen in each.observations],
        }
        for each in records
    }
    text = json.dumps(runs, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    path = path_of(procedure, case, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = lzma.compress(our_own(text), format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32, filters=_FILTERS)
    write_atomic(path, Masked(packed))
    return path


def read(procedure: str, case: str, folder: Path = RECORDS) -> list[Record]:
    """The runs of one case, the broken one first; none where nothing is recorded."""
    path = path_of(procedure, case, folder)
    if not path.exists():
        return []
    runs: dict[str, dict[str, Any]] = json.loads(lzma.decompress(path.read_bytes()))
    return [_record(case, when, runs[when]) for when in (BROKEN, HEALED) if when in runs]


def _record(case: str, when: str, run: Mapping[str, Any]) -> Record:
    context = RunContext(
        **{name: run[name] for name in _KEPT if name != "executed"}, executed=tuple(run["executed"]), state="done"
    )
    return Record(case, when, context, tuple(Observation.from_dict(each) for each in run["observations"]))


def path_of(procedure: str, case: str, folder: Path = RECORDS) -> Path:
    """Where the record of a case lies. What a file's name cannot hold is a hyphen."""
    return folder / procedure / f"{case.replace('/', '-').replace(' ', '_')}.json.xz"


def verdict_claims(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """What a verdict says as far as it must not change unnoticed: status and codes with their subjects, no ids, no times."""
    codes = {
        key: [f"{each['code']} · {each['subject']}" for each in verdict[key]]
        for key in ("causes", "also", "states", "blind", "suspects")
        if verdict[key]
    }
    return {"status": verdict["status"], **codes}


def read_index(procedure: str) -> dict[str, dict[str, Any]]:
    """A procedure's index: by case, `{"case", "commit", "broken": verdict, "healed": verdict}`; empty without one."""
    try:
        lines = [json.loads(line) for line in index_of(procedure).read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return {}
    return {line["case"]: line for line in lines}


def write_index(procedure: str, lines: Iterable[Mapping[str, Any]]) -> None:
    """Keep the index of a procedure's records, in the order given."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    index_of(procedure).parent.mkdir(parents=True, exist_ok=True)
    write_atomic(index_of(procedure), our_own(text.encode()))


def index_of(procedure: str) -> Path:
    """Where a procedure's index lies."""
    return RECORDS / f"{procedure}.jsonl"
