"""Two runs of one procedure are compared by fingerprint."""

from typing import Any

import pytest

from runbook_lib.artifact.diff import diff
from runbook_lib.core.errors import UsageError


def finding(code: str) -> dict[str, Any]:
    return {"code": code, "subject": "s", "summary": code, "fingerprint": f"fp-{code}"}


def verdict(
    status: str = "confirmed", procedure: str = "03_x", target: str = "live", **lists: list[str]
) -> dict[str, Any]:
    found = {key: [finding(code) for code in lists.get(key, [])] for key in ("causes", "also", "states", "blind")}
    return {"procedure": procedure, "target": target, "status": status, **found}


CLEAN = verdict("ruled_out")


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        (CLEAN, CLEAN, 0),
        (verdict(causes=["a"]), verdict(causes=["a"]), 0),
        (CLEAN, verdict(causes=["a"]), 1),
        (verdict(causes=["a"]), verdict(causes=["a"], also=["b"]), 1),
        (verdict(causes=["a"], also=["b"]), verdict(causes=["b", "a"]), 1),
        (verdict(causes=["a"], also=["b"]), verdict(causes=["a"]), 0),
        (verdict(causes=["a"]), CLEAN, 0),
        (verdict(causes=["a"]), verdict("could_not_tell"), 3),
        (CLEAN, verdict("could_not_tell"), 3),
        (verdict("could_not_tell"), verdict("could_not_tell"), 0),
        (verdict("could_not_tell"), CLEAN, 0),
        (verdict("could_not_tell"), verdict(causes=["a"]), 1),
        (CLEAN, verdict("could_not_tell", blind=["b"]), 1),
        (CLEAN, verdict("ruled_out", procedure="04_y"), 3),
        (CLEAN, verdict("ruled_out", target="sandbox"), 3),
    ],
)
def test_the_exit_code_says_what_changed(before: dict[str, Any], after: dict[str, Any], code: int) -> None:
    assert diff(before, after).exit_code == code


def test_what_is_new_worse_and_gone_is_named() -> None:
    found = diff(verdict(causes=["a"], also=["b"], states=["c"]), verdict(causes=["b", "d"], states=["c"]))
    assert [each["code"] for each in found.new] == ["d"]
    assert [each["code"] for each in found.worse] == ["b"]
    assert [each["code"] for each in found.gone] == ["a"]
    assert found.same == 2


def test_a_blind_run_makes_nothing_gone() -> None:
    found = diff(verdict(causes=["a"]), verdict("could_not_tell", causes=["b"]))
    assert found.gone == ()
    assert found.exit_code == 1


def test_a_finding_without_a_fingerprint_is_a_corrupt_artifact() -> None:
    with pytest.raises(UsageError, match="corrupt"):
        diff(CLEAN, {**CLEAN, "causes": [{"code": "a"}]})
