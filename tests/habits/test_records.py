"""Every kept record of a drill says of which commit's code it is a record, and this history has that commit."""

import subprocess

import pytest

from runbook_lib.drills.kit import records
from runbook_lib.drills.kit.case_list import CASES
from runbook_lib.run.home import CHECKOUT


def git(*arguments: str) -> str:
    """What git says of this checkout; skips where there is no history to ask."""
    try:
        done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("there is no git here")
    if done.returncode:
        pytest.skip("this checkout has no git history")
    return done.stdout.strip()


def test_every_record_names_a_commit_of_this_history() -> None:
    """A branch that was rebased after `drill --record` leaves commits behind that nobody else has."""
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.skip("this checkout's history is cut off (a shallow clone)")
    history = set(git("log", "--format=%H", "HEAD").splitlines())
    lost = {
        f"{line['commit']} · {procedure} · {case}"
        for procedure in sorted({each.procedure for each in CASES})
        for case, line in records.read_index(procedure).items()
        if line["commit"] not in history
    }
    assert not lost, (
        "name the commit of this history that has the same change, or the one that keeps the record: "
        f"git log --diff-filter=AM -- tests/records/<procedure>/<case>\n{chr(10).join(sorted(lost)[:10])}"
    )
