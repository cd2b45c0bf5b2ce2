"""The team's own word on recovery, from its files: what it must achieve, and when a restore was last rehearsed."""

import json
import re
import tomllib
from typing import Any

from runbook_lib.core.clock import from_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.backups import RecoveryObjectives, Rehearsal
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_setting

_SPAN = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*(s|m|h|d)", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
OBJECTIVES = ("rpo", "rto", "rehearsed", "pitr_window")


def objectives() -> Look[RecoveryObjectives]:
    """What recovery must achieve.

    The file is RUNBOOK_RECOVERY_OBJECTIVES (`recovery_objectives.toml`): a table [objectives] with spans like "24h". Anything
    else in it is malformed, with the key. not_found: there is no such file.
    """

    def fetch(door: Door) -> Answer[RecoveryObjectives]:
        path = require_setting(door, "recovery_objectives_file")
        text = door.read_text(path)
        try:
            return Answer(Status.ok, _read(path, tomllib.loads(text)))
        except (tomllib.TOMLDecodeError, ValueError) as error:
            raise LookError(
                Status.malformed, f"{path}: {error}", do_next="correct the file; recovery_objectives.toml is an example"
            ) from error

    return Look("team", "recovery_objectives", {}, fetch)


def rehearsals() -> Look[list[Rehearsal]]:
    """The rehearsed restores that the team's ledger holds, newest first; empty where the ledger is empty or not there yet.

    A line that is none makes it malformed, with its number.
    """

    def fetch(door: Door) -> Answer[list[Rehearsal]]:
        path = require_setting(door, "restore_ledger_file")
        try:
            text = door.read_text(path)
        except LookError as error:
            if error.status == Status.not_found:
                return Answer(Status.empty, [], f"{path} is not there yet: no restore was ever written down")
            raise
        rows = [_rehearsal(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        rows.sort(key=lambda row: row["at"], reverse=True)
        return Answer.of(rows)

    return Look("team", "restore_rehearsals", {}, fetch)


def span_s(text: Any) -> float:
    """Seconds from `30m`, `4h`, `7d`. Raises ValueError for anything else, and for nothing at all."""
    match = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or not float(match[1]):
        raise ValueError(f"{text!r:.40} is no span such as 30m, 4h or 7d")
    return float(match[1]) * _UNIT_S[match[2]]


def _read(path: str, document: dict[str, Json]) -> RecoveryObjectives:
    table = document.get("objectives")
    if not isinstance(table, dict):
        raise ValueError("no table [objectives]")
    unknown = (set(table) - set(OBJECTIVES)) | (set(document) - {"objectives"})
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(OBJECTIVES)}")
    spans: dict[str, float | None] = {}
    for name in OBJECTIVES:
        try:
            spans[name] = span_s(table[name]) if name in table else None
        except ValueError as error:
            raise ValueError(f"objectives.{name}: {error}") from error
    return RecoveryObjectives(
        file=path,
        rpo_s=spans["rpo"],
        rto_s=spans["rto"],
        rehearsed_s=spans["rehearsed"],
        pitr_window_s=spans["pitr_window"],
    )


def _rehearsal(path: str, number: int, line: str) -> Rehearsal:
    try:
        row = json.loads(line)
        from_iso(row["at"])
        if row["outcome"] not in ("whole", "not whole"):
            raise ValueError("outcome")
        return Rehearsal(at=row["at"], outcome=row["outcome"], restored_s=row.get("restored_s"), what=row.get("what"))
    except (ValueError, KeyError, TypeError) as error:
        why = f"{path} line {number} is no rehearsal: {type(error).__name__} {error}"
        raise LookError(Status.malformed, why[:300], do_next="correct or remove that line") from error
