"""What a drill came to: the contract's JSON, the counts, and the exit code."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib.drills.kit.run_case import Outcome


def summary_of(listed: int, rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many were listed, ran and were right; and of what kind the mistakes were. `rows`: cases in the contract's form.

    false_alarms: confirmed where nothing is broken. missed: a fault ruled out, or not told although it can be.
    wrong_cause: confirmed, and another cause. abstained_rightly: could_not_tell where nothing better can be said.
    """
    counts: Counter[str] = Counter()
    for each in rows:
        is_correct = bool(each["correct"])
        counts["ran"] += each["got"] is not None
        counts["correct"] += is_correct
        if each["got"] is None:
            continue
        got, wanted = each["got"]["status"], each["expected"]["status"]
        counts["false_alarms"] += got == "confirmed" and wanted == "ruled_out"
        counts["missed"] += wanted == "confirmed" and got != "confirmed"
        counts["wrong_cause"] += got == "confirmed" and wanted != "ruled_out" and not is_correct
        counts["abstained_rightly"] += is_correct and got == "could_not_tell"
    keys = ("ran", "correct", "false_alarms", "missed", "wrong_cause", "abstained_rightly")
    return {"listed": listed, **{key: counts[key] for key in keys}}


def as_json(listed: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """`drill --json`."""
    rows = [each.as_dict() for each in outcomes]
    return {"cases": rows, "summary": summary_of(listed, rows)}


def exit_code(summary: Mapping[str, int]) -> int:
    """0: all correct and none left out; else 1."""
    return 0 if summary["listed"] == summary["ran"] == summary["correct"] else 1
